"""Which feed serves a side, and why: settings, and rules over what is known before and after the first page.

What may not go in here: reading (`_feeds.py`, `_full_reading.py`).  Every choice is told in a sentence: a person who
wonders why a run took so long, or why an edit is not there yet, finds it in the report and in `status()`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Self

import attrs

from di_salesforce.engine import Coverage
from di_salesforce.records import Side
from di_salesforce.salesforce import Bulk
from di_salesforce.schema import FieldType, TableSchema

__all__ = ["FeedKind", "FeedUsed", "Feeds", "why_not_bulk"]


# Fifty pages of 2,000; below, a bulk job's waiting costs more than the pages.
_BULK_FROM: Final[int | None] = 100_000
_at_least_one: Final = attrs.validators.optional(attrs.validators.ge(1))


@attrs.frozen(kw_only=True)
class Feeds:
    """How Salesforce is read; every choice that a run makes by it is told with its reason.

    Args:
        changes: what follows changes between two full reads: "modified_since" asks for records by their stamp, with an
            overlap of ten minutes for those that become visible late; "replication" asks the service itself too, up to
            when it has told all (`latestDateCovered`), and also hears of records that have left the recycle bin.
        bulk_from: records from which on a full read is a bulk query; the first page tells how many there are.  None:
            never.
        multi_line_in_bulk: whether transfers that map multi-line text may be read in bulk.  Nobody says what becomes of
            line breaks in the files of a bulk query: look at some records read both ways first.
        bulk: how long a bulk query is waited for, and the rows of its pages; past `patience` the rest is read page
            after page.

    Example:
        >>> Feeds(changes="replication").bulk_from
        100000
    """

    changes: Literal["modified_since", "replication"] = attrs.field(
        default="modified_since", validator=attrs.validators.in_(("modified_since", "replication"))
    )
    bulk_from: int | None = attrs.field(default=_BULK_FROM, validator=_at_least_one)
    multi_line_in_bulk: bool = False
    bulk: Bulk = attrs.field(factory=lambda: Bulk(patience=1_800.0))  # seconds: as long as a run's lease


class FeedKind(enum.StrEnum):
    """A way in which a side is read; its value is the name used on disk."""

    PAGES = "pages"
    RANGES = "ranges"
    BULK = "bulk"
    MODIFIED = "modified_since"
    REPLICATION = "replication"
    EVERY_ROW = "every_row"  # of Dialog Insight
    HINTS = "hints"
    BY_KEY = "by_key"
    GIVEN = "given"


_CALLED: Final[Mapping[FeedKind, str]] = {
    FeedKind.PAGES: "everything, page after page",
    FeedKind.RANGES: "everything, in ranges of ids side by side",
    FeedKind.BULK: "everything, by a bulk query",
    FeedKind.MODIFIED: "what changed since the last run, by its stamp",
    FeedKind.REPLICATION: "what changed since the last run, by its stamp and as the service lists it",
    FeedKind.EVERY_ROW: "everything, in one answer",
    FeedKind.HINTS: "what webhooks named, and what comes up by key",
    FeedKind.BY_KEY: "the records with the keys that were asked for",
    FeedKind.GIVEN: "rows that were given",
}


@attrs.frozen
class FeedUsed:
    """How one side of a transfer was read, what that covers, and why it was read so; `str` is the sentence.

    Args:
        transfer: its name.
        side: which one.
        kind: the feed.
        covers: what the absence of a record from it means: `complete`, `changes` or `sample`.
        records: how many it gave.
        reason: why this feed, in a sentence; empty where there was no choice.
    """

    transfer: str
    side: Side
    kind: FeedKind
    covers: Coverage
    records: int
    reason: str = ""

    def __str__(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        many = f"{self.records:,} record{'s' * (self.records != 1)}"
        return f"{self.transfer}, {self.side.label}: {_CALLED[self.kind]} ({many}){why}"

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give it as plain data."""
        return {
            "transfer": self.transfer,
            "side": self.side.value,
            "feed": self.kind.value,
            "covers": self.covers.value,
            "records": self.records,
            "reason": self.reason,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:  # plain data of a store
        """Read what `to_dict` gave."""
        return cls(
            data["transfer"],
            Side(data["side"]),
            FeedKind(data["feed"]),
            Coverage(data["covers"]),
            int(data["records"]),
            data["reason"],
        )


# Types whose cells are read as the values that a query gives.  How the others look in a bulk file is not known.
_BULK_TYPES: Final = frozenset(FieldType) - {
    FieldType.BINARY,
    FieldType.COMPOUND,
    FieldType.LONG_TEXT,
    FieldType.OPT_IN,
    FieldType.TIME,
    FieldType.UNKNOWN,
}


def why_not_bulk(feeds: Feeds, fields: Sequence[str], schema: TableSchema | None, records: int) -> str:
    """Say why a full read is no bulk query, or nothing where it is one.

    Args:
        feeds: the settings.
        fields: what is read.
        schema: of the object, with its parents' fields under their paths.
        records: how many there are.

    Example:
        >>> from di_salesforce.schema import FieldSchema
        >>> contact = TableSchema("Contact", side=Side.SALESFORCE, fields=[FieldSchema("Id", FieldType.ID)])
        >>> why_not_bulk(Feeds(bulk_from=10), ["Id"], contact, 9)
        'fewer than 10 records (bulk_from)'
        >>> why_not_bulk(Feeds(bulk_from=10), ["Id"], contact, 10)
        ''
    """
    if feeds.bulk_from is None:
        return "bulk queries are switched off (bulk_from=None)"
    if records < feeds.bulk_from:
        return f"fewer than {feeds.bulk_from:,} records (bulk_from)"
    if schema is None:
        return "the object was not described, and a bulk file has texts alone"
    types = {name: field.type if (field := schema.get(name)) is not None else FieldType.UNKNOWN for name in fields}
    if odd := sorted(name for name, kind in types.items() if kind not in _BULK_TYPES | {FieldType.LONG_TEXT}):
        return f"how {', '.join(odd)} would look in a bulk file is not known"
    if not feeds.multi_line_in_bulk and (
        texts := sorted(name for name, kind in types.items() if kind is FieldType.LONG_TEXT)
    ):
        return f"{', '.join(texts)} may have several lines (multi_line_in_bulk=False)"
    return ""
