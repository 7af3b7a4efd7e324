"""10,000 connections that say nothing, or half of a request."""

from probes import stage

CONNECTIONS = 10_000
SECONDS = 10
KINDS = {
    "idle": (b"",),
    "half of a header": (b"GET /health/live HTTP/1.1\r\nHost: a\r\n", b"G"),
    "half of a body": (
        b"POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: 100\r\n\r\nusername=",
    ),
}


def main() -> None:
    """Print what becomes of them, of memory and of a normal client."""
    for kind, requests in KINDS.items():
        with stage.service() as service, stage.NormalClient(service) as client:
            before = stage.memory(service)
            with stage.connections(service, CONNECTIONS, *requests) as opened:
                most = stage.watch(service, SECONDS)
                print(
                    f"{kind}: {len(opened):,} connections; workers {before} MB, then {most} MB; {client}", flush=True
                )
