"""An adapter of your own, by example: a blog that is kept in one file, with the sqlite3 of the standard library.

It keeps what the ports `Transaction`, `ArticleQueries` and `UserQueries` promise; `blog.testing.StorageContract`,
bound in tests/integration/test_examples.py, proves it. So every use case runs on it:

    store, now = SqliteStore(Path("blog.sqlite")), lambda: datetime.now(UTC)
    publishing = Publishing(transaction=lambda: SqliteTransaction(store), markdown=RustMarkdown(), now=now)
    page = await SqliteArticleQueries(store, now).page(viewer=None, skip=0, limit=10)
    store.close()

Each row is one thing as JSON, beside the few columns that it is found by. The file may be opened by several processes
of one machine, and needs SQLite 3.38 or newer.
"""

import asyncio
import fcntl
import hashlib
import itertools
import json
import sqlite3
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from types import NoneType, TracebackType
from typing import Any, ClassVar, Self, TypeVar, cast, get_args, get_origin, get_type_hints

from blog import AccountView, ArticlePage, ArticleView, ProfileView, Unavailable, Username
from blog.adapters.memory.listing import addresses_of, page_of, view_of
from blog.application.ports import Clock, Reply, RequestKey
from blog.application.queries import (
    ANY,
    NEWEST_FIRST,
    AddressView,
    ArticleFilter,
    Include,
    Order,
    Place,
    TagView,
    UserView,
)
from blog.application.remembering import KEPT, KeyReused, StillRunning
from blog.domain.articles import Article, ArticleMoved, ArticleNotFound, Status
from blog.domain.previews import Preview, Previewed, PreviewNotFound
from blog.domain.revisions import Change, Revision, RevisionNotFound
from blog.domain.slugs import Slug
from blog.domain.tags import Tag, Tags
from blog.domain.users import EmailTaken, InvalidToken, User, UsernameTaken, UserNotFound
from blog.domain.working_copies import WorkingCopy, WorkingCopyNotFound

