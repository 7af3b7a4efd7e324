"""Feeds and sitemaps of whatever a store may hold, also where no rule of today would let it in."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree  # type: ignore[import-untyped]  # it carries no types

from blog.application.queries import AddressView, ArticleView, AuthorView
from blog.entrypoints.formats import atom, jsonfeed, rss, sitemaps
from blog.entrypoints.formats.feeds import Feed, Site
from tests.builders import NOON, an_article

SITE = Site(name="Blog", url="https://blog.example", authority="blog.example")
ADA = AuthorView(id=11, username="Ada")
SOUND = replace(ArticleView.of(an_article(), viewer=None, at=NOON), author=ADA, content_html="<p>Words.</p>")

# PostgreSQL keeps every character but NUL and surrogates.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50)
moments = st.datetimes(timezones=st.just(UTC))
links = st.sampled_from(
    ["https://[1]/x.png", "//[1", "http://a:99999/", "x", "?", "//\u2100", "https://a.example/b.png"]
)
views = st.builds(
    lambda username, **fields: replace(SOUND, author=AuthorView(id=1, username=username), **fields),
    username=texts,
    id=st.integers(1, 2**63 - 1),
    title=texts,
    slug=texts,
    summary=texts,
    tags=st.lists(texts, max_size=3),
    cover_image_url=st.none() | texts | links,
    cover_image_alt=st.none() | texts,
    canonical_url=st.none() | texts | links,
    language=st.none() | texts,
    content_html=st.none() | texts | (texts | links).map('<p title="<a">a</p><a href="{}">b</a><img src="c'.format),
    created_at=moments,
    updated_at=moments,
    published_at=moments,
)


def feed_of(*articles: ArticleView) -> Feed:
    address = "https://blog.example/feed"
    return Feed(site=SITE, title="Blog", home=address, page=address, first=address, articles=articles)


def xml(document: bytes) -> Any:
    return etree.fromstring(document, etree.XMLParser(resolve_entities=False, no_network=True))


@given(view=views)
@example(view=replace(SOUND, cover_image_url="https://[1]/x.png", canonical_url="//[1"))
def test_no_article_keeps_another_out_of_a_feed(view: ArticleView) -> None:
    feed = feed_of(view, SOUND)
    assert len(xml(atom.write(feed)).findall("{*}entry")) == 2
    assert len(xml(rss.write(feed)).findall("channel/item")) == 2
    first, second = json.loads(jsonfeed.write(feed))["items"]
    assert (first["title"], second["title"]) == (view.title, SOUND.title)


@given(slug=texts, changed_at=moments)
def test_no_article_keeps_another_out_of_a_sitemap(slug: str, changed_at: datetime) -> None:
    addresses = [AddressView(id=1, slug=slug, changed_at=changed_at), AddressView(id=2, slug="a", changed_at=NOON)]
    assert len(xml(sitemaps.write(SITE, addresses))) == 2


def test_what_is_left_out_of_a_feed_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    feed = feed_of(replace(SOUND, id=7, cover_image_url="https://[1]/x.png"))
    for write in (atom.write, rss.write, jsonfeed.write):
        caplog.clear()
        assert b"[1]" not in write(feed)
        (line,) = caplog.messages
        assert line == "A feed leaves out cover_image_url of article 7: 'https://[1]/x.png' is no web address."


def test_a_sitemap_and_an_index_of_nothing_are_empty() -> None:
    assert len(xml(sitemaps.write(SITE, []))) == len(xml(sitemaps.write_index(SITE, []))) == 0
