"""Previews of what is not published."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, post

from blog.domain.articles import ArticleNotFound, NotTheAuthor
from blog.domain.previews import Preview, Previewed, PreviewNotFound
from blog.domain.working_copies import WorkingCopyNotFound
from blog.entrypoints.http.articles import ArticlePath, article_number
from blog.entrypoints.http.authentication import signed_in
from blog.entrypoints.http.contract import JSON, Body, Contract, LinkQuery
from blog.entrypoints.http.listing import ArticleReply, IncludeList, Selection
from blog.entrypoints.http.replies import Answer
from blog.entrypoints.http.requests import ApiRequest, PathWord

DAY = 24 * 60 * 60

# Whoever has the link reads on; nobody else is to find it in a cache, a search engine or another site's log.
SECRET = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex", "Referrer-Policy": "no-referrer"}


class NewPreview(Body):
    """What to show, and for how long."""

    of: Previewed = Previewed.ARTICLE
    expires_in: Annotated[int, msgspec.Meta(ge=60, le=30 * DAY, description="Seconds.")] = 7 * DAY


class PreviewReply(msgspec.Struct, kw_only=True):
    """A preview."""

    id: int
    article_id: int
    of: Previewed
    created_at: datetime
    expires_at: datetime


class IssuedPreviewReply(PreviewReply, kw_only=True):
    """A preview, and the link that opens it, which is told this once."""

    token: str
    url: Annotated[str, msgspec.Meta(description="The link, as an absolute path.")]


class PreviewPath(ArticlePath):
    """Which preview of which article."""

    preview_id: Annotated[int, msgspec.Meta(ge=1, le=10**18 - 1, description="The `id` of a preview.")]


class PreviewToken(LinkQuery, frozen=True):
    """What opens a preview."""

    token: Annotated[str, msgspec.Meta(max_length=1000, description="The token of the link.")]


def preview_number(preview_id: str) -> int:
    """The number in the path; whatever is none names no preview."""
    if not re.fullmatch(r"[0-9]{1,18}", preview_id):
        raise PreviewNotFound
    return int(preview_id)


PROBLEMS = (NotTheAuthor, ArticleNotFound)
WITH_HTML = Selection(include=IncludeList("content_html"))


@post(
    "/articles/{article_id:str}/previews",
    tags=["previews"],
    guards=[signed_in],
    contract=Contract(
        path=ArticlePath,
        body=NewPreview,
        headers=("Cache-Control",),
        problems=(*PROBLEMS, WorkingCopyNotFound),
    ),
)
async def issue_preview(article_id: PathWord, request: ApiRequest[NewPreview, None]) -> Response[IssuedPreviewReply]:
    """Make a link that shows an article of yours, or its working copy, to whoever has it."""
    payload = request.payload
    lifetime = timedelta(seconds=payload.expires_in)
    issued = await request.blog.previewing.issue(
        actor=request.actor, article=article_number(article_id), of=payload.of, lifetime=lifetime
    )
    url = f"{request.site.path}/preview?token={issued.token}"
    content = IssuedPreviewReply(**_shown(issued.preview), token=issued.token, url=url)
    return Response(content, headers=SECRET)


@get(
    "/articles/{article_id:str}/previews",
    tags=["previews"],
    guards=[signed_in],
    contract=Contract(path=ArticlePath, problems=PROBLEMS),
)
async def list_previews(article_id: PathWord, request: ApiRequest[None, None]) -> Sequence[PreviewReply]:
    """The previews of an article of yours that have not expired, the newest first."""
    return [
        PreviewReply(**_shown(preview))
        for preview in await request.blog.previewing.list(actor=request.actor, article=article_number(article_id))
    ]


@delete(
    "/articles/{article_id:str}/previews/{preview_id:str}",
    tags=["previews"],
    guards=[signed_in],
    contract=Contract(path=PreviewPath, problems=(*PROBLEMS, PreviewNotFound)),
)
async def revoke_preview(article_id: PathWord, preview_id: PathWord, request: ApiRequest[None, None]) -> None:
    """Take a link back."""
    await request.blog.previewing.revoke(
        actor=request.actor, article=article_number(article_id), preview=preview_number(preview_id)
    )


@get(
    "/preview",
    tags=["previews"],
    contract=Contract(
        query=PreviewToken, reply=ArticleReply, headers=("Cache-Control",), problems=(PreviewNotFound,)
    ),
)
async def show_preview(request: ApiRequest[None, PreviewToken]) -> Answer:
    """What a link shows, as it stands, with its HTML."""
    article = await request.blog.previewing.show(request.parameters.token)
    return Answer(msgspec.json.encode(WITH_HTML.shown(article)), media_type=JSON, headers=SECRET)


def _shown(preview: Preview) -> dict[str, Any]:
    return {
        "id": preview.id,
        "article_id": preview.article_id,
        "of": preview.of,
        "created_at": preview.created_at,
        "expires_at": preview.expires_at,
    }