# Times are in microseconds since 1970, in UTC.
SCHEMA = """
    PRAGMA journal_mode = WAL;  -- Readers see the last commit while somebody writes.
    PRAGMA foreign_keys = ON;
    CREATE TABLE IF NOT EXISTS users (
        id INTEGER PRIMARY KEY, email_key TEXT NOT NULL UNIQUE, username_key TEXT NOT NULL UNIQUE, it TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS articles (
        id INTEGER PRIMARY KEY,
        author_id INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
        publish_at INTEGER,
        unpublish_at INTEGER,
        created_at INTEGER NOT NULL,
        coming TEXT,  -- the slug with which it is to come out by itself
        it TEXT NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS articles_by_coming ON articles (coming, publish_at, id);
    CREATE INDEX IF NOT EXISTS articles_by_age ON articles (created_at, id);
    CREATE INDEX IF NOT EXISTS articles_by_author ON articles (author_id);
    CREATE TABLE IF NOT EXISTS slugs (
        slug TEXT PRIMARY KEY,
        article_id INTEGER REFERENCES articles ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED
    ) STRICT;
    CREATE INDEX IF NOT EXISTS slugs_by_article ON slugs (article_id);
    CREATE TABLE IF NOT EXISTS revisions (
        article_id INTEGER NOT NULL REFERENCES articles ON DELETE CASCADE,
        version INTEGER NOT NULL,
        it TEXT NOT NULL,
        PRIMARY KEY (article_id, version)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS working_copies (
        article_id INTEGER PRIMARY KEY REFERENCES articles ON DELETE CASCADE, it TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS previews (
        id INTEGER PRIMARY KEY,
        article_id INTEGER NOT NULL REFERENCES articles ON DELETE CASCADE,
        expires_at INTEGER NOT NULL,
        it TEXT NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS previews_by_article ON previews (article_id);
    CREATE TABLE IF NOT EXISTS replies (
        caller INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
        route TEXT NOT NULL,
        key TEXT NOT NULL,
        fingerprint BLOB NOT NULL,
        status INTEGER NOT NULL,
        headers TEXT NOT NULL,
        body BLOB NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (caller, route, key)
    ) STRICT;
    -- The id that each noun was given last: AUTOINCREMENT would give one again after a rollback.
    CREATE TABLE IF NOT EXISTS ids (noun TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT;
"""
NEXT_ID = "INSERT INTO ids VALUES (:noun, 1) ON CONFLICT DO UPDATE SET last = last + 1 RETURNING last"
USER = "SELECT it FROM users WHERE id = :id"
USER_NAMED = "SELECT it FROM users WHERE username_key = :key"
USERS = "SELECT it, (SELECT count(*) FROM articles WHERE author_id = users.id) AS articles FROM users"
# With the answer to whether there is a working copy of it.
ANSWER = (
    "json_set(it, '$.has_working_copy', json(iif(id IN (SELECT article_id FROM working_copies), 'true', 'false')))"
)
COPIED = f"UPDATE articles SET it = {ANSWER} WHERE id = :id"  # noqa: S608
PUT_ARTICLE = """
    INSERT INTO articles VALUES (:id, :author_id, :publish_at, :unpublish_at, :created_at, :coming, :it)
    ON CONFLICT (id) DO UPDATE SET (publish_at, unpublish_at, coming, it)
    = (excluded.publish_at, excluded.unpublish_at, excluded.coming, excluded.it)
"""
VISIBLE = "((publish_at <= :at AND ifnull(unpublish_at > :at, true)) OR author_id IS :viewer)"
WITH_AUTHOR = f"""
    SELECT articles.it, users.it AS author FROM articles JOIN users ON users.id = author_id WHERE {VISIBLE}
"""  # noqa: S608
ARTICLE = f"{WITH_AUTHOR} AND articles.id = :id"
OWNER = "SELECT article_id FROM slugs WHERE slug = :slug"
# One of the viewer's own that has not come out with the slug that it is to have.
OWN = """
    SELECT id FROM articles
    WHERE author_id IS :viewer AND it ->> 'slug' = :slug AND it ->> 'address' IS NOT :slug
    ORDER BY id DESC LIMIT 1
"""
CAME_OUT = "SELECT id FROM articles WHERE coming = :slug AND publish_at <= :at ORDER BY publish_at, id"
CAME_OUT_OF = "SELECT it FROM articles WHERE author_id = :id AND coming IS NOT NULL AND publish_at <= :at"
ARTICLES = f"{WITH_AUTHOR} ORDER BY created_at DESC, articles.id DESC"
CHANGES = "SELECT it FROM revisions WHERE article_id = :id ORDER BY version DESC LIMIT :limit OFFSET :skip"
PREVIEWS = (
    "SELECT it FROM previews WHERE article_id = :id AND expires_at > :at ORDER BY it ->> 'created_at' DESC, id DESC"
)
PREVIEWED = """
    SELECT articles.it AS article, previews.it AS preview, working_copies.it AS copy FROM previews
    JOIN articles ON articles.id = previews.article_id
    LEFT JOIN working_copies ON working_copies.article_id = articles.id
    WHERE previews.id = :id AND expires_at > :at
"""
REPLY = "SELECT * FROM replies WHERE caller = :caller AND route = :route AND key = :key AND at >= :since"
PUT_REPLY = """
    INSERT OR REPLACE INTO replies VALUES (:caller, :route, :key, :fingerprint, :status, :headers, :body, :at)
"""

