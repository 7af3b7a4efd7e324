"""What a feed says, in whatever format."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape, unescape
from urllib.parse import quote, urljoin, urlsplit

from blog.application.queries import ArticleView
from blog.domain.errors import Invalid
from blog.domain.web_addresses import WebAddress

log = logging.getLogger(__name__)

# A server may tell otherwise; these endings are never used for anything else.
IMAGES = {
    "avif": "image/avif",
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webp": "image/webp",
}

# What is sanitized has its attributes between double quotes, each with a value.
TAG = re.compile(r'<[a-z][^>"]*(?:"[^"]*"[^>"]*)*>')
ATTRIBUTE = re.compile(r'([^\s="]+)="([^"]*)"')

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""When a feed that has no article yet was changed, which Atom wants to be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the blog is called, and where it is. `url` is absolute and has no slash at its end.

    `authority` is a name of the domain system that the blog's owner had when the articles were written, and whose
    ids no other blog makes.
    """

    name: str
    url: str
    authority: str

    @property
    def path(self) -> str:
        """What comes before every path of the service, such as `/blog`; empty at the root of a host."""
        return urlsplit(self.url).path

    def list_of_articles(self, *, tag: str | None = None) -> str:
        """Where all articles are, or those with a tag."""
        return f"{self.url}/articles" + (f"?tags={quote(tag, safe='')}" if tag is not None else "")

    def article(self, slug: str) -> str:
        """Where an article is."""
        return f"{self.url}/articles/{slug}"

    def author(self, username: str) -> str:
        """Where somebody's profile is."""
        return f"{self.url}/users/{username}"

    def id_of(self, article: ArticleView) -> str:
        """What names the article for ever: a tag URI (RFC 4151).

        Its day is that of `created_at`, the only moment of an article that nothing changes: `published_at` moves
        with its author. Its slug may change too, and is left out.
        """
        return f"tag:{self.authority},{article.created_at.astimezone(UTC):%Y-%m-%d}:articles/{article.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """Some articles that have been out, the latest first, each with its author.

    Those that have `content_html` are shown whole, and the others by their summary. Addresses are absolute: of what
    the feed is of (`home`), of this page of it, of the first and of those before and behind (RFC 5005, section 3).
    """

    site: Site
    title: str
    home: str
    page: str
    first: str
    previous: str | None = None
    next: str | None = None
    articles: Sequence[ArticleView]

    @property
    def updated(self) -> datetime:
        """When an article on this page last changed."""
        return max(map(changed, self.articles), default=BEGINNING)

    @property
    def links(self) -> dict[str, str]:
        """The pages, by their relations."""
        pages = {"self": self.page, "first": self.first, "previous": self.previous, "next": self.next}
        return {relation: address for relation, address in pages.items() if address}


def out_since(article: ArticleView) -> datetime:
    """When the article was first there for everybody."""
    assert article.published_at  # noqa: S101 - a feed has no others
    return article.published_at


def changed(article: ArticleView) -> datetime:
    """Since when the article has been what it is, for everybody."""
    return max(article.updated_at, out_since(article))


def author(article: ArticleView) -> str:
    """The name of who wrote the article."""
    assert article.author  # noqa: S101 - a feed has no others
    return article.author.username


def html(site: Site, article: ArticleView) -> str | None:
    """The HTML of an article that is shown whole, with absolute addresses: it is read elsewhere than where it is."""
    if article.content_html is None:
        return None
    base = site.article(article.slug)

    def joined(attribute: re.Match[str]) -> str:
        name, value = attribute.groups()
        if name not in ("href", "src"):
            return attribute[0]
        try:
            return f'{name}="{escape(urljoin(base, unescape(value)))}"'
        except ValueError:
            return attribute[0]  # It leads nowhere from there either.

    return TAG.sub(lambda tag: ATTRIBUTE.sub(joined, tag[0]), article.content_html)


def moment(when: datetime) -> str:
    """A moment as RFC 3339 has it, to the microsecond."""
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def cover_image(article: ArticleView) -> WebAddress | None:
    """The address of the cover image, which a reader of feeds can parse."""
    return _checked(article, "cover_image_url")


def canonical(article: ArticleView) -> WebAddress | None:
    """The address where the article was first, which a reader of feeds can parse."""
    return _checked(article, "canonical_url")


def _checked(article: ArticleView, field: str) -> WebAddress | None:
    """The address in this field; None, and a line in the log, for one that was stored before it had to be valid."""
    address = getattr(article, field)
    try:
        return None if address is None else WebAddress(address)
    except Invalid:
        log.warning("A feed leaves out %s of article %d: %.200r is no web address.", field, article.id, address)
        return None


def image_type(address: WebAddress) -> str | None:
    """The media type of a picture, as far as its address tells."""
    return IMAGES.get(address.path.rpartition(".")[2].lower())
