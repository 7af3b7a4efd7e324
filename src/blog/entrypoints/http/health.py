"""Whether the service lives, and whether it can do its work."""

from mmap import mmap
from typing import Literal

import msgspec
from litestar import get

from blog.domain.errors import Unavailable
from blog.entrypoints.http.contract import OPEN
from blog.entrypoints.http.requests import ApiRequest


class Health(msgspec.Struct):
    """All is well; otherwise the reply is a problem."""

    status: Literal["ok"] = "ok"


class Drain:
    """How far a service has come in stopping: a byte that the main process shares with its forks."""

    def __init__(self) -> None:
        self._memory = mmap(-1, 1)

    @property
    def begun(self) -> bool:
        """Whether nobody should send anything new: the service is going to stop, and still answers."""
        return self._memory[0] > 0

    @property
    def over(self) -> bool:
        """Whether workers that are told to stop should do so."""
        return self._memory[0] > 1

    def begin(self) -> None:
        self._memory[0] = max(self._memory[0], 1)

    def end(self) -> None:
        self._memory[0] = 2


class AboutToStop(Unavailable):
    sentence = "The service is about to stop. It still answers what it is asked; ask another instance from now on."


@get("/health/live", tags=["health"], exclude_from_auth=True, contract=OPEN)
async def show_live() -> Health:
    """Answers as long as the process does."""
    return Health()


@get("/health/ready", tags=["health"], exclude_from_auth=True, contract=OPEN)
async def show_ready(request: ApiRequest[None, None]) -> Health:
    """Answers once the database does and has every migration, until the service is about to stop."""
    if request.app.state["drain"].begun:
        raise AboutToStop
    await request.blog.readiness.check()
    return Health()
