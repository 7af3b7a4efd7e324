"""What measures must itself be right: its figures, its rows, and that no wrong reply gets by."""

from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from bench import Failure, apps, fill, load
from bench.figures import Figure, between, corrected, number, percentile, ratio, table
from bench.workloads import Goal, Row
from blog.application.queries import ArticleView


def test_a_figure_is_the_median_and_what_it_lies_between() -> None:
    assert str(Figure.of([30.0, 10.0, 20.0, 1000.0, 5.0])) == "20.0 (5.00 to 1,000)"


def test_a_ratio_is_taken_round_by_round() -> None:
    # The machine was slow in the second round, for both.
    assert ratio([100, 50, 102], [50, 25, 50]) == Figure(2.0, 2.0, 2.04)


def test_a_percentile_is_the_nearest_that_was_measured() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert (percentile(values, 50), percentile(values, 99), percentile([7.0], 99)) == (50.0, 99.0, 7.0)


def test_a_stall_counts_for_the_requests_that_it_kept_from_being_sent() -> None:
    assert corrected([5.0, 35.0], 10.0) == [5.0, 35.0, 25.0, 15.0, 5.0]


@pytest.mark.parametrize(
    ("value", "shown"), [(1234.5, "1,234"), (12.34, "12.3"), (0.8049, "0.80"), (float("inf"), "none")]
)
def test_a_number_has_the_digits_that_it_is_worth(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_table_is_even_and_in_markdown() -> None:
    assert table(["work", "n"], [["an article", "1,200"]]).splitlines() == [
        "| work       |     n |",
        "|------------|------:|",
        "| an article | 1,200 |",
    ]


def test_a_row_is_held_against_its_goal_by_the_ratio_or_else_by_the_figure() -> None:
    near = Row(work="read", unit="/s", ours=[70, 90, 80], theirs=[100, 100, 100], other="litestar", goal=Goal(0.8))
    assert near.cells[3:] == ["litestar 100", "0.80 (0.70 to 0.90)", "≥ 0.80", "yes"]
    slow = Row(work="start", unit="s", ours=[1.2], goal=Goal(1, most=True))
    assert slow.cells[2:] == ["1.20 (1.20 to 1.20)", "", "", "≤ 1.00", "no"]


def test_a_page_keeps_what_stands_around_its_table() -> None:
    page = "before\n<!-- bench: x -->\nold\n<!-- end of x -->\nafter\n"
    assert between(page, "x", "new") == "before\n<!-- bench: x -->\nnew\n<!-- end of x -->\nafter\n"
    with pytest.raises(ValueError, match="bench: y"):
        between(page, "y", "new")


def test_the_articles_are_the_same_each_time_of_the_size_wanted_and_no_two_alike() -> None:
    assert fill.written(7) == fill.written(7)
    articles = [fill.an_article(number, 300) for number in range(1, 301)]
    assert len({article.slug for article in articles}) == 300
    assert {fill.BYTES - 10 < len(article.manuscript.content) <= fill.BYTES for article in articles} == {True}
    assert {article.author_id for article in articles} == {1, 2, 3}


def test_rows_to_measure_with_belong_together() -> None:
    rows = fill.rows_of(range(5, 8), 300)
    assert [row["id"] for row in rows["articles"]] == [5, 6, 7]
    assert [(row["slug"], row["article_id"]) for row in rows["slugs"]] == [
        (row["address"], row["id"]) for row in rows["articles"]
    ]
    assert [(row["article_id"], row["version"]) for row in rows["revisions"]] == [(5, 1), (6, 1), (7, 1)]


def test_those_that_do_less_know_every_field_that_the_product_replies_with() -> None:
    always = [this.name for this in fields(ArticleView) if this.default is MISSING]
    assert apps.selected(always).count(" AS ") == len(always)
    with pytest.raises(KeyError):
        apps.selected(["nonsense"])


def test_a_tool_that_is_missing_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure, match=r"^wrk and h2load is not installed: `apt install wrk nghttp2-client`"):
        load.need("wrk", "h2load")
