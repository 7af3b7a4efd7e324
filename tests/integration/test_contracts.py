"""The contracts, kept in PostgreSQL."""

from blog.testing import StorageContract
from tests.contracts.articles import ArticlesContract
from tests.contracts.asking import ada, bob, strict
from tests.contracts.budgets import BudgetsContract
from tests.contracts.conditional import ConditionalContract, article
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
from tests.contracts.tags import TagsContract
from tests.contracts.users import UsersContract
from tests.contracts.working_copies import WorkingCopiesContract

__all__ = ["ada", "article", "bob", "strict"]


class TestStorageInPostgres(StorageContract): ...


class TestUsersInPostgres(UsersContract): ...


class TestLoginInPostgres(LoginContract): ...


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
