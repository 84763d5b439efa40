"""The contestants of `engine.py`: each takes rows as dictionaries, and the memory in the form that suits it best.

What is prepared before the clock starts is what a program would have at that point: rows from a client, the memory
from its store.  `two-way` contestants never look at the memory: they do less.
"""

# ruff: noqa: INP001 - modules of a program in this folder

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import operator
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from engine_workload import (
    BOOLS,
    DATES,
    DECIMALS,
    DIALOG_INSIGHT_NAMES,
    INTS,
    MOMENTS,
    SALESFORCE_NAMES,
    TEXTS,
    Contest,
    Decision,
    Workload,
)

NOW = datetime(2026, 5, 1, tzinfo=UTC)
NAMES = SALESFORCE_NAMES  # the peers know one name per field
KEY = NAMES[0]
Rows = list[dict[str, Any]]


def salesforce_id(number: int) -> str:
    """Give a record's id as Salesforce writes it: 15 digits and the checksum of digits, which is AAA."""
    return f"003{number:012d}AAA"


def _rows(work: Workload, side: str) -> Rows:
    return [dict(zip(NAMES, row, strict=True)) for _, row in work.side(side)]


def _mask(fields: Iterable[str]) -> int:
    return sum(1 << int(name[1:3]) for name in fields)


# ------------------------------------------------------------------------------------------------------ this library


def transfer() -> Any:
    """Declare the workload's transfer: no converters, values compare as they are."""
    from di_salesforce import FieldMapping, ObjectTransfer, Trigger

    return ObjectTransfer(
        "contacts",
        sobject="Contact",
        fields=[
            FieldMapping(left, right, key=index == 0)
            for index, (left, right) in enumerate(zip(SALESFORCE_NAMES, DIALOG_INSIGHT_NAMES, strict=True))
        ],
        triggers=Trigger.ALL,
    )


def links(work: Workload) -> Iterator[Any]:
    """Give the memory link by link, as they are once both sides agree."""
    from di_salesforce.converters import AS_IS
    from di_salesforce.engine import FieldState, LinkRecord

    names = [line.name for line in transfer().lines]
    version = AS_IS.version
    for number, row in work.base():
        key = (row[0],)
        fields = {name: FieldState(base=(v, v), version=version) for name, v in zip(names, row, strict=True)}
        yield LinkRecord("contacts", f"{number:020x}", salesforce_id(number), str(number), key, key, fields)


def stored_links(work: Workload) -> Iterator[dict[str, Any]]:
    """Give the memory as plain rows, as a store keeps it."""
    return (link.to_dict() for link in links(work))


def our_rows(work: Workload) -> tuple[Rows, Rows]:
    """Give both sides' rows as the two clients deliver them."""
    left = [
        {"Id": salesforce_id(number), **dict(zip(SALESFORCE_NAMES, row, strict=True))}
        for number, row in work.side("salesforce")
    ]
    right = [
        {"idContact": number, **dict(zip(DIALOG_INSIGHT_NAMES, row, strict=True))}
        for number, row in work.side("dialog_insight")
    ]
    return left, right


def _our_decisions(plan: Any) -> Iterator[Decision]:
    from di_salesforce import Side

    keys: dict[str, str] = {}
    changes: dict[str, list[int]] = {}
    for action in plan.actions:
        if action.kind == "create":
            yield Decision(action.key, f"create_{action.side.value}")
            continue
        keys[action.link] = action.key
        masks = changes.setdefault(action.link, [0, 0, 0])
        if action.kind == "update":
            masks[0 if action.side is Side.SALESFORCE else 1] |= _mask(change.line for change in action.changes)
        elif action.kind == "conflict":
            masks[2] |= _mask(field.line for field in action.fields)
        else:
            raise AssertionError(action)
    for link, masks in changes.items():
        yield Decision(keys[link], "change", *masks)
    for side, need in plan.needs:
        number = int(need.record_id[3:15]) if side is Side.SALESFORCE else int(need.record_id)
        yield Decision(f"person{number}@test.example", f"gone_{side.value}")


def ours(work: Workload) -> Any:
    """Reconcile, from rows and a `Baseline` to a finished `Plan`."""
    from di_salesforce.engine import Baseline, Snapshot, reconcile

    one = transfer()
    baseline = Baseline(links(work))
    left, right = our_rows(work)

    def run() -> Any:
        return reconcile(
            one,
            salesforce=Snapshot.complete(left),
            dialog_insight=Snapshot.complete(right),
            baseline=baseline,
            now=NOW,
        )

    return run, _our_decisions


