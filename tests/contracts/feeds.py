"""What HTTP promises of feeds and sitemaps, whatever the blog is kept in."""

import json
import re
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.robotparser import RobotFileParser

import feedparser  # type: ignore[import-untyped]  # it carries no types
import httpx
import pytest
from lxml import etree  # type: ignore[import-untyped]  # nor does this

from blog.container import Container
from blog.domain.articles import AltText, Content, Title
from blog.domain.web_addresses import WebAddress
from tests.builders import Clock
from tests.contracts import asking
from tests.contracts.asking import bearer, edit, problem, token_of, wrong

SITE = "http://127.0.0.1:8000"
KINDS = ("atom", "rss", "json")
MEDIA_TYPES = {
    "atom": "application/atom+xml; charset=utf-8",
    "rss": "application/rss+xml; charset=utf-8",
    "json": "application/feed+json",
}
FEEDS = ("/feed", "/users/Ada/feed", "/tags/engines/feed")
EVERY_FEED = [f"{path}.{kind}" for path in FEEDS for kind in KINDS]

GRAMMAR = etree.RelaxNG(etree.parse(Path(__file__).parents[1] / "data" / "feeds" / "atom.rng"))
NAMES = {
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "media": "http://search.yahoo.com/mrss/",
    "map": "http://www.sitemaps.org/schemas/sitemap/0.9",
}
RSS_CHANNEL = {
    *("title", "link", "description", "language", "copyright", "managingEditor", "webMaster", "pubDate", "item"),
    *(
        "lastBuildDate",
        "category",
        "generator",
        "docs",
        "cloud",
        "ttl",
        "image",
        "textInput",
        "skipHours",
        "skipDays",
    ),
}
RSS_ITEM = {
    *("title", "link", "description", "author", "category", "comments", "enclosure", "guid", "pubDate", "source"),
}
JSON_FEED = {
    *("version", "title", "home_page_url", "feed_url", "description", "user_comment", "next_url", "icon", "favicon"),
    *("authors", "language", "expired", "hubs", "items"),
}
JSON_ITEM = {
    *("id", "url", "external_url", "title", "content_html", "content_text", "summary", "image", "banner_image"),
    *("date_published", "date_modified", "authors", "tags", "language", "attachments"),
}
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
TAG_URI = r"tag:[a-z0-9.-]+,\d{4}-\d\d-\d\d:articles/\d+"


async def write(client: httpx.AsyncClient, who: dict[str, str], **fields: Any) -> dict[str, Any]:
    """An article with the tag of which there is a feed."""
    now = {"published": None} if "publish_at" in fields else {}
    return await asking.write(client, who, **{"tags": ["engines"]} | now | fields)


async def public(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """What anybody reads, as the API has it."""
    asked = {"sort": "-published_at", "include": "author,content_html"}
    return list((await client.get("/articles", params=asked)).json())


async def read(client: httpx.AsyncClient, address: str, **headers: str) -> dict[str, Any]:
    """A feed, whatever its format, that keeps to its specification."""
    answer = await client.get(address, headers=headers)
    assert answer.status_code == 200, answer.text
    kind = urlsplit(address).path.rpartition(".")[2]
    assert answer.headers["content-type"] == MEDIA_TYPES[kind]
    return {"atom": atom, "rss": rss, "json": json_feed}[kind](answer.content)


def xml(content: bytes) -> Any:
    return etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))


def only(element: Any, path: str) -> str:
    """The one text there."""
    (found,) = element.xpath(path, namespaces=NAMES)
    return str(found if isinstance(found, str) else found.text or "")


def linked(element: Any) -> dict[str, str]:
    links = element.findall("atom:link", NAMES)
    assert len({link.get("rel") for link in links}) == len(links)
    return {link.get("rel"): link.get("href") for link in links}


def cover(element: Any) -> tuple[str | None, ...] | None:
    for picture in element.findall("media:content", NAMES):
        return (picture.get("url"), picture.get("type"), picture.findtext("media:description", None, NAMES))
    return None


def atom(content: bytes) -> dict[str, Any]:
    """Atom that keeps the grammar of RFC 4287, and what the grammar cannot say of it."""
    feed = xml(content)
    GRAMMAR.assertValid(feed)
    entries = feed.findall("atom:entry", NAMES)
    ids = [only(entry, "atom:id") for entry in entries]
    assert len(set(ids)) == len(ids)
    for entry in entries:
        assert entry.find("atom:author", NAMES) is not None
        assert linked(entry)["alternate"]
        assert entry.find("atom:author/atom:email", NAMES) is None
    links = linked(feed)
    assert links["alternate"]
    assert only(feed, "atom:updated") == max(
        (only(entry, "atom:updated") for entry in entries), default="1970-01-01T00:00:00Z"
    )
    return {
        "id": only(feed, "atom:id"),
        "title": only(feed, "atom:title"),
        "home": links.pop("alternate"),
        "links": links,
        "entries": [
            {
                "id": only(entry, "atom:id"),
                "url": linked(entry)["alternate"],
                "title": only(entry, "atom:title"),
                "summary": only(entry, "atom:summary"),
                "html": entry.findtext("atom:content[@type='html']", None, NAMES),
                "published": datetime.fromisoformat(only(entry, "atom:published")),
                "updated": datetime.fromisoformat(only(entry, "atom:updated")),
                "author": (only(entry, "atom:author/atom:name"), only(entry, "atom:author/atom:uri")),
                "tags": entry.xpath("atom:category/@term", namespaces=NAMES),
                "cover": cover(entry),
                "language": entry.get(LANGUAGE),
            }
            for entry in entries
        ],
    }


