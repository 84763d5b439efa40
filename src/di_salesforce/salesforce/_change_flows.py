"""Following an object's changes as work of several steps: keyset pages, evidence, replication windows.

What may not go in here: the text of a query and the shape of an answer (`_changes.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import attrs

from di_salesforce._telling import Tally
from di_salesforce.exceptions import ConfigurationError, InvalidRequestError, UnexpectedResponseError
from di_salesforce.protocols import Progress
from di_salesforce.records import Side
from di_salesforce.retry import with_retry
from di_salesforce.salesforce._changes import (
    ChangeCursor,
    Changes,
    Deletions,
    Updates,
    changed_page,
    cursor_of,
    deleted_window,
    evidence_queries,
    to_minutes,
    updated_window,
)
from di_salesforce.salesforce._flows import query_rows
from di_salesforce.salesforce._settings import Settings
from di_salesforce.salesforce._soql import Soql
from di_salesforce.wire import Call, Flow, time_now

__all__ = ["OVERLAP", "Evidence", "changed_since", "deleted_since", "evidence_since", "updated"]

T = TypeVar("T", Updates, Deletions)

OVERLAP: Final = timedelta(minutes=10)
"""How far each reading goes back: a record may become visible seconds to minutes after its stamp [D]."""

_PAGE_ROWS: Final = 2000  # the vendor's usual page (fact sheet, 3.5)


def changed_since(
    settings: Settings,
    connection: str,
    sobject: str,
    fields: Iterable[str],
    since: datetime | ChangeCursor,
    *,
    where: Iterable[Soql] = (),
    overlap: timedelta = OVERLAP,
    page_rows: int = _PAGE_ROWS,
    progress: Progress | None = None,
) -> Flow[Changes]:
    """Read the records that changed, and what is known of those that are gone.

    Rows inside the overlap come again in the next reading: compare them with what is remembered.

    Args:
        settings: retries.
        connection: its name.
        sobject: the object.
        fields: API names; `Id` and `SystemModstamp` come along.
        since: a moment, or the cursor of the reading before.
        where: conditions that rows must meet; not asked of evidence.
        overlap: how far behind `since` reading begins; none: exactly after it.
        page_rows: rows of one query.
        progress: told how many rows have been read; how many there are is not known before the end.
    """
    if overlap < timedelta(0) or page_rows < 1:
        raise ConfigurationError("changed_since: overlap must not be negative, and page_rows at least 1")
    as_of = yield from time_now()
    given = since if isinstance(since, ChangeCursor) else ChangeCursor(since)
    start = position = given.back(overlap)
    wanted, conditions = list(fields), list(where)
    rows: dict[str, dict[str, Any]] = {}  # see `_rows.flat`
    tally = Tally(progress, f"read changes of {sobject}")
    yield from tally.begin()
    while True:
        query = changed_page(sobject, wanted, position, conditions, page_rows)
        page = yield from query_rows(settings, connection, query)
        yield from tally.add(len(page))
        for cursor, row in zip(_cursors(sobject, page), page, strict=True):
            rows.pop(cursor.record_id, None)  # a record that changed while we read comes again, later
            rows[cursor.record_id] = row
            position = cursor
        if len(page) < page_rows:
            break
    gone = yield from evidence_since(settings, connection, sobject, start.moment)
    yield from tally.finish()
    last = max([given, position, *gone.cursors], key=lambda cursor: (cursor.moment, cursor.record_id))
    return Changes(
        rows=tuple(row for record_id, row in rows.items() if record_id not in gone.ids),
        cursor=last,
        as_of=as_of,
        deleted=gone.deleted,
        merged=gone.merged,
        converted=gone.converted,
    )


@attrs.frozen(repr=False)
class Evidence:
    """What became of records that are gone: deleted, merged (loser to winner), converted (lead to contact)."""

    deleted: frozenset[str]
    merged: Mapping[str, str]
    converted: Mapping[str, str]
    cursors: tuple[ChangeCursor, ...]  # when each of it happened

    @property
    def ids(self) -> AbstractSet[str]:
        """The records that are gone; a converted lead is still there, and cannot be changed."""
        return self.deleted | self.merged.keys()

    def __repr__(self) -> str:
        told = ", ".join(f"{len(getattr(self, name)):,} {name}" for name in ("deleted", "merged", "converted"))
        return f"<Evidence: {told}>"


def evidence_since(settings: Settings, connection: str, sobject: str, since: datetime) -> Flow[Evidence]:
    """Ask what became of records that are gone since a moment; the recycle bin forgets after fifteen days [seen]."""
    found: dict[str, list[dict[str, Any]]] = {}  # see `_rows.flat`
    for kind, query in evidence_queries(sobject, since).items():
        found[kind] = yield from query_rows(settings, connection, query, include_deleted=True)
    gone = {str(row["Id"]): row.get("MasterRecordId") for row in found["deleted"]}
    merged = {loser: _last(str(winner), gone) for loser, winner in gone.items() if winner}
    return Evidence(
        deleted=frozenset(gone.keys() - merged.keys()),
        merged=merged,
        converted={
            str(row["Id"]): str(row["ConvertedContactId"])
            for row in found.get("converted", ())
            if row.get("ConvertedContactId")
        },
        cursors=tuple(ChangeCursor(each.moment) for part in found.values() for each in _cursors(sobject, part)),
    )


def _cursors(sobject: str, rows: Iterable[Mapping[str, Any]]) -> list[ChangeCursor]:  # see `_rows.flat`
    try:
        return [cursor_of(row) for row in rows]
    except ValueError as error:
        sentence = f"Salesforce, changes of {sobject}: the answer cannot be read ({error})"
        raise UnexpectedResponseError(sentence, side=Side.SALESFORCE) from None


def _last(winner: str, gone: Mapping[str, object]) -> str:
    """Follow a winner that was itself merged away later."""
    passed = {winner}
    while (after := gone.get(winner)) and str(after) not in passed:
        winner = str(after)
        passed.add(winner)
    return winner


# Replication ------------------------------------------------------------------------------------------------------


def updated(
    settings: Settings, connection: str, sobject: str, start: datetime, end: datetime | None = None
) -> Flow[Updates]:
    """Ask for the ids of records created or changed in a window; see `_windows`."""
    parts = yield from _windows(
        settings, connection, start, end, lambda first, last: updated_window(settings, sobject, first, last)
    )
    ids = dict.fromkeys(record_id for part in parts for record_id in part.ids)
    return Updates(tuple(ids), _covered(parts, start))


def deleted_since(
    settings: Settings, connection: str, sobject: str, start: datetime, end: datetime | None = None
) -> Flow[Deletions]:
    """Ask for the ids of records deleted in a window; see `_windows`."""
    parts = yield from _windows(
        settings, connection, start, end, lambda first, last: deleted_window(settings, sobject, first, last)
    )
    dates = {record_id: date for part in parts for record_id, date in part.dates.items()}
    earliest = [part.earliest for part in parts if part.earliest is not None]
    return Deletions(dates, _covered(parts, start), max(earliest, default=None))


def _covered(parts: list[T], start: datetime) -> datetime:
    return parts[-1].covered if parts else start.astimezone(UTC)


def _windows(
    settings: Settings,
    connection: str,
    start: datetime,
    end: datetime | None,
    call: Callable[[datetime, datetime], Call[T]],
) -> Flow[list[T]]:
    """Ask for a window, in halves where it holds too many ids; stop where the service does not cover it any more.

    A window below two minutes is not asked for: the service would refuse it [D].
    """
    window = to_minutes(start, (yield from time_now()) if end is None else end)
    todo = [] if window is None else [window]
    parts: list[T] = []
    while todo:
        first, last = todo.pop()
        try:
            part = yield from with_retry(call(first, last), connection, settings.retry)
        except InvalidRequestError as error:
            middle = (first + (last - first) / 2).replace(second=0, microsecond=0)
            halves = [window for window in (to_minutes(middle, last), to_minutes(first, middle)) if window is not None]
            if error.code != "EXCEEDED_ID_LIMIT" or len(halves) < 2:
                raise
            todo += halves
            continue
        parts.append(part)
        if part.covered < last:
            break  # long transactions hold the rest back [D]: a later reading begins here
    return parts
