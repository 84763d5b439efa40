"""What was observed: rows, how much of a side they cover, and since when.

What may not go in here: deciding.  A snapshot says what a side answered and what its silence means.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Self, cast

import attrs

from di_salesforce._listing import as_rows
from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.records import Row

__all__ = ["Coverage", "Snapshot"]


class Coverage(enum.StrEnum):
    """What the absence of a record from a snapshot means."""

    COMPLETE = "complete"  # every record of the scope is in it
    CHANGES = "changes"  # every record that changed since the last snapshot is in it
    SAMPLE = "sample"  # nothing


def _rows(rows: Iterable[Row]) -> tuple[Row, ...]:
    if isinstance(rows, (str, bytes, Mapping)):
        raise ConfigurationError("rows must be an iterable of mappings, one per record, not a single value")
    listed = tuple(as_rows(rows))
    anything = cast("tuple[object, ...]", listed)  # rows come from anywhere at run time, whatever the annotation says
    # Clients deliver dictionaries, of which it is told sooner than of other mappings.
    wrong = [index for index, row in enumerate(anything) if type(row) is not dict and not isinstance(row, Mapping)]
    if wrong:
        raise ConfigurationError(
            [Problem(f"rows[{i}]", "is not a mapping of field names to values", "row.not_mapping") for i in wrong[:20]]
        )
    return listed


def _moment(rows: object, given: datetime | None) -> datetime | None:
    """Give when rows were observed: as the caller says, else as they say themselves, as those of a file do."""
    told = getattr(rows, "as_of", None) if given is None else given
    return told if isinstance(told, datetime) else None  # a data frame's column may have any name


def _ids(ids: Iterable[object]) -> frozenset[str]:
    return frozenset(str(each) for each in ids)


def _id_map(ids: Mapping[Any, Any]) -> Mapping[str, str]:  # ids may be numbers
    return {str(old): str(new) for old, new in ids.items()}


@attrs.frozen(repr=False)
class Snapshot:
    """The rows that one side answered, with what their absence means; made by one of its three named constructors.

    `deleted`, `merged` (loser to winner) and `converted` (lead to contact) are evidence by record id, where the source
    of the rows knows it.  `as_of` is when reading began; None means what the rows say of themselves (those of a file
    have an `as_of`), else the `now` of `reconcile`.
    """

    coverage: Coverage
    rows: tuple[Row, ...] = attrs.field(converter=_rows)
    scope: str | None = None
    as_of: datetime | None = None
    deleted: frozenset[str] = attrs.field(default=frozenset(), converter=_ids)
    merged: Mapping[str, str] = attrs.field(factory=dict[str, str], converter=_id_map)
    converted: Mapping[str, str] = attrs.field(factory=dict[str, str], converter=_id_map)

    def __attrs_post_init__(self) -> None:
        if self.as_of is not None and self.as_of.tzinfo is None:
            raise ConfigurationError("as_of must be an aware datetime, such as datetime.now(timezone.utc)")

    @classmethod
    def complete(
        cls,
        rows: Iterable[Row],
        *,
        scope: str | None = None,
        as_of: datetime | None = None,
        deleted: Iterable[object] = (),
        merged: Mapping[Any, Any] | None = None,  # ids may be numbers
        converted: Mapping[Any, Any] | None = None,  # likewise
    ) -> Self:
        """Take rows as everything that the side holds (within `scope`, a filter's text; None: without a filter).

        Example:
            >>> Snapshot.complete([{"Id": "1", "Email": "ada@test.example"}])
            <Snapshot complete: 1 row>
        """
        return cls(Coverage.COMPLETE, rows, scope, _moment(rows, as_of), deleted, merged or {}, converted or {})

    @classmethod
    def changes(
        cls,
        rows: Iterable[Row],
        *,
        as_of: datetime | None = None,
        deleted: Iterable[object] = (),
        merged: Mapping[Any, Any] | None = None,  # ids may be numbers
        converted: Mapping[Any, Any] | None = None,  # likewise
    ) -> Self:
        """Take rows as everything that changed since the last snapshot, without a gap."""
        return cls(Coverage.CHANGES, rows, None, _moment(rows, as_of), deleted, merged or {}, converted or {})

    @classmethod
    def sample(
        cls,
        rows: Iterable[Row],
        *,
        as_of: datetime | None = None,
        deleted: Iterable[object] = (),
        merged: Mapping[Any, Any] | None = None,  # ids may be numbers
        converted: Mapping[Any, Any] | None = None,  # likewise
    ) -> Self:
        """Take rows as some of the side's records; the absence of any other says nothing."""
        return cls(Coverage.SAMPLE, rows, None, _moment(rows, as_of), deleted, merged or {}, converted or {})

    def __repr__(self) -> str:
        return f"<Snapshot {self.coverage.value}: {len(self.rows):,} row{'s' * (len(self.rows) != 1)}>"
