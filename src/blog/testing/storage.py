"""What any store promises: the ports `Transaction`, `ArticleQueries` and `UserQueries`, a test for each promise."""

import pytest

from blog.testing.articles import StoredArticles, StoredTags
from blog.testing.lists import StoredAddresses, StoredLists, StoredSearch
from blog.testing.previews import StoredPreviews
from blog.testing.replies import StoredReplies
from blog.testing.revisions import StoredRevisions
from blog.testing.slugs import StoredSlugs
from blog.testing.transactions import StoredTransactions
from blog.testing.users import StoredUsers
from blog.testing.visibility import StoredVisibility
from blog.testing.working_copies import StoredWorkingCopies


class StorageContract(
    StoredUsers,
    StoredArticles,
    StoredTags,
    StoredLists,
    StoredSearch,
    StoredAddresses,
    StoredVisibility,
    StoredSlugs,
    StoredRevisions,
    StoredWorkingCopies,
    StoredPreviews,
    StoredReplies,
    StoredTransactions,
):
    """All of it."""

    pytestmark = pytest.mark.asyncio
