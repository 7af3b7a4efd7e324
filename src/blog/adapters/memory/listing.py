"""Lists of articles made in memory: those that fit, in order, and what is found in them.

Plain functions over articles that the viewer may read, good for any adapter that has few enough of them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

from blog.application.queries import (
    RANKED,
    AddressView,
    ArticleFilter,
    ArticlePage,
    ArticleView,
    AuthorView,
    Include,
    Order,
    Place,
    Sort,
)
from blog.domain.articles import Article
from blog.domain.searches import WORD, Alternative, SearchWords, words_of
from blog.domain.users import User

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WEIGHTS = (10, 4, 4, 1)
"""What a word counts in the title, the summary, the tags and the content."""


def page_of(
    visible: Iterable[Article],
    users: Mapping[int, User],
    *,
    viewer: int | None,
    at: datetime,
    limit: int,
    skip: int,
    after: Place | None,
    before: Place | None,
    filter: ArticleFilter,  # noqa: A002
    order: Order,
    include: Collection[Include],
    count: bool,
    highlights: bool = True,
) -> ArticlePage:
    """What `ArticleQueries.page` promises, of articles that the viewer may read at a moment, and their authors."""
    sign = 1 if order.ascending else -1

    def place(moment: datetime, number: int) -> tuple[int, ...]:
        return sign * ((moment - EPOCH) // timedelta(microseconds=1)), sign * number

    found = {
        place(moment, article.id): article
        for article in visible
        if fits(article, users[article.author_id], filter, viewer=viewer, at=at)
        and (moment := moment_of(article, order.by, at))
    }
    if filter.words and order.by is Sort.RELEVANCE:
        latest = sorted(found.values(), key=lambda article: -article.id)
        found = {
            (number // RANKED, -relevance(filter.words, article), -article.id): article
            for number, article in enumerate(latest)
        }
    places = sorted(found)
    if after:
        there = places[bisect_right(places, place(after.moment, after.id)) :]
    elif before:
        there = places[: bisect_left(places, place(before.moment, before.id))]
    else:
        there = places[skip:]
    shown = there[-limit:] if before and not after else there[:limit]
    return ArticlePage(
        articles=[
            view_of(found[key], users, viewer, at, include, filter.words if highlights else None) for key in shown
        ],
        more=len(there) > limit,
        total=len(places) if count else None,
    )


def fits(article: Article, author: User, wanted: ArticleFilter, *, viewer: int | None, at: datetime) -> bool:
    """Whether all holds for the article that the viewer wants."""
    out = article.published_at if article.published_at and article.published_at <= at else None
    return all(
        (
            wanted.author is None or author.username.key == wanted.author.key,
            {tag.key for tag in wanted.tags} <= {tag.key for tag in article.manuscript.tags},
            wanted.status is None or article.status(at) is wanted.status,
            wanted.featured is None or article.featured == wanted.featured,
            wanted.published_after is None or (out is not None and out > wanted.published_after),
            wanted.published_before is None or (out is not None and out < wanted.published_before),
            wanted.language is None or (article.language is not None and wanted.language.matches(article.language)),
            wanted.has_working_copy is None
            or (article.author_id, article.has_working_copy) == (viewer, wanted.has_working_copy),
            wanted.words is None or any(holds(alternative, article) for alternative in wanted.words.alternatives),
        )
    )


def view_of(
    article: Article,
    users: Mapping[int, User],
    viewer: int | None,
    at: datetime,
    include: Collection[Include],
    words: SearchWords | None = None,
) -> ArticleView:
    """The article as somebody sees it, with what is included."""
    included: dict[str, Any] = {"highlight": highlight(words, article)} if words else {}
    if Include.AUTHOR in include:
        author = users[article.author_id]
        included["author"] = AuthorView(id=author.id, username=str(author.username))
    if Include.CONTENT_HTML in include:
        included["content_html"] = article.rendition.html
    return ArticleView.of(article, viewer=viewer, at=at, **included)


def addresses_of(articles: Iterable[Article]) -> list[AddressView]:
    """Where they are, and since when each is what it is, by id."""
    found = [
        AddressView(
            id=article.id,
            slug=str(article.slug),
            changed_at=max(article.updated_at, article.published_at or article.updated_at),
        )
        for article in articles
    ]
    return sorted(found, key=lambda address: address.id)


def text_of(article: Article) -> list[str]:
    """What is searched: the fields of an article, those that weigh most first."""
    text = article.manuscript
    return [text.title, text.summary or "", " , ".join(text.tags), text.content]


def holds(alternative: Alternative, article: Article) -> bool:
    """Whether the article has all that is to be there, and none of the rest."""
    words = [words_of(text) for text in text_of(article)]

    def has(phrase: str) -> bool:
        wanted = words_of(phrase)
        size = len(wanted)
        return any(some[at : at + size] == wanted for some in words for at in range(len(some) - size + 1))

    return all(map(has, alternative.present)) and not any(map(has, alternative.absent))


def relevance(words: SearchWords, article: Article) -> int:
    """How often the article has the words; each counts more in a title."""
    return sum(
        weight * sum(word in words.wanted for word in words_of(text))
        for weight, text in zip(WEIGHTS, text_of(article), strict=True)
    )


def highlight(words: SearchWords, article: Article) -> str:
    """The beginning of the text, with what was searched for marked."""
    shown = escape(" ".join(article.manuscript.content.split()[:50]), quote=False)
    return WORD.sub(
        lambda found: f"<mark>{found[0]}</mark>" if words.wanted.issuperset(words_of(found[0])) else found[0],
        shown,
    )


def moment_of(article: Article, sort: Sort, at: datetime) -> datetime | None:
    """What the article is put in order by; None where it has not been out."""
    if sort is Sort.PUBLISHED_AT:
        return article.published_at if article.published_at and article.published_at <= at else None
    moments = {Sort.DATE: article.date, Sort.CREATED_AT: article.created_at, Sort.UPDATED_AT: article.updated_at}
    # Relevance has an order of its own.
    return moments.get(sort, article.date)
