"""Reads that are asked for at once, made one statement."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, TypeGuard

from sqlalchemy import ColumnElement, Executable, Select, bindparam, func, literal_column, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.visitors import ExternallyTraversible

from blog.adapters.database.engine import Row
from blog.domain.errors import Unavailable

MOST = 32
"""How many go into one statement. Larger ones save little more, and keep who asked first waiting."""

Read = Callable[[Executable, Mapping[str, Any]], Awaitable[Sequence[Row]]]
Parameters = Mapping[str, Any]
Asked = list[tuple[Parameters, asyncio.Future[Sequence[Row]]]]
Answers = Sequence[Sequence[Row] | Exception]


class Together:
    """Runs a statement once for all who ask for it in one turn of the event loop, each with parameters of its own.

    Nothing is kept: what anybody is given was read after they had asked. It is for rows that are found by a key, of
    which the way to PostgreSQL and back takes more than the finding.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self._open: dict[Select[Any], tuple[Asked, asyncio.Task[Answers]]] = {}

    async def __call__(self, statement: Select[Any], parameters: Parameters) -> Sequence[Row]:
        """The rows of the statement, as `Database.read` finds them. Raises `Unavailable`."""
        asked, answering = self._open.get(statement) or self._begin(statement)
        if answering.cancelling():  # With all else that ran then, before it began.
            asked, answering = self._begin(statement)
        # One for each, so that who stops waiting leaves the others theirs.
        answer: asyncio.Future[Sequence[Row]] = asyncio.get_running_loop().create_future()
        asked.append((parameters, answer))
        if len(asked) == MOST:
            del self._open[statement]
        return await answer

    def _begin(self, statement: Select[Any]) -> tuple[Asked, asyncio.Task[Answers]]:
        asked: Asked = []
        # A task begins once everything has run that is ready to by now.
        answering = asyncio.create_task(self._answer(statement, asked))
        answering.add_done_callback(partial(tell, asked))
        self._open[statement] = asked, answering
        return asked, answering

    async def _answer(self, statement: Select[Any], asked: Asked) -> Answers:
        if len(asked) < MOST:
            del self._open[statement]
        each = [parameters for parameters, _ in asked]
        if len(each) > 1:
            try:
                return await self._at_once(statement, each)
            except Unavailable as error:
                return [error] * len(each)
            except Exception:  # noqa: S110
                pass  # What is wrong with the parameters of one is nothing to the others.
        return [await self._alone(statement, parameters) for parameters in each]

    async def _at_once(self, statement: Select[Any], each: Sequence[Parameters]) -> Answers:
        found: list[list[Row]] = [[] for _ in each]
        given = {name: [parameters[name] for parameters in each] for name in each[0]}
        for row in await self._read(for_each(statement), given):
            found[row["place"] - 1].append(row)
        return found

    async def _alone(self, statement: Select[Any], parameters: Parameters) -> Sequence[Row] | Exception:
        try:
            return await self._read(statement, parameters)
        except Exception as error:
            return error


def tell(asked: Asked, answering: asyncio.Task[Answers]) -> None:
    """Give those who still wait what was found for each, or what went wrong."""
    for place, (_, answer) in enumerate(asked):
        if answer.done():
            continue
        if answering.cancelled():
            stopped = Unavailable()
            stopped.__cause__ = asyncio.CancelledError("the statement that answers several was stopped")
            answer.set_exception(stopped)
        elif isinstance(outcome := answering.result()[place], Exception):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)


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
