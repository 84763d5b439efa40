"""Laws of the SQLite store: the contract of all stores, and what is peculiar to a file."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from di_salesforce.engine import Baseline, FieldState, LinkRecord, Settlement, SyncReport
from di_salesforce.exceptions import AlreadyRunningError, DISalesforceError, StoreError
from di_salesforce.records import Side
from di_salesforce.schema import TableSchema
from di_salesforce.stores import Owner, RunRecord, SQLiteStore, Store
from di_salesforce.stores._sql_tables import migration
from di_salesforce.testing.store_contract import StoreContract

NOW = datetime(2026, 5, 1, tzinfo=UTC)


class TestSQLiteStore(StoreContract):
    def open_store(self, place: Path) -> Store:
        return SQLiteStore(place / "memory.db")

    def fail_halfway(self, store: Store, settlement: Settlement) -> None:
        fill_disk(store)
        try:
            store.save(large(settlement))
        finally:
            store._db.execute("PRAGMA max_page_count = 1000000")


def fill_disk(store: SQLiteStore) -> None:
    """Let the file grow by so few pages that a part of a save still fits."""
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages + 5}")


def link(name: str, value: str = "x", transfer: str = "contacts") -> LinkRecord:
    fields = {"line": FieldState((value, value))}
    return LinkRecord(transfer, name, f"S{name}", f"D{name}", (name,), (name,), fields)


def large(settlement: Settlement) -> Settlement:
    """Give a settlement that needs many pages, the first of which are written before the others do not fit."""
    return Settlement(
        SyncReport(),
        changed_links=(*settlement.changed_links, *(link(f"n{i}", "x" * 3000) for i in range(50))),
        removed_links=settlement.removed_links,
    )


def saved(*links: LinkRecord) -> Settlement:
    return Settlement(SyncReport(), changed_links=links)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


def test_it_writes_ahead_and_waits_for_the_disk(file: Path) -> None:
    """A crash at any moment leaves a whole transaction: write-ahead log, and each commit is on the disk."""
    with SQLiteStore(file) as store:
        assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)  # 2: FULL


def test_a_copy_taken_while_it_is_open_is_whole(file: Path) -> None:
    """Another connection reads what was saved while the store is in use, and does not disturb it."""
    with SQLiteStore(file) as store:
        store.save(saved(link("a")))
        with SQLiteStore(file) as other:
            assert other.baseline("contacts") == store.baseline("contacts")
            store.save(saved(link("b")))
            assert len(other.baseline("contacts")) == 2


def test_keys_and_ids_stand_in_columns_of_their_own(file: Path) -> None:
    """A record can be found in the file by its id and by its key, without reading bodies."""
    with SQLiteStore(file) as store:
        store.save(saved(link("a"), link("b")))
    with closing(sqlite3.connect(file)) as db:
        found = db.execute("SELECT id FROM links WHERE salesforce_id = 'Sb' AND dialog_insight_key = '[\"b\"]'")
        assert found.fetchall() == [("b",)]


# ------------------------------------------------------------------------------------------------ what is no store


def text_file(file: Path) -> None:
    file.write_text("this is a shopping list, and a long one\n" * 50)


def cut_off(file: Path) -> None:
    with SQLiteStore(file) as store:
        store.save(large(saved()))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])


def scribbled_over(file: Path) -> None:
    with SQLiteStore(file) as store:
        store.save(large(saved()))
    with file.open("r+b") as opened:
        opened.seek(2 * 4096)  # a page of tables: the first one stays, so that it still opens
        opened.write(os.urandom(6 * 4096))


def folder(file: Path) -> None:
    file.mkdir()


def other_application(file: Path) -> None:
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE recipes (name)")
        db.execute("INSERT INTO recipes VALUES ('tourtière')")
        db.commit()


def namesakes_with_other_columns(file: Path) -> None:
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE meta (k, v)")
        db.execute("CREATE TABLE links (url)")


def namesakes_with_another_version(file: Path) -> None:
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE meta (name, value)")
        db.execute("CREATE TABLE links (url)")
        db.execute("INSERT INTO meta VALUES ('format', 'v2.0')")
        db.commit()


def newer_format(file: Path) -> None:
    with SQLiteStore(file) as store:
        store._db.execute("UPDATE meta SET value = '999' WHERE name = 'format'")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (text_file, "not a database"),
        (cut_off, "damaged|malformed"),
        (scribbled_over, "damaged|malformed"),
        (folder, "unable to open"),
        (other_application, "not a store of di-salesforce"),
        (namesakes_with_other_columns, "not a store of di-salesforce"),
        (namesakes_with_another_version, "not a store of di-salesforce"),
        (newer_format, "format 999"),
    ],
)
def test_what_is_no_store_is_refused_with_its_path(file: Path, make: Callable[[Path], None], words: str) -> None:
    """A file that is not a store that can be read gives a StoreError that names it, and no file handle is left open."""
    make(file)
    with pytest.raises(StoreError, match=words) as told:
        SQLiteStore(file)
    assert file.name in str(told.value)


@pytest.mark.parametrize("make", [text_file, other_application, namesakes_with_other_columns, newer_format])
def test_a_refused_file_is_left_as_it_was(file: Path, make: Callable[[Path], None]) -> None:
    """What is not ours is not touched: not a byte of it, and no file is put beside it."""
    make(file)
    before = {path.name: path.read_bytes() for path in file.parent.iterdir()}
    with pytest.raises(StoreError):
        SQLiteStore(file)
    assert {path.name: path.read_bytes() for path in file.parent.iterdir()} == before


def test_an_empty_file_becomes_a_store(file: Path) -> None:
    """An empty file, as `touch` and temporary files make it, is as good as none."""
    file.touch()
    with SQLiteStore(file) as store:
        store.save(saved(link("a")))
        assert len(store.baseline("contacts")) == 1


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """A store in a folder that does not exist is refused, not made elsewhere."""
    with pytest.raises(StoreError, match="nowhere"):
        SQLiteStore(tmp_path / "nowhere" / "memory.db")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a folder that not even root can write to")
def test_a_read_only_folder_is_refused() -> None:
    """Where nothing can be written, the store says so when it is opened, not after the first write to a service."""
    with pytest.raises(StoreError, match=r"memory\.db"):
        SQLiteStore("/proc/memory.db")


class ReadOnly(SQLiteStore):
    """A store as a user without write permission has it (root has it, whatever the file's mode says)."""

    def _prepare(self) -> None:
        self._db.execute("PRAGMA query_only = ON")
        super()._prepare()


def test_a_read_only_file_is_refused_on_opening(file: Path) -> None:
    """A store that can be read but not written is refused when it is opened: a run would write what it cannot keep."""
    SQLiteStore(file).close()
    with pytest.raises(StoreError, match="readonly"):
        ReadOnly(file)


# ---------------------------------------------------------------------------------------------- damaged in its rows


@pytest.mark.parametrize(
    ("damage", "ask"),
    [
        ("UPDATE links SET body = 'not JSON'", lambda store: store.baseline("contacts")),
        ("UPDATE links SET body = '[1]'", lambda store: store.baseline("contacts")),
        ("UPDATE links SET body = '{}'", lambda store: store.baseline("contacts")),
        ("UPDATE links SET body = replace(body, ':1,', ':99,')", lambda store: store.baseline("contacts")),
        ("UPDATE runs SET body = '{}'", lambda store: store.runs()),
        ("UPDATE runs SET body = 'not JSON'", lambda store: store.runs()),
        ("UPDATE meta SET value = 'nobody' WHERE name = 'owner'", lambda store: store.belong_to(Owner("00D", (1,)))),
        ("UPDATE meta SET value = '[]' WHERE name = 'lease'", lambda store: store.acquire("b", now=NOW, until=NOW)),
        ("UPDATE meta SET value = '[]' WHERE name LIKE 'schema:%'", lambda store: store.schemas("contacts")),
        ("UPDATE meta SET value = replace(value, ':1,', ':99,')", lambda store: store.schemas("contacts")),
        ("DROP TABLE rows", lambda store: store.baseline("contacts")),
    ],
)
def test_a_damaged_row_is_a_store_error(file: Path, damage: str, ask: Callable[[SQLiteStore], object]) -> None:
    """A row that cannot be read is told as the store's damage, with its path: never an empty memory."""
    with SQLiteStore(file) as store:
        store.belong_to(Owner("00D", (1,)))
        store.acquire("a", now=NOW, until=NOW + timedelta(hours=1))
        store.save(saved(link("a")), RunRecord("run", ("contacts",), NOW, NOW, "digest", ok=True))
        store.keep_schemas("contacts", {Side.SALESFORCE: TableSchema("Contact", side=Side.SALESFORCE, fields=[])})
        store._db.execute(damage)
        with pytest.raises(StoreError, match=file.name):
            ask(store)


def test_a_full_disk_is_named_and_passes(file: Path) -> None:
    """While the disk is full a save fails with that reason, as often as it is tried; when there is room it works."""
    with SQLiteStore(file) as store:
        store.save(saved(link("a")))
        fill_disk(store)
        for _ in range(2):
            with pytest.raises(StoreError, match="full"):
                store.save(large(saved()))
            assert [each.id for each in store.baseline("contacts").links] == ["a"]
        store._db.execute("PRAGMA max_page_count = 1000000")
        store.save(large(saved()))
        assert len(store.baseline("contacts")) == 51


def test_a_commit_that_fails_is_taken_back(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the commit itself fails (a reader in the way, a full disk) nothing is left, and the store works on."""
    with SQLiteStore(file) as store:
        store.save(saved(link("a")))
        real = store._connection

        class FailsOnce:
            failed = False

            def __getattr__(self, name: str) -> object:
                return getattr(real, name)

            def execute(self, sql: str, *arguments: object) -> object:
                if sql == "COMMIT" and not self.failed:
                    self.failed = True
                    raise sqlite3.OperationalError("disk I/O error")
                return real.execute(sql, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(store, "_connection", FailsOnce())
            with pytest.raises(StoreError, match="disk I/O error"):
                store.save(saved(link("b")))
            store.save(saved(link("c")))
        assert {each.id for each in store.baseline("contacts").links} == {"a", "c"}


def test_its_repr_is_its_path(file: Path) -> None:
    """A store shows where it is, and nothing else."""
    with SQLiteStore(file) as store:
        assert repr(store) == f"SQLiteStore({str(file)!r})"


# -------------------------------------------------------------------------------------------------- two processes

HOLDER = """
import sys
from datetime import UTC, datetime, timedelta
from di_salesforce.stores import SQLiteStore
now = datetime(2026, 5, 1, tzinfo=UTC)
with SQLiteStore(sys.argv[1]) as store:
    store.acquire("the other process", now=now, until=now + timedelta(minutes=30))
    print("held", flush=True)
    sys.stdin.readline()
    if sys.argv[2] == "release":
        store.release("the other process")
"""


@pytest.mark.parametrize("end", ["release", "die"])
def test_the_lease_holds_between_processes(file: Path, end: str) -> None:
    """While another process holds the lease this one waits: for its release, or, where it died, for the lease's end."""
    SQLiteStore(file).close()
    command = [sys.executable, "-c", HOLDER, str(file), end]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other,
        SQLiteStore(file) as store,
    ):
        assert other.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunningError) as told:
            store.acquire("this", now=NOW, until=NOW + timedelta(minutes=1))
        assert told.value.holder == "the other process"
        assert datetime.fromisoformat(told.value.since) == NOW
        other.kill() if end == "die" else other.communicate("\n")
        other.wait()
        if end == "die":
            with pytest.raises(AlreadyRunningError):
                store.acquire("this", now=NOW + timedelta(minutes=29), until=NOW + timedelta(hours=1))
        store.acquire("this", now=NOW + timedelta(minutes=30 if end == "die" else 0), until=NOW + timedelta(hours=1))


WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from test_sqlite_store import link, saved
from di_salesforce.stores import SQLiteStore
with SQLiteStore(sys.argv[1]) as store:
    for number in range(30):
        store.save(saved(link(f"{sys.argv[3]}-{number}")))
"""


def test_two_processes_lose_nothing(file: Path) -> None:
    """Saves of two processes into one file wait for each other: none fails, none is lost."""
    SQLiteStore(file).close()
    here = str(Path(__file__).parent)
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(file), here, name]) for name in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    with SQLiteStore(file) as store:
        assert len(store.baseline("contacts")) == 60


KILLED = """
import os, sys
sys.path.insert(0, sys.argv[2])
from test_sqlite_store import large, saved
from di_salesforce.stores import SQLiteStore
store = SQLiteStore(sys.argv[1])
store._db.create_function("die", 0, lambda: os._exit(9))
store._db.execute("CREATE TEMP TRIGGER t AFTER INSERT ON main.links WHEN new.id = 'n40' BEGIN SELECT die(); END")
store.save(large(saved()))
"""


def test_a_process_that_dies_in_the_middle_of_a_save_leaves_none_of_it(file: Path) -> None:
    """What a killed process had written of a transaction is gone when the file is opened again; the rest is there."""
    with SQLiteStore(file) as store:
        store.save(saved(link("a")))
    died = subprocess.run([sys.executable, "-c", KILLED, str(file), str(Path(__file__).parent)], check=False)
    assert died.returncode == 9
    with SQLiteStore(file) as store:
        assert store.baseline("contacts") == Baseline([link("a")])


def test_the_format_that_is_written_is_the_one_that_is_promised(file: Path) -> None:
    """The file of this version: format 3, five columns of names beside each link's body, bodies in JSON."""
    with SQLiteStore(file) as store:
        store.save(saved(link("a")), RunRecord("run", ("contacts",), NOW, NOW, "digest", ok=True))
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("SELECT value FROM meta WHERE name = 'format'").fetchone() == ("3",)
        (body,) = db.execute("SELECT body FROM links").fetchone()
        assert LinkRecord.from_dict(json.loads(body)) == link("a")
        (run,) = db.execute("SELECT body FROM runs").fetchone()
        assert json.loads(run)["run_id"] == "run"