# What SQLite's result codes (sqlite.org/rescode.html) say by "not now": the file is locked, full, failing or away.
NOT_NOW = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
}
TAKEN_BY = {
    "UNIQUE constraint failed: users.email_key": EmailTaken,
    "UNIQUE constraint failed: users.username_key": UsernameTaken,
}
LATEST = datetime.max.replace(tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

T = TypeVar("T")


class SqliteStore:
    """The file, opened. That makes what tables are missing, and blocks while it does. Raises `Unavailable`.

    `timeout` is the most seconds that a transaction waits for its turn to write: for those of this process, and then
    for those of others.
    """

    def __init__(self, file: Path, *, timeout: float = 5) -> None:
        self.timeout = timeout
        # Writers of this process wait here, where waiting takes no thread; those of others, at BEGIN.
        self.turn = asyncio.Lock()
        self.claims = Claims(file.with_name(f"{file.name}-claims"))
        with translate_errors():
            self.writing, self.reading = Line(file, timeout), Line(file, timeout)

    def close(self) -> None:
        """Let what runs finish, and close the file."""
        self.writing.close()
        self.reading.close()
        self.claims.close()


class Claims:
    """Who is at work on which reply, in whatever process, told without waiting for the turn of whoever is.

    A claim is a lock on one byte of an empty file, which ends with its process. Within a process such a lock would be
    had twice, so there it stands in a set as well.
    """

    had: ClassVar[set[tuple[Path, int]]] = set()

    def __init__(self, file: Path) -> None:
        self._path = file.resolve()
        try:
            self._file = self._path.open("wb")
        except OSError as error:
            raise Unavailable from error

    def take(self, request: RequestKey) -> int:
        """The claim to the reply to this request. Raises `StillRunning` where somebody else has it."""
        name = f"{request.caller}\n{request.route}\n{request.key}".encode()
        claim = int.from_bytes(hashlib.blake2b(name, digest_size=7).digest())
        if (self._path, claim) in self.had:
            raise StillRunning
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, claim)
        except BlockingIOError:
            raise StillRunning from None
        self.had.add((self._path, claim))
        return claim

    def give_back(self, claim: int) -> None:
        """Let others have the claim."""
        self.had.remove((self._path, claim))
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, claim)

    def close(self) -> None:
        self._file.close()


class Statements(ABC):
    """What is asked of the file, on whatever way it gets there."""

    @abstractmethod
    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What this work answers, off the event loop. Raises `Unavailable`."""

    async def execute(self, statement: str, **parameters: object) -> list[sqlite3.Row]:
        """The rows of one statement. Raises `Unavailable`."""
        return await self.run(lambda connection: connection.execute(statement, parameters).fetchall())

    async def next_id(self, noun: str) -> int:
        """An id that this noun was never given. Raises `Unavailable`."""
        ((given,),) = await self.execute(NEXT_ID, noun=noun)
        return int(given)

    async def first(self, statement: str, **parameters: object) -> sqlite3.Row | None:
        """The first row of them, if there is one. Raises `Unavailable`."""
        return next(iter(await self.execute(statement, **parameters)), None)


class Line(Statements):
    """A connection, and the one thread that works on it: what is asked first is done first.

    So a statement that nobody waits for any more, because its task was cancelled, cannot come after the rollback.
    """

    def __init__(self, file: Path, timeout: float) -> None:
        # Without an isolation level the module begins no transactions by itself.
        self._connection = sqlite3.connect(file, timeout=timeout, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        try:
            self._connection.executescript(SCHEMA)
        except BaseException:
            self.close()
            raise

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with translate_errors():
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._connection)

    def close(self) -> None:
        self._thread.shutdown()
        self._connection.close()


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn what may pass by itself into `Unavailable`, and leave any other fault alone."""
    try:
        yield
    except sqlite3.OperationalError as error:
        # The low byte is the kind of error; the others say more about it.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in NOT_NOW:
            raise Unavailable from error
        raise


class SqliteTransaction:
    """One transaction, and from its first statement on the only one that writes."""

    def __init__(self, store: SqliteStore) -> None:
        self._turn = turn = Turn(store)
        self.users, self.articles = SqliteUsers(turn), SqliteArticles(turn)
        self.working_copies, self.previews = SqliteWorkingCopies(turn), SqlitePreviews(turn)
        self.replies = SqliteReplies(turn, store.claims)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # Shielded: a task that is cancelled at this moment leaves neither half a commit nor a lock behind.
            await asyncio.shield(self._turn.end(keep if kind is None else undo))
        finally:
            self.replies.end()


class Turn(Statements):
    """A transaction's turn to write: the first statement waits for it."""

    def __init__(self, store: SqliteStore) -> None:
        self._store, self._came = store, False

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if not self._came:
            try:
                async with asyncio.timeout(self._store.timeout):
                    await self._store.turn.acquire()
            except TimeoutError:
                raise Unavailable from None
            try:
                await self._store.writing.run(begin)
            except BaseException:
                await asyncio.shield(self._end(undo))
                raise
            self._came = True
        return await self._store.writing.run(work)

    async def end(self, how: Callable[[sqlite3.Connection], None]) -> None:
        """Keep what was done or undo it, and let others write."""
        if self._came:
            await self._end(how)

    async def _end(self, how: Callable[[sqlite3.Connection], None]) -> None:
        try:
            await self._store.writing.run(how)
        finally:
            self._store.turn.release()


