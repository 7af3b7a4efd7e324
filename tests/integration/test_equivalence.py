"""The same blog twice, in memory and in PostgreSQL: whatever is asked of both, nobody can tell them apart."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any, ClassVar

import pytest
from dependency_injector import providers
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import URL

from blog.application.ports import Reply, TransactionFactory
from blog.application.queries import ArticleFilter, ArticleView, Include
from blog.container import Container, close, in_memory
from blog.domain.articles import Content, Title
from blog.domain.errors import BlogError, Forbidden
from blog.domain.previews import Previewed
from blog.domain.slugs import Slug
from blog.domain.tags import Tags
from blog.domain.users import Email, NewPassword, Password, Username
from tests.builders import Clock, a_request, contents, titles
from tests.support import quick

GAMES = 15
STEPS = 25

# Ids are handed out from 1 on, so that a small number is a user or an article that is there, is gone or is to come.
users = st.integers(1, 3)
users_or_author = st.none() | users
articles = st.integers(1, 4)
VIEWERS = (None, 1, 2, 2**62)

# Few, so that they meet: spellings of one thing, and names that nobody has or could have.
NAMES = ("Ada", "aDA", "Bob", "b.o-b_")
PASSWORDS = ("cafe\u0301 cafe\u0301", "caf\u00e9 caf\u00e9")
ADDRESSES = ("ADA@Example.ORG", "straße@x.org", "STRASSE@X.org", "cafe\u0301@x", "CAF\u00c9@x")
names = st.sampled_from(NAMES).map(Username)
emails = st.sampled_from(ADDRESSES).map(Email)
new_passwords = st.sampled_from(PASSWORDS).map(NewPassword)
typed_names = st.sampled_from((*NAMES, "nobody", "no such name!\x00"))
typed_passwords = st.sampled_from((*PASSWORDS, "not this one")).map(Password)
some_titles = st.sampled_from(("One", "one!", "One 2", "\u4e00")).map(Title)
some_contents = contents.map(Content)
SLUGS = tuple(map(Slug, ("one", "one-2", "one-3", "one-2-2")))
slugs = st.sampled_from(SLUGS[:2])
tags = st.lists(
    st.sampled_from(("a", "A", "\u00e9", "E\u0301", "z", "\U0001f600")), max_size=3, unique_by=str.casefold
)
some_tags = tags.filter(lambda words: not {"\u00e9", "E\u0301"} <= set(words)).map(Tags)
manuscripts = {"title": some_titles, "content": some_contents, "tags": some_tags, "summary": st.none()}
# Seconds from now on; a step of the game takes a few.
moments = st.none() | st.sampled_from((-99, 0, 20, 40, 60))
publications = {"slug": slugs, "publish_at": moments, "unpublish_at": moments} | {"featured": st.booleans()}
versions = st.integers(1, 4)


class TwoBlogs(RuleBasedStateMachine):
    """Both are asked the same, and answer the same: about articles, where they are and since when."""

    database: ClassVar[URL]

    def __init__(self) -> None:
        super().__init__()
        # A loop that is not made this thread's: that one is pytest's.
        self.runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        address = self.database.render_as_string(hide_password=False)
        self.clocks = Clock(), Clock()
        self.memory = quick(in_memory, self.clocks[0])
        self.postgres = quick(lambda settings: Container(settings=settings), self.clocks[1], DATABASE_URL=address)
        for blog in (self.memory, self.postgres):
            # The same names for the same versions.
            counted = map(str, count(1))
            for use_case in (blog.publishing, blog.revising, blog.reworking):
                use_case.override(providers.Object(replace(use_case(), edition=counted.__next__)))
            blog.previewing.override(providers.Object(replace(blog.previewing(), new_id=count(1).__next__)))
        self.authors: dict[int, int] = {}
        self.article = 1
        self.runner.run(empty_again(self.postgres))

    def teardown(self) -> None:
        for blog in (self.memory, self.postgres):
            self.runner.run(close(blog))
        self.runner.close()

    def both(self, ask: Callable[[Container], Awaitable[object]]) -> object:
        """What both answer, or how they refuse."""
        expected = self.runner.run(answer(ask(self.memory)))
        assert self.runner.run(answer(ask(self.postgres))) == expected
        return expected[1]

    @initialize()
    def two_write(self) -> None:
        for user, name in enumerate(("Ada", "Bob"), 1):
            self.register(Email(f"{name}@example.org"), Username(name), NewPassword(PASSWORDS[0]))
            self.write(user, Title("One"), Content("Some words."), {"published": user == 1})

    def register(self, email: Email, username: Username, password: NewPassword) -> None:
        self.both(lambda blog: blog.accounts().register(email=email, username=username, password=password))

    @rule(
        actor=users,
        title=some_titles | titles.map(Title),
        content=some_contents,
        rest=st.one_of(
            st.fixed_dictionaries({"published": st.booleans()}, optional={"tags": some_tags, "slug": slugs}),
            st.fixed_dictionaries({"publish_at": moments}, optional={"unpublish_at": moments}),
        ),
        late=st.integers(0, 4),
    )
    def write(
        self,
        actor: int,
        title: Title,
        content: Content,
        rest: dict[str, Any],
        late: int = 0,
    ) -> None:
        # By a clock that is behind, so that articles share a moment, or come in another order than their ids.
        for clock in self.clocks:
            clock.advance(seconds=-late)
        given: dict[str, Any] = {"actor": actor, "title": title, "content": content, **self.at(rest)}
        written = self.both(lambda blog: blog.publishing().write(**given))
        if isinstance(written, ArticleView):
            self.authors[written.id] = actor

    @rule(actor=st.integers(1, 2), seconds=st.sampled_from((20, 40, 60)), slug=slugs)
    def plan(self, actor: int, seconds: int, slug: Slug) -> None:
        """Several are to come that would have one address."""
        self.write(actor, Title("One"), Content("To come."), {"publish_at": seconds, "slug": slug})

    def at(self, publication: dict[str, Any]) -> dict[str, Any]:
        """What is said of moments, by the clock."""
        return {
            name: self.clocks[0].moment + timedelta(seconds=value)
            if name.endswith("_at") and value is not None
            else value
            for name, value in publication.items()
        }

    def someone(self, actor: int | None, article: int) -> dict[str, Any]:
        """Who does something to which article; without an actor, its author."""
        self.article = article
        return {"actor": actor or self.authors.get(article, 1), "article": article}

    @rule(
        actor=users_or_author,
        article=articles,
        changes=st.fixed_dictionaries({}, optional={**manuscripts, "slug": slugs, "published": st.booleans()}),
    )
    def edit(self, actor: int | None, article: int, changes: dict[str, Any]) -> None:
        who = self.someone(actor, article)
        self.both(lambda blog: blog.publishing().edit(**who, **changes))

    @rule(article=articles, publication=st.fixed_dictionaries({}, optional=publications))
    def schedule(self, article: int, publication: dict[str, Any]) -> None:
        who, publication = self.someone(None, article), self.at(publication)
        self.both(lambda blog: blog.publishing().edit(**who, **publication))

    @rule(actor=users_or_author, article=articles)
    def archive(self, actor: int | None, article: int) -> None:
        who = self.someone(actor, article)
        self.both(lambda blog: blog.publishing().archive(**who))

    @rule(seconds=st.integers(-20, 99))
    def let_time_pass(self, seconds: int) -> None:
        for clock in self.clocks:
            clock.advance(seconds=seconds)

    @rule(actor=users_or_author, article=articles)
    def delete(self, actor: int | None, article: int) -> None:
        who = self.someone(actor, article)
        self.both(lambda blog: blog.publishing().delete(**who))

    @invariant()
    def everybody_sees_the_same(self) -> None:
        expected = self.runner.run(everything(self.memory, self.article, self.authors))
        assert self.runner.run(everything(self.postgres, self.article, self.authors)) == expected


class People(TwoBlogs):
    """Who comes and goes, with all that they wrote."""

    @rule(email=emails, username=names, password=new_passwords)
    def come(self, email: Email, username: Username, password: NewPassword) -> None:
        self.register(email, username, password)

    @rule(username=typed_names, password=typed_passwords)
    def log_in(self, username: str, password: Password) -> None:
        async def known_by_the_token(blog: Container) -> object:
            token = await blog.authenticating().log_in(username=username, password=password)
            return token.expires_in, await blog.authenticating().identify(token.access_token)

        self.both(known_by_the_token)

    @rule(user=users)
    def come_with_a_token(self, user: int) -> None:
        """One that is good, whatever has become of its user."""
        self.both(lambda blog: blog.authenticating().identify(blog.tokens().issue(user).access_token))

    @rule(actor=users, password=typed_passwords)
    def delete_the_account(self, actor: int, password: Password) -> None:
        self.both(lambda blog: blog.accounts().delete(actor=actor, password=password))


class Texts(TwoBlogs):
    """What becomes of a text, and who reads it."""

    @rule(actor=users_or_author, article=articles, version=versions)
    def restore(self, actor: int | None, article: int, version: int) -> None:
        who = self.someone(actor, article)
        self.both(lambda blog: blog.revising().restore(**who, version=version))

    @rule(actor=users_or_author, article=articles, version=versions, against=versions)
    def look_back(self, actor: int | None, article: int, version: int, against: int) -> None:
        who = self.someone(actor, article)
        self.both(lambda blog: blog.revising().changes(**who, skip=against - 1, limit=version))
        self.both(lambda blog: blog.revising().compare(**who, version=version, against=against))

    @rule(actor=users_or_author, article=articles, changes=st.fixed_dictionaries({}, optional=manuscripts))
    def rework(self, actor: int | None, article: int, changes: dict[str, Any]) -> None:
        who = self.someone(actor, article)
        self.both(lambda blog: blog.reworking().save(**who, **changes))

    @rule(actor=users_or_author, article=articles, publish=st.booleans())
    def finish(self, actor: int | None, article: int, publish: bool) -> None:
        who = self.someone(actor, article)
        self.both(lambda blog: (blog.reworking().publish if publish else blog.reworking().discard)(**who))

    @rule(actor=users_or_author, article=articles, of=st.sampled_from(Previewed), seconds=st.integers(1, 99))
    def preview(self, actor: int | None, article: int, of: Previewed, seconds: int) -> None:
        who = self.someone(actor, article)
        self.both(lambda blog: blog.previewing().issue(**who, of=of, lifetime=timedelta(seconds=seconds)))
        self.both(lambda blog: blog.previewing().list(**who))

    @rule(actor=users_or_author, article=articles, preview=st.integers(1, 3))
    def revoke(self, actor: int | None, article: int, preview: int) -> None:
        who = self.someone(actor, article)
        self.both(lambda blog: blog.previewing().revoke(**who, preview=preview))

    @rule(caller=users, key=st.sampled_from("ab"), fingerprint=st.sampled_from((b"1", b"2")), breaks=st.booleans())
    def ask_once(self, caller: int, key: str, fingerprint: bytes, breaks: bool) -> None:
        request = a_request(caller=caller, key=key, fingerprint=fingerprint)

        async def once(blog: Container) -> object:
            async def work(transaction: TransactionFactory) -> Reply:
                publishing = replace(blog.publishing(), transaction=transaction)
                written = await publishing.write(actor=caller, title=Title("One"), content=Content("C"))
                if breaks:
                    raise Forbidden
                return Reply(status=201, headers={}, body=str(written.id).encode())

            return await blog.remembering().once(request, work)

        given = self.both(once)
        if isinstance(given, Reply):
            self.authors[int(given.body)] = caller

    @rule(viewer=st.sampled_from(VIEWERS), skip=st.integers(0, 6), limit=st.integers(1, 6), tags=some_tags)
    def turn_to_a_page(self, viewer: int | None, skip: int, limit: int, tags: Tags) -> None:
        wanted = ArticleFilter(tags=tags)
        self.both(lambda blog: blog.article_queries().page(viewer=viewer, skip=skip, limit=limit, filter=wanted))
        self.both(lambda blog: blog.article_queries().tags(viewer=viewer, skip=skip, limit=limit))


async def answer(asked: Awaitable[object]) -> tuple[str, object]:
    """What came of it: an answer, or the kind and the sentence of a refusal."""
    try:
        return "answered", await asked
    except BlogError as refusal:
        return type(refusal).__name__, str(refusal)


async def everything(blog: Container, article: int, authors: dict[int, int]) -> list[tuple[str, object]]:
    """All that is kept of articles, and all that anybody can see.

    Of the articles by themselves the one in question, to keep the game quick.
    """
    reading, people = blog.article_queries(), blog.user_queries()
    return [
        await answer(look)
        for look in (
            *(reading.page(viewer=viewer, skip=0, limit=100) for viewer in VIEWERS),
            *(reading.get(article, viewer=viewer, include=list(Include)) for viewer in VIEWERS),
            *(reading.get(slug, viewer=viewer) for slug in SLUGS for viewer in (None, 1)),
            *(reading.tags(viewer=viewer, skip=0, limit=100) for viewer in (None, 1)),
            *(reading.previewed(preview) for preview in (1, 2, 3)),
            *(kept(blog, written, author) for written, author in authors.items()),
            *(people.profile(Username(name)) for name in NAMES),
            *(people.account(user) for user in VIEWERS if user),
        )
    ]


async def kept(blog: Container, article: int, author: int) -> object:
    """An article as it is kept: its address too, which nobody sees before it is out."""
    async with blog.transaction() as tx:
        return await tx.articles.look(article, actor=author, at=blog.now()())


async def empty_again(blog: Container) -> None:
    """Nothing in the database, and ids from 1 on."""
    async with blog.database().connect() as connection:
        await connection.execute("TRUNCATE users RESTART IDENTITY CASCADE")


@pytest.mark.parametrize("game", [TwoBlogs, People, Texts])
def test_nobody_can_tell_them_apart(migrated: URL, game: type[TwoBlogs]) -> None:
    class TwoBlogsHere(game):  # type: ignore[misc, valid-type]
        database = migrated

    run_state_machine_as_test(
        TwoBlogsHere,
        settings=settings(
            max_examples=GAMES,
            stateful_step_count=STEPS,
            deadline=None,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
