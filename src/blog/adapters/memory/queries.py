"""Reading what was committed."""

from blog.adapters.memory.store import MemoryStore
from blog.application.queries import AccountView, ArticlePage, ArticleView, ProfileView
from blog.domain.articles import ArticleNotFound
from blog.domain.users import Username, UserNotFound


class MemoryArticleQueries:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def get(self, article_id: int, *, viewer: int | None) -> ArticleView:
        article = self._store.articles.get(article_id)
        if article is None or not article.visible_to(viewer):
            raise ArticleNotFound
        return ArticleView.of(article)

    async def page(self, *, viewer: int | None, skip: int, limit: int) -> ArticlePage:
        visible = [article for article in self._store.articles.values() if article.visible_to(viewer)]
        visible.sort(key=lambda article: (article.created_at, article.id), reverse=True)
        return ArticlePage(
            articles=tuple(ArticleView.of(article) for article in visible[skip : skip + limit]),
            more=len(visible) > skip + limit,
        )


class MemoryUserQueries:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def account(self, user_id: int) -> AccountView:
        try:
            return AccountView.of(self._store.users[user_id])
        except KeyError:
            raise UserNotFound from None

    async def profile(self, username: Username) -> ProfileView:
        for user in self._store.users.values():
            if user.username.key == username.key:
                return ProfileView(
                    id=user.id,
                    username=str(user.username),
                    created_at=user.created_at,
                    updated_at=user.updated_at,
                )
        raise UserNotFound
