"""Pages are made a few at a time, and those by cursor end before they are large."""

import asyncio
from datetime import UTC, datetime

import pytest

from blog.application.queries import ArticlePage, ArticleView
from blog.domain.articles import Status
from blog.domain.errors import Unavailable
from blog.entrypoints.http.articles import Turns, shortened
from blog.entrypoints.http.delivery import LARGE
from blog.entrypoints.http.listing import FieldList, Selection


async def test_no_more_than_a_few_have_a_turn_at_once() -> None:
    turns, at_work, most = Turns(at_once=2), 0, 0

    async def work() -> None:
        nonlocal at_work, most
        async with turns:
            at_work += 1
            most = max(most, at_work)
            await asyncio.sleep(0)
            at_work -= 1

    await asyncio.gather(*(work() for _ in range(9)))
    assert (at_work, most) == (0, 2)


async def test_who_waits_too_long_is_told_to_come_again() -> None:
    turns = Turns(at_once=1, patience=0.01)
    async with turns:
        with pytest.raises(Unavailable):
            async with turns:
                pass
    async with turns:
        pass


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
            summary="",
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


def test_what_is_not_shown_makes_no_page_large() -> None:
    whole = page(LARGE, LARGE)
    assert shortened(whole, Selection(fields=FieldList("id,title")), backwards=False) == whole
