"""JSON Feed 1.1 (jsonfeed.org)."""

from typing import Any

import msgspec

from blog.application.queries import ArticleView
from blog.entrypoints.formats.feeds import Feed, Site, author, changed, html, moment, out_since

MEDIA_TYPE = "application/feed+json"
VERSION = "https://jsonfeed.org/version/1.1"


def write(feed: Feed) -> bytes:
    """The feed as a document of JSON Feed, which knows no page but the next."""
    shown = {
        "version": VERSION,
        "title": feed.title,
        "home_page_url": feed.home,
        "feed_url": feed.page,
        "next_url": feed.next,
        "items": [_item(feed.site, article) for article in feed.articles],
    }
    return msgspec.json.encode(_said(shown))


def _item(site: Site, article: ArticleView) -> dict[str, Any]:
    return _said(
        {
            "id": site.id_of(article),
            "url": site.article(article.slug),
            "title": article.title,
            "summary": article.excerpt,
            "content_html": html(site, article),
            # An item has a content of one kind or the other.
            "content_text": article.excerpt if article.content_html is None else None,
            "image": article.cover_image_url,
            "date_published": moment(out_since(article)),
            "date_modified": moment(changed(article)),
            "authors": [{"name": author(article), "url": site.author(author(article))}],
            "tags": list(article.tags),
            "language": article.language,
        }
    )


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
