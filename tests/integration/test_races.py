"""What several do at the same moment, in PostgreSQL: each finds what the others did, and nothing is lost."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from blog.application.ports import Reply, TransactionFactory
from blog.application.queries import ArticleView
from blog.application.remembering import StillRunning
from blog.container import Container
from blog.domain.articles import ArticleNotFound, Content, Summary, Title
from blog.domain.preconditions import EditedMeanwhile, Precondition
from blog.domain.slugs import Slug
from blog.domain.users import Email, NewPassword, Password, Username
from tests.builders import NOON, Clock, a_reply, a_request
from tests.integration.elsewhere import OURS, Elsewhere, until

SOMEBODY_ELSE = 999
WAITING = f"{OURS} AND wait_event_type = 'Lock'"
TOMORROW = NOON + timedelta(days=1)


@pytest.fixture
async def ada(container: Container) -> int:
    ada = await container.accounts().register(
        email=Email("a@x.org"), username=Username("ada"), password=NewPassword("correct horse")
    )
    return int(ada.id)


async def write(container: Container, author: int, **different: Any) -> ArticleView:
    values: dict[str, Any] = {"title": Title("On engines"), "content": Content("0"), "published": True}
    article: ArticleView = await container.publishing().write(actor=author, **values | different)
    return article


async def schedule(container: Container, author: int) -> ArticleView:
    article: ArticleView = await container.publishing().write(
        actor=author, title=Title("On engines"), content=Content("0"), publish_at=TOMORROW
    )
    return article


async def outcomes(*work: Awaitable[object]) -> Counter[str]:
    """What came of it, by kind."""
    return Counter(type(outcome).__name__ for outcome in await asyncio.gather(*work, return_exceptions=True))


async def strays(container: Container) -> list[str]:
    """The addresses of articles that are not theirs."""
    statement = text(
        "SELECT address FROM articles LEFT JOIN slugs ON slugs.slug = address"
        " WHERE address IS NOT NULL AND article_id IS DISTINCT FROM articles.id"
    )
    return [row.address for row in await container.database().read(statement, {})]


async def test_ten_who_publish_one_title_have_ten_addresses(container: Container, ada: int) -> None:
    written = await asyncio.gather(*(write(container, ada) for _ in range(10)))
    assert len({article.slug for article in written}) == 10
    for article in written:
        assert article.slug.startswith("on-engines")
        assert (await container.article_queries().get(Slug(article.slug), viewer=None)).id == article.id


async def test_ten_who_publish_what_was_for_later_have_ten_addresses_and_that_another(
    container: Container, ada: int, clock: Clock
) -> None:
    scheduled = await schedule(container, ada)
    written = await asyncio.gather(*(write(container, ada) for _ in range(10)))
    assert len({article.slug for article in written}) == 10
    assert "on-engines" in {article.slug for article in written}
    assert await strays(container) == []
    clock.strike(TOMORROW)
    appeared = await container.article_queries().get(scheduled.id, viewer=None)
    assert (await container.article_queries().get(Slug(appeared.slug), viewer=None)).id == scheduled.id


async def test_what_gives_way_while_it_is_edited_has_one_address(container: Container, ada: int) -> None:
    """Whoever stands in one another's way may be told to come again, and nothing is done by half."""
    publishing = container.publishing()
    for _ in range(5):
        scheduled = await schedule(container, ada)
        done = await outcomes(
            write(container, ada),
            publishing.edit(actor=ada, article=scheduled.id, publish_at=TOMORROW + timedelta(1)),
            publishing.edit(actor=ada, article=scheduled.id, slug=Slug("on-engines-2")),
            write(container, ada),
        )
        assert set(done) <= {"ArticleView", "Unavailable"}
        assert await strays(container) == []


