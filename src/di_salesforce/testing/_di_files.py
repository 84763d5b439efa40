"""Files of the application: CSV that is imported into a contact list or table, and exported from it.

The forms are those of the vendor's articles [seen]: a header row that gives the mapping (`key_f_<code>`, `f_<code>`,
`optin_<code>`, `key_<column>`, `<column>`), types of import (normal, add only, update only, replacement), the first of
repeated keys wins, nothing is told to webhooks.  What may not go in here: requests, and how a record is stored.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final, Literal, TypeAlias

import attrs

from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.records import Value
from di_salesforce.testing._di_clauses import CallRefusal
from di_salesforce.testing._di_merge import MergeOptions, merge
from di_salesforce.testing._di_store import Account, Shelf
from di_salesforce.testing._di_switches import RecordCause
from di_salesforce.testing._di_values import Json

__all__ = ["ImportMode", "ImportReport", "export_rows", "import_rows"]

ImportMode: TypeAlias = Literal["normal", "add_only", "update_only", "replace"]
"""Types of import; a replacement empties a table first, and deactivates the contacts that it does not name [seen]."""

MOST_BYTES: Final = 50_000_000
"""The size of a file that is imported by hand [seen]."""
_FLAGS: Final[Mapping[ImportMode, MergeOptions]] = {
    "normal": MergeOptions(allow_insert=True, allow_update=True, skip_duplicates=True),
    "add_only": MergeOptions(allow_insert=True, skip_duplicates=True),
    "update_only": MergeOptions(allow_update=True, skip_duplicates=True, skip_unmatched=True),
    "replace": MergeOptions(allow_insert=True, allow_update=True, skip_duplicates=True),
}
_STORED: Final = frozenset({RecordCause.CREATED, RecordCause.UPDATED})


@attrs.frozen
class ImportReport:
    """What an import did: counts, and the lines that were refused or passed over, with the simulator's reason."""

    created: int
    updated: int
    left_out: tuple[Problem, ...] = ()


def import_rows(
    account: Account, number: int, content: bytes | str, mode: ImportMode, ignored: Iterable[str], now: datetime
) -> ImportReport:
    """Import a file into the contact list or table with that number.

    Raises:
        ConfigurationError: a file that the application would not take: too large, no CSV, a column that is neither a
            field nor ignored, no key.
    """
    shelf = account.shelf(number)
    header, *lines = _read(content, shelf.layout.title) or [[]]
    columns = _columns(shelf, header, frozenset(ignored))
    records = [_record(columns, cells, blank_clears=account.switches.import_blank == "clear") for cells in lines]
    if mode == "replace" and shelf.layout.id_slot is None:
        account.delete(number, list(shelf.rows))
    before = frozenset(shelf.rows)
    merged = merge(account, number, records, _FLAGS[mode], now)
    if isinstance(merged, CallRefusal):
        raise ConfigurationError(
            f"{shelf.layout.title}: the file is refused as a whole: {merged.cause} {merged.detail}"
        )
    if shelf.layout.id_slot is not None:
        named = frozenset(merged.numbers)
        gone = before - named if mode == "replace" else frozenset[int]()
        account.inactive[number] = (account.inactive.get(number, frozenset()) - named) | gone
    left_out = [
        Problem(f"line {line}", message or cause, f"import.{cause}")
        for line, (cause, message) in enumerate(merged.outcomes, start=2)  # 1 is the header
        if cause not in _STORED
    ]
    return ImportReport(merged.created, merged.updated, tuple(left_out))


def _read(content: bytes | str, title: str) -> list[list[str]]:
    data = content.encode() if isinstance(content, str) else content
    if len(data) > MOST_BYTES:
        raise ConfigurationError(f"{title}: a file has at most {MOST_BYTES:,} bytes")
    try:
        return [cells for cells in csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True) if cells]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{title}: the file is no CSV in UTF-8 ({error})") from None


_Column: TypeAlias = tuple[str, str] | None
"""Where a cell goes: into `ID` or `Data`, under which name; None: nowhere."""


def _columns(shelf: Shelf, header: Sequence[str], ignored: frozenset[str]) -> list[_Column]:
    columns: list[_Column] = []
    problems: list[Problem] = []
    for name in header:
        if name in ignored:
            columns.append(None)
        elif shelf.layout.key_slot(name) is not None:
            columns.append(("ID", name))
        elif shelf.layout.slot(name) is not None:
            columns.append(("Data", name))
        else:
            problems.append(Problem(name, f"{shelf.layout.title} has no such field, and the column is not ignored"))
    missing = [slot.key_wire for slot in shelf.layout.key if ("ID", slot.key_wire) not in columns]
    problems += [Problem(name, "the column of the key is missing") for name in missing]
    if problems:
        raise ConfigurationError(problems, what=f"{shelf.layout.title}: the file is not imported")
    return columns


def _record(columns: Sequence[_Column], cells: Sequence[str], *, blank_clears: bool) -> Json:
    parts: dict[str, dict[str, Json]] = {"ID": {}, "Data": {}}
    for column, cell in zip(columns, cells, strict=False):  # a short line ends in blanks
        if column is None or (not cell and column[0] == "Data" and not blank_clears):
            continue
        parts[column[0]][column[1]] = cell or None
    return parts


def export_rows(account: Account, number: int) -> str:
    """Write all rows as a file that can be imported again."""
    shelf = account.shelf(number)
    slots = shelf.layout.slots
    out = io.StringIO(newline="")
    writer = csv.writer(out)  # its dialect is RFC 4180's
    writer.writerow([slot.key_wire if slot.key else slot.wire for slot in slots])
    writer.writerows([_cell(row[slot.name]) for slot in slots] for row in shelf.truth())
    return out.getvalue()


def _cell(value: Value) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "1" if value else "0"
        case datetime():
            return value.strftime("%Y.%m.%d %H:%M:%S")
        case date():
            return value.strftime("%Y.%m.%d")
        case _:
            return str(value)
