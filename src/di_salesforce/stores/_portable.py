"""What a store keeps, as a file of lines that any store can read: to move it, to keep a copy, to look what is in it.

What may not go in here: how one store keeps things.  The form is a promise: its first line says its number, older ones
stay readable, and a newer one is refused.  Each line is JSON, and holds a sum over itself and all lines before it, so
that one which was changed, lost or moved is found and named.
"""

from __future__ import annotations

import json
import os
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, Final, TypeAlias

import attrs

from di_salesforce.engine import CoverageRecord, LinkRecord, OpenItem, Tombstone
from di_salesforce.engine._memory import DAMAGE, plain_format
from di_salesforce.engine._memory import FORMAT as ROW_FORMAT
from di_salesforce.exceptions import ConfigurationError, StoreError
from di_salesforce.records import Side
from di_salesforce.schema import TableSchema
from di_salesforce.stores._journal import Intent
from di_salesforce.stores._protocol import AppliedWrite, Owner, RunRecord, StoreContents

__all__ = ["Hint", "Kept", "KeptSchema", "PortableStore", "SmallValue", "from_lines", "refuse_unless_empty", "to_lines"]

_FORMAT: Final = 1
_HEAD: Final = "di-salesforce store"
_END: Final = "end"


@attrs.frozen(repr=False)
class Hint:
    """A contact that the next run is to read again."""

    transfer: str
    record_id: str


@attrs.frozen
class KeptSchema:
    """What a table of a transfer looked like."""

    transfer: str
    side: Side
    schema: TableSchema


@attrs.frozen(repr=False)
class SmallValue:
    """A small value of the synchronizer's own."""

    name: str
    value: Any  # JSON-safe data


Kept: TypeAlias = (
    Owner
    | LinkRecord
    | OpenItem
    | Tombstone
    | CoverageRecord
    | RunRecord
    | Intent
    | AppliedWrite
    | KeptSchema
    | Hint
    | SmallValue
)
"""Anything that a store keeps, but the lease: that is of a moment and a place."""


def _row(read: Callable[[Mapping[str, Any]], Kept]) -> Callable[[Mapping[str, Any]], Kept]:  # plain data of a file
    def checked(data: Mapping[str, Any]) -> Kept:  # plain data of a file
        if (plain_format(data) or 0) > ROW_FORMAT:
            raise ValueError("a row of a newer format")
        return read(data)

    return checked


# What a line of each kind holds, and how it is read; an object goes into a file by the kind of its class.
_READS: Final[Mapping[str, tuple[type, Callable[[Mapping[str, Any]], Kept]]]] = {  # plain data of a file
    "owner": (Owner, Owner.from_dict),
    "link": (LinkRecord, _row(LinkRecord.from_dict)),
    "open_item": (OpenItem, _row(OpenItem.from_dict)),
    "tombstone": (Tombstone, _row(Tombstone.from_dict)),
    "coverage": (CoverageRecord, _row(CoverageRecord.from_dict)),
    "run": (RunRecord, RunRecord.from_dict),
    "intent": (Intent, Intent.from_dict),
    "write": (AppliedWrite, AppliedWrite.from_dict),
    "schema": (
        KeptSchema,
        lambda data: KeptSchema(data["transfer"], Side(data["side"]), TableSchema.from_dict(data["schema"])),
    ),
    "hint": (Hint, lambda data: Hint(str(data["transfer"]), str(data["id"]))),
    "value": (SmallValue, lambda data: SmallValue(str(data["name"]), data["value"])),
}
_KINDS: Final[Mapping[type, str]] = {class_: kind for kind, (class_, _) in _READS.items()}


def _plain(kept: Kept) -> Mapping[str, Any]:  # JSON-safe data
    match kept:
        case KeptSchema(transfer, side, schema):
            return {"transfer": transfer, "side": side.value, "schema": schema.to_dict()}
        case Hint(transfer, record_id):
            return {"transfer": transfer, "id": record_id}
        case SmallValue(name, value):
            return {"name": name, "value": value}
        case _:
            return kept.to_dict()


def _transfers(kept: Kept) -> tuple[str, ...]:
    match kept:
        case Owner() | SmallValue():
            return ()
        case RunRecord(transfers=names):
            return names
        case AppliedWrite(applied=done):
            return (done.transfer,)
        case _:
            return (kept.transfer,)


# ----------------------------------------------------------------------------------------------------------- lines
def _opening(check: int) -> str:
    return f'{{"check":"{check:08x}",'


def to_lines(everything: Iterable[Kept]) -> Iterator[str]:
    """Give what a store keeps as lines of text, of ASCII alone."""
    check = 0
    for number, (kind, row) in enumerate(_to_rows(everything), 1):
        whole = {"kind": kind, "row": {"lines": number} if kind == _END else row}
        rest = json.dumps(whole, separators=(",", ":"))[1:]
        check = zlib.crc32(rest.encode("ascii"), check)
        yield _opening(check) + rest


def _to_rows(everything: Iterable[Kept]) -> Iterator[tuple[str, Mapping[str, Any]]]:  # JSON-safe data
    yield _HEAD, {"format": _FORMAT}
    for kept in everything:
        yield _KINDS[type(kept)], _plain(kept)
    yield _END, {}


