"""The contracts, kept in memory."""

from blog.testing import StorageContract
from tests.contracts.articles import ArticlesContract
from tests.contracts.asking import ada, bob
from tests.contracts.http import HttpContract
from tests.contracts.login import LoginContract
from tests.contracts.users import UsersContract

__all__ = ["ada", "bob"]


class TestStorageInMemory(StorageContract): ...


class TestUsersInMemory(UsersContract): ...


class TestLoginInMemory(LoginContract): ...


class TestArticlesInMemory(ArticlesContract): ...


class TestHttpInMemory(HttpContract): ...
