"""Previews as rows."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields
from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select

from blog.adapters.database.engine import Row
from blog.adapters.database.tables import previews
from blog.domain.previews import Preview, Previewed, PreviewNotFound

ADD = insert(previews)
FORGET = delete(previews).where(
    previews.c.article_id == bindparam("article_id"), previews.c.expires_at <= bindparam("at")
)
OF_ARTICLE = (
    select(previews)
    .where(previews.c.article_id == bindparam("id"), previews.c.expires_at > bindparam("at"))
    .order_by(previews.c.created_at.desc(), previews.c.id.desc())
)
REMOVE = (
    delete(previews)
    .where(previews.c.article_id == bindparam("article_id"), previews.c.id == bindparam("id"))
    .returning(previews.c.id)
)


class DatabasePreviews:
    def __init__(self, execute: Callable[..., Awaitable[Sequence[Row]]]) -> None:
        self._execute = execute

    async def add(self, preview: Preview) -> None:
        await self._execute(FORGET, {"article_id": preview.article_id, "at": preview.created_at})
        await self._execute(ADD, {this.name: getattr(preview, this.name) for this in fields(preview)})

    async def of(self, article_id: int, *, at: datetime) -> Sequence[Preview]:
        rows = await self._execute(OF_ARTICLE, {"id": article_id, "at": at})
        return [Preview(**{**row, "of": Previewed(row.of)}) for row in rows]

    async def remove(self, article_id: int, preview_id: int) -> None:
        if not await self._execute(REMOVE, {"article_id": article_id, "id": preview_id}):
            raise PreviewNotFound