def rss(content: bytes) -> dict[str, Any]:
    """RSS that keeps the specification 2.0.11 of the RSS Advisory Board, for which there is no schema."""
    top = xml(content)
    assert (top.tag, top.get("version")) == ("rss", "2.0")
    (channel,) = top
    assert channel.tag == "channel"
    assert {element.tag for element in channel if "{" not in element.tag} <= RSS_CHANNEL
    items = channel.findall("item")
    if items:
        assert parsedate_to_datetime(only(channel, "lastBuildDate"))
    for item in items:
        plain = [element.tag for element in item if "{" not in element.tag]
        assert set(plain) <= RSS_ITEM - {"author"}
        assert {name for name in plain if plain.count(name) > 1} <= {"category"}
        assert only(item, "guid/@isPermaLink") == "false"
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", only(item, "pubDate"))
    return {
        "title": only(channel, "title"),
        "description": only(channel, "description"),
        "home": only(channel, "link"),
        "links": linked(channel),
        "entries": [
            {
                "id": only(item, "guid"),
                "url": only(item, "link"),
                "title": only(item, "title"),
                "summary": only(item, "description"),
                "html": item.findtext("content:encoded", None, NAMES),
                "published": parsedate_to_datetime(only(item, "pubDate")),
                "updated": datetime.fromisoformat(only(item, "atom:updated")),
                "author": (only(item, "dc:creator"), None),
                "tags": item.xpath("category/text()"),
                "cover": cover(item),
                "language": item.findtext("dc:language", None, NAMES),
            }
            for item in items
        ],
    }


def json_feed(content: bytes) -> dict[str, Any]:
    """JSON Feed that keeps the specification 1.1."""
    feed = json.loads(content)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert set(feed) <= JSON_FEED
    assert all(isinstance(feed[name], str) for name in feed if name != "items")
    for item in feed["items"]:
        assert set(item) <= JSON_ITEM
        assert ("content_html" in item) != ("content_text" in item)
        assert all(isinstance(item[name], str) for name in item if name not in ("authors", "tags"))
        assert all(isinstance(tag, str) for tag in item["tags"])
        assert all(set(author) <= {"name", "url", "avatar"} and author for author in item["authors"])
    links = {"self": feed["feed_url"], "next": feed.get("next_url")}
    return {
        "title": feed["title"],
        "home": feed["home_page_url"],
        "links": {relation: address for relation, address in links.items() if address},
        "entries": [
            {
                "id": item["id"],
                "url": item["url"],
                "title": item["title"],
                "summary": item["summary"],
                "html": item.get("content_html"),
                "text": item.get("content_text"),
                "published": datetime.fromisoformat(item["date_published"]),
                "updated": datetime.fromisoformat(item["date_modified"]),
                "author": (item["authors"][0]["name"], item["authors"][0]["url"]),
                "tags": item["tags"],
                "cover": item.get("image"),
                "language": item.get("language"),
            }
            for item in feed["items"]
        ],
    }


def entry_of(article: dict[str, Any], kind: str, *, html: bool = True) -> dict[str, Any]:
    """What an article of the API is in a feed; RSS counts in seconds, and its descriptions are HTML."""
    published, updated = (datetime.fromisoformat(article[name]) for name in ("published_at", "updated_at"))
    username = article["author"]["username"]
    picture = article["cover_image_url"]
    entry = {
        "id": f"tag:127.0.0.1,{article['created_at'][:10]}:articles/{article['id']}",
        "url": f"{SITE}/articles/{article['slug']}",
        "title": article["title"],
        "summary": escape(article["excerpt"], quote=False) if kind == "rss" else article["excerpt"],
        "html": article["content_html"] if html else None,
        "published": published.replace(microsecond=0) if kind == "rss" else published,
        "updated": max(published, updated),
        "author": (username, None if kind == "rss" else f"{SITE}/users/{username}"),
        "tags": article["tags"],
        "cover": picture,
        "language": article["language"],
    }
    if kind == "json":
        return entry | {"text": None if html else article["excerpt"]}
    if picture:
        ending = picture.rpartition(".")[2].lower()
        media_type = {"png": "image/png", "jpg": "image/jpeg"}.get(ending)
        entry["cover"] = (picture, media_type, article["cover_image_alt"])
    return entry


async def pages(client: httpx.AsyncClient, address: str, relation: str = "next") -> AsyncIterator[dict[str, Any]]:
    """The pages from one on, as the links lead."""
    following: str | None = address
    while following:
        page = await read(client, following.removeprefix(SITE))
        yield page
        following = page["links"].get(relation)


