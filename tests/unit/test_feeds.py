"""Feeds and sitemaps, kept in memory, of a blog that is anywhere."""

import json

import httpx
import pytest
from openapi_spec_validator import validate

from blog.container import in_memory
from blog.entrypoints.formats.feeds import Site
from blog.entrypoints.http import feeds, openapi, sitemaps
from blog.entrypoints.http.app import build
from blog.settings import Settings, SettingsError
from tests.builders import Clock
from tests.contracts.asking import ada, bearer, bob, register, token_of
from tests.contracts.feeds import FeedsContract, addresses, read, write
from tests.support import quick

__all__ = ["ada", "bob"]

pytestmark = pytest.mark.http


class TestFeedsInMemory(FeedsContract): ...


async def test_every_address_begins_where_the_blog_is(clock: Clock) -> None:
    elsewhere = {"SITE_URL": "https://Example.org/blog/", "FEED_AUTHORITY": "Old.example.org", "APP_NAME": "Notes"}
    container = quick(in_memory, clock, **elsewhere)
    transport = httpx.ASGITransport(build(container))
    async with httpx.AsyncClient(transport=transport, base_url="http://blog.test") as client:
        await register(client)
        who = bearer(await token_of(client))
        for _ in range(21):
            article = await write(client, who)
        for kind in ("atom", "rss", "json"):
            feed = await read(client, f"/users/Ada/feed.{kind}")
            places = [feed["home"], *feed["links"].values(), *(entry["url"] for entry in feed["entries"])]
            assert [place for place in places if not place.startswith("https://example.org/blog/")] == []
            assert len(feed["entries"]) == 20
            assert feed["links"]["next"].startswith(f"https://example.org/blog/users/Ada/feed.{kind}?cursor=")
            assert feed["entries"][0]["id"] == f"tag:old.example.org,2026-03-04:articles/{article['id']}"
            assert feed["title"] == "Ada · Notes"
        found = addresses((await client.get("/sitemap.xml")).content)
        assert f"https://example.org/blog/articles/{article['slug']}" in found
        robots = (await client.get("/robots.txt")).text
        assert "Disallow: /blog/preview\n" in robots
        assert "Sitemap: https://example.org/blog/sitemap.xml\n" in robots
        assert (await client.get("/articles")).links["alternate"]["url"] == "https://example.org/blog/feed.atom"
    container.hasher().close()
    container.markdown().close()


async def test_the_blog_may_be_at_an_ipv6_address(clock: Clock) -> None:
    container = quick(in_memory, clock, SITE_URL="http://[::1]:8000")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(build(container)), base_url="http://blog.test"
    ) as client:
        await register(client)
        article = await write(client, bearer(await token_of(client)))
        for kind in ("atom", "rss", "json"):
            feed = await read(client, f"/feed.{kind}")
            assert feed["home"] == "http://[::1]:8000/articles"
            # RFC 4151 has no form for the address.
            assert feed["entries"][0]["id"] == f"tag:localhost,2026-03-04:articles/{article['id']}"
    container.hasher().close()
    container.markdown().close()


@pytest.mark.parametrize(
    "address",
    [
        *("example.org", "ftp://example.org", "https://", "https:///x", "https://me@example.org", "https://a b.org"),
        *("https://example.org?x", "https://example.org#x", "https://example.org:99999", "https://[::1"),
        *("https://bücher.example", "https://-a.example", "https://example.org/ä", "https://example.org/\x00"),
    ],
)
def test_an_address_of_the_blog_that_is_none_is_named(address: str) -> None:
    with pytest.raises(SettingsError, match="SITE_URL must "):
        Settings.load({"SITE_URL": address}, file=None)


@pytest.mark.parametrize("path", ["//x", "/a//b", "/a/../b", "/a/./b", "/.", "/%2e%2E/b", "/%zz", "/a%"])
def test_a_path_that_clients_read_in_another_way_is_named(path: str) -> None:
    with pytest.raises(SettingsError, match=r"SITE_URL (must|has)"):
        Settings.load({"SITE_URL": f"https://example.org{path}"}, file=None)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://localhost:3000/", "http://localhost:3000"),
        ("https://Blog.Example.org", "https://blog.example.org"),
        ("https://example.org/A/~b%20c/", "https://example.org/A/~b%20c"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ],
)
def test_the_address_of_the_blog_is_kept_without_its_last_slash(given: str, kept: str) -> None:
    assert Settings.load({"SITE_URL": given}, file=None).site_url == kept


@pytest.mark.parametrize("name", ["a b", "example.org,2026", "https://example.org", "a..b", "-a", "x" * 254])
def test_an_authority_that_is_no_host_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match="FEED_AUTHORITY must be"):
        Settings.load({"FEED_AUTHORITY": name}, file=None)


def test_what_is_documented_of_feeds_is_openapi() -> None:
    routes = (
        *(feeds.show_feed, feeds.show_feed_of_author, feeds.show_feed_of_tag),
        *(sitemaps.show_sitemap, sitemaps.show_robots),
    )
    document = json.loads(json.dumps(openapi.document(Site(name="Blog", url="http://x", authority="x"), routes)))
    validate(document)
    assert {parameter["name"] for parameter in document["paths"]["/feed.{format}"]["get"]["parameters"]} == {
        *("format", "content", "cursor")
    }
