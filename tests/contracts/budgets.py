"""What the HTTP contract promises of requests that ask for too much: a refusal that costs little."""

import json
import time
from typing import Any

import httpx
import pytest

from tests.contracts.asking import ARTICLE, problem, write, wrong

SIZE = 4_000_000
"""Bytes of a body, nearly as many as it may have."""

TOO_MANY = "The request is invalid. These are the first 100 errors; there are more."
UNKNOWN = "Is not a field of this request."


def filled(start: str, piece: str, end: str) -> bytes:
    """A body of as many pieces as there is room for."""
    return (start + piece * (SIZE // len(piece)) + end).encode()


LARGE = {
    "tags": filled('{"title":"T","content":"0123456789","tags":[', '"a",', '"a"]}'),
    "tags that are lists": filled('{"title":"T","content":"0123456789","tags":[', "[],", "[]]}"),
    "tags with names": filled('{"title":"T","content":"0123456789","tags":{', '"a":1,', '"a":1}}'),
    "one tag": filled('{"title":"T","content":"0123456789","tags":["', "a", '"]}'),
    "a title of lists": filled('{"content":"0123456789","title":[', "[],", "[]]}"),
    "a title of objects": filled('{"content":"0123456789","title":{"a":[', "{},", "{}]}}"),
    "fields": json.dumps({f"{number}": 1 for number in range(300_000)}).encode(),
    "one field again and again": filled("{", '"u":1,', '"u":1}'),
    "a known field again and again": filled("{", '"title":1,', '"title":1}'),
    "an unknown field of objects": filled('{"u":[', "{},", "{}]}"),
    "an unknown field of escapes": filled('{"u":"', "\\n", '"}'),
    "a field with a long name": filled('{"', '\\"', '":1}'),
    "a title of escapes": filled('{"content":"0123456789","title":"', "\\u0041", '"}'),
    "digits": filled('{"content":"0123456789","title":', "9", "}"),
    "an open list": filled('{"title":', "[", "}"),
}


class BudgetsContract:
    @pytest.mark.parametrize("name", LARGE)
    async def test_what_is_too_much_is_counted_before_it_is_built(
        self, client: httpx.AsyncClient, ada: dict[str, str], name: str
    ) -> None:
        headers = ada | {"Content-Type": "application/json"}
        begun = time.process_time()
        answer = await client.post("/articles", content=LARGE[name], headers=headers)
        # Some tens of milliseconds, where it was up to two seconds.
        assert time.process_time() - begun < 0.3
        assert answer.status_code in (400, 422)
        assert len(answer.content) < 20_000

    async def test_a_form_is_short(self, client: httpx.AsyncClient) -> None:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        begun = time.process_time()
        for content in (b"%" * SIZE, b"&" * SIZE, b"username=" + b"%41" * 9_000, b"a=b&" * 4_097):
            answer = await client.post("/auth/login", content=content, headers=form)
            assert problem(answer, 413)["detail"] == "The form is too large: send at most 16 KiB."

        async def pieces() -> Any:
            for _ in range(17):
                yield b"%" * 1024

        assert problem(await client.post("/auth/login", content=pieces(), headers=form), 413)
        assert time.process_time() - begun < 0.3
        at_limit = b"username=" + b"%" * (16 * 1024 - 9)
        assert "#/username" in wrong(await client.post("/auth/login", content=at_limit, headers=form))

    @pytest.mark.parametrize("path", ["/articles", "/tags", "/health/live"])
    async def test_a_query_is_short(self, client: httpx.AsyncClient, path: str) -> None:
        for query in ("%" * 16_385, "q=" + "%41" * 9_000, "tags=" + "a," * 9_000, "fields=" + "id," * 9_000):
            answer = await client.get(f"{path}?{query}")
            assert problem(answer, 414)["detail"] == "The address is too long."
        assert problem(await client.get(f"{path}?{'a&' * 2_000}"), 400)

    async def test_a_list_of_errors_has_an_end(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        for count in (99, 100, 101, 5_000):
            answer = await client.post(
                "/articles", json=ARTICLE | dict.fromkeys(map(str, range(count)), 0), headers=ada
            )
            errors = wrong(answer)
            assert errors == {f"#/{number}": UNKNOWN for number in range(min(count, 100))}
            assert (answer.json()["detail"] == TOO_MANY) == (count > 100)

    async def test_every_unknown_field_is_named_wherever_it_stands(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        known = ARTICLE | {"content": 'He said: "[", {"a": 1}, \\ and ]. ' * 5_000, "tags": ["a", '{"b": "]'] * 3}
        unknown = {
            "nested": {"title": 1, "a": [{"b": "}"}]},
            'qu"ote': '"',
            "back`tick": [[]],
            "a/b~c": "\\",
            "é\n": -1.5e3,
            "": None,
            "empty": {},
        }
        expected = {f"#/{name}": UNKNOWN for name in unknown} | {"#/a~1b~0c": UNKNOWN}
        del expected["#/a/b~c"]
        expected["#/tags"] = "Must name each tag once; 'a' comes twice."
        for body in (unknown | known, known | unknown):
            assert wrong(await client.post("/articles", json=body, headers=ada)) == expected
            spaced = json.dumps(body, ensure_ascii=False, indent="\t").encode()
            headers = ada | {"Content-Type": "application/json"}
            assert wrong(await client.post("/articles", content=spaced, headers=headers)) == expected

    async def test_a_body_that_is_neither_known_nor_json_is_not_json(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        headers = ada | {"Content-Type": "application/json"}
        for content in (b'{"u": 1', b'{"u": tru}', b"[1,", b"1 2", b'{"u": 1} {}'):
            answer = await client.post("/articles", content=content, headers=headers)
            assert problem(answer, 400)["detail"].startswith("The body is not JSON")

    async def test_long_headers_cost_little(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        """A server in front has limits, too, which are larger."""
        path = f"/articles/{(await write(client, ada, content='0123456789' * 200))['id']}"
        plain = await client.get(path)
        many = 3_000
        begun = time.process_time()
        answer = await client.get(path, headers={"If-None-Match": '"a", ' * many + plain.headers["etag"]})
        assert (answer.status_code, answer.content) == (200, plain.content)
        answer = await client.get(path, headers={"Accept-Encoding": "a;q=0.1, " * many + "gzip"})
        assert (answer.status_code, answer.headers.get("content-encoding")) == (200, None)
        answer = await client.delete(path, headers=ada | {"If-Match": '"a", ' * many + '"b"'})
        assert problem(answer, 400)["detail"] == "If-Match is too long: send at most 8 KiB of entity tags."
        answer = await client.get(path, headers={"Authorization": "Bearer " + "a." * 5 * many})
        assert problem(answer, 401)
        assert (await client.get(path, headers={"Cookie": "a=b; " * many})).status_code == 200
        assert time.process_time() - begun < 0.3