def first_run(work: Workload) -> Any:
    """Reconcile for the first time: no memory, so that every pair is found by its key and compared in full."""
    from di_salesforce.engine import Baseline, Snapshot, reconcile

    one = transfer()
    left, right = our_rows(work)

    def run() -> Any:
        return reconcile(
            one,
            salesforce=Snapshot.complete(left),
            dialog_insight=Snapshot.complete(right),
            baseline=Baseline.empty(),
            now=NOW,
        )

    return run, lambda plan: ()


# --------------------------------------------------------------------------------------------------- by hand, in Python


def _by_hand(work: Workload, kept: Callable[[list[Any]], Any], same: Callable[[Any, dict[str, Any]], bool]) -> Any:
    """Write the loop by hand: pairs that are `same` as what is kept are passed over, all others compared by field."""
    fields = operator.itemgetter(*NAMES)
    base = {row[0]: (kept(row), tuple(row)) for _, row in work.base()}
    left_rows, right_rows = _rows(work, "salesforce"), _rows(work, "dialog_insight")

    def run() -> list[Decision]:
        decided: list[Decision] = []
        right_by_key = {row[KEY]: row for row in right_rows}
        for left in left_rows:
            key = left[KEY]
            right, before = right_by_key.pop(key, None), base.get(key)
            if before is None:
                if right is None:
                    decided.append(Decision(key, "create_dialog_insight"))
                continue
            if right is None:
                decided.append(Decision(key, "gone_dialog_insight"))
                continue
            if same(before[0], left) and same(before[0], right):
                continue
            to_left = to_right = held = 0
            for index, (b, x, y) in enumerate(zip(before[1], fields(left), fields(right), strict=True)):
                if x == y:
                    continue
                if b not in (x, y):
                    held |= 1 << index
                elif x != b:
                    to_right |= 1 << index
                else:
                    to_left |= 1 << index
            if to_left or to_right or held:
                decided.append(Decision(key, "change", to_left, to_right, held))
        decided += [Decision(key, "gone_salesforce" if key in base else "create_salesforce") for key in right_by_key]
        return decided

    return run, lambda decided: decided


def by_hand_dicts(work: Workload) -> Any:
    """Compare dictionaries with dictionaries."""
    return _by_hand(work, lambda row: dict(zip(NAMES, row, strict=True)), operator.eq)


def by_hand_tuples(work: Workload) -> Any:
    """Compare tuples with tuples, made on the way."""
    fields = operator.itemgetter(*NAMES)
    return _by_hand(work, tuple, lambda kept, row: bool(kept == fields(row)))


def by_hand_packed(work: Workload) -> Any:
    """Compare bytes with bytes, packed on the way."""
    from msgspec import msgpack

    fields, pack = operator.itemgetter(*NAMES), msgpack.Encoder().encode
    return _by_hand(work, lambda row: pack(tuple(row)), lambda kept, row: bool(kept == pack(fields(row))))


# --------------------------------------------------------------------------------------------------------------- peers


def peer_diffsync(work: Workload) -> Any:
    """Load two adapters of models from rows, and diff them: two-way."""
    from diffsync import Adapter, DiffSyncModel

    annotations: dict[str, Any] = dict.fromkeys(NAMES, Any)
    body: dict[str, Any] = {
        "__annotations__": {KEY: str, **{name: annotations[name] for name in NAMES[1:]}},
        "__module__": __name__,
        "_modelname": "record",
        "_identifiers": (KEY,),
        "_attributes": NAMES[1:],
    }
    record = type("Record", (DiffSyncModel,), body)
    both: Any = type("Both", (Adapter,), {"record": record, "top_level": ["record"], "__module__": __name__})
    left_rows, right_rows = _rows(work, "salesforce"), _rows(work, "dialog_insight")

    def run() -> Any:
        sides = []
        for rows in (left_rows, right_rows):
            side = both()
            for row in rows:
                side.add(record(**row))
            sides.append(side)
        return sides[1].diff_from(sides[0])

    return run, lambda diff: (Decision("", verb, 0, 0, 0) for verb, n in diff.summary().items() for _ in range(n))


class _Item:
    def __init__(self, row: dict[str, Any]) -> None:
        self.ident = row[KEY]
        self.hash = _row_hash(row)


