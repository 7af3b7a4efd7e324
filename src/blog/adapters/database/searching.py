"""What finds articles by what only few may have: words, tags, and a language."""

from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    Select,
    Subquery,
    Text,
    and_,
    bindparam,
    case,
    cast,
    collate,
    column,
    func,
    literal_column,
    not_,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY

from blog.adapters.database.tables import SECTION, articles
from blog.application.queries import RANKED

# Words as they stand, or as the language makes of them. They are `SearchWords.normalized`: of what else people write,
# PostgreSQL refuses some with an error, such as 33 hyphens.
_LANGUAGE = bindparam("language", type_=Text)
_STEMS = func.blog_configuration(_LANGUAGE)
QUERY = func.websearch_to_tsquery(literal_column("'simple'::regconfig"), bindparam("words")).op("||")(
    func.websearch_to_tsquery(_STEMS, bindparam("words"))
)
# Worked out once, and not for each article.
_ASKED = select(QUERY).scalar_subquery()


def in_language(language: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the language range `language` matches a tag: see `Language.matches`."""
    tag = func.lower(collate(language, "C"))
    # In ASCII, "-" comes before letters and digits, and "." comes after it.
    return and_(tag >= _LANGUAGE, tag < _LANGUAGE.op("||")(literal_column("'.'")))


SPARSE: dict[str, Callable[[Any], ColumnElement[bool]]] = {
    "language": lambda c: in_language(c.language),
    "tags": lambda c: c.tag_keys.contains(bindparam("tags", type_=ARRAY(Text))),
    "words": lambda c: c.search.op("@@", is_comparison=True)(_ASKED),
}
"""Whether an article is one that is wanted, of its columns, by the names of the fields of `ArticleFilter`."""

# The title that is nearest in spelling, where no word is found.
SIMILAR = bindparam("spelled", type_=Text).op("<%", is_comparison=True)(articles.c.title)
NEARNESS = func.word_similarity(bindparam("spelled"), articles.c.title)

HIGHLIGHTED = 2_000_000
"""Characters of HTML that are read for the highlights of a page, which takes three quarters of a second.

Each article has an equal share of them: all of its text on a page of ten, its first twenty thousand characters on a
page of a hundred. What is found behind that is found, and not marked.
"""


def with_highlights(page: Select[Any], shown: Collection[str], *, limit: int) -> Select[Any]:
    """The same page, whose columns are `shown` and `highlight`. It must be in order, and have `highlight_of`.

    A highlight takes longer than all the rest, so that there is none of what is only read to see whether there is
    more than the `limit`, or is skipped.
    """
    found = page.subquery("shown")
    number = func.row_number().over()
    # What is sanitized holds its text escaped, so that without the tags, and without one that the share cuts in two,
    # it is safe in HTML.
    share = func.left(found.c.highlight_of, literal_column(str(HIGHLIGHTED // limit)))
    text_of_it = func.regexp_replace(share, literal_column("'<[^>]*>?', ' ', 'g'"))
    highlight = func.ts_headline(
        func.blog_configuration(found.c.language),
        text_of_it,
        _ASKED,
        literal_column("'StartSel=<mark>, StopSel=</mark>, MaxFragments=2, MaxWords=25, MinWords=8'"),
    )
    made = case((number <= literal_column(str(limit)), highlight)).label("highlight")
    return select(*(found.c[name] for name in shown), made).order_by(number)


# The latest section of the articles, the one before it, the two before that, the four before those, and so on.
# PostgreSQL looks into them in this order, and no further than until it has as many articles as are ranked: a word
# that every article has is found in the latest, and one that few have in as many looks as the number of sections has
# binary digits, and one more.
_SECTIONS = (
    text("""
        SELECT ARRAY(SELECT generate_series(greatest(last + 1 - (1 << step), 0), last - (1 << step >> 1))) AS numbers
        FROM generate_series(0, 30) AS step, (SELECT max(id) >> 13 AS last FROM articles) AS latest
        WHERE last >= 1 << step >> 1
        ORDER BY step
    """)
    .columns(column("numbers", ARRAY(BigInteger)))
    .cte("sections")
)


def by_relevance(*conditions: ColumnElement[bool], rounds: int, limit: int, skips: bool) -> Subquery:
    """The articles that match best: their ids, and their order in `round` and `relevance`.

    The statement is given how many stand in the rounds before those that it reads (`passed`), and how many to leave
    out of the rest (`into`).
    """
    matching = (
        select(articles.c.id, articles.c.search)
        .where(SPARSE["words"](articles.c), SECTION.op("&&")(_SECTIONS.c.numbers), *conditions)
        .order_by(articles.c.id.desc())
        .lateral("matching")
    )
    number = func.row_number().over()
    latest: Select[Any] = (
        select(matching, ((number - literal_column("1")) // literal_column(str(RANKED))).label("round"))
        .select_from(_SECTIONS.join(matching, true()))
        .limit(literal_column(str(rounds * RANKED)))
    )
    compared = (latest.offset(bindparam("passed")) if skips else latest).subquery("latest")
    # Divided by the length, or the longest would come first for everything.
    relevance = func.ts_rank_cd(compared.c.search, _ASKED, literal_column("2")).label("relevance")
    found: Select[Any] = (
        select(compared.c.id, compared.c.round, relevance)
        .order_by(compared.c.round, relevance.desc(), compared.c.id.desc())
        .limit(literal_column(str(limit)))
    )
    return (found.offset(bindparam("into")) if skips else found).subquery("best")


LOOKED_AT = {"language": 8, "tags": 8, "words": 2}
"""How many articles are looked at one by one before an index is asked, times the square root of the highest id.

That is about how many there are, and is known without counting them. With so many, looking at them takes about as
long as it takes the index to find a tag, or a word, that hardly fewer have: the rarer it is, the sooner it is found
by the one, and the later by the other.
"""


def by_date(
    *conditions: ColumnElement[bool],
    names: Collection[str],
    by: ColumnElement[Any],
    ascending: bool,
    limit: int,
    skips: bool,
) -> Subquery:
    """The ids of the first articles in some order that have what is `SPARSE`.

    Where many have it, some are soon met by going through the articles in this order. Where few have it, its index
    finds all, which are put in order then. PostgreSQL cannot tell one from the other: it expects a word that it has
    no figures of in one article of two hundred, and would look through a million for one that nobody has written.
    """

    def in_order(by: ColumnElement[Any], number: ColumnElement[int]) -> list[ColumnElement[Any]]:
        return [key.asc() if ascending else key.desc() for key in (by, number)]

    def page(statement: Select[Any]) -> Select[Any]:
        statement = statement.limit(literal_column(str(limit)))
        return statement.offset(bindparam("skip")) if skips else statement

    times = literal_column(str(min(LOOKED_AT[name] for name in names)), Float)
    some = select(cast(times * func.sqrt(func.max(articles.c.id)), BigInteger)).scalar_subquery()
    looked_at = (
        select(articles.c.id, articles.c.language, articles.c.tag_keys, articles.c.search, by.label("key"))
        .where(*conditions)
        .order_by(*in_order(by, articles.c.id))
        .limit(some)
        .subquery("looked_at")
    )
    met = select(looked_at.c.id).where(*(SPARSE[name](looked_at.c) for name in names))
    soon = page(met.order_by(*in_order(looked_at.c.key, looked_at.c.id))).cte("soon")
    enough = select(func.count() == literal_column(str(limit))).select_from(soon).scalar_subquery()
    all_of_them = select(articles.c.id).where(
        not_(enough), *conditions, *(SPARSE[name](articles.c) for name in names)
    )
    # Not by the index of the order, of which nobody knows how far it would have to be read.
    rest = page(all_of_them.order_by(*in_order(by + literal_column("interval '0'"), articles.c.id)))
    return union_all(select(soon.c.id).where(enough), rest).subquery("found")
