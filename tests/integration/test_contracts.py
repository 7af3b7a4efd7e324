"""The contracts, kept in PostgreSQL."""

from collections.abc import AsyncIterator
from itertools import cycle

import pytest

from blog.adapters.database import Database, DatabaseLoginLimits
from blog.application.ports import LoginAttempt, LoginLimits
from blog.container import Container
from blog.testing import Clock, LoginLimitsContract, StorageContract
from tests.contracts.articles import ArticlesContract
from tests.contracts.asking import ada, bob, strict
from tests.contracts.budgets import BudgetsContract
from tests.contracts.conditional import ConditionalContract, article
from tests.contracts.door import DoorContract
from tests.contracts.editions import EditionsContract
from tests.contracts.http import HttpContract
from tests.contracts.keys import KeysContract
from tests.contracts.leaks import LeaksContract
from tests.contracts.lists import ListsContract
from tests.contracts.login import LoginContract
from tests.contracts.markdown import MarkdownContract
from tests.contracts.previews import PreviewsContract
from tests.contracts.publication import PublicationContract
from tests.contracts.revisions import RevisionsContract
from tests.contracts.search import SearchContract
from tests.contracts.slugs import SlugsContract
from tests.contracts.stored import StoredContract
from tests.contracts.tags import TagsContract
from tests.contracts.users import UsersContract
from tests.contracts.working_copies import WorkingCopiesContract
from tests.support import KEY

__all__ = ["ada", "article", "bob", "strict"]


class TestStorageInPostgres(StorageContract): ...


class TestLoginLimitsInPostgres(LoginLimitsContract):
    @pytest.fixture
    async def limits(self, container: Container, clock: Clock) -> LoginLimits:
        return DatabaseLoginLimits(container.database(), clock, key=KEY, pause=0)


class TestLoginLimitsInPostgresOfSeveralProcesses(LoginLimitsContract):
    @pytest.fixture
    async def limits(self, container: Container, clock: Clock) -> AsyncIterator[LoginLimits]:
        """Each call runs in another process, as far as PostgreSQL can tell."""
        url = container.settings().database_url
        assert url
        databases = [container.database(), Database(url, pool_size=3, timeout=5)]
        yield Alternating([DatabaseLoginLimits(database, clock, key=KEY, pause=0) for database in databases])
        await databases[1].close()


class Alternating:
    def __init__(self, limits: list[DatabaseLoginLimits]) -> None:
        self._turns = cycle(limits)

    async def admit(self, attempt: LoginAttempt) -> bool:
        return await next(self._turns).admit(attempt)

    async def succeed(self, attempt: LoginAttempt, *, known: bool) -> None:
        await next(self._turns).succeed(attempt, known=known)

    async def withdraw(self, attempt: LoginAttempt, *, known: bool) -> None:
        await next(self._turns).withdraw(attempt, known=known)


class TestUsersInPostgres(UsersContract): ...


class TestLoginInPostgres(LoginContract): ...


class TestDoorInPostgres(DoorContract): ...


class TestArticlesInPostgres(ArticlesContract): ...


class TestHttpInPostgres(HttpContract): ...


class TestSlugsInPostgres(SlugsContract): ...


class TestMarkdownInPostgres(MarkdownContract): ...


class TestTagsInPostgres(TagsContract): ...


class TestPublicationInPostgres(PublicationContract): ...


class TestWorkingCopiesInPostgres(WorkingCopiesContract): ...


class TestPreviewsInPostgres(PreviewsContract): ...


class TestRevisionsInPostgres(RevisionsContract): ...


class TestEditionsInPostgres(EditionsContract): ...


class TestKeysInPostgres(KeysContract): ...


class TestLeaksInPostgres(LeaksContract): ...


class TestListsInPostgres(ListsContract): ...


class TestConditionsInPostgres(ConditionalContract): ...


class TestSearchInPostgres(SearchContract): ...


class TestBudgetsInPostgres(BudgetsContract): ...


class TestStoredInPostgres(StoredContract): ...
