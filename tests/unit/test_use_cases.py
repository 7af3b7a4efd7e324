"""What a blog can do, told to it as an embedding service would."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from blog.adapters.tokens import JwtPreviewTokens
from blog.application.limiting import Trial
from blog.application.ports import AccessToken, LoginAttempt, Reply, TransactionFactory
from blog.application.queries import AccountView, ArticleView, Include
from blog.application.remembering import KEPT, KeyReused
from blog.container import Container
from blog.domain.articles import (
    AltText,
    ArticleMoved,
    ArticleNotFound,
    Content,
    Contradiction,
    Note,
    NotTheAuthor,
    Status,
    Summary,
    Title,
    TooHardToRender,
)
from blog.domain.errors import BlogError, Unavailable
from blog.domain.preconditions import EditedMeanwhile, Precondition
from blog.domain.previews import Previewed, PreviewNotFound, TooManyPreviews
from blog.domain.revisions import RevisionNotFound
from blog.domain.slugs import Slug
from blog.domain.tags import Tags
from blog.domain.users import (
    AccountDisabled,
    Email,
    EmailTaken,
    InvalidCredentials,
    InvalidToken,
    NewPassword,
    Password,
    PasswordIsCommon,
    PasswordIsName,
    Username,
    UsernameTaken,
    UserNotFound,
    WrongPassword,
)
from blog.domain.web_addresses import WebAddress
from blog.domain.working_copies import WorkingCopyNotFound
from tests.builders import NOON, Clock, a_request

PASSWORD = "correct horse battery"


async def register(container: Container, name: str = "Ada") -> AccountView:
    return await container.accounts().register(
        email=Email(f"{name}@example.org"), username=Username(name), password=NewPassword(PASSWORD)
    )


async def test_registering_keeps_a_user_that_can_log_in_and_be_identified(container: Container) -> None:
    account = await register(container)
    assert account == AccountView(
        id=account.id,
        email="Ada@example.org",
        username="Ada",
        created_at=NOON + timedelta(seconds=1),
        updated_at=NOON + timedelta(seconds=1),
    )
    token = await container.authenticating().log_in(username="ada", password=Password(PASSWORD))
    assert token.expires_in == 1800
    assert await container.authenticating().identify(token.access_token) == account
    assert await container.authenticating().log_in(username=" Ada ", password=Password(PASSWORD))


async def test_a_name_or_an_address_that_is_taken_is_refused(container: Container) -> None:
    await register(container)
    accounts = container.accounts()
    with pytest.raises(EmailTaken):
        await accounts.register(
            email=Email("ADA@example.org"), username=Username("other"), password=NewPassword(PASSWORD)
        )
    with pytest.raises(UsernameTaken):
        await accounts.register(
            email=Email("other@example.org"), username=Username("ADA"), password=NewPassword(PASSWORD)
        )


@pytest.mark.parametrize(
    ("username", "password"), [("Ada", "not this one"), ("nobody", PASSWORD), ("no name!", PASSWORD), ("", "")]
)
async def test_who_does_not_know_name_and_password_is_not_let_in(
    container: Container, username: str, password: str
) -> None:
    await register(container)
    with pytest.raises(InvalidCredentials):
        await container.authenticating().log_in(username=username, password=Password(password))


async def test_a_password_is_checked_whether_or_not_there_is_a_user(container: Container) -> None:
    """The time does not tell; the hasher's own contract says that no hash takes as long as one."""
    await register(container)
    checked: list[bool] = []

    class Watched:
        async def verify(self, _: Password, password_hash: str | None) -> bool:
            checked.append(password_hash is not None)
            return True

    with container.hasher.override(Watched()):
        container.authenticating.reset()
        try:
            assert isinstance(
                await container.authenticating().log_in(username="Ada", password=Password("x")), AccessToken
            )
            for username in ("nobody", "no name!"):
                with pytest.raises(InvalidCredentials):
                    await container.authenticating().log_in(username=username, password=Password("x"))
        finally:
            container.authenticating.reset()
    assert checked == [True, False, False]


