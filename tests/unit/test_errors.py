"""The kinds of refusal."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module

import blog
from blog.domain import errors
from blog.domain.articles import ArticleMoved
from blog.domain.errors import BlogError, Moved
from blog.domain.slugs import Slug


def refusals(kind: type[BlogError] = BlogError) -> Iterator[type[BlogError]]:
    """Every class of a refusal that the package defines."""
    for refusal in kind.__subclasses__():
        if refusal.__module__.startswith("blog."):
            yield refusal
            yield from refusals(refusal)


def test_every_refusal_is_of_a_kind_that_an_embedder_can_import() -> None:
    for module in pkgutil.walk_packages(blog.__path__, "blog."):
        if module.name.startswith(("blog.domain.", "blog.application.", "blog.entrypoints.http.")):
            import_module(module.name)
    kinds = {kind for kind in BlogError.__subclasses__() if kind.__module__.startswith("blog.")}
    assert {kind.__module__ for kind in kinds} == {errors.__name__}
    assert {kind.__name__ for kind in kinds} <= set(blog.__all__)
    assert all(kind.__doc__ for kind in kinds)
    assert set(refusals()) > kinds


def test_a_moved_article_says_where_it_is() -> None:
    moved = ArticleMoved(Slug("on-looms"))
    assert isinstance(moved, Moved)
    assert (moved.to, moved.slug, str(moved)) == ("on-looms", "on-looms", "The article is now at on-looms.")
