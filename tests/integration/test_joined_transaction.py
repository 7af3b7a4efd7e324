"""Use cases inside a transaction of the embedding service's own."""

import pytest

from blog import Accounts, BlogError, Content, Email, NewPassword, Publishing, Title, Username
from blog.adapters.database import JoinedTransaction
from blog.container import Container
from blog.domain.articles import ArticleNotFound
from blog.domain.slugs import Slug
from tests.builders import Clock


class Interrupted(Exception): ...


async def test_what_a_use_case_did_stays_or_goes_with_the_whole(container: Container, clock: Clock) -> None:
    database, queries = container.database(), container.article_queries()
    async with database.connect() as connection, connection.transaction():
        accounts = Accounts(transaction=lambda: JoinedTransaction(connection), hasher=container.hasher(), now=clock)
        ada = await accounts.register(
            email=Email("a@b.c"), username=Username("ada"), password=NewPassword("correct horse")
        )
    assert (await container.user_queries().account(ada.id)) == ada

    for outcome in (Interrupted, None):
        try:
            async with database.connect() as connection, connection.transaction():
                # A table of the service's own; of this transaction alone, to leave the tests' database as it was.
                await connection.execute("CREATE TEMPORARY TABLE paid (article bigint) ON COMMIT DROP")
                publishing = Publishing(
                    transaction=lambda: JoinedTransaction(connection), markdown=container.markdown(), now=clock
                )
                article = await publishing.write(actor=ada.id, title=Title("T"), content=Content("C"), published=True)
                await connection.execute("INSERT INTO paid VALUES ($1)", article.id)
                with pytest.raises(ArticleNotFound):
                    await queries.get(article.id, viewer=ada.id)
                if outcome:
                    raise outcome
        except Interrupted:
            with pytest.raises(ArticleNotFound):
                await queries.get(article.id, viewer=ada.id)
        else:
            assert await queries.get(Slug(article.slug), viewer=ada.id) == article


async def test_a_refusal_undoes_its_own_part_alone(container: Container, clock: Clock) -> None:
    database = container.database()
    async with database.connect() as connection, connection.transaction():
        accounts = Accounts(transaction=lambda: JoinedTransaction(connection), hasher=container.hasher(), now=clock)
        kept: list[str] = []
        for name in ("ada", "bob", "ADA", "cat"):
            try:
                account = await accounts.register(
                    email=Email(f"{name}@b.c"), username=Username(name), password=NewPassword("correct horse")
                )
                kept.append(account.username)
            except BlogError as refusal:
                kept.append(type(refusal).__name__)
    assert kept == ["ada", "bob", "EmailTaken", "cat"]
    for name in ("ada", "bob", "cat"):
        assert (await container.user_queries().profile(Username(name))).username == name