def begin(connection: sqlite3.Connection) -> None:
    """Begin to write at once: what this transaction reads, nobody else changes until it ends."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("SAVEPOINT work")


def keep(connection: sqlite3.Connection) -> None:
    """Commit, or, where that fails, keep nothing."""
    try:
        connection.execute("COMMIT")
    except sqlite3.Error:
        undo(connection)
        raise


def undo(connection: sqlite3.Connection) -> None:
    """Undo everything but that ids were given: nobody is given them again."""
    if not connection.in_transaction:  # It never began, or a disk that failed has made SQLite undo it.
        return
    try:
        given = connection.execute("SELECT noun, last FROM ids").fetchall()
        connection.execute("ROLLBACK TO work")
        connection.executemany("INSERT OR REPLACE INTO ids VALUES (?, ?)", given)
        connection.execute("COMMIT")
    finally:
        connection.rollback()  # Does nothing where that went well.


class SqliteUsers:
    def __init__(self, line: Statements) -> None:
        self._line = line

    async def next_id(self) -> int:
        return await self._line.next_id("user")

    async def add(self, user: User) -> None:
        keys = {"id": user.id, "email_key": user.email.key, "username_key": user.username.key, "it": dumped(user)}
        try:
            await self._line.execute("INSERT INTO users VALUES (:id, :email_key, :username_key, :it)", **keys)
        except sqlite3.IntegrityError as error:
            if taken := TAKEN_BY.get(str(error)):
                raise taken from None
            raise

    async def get(self, user_id: int) -> User:
        return loaded(User, await self._line.first(USER, id=user_id), UserNotFound)

    async def named(self, username: Username) -> User:
        return loaded(User, await self._line.first(USER_NAMED, key=username.key), UserNotFound)

    # Nobody else writes before the end.
    get_for_update = named

    async def save(self, user: User) -> None:
        await self._line.execute("UPDATE users SET it = :it WHERE id = :id", id=user.id, it=dumped(user))

    async def remove(self, user_id: int, *, at: datetime) -> None:
        for row in await self._line.execute(CAME_OUT_OF, id=user_id, at=microseconds(at)):
            await take(self._line, (await settled(self._line, loaded(Article, row), at)))
        # Its articles, and what is theirs, go with it, by the foreign keys.
        if not await self._line.first("DELETE FROM users WHERE id = :id RETURNING id", id=user_id):
            raise UserNotFound


class SqliteArticles:
    def __init__(self, line: Statements) -> None:
        self._line = line

    async def next_id(self) -> int:
        return await self._line.next_id("article")

    async def reserve(self, article: Article, *, at: datetime) -> Slug:
        for slug in itertools.chain([article.slug], map(article.slug.numbered, itertools.count(2))):
            owners = await self._line.execute(OWNER, slug=slug)
            came_out = await self._line.execute(CAME_OUT, slug=slug, at=microseconds(at))
            if {row[0] for row in (*owners, *came_out)} <= {article.id}:
                await take(self._line, article.settle(slug))
                return slug
        raise AssertionError("There is always another number.")

    async def add(self, article: Article, revision: Revision) -> None:
        try:
            await self.save(article, revision)
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
                raise InvalidToken from None
            raise

    async def get(self, article_id: int, *, actor: int, at: datetime) -> Article:
        row = await self._line.first(ARTICLE, id=article_id, viewer=actor, at=microseconds(at))
        found = loaded(Article, row, ArticleNotFound)
        article = await settled(self._line, found, at)
        if article is not found:
            await take(self._line, article)
            await self._put(article)
        return article

    # Nobody else writes before the end, so that whoever gets an article holds it.
    look = get

    async def save(self, article: Article, revision: Revision) -> None:
        await self._put(article)
        key = {"id": revision.article_id, "version": revision.version}
        await self._line.execute("INSERT INTO revisions VALUES (:id, :version, :it)", it=dumped(revision), **key)

    async def _put(self, article: Article) -> None:
        moments = {name: getattr(article, name) for name in ("publish_at", "unpublish_at", "created_at")}
        await self._line.execute(
            PUT_ARTICLE,
            id=article.id,
            author_id=article.author_id,
            # Kept before its moment, and without an address of that name.
            coming=article.slug if article.came_out(LATEST) else None,
            it=dumped(article),
            **{name: at and microseconds(at) for name, at in moments.items()},
        )
        await self._line.execute(COPIED, id=article.id)

    async def remove(self, article_id: int) -> None:
        await self._line.execute("DELETE FROM articles WHERE id = :id", id=article_id)

    async def revision(self, article_id: int, version: int) -> Revision:
        statement = "SELECT it FROM revisions WHERE article_id = :id AND version = :version"
        found = await self._line.first(statement, id=article_id, version=version)
        return loaded(Revision, found, RevisionNotFound)

    async def changes(self, article_id: int, *, skip: int, limit: int) -> Sequence[Change]:
        rows = await self._line.execute(CHANGES, id=article_id, skip=skip, limit=limit)
        return [loaded(Change, row) for row in rows]


async def settled(line: Statements, article: Article, at: datetime) -> Article:
    """The article at the address where it is out, if it came out by itself since it was saved."""
    if not article.came_out(at):
        return article
    owner = await line.first(OWNER, slug=article.slug)
    first = await line.first(CAME_OUT, slug=article.slug, at=microseconds(at))
    free = (owner is None or owner[0] == article.id) and (first is None or first[0] == article.id)
    return article.settle(article.slug if free else article.slug.marked(article.id))


async def take(line: Statements, article: Article) -> None:
    """Have the article's address be its own for ever."""
    await line.execute("INSERT OR REPLACE INTO slugs VALUES (:slug, :id)", slug=article.address, id=article.id)


