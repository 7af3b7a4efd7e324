"""Request lines and headers without an end, and as many header fields as fit."""

from probes import stage

CONNECTIONS = 1_000
SECONDS = 5
KINDS = {
    "request line of 60 kB": b"GET /" + b"a" * 60_000,
    "header field of 400 kB": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 400_000,
    "50,000 header fields": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 50_000,
}


def main() -> None:
    """Print what becomes of them, of memory and of a normal client."""
    for kind, request in KINDS.items():
        with stage.service() as service, stage.NormalClient(service) as client:
            before = stage.memory(service)
            with stage.connections(service, CONNECTIONS, request) as opened:
                most = stage.watch(service, SECONDS)
                print(
                    f"{kind}: {len(opened):,} connections, {stage.still_open(opened)} open after {SECONDS} s; "
                    f"workers {before} MB, then {most} MB; {client}",
                    flush=True,
                )
