"""Preconditions, in the order of RFC 9110, section 13.2.2."""

from datetime import UTC, datetime, timedelta

import pytest

from blog.domain.preconditions import (
    ANY_VERSION,
    EditedMeanwhile,
    Precondition,
    PreconditionFailed,
    VersionExcluded,
)

CHANGED = datetime(2026, 3, 4, 12, 0, 0, 999_999, tzinfo=UTC)
THEN, BEFORE = CHANGED.replace(microsecond=0), CHANGED.replace(microsecond=0) - timedelta(seconds=1)


def refusal(expected: Precondition, version: int = 3) -> type[PreconditionFailed] | None:
    """How a change to version 3, or to what does not exist, is refused."""
    try:
        expected.check(version=version, edition="3-here", changed_by=7, changed_at=CHANGED)
    except PreconditionFailed as error:
        found = error
    else:
        return None
    assert (found.version, found.changed_by, found.changed_at) == (version, 7, CHANGED)
    return type(found)


@pytest.mark.parametrize(
    ("expected", "refused"),
    [
        (ANY_VERSION, None),
        (Precondition(editions=["3-here", "2-there"]), None),
        (Precondition(editions=["2-there"]), EditedMeanwhile),
        (Precondition(editions=[]), EditedMeanwhile),
        (Precondition(unmodified_since=THEN), None),
        (Precondition(unmodified_since=BEFORE), EditedMeanwhile),
        # The version says more than the date.
        (Precondition(editions=["3-here"], unmodified_since=BEFORE), None),
        (Precondition(editions=["2-there"], unmodified_since=THEN), EditedMeanwhile),
        (Precondition(other_than=["2-there"]), None),
        (Precondition(other_than=["2-there", "3-here"]), VersionExcluded),
        (Precondition(absent=True), VersionExcluded),
        # Both have to hold, and the first that does not is told.
        (Precondition(editions=["3-here"], other_than=["3-here"]), VersionExcluded),
        (Precondition(editions=["2-there"], absent=True), EditedMeanwhile),
        (Precondition(unmodified_since=BEFORE, absent=True), EditedMeanwhile),
        (Precondition(unmodified_since=THEN, absent=True), VersionExcluded),
    ],
)
def test_a_change_is_made_for_the_versions_that_it_names(
    expected: Precondition, refused: type[PreconditionFailed] | None
) -> None:
    assert refusal(expected) is refused


def test_what_does_not_exist_has_no_date_and_no_version_to_exclude() -> None:
    for expected in (
        ANY_VERSION,
        Precondition(absent=True),
        Precondition(other_than=["3-here"]),
        Precondition(unmodified_since=BEFORE),
    ):
        assert refusal(expected, version=0) is None
    assert refusal(Precondition(editions=["2-there"]), version=0) is EditedMeanwhile
