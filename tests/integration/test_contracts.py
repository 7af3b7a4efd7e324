"""The contracts, kept in PostgreSQL."""

from blog.testing import StorageContract
from tests.contracts.articles import ArticlesContract
from tests.contracts.asking import ada, bob
from tests.contracts.http import HttpContract
from tests.contracts.login import LoginContract
from tests.contracts.users import UsersContract

__all__ = ["ada", "bob"]


class TestStorageInPostgres(StorageContract): ...


class TestUsersInPostgres(UsersContract): ...


class TestLoginInPostgres(LoginContract): ...


class TestArticlesInPostgres(ArticlesContract): ...


class TestHttpInPostgres(HttpContract): ...
