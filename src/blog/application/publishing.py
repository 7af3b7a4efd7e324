"""Writing articles and publishing them."""

from dataclasses import dataclass

from blog.application.ports import Clock, TransactionFactory
from blog.application.queries import ArticleView
from blog.domain.articles import Article, Content, Title


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """What an author does with an article."""

    transaction: TransactionFactory
    now: Clock

    async def write(self, *, actor: int, title: Title, content: Content, published: bool = False) -> ArticleView:
        """Write an article, as a draft unless told otherwise. Raises `InvalidToken` where the actor is gone."""
        async with self.transaction() as tx:
            article = Article.write(
                id=await tx.articles.next_id(),
                title=title,
                content=content,
                published=published,
                author_id=actor,
                at=self.now(),
            )
            await tx.articles.add(article)
        return ArticleView.of(article)

    async def edit(
        self,
        *,
        actor: int,
        article: int,
        title: Title | None = None,
        content: Content | None = None,
        published: bool | None = None,
    ) -> ArticleView:
        """Change what is given and nothing else. Raises `ArticleNotFound`, `NotTheAuthor`."""
        async with self.transaction() as tx:
            before = await tx.articles.get(article, actor=actor)
            after = before.edit(by=actor, at=self.now(), title=title, content=content, published=published)
            if after is not before:
                await tx.articles.save(after)
        return ArticleView.of(after)

    async def delete(self, *, actor: int, article: int) -> None:
        """Delete the article. Raises `ArticleNotFound`, `NotTheAuthor`."""
        async with self.transaction() as tx:
            (await tx.articles.get(article, actor=actor)).check_changeable_by(actor)
            await tx.articles.remove(article)
