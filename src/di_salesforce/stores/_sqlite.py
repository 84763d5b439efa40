"""The default store: one SQLite file.

What may not go in here: deciding, and anything that another database would do alike (`_sql.py`).
"""

from __future__ import annotations

import sqlite3
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from os import PathLike, fspath
from typing import Final

from di_salesforce.exceptions import StoreError
from di_salesforce.stores._sql import ADVICE, SqlStore
from di_salesforce.stores._sql_rows import Statements
from di_salesforce.stores._sql_tables import APPLICATION, FORMAT, TABLES, migration

__all__ = ["SQLiteStore"]

_BUSY_SECONDS: Final = 30.0  # how long to wait for another process's transaction: longer than any of ours takes


class SQLiteStore(SqlStore):
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

    @property
    def _place(self) -> str:
        return repr(self.path)

    @contextmanager
    def _reported(self, doing: str) -> Generator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(
                f"cannot {doing} the store {self._place}: {error}; nothing was changed by this step"
            ) from None

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"the store {self._place} is closed")
        return self._connection

    @contextmanager
    def _transaction(self, doing: str) -> Generator[Statements]:
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

    @contextmanager
    def _reading(self, doing: str) -> Generator[Statements]:
        with self._lock, self._reported(doing):
            self._db.execute("BEGIN")
            try:
                yield self._db
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def _prepare(self) -> None:
        with self._reported("open"):
            # Look before anything is changed: it may be another application's database.
            tables = {str(row[0]) for row in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if tables and not self._is_ours(tables):
                raise StoreError(f"{self._place} is a database, but not a store of di-salesforce; it was left as it is")
            if [row[0] for row in self._db.execute("PRAGMA quick_check(1)")] != ["ok"]:
                raise StoreError(f"the store {self._place} is damaged: {ADVICE}")
            if tables:
                self._check_format(self._text("format"))  # a newer store is left alone, byte for byte
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")  # a settled write must survive a power cut
        with self._transaction("open") as db:
            # Asked again inside the transaction: another process may have made the tables meanwhile.
            made = bool(list(db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'")))
            version = self._check_format(self._text("format")) if made else 0
            for number in range(version + 1, FORMAT + 1):
                for statement in migration(number, serial="INTEGER PRIMARY KEY", integer="INTEGER", strict="STRICT"):
                    db.execute(statement)
            if not made:
                db.execute("INSERT INTO meta VALUES ('application', ?)", (APPLICATION,))
            if version < FORMAT:
                db.execute("INSERT OR REPLACE INTO meta VALUES ('format', ?)", (str(FORMAT),))

    def _is_ours(self, tables: set[str]) -> bool:
        if not tables >= TABLES:
            return False
        columns = [str(row[1]) for row in self._db.execute("PRAGMA table_info(meta)")]
        return columns == ["name", "value"] and self._text("application") == APPLICATION

    def _text(self, name: str) -> str:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def close(self) -> None:
        """Close the file; may be called twice."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def __del__(self) -> None:
        if self._connection is not None:
            warnings.warn(f"{self!r} was never closed", ResourceWarning, source=self, stacklevel=2)
            self.close()

    def __repr__(self) -> str:
        return f"SQLiteStore({self.path!r})"