async def test_what_many_would_guess_is_no_password(container: Container) -> None:
    with pytest.raises(PasswordIsCommon):
        await container.accounts().register(
            email=Email("ada@example.org"), username=Username("Ada"), password=NewPassword("Password1")
        )
    account = await register(container)
    for secret, kind in (("Password1", PasswordIsCommon), ("ada@EXAMPLE.org", PasswordIsName)):
        with pytest.raises(kind):
            await container.administering().change_password(Username("Ada"), NewPassword(secret))
    assert await container.authenticating().log_in(username="Ada", password=Password(PASSWORD))
    assert account.id


async def test_a_user_is_given_another_password(container: Container, clock: Clock) -> None:
    account = await register(container)
    changed = await container.administering().change_password(Username("aDA"), NewPassword("another one of hers"))
    assert (changed.id, changed.updated_at) == (account.id, clock.moment)
    assert await container.authenticating().log_in(username="Ada", password=Password("another one of hers"))
    with pytest.raises(InvalidCredentials):
        await container.authenticating().log_in(username="Ada", password=Password(PASSWORD))


async def test_a_disabled_user_is_not_let_in_and_its_token_ends(container: Container) -> None:
    await register(container)
    authenticating, administering = container.authenticating(), container.administering()
    token = await authenticating.log_in(username="Ada", password=Password(PASSWORD))
    assert (await administering.disable(Username("Ada"))).disabled_at
    with pytest.raises(InvalidToken):
        await authenticating.identify(token.access_token)
    with pytest.raises(AccountDisabled):
        await authenticating.log_in(username="Ada", password=Password(PASSWORD))
    with pytest.raises(InvalidCredentials):
        await authenticating.log_in(username="Ada", password=Password("not this one"))
    assert not (await administering.enable(Username("Ada"))).disabled_at
    assert await authenticating.identify(token.access_token)
    assert await authenticating.log_in(username="Ada", password=Password(PASSWORD))


async def test_a_user_is_deleted_by_those_who_run_the_blog(container: Container) -> None:
    account = await register(container)
    await write(container, account.id)
    await container.administering().delete(Username("aDA"))
    assert list(await container.user_queries().page(skip=0, limit=9)) == []
    assert not (await container.article_queries().page(viewer=None, skip=0, limit=9)).articles
    for unknown in (container.administering().delete, container.administering().disable):
        with pytest.raises(UserNotFound):
            await unknown(Username("Ada"))


async def test_a_password_that_is_not_looked_at_does_not_count() -> None:
    """The hasher is busy: that is nobody's failure."""
    counted: list[str] = []

    class Limits:
        async def admit(self, attempt: LoginAttempt) -> bool:
            counted.append(f"admit {attempt.account} {attempt.client}")
            return True

        async def succeed(self, _: LoginAttempt, *, known: bool) -> None:
            counted.append(f"succeed {known}")

        async def withdraw(self, _: LoginAttempt, *, known: bool) -> None:
            counted.append(f"withdraw {known}")

    class Busy:
        def __init__(self, outcome: bool | Exception) -> None:
            self._outcome = outcome

        async def verify(self, *_: object, client: str, known: bool) -> bool:
            assert (client, known) == ("192.0.2.1", True)
            if isinstance(self._outcome, Exception):
                raise self._outcome
            return self._outcome

    for outcome in (Unavailable(), ValueError(), False, True):
        trial = Trial(Busy(outcome), Limits(), account="ada", client="192.0.2.1")  # type: ignore[arg-type]
        with suppress(Unavailable, ValueError):
            async with trial:
                assert await trial.verify(Password("x"), None) is outcome
    admit = "admit ada 192.0.2.1"
    assert counted == [admit, "withdraw True", admit, admit, admit, "succeed True"]


async def test_a_token_ends_with_its_account(container: Container) -> None:
    account = await register(container)
    token = await container.authenticating().log_in(username="Ada", password=Password(PASSWORD))
    with pytest.raises(WrongPassword):
        await container.accounts().delete(actor=account.id, password=Password("not this one"))
    assert await container.authenticating().identify(token.access_token) == account
    await container.accounts().delete(actor=account.id, password=Password(PASSWORD))
    with pytest.raises(InvalidToken):
        await container.authenticating().identify(token.access_token)
    with pytest.raises(InvalidToken):
        await container.accounts().delete(actor=account.id, password=Password(PASSWORD))


