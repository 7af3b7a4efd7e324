"""What the HTTP contract promises of what is not sent again, or sent smaller (RFC 9110, sections 8, 12 and 13)."""

import gzip
import sys

import httpx
import pytest

from tests.builders import Clock
from tests.contracts.asking import ARTICLE, problem

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LONG = ARTICLE | {"content": "The engine weaves algebraic patterns. " * 100}
UNCODED = {"Accept-Encoding": "identity"}


@pytest.fixture
async def article(client: httpx.AsyncClient, ada: dict[str, str]) -> str:
    """The path of an article that is out."""
    answer = await client.post("/articles", json=LONG, headers=ada)
    return str(answer.headers["location"])


class ConditionalContract:
    async def test_what_a_client_has_is_not_sent_again(self, client: httpx.AsyncClient, article: str) -> None:
        for path in (article, "/articles", f"{article}?fields=id", "/tags", "/users/Ada", "/openapi.json", "/docs"):
            answer = await client.get(path, headers=UNCODED)
            etag = answer.headers["etag"]
            assert not etag.startswith("W/")
            for given in (etag, f"W/{etag}", f'"other", {etag}', "*"):
                for method in ("GET", "HEAD"):
                    again = await client.request(method, path, headers=UNCODED | {"If-None-Match": given})
                    assert (again.status_code, again.content) == (304, b"")
                    assert again.headers["etag"] == etag
                    for name in ("cache-control", "vary"):
                        assert again.headers.get_list(name) == answer.headers.get_list(name)
                    assert "content-type" not in again.headers
                    assert "content-length" not in again.headers
            for given in ('"other"', etag[:-2] + '"', etag.strip('"'), ""):
                again = await client.get(path, headers=UNCODED | {"If-None-Match": given})
                assert (again.status_code, again.content) == (200, answer.content)

    async def test_what_was_changed_is_sent(
        self, client: httpx.AsyncClient, ada: dict[str, str], article: str
    ) -> None:
        known = {path: (await client.get(path)).headers["etag"] for path in (article, "/articles")}
        assert (await client.patch(article, json={"title": "Changed"}, headers=ada)).status_code == 200
        for path, etag in known.items():
            again = await client.get(path, headers={"If-None-Match": etag})
            assert again.status_code == 200
            assert again.headers["etag"] != etag

    async def test_every_selection_has_a_tag_of_its_own_and_one_edition(
        self, client: httpx.AsyncClient, article: str
    ) -> None:
        queries = ("", "?fields=id", "?include=author", "?include=content_html")
        tags = [(await client.get(f"{article}{query}", headers=UNCODED)).headers["etag"] for query in queries]
        assert len(set(tags)) == 4
        edition = (await client.get(article)).json()["edition"]
        assert {tag.strip('"').partition(".")[0] for tag in tags} == {edition}

    async def test_since_when_it_is_so_is_told_and_asked(
        self, client: httpx.AsyncClient, ada: dict[str, str], article: str
    ) -> None:
        answer = await client.get(article)
        since = answer.headers["last-modified"]
        assert since.endswith(" GMT")
        again = await client.get(article, headers={"If-Modified-Since": since})
        assert (again.status_code, again.content) == (304, b"")
        for other in ("Sun, 01 Mar 2026 00:00:00 GMT", "yesterday", ""):
            assert (await client.get(article, headers={"If-Modified-Since": other})).status_code == 200
        # A tag is more exact than a time, and counts alone (section 13.1.3).
        both = {"If-Modified-Since": since, "If-None-Match": '"other"'}
        assert (await client.get(article, headers=both)).status_code == 200
        assert (await client.patch(article, json={"title": "Changed"}, headers=ada)).status_code == 200
        assert (await client.get(article, headers={"If-Modified-Since": since})).status_code == 200

    async def test_a_moment_that_comes_is_a_change(
        self, client: httpx.AsyncClient, ada: dict[str, str], clock: Clock
    ) -> None:
        given = {"title": "Soon", "content": "0123456789", "publish_at": "2026-03-04T12:20:00Z"}
        path = (await client.post("/articles", json=given, headers=ada)).headers["location"]
        before = await client.get(path, headers=ada)
        clock.advance(minutes=25)
        for known in (
            {"If-None-Match": before.headers["etag"]},
            {"If-Modified-Since": before.headers["last-modified"]},
        ):
            assert (await client.get(path, headers=ada | known)).status_code == 200

    async def test_a_condition_tells_nothing_of_what_is_hidden(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        answer = await client.post("/articles", json=ARTICLE | {"published": False}, headers=ada)
        path, etag = answer.headers["location"], answer.headers["etag"]
        for who in ({}, bob):
            for given in (etag, "*"):
                assert problem(await client.get(path, headers=who | {"If-None-Match": given}), 404)
                assert problem(await client.get("/articles/999999", headers=who | {"If-None-Match": given}), 404)
        for condition in (etag, '"other"', "*"):
            answer = await client.patch(path, json={"title": "T"}, headers=bob | {"If-Match": condition})
            assert problem(answer, 404)

    async def test_caches_are_told_for_whom_a_reply_is(
        self, client: httpx.AsyncClient, ada: dict[str, str], article: str
    ) -> None:
        for path in (article, "/articles", "/tags", "/articles/999999"):
            for who, whose in (({}, "public, no-cache"), (ada, "private, no-cache")):
                answer = await client.get(path, headers=who)
                assert answer.headers["cache-control"] == whose
                vary = answer.headers.get_list("vary", split_commas=True)
                assert {"Authorization", "Accept-Encoding"} <= set(vary)

    @pytest.mark.parametrize(
        ("accepted", "coding"),
        [
            ("gzip", "gzip"),
            ("zstd", "zstd"),
            ("gzip, deflate, br, zstd", "zstd"),
            ("gzip;q=1.0, zstd;q=0.5", "gzip"),
            ("GZIP", "gzip"),
            ("*", "zstd"),
            ("zstd;q=0, *", "gzip"),
            ("br", None),
            ("identity", None),
            ("identity, gzip;q=0.5", None),
            ("gzip;q=0", None),
            ("gzip;q=rubbish", None),
            ("", None),
        ],
    )
    async def test_a_reply_is_in_a_coding_that_the_client_takes(
        self, client: httpx.AsyncClient, article: str, accepted: str, coding: str | None
    ) -> None:
        plain = await client.get(article, headers=UNCODED)
        async with client.stream("GET", article, headers={"Accept-Encoding": accepted}) as answer:
            raw = b"".join([part async for part in answer.aiter_raw()])
        assert answer.headers.get("content-encoding") == coding
        assert int(answer.headers["content-length"]) == len(raw)
        if coding:
            raw = gzip.decompress(raw) if coding == "gzip" else zstd.decompress(raw)
        assert raw == plain.content
        assert (answer.headers["etag"] == plain.headers["etag"]) == (coding is None)
        again = await client.get(
            article, headers={"Accept-Encoding": accepted, "If-None-Match": answer.headers["etag"]}
        )
        assert (again.status_code, again.headers["etag"]) == (304, answer.headers["etag"])
        head = await client.head(article, headers={"Accept-Encoding": accepted})
        for name in ("content-encoding", "content-length", "etag"):
            assert head.headers.get(name) == answer.headers.get(name)

    async def test_an_edit_takes_the_tag_of_a_reply_in_any_coding(
        self, client: httpx.AsyncClient, ada: dict[str, str], article: str
    ) -> None:
        for coding in ("gzip", "zstd", "identity"):
            etag = (await client.get(f"{article}?fields=id", headers={"Accept-Encoding": coding})).headers["etag"]
            answer = await client.patch(article, json={"title": coding}, headers=ada | {"If-Match": etag})
            assert answer.status_code == 200

    async def test_what_is_small_or_a_secret_is_not_compressed(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        path = (await client.post("/articles", json=LONG | {"published": False}, headers=ada)).headers["location"]
        link = (await client.post(f"{path}/previews", json={}, headers=ada)).json()["url"]
        for path in (link, "/health/live"):
            answer = await client.get(path, headers={"Accept-Encoding": "gzip"})
            assert answer.status_code == 200
            assert "content-encoding" not in answer.headers