class SqliteWorkingCopies:
    def __init__(self, line: Statements) -> None:
        self._line = line

    async def get(self, article_id: int) -> WorkingCopy:
        found = await self._line.first("SELECT it FROM working_copies WHERE article_id = :id", id=article_id)
        return loaded(WorkingCopy, found, WorkingCopyNotFound)

    async def save(self, copy: WorkingCopy) -> None:
        put = "INSERT OR REPLACE INTO working_copies VALUES (:id, :it)"
        await self._line.execute(put, id=copy.article_id, it=dumped(copy))
        await self._line.execute(COPIED, id=copy.article_id)

    async def remove(self, article_id: int) -> None:
        removed = "DELETE FROM working_copies WHERE article_id = :id RETURNING article_id"
        if not await self._line.first(removed, id=article_id):
            raise WorkingCopyNotFound
        await self._line.execute(COPIED, id=article_id)


class SqlitePreviews:
    def __init__(self, line: Statements) -> None:
        self._line = line

    async def add(self, preview: Preview) -> None:
        values = {"article": preview.article_id, "expires_at": microseconds(preview.expires_at)}
        expired = "DELETE FROM previews WHERE article_id = :article AND expires_at <= :at"
        await self._line.execute(expired, article=preview.article_id, at=microseconds(preview.created_at))
        put = "INSERT INTO previews VALUES (:id, :article, :expires_at, :it)"
        await self._line.execute(put, id=preview.id, it=dumped(preview), **values)

    async def of(self, article_id: int, *, at: datetime) -> Sequence[Preview]:
        return [
            loaded(Preview, row) for row in await self._line.execute(PREVIEWS, id=article_id, at=microseconds(at))
        ]

    async def remove(self, article_id: int, preview_id: int) -> None:
        removed = "DELETE FROM previews WHERE article_id = :article AND id = :id RETURNING id"
        if not await self._line.first(removed, article=article_id, id=preview_id):
            raise PreviewNotFound