async def test_a_token_ends_with_its_time(container: Container, clock: Clock) -> None:
    await register(container)
    token = await container.authenticating().log_in(username="Ada", password=Password(PASSWORD))
    clock.advance(seconds=token.expires_in + 60)
    with pytest.raises(InvalidToken):
        await container.authenticating().identify(token.access_token)


@contextmanager
def refused(container: Any, kind: type[BlogError]) -> Iterator[None]:
    """What is done here is refused so, and nothing that is kept changes."""
    before = container.store().tables
    with pytest.raises(kind):
        yield
    assert container.store().tables == before


@pytest.fixture
async def ada(container: Container) -> int:
    return (await register(container)).id


@pytest.fixture
async def bob(container: Container) -> int:
    return (await register(container, "Bob")).id


async def write(container: Container, author: int, **different: Any) -> ArticleView:
    values: dict[str, Any] = {"title": Title("On engines"), "content": Content("*Words.*"), "published": True}
    return await container.publishing().write(actor=author, **values | different)


# Writing and publishing.


async def test_writing_a_draft(container: Container, ada: int, clock: Clock) -> None:
    draft = await container.publishing().write(actor=ada, title=Title("On engines"), content=Content("*Words.*"))
    assert (draft.title, draft.content, draft.published, draft.author_id) == ("On engines", "*Words.*", False, ada)
    assert (draft.slug, draft.excerpt, draft.version, draft.word_count) == ("on-engines", "Words.", 1, 1)
    assert draft.created_at == draft.updated_at == clock.moment
    queries = container.article_queries()
    assert await queries.get(draft.id, viewer=ada) == draft
    shown = await queries.get(draft.id, viewer=ada, include=[Include.CONTENT_HTML])
    assert shown.content_html == "<p><em>Words.</em></p>\n"


async def test_writing_all_that_an_article_may_have(container: Container, ada: int) -> None:
    given: dict[str, Any] = {
        "summary": Summary("S"),
        "tags": Tags(["a", "b"]),
        "cover_image_url": WebAddress("https://example.org/a.png"),
        "cover_image_alt": AltText("A"),
        "canonical_url": WebAddress("https://example.com/a"),
        "slug": Slug("engines"),
        "featured": True,
        "publish_at": NOON + timedelta(days=1),
        "unpublish_at": NOON + timedelta(days=2),
    }
    publishing = container.publishing()
    written = await publishing.write(
        actor=ada, title=Title("T"), content=Content("C"), note=Note("For a start"), **given
    )
    for name, value in given.items():
        assert getattr(written, name) == (list(value) if name == "tags" else value)
    assert written.status is Status.SCHEDULED
    (change,) = await container.revising().changes(actor=ada, article=written.id, skip=0, limit=9)
    assert (change.version, change.by, change.note, change.changed) == (1, ada, "For a start", ())


@pytest.mark.parametrize(("title", "slug"), [("Под снегом", "pod-snegom"), ("我喜欢", "woxihuan"), ("…", "article")])
async def test_a_title_in_any_script_makes_a_slug(container: Container, ada: int, title: str, slug: str) -> None:
    assert (await write(container, ada, title=Title(title))).slug == slug


async def test_articles_with_one_title_have_addresses_of_their_own(container: Container, ada: int) -> None:
    slugs = [(await write(container, ada)).slug for _ in range(3)]
    assert slugs == ["on-engines", "on-engines-2", "on-engines-3"]
    drafts = [await write(container, ada, published=False) for _ in range(2)]
    assert [draft.slug for draft in drafts] == ["on-engines", "on-engines"]
    published = await container.publishing().edit(actor=ada, article=drafts[0].id, published=True)
    assert published.slug == "on-engines-4"