def test_a_file_of_the_first_format_is_migrated(file: Path) -> None:
    """A store of format 1 opens, keeps links and history, and has a journal from then on; so it stays."""
    run = RunRecord("run", ("contacts",), NOW, NOW, "digest", ok=True, counts=(("create done", 1),))
    old = {name: value for name, value in run.to_dict().items() if name not in ("format", "cut_short", "calls")}
    with closing(sqlite3.connect(file)) as db:
        for statement in migration(1, serial="INTEGER PRIMARY KEY", integer="INTEGER", strict="STRICT"):
            db.execute(statement)
        db.execute("INSERT INTO meta VALUES ('format', '1'), ('application', 'di-salesforce')")
        db.execute(
            "INSERT INTO links VALUES ('contacts', 'a', 'Sa', 'Da', NULL, NULL, ?)", (json.dumps(link("a").to_dict()),)
        )
        db.execute("INSERT INTO runs (body) VALUES (?)", (json.dumps(old),))
        db.commit()
    for _ in range(2):
        with SQLiteStore(file) as store:
            assert store.baseline("contacts") == Baseline([link("a")])
            assert store.runs() == (run,)
            assert store.intents() == ()
            assert store.applied() == ()
    with SQLiteStore(file) as store:
        store.save(saved(link("b")), RunRecord("later", ("contacts",), NOW, NOW, "digest", ok=True))
        assert [each.run_id for each in store.runs()] == ["later", "run"]


def test_its_errors_are_ours(file: Path) -> None:
    """Every refusal of a store can be caught as the package's own error."""
    file.mkdir()
    with pytest.raises(DISalesforceError):
        SQLiteStore(file)
