"""Reading what was committed."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from blog.adapters.memory.listing import addresses_of, page_of, view_of
from blog.adapters.memory.store import MemoryStore
from blog.application.ports import Clock
from blog.application.queries import (
    ANY,
    NEWEST_FIRST,
    AccountView,
    AddressView,
    ArticleFilter,
    ArticlePage,
    ArticleView,
    Include,
    Order,
    Place,
    ProfileView,
    TagView,
    UserView,
)
from blog.domain.articles import Article, ArticleMoved, ArticleNotFound, Status
from blog.domain.previews import Previewed, PreviewNotFound
from blog.domain.slugs import Slug
from blog.domain.tags import Tag
from blog.domain.users import User, Username, UserNotFound


class MemoryArticleQueries:
    def __init__(self, store: MemoryStore, now: Clock) -> None:
        self._store, self._now = store, now

    async def get(self, which: int | Slug, *, viewer: int | None, include: Collection[Include] = ()) -> ArticleView:
        at, tables = self._now(), self._store.tables
        visible = [article for article in self._found(which, viewer, at) if article.visible_to(viewer, at=at)]
        found = [
            (isinstance(which, int) or tables.slugs.get(which) == article.id, tables.settled(article, at))
            for article in visible
        ]
        # What everybody finds there comes first, and then what is one's own.
        found.sort(key=lambda each: (each[0], each[1].status(at) is Status.PUBLISHED, each[1].id), reverse=True)
        for owned, article in found:
            if isinstance(which, Slug) and article.slug != which:
                if not owned:
                    continue
                if article.status(at) is Status.PUBLISHED:
                    raise ArticleMoved(article.slug)
            return view_of(article, tables.users, viewer, at, include)
        raise ArticleNotFound

    def _found(self, which: int | Slug, viewer: int | None, at: datetime) -> list[Article]:
        """The article that has or had this slug, or that came out with it, by itself or with its number.

        And the viewer's own that is to have it.
        """
        tables = self._store.tables
        if not isinstance(which, Slug):
            numbers = [which]
        else:
            owner, came_out = tables.slugs.get(which, 0), tables.came_out(which, at)
            claimed = owner if owner in tables.articles else came_out[0].id if came_out else which.mark or 0
            own = [
                article.id
                for article in tables.articles.values()
                if (article.author_id, article.slug) == (viewer, which) and article.address != which
            ]
            numbers = sorted({claimed, max(own, default=claimed)})
        return [tables.articles[number] for number in numbers if number in tables.articles]

    async def page(
        self,
        *,
        viewer: int | None,
        limit: int,
        skip: int = 0,
        after: Place | None = None,
        before: Place | None = None,
        filter: ArticleFilter = ANY,  # noqa: A002
        order: Order = NEWEST_FIRST,
        include: Collection[Include] = (),
        count: bool = False,
        highlights: bool = True,
    ) -> ArticlePage:
        at = self._now()
        return page_of(
            self._visible(viewer, at),
            self._store.tables.users,
            viewer=viewer,
            at=at,
            limit=limit,
            skip=skip,
            after=after,
            before=before,
            filter=filter,
            order=order,
            include=include,
            count=count,
            highlights=highlights,
        )

    async def tags(self, *, viewer: int | None, skip: int, limit: int) -> Sequence[TagView]:
        spelled: dict[str, Tag] = {}
        counts: Counter[str] = Counter()
        for article in self._visible(viewer, self._now()):
            for tag in article.manuscript.tags:
                spelled.setdefault(tag.key, tag)
                counts[tag.key] += 1
        by_frequency = sorted(counts, key=lambda key: (-counts[key], key))
        return [TagView(tag=str(spelled[key]), count=counts[key]) for key in by_frequency[skip : skip + limit]]

    async def parts(self, *, size: int) -> Sequence[int]:
        return sorted({article.id // size for article in self._visible(None, self._now())})

    async def addresses(self, *, part: int, size: int) -> Sequence[AddressView]:
        return addresses_of(article for article in self._visible(None, self._now()) if article.id // size == part)

    async def previewed(self, preview_id: int) -> ArticleView:
        at, tables = self._now(), self._store.tables
        preview = tables.previews.get(preview_id)
        if preview is None or preview.expires_at <= at:
            raise PreviewNotFound
        article = tables.articles[preview.article_id]
        if preview.of is Previewed.WORKING_COPY:
            copy = tables.working_copies.get(article.id)
            if copy is None:
                raise PreviewNotFound
            article = replace(article, manuscript=copy.manuscript, rendition=copy.rendition)
        return view_of(article, tables.users, None, at, (Include.CONTENT_HTML,))

    def _visible(self, viewer: int | None, at: datetime) -> list[Article]:
        """What the viewer may read at that moment, the newest first."""
        tables = self._store.tables
        visible = [tables.settled(a, at) for a in tables.articles.values() if a.visible_to(viewer, at=at)]
        return sorted(visible, key=lambda article: (article.created_at, article.id), reverse=True)


class MemoryUserQueries:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def account(self, user_id: int) -> AccountView:
        user = self._store.tables.users.get(user_id)
        if user is None or user.disabled_at:
            raise UserNotFound
        return AccountView.of(user)

    async def profile(self, username: Username) -> ProfileView:
        user = self._named(username)
        return ProfileView(
            id=user.id, username=str(user.username), created_at=user.created_at, updated_at=user.updated_at
        )

    async def user(self, username: Username) -> UserView:
        return self._view(self._named(username))

    async def page(self, *, skip: int, limit: int) -> Sequence[UserView]:
        users = sorted(self._store.tables.users.values(), key=lambda user: user.id)
        return [self._view(user) for user in users[skip : skip + limit]]

    def _named(self, username: Username) -> User:
        for user in self._store.tables.users.values():
            if user.username.key == username.key:
                return user
        raise UserNotFound

    def _view(self, user: User) -> UserView:
        articles = self._store.tables.articles.values()
        return UserView.of(user, articles=sum(article.author_id == user.id for article in articles))
