"""The default store: one SQLite file.

What may not go in here: deciding, and anything but SQL and plain rows.  The file's format is a promise: `meta` holds
its number, older ones are migrated when the file is opened, newer ones are refused.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime
from os import PathLike, fspath
from types import TracebackType
from typing import Any, Final, Self

from di_salesforce.engine import Baseline, CoverageRecord, LinkRecord, OpenItem, Settlement, Tombstone
from di_salesforce.exceptions import ConfigurationError, StoreError
from di_salesforce.records import Side
from di_salesforce.schema import TableSchema
from di_salesforce.stores._memory import Owner, RunRecord, leased

__all__ = ["SQLiteStore"]

FORMAT: Final = 1

# Native ids and keys stand in columns of their own, so that a record can be found and forgotten without reading bodies.
_SCHEMA: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE links (
    transfer TEXT NOT NULL, id TEXT NOT NULL, salesforce_id TEXT, dialog_insight_id TEXT,
    salesforce_key TEXT, dialog_insight_key TEXT, body TEXT NOT NULL, PRIMARY KEY (transfer, id)
) STRICT;
CREATE INDEX links_salesforce ON links (transfer, salesforce_id);
CREATE INDEX links_dialog_insight ON links (transfer, dialog_insight_id);
CREATE TABLE rows (
    id TEXT PRIMARY KEY, transfer TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX rows_transfer ON rows (transfer);
CREATE TABLE runs (number INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
"""

_APPLICATION: Final = "di-salesforce"

_ADVICE: Final = "replace it by a copy, and look at a plan before anything is applied"

_BUSY_SECONDS: Final = 30.0  # how long to wait for another process's transaction: longer than any of ours takes


