"""Articles as rows."""

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import CursorResult, Row, Sequence, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from blog.adapters.database.engine import violated_constraint
from blog.adapters.database.tables import VISIBLE, articles
from blog.domain.articles import Article, ArticleNotFound, Content, Title
from blog.domain.users import InvalidToken

NEXT_ID = select(Sequence("articles_id_seq").next_value())
BY_ID_LOCKED = select(articles).where(articles.c.id == bindparam("id"), VISIBLE).with_for_update()
ADD = insert(articles)
SAVE = (
    update(articles)
    .where(articles.c.id == bindparam("article_id"))
    .values({column: bindparam(column.name) for column in articles.c if column is not articles.c.id})
)
REMOVE = delete(articles).where(articles.c.id == bindparam("id"))


class DatabaseArticles:
    def __init__(self, execute: Callable[..., Awaitable[CursorResult[Any]]]) -> None:
        self._execute = execute

    async def next_id(self) -> int:
        return int((await self._execute(NEXT_ID)).scalar_one())

    async def add(self, article: Article) -> None:
        try:
            await self._execute(ADD, row_of(article))
        except IntegrityError as error:
            if violated_constraint(error) == "fk_articles_author_id":
                raise InvalidToken from None
            raise

    async def get(self, article_id: int, *, actor: int) -> Article:
        return article_of((await self._execute(BY_ID_LOCKED, {"id": article_id, "viewer": actor})).one_or_none())

    async def save(self, article: Article) -> None:
        row = row_of(article)
        await self._execute(SAVE, {"article_id": row.pop("id"), **row})

    async def remove(self, article_id: int) -> None:
        await self._execute(REMOVE, {"id": article_id})


def row_of(article: Article) -> dict[str, Any]:
    return {
        "id": article.id,
        "title": article.title,
        "content": article.content,
        "published": article.published,
        "author_id": article.author_id,
        "created_at": article.created_at,
        "updated_at": article.updated_at,
    }


def article_of(row: Row[Any] | None) -> Article:
    if row is None:
        raise ArticleNotFound
    return Article(
        id=row.id,
        title=Title(row.title),
        content=Content(row.content),
        published=row.published,
        author_id=row.author_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