def from_lines(lines: Iterable[str], name: str) -> Iterator[Kept]:
    """Read what `to_lines` gave, as far as it is asked for; raises `StoreError`, with the line, for anything else."""
    check = 0
    number = 0
    ended = False
    for number, line in enumerate(lines, 1):
        text = line.rstrip("\r\n")
        rest = text[len(_opening(0)) :]
        check = zlib.crc32(rest.encode("utf-8", "surrogatepass"), check)
        if ended or not text.startswith(_opening(check)):
            raise _refused(name, number, "is not as it was written" if number > 1 else "does not begin an export")
        try:
            data = json.loads(text)
            kind, row = data["kind"], data["row"]
            if number == 1 or kind == _HEAD:
                _check_head(name, number, kind, row)
            elif kind == _END:
                ended = row["lines"] == number
            elif kind in _READS:
                yield _READS[kind][1](row)
            else:
                raise _refused(name, number, "is of a kind that this version does not know")
        except (*DAMAGE, ConfigurationError):
            raise _refused(name, number, "cannot be read; it is damaged, or of a newer version") from None
    if not ended:
        raise _refused(name, number + 1, "and what follows is missing")


def _check_head(name: str, number: int, kind: object, row: Mapping[str, Any]) -> None:  # plain data of a file
    if kind != _HEAD or number > 1:
        raise _refused(name, number, "does not begin an export")
    if row["format"] > _FORMAT:
        raise _refused(name, number, f"tells of format {row['format']}, and this version reads up to {_FORMAT}")


def _refused(name: str, number: int, what: str) -> StoreError:
    return StoreError(f"line {number} of {name!r} {what}; nothing was imported")


# ----------------------------------------------------------------------------------------------------------- stores
class PortableStore(ABC):
    """Export, import and inspect, for a store that can give and take all that it keeps."""

    @abstractmethod
    def _everything(self) -> AbstractContextManager[Iterable[Kept]]:
        """Give all that is kept, of one moment, in the order in which it was kept."""

    @abstractmethod
    def _fill(self, everything: Iterable[Kept]) -> None:
        """Keep all that is given, in one transaction; raises `StoreError` where anything is kept, or leased, already.

        Where reading what is given fails, nothing is kept.
        """

    def export_to(self, path: str | PathLike[str]) -> None:
        """Write all that is kept, but the lease, into a file that any store can import.

        The file holds people's data, as the store does: where the system has such rights, only its owner may read it.
        It is whole or not there: it is written beside its place, and put there at the end.

        Args:
            path: The file; one that is there already is replaced.

        Raises:
            StoreError: The file cannot be written, or the store cannot be read.

        Example:
            >>> import tempfile
            >>> from di_salesforce.stores import MemoryStore, Owner, SQLiteStore
            >>> with tempfile.TemporaryDirectory() as folder, SQLiteStore(f"{folder}/sync.db") as old:
            ...     old.belong_to(Owner("00D5g000000abcdEAA", (4322,)))
            ...     old.export_to(f"{folder}/sync.jsonl")
            ...     new = MemoryStore()
            ...     new.import_from(f"{folder}/sync.jsonl")
            ...     new.owner()
            Owner(org_id='00D5g000000abcdEAA', projects=(4322,))
        """
        place = Path(path)
        part = place.with_name(f"{place.name}.part")
        with _reported("write", place), self._everything() as everything:
            try:
                part.unlink(missing_ok=True)  # another's leavings may be open to others
                handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(handle, "w", encoding="ascii", newline="\n") as file:
                    file.writelines(f"{line}\n" for line in to_lines(everything))
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(place)
            finally:
                part.unlink(missing_ok=True)

    def import_from(self, path: str | PathLike[str]) -> None:
        """Keep all that `export_to` wrote, of this store or of another; the store must be empty.

        All of it is kept, or nothing: a file that is damaged, cut off or of a newer version changes nothing.

        Args:
            path: The file.

        Raises:
            StoreError: The store holds something or is in use; the file cannot be read, or is not whole: the message
                names the line.
        """
        place = Path(path)
        with (
            _reported("read", place),
            place.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file,
        ):
            self._fill(from_lines(file, str(place)))

    def inspect(self) -> StoreContents:
        """Count what is kept, transfer by transfer, without any value; each row is read, so that damage shows.

        Raises:
            StoreError: Something in the store cannot be read.
        """
        owner: Owner | None = None
        counts: dict[str, Counter[str]] = {}
        totals: Counter[str] = Counter()
        with self._everything() as everything:
            for kept in everything:
                owner = kept if isinstance(kept, Owner) else owner
                totals[_KINDS[type(kept)]] += 1
                for transfer in _transfers(kept):
                    counts.setdefault(transfer, Counter())[_KINDS[type(kept)]] += 1
        totals.pop("owner", None)
        return StoreContents(
            owner, dict(sorted(totals.items())), {t: dict(sorted(counts[t].items())) for t in sorted(counts)}
        )


def refuse_unless_empty(place: str, *, holds: bool, leased: bool) -> None:
    """Raise for a store that an import would mix with what it holds, or that a run is about to use."""
    if holds:
        raise StoreError(f"the store {place} holds something already: import into an empty one; nothing was imported")
    if leased:
        raise StoreError(f"a run is using the store {place}: import when it has ended; nothing was imported")


@contextmanager
def _reported(doing: str, place: Path) -> Generator[None]:
    """Turn a file's errors into ours."""
    try:
        yield
    except OSError as error:
        words = error.strerror or type(error).__name__
        raise StoreError(f"cannot {doing} {str(place)!r}: {words}") from None
