"""Pages by cursor end before they are large."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from blog.application.queries import ArticlePage, ArticleView
from blog.domain.articles import Status
from blog.entrypoints.http.articles import shortened
from blog.entrypoints.http.delivery import LARGE
from blog.entrypoints.http.listing import FieldList, Selection


def page(*lengths: int) -> ArticlePage:
    """A page of articles of these lengths, and no more behind it."""
    now = datetime.now(UTC)
    articles = [
        ArticleView(
            id=number,
            title="On engines",
            content="x" * length,
            published=True,
            author_id=1,
            created_at=now,
            updated_at=now,
            slug="on-engines",
            summary=None,
            excerpt="",
            tags=[],
            status=Status.PUBLISHED,
            published_at=now,
            publish_at=None,
            unpublish_at=None,
            version=1,
            edition="1-0",
            reading_minutes=1,
            word_count=1,
            cover_image_url=None,
            cover_image_alt=None,
            canonical_url=None,
            featured=False,
            language=None,
            has_working_copy=None,
        )
        for number, length in enumerate(lengths)
    ]
    return ArticlePage(articles=articles, more=False)


@pytest.mark.parametrize(
    ("lengths", "forwards", "backwards"),
    [
        ([], [], []),
        ([10, 20], [10, 20], [10, 20]),
        ([2 * LARGE, 10], [2 * LARGE], [10]),
        ([10, 2 * LARGE], [10], [2 * LARGE]),
        ([LARGE // 2, 10, LARGE // 2, 20], [LARGE // 2, 10], [10, LARGE // 2, 20]),
    ],
)
def test_a_page_by_cursor_ends_before_it_is_large(
    lengths: list[int], forwards: list[int], backwards: list[int]
) -> None:
    for is_backwards, expected in ((False, forwards), (True, backwards)):
        cut = shortened(page(*lengths), Selection(), backwards=is_backwards)
        assert [len(article.content) for article in cut.articles] == expected
        assert cut.more is (len(expected) < len(lengths))


def test_a_page_is_large_by_its_bytes_and_not_by_its_letters() -> None:
    each = replace(page(1).articles[0], content="\N{CJK UNIFIED IDEOGRAPH-6A5F}" * (LARGE // 4))
    cut = shortened(ArticlePage(articles=[each] * 3, more=False), Selection(), backwards=False)
    assert cut == ArticlePage(articles=[each], more=True)


def test_what_is_not_shown_makes_no_page_large() -> None:
    whole = page(LARGE, LARGE)
    assert shortened(whole, Selection(fields=FieldList("id,title")), backwards=False) == whole
