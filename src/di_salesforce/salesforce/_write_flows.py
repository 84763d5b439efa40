"""Writing any number of records the way that their number asks for: sObject Collections or Bulk API 2.0.

What may not go in here: how either of them works (`_many.py`, `_bulk_flows.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Final, Literal

import attrs

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.protocols import Progress
from di_salesforce.records import Row
from di_salesforce.salesforce._bulk import Bulk, BulkJob
from di_salesforce.salesforce._bulk_flows import OnJob, bulk_ingest
from di_salesforce.salesforce._many import write_collection
from di_salesforce.salesforce._settings import Operation, RowResult, Settings
from di_salesforce.wire import Flow

__all__ = ["WriteReport", "WriteWay", "write", "write_way"]


@attrs.frozen
class WriteWay:
    """Which way records are written, and why; `str` is the sentence."""

    way: Literal["collections", "bulk"]
    reason: str

    def __str__(self) -> str:
        return f"{self.way}: {self.reason}"


def _count(results: Sequence[RowResult]) -> str:
    return f"<{len(results)} results>"


@attrs.frozen
class WriteReport:
    """What came of records: one result for each, in order; which way they took, and why; the ids of bulk jobs."""

    results: tuple[RowResult, ...] = attrs.field(repr=_count)
    way: WriteWay
    jobs: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every record was written."""
        return all(result.success for result in self.results)

    def __str__(self) -> str:
        written = sum(result.success for result in self.results)
        unknown = sum(result.unknown for result in self.results)
        doubt = f", {unknown} in doubt" if unknown else ""
        refused = len(self.results) - written - unknown
        return f"{written} of {len(self.results)} written, {refused} refused{doubt}; {self.way}"


_NAMED_BY_ID: Final = frozenset({"update", "delete"})


def write_way(settings: Settings, operation: Operation, *, many: bool, key: str) -> WriteWay:
    """Choose the way; pure.

    Args:
        settings: `bulk_from`, and `allow_duplicates`, which bulk jobs do not know.
        operation: what to do.
        many: whether there are at least `bulk_from` records.
        key: the column that would tie the results of bulk jobs to rows.

    Example:
        >>> print(write_way(Settings(bulk_from=500), "create", many=True, key=""))
        collections: a bulk create needs a key column to tie results to rows, and none is named
    """
    if settings.bulk_from is None:
        return WriteWay("collections", "bulk jobs are switched off (bulk_from=None)")
    if not many:
        return WriteWay("collections", f"fewer than {settings.bulk_from} records (bulk_from)")
    if not key and operation not in _NAMED_BY_ID:
        return WriteWay(
            "collections", f"a bulk {operation} needs a key column to tie results to rows, and none is named"
        )
    if settings.allow_duplicates and operation != "delete":
        return WriteWay("collections", "allow_duplicates is a header that bulk jobs do not know")
    return WriteWay("bulk", f"at least {settings.bulk_from} records (bulk_from)")


def write(
    settings: Settings,
    connection: str,
    sobject: str,
    operation: Operation,
    rows: Iterable[Row],
    *,
    key: str = "",
    bulk: Bulk = Bulk(),  # noqa: B008 - a frozen value
    together: str = "",
    on_job: OnJob | None = None,
    progress: Progress | None = None,
) -> Flow[WriteReport]:
    """Write records by collections or in bulk; no more rows are held than `bulk_from` before the way is chosen."""
    if operation == "upsert" and not key:
        raise ConfigurationError(f"upsert {sobject}: say by `key` which external id finds the records")
    rest = iter(rows)
    first = list(islice(rest, settings.bulk_from))
    way = write_way(settings, operation, many=len(first) == settings.bulk_from, key=key)
    everything = chain(first, rest)
    if way.way == "collections":
        external_id = key if operation == "upsert" else ""
        results = yield from write_collection(
            settings, connection, operation, sobject, everything, external_id=external_id, progress=progress
        )
        return WriteReport(tuple(results), way)
    jobs: list[str] = []

    def note(job: BulkJob) -> None:
        jobs.append(job.id)
        if on_job is not None:
            on_job(job)

    results = yield from bulk_ingest(
        settings,
        connection,
        sobject,
        operation,
        everything,
        key="" if operation in _NAMED_BY_ID else key,
        bulk=bulk,
        together=together,
        on_job=note,
        progress=progress,
    )
    return WriteReport(tuple(results), way, tuple(jobs))