async def test_editing_and_deleting(container: Container, ada: int, clock: Clock) -> None:
    publishing, queries = container.publishing(), container.article_queries()
    draft = await write(container, ada, published=False)
    edited = await publishing.edit(actor=ada, article=draft.id, title=Title("New"), published=True, note=Note("Out"))
    assert edited == replace(
        draft,
        title="New",
        published=True,
        status=Status.PUBLISHED,
        publish_at=clock.moment,
        published_at=clock.moment,
        updated_at=clock.moment,
        version=2,
        edition=edited.edition,
    )
    assert edited.edition.startswith("2-")
    assert await queries.get(Slug("on-engines"), viewer=ada) == edited

    await publishing.edit(actor=ada, article=draft.id, content=Content("# *New* words"))
    shown = await queries.get(draft.id, viewer=None, include=[Include.CONTENT_HTML])
    assert (shown.content_html, shown.excerpt) == (
        '<h1 id="section-new-words"><em>New</em> words</h1>\n',
        "New words",
    )

    changes = await container.revising().changes(actor=ada, article=draft.id, skip=0, limit=9)
    assert [(change.version, change.changed, change.note) for change in changes] == [
        (3, ("content",), None),
        (2, ("title", "publish_at"), "Out"),
        (1, (), None),
    ]

    await publishing.delete(actor=ada, article=draft.id)
    with pytest.raises(ArticleNotFound):
        await queries.get(draft.id, viewer=ada)


async def test_an_edit_that_changes_nothing_makes_no_version(container: Container, ada: int) -> None:
    article = await write(container, ada)
    for same in ({}, {"title": Title("On engines")}, {"content": Content("*Words.*")}, {"published": True}):
        edited = await container.publishing().edit(actor=ada, article=article.id, **same)
        assert edited == article
    assert len(await container.revising().changes(actor=ada, article=article.id, skip=0, limit=9)) == 1


async def test_a_note_comes_with_a_change(container: Container, ada: int) -> None:
    article = await write(container, ada)
    with pytest.raises(Contradiction, match="send it along"):
        await container.publishing().edit(actor=ada, article=article.id, note=Note("What I meant"))


async def test_archiving_puts_an_article_away(container: Container, ada: int) -> None:
    publishing, queries = container.publishing(), container.article_queries()
    article = await write(container, ada)
    archived = await publishing.archive(actor=ada, article=article.id, note=Note("Old"))
    assert (archived.status, archived.published, archived.slug) == (Status.ARCHIVED, False, "on-engines")
    with pytest.raises(ArticleNotFound):
        await queries.get(article.id, viewer=None)
    assert await queries.get(Slug("on-engines"), viewer=ada) == archived
    assert await publishing.archive(actor=ada, article=article.id) == archived
    again = await publishing.edit(actor=ada, article=article.id, published=True)
    assert (again.slug, again.published_at, again.version) == ("on-engines", article.published_at, 3)


async def test_an_article_moves_and_is_found_where_it_was(container: Container, ada: int) -> None:
    article = await write(container, ada)
    moved = await container.publishing().edit(actor=ada, article=article.id, slug=Slug("engines"))
    assert moved.slug == "engines"
    with pytest.raises(ArticleMoved) as refusal:
        await container.article_queries().get(Slug("on-engines"), viewer=None)
    assert (refusal.value.slug, str(refusal.value)) == ("engines", "The article is now at engines.")


async def test_nobody_is_told_of_what_is_to_come(container: Container, ada: int, bob: int, clock: Clock) -> None:
    tomorrow = NOON + timedelta(days=1)
    scheduled = await schedule(container, ada, tomorrow)
    assert (await write(container, bob)).slug == "on-engines"
    with pytest.raises(ArticleNotFound):
        await container.article_queries().get(Slug("on-engines-2"), viewer=bob)
    clock.strike(tomorrow)
    there = Slug(f"on-engines-0{scheduled.id}")
    assert (await container.article_queries().get(there, viewer=bob)).id == scheduled.id
    with pytest.raises(ArticleNotFound):
        await container.article_queries().get(Slug("on-engines-2"), viewer=bob)


async def schedule(container: Container, author: int, moment: datetime) -> ArticleView:
    return await container.publishing().write(
        actor=author, title=Title("On engines"), content=Content("Words."), publish_at=moment
    )