def _row_hash(row: dict[str, Any]) -> str:
    return hashlib.blake2b(repr(tuple(row.values())).encode(), digest_size=16).hexdigest()


class _Storage:
    """A storage of vdirsyncer over rows; what would be written is noted."""

    read_only = no_delete = False

    def __init__(self, rows: Rows) -> None:
        self.rows = {row[KEY]: row for row in rows}
        self.written: list[Decision] = []

    async def list(self) -> AsyncIterator[tuple[str, str]]:
        for key, row in self.rows.items():
            yield key, _row_hash(row)

    async def get_multi(self, hrefs: Iterable[str]) -> AsyncIterator[tuple[str, _Item, str]]:
        for href in hrefs:
            item = _Item(self.rows[href])
            yield href, item, item.hash

    @contextlib.asynccontextmanager
    async def at_once(self) -> AsyncIterator[None]:
        yield

    async def upload(self, item: _Item) -> tuple[str, str]:
        self.written.append(Decision(item.ident, "upload"))
        return item.ident, item.hash

    async def update(self, href: str, item: _Item, etag: str) -> str:
        self.written.append(Decision(href, "update"))
        return item.hash

    async def delete(self, href: str, etag: str) -> None:
        self.written.append(Decision(href, "delete"))


def peer_vdirsyncer(work: Workload) -> Any:
    """Run `vdirsyncer.sync` over storages in memory and its own status in SQLite: per record, and it also executes."""
    from vdirsyncer.sync import sync
    from vdirsyncer.sync.status import ItemMetadata, SqliteStatus

    status = SqliteStatus()
    with status.transaction():
        for _, row in work.base():
            kept = _Item(dict(zip(NAMES, row, strict=True)))
            for insert in (status.insert_ident_a, status.insert_ident_b):
                insert(kept.ident, ItemMetadata(href=kept.ident, hash=kept.hash, etag=kept.hash))
    left_rows, right_rows = _rows(work, "salesforce"), _rows(work, "dialog_insight")
    conflicts: list[Exception] = []

    def run() -> Any:
        left, right = _Storage(left_rows), _Storage(right_rows)
        asyncio.run(sync(left, right, status, error_callback=conflicts.append))
        return [*left.written, *right.written, *(Decision("", "conflict") for _ in conflicts)]

    return run, lambda written: written


def _frames(work: Workload) -> tuple[Rows, Rows, Any]:
    import polars as pl

    base = [dict(zip(NAMES, row, strict=True)) for _, row in work.base()]
    left, right = _rows(work, "salesforce"), _rows(work, "dialog_insight")
    return left, right, pl.DataFrame(base, infer_schema_length=None, schema=_schema(pl, objects=work.objects))


def _schema(pl: Any, *, objects: bool) -> dict[str, Any]:
    kinds = [*[pl.String] * TEXTS, *[pl.Int64] * INTS, *[pl.Decimal(18, 2)] * DECIMALS, *[pl.Boolean] * BOOLS]
    times = [pl.Date] * DATES + [pl.Datetime("us", "UTC")] * MOMENTS if objects else [pl.String] * (DATES + MOMENTS)
    return dict(zip(NAMES, [*kinds, *times], strict=True))


def peer_polars(work: Workload) -> Any:
    """Make frames of the rows, join them with the memory's, and give a mask of bits per direction."""
    import polars as pl

    left_rows, right_rows, base = _frames(work)

    def run() -> Any:
        schema = _schema(pl, objects=work.objects)
        left, right = (pl.from_dicts(rows, schema=schema, infer_schema_length=None) for rows in (left_rows, right_rows))
        joined = (
            base.with_columns(b=pl.lit(1))
            .join(left.with_columns(x=pl.lit(1)), on=KEY, how="full", coalesce=True, suffix="_x")
            .join(right.with_columns(y=pl.lit(1)), on=KEY, how="full", coalesce=True, suffix="_y")
        )
        linked = pl.col("b").is_not_null() & pl.col("x").is_not_null() & pl.col("y").is_not_null()
        to_left: Any = pl.lit(0)
        to_right: Any = pl.lit(0)
        held: Any = pl.lit(0)
        for index, name in enumerate(NAMES[1:], 1):
            moved_x = pl.col(f"{name}_x").ne_missing(pl.col(name))
            moved_y = pl.col(f"{name}_y").ne_missing(pl.col(name))
            differ = pl.col(f"{name}_x").ne_missing(pl.col(f"{name}_y"))
            bit = pl.lit(1 << index)
            to_right = to_right + pl.when(differ & moved_x & ~moved_y).then(bit).otherwise(0)
            to_left = to_left + pl.when(differ & moved_y & ~moved_x).then(bit).otherwise(0)
            held = held + pl.when(differ & moved_x & moved_y).then(bit).otherwise(0)
        told = joined.select(
            KEY, "b", "x", "y", left=linked.cast(pl.Int64) * to_left, right=linked.cast(pl.Int64) * to_right,
            held=linked.cast(pl.Int64) * held,
        )  # fmt: skip
        return told.filter(~linked | (pl.col("left") + pl.col("right") + pl.col("held") > 0))

    return run, lambda told: _read_table(told.iter_rows())


