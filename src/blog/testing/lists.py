"""What a store promises of lists: which articles, in what order, which part of them, and what of each."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from blog.application.queries import RANKED, AddressView, ArticleFilter, AuthorView, Include, Order, Place, Sort
from blog.domain.articles import Article, Content, Language, Status, Summary, Title
from blog.domain.searches import SearchWords
from blog.domain.tags import Tags
from blog.domain.users import Username
from blog.testing.builders import NOON, a_draft
from blog.testing.keeping import (
    SOMEBODY_ELSE,
    Storage,
    keep_article,
    keep_bob,
    keep_draft,
    keep_user,
    revision_of,
    view_of,
)

DAY = timedelta(days=1)
ORDERS = [Order(by=by, ascending=ascending) for by in Sort if by is not Sort.RELEVANCE for ascending in (False, True)]


async def listed(storage: Storage, viewer: int | None = None, *, limit: int = 100, **wanted: Any) -> list[int]:
    """The ids of the articles on a page."""
    return [view.id for view in (await storage.articles.page(viewer=viewer, limit=limit, **wanted)).articles]


async def found(storage: Storage, words: str, viewer: int | None = None) -> set[int]:
    """The ids of the articles that a search finds."""
    return set(await listed(storage, viewer, filter=ArticleFilter(words=SearchWords(words))))


def moment_of(article: Article, by: Sort) -> datetime:
    moment = getattr(article, by.value)
    assert isinstance(moment, datetime)
    return moment


def place_of(article: Article, by: Sort) -> Place:
    return Place(moment=moment_of(article, by), id=article.id)


class StoredLists:
    async def test_a_filter_narrows_down_by_all_that_it_says(self, storage: Storage) -> None:
        ada, bob = await keep_user(storage), await keep_bob(storage)
        one = await keep_article(storage, ada, tags=Tags(["Looms"]), published_at=NOON - 9 * DAY)
        two = await keep_article(
            storage, bob, featured=False, language=Language("De-AT"), published_at=NOON - 5 * DAY
        )
        draft = await keep_draft(storage, ada, featured=True)
        for wanted, expected in (
            ({}, {one, two, draft}),
            ({"author": Username("ADA.L")}, {one, draft}),
            ({"author": Username("nobody")}, set()),
            ({"tags": Tags(["LOOMS"])}, {one, two, draft}),
            ({"tags": Tags(["looms", "engines"])}, {two, draft}),
            ({"status": Status.PUBLISHED}, {one, two}),
            ({"status": Status.DRAFT}, {draft}),
            ({"status": Status.ARCHIVED}, set()),
            ({"featured": True}, {one, draft}),
            ({"featured": False}, {two}),
            ({"language": Language("de")}, {two}),
            ({"language": Language("DE-at")}, {two}),
            ({"language": Language("de-A")}, set()),
            ({"language": Language("de-AT-1996")}, set()),
            ({"language": Language("en")}, {one, draft}),
            ({"language": Language("EN-gb")}, {one, draft}),
            ({"language": Language("fr")}, set()),
            ({"published_after": NOON - 9 * DAY}, {two}),
            ({"published_before": NOON - 5 * DAY}, {one}),
            ({"published_after": NOON - 9 * DAY, "published_before": NOON - 5 * DAY}, set()),
            ({"author": Username("Ada.L"), "featured": True, "status": Status.PUBLISHED}, {one}),
        ):
            ids = await listed(storage, ada.id, filter=ArticleFilter(**wanted))
            assert set(ids) == {article.id for article in expected}, wanted

    @pytest.mark.parametrize("status", [None, *Status])
    async def test_no_filter_and_no_order_shows_what_is_hidden(self, storage: Storage, status: Status | None) -> None:
        user = await keep_user(storage)
        later = {"publish_at": NOON + DAY, "published_at": NOON + DAY}
        hidden = [
            await keep_draft(storage, user),
            await keep_article(storage, user, **later),
            await keep_article(storage, user, unpublish_at=NOON - DAY),
        ]
        assert len(await listed(storage, user.id)) == len(hidden)
        wanted = ArticleFilter(author=user.username, status=status)
        for viewer in (None, SOMEBODY_ELSE):
            for order in ORDERS:
                page = await storage.articles.page(viewer=viewer, limit=9, filter=wanted, order=order, count=True)
                assert (page.articles, page.more, page.total) == ([], False, 0)
            searched = ArticleFilter(words=SearchWords("engine"), status=status)
            assert await listed(storage, viewer, filter=searched) == []

    @pytest.mark.parametrize("order", ORDERS)
    async def test_lists_are_in_order_and_go_on_from_any_place(self, storage: Storage, order: Order) -> None:
        user = await keep_user(storage)
        # Two of them within one microsecond.
        kept = [
            await keep_article(
                storage,
                user,
                created_at=NOON + first * DAY,
                updated_at=NOON + second * DAY,
                published_at=NOON - third * DAY,
            )
            for first, second, third in ((1, 40, 7), (3, 30, 5), (3, 30, 5), (2, 60, 6), (5, 50, 9))
        ]
        kept.sort(key=lambda article: (moment_of(article, order.by), article.id), reverse=not order.ascending)
        ids = [article.id for article in kept]
        assert await listed(storage, order=order) == ids
        for at, article in enumerate(kept):
            for limit in (1, 2, 9):
                for beyond, there in (("after", ids[at + 1 :][:limit]), ("before", ids[:at][-limit:])):
                    place: dict[str, Any] = {beyond: place_of(article, order.by)}
                    page = await storage.articles.page(viewer=None, limit=limit, order=order, count=True, **place)
                    assert [view.id for view in page.articles] == there
                    assert page.more == (limit < (len(ids) - at - 1 if beyond == "after" else at))
                    assert page.total == len(ids)

    async def test_a_place_outlives_the_article_that_was_there(self, storage: Storage) -> None:
        kept = await keep_article(storage, await keep_user(storage))
        around = Place(moment=kept.date, id=kept.id + 1), Place(moment=kept.date, id=kept.id - 1)
        for order in (Order(), Order(ascending=True)):
            first, last = around if not order.ascending else around[::-1]
            assert await listed(storage, order=order, after=first) == [kept.id]
            assert await listed(storage, order=order, before=first) == []
            assert await listed(storage, order=order, before=last) == [kept.id]
            assert await listed(storage, order=order, after=last) == []

    async def test_by_default_what_was_published_last_comes_first(self, storage: Storage) -> None:
        """A draft stands where it was created, and what is scheduled where it will be published."""
        user = await keep_user(storage)
        out: dict[str, Any] = {"publish_at": NOON - DAY, "unpublish_at": None}
        imported = await keep_article(storage, user, created_at=NOON, published_at=NOON - 90 * DAY, **out)
        fresh = await keep_article(storage, user, created_at=NOON - 9 * DAY, published_at=NOON - DAY, **out)
        draft = await keep_draft(storage, user, created_at=NOON - 2 * DAY)
        again = await keep_draft(storage, user, created_at=NOON, published_at=NOON - 5 * DAY)
        to_come = await keep_article(
            storage,
            user,
            created_at=NOON - 7 * DAY,
            publish_at=NOON + DAY,
            published_at=NOON + DAY,
            unpublish_at=None,
        )
        for viewer, order in (
            (None, [fresh, imported]),
            (SOMEBODY_ELSE, [fresh, imported]),
            (user.id, [to_come, fresh, draft, again, imported]),
        ):
            page = await storage.articles.page(viewer=viewer, limit=9)
            assert [view.id for view in page.articles] == [article.id for article in order]
            # A view tells where it stands, for the next page to go on from.
            assert [view.date for view in page.articles] == [article.date for article in order]
            ids = [article.id for article in order]
            for at, view in enumerate(page.articles):
                place = Place(moment=view.date, id=view.id)
                assert await listed(storage, viewer, after=place) == ids[at + 1 :]
                assert await listed(storage, viewer, before=place) == ids[:at]
            for wanted in (
                {"author": user.username},
                {"tags": a_draft().manuscript.tags},
                {"featured": True},
                {"language": a_draft().language},
                {"words": SearchWords("engine")},
            ):
                assert await listed(storage, viewer, filter=ArticleFilter(**wanted), order=Order()) == ids
            assert await listed(storage, viewer, order=Order(ascending=True)) == ids[::-1]
            by_creation = sorted(order, key=lambda article: (article.created_at, article.id), reverse=True)
            order_of_before = Order(by=Sort.CREATED_AT)
            assert await listed(storage, viewer, order=order_of_before) == [article.id for article in by_creation]

    async def test_a_place_stays_when_what_is_scheduled_comes_out(self, storage: Storage) -> None:
        user = await keep_user(storage)
        soon = NOON + timedelta(minutes=30)
        scheduled = await keep_article(storage, user, publish_at=soon, published_at=soon)
        before = (await storage.articles.get(scheduled.id, viewer=user.id)).date
        storage.clock.strike(NOON + DAY)
        assert (await storage.articles.get(scheduled.id, viewer=user.id)).date == before == soon

    async def test_what_never_was_out_is_in_no_order_of_publication(self, storage: Storage) -> None:
        user = await keep_user(storage)
        out = await keep_article(storage, user)
        await keep_draft(storage, user, published_at=None)
        await keep_article(storage, user, publish_at=NOON + DAY, published_at=NOON + DAY)
        for ascending in (False, True):
            order = Order(by=Sort.PUBLISHED_AT, ascending=ascending)
            assert await listed(storage, user.id, order=order) == [out.id]

    async def test_a_view_holds_what_was_asked_for(self, storage: Storage) -> None:
        user = await keep_user(storage)
        article = await keep_article(storage, user)
        parts: dict[Include, dict[str, Any]] = {
            Include.AUTHOR: {"author": AuthorView(id=user.id, username=str(user.username))},
            Include.CONTENT_HTML: {"content_html": article.rendition.html},
        }
        for include in ([], [Include.AUTHOR], [Include.CONTENT_HTML], list(Include)):
            expected = view_of(storage, article)
            for part in include:
                expected = replace(expected, **parts[part])
            assert await storage.articles.get(article.id, viewer=None, include=include) == expected
            page = await storage.articles.page(viewer=None, limit=9, include=include)
            assert page.articles == [expected]

    async def test_the_total_is_of_all_pages(self, storage: Storage) -> None:
        user = await keep_user(storage)
        for _ in range(3):
            await keep_article(storage, user)
        await keep_draft(storage, user)
        for viewer, total in ((None, 3), (user.id, 4)):
            for skip in (0, 2, 9):
                page = await storage.articles.page(viewer=viewer, limit=1, skip=skip, count=True)
                assert page.total == total
            assert (await storage.articles.page(viewer=viewer, limit=1)).total is None


class StoredSearch:
    @pytest.mark.parametrize(
        "different",
        [
            {"title": Title("A plover")},
            {"summary": Summary("A Plover, in short.")},
            {"tags": Tags(["plover birds"])},
            {"content": Content("Many words, and a PLOVER among them.")},
        ],
    )
    async def test_words_are_found_wherever_they_stand(self, storage: Storage, different: dict[str, Any]) -> None:
        user = await keep_user(storage)
        await keep_article(storage, user)
        article = await keep_article(storage, user, **different)
        assert await found(storage, "plover") == {article.id}
        assert await found(storage, "nowhere") == set()

    async def test_all_words_have_to_be_there(self, storage: Storage) -> None:
        user = await keep_user(storage)
        texts = ("A green lantern hung there.", "A blue lantern that was green once.")
        plain: dict[str, Any] = {"title": Title("Light"), "summary": None, "tags": Tags()}
        hung, once = [(await keep_article(storage, user, content=Content(text), **plain)).id for text in texts]
        for words, expected in (
            ("green LANTERN", {hung, once}),
            ("green lantern blue", {once}),
            ('"green lantern"', {hung}),
            ("lantern -blue", {hung}),
            ("blue or hung", {hung, once}),
            ("lantern nowhere", set()),
        ):
            assert await found(storage, words) == expected, words

    async def test_drafts_are_found_by_their_author_alone(self, storage: Storage) -> None:
        user = await keep_user(storage)
        draft = await keep_draft(storage, user)
        for viewer, expected in ((None, set()), (SOMEBODY_ELSE, set()), (user.id, {draft.id})):
            assert await found(storage, "engine", viewer) == expected

    async def test_relevance_is_compared_among_those_written_last_and_nothing_is_cut(self, storage: Storage) -> None:
        user = await keep_user(storage)
        other: dict[str, Any] = {"content": Content("Nothing of that."), "tags": Tags(), "summary": None}
        async with storage.transaction() as tx:
            drafts = [
                a_draft(
                    id=await tx.articles.next_id(),
                    author_id=user.id,
                    # Two would be better than all others, and one of these is too old to be compared.
                    title=Title("Plover, plover" if number in (0, 300) else "A plover among many other words"),
                    **other,
                )
                for number in range(RANKED + 1)
            ]
            for draft in drafts:
                await tx.articles.add(draft, revision_of(draft))
        oldest, *rest = (draft.id for draft in drafts)
        best = rest[299]
        expected = [best, *sorted({*rest} - {best}, reverse=True), oldest]
        wanted: dict[str, Any] = {
            "filter": ArticleFilter(words=SearchWords("plover")),
            "order": Order(by=Sort.RELEVANCE),
        }
        for skip, limit in ((0, 3), (RANKED - 2, 2), (RANKED - 2, 5), (RANKED, 5), (RANKED + 1, 5)):
            page = await storage.articles.page(viewer=user.id, limit=limit, skip=skip, count=True, **wanted)
            assert [view.id for view in page.articles] == expected[skip : skip + limit]
            assert (page.more, page.total) == (skip + limit <= RANKED, RANKED + 1)

    async def test_what_is_found_says_where_and_is_safe_to_show(self, storage: Storage) -> None:
        article = await keep_article(storage, await keep_user(storage), title=Title("A plover & <b>"))
        for order in (Order(by=Sort.RELEVANCE), Order()):
            wanted = ArticleFilter(words=SearchWords("plover"))
            page = await storage.articles.page(viewer=None, limit=9, filter=wanted, order=order, count=True)
            assert ([view.id for view in page.articles], page.total) == ([article.id], 1)
            shown = page.articles[0].highlight
            assert shown is not None
            assert "<b>" not in shown
            page = await storage.articles.page(viewer=None, limit=9, filter=wanted, order=order, highlights=False)
            assert [(view.id, view.highlight) for view in page.articles] == [(article.id, None)]
        assert (await storage.articles.get(article.id, viewer=None)).highlight is None


class StoredAddresses:
    async def test_parts_hold_the_addresses_of_what_anybody_may_read(self, storage: Storage) -> None:
        ada, since = await keep_user(storage), NOON - 9 * DAY
        out: dict[str, Any] = {"publish_at": since, "published_at": since, "unpublish_at": None, "updated_at": since}
        first = await keep_article(storage, ada, **out)
        await keep_draft(storage, ada)
        await keep_article(storage, ada, publish_at=NOON + DAY)
        await keep_article(storage, ada, unpublish_at=NOON - DAY)
        numbered = await keep_article(storage, ada, **out | {"updated_at": NOON - DAY})
        # Written before it was out: it has changed for everybody when it came out, by itself and beside another.
        later: dict[str, Any] = {"publish_at": NOON + DAY, "published_at": NOON + DAY}
        came_out = await keep_article(storage, ada, **out | later)
        storage.clock.strike(NOON + DAY)
        expected = [
            AddressView(id=first.id, slug="on-engines", changed_at=since),
            AddressView(id=numbered.id, slug=str(numbered.address), changed_at=NOON - DAY),
            AddressView(id=came_out.id, slug=f"on-engines-0{came_out.id}", changed_at=NOON + DAY),
        ]
        there = [address.id for address in expected]
        for size in (1, 2, 3, came_out.id + 1):
            storage.clock.strike(NOON + DAY)
            parts = await storage.articles.parts(size=size)
            found = []
            for part in parts:
                storage.clock.strike(NOON + DAY)
                found += [(part, each) for each in await storage.articles.addresses(part=part, size=size)]
            visible = [each for each in found if each[1].id in there]
            assert visible == [(address.id // size, address) for address in expected]
            assert sorted({part for part, _ in found}) == list(parts)
        assert await storage.articles.addresses(part=came_out.id + 1, size=1) == []