async def test_what_comes_out_by_itself_keeps_its_address_when_it_is_edited(
    container: Container, ada: int, bob: int, clock: Clock
) -> None:
    tomorrow = NOON + timedelta(days=1)
    article = await schedule(container, ada, tomorrow)
    clock.strike(tomorrow)
    moved = await container.publishing().edit(actor=ada, article=article.id, slug=Slug("looms"))
    assert moved.slug == "looms"
    with pytest.raises(ArticleMoved):
        await container.article_queries().get(Slug("on-engines"), viewer=None)
    assert (await write(container, bob)).slug == "on-engines-2"
    await container.publishing().delete(actor=ada, article=article.id)
    assert (await write(container, bob)).slug == "on-engines-3"


async def test_only_its_author_touches_an_article(container: Any, ada: int, bob: int) -> None:
    for published, refusal in ((True, NotTheAuthor), (False, ArticleNotFound)):
        article = (await write(container, ada, published=published)).id
        for touch in every_way_to_touch(container, bob, article):
            with refused(container, refusal):
                await touch()


async def test_what_is_not_there_cannot_be_touched(container: Any, ada: int) -> None:
    for touch in every_way_to_touch(container, ada, 404):
        with refused(container, ArticleNotFound):
            await touch()


def every_way_to_touch(container: Container, actor: int, article: int) -> list[Callable[[], Awaitable[object]]]:
    publishing, revising = container.publishing(), container.revising()
    reworking, previewing = container.reworking(), container.previewing()
    who: dict[str, Any] = {"actor": actor, "article": article}
    return [
        lambda: publishing.edit(**who, content=Content("Mine"), expected=Precondition(editions=["1-wrong"])),
        lambda: publishing.archive(**who, expected=Precondition(editions=["1-wrong"])),
        lambda: publishing.delete(**who, expected=Precondition(editions=["1-wrong"])),
        lambda: revising.changes(**who, skip=0, limit=1),
        lambda: revising.read(**who, version=1),
        lambda: revising.compare(**who, version=1, against=1),
        lambda: revising.restore(**who, version=1, expected=Precondition(editions=["1-wrong"])),
        lambda: reworking.save(**who, title=Title("Mine"), expected=Precondition(editions=["1-wrong"])),
        lambda: reworking.show(**who),
        lambda: reworking.publish(**who, expected=Precondition(editions=["1-wrong"])),
        lambda: reworking.discard(**who),
        lambda: previewing.issue(**who, of=Previewed.ARTICLE, lifetime=timedelta(1)),
        lambda: previewing.list(**who),
        lambda: previewing.revoke(**who, preview=1),
    ]


async def test_whoever_goes_by_another_version_changes_nothing(container: Any, ada: int) -> None:
    publishing, revising = container.publishing(), container.revising()
    old = await write(container, ada)
    new = await publishing.edit(
        actor=ada, article=old.id, title=Title("New"), expected=Precondition(editions=[old.edition])
    )
    who: dict[str, Any] = {"actor": ada, "article": old.id}
    stale: dict[str, Any] = {**who, "expected": Precondition(editions=[old.edition])}
    changes: list[Callable[[], Awaitable[object]]] = [
        lambda: publishing.edit(**stale, title=Title("Newer")),
        lambda: publishing.archive(**stale),
        lambda: revising.restore(**stale, version=1),
        lambda: publishing.delete(**stale),
    ]
    for change in changes:
        with refused(container, EditedMeanwhile):
            await change()
    await publishing.delete(**who, expected=Precondition(editions=[new.edition, old.edition]))


async def test_what_contradicts_itself_or_cannot_be_rendered_is_not_written(container: Any, ada: int) -> None:
    article, too_deep = (await write(container, ada)).id, Content("> " * 9999 + "words")
    publishing, reworking = container.publishing(), container.reworking()
    with refused(container, Contradiction):
        await write(container, ada, publish_at=NOON + timedelta(days=1))
    with refused(container, Contradiction):
        await publishing.edit(actor=ada, article=article, unpublish_at=NOON - timedelta(days=1))
    with refused(container, TooHardToRender):
        await write(container, ada, content=too_deep)
    with refused(container, TooHardToRender):
        await publishing.edit(actor=ada, article=article, content=too_deep)
    with refused(container, TooHardToRender):
        await reworking.save(actor=ada, article=article, content=too_deep)


async def test_who_is_gone_writes_nothing(container: Any) -> None:
    for published in (True, False):
        with refused(container, InvalidToken):
            await write(container, 404, published=published)


