"""What search engines read first: where all articles are, and what is not for them."""

import asyncio
from typing import Annotated

import msgspec
from litestar import get

from blog.entrypoints.formats import sitemaps
from blog.entrypoints.http.contract import Contract, LinkQuery
from blog.entrypoints.http.replies import Answer
from blog.entrypoints.http.requests import ApiRequest

URLS = 50_000
"""How many a sitemap may hold (sitemaps.org)."""

LAST_PART = 2**63 // URLS - 1


class SitemapPage(LinkQuery, frozen=True):
    """Which part of the sitemap."""

    part: Annotated[int, msgspec.Meta(ge=0, le=LAST_PART, description="As the index says.")] | msgspec.UnsetType = (
        msgspec.UNSET
    )


@get(
    "/sitemap.xml",
    tags=["feeds"],
    contract=Contract(query=SitemapPage, reply={sitemaps.MEDIA_TYPE: str}),
)
async def show_sitemap(request: ApiRequest[None, SitemapPage]) -> Answer:
    """Where all articles are that anybody may read.

    It is an index of parts where there are too many for one. Where there is no article, the sitemap or its part is
    empty.
    """
    parameters = request.parameters
    async with request.limits.sitemaps:
        if parameters.part is msgspec.UNSET:
            parts = await request.blog.article_queries.parts(size=URLS)
            if len(parts) > 1:
                return _reply(sitemaps.write_index(request.site, parts))
            part = parts[0] if parts else 0
        else:
            part = parameters.part
        addresses = await request.blog.article_queries.addresses(part=part, size=URLS)
        # A second's work, where there are tens of thousands.
        return _reply(await asyncio.to_thread(sitemaps.write, request.site, addresses))


def _reply(content: bytes) -> Answer:
    return Answer(content, media_type=f"{sitemaps.MEDIA_TYPE}; charset=utf-8")


@get(
    "/robots.txt",
    tags=["feeds"],
    sync_to_thread=False,
    contract=Contract(query=LinkQuery, reply={"text/plain": str}),
)
def show_robots(request: ApiRequest[None, None]) -> Answer:
    """What robots may read: everything but previews."""
    return Answer(sitemaps.robots(request.site), media_type="text/plain; charset=utf-8")
