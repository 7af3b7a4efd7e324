"""The working copy of an article."""

from dataclasses import replace
from typing import Annotated

import msgspec
from litestar import delete, get, patch, post

from blog.application.ports import Reply, TransactionFactory
from blog.application.queries import WorkingCopyView
from blog.domain.articles import ArticleNotFound, NotTheAuthor, Title
from blog.domain.preconditions import EditedMeanwhile, VersionExcluded
from blog.domain.working_copies import WorkingCopyNotFound
from blog.entrypoints.http.articles import (
    ArticlePath,
    LongContent,
    TextFields,
    article_number,
    article_reply,
    given,
)
from blog.entrypoints.http.authentication import signed_in
from blog.entrypoints.http.contract import Contract
from blog.entrypoints.http.listing import ArticleReply
from blog.entrypoints.http.replies import Answer, once, reply, respond
from blog.entrypoints.http.requests import ApiRequest, PathWord


class WorkingCopyChanges(TextFields):
    """What is to change in the copy; what is not sent stays as it is, and null clears."""

    title: Title | msgspec.UnsetType = msgspec.UNSET
    content: LongContent | msgspec.UnsetType = msgspec.UNSET
    based_on: (
        Annotated[
            int,
            msgspec.Meta(
                ge=1,
                le=2**31 - 1,
                description="The version of the article whose text the copy is to replace: accepts that text.",
            ),
        ]
        | msgspec.UnsetType
    ) = msgspec.UNSET


PROBLEMS = (NotTheAuthor, ArticleNotFound)


@get(
    "/articles/{article_id:str}/working-copy",
    tags=["working copies"],
    guards=[signed_in],
    contract=Contract(
        path=ArticlePath,
        reply=WorkingCopyView,
        headers=("ETag",),
        problems=(*PROBLEMS, WorkingCopyNotFound),
    ),
)
async def show_working_copy(article_id: PathWord, request: ApiRequest[None, None]) -> Answer:
    """The working copy of an article of yours."""
    return respond(_reply(await request.blog.reworking.show(actor=request.actor, article=article_number(article_id))))


@patch(
    "/articles/{article_id:str}/working-copy",
    tags=["working copies"],
    guards=[signed_in],
    contract=Contract(
        path=ArticlePath,
        body=WorkingCopyChanges,
        reply=WorkingCopyView,
        if_match=True,
        headers=("ETag",),
        problems=(*PROBLEMS, EditedMeanwhile, VersionExcluded),
    ),
)
async def save_working_copy(article_id: PathWord, request: ApiRequest[WorkingCopyChanges, None]) -> Answer:
    """Change the working copy of an article of yours, and nothing that readers see.

    It begins, with the first change, as what the article is. Where the text of the article was changed directly
    since, read the article, take into the copy what is to stay, and send the `version` that you read as `based_on`:
    the copy can be published again. Refused (412) where the text was changed after that version, too.
    """
    return respond(
        _reply(
            await request.blog.reworking.save(
                actor=request.actor,
                article=article_number(article_id),
                expected=request.precondition,
                **given(request.payload),
            )
        )
    )


@delete(
    "/articles/{article_id:str}/working-copy",
    tags=["working copies"],
    guards=[signed_in],
    contract=Contract(
        path=ArticlePath,
        if_match=True,
        problems=(*PROBLEMS, WorkingCopyNotFound, EditedMeanwhile, VersionExcluded),
    ),
)
async def discard_working_copy(article_id: PathWord, request: ApiRequest[None, None]) -> None:
    """Forget the working copy of an article of yours."""
    await request.blog.reworking.discard(
        actor=request.actor, article=article_number(article_id), expected=request.precondition
    )


@post(
    "/articles/{article_id:str}/working-copy/publish",
    status_code=200,
    tags=["working copies"],
    guards=[signed_in],
    contract=Contract(
        path=ArticlePath,
        reply=ArticleReply,
        if_match=True,
        once=True,
        headers=("ETag",),
        problems=(*PROBLEMS, WorkingCopyNotFound, EditedMeanwhile, VersionExcluded),
    ),
)
async def publish_working_copy(article_id: PathWord, request: ApiRequest[None, None]) -> Answer:
    """Put the working copy in the place of the article's text.

    Refused (412) where that text was changed after the version that the copy is `based_on`: change `based_on` to the
    version whose text you accept, or discard the copy. `If-Match` names a version of the copy.
    """

    async def publish(transaction: TransactionFactory) -> Reply:
        publishing = replace(request.blog.reworking, transaction=transaction)
        return article_reply(
            await publishing.publish(
                actor=request.actor, article=article_number(article_id), expected=request.precondition
            )
        )

    return await once(request, publish)


def _reply(copy: WorkingCopyView) -> Reply:
    return reply(copy, edition=copy.edition)
