"""Laws of the PostgreSQL store, against a real server: the contract, and what is peculiar to a database."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from di_salesforce.exceptions import AlreadyRunningError, ConfigurationError, MissingExtraError, StoreError
from di_salesforce.stores import PostgresStore, Store
from di_salesforce.testing import _store_rows as rows
from di_salesforce.testing.store_contract import StoreContract

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def schema_of(place: Path) -> str:
    """Name a schema for a test's own folder."""
    return f"t_{hashlib.sha256(str(place).encode()).hexdigest()[:16]}"


class TestPostgresStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _server(self, postgres: str) -> None:
        self.dsn = postgres

    def open_store(self, place: Path) -> Store:
        return PostgresStore(self.dsn, schema=schema_of(place))


@pytest.fixture
def store(postgres: str, tmp_path: Path) -> Iterator[PostgresStore]:
    """Give an empty store."""
    with PostgresStore(postgres, schema=schema_of(tmp_path)) as made:
        yield made


def test_a_lost_connection_is_made_anew(store: PostgresStore, postgres: str) -> None:
    """Where the server ended the connection between two calls, the next call works and nothing is lost."""
    store.save(rows.settlement(links=[rows.link("t", "a")]))
    other = PostgresStore(postgres, schema=store.schema)
    with other:
        pid = store._db.info.backend_pid
        other._db.execute("SELECT pg_terminate_backend(%s)", (pid,))
        store.save(rows.settlement(links=[rows.link("t", "b")]))
        assert store._db.info.backend_pid != pid
        assert len(other.baseline("t")) == 2


def test_a_connection_lost_in_the_middle_leaves_nothing(store: PostgresStore, postgres: str) -> None:
    """A save whose connection ends half-way is told as a StoreError, and leaves none of it."""
    store.save(rows.settlement(links=[rows.link("t", "a")]))

    def save(other: PostgresStore) -> None:
        with store._transaction("write") as db:
            db.execute("DELETE FROM links")
            other._db.execute("SELECT pg_terminate_backend(%s)", (store._db.info.backend_pid,))
            db.execute("SELECT 1")

    with PostgresStore(postgres, schema=store.schema) as other, pytest.raises(StoreError, match="cannot write"):
        save(other)
    assert len(store.baseline("t")) == 1


def test_two_connections_share_one_lease(store: PostgresStore, postgres: str) -> None:
    """What one machine holds another is refused; each sees what the other saved."""
    with PostgresStore(postgres, schema=store.schema) as other:
        store.acquire("here", now=NOW, until=NOW + timedelta(minutes=30))
        with pytest.raises(AlreadyRunningError):
            other.acquire("there", now=NOW, until=NOW + timedelta(minutes=30))
        store.save(rows.settlement(links=[rows.link("t", "a")]))
        assert len(other.baseline("t")) == 1


def test_stores_in_one_database_are_kept_apart(store: PostgresStore, postgres: str) -> None:
    """Each schema is a store of its own."""
    with PostgresStore(postgres, schema=f"{store.schema}_2") as other:
        store.save(rows.settlement(links=[rows.link("t", "a")]))
        assert len(other.baseline("t")) == 0


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("CREATE TABLE {schema}.recipes (name text)", "other tables"),
        ("CREATE TABLE {schema}.meta (name text, value text)", "no store of di-salesforce"),
    ],
)
def test_what_is_no_store_is_left_alone(postgres: str, tmp_path: Path, sql: str, words: str) -> None:
    """A schema with another application's tables is refused, and nothing is put beside them."""
    psycopg = pytest.importorskip("psycopg")
    schema = schema_of(tmp_path)
    with psycopg.connect(postgres, autocommit=True) as db:
        db.execute(f"CREATE SCHEMA {schema}")
        db.execute(sql.format(schema=schema))
        with pytest.raises(StoreError, match=words):
            PostgresStore(postgres, schema=schema)
        found = db.execute("SELECT count(*) FROM pg_tables WHERE schemaname = %s", (schema,)).fetchone()
    assert found == (1,)


def test_a_newer_format_is_refused(store: PostgresStore, postgres: str) -> None:
    """A store of a later release is not touched."""
    store._db.execute("UPDATE meta SET value = '999' WHERE name = 'format'")
    with pytest.raises(StoreError, match="format 999"):
        PostgresStore(postgres, schema=store.schema)


def test_an_older_format_is_migrated(store: PostgresStore, postgres: str) -> None:
    """A store of format 1 opens, keeps what it held, and has a journal from then on."""
    store.save(rows.settlement(links=[rows.link("t", "a")]))
    for sql in (
        "DROP TABLE journal",
        "DROP TABLE noted",
        "DROP TABLE hints",
        "DROP TABLE applied",
        "DROP TABLE applied_names",
        "ALTER TABLE runs DROP COLUMN run_id",
        "UPDATE meta SET value = '1' WHERE name = 'format'",
    ):
        store._db.execute(sql)
    with PostgresStore(postgres, schema=store.schema) as again:
        assert len(again.baseline("t")) == 1
        assert again.intents() == ()
        again.save(rows.settlement(), rows.run("run", 0))


def test_a_server_that_is_not_there_is_told() -> None:
    """Where nothing answers, the error says so, and shows no password."""
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError, match="cannot open") as told:
        PostgresStore("postgresql://sync:secretive@127.0.0.1:1/crm")
    assert "secretive" not in str(told.value)


def test_a_strange_schema_name_is_refused() -> None:
    """A name that would have to be quoted is refused before anything is sent."""
    for name in ("", "Robert'); DROP TABLE links;--", "Upper", "a b"):
        with pytest.raises(ConfigurationError, match="plain name"):
            PostgresStore("host=/nowhere", schema=name)


def test_a_missing_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without psycopg the error says what to install."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match="postgres"):
        PostgresStore("host=/nowhere")
