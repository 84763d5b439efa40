"""A store in a PostgreSQL database, for services that run on several machines.

What may not go in here: deciding, and anything that another database would do alike (`_sql.py`).  psycopg is
imported on use: it is the extra `postgres`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, Final

from di_salesforce.exceptions import ConfigurationError, MissingExtraError, StoreError
from di_salesforce.stores._sql import SqlStore
from di_salesforce.stores._sql_rows import Statements
from di_salesforce.stores._sql_tables import APPLICATION, FORMAT, migration

__all__ = ["PostgresStore"]

_SERIAL: Final = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"


class PostgresStore(SqlStore):
    """Keep the memory in a schema of a PostgreSQL database; needs the extra `postgres`.

    Use it where several machines run the same synchronisation, or where the database is what is backed up.  It takes
    one connection, and a new one where that was lost between two calls.

    Args:
        dsn: How to connect, as libpq reads it: a URL (`postgresql://...`) or `host=... dbname=...`.
        schema: The schema that holds the tables; it is made where there is none.

    Raises:
        MissingExtraError: psycopg is not installed.
        ConfigurationError: The schema's name is no plain lower-case name.
        StoreError: The server does not answer or refuses, or the schema is another application's or of a newer format.

    Example:
        `with PostgresStore("postgresql://sync@db.example.ca/crm") as store: store.baseline("contacts")`
    """

    def __init__(self, dsn: str, *, schema: str = "di_salesforce") -> None:
        self._connection: Any = None  # a psycopg.Connection: the extra's types are not everywhere
        self._closed = False
        self._dsn = dsn
        self.schema = schema
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", schema):
            raise ConfigurationError(f"schema {schema!r} is not a plain name: lower-case letters, digits, underscores")
        try:
            import psycopg as driver
        except ImportError:
            raise MissingExtraError(extra="postgres", purpose="PostgresStore") from None
        self._driver = driver
        self._lock = threading.RLock()
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    @property
    def _place(self) -> str:
        return f"{self.schema!r} in PostgreSQL"

    @contextmanager
    def _reported(self, doing: str) -> Generator[None]:
        """Turn the database's errors into ours."""
        try:
            yield
        except self._driver.Error as error:
            words = " ".join(str(error).split())
            raise StoreError(
                f"cannot {doing} the store {self._place}: {words}; nothing was changed by this step"
            ) from None

    @property
    def _db(self) -> Any:  # a psycopg.Connection
        if self._closed:
            raise StoreError(f"the store {self._place} is closed")
        if self._connection is None or self._connection.closed:
            self._connection = self._driver.connect(self._dsn, autocommit=True)
            self._connection.execute(f"SET search_path TO {self.schema}")  # its name was checked
        return self._connection

    @contextmanager
    def _transaction(self, doing: str) -> Generator[Statements]:
        with self._lock, self._reported(doing):
            db = self._alive()
            with db.transaction():
                # One writer at a time, as in a file; readers are not kept waiting.
                db.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"{APPLICATION}:{self.schema}",))
                yield _Translated(db)

    @contextmanager
    def _reading(self, doing: str) -> Generator[Statements]:
        with self._lock, self._reported(doing):
            db = self._alive()
            with db.transaction():
                db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                yield _Translated(db)

    def _alive(self) -> Any:  # a psycopg.Connection
        """Give a connection that answers: one that broke since the last call is made anew."""
        try:
            self._db.execute("SELECT 1")
        except self._driver.OperationalError:
            if self._connection is not None:
                self._connection.close()
        return self._db

    def _prepare(self) -> None:
        with self._transaction("open") as db:
            names = {str(name) for (name,) in db.execute(_TABLES, (self.schema,))}
            if names and "meta" not in names:
                raise StoreError(f"schema {self._place} holds other tables, and is no store of di-salesforce")
            version = 0
            if names:
                told = dict(db.execute("SELECT name, value FROM meta WHERE name IN ('application', 'format')"))
                if told.get("application") != APPLICATION:
                    raise StoreError(f"schema {self._place} is no store of di-salesforce; it was left as it is")
                version = self._check_format(told.get("format", ""))
            else:
                db.execute(f"CREATE SCHEMA IF NOT EXISTS {self.schema}")
            for number in range(version + 1, FORMAT + 1):
                for statement in migration(number, serial=_SERIAL, integer="BIGINT", strict=""):
                    db.execute(statement)
            if not version:
                db.execute("INSERT INTO meta VALUES ('application', ?)", (APPLICATION,))
                db.execute("INSERT INTO meta VALUES ('format', ?)", (str(FORMAT),))
            elif version < FORMAT:
                db.execute("UPDATE meta SET value = ? WHERE name = 'format'", (str(FORMAT),))

    def close(self) -> None:
        """Close the connection; may be called twice."""
        self._closed = True
        if self._connection is not None:
            with self._lock:
                self._connection.close()

    def __repr__(self) -> str:
        return f"<PostgresStore {self.schema!r}>"


_TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = ?"


class _Translated:
    """Statements with `?` in the places, as psycopg wants them."""

    def __init__(self, connection: Any) -> None:  # a psycopg.Connection
        self._connection = connection

    def execute(self, sql: str, values: Sequence[object] = (), /) -> Iterable[tuple[Any, ...]]:  # columns of any type
        cursor = self._connection.cursor()
        cursor.execute(sql.replace("?", "%s").encode(), values)
        return cursor.fetchall() if cursor.description is not None else ()

    def executemany(self, sql: str, rows: Iterable[Sequence[object]], /) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(sql.replace("?", "%s").encode(), list(rows))
