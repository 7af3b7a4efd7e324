"""The Atom Syndication Format (RFC 4287), in pages (RFC 5005)."""

from blog.application.queries import ArticleView
from blog.entrypoints.formats.feeds import (
    Feed,
    Site,
    author,
    canonical,
    changed,
    cover_image,
    html,
    image_type,
    moment,
    out_since,
)
from blog.entrypoints.formats.xml import Element, add, document, root

MEDIA_TYPE = "application/atom+xml"
NAMESPACE = "http://www.w3.org/2005/Atom"
MEDIA = "http://search.yahoo.com/mrss/"


def write(feed: Feed) -> bytes:
    """The feed as a document of Atom."""
    top = root("feed", **{"xmlns": NAMESPACE, "xmlns:media": MEDIA})
    add(top, "id", feed.first)
    add(top, "title", feed.title)
    add(top, "updated", moment(feed.updated))
    add(top, "link", rel="alternate", href=feed.home)
    for relation, address in feed.links.items():
        add(top, "link", rel=relation, type=MEDIA_TYPE, href=address)
    for article in feed.articles:
        _entry(top, feed.site, article)
    return document(top)


def _entry(top: Element, site: Site, article: ArticleView) -> None:
    entry = add(top, "entry", **{"xml:lang": article.language})
    add(entry, "id", site.id_of(article))
    add(entry, "title", article.title)
    add(entry, "link", rel="alternate", href=site.article(article.slug))
    if address := canonical(article):
        add(entry, "link", rel="canonical", href=address)
    add(entry, "published", moment(out_since(article)))
    add(entry, "updated", moment(changed(article)))
    writer = add(entry, "author")
    add(writer, "name", author(article))
    add(writer, "uri", site.author(author(article)))
    for tag in article.tags:
        add(entry, "category", term=tag)
    add(entry, "summary", article.excerpt)
    if (content := html(site, article)) is not None:
        add(entry, "content", content, type="html")
    picture(entry, article)


def picture(parent: Element, article: ArticleView) -> None:
    """The cover of an article (Media RSS 1.5.1): an enclosure of RSS would have to know how long it is."""
    if address := cover_image(article):
        content = add(parent, "media:content", url=address, medium="image", type=image_type(address))
        if article.cover_image_alt:
            add(content, "media:description", article.cover_image_alt, type="plain")
