"""Articles, and the words with rules that belong to them."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Self, TypedDict, Unpack, cast

from blog.domain.errors import Forbidden, Invalid, Moved, NotFound
from blog.domain.preconditions import ANY_VERSION, Precondition
from blog.domain.slugs import Slug
from blog.domain.tags import Tags
from blog.domain.text import Line, check_not_blank, check_text
from blog.domain.web_addresses import WebAddress

WORDS_A_MINUTE = 220
"""How fast an article is read: between what M. Brysbaert (2019) found for fiction, 260, and for what is looked up."""


EARLIER = "Must not be earlier than publish_at; null is never."
OTHERWISE = "Must say what publish_at and unpublish_at say; leave it out, or leave them out."

SOON = timedelta(seconds=2)
"""What comes out by itself within this time has taken its slug: in the same moment, others might be given it."""

YEARS = (1900, 2999)
"""Of the times that an article may be given."""


class Title(Line):
    """A line that is not blank, of at most 200 characters. Raises `Invalid`."""

    __slots__ = ()
    MAX = 200


class Content(str):
    """The body of an article: not blank, at most 200,000 characters, lines and tabs allowed. Raises `Invalid`."""

    __slots__ = ()
    MIN: ClassVar[int] = 1
    MAX: ClassVar[int] = 200_000

    def __new__(cls, text: str) -> Self:
        check_text(text, at_least=cls.MIN, at_most=cls.MAX, layout=True)
        check_not_blank(text)
        return super().__new__(cls, text)


class Summary(Line):
    """What an article is about: a line of at most 500 characters. Raises `Invalid`."""

    __slots__ = ()
    MAX = 500


class AltText(Line):
    """What a picture shows, for those who do not see it: a line of at most 500 characters. Raises `Invalid`."""

    __slots__ = ()
    MAX = 500


class Note(Line):
    """What a change was for: a line of at most 500 characters. Raises `Invalid`."""

    __slots__ = ()
    MAX = 500


class Language(str):
    """A language (BCP 47: RFC 5646, section 2.1), such as `en` or `pt-BR`. Raises `Invalid`."""

    __slots__ = ()
    MIN: ClassVar[int] = 2
    MAX: ClassVar[int] = 35
    PATTERN: ClassVar[str] = r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$"

    def __new__(cls, text: str) -> Self:
        check_text(text, at_least=cls.MIN, at_most=cls.MAX)
        if not re.fullmatch(cls.PATTERN, text):
            raise Invalid("Must be a language tag, such as en or pt-BR.")
        return super().__new__(cls, text)

    @property
    def key(self) -> str:
        """The tag for comparison: case has no meaning (RFC 5646, section 2.1.1)."""
        return self.lower()

    def matches(self, tag: "Language") -> bool:
        """Whether this one, as a language range, matches a tag: basic filtering (RFC 4647, section 3.3.1).

        `en` matches `en` and `en-GB`; `en-GB` does not match `en`.
        """
        return tag.key == self.key or tag.key.startswith(f"{self.key}-")


class ArticleNotFound(NotFound):
    """There is no such article, or it is hidden from whoever asks: nobody can tell which."""

    sentence = "Article not found"


class ArticleMoved(Moved):
    """The article is published under another slug now: `slug`, which is also what `to` says."""

    def __init__(self, slug: Slug) -> None:
        super().__init__(f"The article is now at {slug}.", to=slug)
        self.slug = slug


class NotTheAuthor(Forbidden):
    sentence = "Not authorized"


class TooHardToRender(Invalid):
    sentence = "The content takes too long to render; make it simpler, or split it."


class Contradiction(Invalid):
    """What is set does not go together with what else is. `field` is the one to change."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


