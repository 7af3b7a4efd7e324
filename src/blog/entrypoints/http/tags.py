"""Tags."""

from typing import Annotated

import msgspec
from litestar import get

from blog.application.queries import TagView
from blog.entrypoints.http.contract import JSON, Contract, Query
from blog.entrypoints.http.replies import Answer
from blog.entrypoints.http.requests import ApiRequest


class TagPage(Query, frozen=True):
    """Which tags of the list."""

    skip: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000, description="How many to leave out.")] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000, description="How many to show at most.")] = 100


@get("/tags", tags=["articles"], contract=Contract(viewer=True, query=TagPage, reply=list[TagView]))
async def list_tags(request: ApiRequest[None, TagPage]) -> Answer:
    """The tags of the articles that you may read, the most frequent first."""
    parameters = request.parameters
    # However few are shown, all articles are counted.
    async with request.limits.tags:
        tags = await request.blog.article_queries.tags(
            viewer=request.viewer, skip=parameters.skip, limit=parameters.limit
        )
    return Answer(msgspec.json.encode(tags), media_type=JSON)
