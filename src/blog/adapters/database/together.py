"""Reads that are asked for at once, made one statement."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeGuard

from sqlalchemy import ColumnElement, Executable, Select, bindparam, func, literal_column, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.visitors import ExternallyTraversible

from blog.adapters.database.engine import Row

MOST = 32
"""How many go into one statement. Larger ones save little more, and keep who asked first waiting."""

Read = Callable[[Executable, Mapping[str, Any]], Awaitable[Sequence[Row]]]
Parameters = Mapping[str, Any]
Answers = Sequence[Sequence[Row]]


class Together:
    """Runs a statement once for all who ask for it in one turn of the event loop, each with parameters of its own.

    Nothing is kept: what anybody is given was read after they had asked. It is for rows that are found by a key, of
    which the way to PostgreSQL and back takes more than the finding.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self._open: dict[Select[Any], tuple[list[Parameters], asyncio.Task[Answers]]] = {}

    async def __call__(self, statement: Select[Any], parameters: Parameters) -> Sequence[Row]:
        """The rows of the statement, as `Database.read` finds them. Raises `Unavailable`."""
        asked, answers = self._open.get(statement) or self._begin(statement)
        if answers.done():  # It was cancelled before it began, with all else that ran then.
            asked, answers = self._begin(statement)
        place = len(asked)
        asked.append(parameters)
        if place + 1 == MOST:
            del self._open[statement]
        # Who stops waiting leaves the others theirs.
        return (await asyncio.shield(answers))[place]

    def _begin(self, statement: Select[Any]) -> tuple[list[Parameters], asyncio.Task[Answers]]:
        asked: list[Parameters] = []
        # A task begins once everything has run that is ready to by now.
        answers = asyncio.create_task(self._answer(statement, asked))
        # What goes wrong when nobody waits any more is no news.
        answers.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._open[statement] = asked, answers
        return asked, answers

    async def _answer(self, statement: Select[Any], asked: list[Parameters]) -> Answers:
        if len(asked) < MOST:
            del self._open[statement]
        if len(asked) == 1:
            return [await self._read(statement, asked[0])]
        found: list[list[Row]] = [[] for _ in asked]
        given = {name: [parameters[name] for parameters in asked] for name in asked[0]}
        for row in await self._read(for_each(statement), given):
            found[row["place"] - 1].append(row)
        return found


@lru_cache(512)
def for_each(statement: Select[Any]) -> Select[Any]:
    """The statement for several at once.

    Of each parameter it is given a list. Its rows have one more column, the last: `place` says for whose parameters
    they were found, counted from 1.
    """
    types = {bind.key: bind.type for bind in visitors.iterate(statement) if _is_parameter(bind)}
    several = [bindparam(name, type_=ARRAY(type_)) for name, type_ in types.items()]
    asked = func.unnest(*several).table_valued(*types, with_ordinality="place").render_derived(name="asked")

    def given(element: ExternallyTraversible, **_: object) -> ColumnElement[Any] | None:
        # By name alone, or a part of the statement that has rows of its own would read the lists anew.
        return literal_column(f"asked.{element.key}", element.type) if _is_parameter(element) else None

    for_one: Any = visitors.replacement_traverse(statement, {}, given)
    found = for_one.lateral("found")
    return select(found, asked.c.place).select_from(asked.join(found, true()))


def _is_parameter(element: ExternallyTraversible) -> TypeGuard[BindParameter[Any]]:
    return isinstance(element, BindParameter) and element.required
