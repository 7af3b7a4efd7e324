"""Replies that are remembered, as rows."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import and_, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert as insert_or

from blog.adapters.database.engine import Row, first
from blog.adapters.database.tables import replies, users
from blog.application.ports import Reply, RequestKey
from blog.application.remembering import KEPT, KeyReused, StillRunning
from blog.domain.users import InvalidToken

_ITS = (
    replies.c.caller == bindparam("caller"),
    replies.c.route == bindparam("route"),
    replies.c.key == bindparam("key"),
)
# Held until the transaction ends, and asked for without waiting.
CLAIM = select(func.pg_try_advisory_xact_lock(bindparam("lock")))
GIVEN = (
    select(replies)
    .select_from(users.outerjoin(replies, and_(*_ITS, replies.c.at >= bindparam("since"))))
    .where(users.c.id == bindparam("caller"))
)
# Of a caller who stays until the transaction ends: somebody who leaves takes the account first and then its articles,
# and so does this one.
GIVEN_AND_STAYING = GIVEN.with_for_update(read=True, key_share=True, of=users)
_NEW = insert_or(replies)
KEEP = _NEW.on_conflict_do_update(
    index_elements=[replies.c.caller, replies.c.route, replies.c.key],
    set_={column.name: _NEW.excluded[column.name] for column in replies.c},
)
# A few at a time, and none that somebody else is forgetting.
_OLD = (
    select(replies.c.caller, replies.c.route, replies.c.key)
    .where(replies.c.at < bindparam("before"))
    .limit(20)
    .with_for_update(skip_locked=True)
    .cte()
)
FORGET = delete(replies).where(
    replies.c.caller == _OLD.c.caller, replies.c.route == _OLD.c.route, replies.c.key == _OLD.c.key
)


class DatabaseReplies:
    def __init__(self, execute: Callable[..., Awaitable[Sequence[Row]]]) -> None:
        self._execute = execute

    async def claim(self, request: RequestKey, *, since: datetime) -> Reply | None:
        claimed = (await self._execute(CLAIM, {"lock": lock_of(request)}))[0][0]
        # By itself, so that it sees what was committed before the claim was had.
        statement = GIVEN_AND_STAYING if claimed else GIVEN
        row = first(await self._execute(statement, {**key_of(request), "since": since}))
        if row is None:
            raise InvalidToken
        if row.key is None:
            if not claimed:
                raise StillRunning
            return None
        if row.fingerprint != request.fingerprint:
            raise KeyReused
        return Reply(status=row.status, headers=json.loads(row.headers), body=row.body)

    async def keep(self, request: RequestKey, reply: Reply, *, at: datetime) -> None:
        given = {"status": reply.status, "headers": json.dumps(dict(reply.headers)), "body": reply.body, "at": at}
        try:
            await self._execute(KEEP, {**key_of(request), "fingerprint": request.fingerprint, **given})
        except asyncpg.ForeignKeyViolationError:
            raise InvalidToken from None
        await self._execute(FORGET, {"before": at - KEPT})


def key_of(request: RequestKey) -> dict[str, Any]:
    return {"caller": request.caller, "route": request.route, "key": request.key}


def lock_of(request: RequestKey) -> int:
    """A number for PostgreSQL's advisory locks: 64 bits, with a sign."""
    name = "\n".join(map(str, key_of(request).values())).encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), signed=True)
