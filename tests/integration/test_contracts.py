"""The contracts, kept in PostgreSQL."""

from blog.testing import StorageContract
from tests.contracts.api import ArticlesContract, HttpContract, LoginContract, UsersContract, ada, bob

__all__ = ["ada", "bob"]


class TestStorageInPostgres(StorageContract): ...


class TestUsersInPostgres(UsersContract): ...


class TestLoginInPostgres(LoginContract): ...


class TestArticlesInPostgres(ArticlesContract): ...


class TestHttpInPostgres(HttpContract): ...
