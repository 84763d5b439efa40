"""What has changed in an object since a moment: cursors, queries and the replication calls, and what they tell.

What may not go in here: several steps (`_change_flows.py`), and deciding what a change means.  Sources: fact sheet,
3.9 and 3.13.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

import attrs

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Side
from di_salesforce.salesforce._calls import reading
from di_salesforce.salesforce._json import WrongShapeError, array_of, object_of, objects_of, text_of
from di_salesforce.salesforce._settings import Settings
from di_salesforce.salesforce._soql import Soql, identifier, select, soql
from di_salesforce.wire import Call, HttpRequest

__all__ = [
    "ChangeCursor",
    "Changes",
    "Deletions",
    "Updates",
    "changed_page",
    "cursor_of",
    "deleted_window",
    "evidence_queries",
    "moment_of",
    "to_minutes",
    "updated_window",
]

# Objects whose records merge, and which therefore name a winner [D].
MERGING: Final = frozenset({"account", "contact", "lead", "case"})


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ConfigurationError("a moment needs a time zone (as in datetime.now(UTC))")
    return moment.astimezone(UTC)


@attrs.frozen
class ChangeCursor:
    """Up to where changes have been read: a stamp, and the last record read among those that share it.

    Many records share one stamp after a bulk load, so a stamp alone would lose some of them or read them for ever.

    Args:
        moment: a `SystemModstamp`, aware.
        record_id: the last record of it; empty: none of them was read.

    Example:
        >>> cursor = ChangeCursor(datetime(2026, 5, 1, 7, 25, tzinfo=UTC), "003000000000001AAA")
        >>> ChangeCursor.from_dict(cursor.to_dict()) == cursor
        True
    """

    moment: datetime = attrs.field(converter=_aware)
    record_id: str = ""

    def to_dict(self) -> dict[str, str]:
        """Give the cursor as plain data, to be kept."""
        return {"moment": self.moment.isoformat(), "record_id": self.record_id}

    @classmethod
    def from_dict(cls, data: Mapping[str, str]) -> Self:
        """Read what `to_dict` gave.

        Raises:
            ConfigurationError: it is something else.
        """
        try:
            return cls(datetime.fromisoformat(data["moment"]), data["record_id"])
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(f"this is no cursor ({type(error).__name__})") from None

    def back(self, overlap: timedelta) -> ChangeCursor:
        """Give the cursor so much earlier, since records may become visible after their stamp; none: as it is."""
        return attrs.evolve(self, moment=self.moment - overlap, record_id="") if overlap else self

    def condition(self) -> Soql:
        """Give the condition that holds for what comes after the cursor."""
        if not self.record_id:
            return soql("SystemModstamp >= :moment", moment=self.moment)
        return soql(
            "SystemModstamp > :moment OR (SystemModstamp = :moment AND Id > :record_id)",
            moment=self.moment,
            record_id=self.record_id,
        )


@attrs.frozen
class Changes:
    """What was found changed, and the evidence that fits `Snapshot.changes(rows, deleted=, merged=, converted=)`.

    Args:
        rows: as they are now, in the order of their stamps, each record once.
        cursor: where to begin next time.
        as_of: when reading began, by this machine's clock.
        deleted: ids of records that were deleted, merged ones left out.
        merged: the id of each record that was merged away, and the record that is left in its place.
        converted: the id of each lead that was converted, and the contact that it became.
    """

    rows: tuple[dict[str, Any], ...] = attrs.field(repr=False)  # rows, see `_rows.flat`
    cursor: ChangeCursor
    as_of: datetime
    deleted: frozenset[str] = frozenset()
    merged: Mapping[str, str] = attrs.field(factory=dict[str, str])
    converted: Mapping[str, str] = attrs.field(factory=dict[str, str])


def changed_page(
    sobject: str, fields: Iterable[str], cursor: ChangeCursor, where: Iterable[Soql], page_rows: int
) -> Soql:
    """Make the query for the next rows after a cursor."""
    return select(
        sobject,
        [*fields, "Id", "SystemModstamp"],
        where=[cursor.condition(), *where],
        order_by=["SystemModstamp", "Id"],
        limit=page_rows,
    )


def evidence_queries(sobject: str, since: datetime) -> Mapping[str, Soql]:
    """Make the queries that tell what left the object, by kind: `deleted`, and for leads `converted`.

    They are asked with the recycle bin included, and without the caller's condition: what left may not meet it.
    """
    stamp = soql("SystemModstamp >= :since", since=since)
    merging = ["MasterRecordId"] if sobject.lower() in MERGING else []
    found = {
        "deleted": select(
            sobject, ["Id", "SystemModstamp", *merging], where=[Soql.trusted("IsDeleted = true"), stamp]
        )
    }  # fmt: skip
    if sobject.lower() == "lead":
        found["converted"] = select(
            sobject,
            ["Id", "SystemModstamp", "ConvertedContactId"],
            where=[Soql.trusted("IsConverted = true"), stamp],
        )
    return found


def moment_of(value: object) -> datetime:
    """Read a stamp as Salesforce writes it: `2026-05-01T07:25:37.000+0000`."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    if moment is None or moment.tzinfo is None:
        raise WrongShapeError("a stamp is missing, or has no zone")
    return moment.astimezone(UTC)