class Status(StrEnum):
    """Where an article stands at some moment. Anybody reads it while it is published, its author always."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    ARCHIVED = "archived"

    @staticmethod
    def at(moment: datetime, *, publish_at: datetime | None, unpublish_at: datetime | None) -> "Status":
        """It is published from `publish_at` to `unpublish_at`, as far as they are set."""
        if unpublish_at is not None and unpublish_at <= moment:
            return Status.ARCHIVED
        if publish_at is None:
            return Status.DRAFT
        return Status.SCHEDULED if publish_at > moment else Status.PUBLISHED


@dataclass(frozen=True, slots=True, kw_only=True)
class Manuscript:
    """What somebody wrote: all of an article that is text. Markdown is what `content` is in."""

    title: Title
    content: Content
    summary: Summary | None = None
    tags: Tags = Tags()
    cover_image_url: WebAddress | None = None
    cover_image_alt: AltText | None = None
    canonical_url: WebAddress | None = None


class Extras(TypedDict, total=False):
    """What a manuscript need not have; None clears."""

    summary: Summary | None
    tags: Tags
    cover_image_url: WebAddress | None
    cover_image_alt: AltText | None
    canonical_url: WebAddress | None


class ManuscriptChanges(Extras, total=False):
    """What of a manuscript is to change."""

    title: Title
    content: Content


class Publication(TypedDict, total=False):
    """What else an author says of an article; None clears."""

    slug: Slug
    featured: bool
    language: Language | None
    published: bool
    publish_at: datetime | None
    unpublish_at: datetime | None


class Rest(Extras, Publication, total=False):
    """What an article need not have to begin with."""


class Changes(ManuscriptChanges, Publication, total=False):
    """What of an article is to change: what is not named stays as it is."""


TEXT = tuple(this.name for this in fields(Manuscript))
"""The parts of a manuscript, by name."""


PUBLICATION = tuple(Publication.__annotations__)


def check_publication(**publication: Unpack[Publication]) -> None:
    """Refuse what contradicts itself or is out of the calendar, whatever is kept. Raises `Contradiction`."""
    if publication.get("published") and publication.get("publish_at", ...) is None:
        raise Contradiction("published", OTHERWISE)
    publish_at, unpublish_at = _utc(publication.get("publish_at"), publication.get("unpublish_at"))
    if publish_at and unpublish_at and unpublish_at < publish_at:
        raise Contradiction("unpublish_at", EARLIER)


def divide(changes: Mapping[str, Any]) -> tuple[dict[str, Any], Publication]:
    """What of it is for the manuscript, and what is for the article around it."""
    text = {name: value for name, value in changes.items() if name in TEXT}
    return text, cast("Publication", {name: value for name, value in changes.items() if name not in TEXT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """What is made of the content of one version: HTML that is safe to show, and what follows from its words."""

    html: str
    excerpt: str
    """How the text begins, for want of a summary."""
    word_count: int

    EXCERPT: ClassVar[int] = 200
    """Characters."""

    @classmethod
    def of(cls, *, html: str, text: str) -> Self:
        """From the HTML and the same without any markup."""
        words = text.split()
        excerpt = " ".join(words[: cls.EXCERPT])
        if len(excerpt) > cls.EXCERPT:
            # Up to the last whole word, or within one that does not end.
            excerpt = excerpt[: cls.EXCERPT + 1].rpartition(" ")[0] or excerpt[: cls.EXCERPT - 1]
            excerpt += "…"
        return cls(html=html, excerpt=excerpt, word_count=count_words(text))


CHARACTER = r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
"""What is a word by itself, in scripts that put no space between words."""

WORD_OR_CHARACTER = rf"{CHARACTER}|[^\W{CHARACTER[1:-1]}]+"


def count_words(text: str) -> int:
    """How many words there are; each character counts as one in scripts that put no space between words."""
    return len(re.findall(WORD_OR_CHARACTER if re.search(CHARACTER, text) else r"\w+", text))


def reading_minutes(word_count: int) -> int:
    """How many minutes so many words take to read: 1 at least."""
    return max(1, math.ceil(word_count / WORDS_A_MINUTE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Who changes something and when, and what the version that comes of it is called."""

    by: int
    at: datetime
    """With a zone."""
    edition: str
    """What tells that version from any other with the same number, as in a backup that is restored and goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """A text by one author, and when it is for everybody to read."""

    id: int
    author_id: int
    manuscript: Manuscript
    rendition: Rendition
    slug: Slug
    """What its address is to be."""
    address: Slug | None
    """The slug under which it was out last, which is its own for ever; `slug`, unless another was sent since."""
    featured: bool
    publish_at: datetime | None
    unpublish_at: datetime | None
    published_at: datetime | None
    """When it was first there for everybody, or will be."""
    version: int
    edition: str
    """Names the version: its number, and what no other version has."""
    text_version: int
    """The version in which the manuscript last changed."""
    created_at: datetime
    updated_at: datetime
    language: Language | None = None
    has_working_copy: bool = False
    """Whether there is a working copy of it. That is kept with the copy: to save the article does not change it."""

    @classmethod
    def write(
        cls,
        stamp: Stamp,
        *,
        id: int,  # noqa: A002
        manuscript: Manuscript,
        rendition: Rendition,
        slug: Slug,
        publication: Publication,
    ) -> Self:
        """A new article: a draft, unless `publication` says otherwise. Raises `Contradiction`."""
        draft = cls(
            id=id,
            author_id=stamp.by,
            manuscript=manuscript,
            rendition=rendition,
            slug=slug,
            address=None,
            featured=False,
            publish_at=None,
            unpublish_at=None,
            published_at=None,
            version=1,
            edition=f"1-{stamp.edition}",
            text_version=1,
            created_at=stamp.at,
            updated_at=stamp.at,
        )
        return draft._set(stamp.at, publication)

    @property
    def date(self) -> datetime:
        """By what lists are in order: when it was first there for everybody, or will be; else when it was written."""
        return self.published_at or self.created_at

    def status(self, at: datetime) -> Status:
        """Where the article stands at that moment."""
        return Status.at(at, publish_at=self.publish_at, unpublish_at=self.unpublish_at)

    def visible_to(self, viewer: int | None, *, at: datetime) -> bool:
        """Whether this user, or nobody in particular, may read the article at that moment."""
        return self.author_id == viewer or self.status(at) is Status.PUBLISHED

    def changed_at(self, at: datetime) -> datetime:
        """When the article became what it is at that moment: by a change, or because it came out."""
        if self.published_at is None or self.published_at > at:
            return self.updated_at
        return max(self.updated_at, self.published_at)

    def check_changeable_by(self, actor: int, *, at: datetime, expected: Precondition = ANY_VERSION) -> None:
        """Refuse everybody but the author, and a change by the author that was made for another version.

        Raises `ArticleNotFound` to somebody who may not even read it, `NotTheAuthor` to the others, `EditedMeanwhile`
        and `VersionExcluded` to the author.
        """
        if not self.visible_to(actor, at=at):
            raise ArticleNotFound
        if self.author_id != actor:
            raise NotTheAuthor
        expected.check(
            version=self.version,
            edition=self.edition,
            changed_by=self.author_id,
            changed_at=self.changed_at(at),
        )

    def edit(
        self,
        stamp: Stamp,
        *,
        expected: Precondition = ANY_VERSION,
        rendition: Rendition | None = None,
        **changes: Unpack[Changes],
    ) -> Self:
        """The article with what is given changed, and everything else as it was.

        `rendition` is that of the new content. An edit that changes nothing makes no new version. Raises what
        `check_changeable_by` raises, and `Contradiction`.
        """
        self.check_changeable_by(stamp.by, at=stamp.at, expected=expected)
        text, publication = divide(changes)
        return self._become(stamp, replace(self.manuscript, **text), rendition, publication)

    def rewrite(self, stamp: Stamp, manuscript: Manuscript, rendition: Rendition) -> Self:
        """The article with another text in the place of its own. Raises as `edit` does."""
        self.check_changeable_by(stamp.by, at=stamp.at)
        return self._become(stamp, manuscript, rendition, {})

    def archive(self, stamp: Stamp, *, expected: Precondition = ANY_VERSION) -> Self:
        """The article put away: nobody but its author reads it from now on. Raises as `edit` does."""
        self.check_changeable_by(stamp.by, at=stamp.at, expected=expected)
        status = self.status(stamp.at)
        if status is Status.ARCHIVED:
            return self
        archived: Publication = {"unpublish_at": stamp.at}
        if status is Status.SCHEDULED:
            archived["publish_at"] = None
        return self._become(stamp, self.manuscript, self.rendition, archived)

    def came_out(self, at: datetime) -> bool:
        """Whether it came out by itself since it was saved, and has not taken its address yet."""
        return self.publish_at is not None and self.updated_at < self.publish_at <= at and self.address != self.slug

    def settle(self, address: Slug) -> Self:
        """The article with this address taken."""
        return replace(self, slug=address, address=address)

    def _become(
        self, stamp: Stamp, manuscript: Manuscript, rendition: Rendition | None, publication: Publication
    ) -> Self:
        if rendition is None or manuscript.content == self.manuscript.content:
            rendition = self.rendition
        changed = replace(self, manuscript=manuscript, rendition=rendition)._set(stamp.at, publication)
        if changed == self:
            return self
        version = self.version + 1
        return replace(
            changed,
            version=version,
            edition=f"{version}-{stamp.edition}",
            text_version=self.text_version if manuscript == self.manuscript else version,
            updated_at=stamp.at,
        )

    def _set(self, at: datetime, publication: Publication) -> Self:
        check_publication(**publication)
        publish_at = publication.get("publish_at", self.publish_at)
        unpublish_at = publication.get("unpublish_at", self.unpublish_at)
        published, status = publication.get("published"), self.status(at)
        if not publication.keys().isdisjoint({"publish_at", "unpublish_at"}):
            out = Status.at(at, publish_at=publish_at, unpublish_at=unpublish_at) is Status.PUBLISHED
            if published not in (None, out):
                raise Contradiction("published", OTHERWISE)
        elif published is True and status is not Status.PUBLISHED:
            publish_at = at
            unpublish_at = None if status is Status.ARCHIVED else unpublish_at
        elif published is False and status is Status.PUBLISHED:
            publish_at = unpublish_at = None
        publish_at, unpublish_at = _utc(publish_at, unpublish_at)
        if publish_at and unpublish_at and unpublish_at < publish_at:
            raise Contradiction("unpublish_at", EARLIER)
        was_out = self.published_at is not None and self.published_at <= at
        published_at = self.published_at
        given = publication.get("publish_at")
        # Another moment that is past: the article was there earlier, or elsewhere.
        redated = given is not None and given != self.publish_at and given <= at
        if not was_out or redated:
            published_at = publish_at
        return replace(
            self,
            slug=publication.get("slug", self.slug),
            featured=publication.get("featured", self.featured),
            language=publication.get("language", self.language),
            publish_at=publish_at,
            unpublish_at=unpublish_at,
            published_at=published_at,
        )


def _utc(publish_at: datetime | None, unpublish_at: datetime | None) -> tuple[datetime | None, datetime | None]:
    return publish_at and utc_of("publish_at", publish_at), unpublish_at and utc_of("unpublish_at", unpublish_at)


def utc_of(field: str, moment: datetime) -> datetime:
    """The moment in UTC. Raises `Contradiction` where it has no zone, or is out of the calendar."""
    if moment.tzinfo is None:
        raise Contradiction(field, "Must carry a zone, such as the Z of 2026-03-04T12:00:00Z.")
    # Away from the ends of what a calendar, a database and their zones can say.
    if not YEARS[0] <= moment.year <= YEARS[1]:
        raise Contradiction(field, f"Must be within the years {YEARS[0]} to {YEARS[1]}.")
    return moment.astimezone(UTC)
