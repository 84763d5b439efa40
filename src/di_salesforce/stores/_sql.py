"""What the stores that keep their memory in SQL tables have in common: each call as SQL.

What may not go in here: connections and the errors of one database (`_sqlite.py`, `_postgres.py`), the tables
themselves (`_sql_tables.py`), deciding.
"""

from __future__ import annotations

import itertools
import json
from abc import abstractmethod
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

from di_salesforce.engine import Baseline, CoverageRecord, OpenItem, Outcome, Settlement, Tombstone
from di_salesforce.exceptions import ConfigurationError, StoreError
from di_salesforce.records import Side
from di_salesforce.schema import TableSchema
from di_salesforce.stores._journal import Intent, IntentJob, unknown_intent
from di_salesforce.stores._portable import Kept, PortableStore, refuse_unless_empty
from di_salesforce.stores._protocol import AppliedWrite, Lease, Owner, RunRecord
from di_salesforce.stores._sql_rows import (
    Statements,
    everything_of,
    fill,
    link_row,
    open_intents,
    put_applied,
    put_noted,
    put_run,
    row_id,
    schema_name,
    to_json,
)
from di_salesforce.stores._sql_tables import (
    FORMAT,
    PUT_INTENT,
    PUT_LINK,
    PUT_META,
    PUT_ROW,
    SELECT_APPLIED,
)
from di_salesforce.stores._stored import StoredBaseline

__all__ = ["ADVICE", "SqlStore"]

ADVICE: Final = "replace it by a copy, and look at a plan before anything is applied"

_DAMAGE: Final = (KeyError, TypeError, ValueError, AttributeError)
"""What reading plain data that is not what it should be may raise."""


