"""What a blog can do, told to it as an embedding service would."""

from datetime import timedelta

import pytest

from blog.application.ports import AccessToken
from blog.application.queries import AccountView
from blog.container import Container
from blog.domain.articles import ArticleNotFound, Content, NotTheAuthor, Title
from blog.domain.users import (
    Email,
    EmailTaken,
    InvalidCredentials,
    InvalidToken,
    NewPassword,
    Password,
    Username,
    UsernameTaken,
    WrongPassword,
)
from tests.builders import NOON, Clock

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


async def test_writing_editing_and_deleting_an_article(container: Container) -> None:
    author = (await register(container)).id
    publishing, queries = container.publishing(), container.article_queries()
    draft = await publishing.write(actor=author, title=Title("T"), content=Content("C"))
    assert (draft.title, draft.content, draft.published, draft.author_id) == ("T", "C", False, author)
    assert draft.created_at == draft.updated_at
    assert await queries.get(draft.id, viewer=author) == draft

    published = await publishing.edit(actor=author, article=draft.id, title=Title("New"), published=True)
    assert (published.title, published.content, published.published) == ("New", "C", True)
    assert published.updated_at > published.created_at == draft.created_at
    assert await queries.get(draft.id, viewer=None) == published

    assert await publishing.edit(actor=author, article=draft.id) == published

    await publishing.delete(actor=author, article=draft.id)
    with pytest.raises(ArticleNotFound):
        await queries.get(draft.id, viewer=author)


async def test_only_its_author_touches_an_article(container: Container) -> None:
    author, stranger = (await register(container)).id, (await register(container, "Bob")).id
    publishing, queries = container.publishing(), container.article_queries()
    for published, refusal in ((True, NotTheAuthor), (False, ArticleNotFound)):
        article = await publishing.write(actor=author, title=Title("T"), content=Content("C"), published=published)
        with pytest.raises(refusal):
            await publishing.edit(actor=stranger, article=article.id, title=Title("Mine"))
        with pytest.raises(refusal):
            await publishing.delete(actor=stranger, article=article.id)
        assert await queries.get(article.id, viewer=author) == article


async def test_what_is_not_there_cannot_be_touched(container: Container) -> None:
    author = (await register(container)).id
    with pytest.raises(ArticleNotFound):
        await container.publishing().edit(actor=author, article=404, published=True)
    with pytest.raises(ArticleNotFound):
        await container.publishing().delete(actor=author, article=404)


async def test_who_is_gone_writes_nothing(container: Container) -> None:
    with pytest.raises(InvalidToken):
        await container.publishing().write(actor=404, title=Title("T"), content=Content("C"))
