"""Working copies as rows."""

from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert as insert_or

from blog.adapters.database.articles import manuscript_of, manuscript_row, rendition_of, rendition_row
from blog.adapters.database.engine import Row, first
from blog.adapters.database.tables import working_copies
from blog.domain.working_copies import WorkingCopy, WorkingCopyNotFound

BY_ARTICLE = select(working_copies).where(working_copies.c.article_id == bindparam("id"))
_NEW = insert_or(working_copies)
SAVE = _NEW.on_conflict_do_update(
    index_elements=[working_copies.c.article_id],
    set_={column.name: _NEW.excluded[column.name] for column in working_copies.c},
)
REMOVE = (
    delete(working_copies)
    .where(working_copies.c.article_id == bindparam("id"))
    .returning(working_copies.c.article_id)
)


class DatabaseWorkingCopies:
    def __init__(self, execute: Callable[..., Awaitable[Sequence[Row]]]) -> None:
        self._execute = execute

    async def get(self, article_id: int) -> WorkingCopy:
        row = first(await self._execute(BY_ARTICLE, {"id": article_id}))
        if row is None:
            raise WorkingCopyNotFound
        return WorkingCopy(
            article_id=row.article_id,
            based_on=row.based_on,
            manuscript=manuscript_of(row),
            rendition=rendition_of(row),
            version=row.version,
            edition=row.edition,
            updated_at=row.updated_at,
        )

    async def save(self, copy: WorkingCopy) -> None:
        row = {
            "article_id": copy.article_id,
            "based_on": copy.based_on,
            "version": copy.version,
            "edition": copy.edition,
            "updated_at": copy.updated_at,
        }
        await self._execute(SAVE, row | manuscript_row(copy.manuscript) | rendition_row(copy.rendition))

    async def remove(self, article_id: int) -> None:
        if not await self._execute(REMOVE, {"id": article_id}):
            raise WorkingCopyNotFound
