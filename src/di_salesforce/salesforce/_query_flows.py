"""Queries as work of several steps: page after page, pages ahead, or ranges of ids side by side.

What may not go in here: which queries may be read in ranges, and how ranges are cut (`_ranges.py`).

A `Reading` is a query on its way: a value that says what is asked for next.  Each step gives some whole pages, so that
whoever goes through the rows holds no more than a step's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import attrs

from di_salesforce._telling import SILENT, Tally
from di_salesforce.exceptions import DISalesforceError, UnexpectedResponseError
from di_salesforce.protocols import Progress
from di_salesforce.records import Side
from di_salesforce.retry import with_retry
from di_salesforce.salesforce import _calls as calls
from di_salesforce.salesforce._many import all_or_raise
from di_salesforce.salesforce._ranges import IdRange, ReadingWay, Split, cut, reading_way, split_of
from di_salesforce.salesforce._rows import parent_paths, plain_rows
from di_salesforce.salesforce._settings import Page, Settings
from di_salesforce.salesforce._soql import Soql, chunked_in, field_path, select
from di_salesforce.wire import Call, Flow, SendAll

__all__ = ["Reading", "begin", "chosen_way", "next_pages", "query_by_key", "query_rows", "tally_of"]

_ID: Final = 15  # characters of an id without its checksum


@attrs.frozen
class _Open:
    """What is left of one range: where the service goes on, or nothing yet asked; and about how many rows."""

    ids: IdRange = attrs.field(factory=IdRange)
    path: str | None = None
    rows_left: int = 0


@attrs.frozen
class _Mark:
    """The latest page of pages that come one after another, without its rows: whoever reads them holds no others."""

    next_path: str | None
    total: int
    rows: int


@attrs.frozen
class Reading:
    """A query on its way; `done` once nothing is open."""

    query: Soql = attrs.field(repr=False)
    include_deleted: bool = False
    batch_size: int | None = None
    split: Split | None = None  # where it is read in ranges of ids
    opened: tuple[_Open, ...] = (_Open(),)
    mark: _Mark | None = None  # where they come one after another: how far that has got
    begun: bool = False
    last_id: str | None = None  # the highest id, once it has been asked for; empty: there is none any more
    page_rows: int = 1

    @property
    def done(self) -> bool:
        """Whether all rows have been given."""
        return not self.opened


def chosen_way(settings: Settings, query: Soql) -> ReadingWay:
    """Tell how a query will be read, and why."""
    if settings.ranges == 1:
        return ReadingWay(False, "ranges of ids are switched off (ranges=1)")
    return reading_way(query)


def begin(settings: Settings, query: Soql, *, include_deleted: bool = False, batch_size: int | None = None) -> Reading:
    """Say how a query will be read; sends nothing."""
    split = split_of(query) if settings.ranges > 1 else None
    return Reading(query, include_deleted, batch_size, split)


def tally_of(progress: Progress | None, query: Soql) -> Tally:
    """Count a query's rows; how many there are is told by its first page."""
    sobject = calls.sobject_of(query)
    return Tally(progress, f"query {sobject}" if sobject else "query")


def next_pages(
    settings: Settings, connection: str, reading: Reading, tally: Tally = SILENT
) -> Flow[tuple[list[Page], Reading]]:
    """Get the next pages of a reading, with their child queries whole, and the reading after them.

    Raises:
        UnexpectedResponseError: the service sorts ids in another way than ranges rest on; read page after page.
    """
    if reading.split is not None:
        flow = _range_pages(settings, connection, reading, reading.split)
    else:
        flow = _pages_in_turn(settings, connection, reading)
    return flow if tally is SILENT else _told(flow, tally)


def _told(flow: Flow[tuple[list[Page], Reading]], tally: Tally) -> Flow[tuple[list[Page], Reading]]:
    yield from tally.begin()
    pages, reading = yield from flow
    yield from tally.add(sum(len(page.records) for page in pages), total=pages[0].total)
    if reading.done:
        yield from tally.finish()
    return pages, reading


def query_rows(
    settings: Settings,
    connection: str,
    query: Soql,
    *,
    include_deleted: bool = False,
    progress: Progress | None = None,
) -> Flow[list[dict[str, Any]]]:  # rows, see `_rows.flat`
    """Run a query to its end and give all of its rows."""
    paths = parent_paths(query.text)
    tally = tally_of(progress, query)
    reading = begin(settings, query, include_deleted=include_deleted)
    rows: list[dict[str, Any]] = []  # see above
    while not reading.done:
        pages, reading = yield from next_pages(settings, connection, reading, tally)
        for page in pages:
            rows += plain_rows(page, paths)
    return rows


def query_by_key(
    settings: Settings,
    connection: str,
    sobject: str,
    fields: Iterable[str],
    *,
    key: str,
    values: Iterable[object],
    where: Iterable[Soql] = (),
) -> Flow[list[dict[str, Any]]]:  # rows, see `_rows.flat`
    """Read the records whose key field holds one of many values, in queries that fit into a URL, side by side."""
    text = select(sobject, fields, where=[Soql.trusted(f"{field_path(key)} IN :keys"), *where])
    queries = chunked_in(text, "keys", values)
    one_by_one = attrs.evolve(settings, ranges=1)  # they are side by side already
    parts = yield SendAll([query_rows(one_by_one, connection, query) for query in queries], at_most=settings.parallel)
    return [row for part in all_or_raise(parts) for row in part]


def _page(settings: Settings, connection: str, call: Call[Page]) -> Flow[Page]:
    page = yield from with_retry(call, connection, settings.retry)
    return (yield from _with_children(settings, connection, page))


