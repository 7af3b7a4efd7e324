"""The contracts, kept in memory."""

from blog.testing import StorageContract
from tests.contracts.api import ArticlesContract, HttpContract, LoginContract, UsersContract, ada, bob

__all__ = ["ada", "bob"]


class TestStorageInMemory(StorageContract): ...


class TestUsersInMemory(UsersContract): ...


class TestLoginInMemory(LoginContract): ...


class TestArticlesInMemory(ArticlesContract): ...


class TestHttpInMemory(HttpContract): ...
