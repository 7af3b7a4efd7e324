"""Feeds and sitemaps, kept in PostgreSQL."""

from tests.contracts.asking import ada, bob
from tests.contracts.feeds import FeedsContract

__all__ = ["ada", "bob"]


class TestFeedsInPostgres(FeedsContract): ...