class SqliteReplies:
    def __init__(self, line: Statements, claims: Claims) -> None:
        self._line, self._claims = line, claims
        self._own: list[int] = []

    async def claim(self, request: RequestKey, *, since: datetime) -> Reply | None:
        self._own.append(self._claims.take(request))
        if not await self._line.first(USER, id=request.caller):
            raise InvalidToken
        row = await self._line.first(REPLY, since=microseconds(since), **asdict(request))
        if row is None:
            return None
        if row["fingerprint"] != request.fingerprint:
            raise KeyReused
        return Reply(status=row["status"], headers=json.loads(row["headers"]), body=row["body"])

    async def keep(self, request: RequestKey, reply: Reply, *, at: datetime) -> None:
        given = {"status": reply.status, "headers": json.dumps(dict(reply.headers)), "body": reply.body}
        try:
            await self._line.execute(PUT_REPLY, at=microseconds(at), **given, **asdict(request))
        except sqlite3.IntegrityError:  # There is nothing else that could be wrong with it.
            raise InvalidToken from None
        await self._line.execute("DELETE FROM replies WHERE at < :before", before=microseconds(at - KEPT))

    def end(self) -> None:
        """Let go of what was claimed."""
        for claim in self._own:
            self._claims.give_back(claim)


class SqliteArticleQueries:
    def __init__(self, store: SqliteStore, now: Clock) -> None:
        self._line, self._now = store.reading, now

    async def get(self, which: int | Slug, *, viewer: int | None, include: Collection[Include] = ()) -> ArticleView:
        at = self._now()
        numbers = await self._find(which, viewer, at) if isinstance(which, Slug) else {which: True}
        found = []
        for number, owned in numbers.items():
            if row := await self._line.first(ARTICLE, id=number, viewer=viewer, at=microseconds(at)):
                article = await settled(self._line, loaded(Article, row), at)
                found.append((owned, article.status(at) is Status.PUBLISHED, article.id, article, row))
        # What everybody finds there comes first, and then what is one's own.
        for owned, published, _, article, row in sorted(found, key=lambda each: each[:3], reverse=True):
            if isinstance(which, Slug) and article.slug != which:
                if not owned:
                    continue
                if published:
                    raise ArticleMoved(article.slug)
            author = loaded(User, row, column="author")
            return view_of(article, {author.id: author}, viewer, at, include)
        raise ArticleNotFound

    async def _find(self, slug: Slug, viewer: int | None, at: datetime) -> dict[int, bool]:
        """The articles that may be there, and whether the slug is or was each one's own."""
        found = {}
        if own := await self._line.first(OWN, slug=slug, viewer=viewer):
            found[own[0]] = False
        owner = await self._line.first(OWNER, slug=slug)
        if owner and owner[0]:
            return found | {owner[0]: True}
        came_out = await self._line.first(CAME_OUT, slug=slug, at=microseconds(at))
        return found | {came_out[0] if came_out else slug.mark or 0: False}

    async def page(
        self,
        *,
        viewer: int | None,
        limit: int,
        skip: int = 0,
        after: Place | None = None,
        before: Place | None = None,
        filter: ArticleFilter = ANY,  # noqa: A002
        order: Order = NEWEST_FIRST,
        include: Collection[Include] = (),
        count: bool = False,
        highlights: bool = True,
    ) -> ArticlePage:
        """Fit for the few articles of one author: all are read, and the rest is done in memory."""
        at = self._now()
        return page_of(
            *await self._visible(viewer, at),
            viewer=viewer,
            at=at,
            limit=limit,
            skip=skip,
            after=after,
            before=before,
            filter=filter,
            order=order,
            include=include,
            count=count,
            highlights=highlights,
        )

    async def tags(self, *, viewer: int | None, skip: int, limit: int) -> Sequence[TagView]:
        spelled: dict[str, Tag] = {}
        counts: Counter[str] = Counter()
        visible, _ = await self._visible(viewer, self._now())
        for article in visible:
            for tag in article.manuscript.tags:
                spelled.setdefault(tag.key, tag)
                counts[tag.key] += 1
        by_frequency = sorted(counts, key=lambda key: (-counts[key], key))
        return [TagView(tag=str(spelled[key]), count=counts[key]) for key in by_frequency[skip : skip + limit]]

    async def parts(self, *, size: int) -> Sequence[int]:
        visible, _ = await self._visible(None, self._now())
        return sorted({article.id // size for article in visible})

    async def addresses(self, *, part: int, size: int) -> Sequence[AddressView]:
        visible, _ = await self._visible(None, self._now())
        return addresses_of(article for article in visible if article.id // size == part)

    async def _visible(self, viewer: int | None, at: datetime) -> tuple[list[Article], dict[int, User]]:
        """What the viewer may read at that moment, the newest first, and who wrote it."""
        rows = await self._line.execute(ARTICLES, viewer=viewer, at=microseconds(at))
        return [await settled(self._line, loaded(Article, row), at) for row in rows], authors(rows)

    async def previewed(self, preview_id: int) -> ArticleView:
        at = self._now()
        row = await self._line.first(PREVIEWED, id=preview_id, at=microseconds(at))
        if row is None:
            raise PreviewNotFound
        article = loaded(Article, row, column="article")
        if loaded(Preview, row, column="preview").of is Previewed.WORKING_COPY:
            if not row["copy"]:
                raise PreviewNotFound
            copy = loaded(WorkingCopy, row, column="copy")
            article = replace(article, manuscript=copy.manuscript, rendition=copy.rendition)
        return view_of(article, {}, None, at, [Include.CONTENT_HTML])


def authors(rows: Iterable[sqlite3.Row]) -> dict[int, User]:
    """The authors that come with articles."""
    users = [loaded(User, row, column="author") for row in rows]
    return {user.id: user for user in users}


class SqliteUserQueries:
    def __init__(self, store: SqliteStore) -> None:
        self._line = store.reading

    async def account(self, user_id: int) -> AccountView:
        user = loaded(User, await self._line.first(USER, id=user_id), UserNotFound)
        if user.disabled_at:
            raise UserNotFound
        return AccountView.of(user)

    async def profile(self, username: Username) -> ProfileView:
        user = loaded(User, await self._line.first(USER_NAMED, key=username.key), UserNotFound)
        return ProfileView(**{field.name: getattr(user, field.name) for field in fields(ProfileView)})

    async def user(self, username: Username) -> UserView:
        for row in await self._line.execute(f"{USERS} WHERE username_key = :key", key=username.key):
            return UserView.of(loaded(User, row), articles=row["articles"])
        raise UserNotFound

    async def page(self, *, skip: int, limit: int) -> Sequence[UserView]:
        rows = await self._line.execute(f"{USERS} ORDER BY id LIMIT :limit OFFSET :skip", limit=limit, skip=skip)
        return [UserView.of(loaded(User, row), articles=row["articles"]) for row in rows]


def dumped(it: Any) -> str:  # noqa: ANN401 -- any dataclass
    """An entity as JSON."""

    def plain(part: Any) -> Any:  # noqa: ANN401 -- what JSON has no word for: an entity, or a moment
        if is_dataclass(part):
            return {field.name: getattr(part, field.name) for field in fields(part)}
        return part.isoformat()

    return json.dumps(it, default=plain)


def loaded(
    kind: type[T], row: sqlite3.Row | None, missing: type[Exception] = LookupError, *, column: str = "it"
) -> T:
    """What `dumped` made JSON of, from a column. Raises `missing` where there is no row."""
    if row is None:
        raise missing
    return cast("T", made(kind, json.loads(row[column])))


def made(kind: Any, value: Any) -> Any:  # noqa: ANN401 -- whatever a field may hold
    """A value of this type, from what JSON has in its place."""
    if value is None:
        return None
    if get_origin(kind) is tuple:
        return tuple(value)
    # An optional value that is there.
    (kind,) = [one for one in get_args(kind) or [kind] if one is not NoneType]
    # What was stored is not checked again: a rule that has become stricter since holds for new values.
    if kind is Tags:
        return tuple.__new__(Tags, (str.__new__(Tag, word) for word in value))
    if issubclass(kind, str) and not issubclass(kind, Enum):
        return str.__new__(kind, value)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{field.name: made(hints[field.name], value[field.name]) for field in fields(kind)})
    return datetime.fromisoformat(value) if kind is datetime else kind(value)


def microseconds(moment: datetime) -> int:
    """A moment as a column keeps it: exact, and in the order of time."""
    return (moment - EPOCH) // MICROSECOND


def moment(microseconds: int) -> datetime:
    return EPOCH + microseconds * MICROSECOND
