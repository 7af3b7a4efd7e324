"""HTTP/2 that nobody offered: prefaces, and headers without an end."""

import struct

from probes import stage

CONNECTIONS = 1
STREAMS = 100
SECONDS = 5
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
# Every byte of it says "the field that was sent first", which has 4,000 bytes (RFC 7541, section 6.1).
FIRST = b"\x82\x86\x84\x01\x01a" + b"\x40\x01x\x7f\xa1\x1e" + b"y" * 4_000
AGAIN = b"\xbe" * 4_000


def frames() -> bytes:
    """Streams, each with headers that unpack to sixteen megabytes."""
    sent = PREFACE
    for stream in range(1, 2 * STREAMS, 2):
        block = (FIRST if stream == 1 else b"\x82\x86\x84\x01\x01a") + AGAIN
        sent += struct.pack("!I", len(block))[1:] + b"\1\4" + struct.pack("!I", stream) + block
    return sent


def main() -> None:
    """Print what becomes of them, of memory and of a normal client."""
    with stage.service() as service, stage.NormalClient(service) as client:
        before = stage.memory(service)
        with stage.connections(service, CONNECTIONS, frames()) as opened:
            most = stage.watch(service, SECONDS)
            print(
                f"{len(opened)} connection with {len(frames()) // 1024} kB each, "
                f"{stage.still_open(opened)} open after {SECONDS} s; workers {before} MB, then {most} MB; {client}",
                flush=True,
            )