# Revising.


async def test_looking_back_on_what_an_article_was(container: Container, ada: int) -> None:
    publishing, revising = container.publishing(), container.revising()
    article = (await write(container, ada)).id
    for word in ("second", "third"):
        await publishing.edit(actor=ada, article=article, content=Content(word))
    who: dict[str, Any] = {"actor": ada, "article": article}
    versions = [await revising.read(**who, version=version) for version in (1, 2, 3)]
    assert [version.manuscript.content for version in versions] == ["*Words.*", "second", "third"]
    assert [change.version for change in await revising.changes(**who, skip=1, limit=1)] == [2]
    assert await revising.compare(**who, version=3, against=1) == (
        "--- version 1\n+++ version 3\n@@ -1,3 +1,3 @@\n title: On engines\n \n-*Words.*\n+third\n"
    )
    assert await revising.compare(**who, version=2, against=2) == ""
    for look in (
        revising.read(**who, version=4),
        revising.compare(**who, version=4, against=1),
        revising.compare(**who, version=1, against=0),
        revising.restore(**who, version=4),
    ):
        with refused(container, RevisionNotFound):
            await look


async def test_going_back_to_what_an_article_was(container: Container, ada: int) -> None:
    publishing, revising = container.publishing(), container.revising()
    first = await write(container, ada, summary=Summary("S"))
    who: dict[str, Any] = {"actor": ada, "article": first.id}
    second = await publishing.edit(
        **who, title=Title("New"), content=Content("New"), summary=None, slug=Slug("new-one"), featured=True
    )
    restored = await revising.restore(**who, version=1, expected=Precondition(editions=[second.edition]))
    # Its text alone is another: where it is and since when stays.
    assert restored == replace(
        first, slug="new-one", featured=True, version=3, edition=restored.edition, updated_at=restored.updated_at
    )
    assert restored.updated_at > second.updated_at
    shown = await container.article_queries().get(first.id, viewer=None, include=[Include.CONTENT_HTML])
    assert shown.content_html == "<p><em>Words.</em></p>\n"
    change = (await revising.changes(**who, skip=0, limit=1))[0]
    assert (change.version, change.note, change.changed) == (
        3,
        "Restored version 1.",
        ("title", "content", "summary"),
    )
    assert await revising.restore(**who, version=1) == restored
    assert len(await revising.changes(**who, skip=0, limit=9)) == 3


# Reworking.


async def test_reworking_what_is_out_shows_readers_nothing_until_it_is_done(
    container: Container, ada: int, clock: Clock
) -> None:
    reworking, queries = container.reworking(), container.article_queries()
    article = await write(container, ada, summary=Summary("S"))
    public = await queries.get(article.id, viewer=None)
    who: dict[str, Any] = {"actor": ada, "article": article.id}
    first = await reworking.save(**who, title=Title("New"))
    assert (first.title, first.content, first.summary, first.version, first.based_on) == (
        "New",
        "*Words.*",
        "S",
        1,
        1,
    )
    second = await reworking.save(
        **who, content=Content("*New*"), summary=None, expected=Precondition(editions=[first.edition])
    )
    assert (second.title, second.content_html, second.summary, second.excerpt) == (
        "New",
        "<p><em>New</em></p>\n",
        None,
        "New",
    )
    assert (second.version, second.based_on, second.updated_at) == (2, 1, clock.moment)
    assert await reworking.show(**who) == second
    assert await queries.get(article.id, viewer=None) == public

    published = await reworking.publish(**who, expected=Precondition(editions=[second.edition]), note=Note("Done"))
    assert published == await queries.get(article.id, viewer=ada)
    assert (published.title, published.content, published.version) == ("New", "*New*", 2)
    assert published.published_at == article.published_at
    (change, _) = await container.revising().changes(**who, skip=0, limit=9)
    assert (change.note, change.changed) == ("Done", ("title", "content", "summary"))
    with refused(container, WorkingCopyNotFound):
        await reworking.show(**who)


