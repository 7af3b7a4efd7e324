"""The contracts, kept in PostgreSQL."""

from tests.contracts.api import ArticlesContract, HttpContract, LoginContract, UsersContract, ada, bob
from tests.contracts.storage import StorageContract

__all__ = ["ada", "bob"]


class TestStorageInPostgres(StorageContract): ...


class TestUsersInPostgres(UsersContract): ...


class TestLoginInPostgres(LoginContract): ...


class TestArticlesInPostgres(ArticlesContract): ...


class TestHttpInPostgres(HttpContract): ...