def _first_call(settings: Settings, reading: Reading, query: Soql) -> Call[Page]:
    return calls.query_page(settings, query, include_deleted=reading.include_deleted, batch_size=reading.batch_size)


# One page after another -------------------------------------------------------------------------------------------


def _pages_in_turn(settings: Settings, connection: str, reading: Reading) -> Flow[tuple[list[Page], Reading]]:
    if reading.mark is None:
        pages = [(yield from _page(settings, connection, _first_call(settings, reading, reading.query)))]
    else:
        pages = yield from _following_pages(settings, connection, reading.mark)
    last = pages[-1]
    opened = reading.opened if last.next_path is not None else ()
    return pages, attrs.evolve(reading, mark=_Mark(last.next_path, last.total, len(last.records)), opened=opened)


def _following_pages(settings: Settings, connection: str, mark: _Mark) -> Flow[list[Page]]:
    """Get the page after one, and with `prefetch` some of those behind it, side by side, as long as they join up.

    A page's name ends in the number of its first row, so the names of later pages can be guessed while all pages are of
    one size.  Each page says where the next one begins: where that is not the guess, the rest is thrown away.
    """
    paths = _likely_paths(mark, settings.prefetch)
    answers: list[Page | DISalesforceError] = yield SendAll(
        [_page(settings, connection, calls.next_page(path)) for path in paths], at_most=settings.prefetch
    )
    pages: list[Page] = []
    expected = mark.next_path
    for path, answer in zip(paths, answers, strict=True):
        if path != expected:
            break
        if isinstance(answer, DISalesforceError):
            if not pages:
                raise answer
            break  # it will be asked for by itself, and raise then if need be
        pages.append(answer)
        expected = answer.next_path
    return pages


def _likely_paths(mark: _Mark, at_most: int) -> list[str]:
    path = mark.next_path or ""
    found = re.fullmatch(r"(.*-)(\d{1,18})", path)
    if found is None or not mark.rows:
        return [path]
    offsets = range(int(found[2]), max(mark.total, int(found[2]) + 1), mark.rows)
    return [f"{found[1]}{offset}" for offset in offsets[:at_most]]


def _with_children(settings: Settings, connection: str, page: Page) -> Flow[Page]:
    """Fetch what did not fit into the page of the results of child queries, at every depth."""
    open_results = list(calls.child_results(page.records)) if page.nested else []
    while open_results:
        result = open_results.pop()
        while path := result.get("nextRecordsUrl"):
            more = yield from with_retry(calls.next_page(path), connection, settings.retry)
            result["records"].extend(more.records)
            result["nextRecordsUrl"] = more.next_path
        open_results.extend(calls.child_results(result["records"]))
    return page


# Ranges of ids side by side ---------------------------------------------------------------------------------------


def _range_pages(
    settings: Settings, connection: str, reading: Reading, split: Split
) -> Flow[tuple[list[Page], Reading]]:
    """Ask for the next page of every open range at once, and cut what is left so that all go on side by side.

    The first page tells whether there is more; only then is the highest id asked for, beside the second page.
    """
    asked = [
        _first_call(settings, reading, split.within(one.ids)) if one.path is None else calls.next_page(one.path)
        for one in reading.opened
    ]
    flows = [_page(settings, connection, call) for call in asked]
    unknown = reading.begun and reading.last_id is None
    if unknown:
        flows.append(_page(settings, connection, _first_call(settings, reading, split.last_id())))
    pages: list[Page] = all_or_raise((yield SendAll(flows, at_most=settings.ranges)))
    last_id = _last_id(pages.pop()) if unknown else reading.last_id
    left = [_left(one, page) for one, page in zip(reading.opened, pages, strict=True)]
    page_rows = max(reading.page_rows, *(len(page.records) for page in pages))
    opened = [one for one in left if one is not None]
    if last_id:
        opened = _shared_out(opened, settings.ranges, page_rows, last_id)
    return pages, attrs.evolve(reading, opened=tuple(opened), begun=True, last_id=last_id, page_rows=page_rows)


def _last_id(page: Page) -> str:
    return str(page.records[0].get("Id") or "")[:_ID] if page.records else ""  # all may have been deleted meanwhile


def _left(one: _Open, page: Page) -> _Open | None:
    """Say what is left of a range after a page of it; None: nothing."""
    if not one.ids.fits(page.records):
        sentence = (
            "Salesforce, query in ranges of ids: the service sorts ids in another order than ranges rest on, so rows "
            "could come twice; read this object page after page (ranges=1)"
        )
        raise UnexpectedResponseError(sentence, side=Side.SALESFORCE)
    if page.next_path is None or not page.records:
        return None if page.next_path is None else attrs.evolve(one, path=page.next_path)
    read_to = max(str(record.get("Id"))[:_ID] for record in page.records)
    rows = one.rows_left or page.total
    return _Open(IdRange(read_to, one.ids.high), page.next_path, max(rows - len(page.records), 1))


def _shared_out(opened: list[_Open], at_most: int, page_rows: int, last_id: str) -> list[_Open]:
    """Cut the longest ranges until as many are open as may be asked for at once; a cut range is asked for anew."""
    waiting, whole = sorted(opened, key=lambda one: one.rows_left), list[_Open]()
    while waiting and len(waiting) + len(whole) < at_most:
        longest = waiting.pop()
        parts = min(at_most - len(waiting) - len(whole), -(-longest.rows_left // page_rows))
        ranges = cut(longest.ids, parts, last=last_id) if parts > 1 else []
        if len(ranges) < 2:
            whole.append(longest)
            continue
        waiting += [_Open(ids) for ids in ranges]
        break  # how many rows each of them has is told by its first page
    return [*whole, *waiting]
