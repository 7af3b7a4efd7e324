"""Revisions of an article."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post

from blog.application.ports import Reply, TransactionFactory
from blog.application.queries import plain
from blog.application.revising import Revising
from blog.domain.articles import ArticleNotFound, NotTheAuthor
from blog.domain.preconditions import EditedMeanwhile, Precondition, VersionExcluded
from blog.domain.revisions import Change, RevisionNotFound
from blog.entrypoints.formats.feeds import Site
from blog.entrypoints.http.articles import ARTICLE, ArticlePath, article_reply
from blog.entrypoints.http.contract import JSON, Contract, Query
from blog.entrypoints.http.listing import ArticleReply, links
from blog.entrypoints.http.replies import Answer, Once

Version = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1, description="The number of a version.")]


class ChangeReply(msgspec.Struct, kw_only=True):
    """How a version came about."""

    version: int
    changed_by: Annotated[int, msgspec.Meta(description="The `id` of a user.")]
    changed_at: datetime
    changed: Annotated[Sequence[str], msgspec.Meta(description="The fields that the version before had otherwise.")]
    note: str | None


class RevisionReply(ChangeReply, kw_only=True):
    """A version, and its text."""

    title: str
    content: str
    summary: str | None
    tags: Sequence[str]
    cover_image_url: str | None
    cover_image_alt: str | None
    canonical_url: str | None


class Comparison(msgspec.Struct, kw_only=True):
    """What changed from one version to another."""

    version: int
    against: int
    diff: Annotated[str, msgspec.Meta(description="A unified diff of fields and content; empty for no difference.")]


class RevisionPage(Query):
    """Which revisions of the list."""

    skip: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000, description="How many to leave out.")] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=100, description="How many to show at most.")] = 100


class Against(Query):
    """What to compare with."""

    against: Version


class RevisionPath(ArticlePath):
    """Which version of which article."""

    version: Version


def version_number(version: str) -> int:
    """The number in the path; whatever is none names no version."""
    if not re.fullmatch(r"[0-9]{1,9}", version):
        raise RevisionNotFound
    return int(version)


REVISION = ARTICLE | {"number": version_number}
PROBLEMS = (NotTheAuthor, ArticleNotFound)


@get(
    "/articles/{article_id:str}/revisions",
    tags=["revisions"],
    dependencies=ARTICLE,
    contract=Contract(
        path=ArticlePath,
        query=RevisionPage,
        reply=list[ChangeReply],
        signed_in=True,
        headers=("Link",),
        problems=PROBLEMS,
    ),
)
async def list_revisions(
    article: int,
    parameters: RevisionPage,
    actor: int,
    revising: Revising,
    site: Site,
    request: Request[Any, Any, Any],
) -> Answer:
    """What was done to an article of yours, the newest first."""
    skip, limit = parameters.skip, parameters.limit
    changes = await revising.changes(actor=actor, article=article, skip=skip, limit=limit + 1)
    content = msgspec.json.encode([ChangeReply(**_change(change)) for change in changes[:limit]])
    headers = links(request, site, skip=skip, limit=limit, more=len(changes) > limit)
    return Answer(content, media_type=JSON, headers=headers)


@get(
    "/articles/{article_id:str}/revisions/{version:str}",
    tags=["revisions"],
    dependencies=REVISION,
    contract=Contract(path=RevisionPath, signed_in=True, problems=(*PROBLEMS, RevisionNotFound)),
)
async def show_revision(
    article: int,
    number: int,
    actor: int,
    revising: Revising,
) -> RevisionReply:
    """What an article of yours was."""
    revision = await revising.read(actor=actor, article=article, version=number)
    return RevisionReply(**_change(revision), **plain(revision.manuscript))


@get(
    "/articles/{article_id:str}/revisions/{version:str}/diff",
    tags=["revisions"],
    dependencies=REVISION,
    contract=Contract(path=RevisionPath, query=Against, signed_in=True, problems=(*PROBLEMS, RevisionNotFound)),
)
async def compare_revisions(
    article: int,
    number: int,
    parameters: Against,
    actor: int,
    revising: Revising,
) -> Comparison:
    """What a version of an article of yours changed against another.

    Where the versions differ in very many lines, all lines of the one are replaced by all lines of the other. What
    still takes too long to compare is refused (422).
    """
    diff = await revising.compare(actor=actor, article=article, version=number, against=parameters.against)
    return Comparison(version=number, against=parameters.against, diff=diff)


@post(
    "/articles/{article_id:str}/revisions/{version:str}/restore",
    status_code=200,
    tags=["revisions"],
    dependencies=REVISION,
    contract=Contract(
        path=RevisionPath,
        reply=ArticleReply,
        signed_in=True,
        if_match=True,
        once=True,
        headers=("ETag",),
        problems=(*PROBLEMS, RevisionNotFound, EditedMeanwhile, VersionExcluded),
    ),
)
async def restore_revision(
    article: int,
    number: int,
    actor: int,
    expected: Precondition,
    revising: Revising,
    once: Once,
) -> Answer:
    """Make the text of an article of yours what it was in a version before.

    That is a new version itself.
    """

    async def restore(transaction: TransactionFactory) -> Reply:
        restoring = replace(revising, transaction=transaction)
        return article_reply(await restoring.restore(actor=actor, article=article, version=number, expected=expected))

    return await once(restore)


def _change(change: Change) -> dict[str, Any]:
    return {
        "version": change.version,
        "changed_by": change.by,
        "changed_at": change.at,
        "changed": change.changed,
        "note": None if change.note is None else str(change.note),
    }