class SqlStore(PortableStore):
    """A store in SQL tables; a database's own class says how statements reach it."""

    @abstractmethod
    def _transaction(self, doing: str) -> AbstractContextManager[Statements]:
        """Begin a transaction that keeps other writers out; commit it at its end, or take it back."""

    @abstractmethod
    def _reading(self, doing: str) -> AbstractContextManager[Statements]:
        """Give what reads; it sees one moment of the store."""

    @property
    @abstractmethod
    def _place(self) -> str:
        """Where the store is, in words that may be shown."""

    # ------------------------------------------------------------------------------------------------ plain data

    def _damaged(self, what: str) -> StoreError:
        return StoreError(f"{what} in the store {self._place} is damaged: {ADVICE}")

    def _read(self, body: str) -> Any:  # whatever JSON a damaged store may hold
        try:
            return json.loads(body)
        except ValueError:
            raise StoreError(f"the store {self._place} holds a row that is not JSON: {ADVICE}") from None

    def _meta(self, db: Statements, name: str) -> Any:  # whatever JSON a damaged store may hold
        for (value,) in db.execute("SELECT value FROM meta WHERE name = ?", (name,)):
            return self._read(str(value))
        return None

    def _put_meta(self, db: Statements, name: str, value: object) -> None:
        if value is None:
            db.execute("DELETE FROM meta WHERE name = ?", (name,))
        else:
            db.execute(PUT_META, (name, to_json(value)))

    # ---------------------------------------------------------------------------------------------- whose it is

    def belong_to(self, owner: Owner, *, claim: bool = True) -> None:
        """Remember whose store this is; raises `ForeignStoreError` for another org or wholly other projects.

        Without `claim` it is only looked at: a plan of a wrong declaration leaves no trace.
        """
        with self._transaction("claim") as db:
            known = self._owner(db)
            joined = owner if known is None else known.joined(owner)
            if claim:
                self._put_meta(db, "owner", joined.to_dict())

    def owner(self) -> Owner | None:
        """Tell whose store this is; None: nobody's yet."""
        with self._reading("read") as db:
            return self._owner(db)

    def _owner(self, db: Statements) -> Owner | None:
        data = self._meta(db, "owner")
        try:
            return None if data is None else Owner.from_dict(data)
        except _DAMAGE:
            raise StoreError(f"the store {self._place} does not say whose it is: {ADVICE}") from None

    # ------------------------------------------------------------------------------------------------ the memory

    def transfers(self) -> tuple[str, ...]:
        """Give the names of the transfers that anything is remembered of, sorted."""
        with self._reading("read") as db:
            found = db.execute("SELECT transfer FROM links UNION SELECT transfer FROM rows")
            return tuple(sorted(str(name) for (name,) in found))

    def baseline(self, transfer: str) -> Baseline:
        """Give what is remembered of a transfer."""
        with self._reading("read") as db:
            links = db.execute("SELECT body FROM links WHERE transfer = ?", (transfer,))
            rows = db.execute("SELECT body FROM rows WHERE transfer = ?", (transfer,))
            try:  # row by row: what is read of one takes many times the room that is kept of it
                return Baseline.from_dicts(self._read(body) for (body,) in itertools.chain(links, rows))
            except ConfigurationError as error:
                raise StoreError(f"the store {self._place} is damaged or newer: {error}; {ADVICE}") from None

    def stored_baseline(self, transfer: str) -> StoredBaseline:
        """Give what is remembered of a transfer without reading it: links are read as they are asked for.

        For a run that looks at changes only, in which nothing else of a large memory need be read.
        """

        def ask(sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:  # columns of any type
            with self._reading("read") as db:
                return list(db.execute(sql, values))

        return StoredBaseline(transfer, ask, self._damaged)

    def save(
        self,
        settlement: Settlement,
        run: RunRecord | None = None,
        *,
        settles: Collection[str] = (),
        holder: str | None = None,
    ) -> None:
        """Keep a settlement, of one transfer or of several, and close the intents (by id) that it settles.

        A run that is known already is replaced by what is given; what was written is added to its history.
        """
        with self._transaction("write") as db:
            self._check_lease(db, holder)
            db.executemany("DELETE FROM links WHERE id = ?", [(link,) for link in settlement.removed_links])
            db.executemany(PUT_LINK, map(link_row, settlement.changed_links))
            gone = (*settlement.closed_items, *settlement.removed_tombstones)
            db.executemany("DELETE FROM rows WHERE id = ?", [(row_id(each),) for each in gone])
            kept: tuple[OpenItem | Tombstone | CoverageRecord, ...] = (
                *settlement.open_items,
                *settlement.tombstones,
                *settlement.coverages,
            )
            db.executemany(
                PUT_ROW, [(row_id(row.id, row.kind), row.transfer, row.kind, to_json(row.to_dict())) for row in kept]
            )
            if run is not None:
                put_run(db, run)
            for intent_id in settles:
                db.execute("DELETE FROM noted WHERE intent = ?", (intent_id,))
                db.execute("DELETE FROM journal WHERE id = ?", (intent_id,))
            for write in AppliedWrite.of(settlement, run.run_id) if run is not None else ():
                put_applied(db, write)

    def open_items(self, transfer: str) -> tuple[OpenItem, ...]:
        """Give what is not settled of a transfer, without reading its links."""
        with self._reading("read") as db:
            rows = list(db.execute("SELECT body FROM rows WHERE transfer = ? AND kind = 'open_item'", (transfer,)))
        try:
            return tuple(OpenItem.from_dict(self._read(body)) for (body,) in rows)
        except _DAMAGE:
            raise self._damaged("an open item") from None

    def get(self, name: str) -> Any:  # JSON-safe data
        """Give a small value of the synchronizer's own; None: there is none."""
        with self._reading("read") as db:
            return self._meta(db, f"value:{name}")

    def put(self, name: str, value: Any) -> None:  # JSON-safe data
        """Keep a small value of the synchronizer's own under a name; None: keep none."""
        with self._transaction("write") as db:
            self._put_meta(db, f"value:{name}", value)

    # ------------------------------------------------------------------------------------- history and journal

    def runs(self, limit: int = 50) -> tuple[RunRecord, ...]:
        """Give the latest runs, newest first."""
        with self._reading("read") as db:
            rows = list(db.execute("SELECT body FROM runs ORDER BY number DESC LIMIT ?", (limit,)))
        try:
            return tuple(RunRecord.from_dict(self._read(body)) for (body,) in rows)
        except _DAMAGE:
            raise self._damaged("the history") from None

    def applied(self, *, run_id: str | None = None, name: str | None = None) -> tuple[AppliedWrite, ...]:
        """Give the writes of a run, or those of a record (by one of `AppliedWrite.names`), oldest first."""
        with self._reading("read") as db:
            rows = list(db.execute(SELECT_APPLIED, (run_id, run_id, name, name)))
        try:
            return tuple(AppliedWrite.from_dict(self._read(body)) for (body,) in rows)
        except _DAMAGE:
            raise self._damaged("the history") from None

    def drop_writes(self, before: datetime, *, holder: str | None = None) -> None:
        """Drop what runs wrote that began before a moment; their own lines, which hold no value, stay."""
        with self._transaction("write") as db:
            self._check_lease(db, holder)
            found = list(db.execute("SELECT body FROM runs WHERE run_id IN (SELECT DISTINCT run_id FROM applied)"))
            try:
                runs = [RunRecord.from_dict(self._read(body)) for (body,) in found]
            except _DAMAGE:
                raise self._damaged("the history") from None
            old = [(run.run_id,) for run in runs if run.started < before]
            db.executemany(
                "DELETE FROM applied_names WHERE number IN (SELECT number FROM applied WHERE run_id = ?)", old
            )
            db.executemany("DELETE FROM applied WHERE run_id = ?", old)

    def intend(self, intent: Intent, *, holder: str | None = None) -> None:
        """Record what is about to be written, before it is."""
        with self._transaction("write") as db:
            self._check_lease(db, holder)
            db.execute(PUT_INTENT, (intent.id, to_json(intent.to_dict())))

    def note(
        self,
        intent_id: str,
        outcomes: Mapping[str, Outcome],
        *,
        jobs: Sequence[IntentJob] = (),
        holder: str | None = None,
    ) -> None:
        """Record what came of writes of an open intent, and jobs made for them, besides what is recorded already."""
        with self._transaction("write") as db:
            self._check_lease(db, holder)
            if not list(db.execute("SELECT 1 FROM journal WHERE id = ?", (intent_id,))):
                raise unknown_intent(intent_id)
            put_noted(db, intent_id, outcomes, jobs)

    def intents(self) -> tuple[Intent, ...]:
        """Give the intents that nothing has settled yet, oldest first."""
        with self._reading("read") as db:
            try:
                return tuple(open_intents(db))
            except _DAMAGE:
                raise self._damaged("the journal") from None

    def erase(
        self, *, links: Collection[str], items: Collection[str], names: Collection[str], value: tuple[str, Any]
    ) -> None:  # JSON-safe data
        """Erase links and open items by id, and the history of records by name; keep a small value with it."""
        with self._transaction("erase") as db:
            db.executemany("DELETE FROM links WHERE id = ?", [(each,) for each in links])
            db.executemany("DELETE FROM rows WHERE id = ?", [(each,) for each in items])
            for name in names:
                numbers = list(db.execute("SELECT number FROM applied_names WHERE name = ?", (name,)))
                db.executemany("DELETE FROM applied WHERE number = ?", numbers)
                db.executemany("DELETE FROM applied_names WHERE number = ?", numbers)
            self._put_meta(db, f"value:{value[0]}", value[1])

    # --------------------------------------------------------------------------------------------------- schemas

    def schemas(self, transfer: str) -> Mapping[Side, TableSchema]:
        """Give the schemas that were last kept for a transfer; a side of which none was kept is absent."""
        with self._reading("read") as db:
            kept = {side: data for side in Side if (data := self._meta(db, schema_name(transfer, side))) is not None}
        try:
            return {side: TableSchema.from_dict(data) for side, data in kept.items()}
        except (AttributeError, ConfigurationError) as error:
            raise StoreError(f"a schema in the store {self._place} is damaged or newer: {error}; {ADVICE}") from None

    def keep_schemas(self, transfer: str, schemas: Mapping[Side, TableSchema]) -> None:
        """Keep what a transfer's tables look like, for the next run to compare; sides that are not given stay."""
        with self._transaction("write") as db:
            for side, schema in schemas.items():
                self._put_meta(db, schema_name(transfer, side), schema.to_dict())

    # ----------------------------------------------------------------------------------------------------- hints

    def hint(self, transfer: str, ids: Iterable[str]) -> None:
        """Keep ids of Dialog Insight contacts that the next run is to read again."""
        with self._transaction("write") as db:
            db.executemany("INSERT INTO hints (transfer, record_id) VALUES (?, ?)", [(transfer, each) for each in ids])

    def hints(self, transfer: str) -> Mapping[int, str]:
        """Give the ids that were hinted at and not read since, each under its own number."""
        with self._reading("read") as db:
            rows = db.execute("SELECT number, record_id FROM hints WHERE transfer = ? ORDER BY number", (transfer,))
            return {int(number): str(record_id) for number, record_id in rows}

    def heard(self, transfer: str, numbers: Collection[int]) -> None:
        """Drop the hints of these numbers: their contacts were read."""
        with self._transaction("write") as db:
            db.executemany(
                "DELETE FROM hints WHERE transfer = ? AND number = ?", [(transfer, number) for number in numbers]
            )

    # ------------------------------------------------------------------------------------------------- the lease

    def _lease(self, db: Statements) -> Lease | None:
        data = self._meta(db, "lease")
        try:
            return None if data is None else Lease.from_plain(data)
        except _DAMAGE:
            raise self._damaged("the lease") from None

    def _check_lease(self, db: Statements, holder: str | None) -> None:
        if holder is not None:
            Lease.check(self._lease(db), holder)

    def acquire(self, holder: str, *, now: datetime, until: datetime) -> None:
        """Take the lease, or prolong one's own; raises `AlreadyRunningError` while another holds it."""
        with self._transaction("lease") as db:
            self._put_meta(db, "lease", Lease.taken(self._lease(db), holder, now, until).to_plain())

    def renew(self, holder: str, *, until: datetime) -> None:
        """Prolong the lease that one holds; raises `AlreadyRunningError` where another has taken it over since."""
        with self._transaction("lease") as db:
            lease = self._lease(db)
            Lease.check(lease, holder)
            self._put_meta(db, "lease", Lease.taken(lease, holder, until, until).to_plain())

    def release(self, holder: str) -> None:
        """Give the lease back, if one holds it."""
        with self._transaction("release") as db:
            lease = self._lease(db)
            if lease is not None and lease.holder == holder:
                self._put_meta(db, "lease", None)

    # --------------------------------------------------------------------------------------- everything at once

    @contextmanager
    def _everything(self) -> Generator[Iterable[Kept]]:
        with self._reading("read") as db:
            yield self._told(everything_of(db))

    def _told(self, kept: Iterable[Kept]) -> Iterator[Kept]:
        try:
            yield from kept
        except (*_DAMAGE, ConfigurationError):
            raise self._damaged("a row") from None

    def _fill(self, everything: Iterable[Kept]) -> None:
        with self._transaction("import into") as db:
            holds = next(self._told(everything_of(db)), None) is not None
            refuse_unless_empty(self._place, holds=holds, leased=self._lease(db) is not None)
            fill(db, everything)

    # ------------------------------------------------------------------------------------------------- at the end

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections; may be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_format(self, version: object) -> int:
        """Read the format number, and refuse one that this version cannot read."""
        text = str(version)
        if not text.isdecimal():
            raise StoreError(f"the store {self._place} is damaged, its format number is missing: {ADVICE}")
        if int(text) > FORMAT:
            raise StoreError(f"the store {self._place} has format {text}; this version reads up to {FORMAT}")
        return int(text)
