"""The examples that embed the blog without PostgreSQL."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import httpx
import pytest

from blog import ArticleView, BlogError, Content, Email, NewPassword, Slug, Title, Unavailable, Username
from blog.adapters.passwords import BcryptHasher
from blog.domain.articles import ArticleNotFound
from blog.testing import NOON, Clock, Storage, StorageContract, a_request, a_user, an_article
from blog.testing.keeping import revision_of
from examples.embed_in_starlette import STATUSES, Api, build, from_environment
from examples.sqlite_storage import SqliteArticleQueries, SqliteStore, SqliteTransaction, SqliteUserQueries
from tests.integration.service import PATIENCE

ROOT = Path(__file__).parents[2]
ADA = {"email": "ada@example.org", "username": "ada", "password": "correct horse battery"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "blog.sqlite"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(file, timeout=PATIENCE)
    yield store
    store.close()


@pytest.fixture
async def other(file: Path, store: SqliteStore) -> AsyncIterator[SqliteStore]:  # noqa: ARG001 -- opened before it
    """The same file, as another process has it."""
    other = SqliteStore(file, timeout=PATIENCE)
    yield other
    other.close()


async def cancel(task: asyncio.Task[None], times: int) -> None:
    """Cancel it where it waits, and again where it waits while it cleans up."""
    for _ in range(times):
        task.cancel()
        # What is ready to run does so in the order in which it became so: the task gets as far as it can before this.
        await asyncio.sleep(0)


class TestStorageInSqlite(StorageContract):
    @pytest.fixture
    async def storage(self, file: Path, clock: Clock) -> AsyncIterator[Storage]:
        store = SqliteStore(file)
        yield Storage(
            transaction=lambda: SqliteTransaction(store),
            articles=SqliteArticleQueries(store, clock),
            users=SqliteUserQueries(store),
            clock=clock,
        )
        store.close()


class TestStorageInSqliteOfSeveralProcesses(StorageContract):
    """Two write in turn, and a third one reads."""

    @pytest.fixture
    async def storage(self, file: Path, clock: Clock) -> AsyncIterator[Storage]:
        stores = [SqliteStore(file) for _ in range(3)]
        writers = cycle(stores[:2])
        yield Storage(
            transaction=lambda: SqliteTransaction(next(writers)),
            articles=SqliteArticleQueries(stores[2], clock),
            users=SqliteUserQueries(stores[2]),
            clock=clock,
        )
        for store in stores:
            store.close()


def test_the_readme_names_every_example() -> None:
    readme = (ROOT / "README.md").read_text()
    examples = {f"examples/{file.name}" for file in (ROOT / "examples").glob("*.py")}
    assert {name for name in examples if f"`{name}`" not in readme} == set()


class TestStarlette:
    @pytest.fixture
    def api(self) -> Iterator[Api]:
        hasher = BcryptHasher(cost=4)
        yield Api(hasher, "a key for tests, of 32 bytes or more")
        hasher.close()

    @pytest.fixture
    async def client(self, api: Api) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(build(api))
        async with httpx.AsyncClient(transport=transport, base_url="http://service.test") as client:
            yield client

    async def test_a_guest_becomes_an_author(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/articles")).json() == {"articles": [], "more": False, "total": None}
        registered = await client.post("/register", json=ADA)
        assert registered.status_code == 201
        assert registered.json()["username"] == "ada"
        assert "password" not in registered.text
        token = (await client.post("/log-in", json=ADA)).json()["access_token"]
        article = {"title": "On engines", "content": "They weave algebraic patterns."}
        written = await client.post("/articles", json=article, headers={"Authorization": f"Bearer {token}"})
        assert written.status_code == 201
        assert written.json().items() >= {**article, "author_id": registered.json()["id"]}.items()
        moment = written.json()["created_at"]
        assert moment == datetime.fromisoformat(moment).astimezone(UTC).isoformat()
        # When it was to appear, and whether there is a working copy, is its author's alone to see.
        seen = {**written.json(), "publish_at": None, "has_working_copy": None}
        assert (await client.get("/articles")).json() == {"articles": [seen], "more": False, "total": None}

    async def test_what_the_blog_refuses_is_said_in_this_services_words(self, client: httpx.AsyncClient) -> None:
        await client.post("/register", json=ADA)
        for path, body, status, said in (
            ("/register", ADA, 409, "This e-mail address is already registered."),
            ("/register", {**ADA, "username": "a"}, 422, "username: Must be at least 3 characters long."),
            ("/register", {"email": 5}, 422, "email: Must be a string."),
            ("/register", [], 422, "email: Must be a string."),
            ("/log-in", {**ADA, "password": "wrong"}, 401, "Incorrect username or password"),
            ("/articles", {"title": "T", "content": "C"}, 401, "Could not validate credentials"),
        ):
            refused = await client.post(path, json=body)
            assert (refused.status_code, refused.json()) == (status, {"error": said})
            assert ("WWW-Authenticate" in refused.headers) == (status == 401)
        for broken in (b"{", b"\xff"):
            assert (await client.post("/register", content=broken)).json() == {"error": "The body must be JSON."}

    def test_every_kind_of_error_has_a_status(self) -> None:
        assert set(STATUSES) == set(BlogError.__subclasses__())

    async def test_an_old_slug_leads_to_the_article(self, client: httpx.AsyncClient, api: Api) -> None:
        ada = await api.accounts.register(
            email=Email("ada@example.org"), username=Username("ada"), password=NewPassword("correct horse battery")
        )
        article = await api.publishing.write(
            actor=ada.id, title=Title("On engines"), content=Content("They weave."), published=True
        )
        assert (await client.get("/articles/on-engines")).json()["id"] == article.id
        await api.publishing.edit(actor=ada.id, article=article.id, slug=Slug("on-looms"))
        moved = await client.get("/articles/on-engines")
        assert (moved.status_code, moved.headers["location"]) == (308, "/articles/on-looms")
        assert (await client.get("/articles/on-engines", follow_redirects=True)).json()["id"] == article.id
        for unknown in ("nowhere", "No slug", "7"):
            assert (await client.get(f"/articles/{unknown}")).status_code == 404

    async def test_it_starts_as_its_docstring_says(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SECRET_KEY", "a key for tests, of 32 bytes or more")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(from_environment())) as client:
            assert (await client.get("http://service.test/articles")).status_code == 200


class TestSqlite:
    """What this store adds to the contract."""

    async def test_what_was_kept_is_there_when_the_file_is_opened_again(self, file: Path) -> None:
        user, articles = a_user(), [an_article(id=number, author_id=a_user().id) for number in (1, 2)]
        ids: list[int] = []
        for _ in range(2):
            store = SqliteStore(file)
            async with SqliteTransaction(store) as tx:
                ids.append(await tx.articles.next_id())
                if len(ids) == 1:
                    await tx.users.add(user)
                    for article in articles:
                        await tx.articles.add(article, revision_of(article))
            store.close()
        store = SqliteStore(file)
        assert ids == [1, 2]
        assert (await SqliteUserQueries(store).account(user.id)).created_at == user.created_at
        page = await SqliteArticleQueries(store, Clock()).page(viewer=None, skip=0, limit=9)
        # To the type: SQLite itself knows neither moments nor truth.
        assert repr(page.articles) == repr(
            [ArticleView.of(articles[1], viewer=None, at=NOON), ArticleView.of(articles[0], viewer=None, at=NOON)]
        )
        store.close()

    async def test_who_waits_for_the_turn_too_long_is_told_to_come_back(self, file: Path) -> None:
        store, other = (SqliteStore(file, timeout=0.2) for _ in range(2))
        async with SqliteTransaction(store) as tx:
            await tx.users.add(a_user(id=await tx.users.next_id()))
            for waiting in (store, other):
                with pytest.raises(Unavailable):
                    async with SqliteTransaction(waiting) as late:
                        await late.users.next_id()
        for waiting in (store, other):
            async with SqliteTransaction(waiting) as tx:
                assert await tx.users.next_id() > 1
            waiting.close()

    @pytest.mark.parametrize("times", [1, 2])
    async def test_a_task_that_is_cancelled_in_a_statement_keeps_nothing(
        self, store: SqliteStore, times: int
    ) -> None:
        async with SqliteTransaction(store) as tx:
            await tx.users.add(a_user())

        begun, cancelled = threading.Event(), threading.Event()

        def slowly(connection: sqlite3.Connection) -> None:
            begun.set()
            assert cancelled.wait(PATIENCE)
            connection.execute("DELETE FROM users")

        async def write() -> None:
            async with SqliteTransaction(store) as tx:
                await tx.users.get(a_user().id)
                await store.writing.run(slowly)

        writing = asyncio.create_task(write())
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        await cancel(writing, times)
        cancelled.set()
        with pytest.raises(asyncio.CancelledError):
            await writing
        async with SqliteTransaction(store) as tx:
            assert await tx.users.get(a_user().id) == a_user()

    @pytest.mark.parametrize("elsewhere", [False, True])
    async def test_a_task_that_is_cancelled_while_it_waits_leaves_the_turn_to_others(
        self, store: SqliteStore, other: SqliteStore, elsewhere: bool
    ) -> None:
        waits = asyncio.Event()
        loop = asyncio.get_running_loop()

        def tell(statement: str) -> None:
            if statement == "BEGIN IMMEDIATE":
                loop.call_soon_threadsafe(waits.set)

        async def write() -> None:
            if not elsewhere:
                waits.set()
            async with SqliteTransaction(store) as late:
                await late.users.next_id()

        async with SqliteTransaction(other if elsewhere else store) as tx:
            await tx.users.next_id()
            await store.writing.run(lambda connection: connection.set_trace_callback(tell))
            writing = asyncio.create_task(write())
            await waits.wait()
            await cancel(writing, times=2)
            with pytest.raises(asyncio.CancelledError):
                await writing
        async with SqliteTransaction(store) as tx:
            await tx.users.next_id()

    async def test_what_another_process_is_at_work_on_is_not_waited_for(self, file: Path, store: SqliteStore) -> None:
        async with SqliteTransaction(store) as tx:
            await tx.users.add(a_user())
        request = a_request(caller=a_user().id)

        def elsewhere() -> str:
            """How claiming the same ends in another process."""
            program = (
                "import pathlib, sys\n"
                "from blog.testing import a_request\nfrom examples.sqlite_storage import Claims\n"
                "Claims(pathlib.Path(sys.argv[1])).take(a_request(caller=int(sys.argv[2])))"
            )
            command = [sys.executable, "-c", program, f"{file}-claims", str(request.caller)]
            ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
            return next(iter(ended.stderr.splitlines()[-1:]), "had").partition(":")[0].rpartition(".")[2]

        async with SqliteTransaction(store) as tx:
            await tx.replies.claim(request, since=NOON)
            assert await asyncio.to_thread(elsewhere) == "StillRunning"
        assert await asyncio.to_thread(elsewhere) == "had"

    async def test_a_commit_that_fails_keeps_nothing_and_lets_others_go_on(self, store: SqliteStore) -> None:
        def refuse(action: int, what: str | None, *_: object) -> int:
            commits = action == sqlite3.SQLITE_TRANSACTION and what == "COMMIT"
            return sqlite3.SQLITE_DENY if commits else sqlite3.SQLITE_OK

        await store.writing.run(lambda connection: connection.set_authorizer(refuse))
        with pytest.raises(sqlite3.DatabaseError):
            async with SqliteTransaction(store) as tx:
                await tx.users.add(a_user())
        await store.writing.run(lambda connection: connection.set_authorizer(None))
        async with SqliteTransaction(store) as tx:
            await tx.users.add(a_user())

    async def test_a_large_transaction_holds_up_no_reader(self, store: SqliteStore) -> None:
        async with SqliteTransaction(store) as tx:
            await tx.users.add(a_user())
            for number in range(20):  # more than SQLite keeps in memory
                large = an_article(id=number, content=Content("x" * 200_000))
                await tx.articles.add(large, revision_of(large))
            assert not (await SqliteArticleQueries(store, Clock()).page(viewer=None, skip=0, limit=1)).articles

    async def test_a_full_disk_is_unavailable_and_undoes_everything(self, store: SqliteStore) -> None:
        async with SqliteTransaction(store) as tx:
            await tx.users.add(a_user())
            first = await tx.articles.next_id()
        await store.writing.execute("PRAGMA max_page_count = 40")
        with pytest.raises(Unavailable):
            async with SqliteTransaction(store) as tx:
                for content in ("x", "x" * 200_000):
                    article = an_article(id=await tx.articles.next_id(), content=Content(content))
                    await tx.articles.add(article, revision_of(article))
        await store.writing.execute("PRAGMA max_page_count = 1000")
        with pytest.raises(ArticleNotFound):
            await SqliteArticleQueries(store, Clock()).get(first + 1, viewer=None)
        async with SqliteTransaction(store) as tx:
            article = an_article(id=await tx.articles.next_id())
            await tx.articles.add(article, revision_of(article))
        assert await SqliteArticleQueries(store, Clock()).get(article.id, viewer=None) == ArticleView.of(
            article, viewer=None, at=NOON
        )
