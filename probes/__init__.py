"""Attacks on the service, each bounded in count and in time, against a service of its own on 127.0.0.1.

`make probe` runs them all, `make probe ARGS="slow_readers"` one. They print figures and judge nothing, and
are not part of `make test`. Each module but `stage` is a probe, and has a function `main() -> None`.
"""
