"""Each thing that a store in SQL keeps, as rows: how one is put there, and how all of them are read.

What may not go in here: transactions and what a store is asked for (`_sql.py`), the tables themselves
(`_sql_tables.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any, Final, Protocol, cast

from di_salesforce.engine import CoverageRecord, LinkRecord, OpenItem, Outcome, Tombstone
from di_salesforce.records import Side
from di_salesforce.schema import TableSchema
from di_salesforce.stores._journal import Intent, IntentJob, outcomes_from_plain, outcomes_to_plain
from di_salesforce.stores._portable import Hint, Kept, KeptSchema, SmallValue
from di_salesforce.stores._protocol import AppliedWrite, Owner, RunRecord
from di_salesforce.stores._sql_tables import PUT_INTENT, PUT_LINK, PUT_META, PUT_ROW

__all__ = [
    "Statements",
    "everything_of",
    "fill",
    "link_row",
    "open_intents",
    "put_applied",
    "put_noted",
    "put_run",
    "row_id",
    "schema_name",
    "to_json",
]

_PAGE: Final = 10_000  # rows that are in memory at once where all are asked for


class Statements(Protocol):
    """What carries out SQL within a transaction."""

    def execute(self, sql: str, values: Sequence[object] = (), /) -> Iterable[tuple[Any, ...]]:  # columns of any type
        """Carry out one statement, and give its rows."""
        ...

    def executemany(self, sql: str, rows: Iterable[Sequence[object]], /) -> object:
        """Carry out one statement for each row of values."""
        ...


def to_json(data: object) -> str:  # JSON-safe data
    """Give plain data as the text that a column holds."""
    # ASCII, so that half of a surrogate pair (which JSON can hold, and UTF-8 cannot) does not lose a whole save.
    return json.dumps(data, separators=(",", ":"))


def link_row(link: LinkRecord) -> tuple[str | None, ...]:
    """Give a link as the values of `PUT_LINK`."""
    keys = [None if (key := link.key(side)) is None else json.dumps(key) for side in Side]
    return (link.transfer, link.id, link.salesforce_id, link.dialog_insight_id, *keys, to_json(link.to_dict()))


def schema_name(transfer: str, side: Side) -> str:
    """Give the name in `meta` under which a schema is kept."""
    # Beside the owner and the lease, where releases that know nothing of schemas leave it alone.
    return f"schema:{side.value}:{transfer}"


def row_id(name: str, kind: str = "") -> str:
    """Give the id in `rows` of what has a name of its own."""
    # Items, tombstones and coverages are named apart already; a coverage's and a tombstone's names could meet.
    return f"coverage:{name}" if kind == "coverage" else name


def put_run(db: Statements, run: RunRecord) -> None:
    """Keep a run in the place that it has, or as the latest."""
    known = list(db.execute("SELECT number FROM runs WHERE run_id = ?", (run.run_id,)))
    if known:
        db.execute("UPDATE runs SET body = ? WHERE number = ?", (to_json(run.to_dict()), known[-1][0]))
    else:
        db.execute("INSERT INTO runs (run_id, body) VALUES (?, ?)", (run.run_id, to_json(run.to_dict())))


def put_applied(db: Statements, write: AppliedWrite) -> None:
    """Add a write to the history, under each name that it can be asked for by."""
    values = (write.run_id, to_json(write.to_dict()))
    ((number,),) = db.execute("INSERT INTO applied (run_id, body) VALUES (?, ?) RETURNING number", values)
    db.executemany("INSERT INTO applied_names VALUES (?, ?)", [(name, number) for name in write.names])


def open_intents(db: Statements) -> Iterator[Intent]:
    """Give the open intents with what was noted of them, oldest first."""
    bodies = [json.loads(body) for (body,) in db.execute("SELECT body FROM journal ORDER BY number")]
    found = {intent.id: intent for intent in map(Intent.from_dict, bodies)}
    for intent_id, body in db.execute("SELECT intent, body FROM noted ORDER BY number"):
        noted: Any = json.loads(body)  # outcomes by action id, or a list of jobs
        if body.startswith("["):
            found[intent_id] = found[intent_id].noting({}, map(IntentJob.from_plain, noted))
        else:
            found[intent_id] = found[intent_id].noting(outcomes_from_plain(noted))
    yield from found.values()


def put_noted(db: Statements, intent_id: str, outcomes: Mapping[str, Outcome], jobs: Sequence[IntentJob]) -> None:
    """Add what is known of an open intent."""
    for noted in (outcomes_to_plain(outcomes), [job.to_plain() for job in jobs]):
        if noted:
            db.execute("INSERT INTO noted (intent, body) VALUES (?, ?)", (intent_id, to_json(noted)))


# ------------------------------------------------------------------------------------------------ everything at once
_ROWS: Final = {kind.kind: kind.from_dict for kind in (OpenItem, Tombstone, CoverageRecord)}


def everything_of(db: Statements) -> Iterator[Kept]:
    """Give all that is kept, page by page, each kind in the order in which it was kept."""
    yield from _small(db)
    yield from (
        LinkRecord.from_dict(json.loads(body)) for *_, body in _paged(db, "links", ("transfer", "id"), ("body",))
    )
    for _, kind, body in _paged(db, "rows", ("id",), ("kind", "body")):
        yield _ROWS[kind](json.loads(body))
    yield from (RunRecord.from_dict(json.loads(body)) for _, body in _paged(db, "runs", ("number",), ("body",)))
    yield from (AppliedWrite.from_dict(json.loads(body)) for _, body in _paged(db, "applied", ("number",), ("body",)))
    yield from open_intents(db)
    yield from (Hint(*row) for _, *row in _paged(db, "hints", ("number",), ("transfer", "record_id")))


def _small(db: Statements) -> Iterator[Kept]:
    for name, text in sorted(db.execute("SELECT name, value FROM meta")):
        kind, _, rest = name.partition(":")
        if name == "owner":
            yield Owner.from_dict(json.loads(text))
        elif kind == "schema":
            side, _, transfer = rest.partition(":")
            yield KeptSchema(transfer, Side(side), TableSchema.from_dict(json.loads(text)))
        elif kind == "value":
            yield SmallValue(rest, json.loads(text))


def _paged(
    db: Statements, table: str, keys: Sequence[str], columns: Sequence[str]
) -> Iterator[tuple[Any, ...]]:  # columns of any type
    names, places = ", ".join(keys), ", ".join("?" * len(keys))
    asked = f"SELECT {names}, {', '.join(columns)} FROM {table}"  # noqa: S608 - our own words
    ending = f"ORDER BY {names} LIMIT {_PAGE}"
    page = list(db.execute(f"{asked} {ending}"))
    while page:
        yield from page
        page = list(db.execute(f"{asked} WHERE ({names}) > ({places}) {ending}", page[-1][: len(keys)]))


def fill(db: Statements, everything: Iterable[Kept]) -> None:
    """Put all that is given into tables that are empty."""
    for class_, group in groupby(everything, type):
        if class_ is LinkRecord:
            links = cast("Iterator[LinkRecord]", group)
            while page := list(islice(links, _PAGE)):
                db.executemany(PUT_LINK, map(link_row, page))
        else:
            for kept in group:
                _put(db, kept)


def _put(db: Statements, kept: Kept) -> None:
    match kept:
        case Owner():
            db.execute(PUT_META, ("owner", to_json(kept.to_dict())))
        case LinkRecord():
            db.execute(PUT_LINK, link_row(kept))
        case OpenItem() | Tombstone() | CoverageRecord():
            db.execute(PUT_ROW, (row_id(kept.id, kept.kind), kept.transfer, kept.kind, to_json(kept.to_dict())))
        case RunRecord():
            put_run(db, kept)
        case Intent():
            db.execute(PUT_INTENT, (kept.id, to_json(kept.to_dict())))
        case AppliedWrite():
            put_applied(db, kept)
        case KeptSchema(transfer, side, schema):
            db.execute(PUT_META, (schema_name(transfer, side), to_json(schema.to_dict())))
        case Hint(transfer, record_id):
            db.execute("INSERT INTO hints (transfer, record_id) VALUES (?, ?)", (transfer, record_id))
        case SmallValue(name, value):
            db.execute(PUT_META, (f"value:{name}", to_json(value)))
