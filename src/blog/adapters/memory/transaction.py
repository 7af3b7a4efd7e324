"""Changing what is kept, one transaction at a time."""

from types import TracebackType
from typing import Self

from blog.adapters.memory.store import MemoryStore
from blog.domain.articles import Article, ArticleNotFound
from blog.domain.users import EmailTaken, InvalidToken, User, Username, UsernameTaken, UserNotFound


class MemoryTransaction:
    """Works on copies, which leaving the block puts in the place of what was kept."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def __aenter__(self) -> Self:
        await self._store.writing.acquire()
        users, articles = dict(self._store.users), dict(self._store.articles)
        self.users = MemoryUsers(self._store, users, articles)
        self.articles = MemoryArticles(self._store, users, articles)
        self._changed = users, articles
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._store.users, self._store.articles = self._changed
        self._store.writing.release()


class MemoryUsers:
    def __init__(self, store: MemoryStore, users: dict[int, User], articles: dict[int, Article]) -> None:
        self._store, self._users, self._articles = store, users, articles

    async def next_id(self) -> int:
        return next(self._store.user_ids)

    async def add(self, user: User) -> None:
        if any(other.email.key == user.email.key for other in self._users.values()):
            raise EmailTaken
        if any(other.username.key == user.username.key for other in self._users.values()):
            raise UsernameTaken
        self._users[user.id] = user

    async def get(self, user_id: int) -> User:
        try:
            return self._users[user_id]
        except KeyError:
            raise UserNotFound from None

    async def named(self, username: Username) -> User:
        for user in self._users.values():
            if user.username.key == username.key:
                return user
        raise UserNotFound

    async def remove(self, user_id: int) -> None:
        if self._users.pop(user_id, None) is None:
            raise UserNotFound
        for article in [article for article in self._articles.values() if article.author_id == user_id]:
            del self._articles[article.id]


class MemoryArticles:
    def __init__(self, store: MemoryStore, users: dict[int, User], articles: dict[int, Article]) -> None:
        self._store, self._users, self._articles = store, users, articles

    async def next_id(self) -> int:
        return next(self._store.article_ids)

    async def add(self, article: Article) -> None:
        if article.author_id not in self._users:
            raise InvalidToken
        self._articles[article.id] = article

    async def get(self, article_id: int, *, actor: int) -> Article:
        article = self._articles.get(article_id)
        if article is None or not article.visible_to(actor):
            raise ArticleNotFound
        return article

    async def save(self, article: Article) -> None:
        self._articles[article.id] = article

    async def remove(self, article_id: int) -> None:
        del self._articles[article_id]
