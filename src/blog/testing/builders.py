"""Things to test with: every field of a distinct value that is no default, so that a forgotten one shows."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from blog.application.ports import Reply, RequestKey
from blog.domain.articles import (
    AltText,
    Article,
    Content,
    Language,
    Manuscript,
    Note,
    Rendition,
    Summary,
    Title,
    divide,
)
from blog.domain.previews import Preview, Previewed
from blog.domain.revisions import Change, Revision
from blog.domain.slugs import Slug
from blog.domain.tags import Tags
from blog.domain.users import Email, User, Username
from blog.domain.web_addresses import WebAddress
from blog.domain.working_copies import WorkingCopy

NOON = datetime(2026, 3, 4, 12, 0, 0, 123456, tzinfo=UTC)


class Clock:
    """A clock that moves a second each time it is looked at, and further when told to."""

    def __init__(self, moment: datetime = NOON) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment

    def advance(self, **duration: float) -> None:
        """Let time pass, as `timedelta` takes it."""
        self.moment += timedelta(**duration)

    def strike(self, moment: datetime) -> None:
        """Whoever looks next finds it to be that moment."""
        self.moment = moment - timedelta(seconds=1)


class PlainMarkdown:
    """Shows any text as it is, for tests of what is not about Markdown."""

    async def render(self, content: Content) -> Rendition:
        """The content between `pre` tags."""
        escaped = content.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return Rendition.of(html=f"<pre>{escaped}</pre>", text=content)


def a_user(**different: Any) -> User:
    """Ada, or somebody like her."""
    values: dict[str, Any] = {
        "id": 11,
        "email": Email("Ada@Example.org"),
        "username": Username("Ada.L"),
        "password_hash": "scheme$hash",
        "created_at": NOON,
        "updated_at": NOON + timedelta(minutes=1, microseconds=1),
    }
    return User(**values | different)


def a_manuscript(**different: Any) -> Manuscript:
    """What she wrote."""
    values: dict[str, Any] = {
        "title": Title("On engines"),
        "content": Content("The engine weaves\r\n\t*algebraic* patterns. ✍️"),
        "summary": Summary("What weaves what."),
        "tags": Tags(["Engines", "Straße", "looms"]),
        "cover_image_url": WebAddress("https://example.org/engine.png"),
        "cover_image_alt": AltText("An engine, half done"),
        "canonical_url": WebAddress("https://example.com/on-engines"),
    }
    return Manuscript(**values | different)


def a_rendition(**different: Any) -> Rendition:
    """What a browser shows of it."""
    values: dict[str, Any] = {"html": "<p>The engine weaves …</p>", "excerpt": "The engine …", "word_count": 443}
    return Rendition(**values | different)


def an_article(**different: Any) -> Article:
    """A published article of hers. What belongs to its manuscript is given as if it were the article's own."""
    text, rest = divide(different)
    values: dict[str, Any] = {
        "id": 22,
        "author_id": 11,
        "manuscript": a_manuscript(**text),
        "rendition": a_rendition(),
        "slug": Slug("on-engines"),
        "address": Slug("on-engines-2"),
        "featured": True,
        "language": Language("en-GB"),
        "publish_at": NOON - timedelta(days=3, microseconds=3),
        "unpublish_at": NOON + timedelta(days=900, microseconds=4),
        "published_at": NOON - timedelta(days=5, microseconds=5),
        "version": 6,
        "edition": "6-c0ffee",
        "text_version": 5,
        "created_at": NOON - timedelta(days=9, microseconds=9),
        "updated_at": NOON - timedelta(days=2, microseconds=2),
    }
    return Article(**values | dict(rest))


def a_draft(**different: Any) -> Article:
    """An article of hers that is not out and never was."""
    nothing = dict.fromkeys(("address", "publish_at", "unpublish_at", "published_at"))
    return an_article(**nothing | different)


def a_revision(**different: Any) -> Revision:
    """A version of her article. What belongs to its manuscript is given as if it were the revision's own."""
    text, rest = divide(different)
    values: dict[str, Any] = {
        "article_id": 22,
        "version": 6,
        "by": 11,
        "at": NOON - timedelta(days=2, microseconds=2),
        "note": Note("Says what weaves."),
        "changed": ("title", "unpublish_at"),
        "manuscript": a_manuscript(**text),
    }
    return Revision(**values | dict(rest))


def a_change(revision: Revision) -> Change:
    """How that version came about, without its text."""
    return Change(**{this.name: getattr(revision, this.name) for this in fields(Change)})


def a_working_copy(**different: Any) -> WorkingCopy:
    """Her article as it is going to be. What belongs to its manuscript is given as if it were the copy's own."""
    text, rest = divide(different)
    going_to_be: dict[str, Any] = {
        "title": Title("On looms"),
        "content": Content("The loom weaves leaves."),
        "summary": Summary("Other things that weave."),
        "tags": Tags(["Looms", "leaves"]),
        "cover_image_url": WebAddress("https://example.org/loom.png"),
        "cover_image_alt": AltText("A loom"),
        "canonical_url": WebAddress("https://example.com/on-looms"),
    }
    values: dict[str, Any] = {
        "article_id": 22,
        "based_on": 4,
        "manuscript": a_manuscript(**going_to_be | text),
        "rendition": a_rendition(html="<p>The loom …</p>", excerpt="The loom …", word_count=887),
        "version": 3,
        "edition": "3-decade",
        "updated_at": NOON - timedelta(hours=7, microseconds=7),
    }
    return WorkingCopy(**values | dict(rest))


def a_preview(**different: Any) -> Preview:
    """Leave to read her article for a week from noon on."""
    values: dict[str, Any] = {
        "id": 33,
        "article_id": 22,
        "of": Previewed.ARTICLE,
        "created_at": NOON + timedelta(microseconds=8),
        "expires_at": NOON + timedelta(days=7, microseconds=6),
    }
    return Preview(**values | different)


def a_request(**different: Any) -> RequestKey:
    """A request that may come again."""
    values: dict[str, Any] = {
        "caller": 11,
        "route": "POST /articles",
        "key": "a-key-of-hers",
        "fingerprint": b"\x00what\xffwas asked",
    }
    return RequestKey(**values | different)


def a_reply(**different: Any) -> Reply:
    """What she was answered."""
    values: dict[str, Any] = {
        "status": 201,
        "headers": {"Location": "/articles/22", "ETag": '"6-c0ffee"'},
        "body": b'{"title":"On engines"}\x00\xff',
    }
    return Reply(**values | different)
