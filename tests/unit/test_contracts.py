"""The contracts, kept in memory."""

from tests.contracts.api import ArticlesContract, HttpContract, LoginContract, UsersContract, ada, bob
from tests.contracts.storage import StorageContract

__all__ = ["ada", "bob"]


class TestStorageInMemory(StorageContract): ...


class TestUsersInMemory(UsersContract): ...


class TestLoginInMemory(LoginContract): ...


class TestArticlesInMemory(ArticlesContract): ...


class TestHttpInMemory(HttpContract): ...
