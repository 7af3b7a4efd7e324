"""What workloads are measured on: databases that are filled, services that run, and what these have to reply."""

import asyncio
import json
import os
import secrets
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from bench import Failure, apps, fill
from bench.load import Exchange, Request
from bench.services import ROOT, Reply, Service, other, product, production, running

SIZE = 10_000
"""Articles, unless it is said otherwise."""

ARTICLES = 64
"""How many of them are asked for in turn."""

PAGE = "/articles?limit=20"
KEPT = {"content-type", "content-length", "date", "server"}
"""Headers that no application of ours has to be told of."""

PEER_PATHS = {"/articles": "/articles/"}


class Stage:
    """Everything is started when it is first asked for, and stopped when the stage is left."""

    def __init__(
        self,
        databases: fill.Databases,
        folder: Path,
        *,
        peer: Path | None,
        peer_packages: Path | None = None,
        services: Iterable[str],
        say: Callable[[str], None],
        stack: ExitStack,
    ) -> None:
        self.databases, self.folder, self.peer, self.say = databases, folder, peer, say
        self._peer_packages = peer_packages
        self.known = [name for name in services if name != "peer" or peer]
        self._stack, self._services, self._tokens = stack, dict[str, Service](), dict[tuple[str, str], str]()
        self._key = secrets.token_hex(32)

    def some(self, *names: str) -> list[Service]:
        """Those of them that are measured in this run."""
        return [self.service(name) for name in names if name in self.known]

    def service(self, name: str, *, size: int | None = None) -> Service:
        """The product (`product`), in two processes (`two`), one of `bench.apps`, or the peer (`peer`)."""
        label = name if size in (None, SIZE) else f"{name} of {size:,}"
        if label not in self._services:
            self.say(f"Starting {label}")
            self._services[label] = self._stack.enter_context(self.starting(name, size=size))
            if name == "peer":
                asyncio.run(fill.fill_peer(self.databases, self.filled(SIZE), self._peers))
        return self._services[label]

    def starting(self, name: str, *, size: int | None = None) -> AbstractContextManager[Service]:
        """One that is started anew, and stopped when the block is left."""
        label = name if size in (None, SIZE) else f"{name}-{size}"
        return running(label, *self._how(name, size or SIZE), folder=self.folder)

    def filled(self, size: int) -> str:
        """The database with so many articles, which nobody writes to."""
        return fill.fill(self.databases, size, self.say)

    def settings(self, size: int | None = None) -> dict[str, str]:
        """What the product is told by its environment."""
        database = self.written if size in (None, SIZE) else self.filled(size or SIZE)
        return {**self.packages, "DATABASE_URL": self.databases.setting(database), "SECRET_KEY": self._key}

    @cached_property
    def packages(self) -> dict[str, str]:
        """Where the product finds what it is made of."""
        return {"PYTHONPATH": production(self.folder / "packages")}

    @cached_property
    def written(self) -> str:
        """A copy, which may be written to, and which the product and those that do less share."""
        name = "run"
        self.databases.copy(self.filled(SIZE), name)
        self._stack.callback(self.databases.drop, name)
        return name

    @cached_property
    def _peers(self) -> str:
        """The peer's database, in which it makes its tables itself."""
        name = "run_peer"
        self.databases.drop(name)
        asyncio.run(self.databases.execute(f'CREATE DATABASE "{name}"'))
        self._stack.callback(self.databases.drop, name)
        return name

    def _how(self, name: str, size: int) -> tuple[list[str], dict[str, str]]:
        if name in ("product", "two"):
            return product(workers=2 if name == "two" else 1), self.settings(size)
        ours = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        if name in apps.APPS:
            return other(name), {**ours, "BENCH_SAMPLE": str(self._sample)}
        assert self.peer is not None  # noqa: S101 - or it is not among those that are known
        places = [ROOT, self.peer.parent, *([self._peer_packages] if self._peer_packages else [])]
        told = {"DATABASE_URL": self.databases.setting(self._peers), "SECRET_KEY": self._key, "POOL": str(apps.POOL)}
        return other(self.peer), {**ours, "PYTHONPATH": os.pathsep.join(map(str, places)), **told}

    @cached_property
    def _sample(self) -> Path:
        """What the product replies, for those that reply the same."""
        blog = self.service("product")
        article, page = blog.ask("GET", f"/articles/{SIZE}"), blog.ask("GET", PAGE)
        fields = list(json.loads(article.body))
        try:
            apps.selected(fields)
        except KeyError as error:
            raise Failure(f"A reply has {error}, of which bench/apps.py does not know where it comes from.") from None
        sample = apps.Sample(
            database=self.settings()["DATABASE_URL"],
            key=self._key,
            fields=fields,
            article_headers=own_headers(article),
            page_headers=own_headers(page),
            article=article.body.decode(),
            page=page.body.decode(),
        )
        file = self.folder / "sample.json"
        file.touch(mode=0o600)
        file.write_bytes(msgspec.json.encode(sample))
        return file

    def signed_in(self, service: Service, username: str) -> dict[str, str]:
        """The header of somebody who has logged in, at the product for those that have no logging in."""
        where = service if service.name not in apps.APPS else self.service("product")
        key = (where.name, username)
        if key not in self._tokens:
            self._tokens[key] = where.token(username)
        return {"Authorization": f"Bearer {self._tokens[key]}"}

    def articles(self, service: Service, headers: dict[str, str]) -> Exchange:
        """Some articles, each by itself."""
        numbers = range(SIZE, 0, -(SIZE // ARTICLES))
        numbers = numbers[:1] if service.name == "fixed" else numbers
        return self.reads(service, {f"/articles/{number}": [number] for number in numbers}, headers)

    def page(self, service: Service, headers: dict[str, str]) -> Exchange:
        """The newest twenty."""
        return self.reads(service, {PAGE: list(range(SIZE, SIZE - 20, -1))}, headers)

    def reads(self, service: Service, expected: dict[str, list[int]], headers: dict[str, str]) -> Exchange:
        """Addresses and what they reply, once it is sure that this is right: the articles with these numbers."""
        requests, bodies = [], []
        for path, numbers in expected.items():
            asked = path
            if service.name == "peer":
                asked = path.replace("/articles?", "/articles/?")
            reply = service.ask("GET", asked, headers)
            self._check(service, path, reply, numbers)
            requests.append(Request(path=asked, headers=headers))
            bodies.append(reply.body)
        return Exchange(requests=requests, bodies=bodies)

    def _check(self, service: Service, path: str, reply: Reply, numbers: list[int]) -> None:
        if reply.status != 200:
            raise Failure(f"{service.name} replies to {path} with {reply.status}: {reply.body[:200]!r}")
        found: Any = json.loads(reply.body)
        shown = [found] if isinstance(found, dict) else found
        if [(one["id"], one["title"], one["content"]) for one in shown] != [
            (number, *fill.written(number)[:2]) for number in numbers
        ]:
            raise Failure(f"{service.name} replies to {path} with other articles than there are.")
        if service.name in apps.APPS:
            ours = self.service("product").ask("GET", path)
            if reply.body != ours.body or sizes(reply) != sizes(ours):
                raise Failure(f"{service.name} replies to {path} with other bytes or headers than the product.")


def own_headers(reply: Reply) -> dict[str, str]:
    """What the product says of a reply beside its type and length."""
    return {name: value for name, value in reply.headers.items() if name not in KEPT}


def sizes(reply: Reply) -> dict[str, int]:
    """The headers and how long each is."""
    return {name: len(value) for name, value in reply.headers.items()}
