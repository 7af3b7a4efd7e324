"""Whether the service lives, and whether it can do its work."""

from typing import Literal

import msgspec
from litestar import get

from blog.application.ports import Readiness


class Health(msgspec.Struct):
    """All is well; otherwise the reply is a problem."""

    status: Literal["ok"] = "ok"


@get("/health/live", tags=["health"])
async def show_live() -> Health:
    """Answers as long as the process does."""
    return Health()


@get("/health/ready", tags=["health"])
async def show_ready(readiness: Readiness) -> Health:
    """Answers once the database does and has every migration."""
    await readiness.check()
    return Health()