def _read_table(table: Iterable[tuple[Any, ...]]) -> Iterator[Decision]:
    for key, b, x, y, to_left, to_right, held in table:
        if x is None and y is None:
            continue
        if x is None:
            yield Decision(key, "create_salesforce" if b is None else "gone_salesforce")
        elif y is None:
            yield Decision(key, "create_dialog_insight" if b is None else "gone_dialog_insight")
        else:
            yield Decision(key, "change", to_left or 0, to_right or 0, held or 0)


def peer_duckdb(work: Workload) -> Any:
    """Make frames of the rows, hand them to DuckDB without copying, and let it join and compare."""
    import duckdb
    import polars as pl

    left_rows, right_rows, base = _frames(work)
    tests = {"to_right": ("<>", "="), "to_left": ("=", "<>"), "held": ("<>", "<>")}
    words = {"<>": "IS DISTINCT FROM", "=": "IS NOT DISTINCT FROM"}
    masks = {
        name: " + ".join(
            f"CASE WHEN x.{f} IS DISTINCT FROM y.{f} AND x.{f} {words[on_x]} b.{f} AND y.{f} {words[on_y]} b.{f} "
            f"THEN {1 << index} ELSE 0 END"
            for index, f in enumerate(NAMES)
            if index
        )
        for name, (on_x, on_y) in tests.items()
    }
    query = f"""
        SELECT * FROM (
            SELECT coalesce(b.{KEY}, x.{KEY}, y.{KEY}) AS k, b.{KEY} AS b, x.{KEY} AS x, y.{KEY} AS y,
                   CASE WHEN b.{KEY} IS NULL OR x.{KEY} IS NULL OR y.{KEY} IS NULL THEN 0 ELSE 1 END AS linked,
                   {masks["to_left"]} AS l, {masks["to_right"]} AS r, {masks["held"]} AS h
            FROM base b FULL JOIN x ON b.{KEY} = x.{KEY} FULL JOIN y ON coalesce(b.{KEY}, x.{KEY}) = y.{KEY}
        ) WHERE linked = 0 OR l + r + h > 0
    """  # noqa: S608 - names of our own

    def run() -> Any:
        schema = _schema(pl, objects=work.objects)
        frames = [pl.from_dicts(rows, schema=schema, infer_schema_length=None) for rows in (left_rows, right_rows)]
        with duckdb.connect() as db:
            for name, frame in zip("xy", frames, strict=True):
                db.register(name, frame.to_arrow())
            db.register("base", base.to_arrow())
            return db.execute(query).fetchall()

    return run, lambda table: _read_table((k, b, x, y, lt, r, h) for k, b, x, y, _, lt, r, h in table)


CONTESTANTS: dict[str, tuple[Contest, tuple[str, ...], str]] = {
    # name: what runs, packages, what it answers
    "di-salesforce": (ours, (), "per field, with plan"),
    "by hand, tuples": (by_hand_tuples, (), "per field"),
    "by hand, dicts": (by_hand_dicts, (), "per field"),
    "by hand, packed": (by_hand_packed, ("msgspec",), "per field"),
    "polars": (peer_polars, ("polars",), "per field"),
    "duckdb": (peer_duckdb, ("duckdb", "polars", "pyarrow"), "per field"),
    "vdirsyncer": (peer_vdirsyncer, ("vdirsyncer",), "per record"),
    "diffsync": (peer_diffsync, ("diffsync",), "two-way"),
    "di-salesforce, first run": (first_run, (), "no memory yet"),
}