class SQLiteStore:
    """Keep the memory in one SQLite file; safe against a crash at any moment (write-ahead log, one transaction a save).

    Args:
        path: The file; it is made where there is none.

    Raises:
        StoreError: The file is no store, is damaged, is of a newer format, or cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, SQLiteStore(f"{folder}/di-sync.db") as store:
        ...     store.baseline("contacts")
        <Baseline: 0 links, 0 open items>
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self._connection: sqlite3.Connection | None = None
        self.path = fspath(path)
        self._lock = threading.RLock()
        with self._reported("open"):
            self._connection = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def _reported(self, doing: str) -> Generator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(
                f"cannot {doing} the store {self.path!r}: {error}; nothing was changed by this step"
            ) from None

    def _read(self, body: str) -> Any:  # whatever JSON a damaged file may hold
        try:
            return json.loads(body)
        except ValueError:
            raise StoreError(f"the store {self.path!r} holds a row that is not JSON: {_ADVICE}") from None

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"the store {self.path!r} is closed")
        return self._connection

    @contextmanager
    def _transaction(self, doing: str) -> Generator[sqlite3.Connection]:
        with self._lock, self._reported(doing):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                # A full disk makes SQLite roll back by itself; a COMMIT that failed leaves the transaction open.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _prepare(self) -> None:
        with self._reported("open"):
            # Look before anything is changed: it may be another application's database.
            tables = {str(row[0]) for row in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if tables and not self._is_ours(tables):
                raise StoreError(f"{self.path!r} is a database, but not a store of di-salesforce; it was left as it is")
            if [row[0] for row in self._db.execute("PRAGMA quick_check(1)")] != ["ok"]:
                raise StoreError(f"the store {self.path!r} is damaged: {_ADVICE}")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")  # a settled write must survive a power cut
        with self._transaction("open") as db:
            # Asked again inside the transaction: another process may have made the tables meanwhile.
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
                for statement in _SCHEMA.split(";"):
                    db.execute(statement)
                db.execute("INSERT INTO meta VALUES ('format', ?), ('application', ?)", (str(FORMAT), _APPLICATION))
            version = self._meta("format") or ""
        if not version.isdecimal():
            raise StoreError(f"the store {self.path!r} is damaged, its format number is missing: {_ADVICE}")
        if int(version) > FORMAT:
            raise StoreError(f"the store {self.path!r} has format {version}; this version reads up to {FORMAT}")

    def _is_ours(self, tables: set[str]) -> bool:
        if not {"meta", "links", "rows", "runs"} <= tables:
            return False
        columns = [str(row[1]) for row in self._db.execute("PRAGMA table_info(meta)")]
        return columns == ["name", "value"] and self._meta("application") == _APPLICATION

    def _meta(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def _set_meta(self, name: str, value: str | None) -> None:
        if value is None:
            self._db.execute("DELETE FROM meta WHERE name = ?", (name,))
        else:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def belong_to(self, owner: Owner, *, claim: bool = True) -> None:
        """Remember whose store this is; raises `ForeignStoreError` for another org or wholly other projects.

        Without `claim` it is only looked at: a plan of a wrong declaration leaves no trace.
        """
        with self._transaction("claim"):
            known = self._meta("owner")
            if known is not None:
                owner = self._owner(known).joined(owner)
            if claim:
                self._set_meta("owner", json.dumps({"org_id": owner.org_id, "projects": list(owner.projects)}))

    def _owner(self, text: str) -> Owner:
        data = self._read(text)
        try:
            return Owner(str(data["org_id"]), tuple(map(int, data["projects"])))
        except (KeyError, TypeError, ValueError):
            raise StoreError(f"the store {self.path!r} does not say whose it is: {_ADVICE}") from None

    def _lease(self) -> tuple[str, datetime, datetime] | None:
        known = self._meta("lease")
        if known is None:
            return None
        try:
            name, since, until = self._read(known)
            return (str(name), datetime.fromisoformat(since), datetime.fromisoformat(until))
        except (TypeError, ValueError):
            raise StoreError(f"the lease in the store {self.path!r} is damaged: {_ADVICE}") from None

    def baseline(self, transfer: str) -> Baseline:
        """Give what is remembered of a transfer."""
        with self._lock, self._reported("read"):
            bodies = [
                *self._db.execute("SELECT body FROM links WHERE transfer = ?", (transfer,)),
                *self._db.execute("SELECT body FROM rows WHERE transfer = ?", (transfer,)),
            ]
        try:
            return Baseline.from_dicts([self._read(body) for (body,) in bodies])
        except ConfigurationError as error:
            raise StoreError(f"the store {self.path!r} is damaged or newer: {error}; {_ADVICE}") from None

    def save(self, settlement: Settlement, run: RunRecord | None = None) -> None:
        """Keep a settlement, of one transfer or of several, in one transaction."""
        with self._transaction("write") as db:
            db.executemany("DELETE FROM links WHERE id = ?", [(link,) for link in settlement.removed_links])
            db.executemany(
                "INSERT OR REPLACE INTO links VALUES (?, ?, ?, ?, ?, ?, ?)", map(_link_row, settlement.changed_links)
            )
            gone = (*settlement.closed_items, *settlement.removed_tombstones)
            db.executemany("DELETE FROM rows WHERE id = ?", [(_row_id(row_id),) for row_id in gone])
            kept: tuple[OpenItem | Tombstone | CoverageRecord, ...] = (
                *settlement.open_items,
                *settlement.tombstones,
                *settlement.coverages,
            )
            db.executemany(
                "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)",
                [(_row_id(row.id, row.kind), row.transfer, row.kind, _json(row.to_dict())) for row in kept],
            )
            if run is not None:
                db.execute("INSERT INTO runs (body) VALUES (?)", (_json(run.to_dict()),))

    def runs(self, limit: int = 50) -> tuple[RunRecord, ...]:
        """Give the latest applications of plans, newest first."""
        with self._lock, self._reported("read"):
            rows = self._db.execute("SELECT body FROM runs ORDER BY number DESC LIMIT ?", (limit,)).fetchall()
        try:
            return tuple(RunRecord.from_dict(self._read(body)) for (body,) in rows)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise StoreError(f"the history in the store {self.path!r} is damaged: {_ADVICE}") from None

    def schemas(self, transfer: str) -> Mapping[Side, TableSchema]:
        """Give the schemas that were last kept for a transfer; a side of which none was kept is absent."""
        with self._lock, self._reported("read"):
            kept = {side: body for side in Side if (body := self._meta(_schema_name(transfer, side))) is not None}
        try:
            return {side: TableSchema.from_dict(self._read(body)) for side, body in kept.items()}
        except (AttributeError, ConfigurationError) as error:
            raise StoreError(f"a schema in the store {self.path!r} is damaged or newer: {error}; {_ADVICE}") from None

    def keep_schemas(self, transfer: str, schemas: Mapping[Side, TableSchema]) -> None:
        """Keep what a transfer's tables look like, for the next run to compare; sides that are not given stay."""
        with self._transaction("write"):
            for side, schema in schemas.items():
                self._set_meta(_schema_name(transfer, side), _json(schema.to_dict()))

    def acquire(self, holder: str, *, now: datetime, until: datetime) -> None:
        """Take the lease, or prolong one's own; raises `AlreadyRunningError` while another holds it."""
        with self._transaction("lease"):
            name, since, end = leased(self._lease(), holder, now, until)
            self._set_meta("lease", json.dumps([name, since.isoformat(), end.isoformat()]))

    def release(self, holder: str) -> None:
        """Give the lease back, if one holds it."""
        with self._transaction("release"):
            lease = self._lease()
            if lease is not None and lease[0] == holder:
                self._set_meta("lease", None)

    def close(self) -> None:
        """Close the file; may be called twice."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_connection", None) is not None:
            warnings.warn(f"{self!r} was never closed", ResourceWarning, source=self, stacklevel=2)
            self.close()

    def __repr__(self) -> str:
        return f"SQLiteStore({self.path!r})"


def _json(data: dict[str, Any]) -> str:  # JSON-safe data
    # ASCII, so that half of a surrogate pair (which JSON can hold, and UTF-8 cannot) does not lose a whole save.
    return json.dumps(data, separators=(",", ":"))


def _link_row(link: LinkRecord) -> tuple[str | None, ...]:
    keys = [None if (key := link.key(side)) is None else json.dumps(key) for side in Side]
    return (link.transfer, link.id, link.salesforce_id, link.dialog_insight_id, *keys, _json(link.to_dict()))


def _schema_name(transfer: str, side: Side) -> str:
    # Beside the owner and the lease, where releases that know nothing of schemas leave it alone.
    return f"schema:{side.value}:{transfer}"


def _row_id(row_id: str, kind: str = "") -> str:
    # Items, tombstones and coverages are named apart already; a coverage's and a tombstone's names could meet.
    return f"coverage:{row_id}" if kind == "coverage" else row_id
