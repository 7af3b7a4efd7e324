"""Preconditions: for which version of a thing a change is made."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from blog.domain.errors import Stale


class PreconditionFailed(Stale):
    """The thing has another version than the change is for. It has `version`, made by a user at a moment."""

    def __init__(self, *, version: int, changed_by: int, changed_at: datetime) -> None:
        super().__init__()
        self.version, self.changed_by, self.changed_at = version, changed_by, changed_at


class EditedMeanwhile(PreconditionFailed):
    """The thing was changed after the version that the change is for."""

    sentence = "This was changed since you read it; read it again and decide what to keep."


class VersionExcluded(PreconditionFailed):
    """The thing has a version that the change must not be made to."""

    sentence = (
        "The condition of this change excludes the version that is there; leave that condition out to change it."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Precondition:
    """For which version of a thing a change is made (RFC 9110, section 13.1). Without any part: for every version."""

    editions: Collection[str] | None = None
    """For these versions alone (`If-Match`). `unmodified_since` does not count then."""
    unmodified_since: datetime | None = None
    """For a thing that did not change after this moment, to the second (`If-Unmodified-Since`)."""
    other_than: Collection[str] = ()
    """For none of these versions (`If-None-Match`)."""
    absent: bool = False
    """For a thing that does not exist yet (`If-None-Match: *`)."""

    def check(self, *, version: int, edition: str, changed_by: int, changed_at: datetime) -> None:
        """Refuse a change to this version, in the order of RFC 9110, section 13.2.2.

        A thing of version 0 does not exist yet: it has no date, and no edition that a client could know.
        Raises `EditedMeanwhile`, `VersionExcluded`.
        """
        exists = version > 0
        if self.editions is not None:
            current = edition in self.editions
        else:
            since = self.unmodified_since
            current = not exists or since is None or changed_at.replace(microsecond=0) <= since
        if not current:
            raise EditedMeanwhile(version=version, changed_by=changed_by, changed_at=changed_at)
        if exists and (self.absent or edition in self.other_than):
            raise VersionExcluded(version=version, changed_by=changed_by, changed_at=changed_at)


ANY_VERSION = Precondition()
