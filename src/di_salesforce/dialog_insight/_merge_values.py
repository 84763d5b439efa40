"""What a Merge is asked to do, what is sent of a row, and what became of it: the values alone.

What may not go in here: requests (`_merge.py`) and the reading of answers (`_merge_answers.py`).
"""

from __future__ import annotations

import enum
from typing import Any, Final

import attrs

from di_salesforce.dialog_insight._values import JsonObject
from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.records import Row

__all__ = ["WRITTEN", "MergeOptions", "MergeResult", "MergeStatus", "Prepared"]


@attrs.frozen(kw_only=True)
class MergeOptions:
    """What a Merge may do: both flags are an upsert, one alone is insert-only or update-only [seen].

    Args:
        allow_insert: create records whose key is unknown.
        allow_update: change records whose key is known.
        skip_duplicates: a key that occurs twice in one call is tolerated instead of reported [inferred].
        skip_unmatched: without `allow_insert`, an unknown key is tolerated instead of reported [inferred].
        return_on_success: results hold the row as it was stored.
        return_on_error: the same for refused records [inferred].

    Raises:
        ConfigurationError: neither flag is on.
    """

    allow_insert: bool = True
    allow_update: bool = True
    skip_duplicates: bool = False
    skip_unmatched: bool = False
    return_on_success: bool = True
    return_on_error: bool = False

    def __attrs_post_init__(self) -> None:
        if not (self.allow_insert or self.allow_update):
            raise ConfigurationError(
                [Problem("allow_insert", "with allow_update off as well, nothing could be written")],
                what="MergeOptions",
            )

    def to_wire(self) -> JsonObject:
        """Give the options as they are sent; `FieldOptions` is always null, since its shape is unknown."""
        return {
            "AllowInsert": self.allow_insert,
            "AllowUpdate": self.allow_update,
            "SkipDuplicateRecords": self.skip_duplicates,
            "SkipUnmatchedRecords": self.skip_unmatched,
            "ReturnRecordsOnSuccess": self.return_on_success,
            "ReturnRecordsOnError": self.return_on_error,
            "FieldOptions": None,
        }


class MergeStatus(enum.StrEnum):
    """What became of one row."""

    CREATED = "created"
    UPDATED = "updated"
    EXISTS = "exists"
    """Insert-only, and the key exists: nothing was written; read it again."""
    UNMATCHED = "unmatched"
    """Update-only, and no record has the key: nothing was written; read it again."""
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """It may have been written or not: the answer was lost or cannot be told; read it again before repeating."""


WRITTEN: Final = frozenset({MergeStatus.CREATED, MergeStatus.UPDATED})


@attrs.frozen
class MergeResult:
    """What became of one row of a Merge.

    `record_id` is a contact's `idContact` (what it means for a relational row is unknown); `code` and `message` are the
    server's words, or ours where the row never left; `stored` is the row as the server holds it now, where asked for.
    """

    status: MergeStatus
    record_id: int | None = None
    code: str = ""
    message: str = attrs.field(default="", repr=False)  # the server's words, which may hold a person's data
    stored: Row | None = attrs.field(default=None, repr=False)

    @property
    def written(self) -> bool:
        """Tell whether the row was stored."""
        return self.status in WRITTEN

    @property
    def stale(self) -> bool:
        """Tell whether the row was left alone since the server holds another state than was thought."""
        return self.status in (MergeStatus.EXISTS, MergeStatus.UNMATCHED)

    @property
    def unknown(self) -> bool:
        """Tell whether the row may have been written or not."""
        return self.status is MergeStatus.UNKNOWN


@attrs.frozen
class Prepared:
    """A row ready to be sent: `ID` and `Data` as they stand on the wire."""

    id: dict[str, Any] = attrs.field(repr=False)  # JSON values, of people
    data: dict[str, Any] = attrs.field(repr=False)  # likewise
