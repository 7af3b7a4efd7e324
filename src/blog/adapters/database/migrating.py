"""What migrations are made of beside Alembic's own operations."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from alembic import op
from sqlalchemy import TextClause

BUILD_TIMEOUT = "10min"
"""How long a build waits for transactions that are older than the index. It keeps nobody else waiting."""


@contextmanager
def without_stopping_anyone() -> Iterator[None]:
    """Leave the migration's transaction, for statements with CONCURRENTLY. What came before is committed."""
    config = op.get_context().config
    prepared = config is None or config.attributes.get("prepared", True)
    with op.get_context().autocommit_block():
        if not prepared:
            # Behind a pooler each statement may have another session: none of them may be told anything.
            yield
            return
        op.execute(f"SET lock_timeout = '{BUILD_TIMEOUT}'")
        try:
            yield
        finally:
            op.execute("RESET lock_timeout")


def build_index(name: str, table: str, columns: Sequence[str | TextClause], **options: Any) -> None:  # noqa: ANN401
    """Build an index while its table is read and written; `options` are those of `op.create_index`.

    A migration that stops in between can be run again: what an interrupted build leaves behind, an index that is not
    valid, is dropped first.
    """
    drop_index(name, table)
    with without_stopping_anyone():
        op.create_index(name, table, columns, postgresql_concurrently=True, **options)


def drop_index(name: str, table: str) -> None:
    """Drop an index while its table is read and written; nothing where it is gone already."""
    with without_stopping_anyone():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)


def replace_index(name: str, table: str, columns: Sequence[str | TextClause], **options: Any) -> None:  # noqa: ANN401
    """Build another index under the name of one that is there, which serves until the new one is built."""
    build_index(f"{name}_new", table, columns, **options)
    drop_index(name, table)
    op.execute(f"ALTER INDEX {name}_new RENAME TO {name}")