async def test_a_working_copy_that_is_discarded_is_gone(container: Any, ada: int) -> None:
    reworking = container.reworking()
    who: dict[str, Any] = {"actor": ada, "article": (await write(container, ada)).id}
    await reworking.save(**who, title=Title("New"))
    await reworking.discard(**who)
    for do in (reworking.show, reworking.publish, reworking.discard):
        with refused(container, WorkingCopyNotFound):
            await do(**who)
    assert (await reworking.save(**who)).version == 1


async def test_a_working_copy_is_not_published_over_what_was_written_meanwhile(container: Any, ada: int) -> None:
    reworking, publishing = container.reworking(), container.publishing()
    who: dict[str, Any] = {"actor": ada, "article": (await write(container, ada)).id}
    await reworking.save(**who, title=Title("New"))
    await publishing.edit(**who, featured=True)
    await publishing.edit(**who, content=Content("Written meanwhile"))
    with refused(container, EditedMeanwhile):
        await reworking.publish(**who)


async def test_a_working_copy_goes_with_what_was_put_elsewhere_meanwhile(container: Container, ada: int) -> None:
    who: dict[str, Any] = {"actor": ada, "article": (await write(container, ada)).id}
    await container.reworking().save(**who, title=Title("New"))
    await container.publishing().edit(**who, slug=Slug("elsewhere"))
    published = await container.reworking().publish(**who)
    assert (published.title, published.slug, published.version) == ("New", "elsewhere", 3)


async def test_a_working_copy_is_changed_by_whoever_knows_it(container: Any, ada: int) -> None:
    reworking = container.reworking()
    who: dict[str, Any] = {"actor": ada, "article": (await write(container, ada)).id}
    with refused(container, EditedMeanwhile):
        await reworking.save(**who, title=Title("New"), expected=Precondition(editions=["1-other"]))
    first = await reworking.save(**who, title=Title("New"))
    second = await reworking.save(**who, title=Title("Newer"))
    with refused(container, EditedMeanwhile):
        await reworking.save(**who, title=Title("Other"), expected=Precondition(editions=[first.edition]))
    with refused(container, EditedMeanwhile):
        await reworking.publish(**who, expected=Precondition(editions=[first.edition]))
    assert second.edition != first.edition
    await reworking.publish(**who, expected=Precondition(editions=[second.edition]))


# Previewing.


async def test_a_preview_shows_a_draft_to_whoever_has_its_token(container: Container, ada: int) -> None:
    previewing = container.previewing()
    draft = await write(container, ada, published=False)
    who: dict[str, Any] = {"actor": ada, "article": draft.id}
    issued = await previewing.issue(**who, of=Previewed.ARTICLE, lifetime=timedelta(days=7))
    assert issued.preview.expires_at - issued.preview.created_at == timedelta(days=7)
    shown = await previewing.show(issued.token)
    own = await container.article_queries().get(draft.id, viewer=ada, include=[Include.CONTENT_HTML])
    assert shown == replace(own, has_working_copy=None)

    await container.publishing().edit(**who, title=Title("New"))
    assert (await previewing.show(issued.token)).title == "New"

    other = await previewing.issue(**who, of=Previewed.ARTICLE, lifetime=timedelta(days=1))
    assert await previewing.list(**who) == [other.preview, issued.preview]
    await previewing.revoke(**who, preview=issued.preview.id)
    assert await previewing.list(**who) == [other.preview]
    with refused(container, PreviewNotFound):
        await previewing.show(issued.token)
    with refused(container, PreviewNotFound):
        await previewing.revoke(**who, preview=issued.preview.id)
    assert (await previewing.show(other.token)).id == draft.id


async def test_a_preview_ends_with_its_time(container: Container, ada: int, clock: Clock) -> None:
    previewing = container.previewing()
    draft = await write(container, ada, published=False)
    who: dict[str, Any] = {"actor": ada, "article": draft.id}
    issued = await previewing.issue(**who, of=Previewed.ARTICLE, lifetime=timedelta(hours=1))
    clock.strike(issued.preview.expires_at - timedelta(microseconds=1))
    assert (await previewing.show(issued.token)).id == draft.id
    clock.strike(issued.preview.expires_at)
    with refused(container, PreviewNotFound):
        await previewing.show(issued.token)
    assert await previewing.list(**who) == []


