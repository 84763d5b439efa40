"""Laws of the portable form of a store, apart from any store."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest

from di_salesforce.exceptions import StoreError
from di_salesforce.stores import MemoryStore
from di_salesforce.stores._portable import from_lines, to_lines
from di_salesforce.testing._store_moves import fill_store


def lines_of(*rows_: tuple[str, object]) -> list[str]:
    """Give lines with the sums that belong to them, whatever they hold."""
    check, made = 0, list[str]()
    for kind, row in rows_:
        rest = json.dumps({"kind": kind, "row": row}, separators=(",", ":"))[1:]
        check = zlib.crc32(rest.encode(), check)
        made.append(f'{{"check":"{check:08x}",{rest}')
    return made


HEAD = ("di-salesforce store", {"format": 1})
OWNER = ("owner", {"org_id": "00D5g000000abcdEAA", "projects": [1]})


@pytest.mark.parametrize(
    ("given", "line", "words"),
    [
        ([("di-salesforce store", {"format": 2})], 1, "format 2"),
        ([OWNER], 1, "begin"),
        ([HEAD, HEAD], 2, "begin"),
        ([HEAD, ("novelty", {})], 2, "kind"),
        ([HEAD, OWNER, ("owner", {"org_id": "00D5g000000abcdEAA"})], 3, "damaged"),
        ([HEAD, OWNER, ("link", {"format": 2, "kind": "link"})], 3, "newer"),
        ([HEAD, OWNER, ("schema", {"transfer": "t", "side": "salesforce", "schema": {"format": 99}})], 3, "newer"),
        ([HEAD, OWNER, ("end", {"lines": 4})], 4, "missing"),
    ],
)
def test_what_is_whole_but_not_understood_is_refused(given: list[tuple[str, object]], line: int, words: str) -> None:
    """A newer form, a kind of row that is not known or a row that is no such row is refused with its line."""
    with pytest.raises(StoreError, match=rf"line {line} of 'file' .*{words}"):
        list(from_lines(lines_of(*given), "file"))


def test_the_first_form_stays_readable() -> None:
    """What format 1 looks like is a promise: an export is these lines, and they are read."""
    store = MemoryStore()
    fill_store(store)
    with store._everything() as everything:
        owner = next(iter(everything))
    whole = lines_of(HEAD, OWNER, ("end", {"lines": 3}))
    assert list(to_lines(from_lines(whole, "file"))) == whole
    assert list(to_lines([owner]))[1].endswith('"kind":"owner","row":{"org_id":"00D5g000000abcdEAA","projects":[1,2]}}')


def test_line_ends_of_another_system_are_read(tmp_path: Path) -> None:
    """A file that went through a mail or a Windows editor, and has its line ends changed, is the same file."""
    store, other = MemoryStore(), MemoryStore()
    fill_store(store)
    path = tmp_path / "one.jsonl"
    store.export_to(path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    other.import_from(path)
    assert other.inspect() == store.inspect()


def test_an_export_is_its_owners_alone(tmp_path: Path) -> None:
    """The file holds people's data: nobody else may read it, whatever was left in its place before."""
    path = tmp_path / "one.jsonl"
    (tmp_path / "one.jsonl.part").write_text("left by a killed one")
    MemoryStore().export_to(path)
    assert path.stat().st_mode & 0o777 == 0o600
