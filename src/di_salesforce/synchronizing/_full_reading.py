"""Reading all records of a transfer's scope on one side, by the way that their number asks for.

What may not go in here: whether a side is read in full (`_feeds.py`), which way is right (`_feed_choice.py`), and
rows by id or key (`_reading.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from di_salesforce.dialog_insight import _flows as dialog_insight_flows
from di_salesforce.engine import Coverage
from di_salesforce.exceptions import ConfigurationError, DISalesforceError
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.protocols import Progress
from di_salesforce.records import Row, Side
from di_salesforce.salesforce import Soql, select
from di_salesforce.salesforce._bulk_reading import bulk_rows
from di_salesforce.salesforce._query_flows import Reading, begin, next_pages
from di_salesforce.salesforce._rows import parent_paths, plain_rows
from di_salesforce.salesforce._settings import Page
from di_salesforce.synchronizing._feed_choice import FeedKind, FeedUsed, why_not_bulk
from di_salesforce.synchronizing._reading import STAMP, fields_of
from di_salesforce.synchronizing._setup import SALESFORCE, Setup
from di_salesforce.wire import Flow

__all__ = ["FullRead", "read_side"]


@attrs.frozen(repr=False)
class FullRead:
    """All rows of a side, and how they were read."""

    rows: tuple[Row, ...]
    used: FeedUsed

    def __repr__(self) -> str:
        return f"<FullRead {self.used}>"


def read_side(setup: Setup, transfer: ObjectTransfer, side: Side, progress: Progress, why: str = "") -> Flow[FullRead]:
    """Read every record of a transfer's scope on one side; `why` says why in full."""
    phase = f"read {transfer.name} from {side.label}"
    progress(phase, 0, 0)
    rows: Sequence[Row]
    if side is Side.SALESFORCE:
        rows, kind, way = yield from _read_salesforce(setup, transfer, phase, progress)
    else:
        rows = yield from dialog_insight_flows.read_rows(
            setup.settings(transfer), setup.connection(transfer), setup.target(transfer)
        )
        kind, way = FeedKind.EVERY_ROW, ""
    progress(phase, len(rows), len(rows))
    reason = "; ".join(filter(None, (why, way)))
    used = FeedUsed(transfer.name, side, kind, Coverage.COMPLETE, len(rows), reason)
    return FullRead(tuple(rows), used)


def _read_salesforce(
    setup: Setup, transfer: ObjectTransfer, phase: str, progress: Progress
) -> Flow[tuple[list[dict[str, Any]], FeedKind, str]]:  # rows, see `_rows.flat`
    """Ask for the first page, which tells how many records there are, and go on as their number asks for."""
    # The filter is the declaration's own text, written by whoever writes the program.
    where = [Soql.trusted(transfer.salesforce_filter)] if transfer.salesforce_filter else []
    fields = [*fields_of(transfer), STAMP]
    query = select(transfer.sobject, fields, where=where)
    paths = parent_paths(query.text)
    pages, reading = yield from next_pages(setup.salesforce, SALESFORCE, begin(setup.salesforce, query))
    total = pages[0].total
    schema = setup.schemas.salesforce.get(transfer.name)
    way = why_not_bulk(setup.feeds, fields, schema, total)
    if not way and schema is not None:
        progress(phase, 0, total)
        try:
            rows = yield from bulk_rows(
                setup.salesforce, SALESFORCE, query, schema=schema, bulk=setup.feeds.bulk, expected=total
            )
        except ConfigurationError:
            raise
        except DISalesforceError as error:  # where all calls fail, the next page says so
            way = f"a bulk query was tried ({error})"
        else:
            return rows, FeedKind.BULK, f"{total:,} records (bulk_from)"
    rows = yield from _rest(setup, reading, pages, paths, phase, progress, total)
    return rows, FeedKind.PAGES if reading.split is None else FeedKind.RANGES, way


def _rest(
    setup: Setup,
    reading: Reading,
    pages: Sequence[Page],
    paths: Sequence[str],
    phase: str,
    progress: Progress,
    total: int,
) -> Flow[list[dict[str, Any]]]:  # rows, see `_rows.flat`
    rows = [row for page in pages for row in plain_rows(page, paths)]
    while not reading.done:
        progress(phase, len(rows), max(total, len(rows)))
        pages, reading = yield from next_pages(setup.salesforce, SALESFORCE, reading)
        for page in pages:
            rows += plain_rows(page, paths)
    return rows
