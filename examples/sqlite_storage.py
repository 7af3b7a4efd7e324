"""An adapter of your own, by example: a blog that is kept in one file, with the sqlite3 of the standard library.

It keeps what the ports `Transaction`, `ArticleQueries` and `UserQueries` promise; `blog.testing.StorageContract`,
bound in tests/integration/test_examples.py, proves it. So every use case runs on it:

    store = SqliteStore(Path("blog.sqlite"))
    publishing = Publishing(transaction=lambda: SqliteTransaction(store), now=lambda: datetime.now(UTC))
    page = await SqliteArticleQueries(store).page(viewer=None, skip=0, limit=10)
    store.close()

The file may be opened by several processes of one machine, and needs SQLite 3.37 or newer.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from blog import AccountView, ArticlePage, ArticleView, Content, Email, ProfileView, Title, Unavailable, Username
from blog.domain.articles import Article, ArticleNotFound
from blog.domain.users import EmailTaken, InvalidToken, User, UsernameTaken, UserNotFound

SCHEMA = """
    PRAGMA journal_mode = WAL;  -- Readers see the last commit while somebody writes.
    PRAGMA foreign_keys = ON;
    CREATE TABLE IF NOT EXISTS users (
        id INTEGER PRIMARY KEY,
        email TEXT NOT NULL,
        email_key TEXT NOT NULL UNIQUE,
        username TEXT NOT NULL,
        username_key TEXT NOT NULL UNIQUE,
        password_hash TEXT NOT NULL,
        created_at INTEGER NOT NULL,  -- in microseconds since 1970, in UTC
        updated_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS articles (
        id INTEGER PRIMARY KEY,
        title TEXT NOT NULL,
        content TEXT NOT NULL,
        published INTEGER NOT NULL,
        author_id INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS articles_by_age ON articles (created_at, id);
    CREATE INDEX IF NOT EXISTS articles_by_author ON articles (author_id);
    -- The id that each noun was given last: AUTOINCREMENT would give one again after a rollback.
    CREATE TABLE IF NOT EXISTS ids (noun TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT;
"""
NEXT_ID = "INSERT INTO ids VALUES (:noun, 1) ON CONFLICT DO UPDATE SET last = last + 1 RETURNING last"
ADD_USER = """
    INSERT INTO users
    VALUES (:id, :email, :email_key, :username, :username_key, :password_hash, :created_at, :updated_at)
"""
USER = "SELECT * FROM users WHERE id = :id"
USER_NAMED = "SELECT * FROM users WHERE username_key = :key"
REMOVE_USER = "DELETE FROM users WHERE id = :id RETURNING id"
ADD_ARTICLE = "INSERT INTO articles VALUES (:id, :title, :content, :published, :author_id, :created_at, :updated_at)"
SAVE_ARTICLE = """
    UPDATE articles SET (title, content, published, author_id, created_at, updated_at)
    = (:title, :content, :published, :author_id, :created_at, :updated_at) WHERE id = :id
"""
REMOVE_ARTICLE = "DELETE FROM articles WHERE id = :id"
VISIBLE_ARTICLE = "SELECT * FROM articles WHERE id = :id AND (published OR author_id IS :viewer)"
VISIBLE_PAGE = """
    SELECT * FROM articles WHERE published OR author_id IS :viewer
    ORDER BY created_at DESC, id DESC LIMIT :limit OFFSET :skip
"""

# What SQLite's result codes (sqlite.org/rescode.html) say by "not now": the file is locked, full, failing or away.
NOT_NOW = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
}
TAKEN = {
    "UNIQUE constraint failed: users.email_key": EmailTaken,
    "UNIQUE constraint failed: users.username_key": UsernameTaken,
}
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
        with naming_errors():
            self.writing, self.reading = Line(file, timeout), Line(file, timeout)

    def close(self) -> None:
        """Let what runs finish, and close the file."""
        self.writing.close()
        self.reading.close()


class Line:
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
        """What this work answers, off the event loop. Raises `Unavailable`."""
        with naming_errors():
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._connection)

    async def execute(self, statement: str, **parameters: object) -> list[sqlite3.Row]:
        """The rows of one statement. Raises `Unavailable`."""
        return await self.run(lambda connection: connection.execute(statement, parameters).fetchall())

    async def first(self, statement: str, **parameters: object) -> sqlite3.Row | None:
        """The first row of them, if there is one. Raises `Unavailable`."""
        return next(iter(await self.execute(statement, **parameters)), None)

    def close(self) -> None:
        self._thread.shutdown()
        self._connection.close()


@contextmanager
def naming_errors() -> Iterator[None]:
    """Turn what may pass by itself into `Unavailable`, and leave any other fault alone."""
    try:
        yield
    except sqlite3.OperationalError as error:
        # The low byte is the kind of error; the others say more about it.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in NOT_NOW:
            raise Unavailable from error
        raise


class SqliteTransaction:
    """One transaction, and for its time the only one that writes."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.users, self.articles = SqliteUsers(store.writing), SqliteArticles(store.writing)

    async def __aenter__(self) -> Self:
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
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Shielded, so that a task that is cancelled at this moment leaves neither half a commit nor a lock behind.
        await asyncio.shield(self._end(keep if kind is None else undo))

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
    def __init__(self, line: Line) -> None:
        self._line = line

    async def next_id(self) -> int:
        ((given,),) = await self._line.execute(NEXT_ID, noun="user")
        return int(given)

    async def add(self, user: User) -> None:
        keys = {"email_key": user.email.key, "username_key": user.username.key}
        try:
            await self._line.execute(ADD_USER, **row_of(user), **keys)
        except sqlite3.IntegrityError as error:
            if taken := TAKEN.get(str(error)):
                raise taken from None
            raise

    async def get(self, user_id: int) -> User:
        return user_of(await self._line.first(USER, id=user_id))

    async def named(self, username: Username) -> User:
        return user_of(await self._line.first(USER_NAMED, key=username.key))

    async def remove(self, user_id: int) -> None:
        # Its articles go with it, by the foreign key.
        if not await self._line.first(REMOVE_USER, id=user_id):
            raise UserNotFound


class SqliteArticles:
    def __init__(self, line: Line) -> None:
        self._line = line

    async def next_id(self) -> int:
        ((given,),) = await self._line.execute(NEXT_ID, noun="article")
        return int(given)

    async def add(self, article: Article) -> None:
        try:
            await self._line.execute(ADD_ARTICLE, **row_of(article))
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
                raise InvalidToken from None
            raise

    async def get(self, article_id: int, *, actor: int) -> Article:
        return article_of(await self._line.first(VISIBLE_ARTICLE, id=article_id, viewer=actor))

    async def save(self, article: Article) -> None:
        await self._line.execute(SAVE_ARTICLE, **row_of(article))

    async def remove(self, article_id: int) -> None:
        await self._line.execute(REMOVE_ARTICLE, id=article_id)


class SqliteArticleQueries:
    def __init__(self, store: SqliteStore) -> None:
        self._line = store.reading

    async def get(self, article_id: int, *, viewer: int | None) -> ArticleView:
        return ArticleView.of(article_of(await self._line.first(VISIBLE_ARTICLE, id=article_id, viewer=viewer)))

    async def page(self, *, viewer: int | None, skip: int, limit: int) -> ArticlePage:
        # One row past the page tells whether there is another.
        rows = await self._line.execute(VISIBLE_PAGE, viewer=viewer, skip=skip, limit=limit + 1)
        views = tuple(ArticleView.of(article_of(row)) for row in rows[:limit])
        return ArticlePage(articles=views, more=len(rows) > limit)


class SqliteUserQueries:
    def __init__(self, store: SqliteStore) -> None:
        self._line = store.reading

    async def account(self, user_id: int) -> AccountView:
        return AccountView.of(user_of(await self._line.first(USER, id=user_id)))

    async def profile(self, username: Username) -> ProfileView:
        user = user_of(await self._line.first(USER_NAMED, key=username.key))
        return ProfileView(**{field.name: getattr(user, field.name) for field in fields(ProfileView)})


def row_of(entity: User | Article) -> dict[str, Any]:
    """The fields by name, as the file keeps them."""
    values = {field.name: getattr(entity, field.name) for field in fields(entity)}
    return {name: microseconds(value) if isinstance(value, datetime) else value for name, value in values.items()}


def user_of(row: sqlite3.Row | None) -> User:
    if row is None:
        raise UserNotFound
    return User(
        id=row["id"],
        email=Email(row["email"]),
        username=Username(row["username"]),
        password_hash=row["password_hash"],
        created_at=moment(row["created_at"]),
        updated_at=moment(row["updated_at"]),
    )


def article_of(row: sqlite3.Row | None) -> Article:
    if row is None:
        raise ArticleNotFound
    return Article(
        id=row["id"],
        title=Title(row["title"]),
        content=Content(row["content"]),
        published=bool(row["published"]),
        author_id=row["author_id"],
        created_at=moment(row["created_at"]),
        updated_at=moment(row["updated_at"]),
    )


def microseconds(moment: datetime) -> int:
    """A moment as the file keeps it: exact, and in the order of time."""
    return (moment - EPOCH) // MICROSECOND


def moment(microseconds: int) -> datetime:
    return EPOCH + microseconds * MICROSECOND
