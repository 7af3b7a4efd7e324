"""JSON Feed 1.1 (jsonfeed.org)."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from blog.application.queries import ArticleView
from blog.entrypoints.formats.feeds import Feed, Site, author, changed, cover_image, html, moment, out_since

MEDIA_TYPE = "application/feed+json"


class JsonFeedAuthor(msgspec.Struct, kw_only=True):
    """Who wrote an item."""

    name: str
    url: str


class JsonFeedItem(msgspec.Struct, kw_only=True):
    """An article."""

    id: str
    url: str
    title: str
    summary: str
    content_html: str | UnsetType = UNSET
    content_text: str | UnsetType = UNSET
    image: str | UnsetType = UNSET
    date_published: str
    date_modified: str
    authors: list[JsonFeedAuthor]
    tags: list[str]
    language: str | UnsetType = UNSET


class JsonFeed(msgspec.Struct, kw_only=True):
    """A feed."""

    version: Literal["https://jsonfeed.org/version/1.1"] = "https://jsonfeed.org/version/1.1"
    title: str
    home_page_url: str
    feed_url: str
    next_url: str | UnsetType = UNSET
    items: list[JsonFeedItem]


def write(feed: Feed) -> bytes:
    """The feed as a document of JSON Feed, which knows no page but the next."""
    return msgspec.json.encode(
        JsonFeed(
            title=feed.title,
            home_page_url=feed.home,
            feed_url=feed.page,
            next_url=_or_unset(feed.next),
            items=[_item(feed.site, article) for article in feed.articles],
        )
    )


def _item(site: Site, article: ArticleView) -> JsonFeedItem:
    return JsonFeedItem(
        id=site.id_of(article),
        url=site.article(article.slug),
        title=article.title,
        summary=article.excerpt,
        content_html=_or_unset(html(site, article)),
        # An item has a content of one kind or the other.
        content_text=article.excerpt if article.content_html is None else UNSET,
        image=_or_unset(cover_image(article)),
        date_published=moment(out_since(article)),
        date_modified=moment(changed(article)),
        authors=[JsonFeedAuthor(name=author(article), url=site.author(author(article)))],
        tags=list(article.tags),
        language=_or_unset(article.language),
    )


def _or_unset(value: str | None) -> str | UnsetType:
    return UNSET if value is None else str(value)
