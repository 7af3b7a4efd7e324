"""What finds words in articles, and what says how well an article matches."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Subquery,
    Text,
    bindparam,
    column,
    func,
    literal_column,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from blog.adapters.database.tables import SECTION, articles
from blog.application.queries import RANKED

# Words as they stand, or as the language makes of them.
_STEMS = func.blog_configuration(bindparam("language", type_=Text))
QUERY = func.websearch_to_tsquery(literal_column("'simple'::regconfig"), bindparam("words")).op("||")(
    func.websearch_to_tsquery(_STEMS, bindparam("words"))
)
FOUND = articles.c.search.op("@@")(QUERY)
# The title that is nearest in spelling, where no word is found.
SIMILAR = bindparam("words", type_=Text).op("<%", is_comparison=True)(articles.c.title)
NEARNESS = func.word_similarity(bindparam("words"), articles.c.title)

# What is sanitized holds its text escaped, so that without the tags it is safe in HTML.
_TEXT = func.regexp_replace(articles.c.content_html, literal_column("'<[^>]*>', ' ', 'g'"))
HIGHLIGHT = func.ts_headline(
    func.blog_configuration(articles.c.language),
    _TEXT,
    QUERY,
    literal_column("'StartSel=<mark>, StopSel=</mark>, MaxFragments=2, MaxWords=25, MinWords=8'"),
).label("highlight")

# The latest section of the articles, the two before it, the four before those, and so on. PostgreSQL looks into them
# in this order, and no further than until it has as many articles as are ranked: a word that every article has is
# found in the latest alone, and one that few have in as many looks as the number of sections has digits.
_SECTIONS = (
    text("""
        SELECT ARRAY(SELECT generate_series(greatest(last + 2 - (2 << step), 0), last + 1 - (1 << step))) AS numbers
        FROM generate_series(0, 29) AS step, (SELECT max(id) >> 13 AS last FROM articles) AS latest
        WHERE last + 1 >= 1 << step
        ORDER BY step
    """)
    .columns(column("numbers", ARRAY(BigInteger)))
    .cte("sections")
)


def best(*conditions: ColumnElement[bool], rounds: int, limit: int, skips: bool) -> Subquery:
    """The articles that match best: their ids, and their order in `round` and `relevance`.

    The statement is given how many stand in the rounds before those that it reads (`passed`), and how many to leave
    out of the rest (`skip`).
    """
    # Asked once, and not for each article.
    query = select(QUERY).scalar_subquery()
    matching = (
        select(articles.c.id, articles.c.search)
        .where(articles.c.search.op("@@")(query), SECTION.op("&&")(_SECTIONS.c.numbers), *conditions)
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
    relevance = func.ts_rank_cd(compared.c.search, query, literal_column("2")).label("relevance")
    found: Select[Any] = (
        select(compared.c.id, compared.c.round, relevance)
        .order_by(compared.c.round, relevance.desc(), compared.c.id.desc())
        .limit(literal_column(str(limit)))
    )
    return (found.offset(bindparam("skip")) if skips else found).subquery("best")
