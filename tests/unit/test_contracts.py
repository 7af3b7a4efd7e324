"""The contracts, kept in memory."""

import pytest

from blog.adapters.memory import MemoryLoginLimits
from blog.application.ports import LoginLimits
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

__all__ = ["ada", "article", "bob", "strict"]


class TestStorageInMemory(StorageContract): ...


class TestLoginLimitsInMemory(LoginLimitsContract):
    @pytest.fixture
    def limits(self, clock: Clock) -> LoginLimits:
        return MemoryLoginLimits(clock)


@pytest.mark.http
class TestUsersInMemory(UsersContract): ...


@pytest.mark.http
class TestLoginInMemory(LoginContract): ...


@pytest.mark.http
class TestDoorInMemory(DoorContract): ...


@pytest.mark.http
class TestArticlesInMemory(ArticlesContract): ...


@pytest.mark.http
class TestHttpInMemory(HttpContract): ...


@pytest.mark.http
class TestSlugsInMemory(SlugsContract): ...


@pytest.mark.http
class TestMarkdownInMemory(MarkdownContract): ...


@pytest.mark.http
class TestTagsInMemory(TagsContract): ...


@pytest.mark.http
class TestPublicationInMemory(PublicationContract): ...


@pytest.mark.http
class TestWorkingCopiesInMemory(WorkingCopiesContract): ...


@pytest.mark.http
class TestPreviewsInMemory(PreviewsContract): ...


@pytest.mark.http
class TestRevisionsInMemory(RevisionsContract): ...


@pytest.mark.http
class TestEditionsInMemory(EditionsContract): ...


@pytest.mark.http
class TestKeysInMemory(KeysContract): ...


@pytest.mark.http
class TestLeaksInMemory(LeaksContract): ...


@pytest.mark.http
class TestListsInMemory(ListsContract): ...


@pytest.mark.http
class TestConditionsInMemory(ConditionalContract): ...


@pytest.mark.http
class TestSearchInMemory(SearchContract): ...


@pytest.mark.http
class TestBudgetsInMemory(BudgetsContract): ...


class TestStoredInMemory(StoredContract): ...