def cursor_of(row: Mapping[str, Any]) -> ChangeCursor:  # a row
    """Give the cursor that stands at a row."""
    return ChangeCursor(moment_of(row.get("SystemModstamp")), text_of(row, "Id"))


# Replication ------------------------------------------------------------------------------------------------------


@attrs.frozen
class Updates:
    """Ids of records that were created or changed in a window; `covered` is where the next window begins."""

    ids: tuple[str, ...]
    covered: datetime


@attrs.frozen
class Deletions:
    """Ids of records that were deleted in a window, with the moment; `covered` is where the next window begins.

    The service forgets: before `earliest`, and where its log was purged, absence proves nothing [D].
    """

    dates: Mapping[str, datetime]
    covered: datetime
    earliest: datetime | None = None


def to_minutes(start: datetime, end: datetime) -> tuple[datetime, datetime] | None:
    """Cut a window to whole minutes, as the service does; None where it is too short to be asked for [D]."""
    first, last = (_aware(moment).replace(second=0, microsecond=0) for moment in (start, end))
    return (first, last) if last - first > timedelta(minutes=1) else None


def _window(
    settings: Settings, sobject: str, resource: str, start: datetime, end: datetime, read: Callable[[Any], Any]
) -> Call[Any]:  # typed by the two functions below
    request = HttpRequest(
        Side.SALESFORCE,
        "GET",
        settings.path(f"sobjects/{identifier(sobject, 'sObject')}/{resource}/"),
        {"start": start.isoformat(), "end": end.isoformat()},
        name=f"ask for {resource} {sobject}",
    )
    return Call(request, reading(request, read))


def updated_window(settings: Settings, sobject: str, start: datetime, end: datetime) -> Call[Updates]:
    """Ask for the ids of records that were created or changed in a window."""

    def read(data: Any) -> Updates:  # a JSON value
        told = object_of(data)
        ids = [value for value in array_of(told.get("ids")) if isinstance(value, str)]
        return Updates(tuple(ids), moment_of(told.get("latestDateCovered")))

    return _window(settings, sobject, "updated", start, end, read)


def deleted_window(settings: Settings, sobject: str, start: datetime, end: datetime) -> Call[Deletions]:
    """Ask for the ids of records that were deleted in a window."""

    def read(data: Any) -> Deletions:  # a JSON value
        told = object_of(data)
        dates = {
            text_of(item, "id"): moment_of(item.get("deletedDate")) for item in objects_of(told.get("deletedRecords"))
        }
        earliest = told.get("earliestDateAvailable")
        covered = moment_of(told.get("latestDateCovered"))
        return Deletions(dates, covered, None if earliest is None else moment_of(earliest))

    return _window(settings, sobject, "deleted", start, end, read)