async def test_fifty_editors_who_know_what_they_edit_lose_nothing(container: Container, ada: int) -> None:
    publishing, queries = container.publishing(), container.article_queries()
    article = await write(container, ada)
    acknowledged: dict[int, str] = {}

    async def edit(number: int) -> None:
        while True:
            read = await queries.get(article.id, viewer=ada)
            content = Content(f"{read.content} {number}")
            try:
                edited = await publishing.edit(
                    actor=ada, article=article.id, expected=Precondition(editions=[read.edition]), content=content
                )
            except EditedMeanwhile:
                continue
            assert edited.version not in acknowledged
            acknowledged[edited.version] = edited.content
            return

    await asyncio.gather(*(edit(number) for number in range(1, 51)))
    last = await queries.get(article.id, viewer=None)
    assert sorted(map(int, last.content.split())) == list(range(51))
    assert sorted(acknowledged) == list(range(2, 52))
    revising = container.revising()
    for version, content in acknowledged.items():
        revision = await revising.read(actor=ada, article=article.id, version=version)
        assert revision.manuscript.content == content
    assert len(await revising.changes(actor=ada, article=article.id, skip=0, limit=100)) == 51


async def test_of_fifty_who_know_one_version_one_changes_it(container: Container, ada: int) -> None:
    article = await write(container, ada)
    done = await outcomes(
        *(
            container.publishing().edit(
                actor=ada,
                article=article.id,
                expected=Precondition(editions=[article.edition]),
                content=Content(f"{number}"),
            )
            for number in range(1, 51)
        )
    )
    assert done == {"ArticleView": 1, "EditedMeanwhile": 49}
    assert (await container.article_queries().get(article.id, viewer=None)).version == 2


async def test_of_several_who_publish_a_working_copy_one_does(container: Container, ada: int) -> None:
    reworking = container.reworking()
    article = await write(container, ada)
    copy = await reworking.save(actor=ada, article=article.id, content=Content("New"))
    done = await outcomes(
        *(
            reworking.publish(actor=ada, article=article.id, expected=Precondition(editions=[copy.edition]))
            for _ in range(5)
        )
    )
    assert done == {"ArticleView": 1, "WorkingCopyNotFound": 4}
    published = await container.article_queries().get(article.id, viewer=None)
    assert (published.content, published.version) == ("New", 2)


async def test_several_who_begin_a_working_copy_go_on_with_the_first_ones(container: Container, ada: int) -> None:
    reworking = container.reworking()
    article = await write(container, ada)
    changes: list[dict[str, Any]] = [
        {"title": Title("New")},
        {"content": Content("New")},
        {"summary": Summary("New")},
    ]
    copies = await asyncio.gather(*(reworking.save(actor=ada, article=article.id, **change) for change in changes))
    assert sorted(copy.version for copy in copies) == [1, 2, 3]
    copy = await reworking.show(actor=ada, article=article.id)
    assert (copy.title, copy.content, copy.version) == ("New", "New", 3)


async def test_ten_who_ask_the_same_have_it_done_once(container: Container, ada: int) -> None:
    remembering, request = container.remembering(), a_request(caller=ada)

    async def work(transaction: TransactionFactory) -> Reply:
        publishing = replace(container.publishing(), transaction=transaction)
        article = await publishing.write(actor=ada, title=Title("T"), content=Content("C"), published=True)
        return Reply(status=201, headers={}, body=str(article.id).encode())

    done = await outcomes(*(remembering.once(request, work) for _ in range(10)))
    assert set(done) <= {"Reply", "StillRunning"}
    assert done["Reply"] >= 1
    page = await container.article_queries().page(viewer=None, skip=0, limit=9)
    assert len(page.articles) == 1
    given = await remembering.once(request, work)
    assert given.body == str(page.articles[0].id).encode()