def ids(entries: Iterable[dict[str, Any]]) -> list[int]:
    return [int(entry["id"].rpartition("/")[2]) for entry in entries]


def addresses(content: bytes) -> dict[str, datetime]:
    """A sitemap of the protocol of sitemaps.org, which may be empty: what is where, changed when."""
    found = located(content, "urlset", "url", "loc", "lastmod")
    return {only(element, "map:loc"): datetime.fromisoformat(only(element, "map:lastmod")) for element in found}


def parts(content: bytes) -> list[str]:
    """Where the parts of a sitemap are."""
    return [only(element, "map:loc") for element in located(content, "sitemapindex", "sitemap", "loc")]


def located(content: bytes, top: str, each: str, *names: str) -> list[Any]:
    """The elements of a sitemap or of an index of them, each of another place."""
    root = xml(content)
    assert root.tag == f"{{{NAMES['map']}}}{top}"
    for element in root:
        assert element.tag == f"{{{NAMES['map']}}}{each}"
        assert [child.tag for child in element] == [f"{{{NAMES['map']}}}{name}" for name in names]
        assert 12 <= len(only(element, "map:loc")) <= 2048
    assert len({only(element, "map:loc") for element in root}) == len(root)
    return list(root)


class FeedsContract:
    @pytest.mark.parametrize("address", EVERY_FEED)
    async def test_a_feed_says_of_articles_what_the_api_does(
        self, client: httpx.AsyncClient, ada: dict[str, str], address: str
    ) -> None:
        path, _, kind = address.rpartition(".")
        await write(
            client,
            ada,
            title="Fish & <chips>",
            content="A *word* & [a link](https://example.org/?a=1&b=2), `<code>`.\n\n> ]]>\n\n| a |\n|---|\n| b |\n",
            summary="3 < 4 && 5 > 4",
            tags=["engines", "Fish & chips"],
            cover_image_url="https://example.org/a.PNG",
            cover_image_alt="A <fish>",
            canonical_url="https://example.org/first",
            language="en-GB",
        )
        await write(client, ada, publish_at="2020-02-29T23:59:59.999999Z", cover_image_url="https://example.org/b")
        await write(client, ada, publish_at="2021-01-01T00:00:00+01:00", cover_image_url="https://example.org/c.jpg")
        articles = await public(client)
        assert len(articles) == 3
        feed = await read(client, address)
        assert feed["entries"] == [entry_of(article, kind) for article in articles]
        title, home = {
            "/feed": ("Blog", "/articles"),
            "/users/Ada/feed": ("Ada · Blog", "/users/Ada"),
            "/tags/engines/feed": ("engines · Blog", "/articles?tags=engines"),
        }[path]
        assert (feed["title"], feed["home"]) == (title, SITE + home)
        assert feed["links"]["self"] == SITE + address
        assert (await client.get(home)).status_code == 200
        if kind == "atom":
            assert feed["id"] == SITE + address

    @pytest.mark.parametrize("kind", ["atom", "rss"])
    @pytest.mark.parametrize("content", ["full", "summary"])
    async def test_a_reader_of_feeds_finds_in_it_what_the_api_says(
        self, client: httpx.AsyncClient, ada: dict[str, str], kind: str, content: str
    ) -> None:
        await write(client, ada, title="Fish & <chips>", content="*Fish* & `<chips>` 🐟", tags=["a b", "é"])
        await write(client, ada, publish_at="2020-02-29T23:59:59Z")
        answer = await client.get(f"/feed.{kind}?content={content}")
        found = feedparser.parse(
            BytesIO(answer.content),
            response_headers={"content-type": answer.headers["content-type"]},
            sanitize_html=False,
            resolve_relative_uris=False,
        )
        assert not found.bozo, found.get("bozo_exception")
        assert found.version == {"atom": "atom10", "rss": "rss20"}[kind]
        assert (found.feed.title, found.feed.link) == ("Blog", f"{SITE}/articles")
        articles = [entry_of(article, kind) for article in await public(client)]
        for entry, article in zip(found.entries, articles, strict=True):
            assert (entry.id, entry.link, entry.title) == (article["id"], article["url"], article["title"])
            assert entry.author == article["author"][0]
            assert [tag.term for tag in entry.tags] == article["tags"]
            assert entry.published_parsed[:6] == article["published"].timetuple()[:6]
            assert entry.updated_parsed[:6] == article["updated"].timetuple()[:6]
            assert entry.summary == article["summary"]
            shown = [part.value for part in entry.get("content", []) if part.type == "text/html"]
            assert shown == ([article["html"].strip()] if content == "full" else [])

    @pytest.mark.parametrize("kind", KINDS)
    async def test_a_summary_is_all_of_an_article_where_that_is_asked_for(
        self, client: httpx.AsyncClient, ada: dict[str, str], kind: str
    ) -> None:
        await write(client, ada, content="Engines " * 100 + "*plover*", summary="Of engines")
        await write(client, ada, content="Engines " * 100 + "*plover*")
        articles = await public(client)
        feed = await read(client, f"/feed.{kind}?content=summary")
        assert feed["entries"] == [entry_of(article, kind, html=False) for article in articles]
        assert feed["links"]["self"] == f"{SITE}/feed.{kind}?content=summary"
        assert "plover" not in (await client.get(f"/feed.{kind}?content=summary")).text
        whole = await read(client, f"/feed.{kind}?content=full")
        assert whole["entries"] == (await read(client, f"/feed.{kind}"))["entries"]
        assert all("<em>plover</em>" in entry["html"] for entry in whole["entries"])

    @pytest.mark.parametrize("kind", KINDS)
    async def test_pages_lead_from_the_first_to_the_last_and_back(
        self, client: httpx.AsyncClient, ada: dict[str, str], kind: str
    ) -> None:
        # Two that were out at one moment, at the end of a page.
        days = [*range(21), 19, *range(21, 44)]
        written = [
            await write(client, ada, title=f"No. {day}", publish_at=f"2020-01-01T00:00:{day:02}Z") for day in days
        ]
        written.sort(key=lambda article: (article["published_at"], article["id"]), reverse=True)
        expected = [article["id"] for article in written]
        forth: list[dict[str, Any]] = []
        async for page in pages(client, f"/feed.{kind}?content=summary"):
            if not forth:
                # Meanwhile there is something new, which belongs on the first page.
                await write(client, ada)
            forth.append(page)
        assert [len(page["entries"]) for page in forth] == [20, 20, 5]
        assert [number for page in forth for number in ids(page["entries"])] == expected
        assert len({page["links"]["self"] for page in forth}) == 3
        if kind == "json":
            return
        assert {page["links"]["first"] for page in forth} == {f"{SITE}/feed.{kind}?content=summary"}
        assert "previous" not in forth[0]["links"]
        back = [page async for page in pages(client, forth[-1]["links"]["self"].removeprefix(SITE), "previous")]
        assert [ids(page["entries"]) for page in back[:3]] == [ids(page["entries"]) for page in reversed(forth)]
        assert [len(page["entries"]) for page in back[3:]] == [1]
        if kind == "atom":
            assert {page["id"] for page in forth} == {f"{SITE}/feed.atom?content=summary"}

    @pytest.mark.parametrize("address", EVERY_FEED)
    async def test_nothing_that_is_hidden_is_in_a_feed_whoever_asks(
        self, client: httpx.AsyncClient, clock: Clock, ada: dict[str, str], address: str
    ) -> None:
        """Nor does a feed tell what comes, or came, of an article."""
        shown = await write(client, ada, title="Shown", content="What is shown.")
        publications: dict[str, dict[str, Any]] = {
            "draft": {"published": False},
            "scheduled": {"publish_at": "2998-07-06T05:04:03Z"},
            "archived": {"publish_at": "2020-01-01T00:00:00Z", "unpublish_at": "2020-02-02T00:00:00Z"},
        }
        for word, publication in publications.items():
            text = {"title": f"{word} plover", "content": f"{word} xyzzy", "summary": f"{word} frotz"}
            await write(client, ada, **text, slug=f"{word}-zork", tags=["engines", f"{word} grue"], **publication)
        copy = {"title": "copy plover", "content": "copy xyzzy xyzzy", "summary": "copy frotz"}
        answer = await client.patch(f"/articles/{shown['id']}/working-copy", json=copy, headers=ada)
        assert answer.is_success, answer.text
        await edit(client, ada, shown, unpublish_at="2997-07-06T05:04:03Z")
        hidden = re.compile(
            "plover|xyzzy|frotz|zork|draft|scheduled|archived|copy|2998|2997|example.org", re.IGNORECASE
        )
        assert hidden.search((await client.get("/articles", headers=ada)).text)
        for place in (address, f"{address}?content=summary", "/sitemap.xml"):
            for headers in ({}, ada):
                answer = await client.get(place, headers=headers)
                assert answer.status_code == 200
                assert "shown" in answer.text.lower() or "on-engines" in answer.text
                assert not hidden.findall(answer.text)
        for headers in ({}, ada):
            assert ids((await read(client, address, **headers))["entries"]) == [shown["id"]]
        # Hidden by time, without anybody doing anything.
        clock.moment = datetime.fromisoformat("2997-07-06T05:04:03+00:00")
        assert ids((await read(client, address))["entries"]) == []

    @pytest.mark.parametrize("address", ["/sitemap.xml", "/robots.txt"])
    async def test_a_token_that_does_not_hold_is_refused(
        self, client: httpx.AsyncClient, ada: dict[str, str], address: str
    ) -> None:
        await write(client, ada)
        assert problem(await client.get(address, headers={"Authorization": "Bearer plover"}), 401)

    @pytest.mark.parametrize("address", EVERY_FEED)
    async def test_a_feed_ignores_who_asks(
        self, client: httpx.AsyncClient, ada: dict[str, str], address: str
    ) -> None:
        await write(client, ada)
        anybody = await client.get(address)
        for authorization in ("Bearer plover", "Basic Og==", "", "Digest x", ada["Authorization"]):
            answer = await client.get(address, headers={"Authorization": authorization})
            assert (answer.status_code, answer.content) == (200, anybody.content)

    @pytest.mark.parametrize("kind", KINDS)
    async def test_an_entry_keeps_its_id_whatever_becomes_of_the_article(
        self, client: httpx.AsyncClient, clock: Clock, ada: dict[str, str], kind: str
    ) -> None:
        article = await write(client, ada)
        (before,) = (await read(client, f"/feed.{kind}"))["entries"]
        assert re.fullmatch(TAG_URI, before["id"])
        clock.advance(days=9)
        await edit(
            client,
            bearer(await token_of(client)),
            article,
            title="Another",
            slug="another",
            publish_at="2001-01-01T00:00:00Z",
        )
        (after,) = (await read(client, f"/feed.{kind}"))["entries"]
        assert after["id"] == before["id"]
        assert (after["title"], after["url"]) == ("Another", f"{SITE}/articles/another")
        assert (after["published"].year, after["updated"] - before["updated"] > timedelta(days=8)) == (2001, True)

    @pytest.mark.parametrize("kind", KINDS)
    async def test_an_article_that_comes_out_by_itself_is_new_then(
        self, client: httpx.AsyncClient, clock: Clock, ada: dict[str, str], kind: str
    ) -> None:
        earlier = await write(client, ada)
        article = await write(client, ada, slug="later", publish_at="2026-03-04T13:00:00Z")
        assert ids((await read(client, f"/feed.{kind}"))["entries"]) == [earlier["id"]]
        clock.advance(hours=2)
        new, _ = (await read(client, f"/feed.{kind}"))["entries"]
        out_since = datetime.fromisoformat("2026-03-04T13:00:00+00:00")
        assert (ids([new]), new["published"], new["updated"]) == ([article["id"]], out_since, out_since)
        found = addresses((await client.get("/sitemap.xml")).content)
        assert found[f"{SITE}/articles/later"] == out_since

    @pytest.mark.parametrize("address", EVERY_FEED)
    async def test_what_nobody_wrote_yet_is_an_empty_feed(
        self, client: httpx.AsyncClient, ada: dict[str, str], address: str
    ) -> None:
        await write(client, ada, published=False)
        feed = await read(client, address)
        assert feed["entries"] == []
        assert set(feed["links"]) <= {"self", "first"}

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("name", ["nobody", "me", "x", "n%20b", "%00"])
    async def test_a_feed_of_nobody_is_not_found(
        self, client: httpx.AsyncClient, ada: dict[str, str], kind: str, name: str
    ) -> None:
        assert ada
        assert problem(await client.get(f"/users/{name}/feed.{kind}"), 404)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("word", ["a%2Cb", "%00", "%20", "x" * 51, "%FF", "a/b", ""])
    async def test_a_feed_of_what_is_no_tag_is_not_found(
        self, client: httpx.AsyncClient, kind: str, word: str
    ) -> None:
        assert problem(await client.get(f"/tags/{word}/feed.{kind}"), 404)

    @pytest.mark.parametrize(
        "address",
        [
            *("/feed", "/feed.xml", "/feed.atom/x", "/users/Ada/feed.xml", "/tags/a/feed.xml"),
            *(
                "/tags/x/tags/y/feed.json",
                "/tags/x/feed.atom/tags/y/feed.rss",
                "/tags/a/b/feed.atom",
                "/tags/feed.atom",
            ),
        ],
    )
    async def test_there_is_no_other_format_and_no_other_address(
        self, client: httpx.AsyncClient, ada: dict[str, str], address: str
    ) -> None:
        assert ada
        assert problem(await client.get(address), 404)

    @pytest.mark.parametrize("address", ["/tags/y/feed%2Ejson", "/%74ags/y/feed.json", "//tags//y//feed.json"])
    async def test_an_address_may_be_encoded_in_another_way(self, client: httpx.AsyncClient, address: str) -> None:
        assert (await client.get(f"http://blog.test{address}")).json()["title"] == "y · Blog"

    @pytest.mark.parametrize(
        ("tag", "asked"),
        [
            ("CI/CD", "ci%2Fcd"),
            ("Café", "CAFE%CC%81"),
            ("100%", "100%25"),
            ("a?b#c d", "a%3Fb%23c%20d"),
            ("feed.atom", "feed.atom"),
            ("🐟 & <b>", "%F0%9F%90%9F%20%26%20%3Cb%3E"),
        ],
    )
    async def test_a_tag_is_found_in_any_spelling(
        self, client: httpx.AsyncClient, ada: dict[str, str], tag: str, asked: str
    ) -> None:
        article = await write(client, ada, tags=[tag])
        await write(client, ada, tags=["another"])
        for kind in KINDS:
            feed = await read(client, f"/tags/{asked}/feed.{kind}")
            assert ids(feed["entries"]) == [article["id"]]
            assert ids((await read(client, feed["links"]["self"].removeprefix(SITE)))["entries"]) == [article["id"]]
            found = (await client.get(feed["home"].removeprefix(SITE))).json()
            assert [one["id"] for one in found] == [article["id"]]

    async def test_a_feed_of_an_author_has_nobody_elses_articles(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        own, other = await write(client, ada), await write(client, bob)
        for kind in KINDS:
            feed = await read(client, f"/users/aDA/feed.{kind}")
            assert (ids(feed["entries"]), feed["title"]) == ([own["id"]], "Ada · Blog")
            assert feed["links"]["self"] == f"{SITE}/users/Ada/feed.{kind}"
            assert ids((await read(client, f"/feed.{kind}"))["entries"]) == [other["id"], own["id"]]

    async def test_a_user_may_be_called_as_a_feed_is(self, client: httpx.AsyncClient) -> None:
        for name in ("feed.atom", "sitemap.xml", "robots.txt"):
            user = {"email": f"{name}@example.org", "username": name, "password": "correct horse battery"}
            assert (await client.post("/users", json=user)).status_code == 201
            assert (await client.get(f"/users/{name}")).json()["username"] == name
            assert (await read(client, f"/users/{name}/feed.atom"))["title"] == f"{name} · Blog"

    async def test_an_article_may_be_called_as_a_feed_is(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        for title in ("feed.atom", "robots.txt", "sitemap.xml", "Feed"):
            article = await write(client, ada, title=title)
            assert (await client.get(f"/articles/{article['slug']}")).json()["title"] == title
        assert len((await read(client, "/feed.atom"))["entries"]) == 4

    async def test_what_xml_forbids_is_replaced_there_and_nowhere_else(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        """A text holds no control character, but HTML does: CommonMark makes one of `&#8;`."""
        await write(
            client,
            ada,
            title="a\ufffe\uffff\U0001ffff ]]>",
            summary="b\uffff &#8; <![CDATA[",
            content="c\ufffe &#8; &#x1f; &#127; <b title='&#2;'>d</b> ]]> <![CDATA[ &lt;",
            tags=["engines", "e\uffff"],
            cover_image_url="https://example.org/a?b&c=%3C",
            cover_image_alt="f\ufffe",
        )
        (article,) = await public(client)
        assert "\x08" in article["content_html"]

        def clean(text: str) -> str:
            return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "\ufffd", text)

        for kind in ("atom", "rss"):
            (entry,) = (await read(client, f"/feed.{kind}"))["entries"]
            for name in ("title", "html"):
                assert entry[name] == clean(article["content_html" if name == "html" else name])
            assert entry["tags"] == ["engines", "e\ufffd"]
            assert entry["cover"][2] == "f\ufffd"
        assert (await read(client, "/feed.atom"))["entries"][0]["summary"] == clean(article["excerpt"])
        assert (await read(client, "/feed.json"))["entries"] == [entry_of(article, "json")]

    @pytest.mark.parametrize("kind", KINDS)
    async def test_an_address_that_is_none_any_more_is_left_out_of_a_feed(
        self,
        client: httpx.AsyncClient,
        container: Container,
        ada: dict[str, str],
        kind: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """It was stored under an older rule. The rest of the feed is shown, and the article can be changed."""
        other = await write(client, ada)
        number = (
            await container.publishing().write(
                actor=other["author_id"],
                title=Title("On looms"),
                content=Content("A loom weaves."),
                cover_image_url=str.__new__(WebAddress, "https://[1]/loom.png"),
                cover_image_alt=AltText("A loom"),
                canonical_url=str.__new__(WebAddress, "looms"),
                published=True,
            )
        ).id
        entry, _ = (await read(client, f"/feed.{kind}"))["entries"]
        assert (ids([entry]), entry["title"], entry["cover"]) == ([number], "On looms", None)
        fields = ["canonical_url", "cover_image_url"] if kind == "atom" else ["cover_image_url"]
        said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert len(said) == len(fields)
        for field, sentence in zip(fields, said, strict=True):
            assert f"leaves out {field} of article {number}" in sentence
        path = f"/articles/{number}"
        assert (await client.get(path)).json()["cover_image_url"] == "https://[1]/loom.png"
        answer = await client.patch(path, json={"title": "On old looms"}, headers=ada)
        assert (answer.status_code, answer.json()["canonical_url"]) == (200, "looms")
        assert (await client.get(f"{path}/revisions/2", headers=ada)).json()["cover_image_url"]
        assert (await client.patch(f"{path}/working-copy", json={"title": "On newer looms"}, headers=ada)).is_success
        assert (await client.get(f"{path}/working-copy", headers=ada)).json()["cover_image_url"]
        assert (await client.delete(path, headers=ada)).status_code == 204

    @pytest.mark.parametrize("kind", KINDS)
    async def test_what_an_article_leads_to_is_found_from_a_feed(
        self, client: httpx.AsyncClient, ada: dict[str, str], kind: str
    ) -> None:
        """Readers show an article elsewhere, and few of them go by `xml:base`."""
        links = {
            "other": f"{SITE}/articles/other",
            "/about?a=1&b=2": f"{SITE}/about?a=1&b=2",
            "#looms": f"{SITE}/articles/on-engines#section-looms",
            "//example.org/x": "http://example.org/x",
            "https://example.org/?q=%22'": "https://example.org/?q=%22'",
            "mailto:ada@example.org": "mailto:ada@example.org",
            "//[bad": "//[bad",
        }
        text = " ".join(f'<a href="{escape(link)}">a</a>' for link in links)
        await write(client, ada, content=f'{text} ![b](b.png) <i title="<a href=">`href="c"`</i> [^1]\n\n[^1]: d\n')
        (entry,) = (await read(client, f"/feed.{kind}"))["entries"]
        found = etree.HTML(entry["html"])
        (reference,) = found.xpath("//sup[@class='footnote-reference']/a/@href")
        assert found.xpath("//p/a/@href") == list(links.values())
        assert found.xpath("//img/@src") == [f"{SITE}/articles/b.png"]
        assert reference == f"{SITE}/articles/on-engines#note-1"
        assert found.xpath("//i/@title") == ["<a href="]
        assert found.xpath("//i/code/text()") == ['href="c"']

    @pytest.mark.parametrize("kind", KINDS)
    async def test_an_article_that_came_out_by_itself_is_where_a_feed_says(
        self, client: httpx.AsyncClient, clock: Clock, ada: dict[str, str], kind: str
    ) -> None:
        late = await write(client, ada, slug="engines", publish_at="2026-03-04T13:00:00Z")
        first = await write(client, ada, slug="engines")
        clock.advance(hours=2)
        feed = await read(client, f"/feed.{kind}")
        assert {entry["id"].rpartition("/")[2]: entry["url"] for entry in feed["entries"]} == {
            str(late["id"]): f"{SITE}/articles/engines-0{late['id']}",
            str(first["id"]): f"{SITE}/articles/engines",
        }
        listed = addresses((await client.get("/sitemap.xml")).content)
        assert listed.keys() == {entry["url"] for entry in feed["entries"]}
        for address in listed:
            assert (await client.get(address.removeprefix(SITE))).status_code == 200

    @pytest.mark.parametrize("address", EVERY_FEED)
    async def test_a_feed_is_sent_again_only_when_it_changed(
        self, client: httpx.AsyncClient, ada: dict[str, str], address: str
    ) -> None:
        article, other = await write(client, ada), await write(client, ada)
        answer = await client.get(address)
        # By dates, a reader would not learn that something was taken back.
        assert "last-modified" not in answer.headers
        known = {"If-None-Match": answer.headers["etag"]}
        again = await client.get(address, headers=known)
        assert (again.status_code, again.content) == (304, b"")
        await client.post(f"/articles/{other['id']}/archive", headers=ada)
        again = await client.get(address, headers=known | {"If-Modified-Since": "Fri, 31 Dec 9999 23:59:59 GMT"})
        assert again.status_code == 200
        assert ids((await read(client, address))["entries"]) == [article["id"]]

    @pytest.mark.parametrize("address", [*EVERY_FEED, "/sitemap.xml"])
    async def test_a_feed_is_compressed(self, client: httpx.AsyncClient, ada: dict[str, str], address: str) -> None:
        for _ in range(12):
            await write(client, ada)
        plain = await client.get(address, headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        for coding in ("gzip", "zstd"):
            answer = await client.get(address, headers={"Accept-Encoding": coding})
            assert answer.headers["content-encoding"] == coding
            assert int(answer.headers["content-length"]) < len(plain.content) / 2
            assert answer.content == plain.content

    @pytest.mark.parametrize("address", EVERY_FEED)
    async def test_everything_wrong_with_a_request_for_a_feed_is_named(
        self, client: httpx.AsyncClient, ada: dict[str, str], address: str
    ) -> None:
        await write(client, ada)
        answer = await client.get(f"{address}?content=some&cursor=plover")
        assert wrong(answer) == {
            "content": "Must be full or summary.",
            "cursor": "Must be a cursor of a link that was given here.",
        }
        assert set(wrong(await client.get(f"{address}?content=full&content=summary"))) == {"content"}
        await write(client, ada)
        listing = await client.get("/articles?cursor=&limit=1")
        (cursor,) = re.findall(r"cursor=([\w-]+)", listing.headers["link"])
        assert wrong(await client.get(f"{address}?cursor={cursor}")) == {"cursor": "Must be of a link of a feed."}

    @pytest.mark.parametrize("address", [*EVERY_FEED, "/sitemap.xml", "/robots.txt", "/docs", "/docs/page.css"])
    async def test_what_others_add_to_a_link_is_ignored(
        self, client: httpx.AsyncClient, ada: dict[str, str], address: str
    ) -> None:
        await write(client, ada)
        plain = await client.get(address)
        for query in ("utm_source=x", "utm_source=x&utm_source=y&fbclid", "q=%E9t%E9", "%FF=", "=&=", "skip=1"):
            answer = await client.get(f"{address}?{query}")
            # None of it is in the addresses of a feed, either.
            assert (answer.status_code, answer.content) == (200, plain.content), query

    @pytest.mark.parametrize("address", [*EVERY_FEED, "/sitemap.xml", "/robots.txt"])
    async def test_nothing_else_is_done_to_a_feed(
        self, client: httpx.AsyncClient, ada: dict[str, str], address: str
    ) -> None:
        await write(client, ada)
        assert (await client.options(address)).headers["allow"] == "GET, HEAD, OPTIONS"
        assert problem(await client.post(address), 405)
        head, answer = await client.head(address), await client.get(address)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["etag"] == answer.headers["etag"]

    async def test_a_list_leads_to_the_feed(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        feed = f'<{SITE}/feed.atom>; rel="alternate"; type="application/atom+xml"'
        assert (await client.get("/articles")).headers["link"] == feed
        await write(client, ada)
        await write(client, ada)
        for query in ("limit=1", "limit=1&cursor="):
            answer = await client.get(f"/articles?{query}")
            assert answer.headers["link"].endswith(f'>; rel="next", {feed}')
            assert answer.links["alternate"]["url"] == f"{SITE}/feed.atom"
            assert (await client.get(answer.links["next"]["url"])).status_code == 200

    async def test_the_document_describes_the_feeds(self, client: httpx.AsyncClient) -> None:
        paths = (await client.get("/openapi.json")).json()["paths"]
        for path, names in (
            ("/feed.{format}", ["format"]),
            ("/users/{username}/feed.{format}", ["format", "username"]),
            ("/tags/{tag}/feed.{format}", ["format", "tag"]),
        ):
            operation = paths[path]["get"]
            given = {parameter["name"]: parameter for parameter in operation["parameters"]}
            assert sorted(given) == sorted([*names, "content", "cursor"])
            assert given["format"]["schema"]["enum"] == sorted(KINDS)
            assert set(operation["responses"]["200"]["content"]) == {
                kind.partition(";")[0] for kind in MEDIA_TYPES.values()
            }
            assert set(operation["responses"]) == {*("200", "304", "400", "404", "414", "422", "431", "500", "503")}
            assert operation["security"] == []
        text = {"schema": {"type": "string"}}
        assert paths["/sitemap.xml"]["get"]["responses"]["200"]["content"] == {"application/xml": text}
        assert paths["/robots.txt"]["get"]["responses"]["200"]["content"] == {"text/plain": text}

    async def test_the_sitemap_has_every_public_article(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        await write(client, ada, published=False)
        written = [await write(client, who, slug=f"no-{number}") for number, who in enumerate([ada, bob, ada, bob])]
        moved = await edit(client, ada, written[0], slug="moved")
        answer = await client.get("/sitemap.xml")
        assert answer.headers["content-type"] == "application/xml; charset=utf-8"
        found = addresses(answer.content)
        assert found == {
            f"{SITE}/articles/{article['slug']}": datetime.fromisoformat(article["updated_at"])
            for article in [moved, *written[1:]]
        }
        for address in found:
            assert (await client.get(address.removeprefix(SITE))).status_code == 200

    async def test_a_sitemap_that_is_too_large_is_in_parts(
        self, client: httpx.AsyncClient, ada: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("blog.entrypoints.http.sitemaps.URLS", 3)
        written = [await write(client, ada, slug=f"no-{number}", published=number % 4 > 0) for number in range(15)]
        expected = {f"{SITE}/articles/{one['slug']}" for one in written if one["published"]}
        index = parts((await client.get("/sitemap.xml")).content)
        assert len(index) > 1
        found: dict[str, datetime] = {}
        for location in index:
            # A sitemap speaks for its own folder: all parts are where the index is.
            assert urlsplit(location).path == "/sitemap.xml"
            part = addresses((await client.get(location.removeprefix(SITE))).content)
            assert len(part) <= 3
            assert not part.keys() & found.keys()
            found |= part
        assert set(found) == expected

        # What comes and goes leaves every other article in its part.
        last = max(index, key=lambda location: int(location.rpartition("=")[2]))
        before = (await client.get(last.removeprefix(SITE))).content
        await client.delete(f"/articles/{written[1]['id']}", headers=ada)
        await edit(client, ada, written[0], published=True)
        assert (await client.get(last.removeprefix(SITE))).content == before

    async def test_a_sitemap_of_nothing_is_empty(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        await write(client, ada, published=False)
        for address in ("/sitemap.xml", "/sitemap.xml?part=0", "/sitemap.xml?part=184467440737094"):
            answer = await client.get(address)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "application/xml; charset=utf-8")
            assert addresses(answer.content) == {}
        await write(client, ada)
        assert len(addresses((await client.get("/sitemap.xml")).content)) == 1

    async def test_a_part_of_the_sitemap_is_named_by_its_number(self, client: httpx.AsyncClient) -> None:
        assert wrong(await client.get("/sitemap.xml?part=-1")) == {"part": "Must be at least 0."}
        assert set(wrong(await client.get(f"/sitemap.xml?part={10**18}&page=1"))) == {"part"}

    async def test_robots_read_everything_but_what_is_shown_in_confidence(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/robots.txt")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        robots = RobotFileParser()
        robots.parse(answer.text.splitlines())
        for path, allowed in (("/", True), ("/articles/on-engines", True), ("/preview?token=a", False)):
            assert robots.can_fetch("anybot", SITE + path) is allowed, path
        assert robots.site_maps() == [f"{SITE}/sitemap.xml"]
