"""Requests that Schemathesis makes up from the OpenAPI document, in long chains, against a service of its own.

`make fuzz` runs for ten minutes and prints what it found; `make fuzz ARGS="--help"` says what else can be asked for.
It is not part of `make test`, whose Schemathesis run (tests/integration/test_schemathesis.py) is the same each time.
"""
