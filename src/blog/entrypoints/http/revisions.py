"""Revisions of an article."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import get, post

from blog.application.ports import Reply, TransactionFactory
from blog.application.queries import plain
from blog.domain.articles import ArticleNotFound, NotTheAuthor
from blog.domain.preconditions import EditedMeanwhile, VersionExcluded
from blog.domain.revisions import Change, RevisionNotFound
from blog.entrypoints.http.articles import ArticlePath, article_number, article_reply
from blog.entrypoints.http.authentication import signed_in
from blog.entrypoints.http.contract import JSON, Contract, Query
from blog.entrypoints.http.listing import ArticleReply, links
from blog.entrypoints.http.replies import Answer, once
from blog.entrypoints.http.requests import ApiRequest, PathWord

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


class RevisionPage(Query, frozen=True):
    """Which revisions of the list."""

    skip: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000, description="How many to leave out.")] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=100, description="How many to show at most.")] = 100


class Against(Query, frozen=True):
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


PROBLEMS = (NotTheAuthor, ArticleNotFound)


@get(
    "/articles/{article_id:str}/revisions",
    tags=["revisions"],
    guards=[signed_in],
    contract=Contract(
        path=ArticlePath,
        query=RevisionPage,
        reply=list[ChangeReply],
        headers=("Link",),
        problems=PROBLEMS,
    ),
)
async def list_revisions(article_id: PathWord, request: ApiRequest[None, RevisionPage]) -> Answer:
    """What was done to an article of yours, the newest first."""
    skip, limit = request.parameters.skip, request.parameters.limit
    changes = await request.blog.revising.changes(
        actor=request.actor, article=article_number(article_id), skip=skip, limit=limit + 1
    )
    content = msgspec.json.encode([ChangeReply(**_change(change)) for change in changes[:limit]])
    headers = links(request, request.site, skip=skip, limit=limit, more=len(changes) > limit)
    return Answer(content, media_type=JSON, headers=headers)


@get(
    "/articles/{article_id:str}/revisions/{version:str}",
    tags=["revisions"],
    guards=[signed_in],
    contract=Contract(path=RevisionPath, reply=RevisionReply, problems=(*PROBLEMS, RevisionNotFound)),
)
async def show_revision(article_id: PathWord, version: PathWord, request: ApiRequest[None, None]) -> Answer:
    """What an article of yours was."""
    number = version_number(version)
    revision = await request.blog.revising.read(
        actor=request.actor, article=article_number(article_id), version=number
    )
    shown = RevisionReply(**_change(revision), **plain(revision.manuscript))
    return Answer(msgspec.json.encode(shown), media_type=JSON)


@get(
    "/articles/{article_id:str}/revisions/{version:str}/diff",
    tags=["revisions"],
    guards=[signed_in],
    contract=Contract(path=RevisionPath, query=Against, reply=Comparison, problems=(*PROBLEMS, RevisionNotFound)),
)
async def compare_revisions(article_id: PathWord, version: PathWord, request: ApiRequest[None, Against]) -> Answer:
    """What a version of an article of yours changed against another.

    Where the versions differ in very many lines, all lines of the one are replaced by all lines of the other. What
    still takes too long to compare is refused (422).
    """
    number, against = version_number(version), request.parameters.against
    diff = await request.blog.revising.compare(
        actor=request.actor, article=article_number(article_id), version=number, against=against
    )
    shown = Comparison(version=number, against=against, diff=diff)
    return Answer(msgspec.json.encode(shown), media_type=JSON)


@post(
    "/articles/{article_id:str}/revisions/{version:str}/restore",
    status_code=200,
    tags=["revisions"],
    guards=[signed_in],
    contract=Contract(
        path=RevisionPath,
        reply=ArticleReply,
        if_match=True,
        once=True,
        headers=("ETag",),
        problems=(*PROBLEMS, RevisionNotFound, EditedMeanwhile, VersionExcluded),
    ),
)
async def restore_revision(article_id: PathWord, version: PathWord, request: ApiRequest[None, None]) -> Answer:
    """Make the text of an article of yours what it was in a version before.

    That is a new version itself.
    """
    number = version_number(version)

    async def restore(transaction: TransactionFactory) -> Reply:
        restoring = replace(request.blog.revising, transaction=transaction)
        return article_reply(
            await restoring.restore(
                actor=request.actor, article=article_number(article_id), version=number, expected=request.precondition
            )
        )

    return await once(request, restore)


def _change(change: Change) -> dict[str, Any]:
    return {
        "version": change.version,
        "changed_by": change.by,
        "changed_at": change.at,
        "changed": change.changed,
        "note": None if change.note is None else str(change.note),
    }
