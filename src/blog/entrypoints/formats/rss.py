"""RSS 2.0 (RSS Advisory Board, 2.0.11), with what it has no words of its own for in those of others."""

from email.utils import format_datetime
from html import escape

from blog.application.queries import ArticleView
from blog.entrypoints.formats import atom
from blog.entrypoints.formats.feeds import Feed, Site, author, changed, html, moment, out_since
from blog.entrypoints.formats.xml import Element, add, document, root

MEDIA_TYPE = "application/rss+xml"
NAMESPACES = {
    "xmlns:atom": atom.NAMESPACE,
    "xmlns:content": "http://purl.org/rss/1.0/modules/content/",
    "xmlns:dc": "http://purl.org/dc/elements/1.1/",
    "xmlns:media": atom.MEDIA,
}


def write(feed: Feed) -> bytes:
    """The feed as a document of RSS."""
    top = root("rss", version="2.0", **NAMESPACES)
    channel = add(top, "channel")
    add(channel, "title", feed.title)
    add(channel, "link", feed.home)
    add(channel, "description", feed.title)
    if feed.articles:
        add(channel, "lastBuildDate", format_datetime(feed.updated, usegmt=True))
    for relation, address in feed.links.items():
        add(channel, "atom:link", rel=relation, type=MEDIA_TYPE, href=address)
    for article in feed.articles:
        _item(channel, feed.site, article)
    return document(top)


def _item(channel: Element, site: Site, article: ArticleView) -> None:
    item = add(channel, "item")
    add(item, "guid", site.id_of(article), isPermaLink="false")
    add(item, "title", article.title)
    add(item, "link", site.article(article.slug))
    add(item, "pubDate", format_datetime(out_since(article), usegmt=True))
    add(item, "atom:updated", moment(changed(article)))
    # The author of RSS is an e-mail address, which is nobody's business.
    add(item, "dc:creator", author(article))
    if article.language:
        add(item, "dc:language", article.language)
    for tag in article.tags:
        add(item, "category", tag)
    # Readers take it for HTML.
    add(item, "description", escape(article.excerpt, quote=False))
    if (content := html(site, article)) is not None:
        add(item, "content:encoded", content)
    atom.picture(item, article)
