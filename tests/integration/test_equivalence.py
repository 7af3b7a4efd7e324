"""The same blog twice, in memory and in PostgreSQL: whatever is asked of both, nobody can tell them apart."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import URL, text

from blog.application.queries import ArticleView
from blog.container import Container, close, in_memory
from blog.domain.articles import Content, Title
from blog.domain.errors import BlogError
from blog.domain.users import Email, NewPassword, Password, Username
from tests.builders import Clock, contents, titles
from tests.support import quick

GAMES = 25
STEPS = 20

# Ids are handed out from 1 on, so that a small number is a user or an article that is there, is gone or is to come.
users = st.integers(1, 3)
users_or_author = st.none() | users
articles = st.integers(1, 4)
VIEWERS = (None, 1, 2, 3, 2**62)

# Few, so that they meet: spellings of one thing, and names that nobody has or could have.
NAMES = ("Ada", "aDA", "Bob", "b.o-b_")
PASSWORDS = ("cafe\u0301 cafe\u0301", "caf\u00e9 caf\u00e9")
ADDRESSES = ("ADA@Example.ORG", "straße@x.org", "STRASSE@X.org", "cafe\u0301@x", "CAF\u00c9@x")
names = st.sampled_from(NAMES).map(Username)
emails = st.sampled_from(ADDRESSES).map(Email)
new_passwords = st.sampled_from(PASSWORDS).map(NewPassword)
typed_names = st.sampled_from((*NAMES, "nobody", "no such name!\x00"))
typed_passwords = st.sampled_from((*PASSWORDS, "not this one")).map(Password)
some_titles = titles.map(Title)
some_contents = contents.map(Content)


class TwoBlogs(RuleBasedStateMachine):
    """Both are asked the same, and answer the same."""

    database: ClassVar[URL]

    def __init__(self) -> None:
        super().__init__()
        # A loop that is not made this thread's: that one is pytest's.
        self.runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        address = self.database.render_as_string(hide_password=False)
        self.clocks = Clock(), Clock()
        self.memory = quick(in_memory, self.clocks[0])
        self.postgres = quick(lambda settings: Container(settings=settings), self.clocks[1], DATABASE_URL=address)
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
            self.write(user, Title(f"By {name}"), Content("Some words."), published=True)

    @rule(email=emails, username=names, password=new_passwords)
    def register(self, email: Email, username: Username, password: NewPassword) -> None:
        self.both(lambda blog: blog.accounts().register(email=email, username=username, password=password))

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

    @rule(actor=users, title=some_titles, content=some_contents, published=st.booleans(), late=st.integers(0, 4))
    def write(self, actor: int, title: Title, content: Content, published: bool, late: int = 0) -> None:
        # By a clock that is behind, so that articles share a moment, or come in another order than their ids.
        for clock in self.clocks:
            clock.advance(seconds=-late)
        written = self.both(
            lambda blog: blog.publishing().write(actor=actor, title=title, content=content, published=published),
        )
        if isinstance(written, ArticleView):
            self.authors[written.id] = actor

    @rule(
        actor=users_or_author,
        article=articles,
        changes=st.fixed_dictionaries(
            {}, optional={"title": some_titles, "content": some_contents, "published": st.booleans()}
        ),
    )
    def edit(self, actor: int | None, article: int, changes: dict[str, Any]) -> None:
        self.article = article
        by = actor or self.authors.get(article, 1)
        self.both(lambda blog: blog.publishing().edit(actor=by, article=article, **changes))

    @rule(actor=users_or_author, article=articles)
    def delete(self, actor: int | None, article: int) -> None:
        self.article = article
        by = actor or self.authors.get(article, 1)
        self.both(lambda blog: blog.publishing().delete(actor=by, article=article))

    @rule(viewer=st.sampled_from(VIEWERS), skip=st.integers(0, 6), limit=st.integers(1, 6))
    def turn_to_a_page(self, viewer: int | None, skip: int, limit: int) -> None:
        self.both(lambda blog: blog.article_queries().page(viewer=viewer, skip=skip, limit=limit))

    @invariant()
    def everybody_sees_the_same(self) -> None:
        expected = self.runner.run(everything(self.memory, self.article))
        assert self.runner.run(everything(self.postgres, self.article)) == expected


async def answer(asked: Awaitable[object]) -> tuple[str, object]:
    """What came of it: an answer, or the kind and the sentence of a refusal."""
    try:
        return "answered", await asked
    except BlogError as refusal:
        return type(refusal).__name__, str(refusal)


async def everything(blog: Container, article: int) -> list[tuple[str, object]]:
    """All that anybody can see: of the articles by themselves the one in question, to keep the game quick."""
    reading, people = blog.article_queries(), blog.user_queries()
    return [
        await answer(look)
        for look in (
            *(reading.page(viewer=viewer, skip=0, limit=100) for viewer in VIEWERS),
            *(reading.get(article, viewer=viewer) for viewer in VIEWERS),
            *(people.profile(Username(name)) for name in NAMES),
            *(people.account(user) for user in VIEWERS if user),
        )
    ]


async def empty_again(blog: Container) -> None:
    """Nothing in the database, and ids from 1 on."""
    async with blog.database().engine.begin() as connection:
        await connection.execute(text("TRUNCATE users, articles RESTART IDENTITY"))


def test_nobody_can_tell_them_apart(migrated: URL) -> None:
    class TwoBlogsHere(TwoBlogs):
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
