"""Serves another application in one process, in the server that the product is served by, as it is set up there.

`python -m bench.serve NAME PORT` serves one of `bench.apps`, or the `app` in a file. The application is imported by
the process that serves it, and nothing else is, or its memory would not be its own.
"""

import os
import sys
from pathlib import Path

from granian import Granian
from granian.constants import Interfaces, Loops
from granian.log import LogLevels


def serve(target: str, port: int, *, factory: bool) -> None:
    """Until a signal ends it."""
    Granian(
        target,
        factory=factory,
        address="127.0.0.1",
        port=port,
        workers=1,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        websockets=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=10,
    ).serve()


if __name__ == "__main__":
    name, port = sys.argv[1], int(sys.argv[2])
    if (file := Path(name)).is_file():
        sys.path.insert(0, str(file.parent))
        serve(f"{file.stem}:app", port, factory=False)
    else:
        os.environ["BENCH_APP"] = name
        serve("bench.apps:from_environment", port, factory=True)