async def test_a_preview_of_a_working_copy_lasts_as_long_as_that(container: Container, ada: int) -> None:
    previewing, reworking = container.previewing(), container.reworking()
    who: dict[str, Any] = {"actor": ada, "article": (await write(container, ada)).id}
    with refused(container, WorkingCopyNotFound):
        await previewing.issue(**who, of=Previewed.WORKING_COPY, lifetime=timedelta(days=7))
    await reworking.save(**who, content=Content("**New**"))
    issued = await previewing.issue(**who, of=Previewed.WORKING_COPY, lifetime=timedelta(days=7))
    shown = await previewing.show(issued.token)
    assert (shown.content, shown.content_html) == ("**New**", "<p><strong>New</strong></p>\n")
    await reworking.publish(**who)
    with refused(container, PreviewNotFound):
        await previewing.show(issued.token)


async def test_no_other_token_opens_a_preview(container: Container, ada: int) -> None:
    previewing = container.previewing()
    draft = await write(container, ada, published=False)
    issued = await previewing.issue(actor=ada, article=draft.id, of=Previewed.ARTICLE, lifetime=timedelta(days=7))
    login = container.tokens().issue(issued.preview.id).access_token
    elsewhere = JwtPreviewTokens(key="another key, of 32 bytes or more", algorithm="HS256").issue(issued.preview)
    for token in ("", "nonsense", issued.token[:-4], login, elsewhere):
        with refused(container, PreviewNotFound):
            await previewing.show(token)
    with pytest.raises(InvalidToken):
        await container.authenticating().identify(issued.token)


# Remembering.


class Work:
    """Writes an article, and answers with its id; or breaks once it is written."""

    def __init__(self, container: Container, author: int) -> None:
        self.publishing, self.author = container.publishing(), author
        self.breaks = False
        self.times = 0

    async def __call__(self, transaction: TransactionFactory) -> Reply:
        self.times += 1
        publishing = replace(self.publishing, transaction=transaction)
        article = await publishing.write(actor=self.author, title=Title("T"), content=Content("C"), published=True)
        if self.breaks:
            raise Broken
        return Reply(status=201, headers={"Location": f"/articles/{article.id}"}, body=str(article.id).encode())


class Broken(BlogError): ...


async def test_what_comes_again_is_done_once(container: Container, ada: int, clock: Clock) -> None:
    remembering, work = container.remembering(), Work(container, ada)
    request = a_request(caller=ada)
    first = await remembering.once(request, work)
    done = clock.moment
    assert await remembering.once(request, work) == first
    clock.strike(done + KEPT - timedelta(seconds=9))
    assert await remembering.once(request, work) == first
    assert work.times == 1
    clock.advance(seconds=10)
    assert await remembering.once(request, work) != first
    page = await container.article_queries().page(viewer=None, skip=0, limit=9)
    assert len(page.articles) == work.times == 2


async def test_what_breaks_is_neither_done_nor_remembered(container: Container, ada: int) -> None:
    remembering, work = container.remembering(), Work(container, ada)
    request = a_request(caller=ada)
    work.breaks = True
    for _ in range(2):
        with refused(container, Broken):
            await remembering.once(request, work)
    work.breaks = False
    assert (await remembering.once(request, work)).status == 201
    assert work.times == 3


async def test_a_key_stands_for_one_request(container: Container, ada: int) -> None:
    remembering, work = container.remembering(), Work(container, ada)
    await remembering.once(a_request(caller=ada), work)
    with refused(container, KeyReused):
        await remembering.once(a_request(caller=ada, fingerprint=b"another"), work)
    assert work.times == 1


async def test_there_are_fifty_previews_of_an_article_at_most(container: Container, ada: int, clock: Clock) -> None:
    previewing, article = container.previewing(), (await write(container, ada)).id
    who: dict[str, Any] = {"actor": ada, "article": article, "of": Previewed.ARTICLE}
    for _ in range(50):
        await previewing.issue(**who, lifetime=timedelta(days=1))
    with refused(container, TooManyPreviews):
        await previewing.issue(**who, lifetime=timedelta(days=1))
    clock.advance(days=2)
    await previewing.issue(**who, lifetime=timedelta(days=1))
    assert len(await previewing.list(actor=ada, article=article)) == 1
    assert len(container.store().tables.previews) == 1