@pytest.mark.parametrize("then", ["archive", "edit", "delete", "publish the copy", "restore"])
async def test_whoever_waited_for_an_article_comes_later(
    container: Container, elsewhere: Elsewhere, ada: int, then: str
) -> None:
    """What was published while they waited was public, and stays so in what they make of it."""
    publishing, reworking = container.publishing(), container.reworking()
    draft = await write(container, ada, published=False)
    await reworking.save(actor=ada, article=draft.id, title=Title("New"))
    who: dict[str, Any] = {"actor": ada, "article": draft.id}
    waiting: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
        "archive": lambda: publishing.archive(**who),
        "edit": lambda: publishing.edit(**who, slug=Slug("looms"), published=True),
        "delete": lambda: publishing.delete(**who),
        "publish the copy": lambda: reworking.publish(**who),
        "restore": lambda: container.revising().restore(**who, version=1),
    }
    async with container.transaction() as tx:
        await tx.articles.get(draft.id, actor=ada, at=NOON)
        late = asyncio.create_task(waiting[then]())
        await until(lambda: elsewhere.ask(f"SELECT count(*) = 1 {WAITING}"))
        joined = replace(publishing, transaction=lambda: nullcontext(tx))
        published = await joined.edit(actor=ada, article=draft.id, published=True)
    after = await late
    if after:
        assert after.published_at == published.published_at
        assert after.updated_at > published.updated_at or after == published
    assert (await write(container, ada)).slug == "on-engines-2"


async def test_nobody_waits_for_a_request_that_is_still_running(container: Container, ada: int) -> None:
    request, other = a_request(caller=ada), a_request(caller=ada, key="other")
    async with container.transaction() as tx:
        assert await tx.replies.claim(request, since=NOON) is None
        # Whoever waited would wait for this very block.
        with pytest.raises(StillRunning):
            async with container.transaction() as another:
                await another.replies.claim(request, since=NOON)
        async with container.transaction() as another:
            assert await another.replies.claim(other, since=NOON) is None
    async with container.transaction() as tx:
        assert await tx.replies.claim(request, since=NOON) is None


async def test_nobody_waits_to_look_or_to_be_refused(container: Container, ada: int) -> None:
    """An article that somebody holds is looked at as it was, and one that is hidden is not there, lock or not."""
    draft = await write(container, ada, published=False)
    async with container.transaction() as tx:
        held = await tx.articles.get(draft.id, actor=ada, at=NOON)
        async with container.transaction() as another:
            assert await another.articles.look(draft.id, actor=ada, at=NOON) == held
            with pytest.raises(ArticleNotFound):
                await another.articles.get(draft.id, actor=SOMEBODY_ELSE, at=NOON)


async def test_old_replies_are_forgotten_a_few_at_a_time(container: Container, ada: int) -> None:
    async def keep(number: int, days: int) -> None:
        request = a_request(caller=ada, key=f"{number}")
        async with container.transaction() as tx:
            await tx.replies.claim(request, since=NOON)
            await tx.replies.keep(request, Reply(status=204, headers={}, body=b""), at=NOON + timedelta(days=days))

    async def kept() -> int:
        (row,) = await container.database().read(text("SELECT count(*) FROM replies"), {})
        return int(row[0])

    for number in range(30):
        await keep(number, days=0)
    await keep(30, days=1)
    assert await kept() == 31
    await asyncio.gather(keep(31, days=2), keep(32, days=2))
    assert await kept() == 3


async def test_who_leaves_while_a_request_of_theirs_runs_once_ends_neither_in_a_deadlock(
    container: Container, elsewhere: Elsewhere, ada: int
) -> None:
    """Both take the account first, and then its articles."""
    article = await write(container, ada)
    await container.publishing().edit(actor=ada, article=article.id, title=Title("New"))

    async def restore(transaction: TransactionFactory) -> Reply:
        await replace(container.revising(), transaction=transaction).restore(actor=ada, article=article.id, version=1)
        return a_reply()

    async with asyncio.timeout(30):
        async with elsewhere.holding("SELECT 1 FROM articles FOR UPDATE"):
            restoring = asyncio.create_task(container.remembering().once(a_request(caller=ada), restore))
            await until(lambda: elsewhere.ask(f"SELECT count(*) = 1 {WAITING}"))
            leaving = asyncio.create_task(container.accounts().delete(actor=ada, password=Password("correct horse")))
            await until(lambda: elsewhere.ask(f"SELECT count(*) = 2 {WAITING}"))
        assert await restoring == a_reply()
        await leaving
