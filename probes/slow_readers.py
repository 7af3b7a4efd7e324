"""Clients that ask for pages of long articles and do not read them."""

import time

from probes import stage

ARTICLES = 100
CONNECTIONS = 15
SECONDS = 40
PAGE = b"GET /articles?limit=100&include=content_html HTTP/1.1\r\nHost: a\r\n%b\r\n"
KINDS = {"plain": PAGE % b"", "compressed": PAGE % b"Accept-Encoding: gzip\r\n"}


def main() -> None:
    """Print what becomes of them, of memory and of a normal client."""
    for kind, request in KINDS.items():
        with stage.service() as service:
            stage.write_articles(service, ARTICLES)
            before = stage.memory(service)
            with (
                stage.NormalClient(service, path="/articles?limit=1&fields=id") as client,
                stage.connections(service, CONNECTIONS, request, receive_buffer=4096) as opened,
            ):
                began = time.monotonic()
                most = stage.watch(service, SECONDS)
                after = stage.memory(service)
                print(
                    f"{kind}: {len(opened)} connections, {stage.still_open(opened)} open after "
                    f"{time.monotonic() - began:.0f} s; "
                    f"workers {before} MB, at most {most} MB, then {after} MB; {client}",
                    flush=True,
                )
