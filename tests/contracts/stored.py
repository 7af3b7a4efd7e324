"""What HTTP promises of everything that it once took: it can be read again, by every route and in every format."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from urllib.parse import quote

import feedparser  # type: ignore[import-untyped]  # it carries no types
import httpx
import pytest
from hypothesis import example, given, provisional, settings
from hypothesis import strategies as st

from blog.domain.articles import AltText, Language, Note, Summary, Title
from blog.domain.slugs import Slug
from blog.domain.tags import Tag, Tags
from tests.builders import ASKING, NOON, characters, usernames
from tests.contracts.asking import ARTICLE, PASSWORD, found, problem, sign_in
from tests.contracts.feeds import KINDS, SITE, addresses, ids, read

# What is more than a text to whoever writes or reads XML, HTML, Markdown, JSON or addresses.
SPECIAL = (
    *("]]>", "<![CDATA[", "<!--", "&#8;", "&#xFFFE;", "&amp;", "<b title='&#2;'>", "\ufffe", "\uffff", "\u2028"),
    *("[a](//[1]/)", "![a](https://[1]/a.png)", "<a href='//[b'>", "[a](//\u2100)", "[^1]", "[^1]: a", "# "),
    *("%00", "%2F", "..", "/", "\\", "{{", "\u202e", "\u0301"),
)


def lines(most: int) -> st.SearchStrategy[str]:
    """A line that is not blank, of any characters that it may have, and at most so many."""
    special = st.lists(st.sampled_from(SPECIAL) | characters, min_size=1, max_size=20).map("".join)
    longest = characters.map(lambda character: character * most)
    return (
        (st.text(characters, min_size=1, max_size=min(most, 80)) | special | longest)
        .map(lambda text: text[:most])
        .filter(str.strip)
    )


def is_a_tag(word: str) -> bool:
    try:
        Tag(word)
    except ValueError:
        return False
    return True


contents = (
    st.lists(st.sampled_from((*SPECIAL, "\n\n", "\r\n", "\t")) | st.text(characters, max_size=40), max_size=30)
    .map("".join)
    .map(lambda text: f"{text:x<10}")
)
tags = st.lists(
    lines(Tag.MAX).filter(is_a_tag) | st.sampled_from(("a.b", "a/b", "feed.atom", "...")),
    max_size=Tags.MAX,
    unique_by=lambda word: Tag(word).key,
)
# Hosts and ports in their shape, more of them than there may be.
hosts = (
    st.from_regex(r"[!$-.0-9;=A-Z_a-z~]{1,30}", fullmatch=True)
    | st.from_regex(r"\[[0-9A-Fa-f:.]{1,40}\]", fullmatch=True)
    | st.ip_addresses(v=6).map("[{}]".format)
    | st.ip_addresses(v=4).map(str)
    | provisional.domains()
)
ports = st.just("") | st.integers(0, 99_999).map(":{}".format)
rests = st.just("") | st.from_regex(r"[/?#][!#-;=?-Z_a-z~%\[\]]{0,60}", fullmatch=True)
web_addresses = st.builds("{}://{}{}{}".format, st.sampled_from(("http", "https")), hosts, ports, rests)
moments = st.datetimes(datetime(1900, 1, 2), NOON.replace(tzinfo=None), timezones=st.just(UTC))  # noqa: DTZ001

OPTIONAL = {
    "summary": lines(Summary.MAX),
    "tags": tags,
    "cover_image_url": web_addresses,
    "cover_image_alt": lines(AltText.MAX),
    "canonical_url": web_addresses,
    "slug": st.from_regex(Slug.PATTERN, fullmatch=True).map(lambda text: text[: Slug.MAX]),
    "language": st.from_regex(Language.PATTERN, fullmatch=True).map(lambda text: text[: Language.MAX]),
    "publish_at": moments.map(datetime.isoformat),
    "note": lines(Note.MAX),
    "featured": st.booleans(),
}
articles = st.fixed_dictionaries({"title": lines(Title.MAX), "content": contents}, optional=OPTIONAL)


async def write(client: httpx.AsyncClient, author: dict[str, str], article: dict[str, Any]) -> dict[str, Any]:
    """The article as it was taken: without those of its optional fields that are refused."""
    if "publish_at" not in article:
        article = article | {"published": True}
    answer = await client.post("/articles", json=article, headers=author)
    if answer.status_code == 422:
        refused = {error["pointer"].removeprefix("#/") for error in problem(answer, 422)["errors"]}
        assert refused <= OPTIONAL.keys(), answer.text
        article = {name: value for name, value in article.items() if name not in refused}
        answer = await client.post("/articles", json=article, headers=author)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def check_reader(answer: httpx.Response) -> None:
    """Whether a program that reads feeds has nothing to complain of."""
    parsed = feedparser.parse(BytesIO(answer.content), response_headers=dict(answer.headers))
    assert not parsed.bozo, parsed.get("bozo_exception")


class StoredContract:
    @settings(ASKING, max_examples=25)
    @given(username=usernames, first=articles, second=articles)
    @example(username="Ada", first=ARTICLE | {"cover_image_url": "https://[1]/x.png"}, second=ARTICLE)
    @example(username="...", first=ARTICLE | {"tags": [".."]}, second=ARTICLE | {"tags": ["."]})
    async def test_any_article_that_is_taken_can_be_read(
        self,
        client: httpx.AsyncClient,
        monkeypatch: pytest.MonkeyPatch,
        username: str,
        first: dict[str, Any],
        second: dict[str, Any],
    ) -> None:
        # Two articles make two pages.
        monkeypatch.setattr("blog.entrypoints.http.feeds.ENTRIES", 1)
        author = await sign_in(client, username)
        try:
            written = [await write(client, author, article) for article in (first, second)]
            for article in written:
                await self.check_article(client, author, article)
            await self.check_lists(client, username, written)
            await self.check_feeds(client, username, written)
        finally:
            # What one example has left would be in the way of the next.
            answer = await client.request("DELETE", "/users/me", json={"password": PASSWORD}, headers=author)
            assert answer.status_code == 204

    async def check_article(self, client: httpx.AsyncClient, author: dict[str, str], article: dict[str, Any]) -> None:
        path = f"/articles/{article['id']}"
        for address in (path, f"/articles/{article['slug']}"):
            shown = await found(client, f"{address}?include=author,content_html")
            # These are its author's alone.
            public = article.keys() - {"publish_at", "unpublish_at", "has_working_copy"}
            assert {name: shown[name] for name in public} == {name: article[name] for name in public}
        text = {"title": article["title"], "content": article["content"] + article["title"]}
        answer = await client.patch(f"{path}/working-copy", json=text, headers=author)
        assert answer.status_code == 200, answer.text
        assert (await found(client, f"{path}/working-copy", author))["content"] == text["content"]
        for of in ("article", "working_copy"):
            answer = await client.post(f"{path}/previews", json={"of": of}, headers=author)
            assert answer.status_code == 201, answer.text
            assert (await found(client, answer.json()["url"]))["title"] == article["title"]
        assert len(await found(client, f"{path}/previews", author)) == 2
        answer = await client.post(f"{path}/working-copy/publish", headers=author)
        assert answer.status_code == 200, answer.text
        assert [change["version"] for change in await found(client, f"{path}/revisions", author)] == [2, 1]
        for version in (1, 2):
            revision = await found(client, f"{path}/revisions/{version}", author)
            assert revision["title"] == article["title"]
        assert (await found(client, f"{path}/revisions/2/diff?against=1", author))["diff"]
        answer = await client.post(f"{path}/revisions/1/restore", headers=author)
        assert answer.json()["content"] == article["content"]

    async def check_lists(self, client: httpx.AsyncClient, username: str, written: list[dict[str, Any]]) -> None:
        numbers = {article["id"] for article in written}
        assert (await found(client, f"/users/{username}"))["username"] == username
        for query in ("", "?include=author,content_html&count=true", f"?author={username}", "?sort=-published_at"):
            assert {article["id"] for article in await found(client, f"/articles{query}")} == numbers
        following = "/articles?cursor=&limit=1&sort=published_at"
        pages = []
        while following:
            answer = await client.get(following)
            pages += [article["id"] for article in answer.json()]
            following = answer.links.get("next", {}).get("url", "")
        assert sorted(pages) == sorted(numbers)
        listed = {tag["tag"] for tag in await found(client, "/tags?limit=1000")}
        assert {Tag(tag).key for tag in listed} == {Tag(tag).key for one in written for tag in one["tags"]}
        for article in written:
            for name, value in (
                ("tags", article["tags"][0] if article["tags"] else None),
                ("language", article["language"]),
            ):
                if value:
                    shown = await found(client, f"/articles?{httpx.QueryParams({name: value})}")
                    assert article["id"] in {one["id"] for one in shown}
            await found(client, f"/articles?{httpx.QueryParams(q=article['title'])}")
        answer = await client.get("/sitemap.xml")
        assert addresses(answer.content).keys() == {f"{SITE}/articles/{article['slug']}" for article in written}
        assert (await client.get("/robots.txt")).status_code == 200

    async def check_feeds(self, client: httpx.AsyncClient, username: str, written: list[dict[str, Any]]) -> None:
        numbers = {article["id"] for article in written}
        of_tags = {f"/tags/{quote(tag, safe='')}/feed": one["id"] for one in written for tag in one["tags"][-2:]}
        for kind in KINDS:
            for path in ("/feed", f"/users/{username}/feed"):
                for content in ("full", "summary"):
                    following = f"{path}.{kind}?content={content}"
                    pages = []
                    while following:
                        answer = await client.get(following)
                        if kind != "json":
                            check_reader(answer)
                        page = await read(client, following)
                        pages += ids(page["entries"])
                        following = page["links"].get("next", "").removeprefix(SITE)
                    assert sorted(pages) == sorted(numbers)
            for path, number in of_tags.items():
                feed = await read(client, f"{path}.{kind}")
                entries = ids(feed["entries"])
                if following := feed["links"].get("next", "").removeprefix(SITE):
                    entries += ids((await read(client, following))["entries"])
                assert number in entries
