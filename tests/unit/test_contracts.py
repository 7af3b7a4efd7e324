"""The contracts, kept in memory."""

from blog.testing import StorageContract
from tests.contracts.articles import ArticlesContract
from tests.contracts.asking import ada, bob, strict
from tests.contracts.editions import EditionsContract
from tests.contracts.http import HttpContract
from tests.contracts.keys import KeysContract
from tests.contracts.leaks import LeaksContract
from tests.contracts.login import LoginContract
from tests.contracts.markdown import MarkdownContract
from tests.contracts.previews import PreviewsContract
from tests.contracts.publication import PublicationContract
from tests.contracts.revisions import RevisionsContract
from tests.contracts.slugs import SlugsContract
from tests.contracts.tags import TagsContract
from tests.contracts.users import UsersContract
from tests.contracts.working_copies import WorkingCopiesContract

__all__ = ["ada", "bob", "strict"]


class TestStorageInMemory(StorageContract): ...


class TestUsersInMemory(UsersContract): ...


class TestLoginInMemory(LoginContract): ...


class TestArticlesInMemory(ArticlesContract): ...


class TestHttpInMemory(HttpContract): ...


class TestSlugsInMemory(SlugsContract): ...


class TestMarkdownInMemory(MarkdownContract): ...


class TestTagsInMemory(TagsContract): ...


class TestPublicationInMemory(PublicationContract): ...


class TestWorkingCopiesInMemory(WorkingCopiesContract): ...


class TestPreviewsInMemory(PreviewsContract): ...


class TestRevisionsInMemory(RevisionsContract): ...


class TestEditionsInMemory(EditionsContract): ...


class TestKeysInMemory(KeysContract): ...


class TestLeaksInMemory(LeaksContract): ...
