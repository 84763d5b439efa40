"""Read the example's CSV files into rows that both simulators can hold: the demo's first step.

The files and their columns are the table `FILES`; a short walk over it does the reading.  A file that cannot be read
at all is a `ConfigurationError` that lists everything wrong; a row that a strict service would refuse is set aside with
its reasons, since real files have such rows.  What may not go in here: the simulators, and CSV as users bring it (any
dialect, any columns).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, TypeAlias

import attrs

from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.records import Row, Value, record_id_18

__all__ = ["Seed", "Unloadable", "read_seed", "shipped_seed"]

Read: TypeAlias = Callable[[str], Value]
"""Turn a cell that is not blank into its value; its `ValueError` ends a sentence that begins with the column's name."""


def _text(length: int) -> Read:
    def read(cell: str) -> str:
        if len(cell) > length:
            raise ValueError(f"holds {len(cell)} characters where {length} are allowed")
        return cell

    return read


def _email(cell: str) -> str:
    # Salesforce checks addresses on every write; of Dialog Insight's imports that is unknown, so its column is text.
    if len(cell) > 80 or not re.fullmatch(r"[^\s@,;]+@[^\s@,;]+\.[^\s@,;]+", cell):  # 80: the vendor's fixed length
        raise ValueError("holds no e-mail address")
    return cell


def _record_id(prefix: str) -> Read:
    def read(cell: str) -> str:
        whole = record_id_18(cell)
        if whole is None or not whole.startswith(prefix):
            raise ValueError(f"holds no Salesforce record id that begins with {prefix}")
        return whole

    return read


def _number(digits: int, scale: int) -> Read:
    """Read a number as Salesforce and SQL declare it: so many digits in all, `scale` of them after the point."""
    plain = re.compile(rf"-?\d{{1,{digits - scale}}}" + (rf"(\.\d{{1,{scale}}})?" if scale else ""), re.ASCII)
    form = f"{digits - scale} digits" + (f" and {scale} decimals" if scale else "")

    def read(cell: str) -> int | Decimal:
        if not plain.fullmatch(cell):
            raise ValueError(f"holds no number of at most {form}")
        return Decimal(cell) if scale else int(cell)

    return read


def _one_of(values: Mapping[str, bool]) -> Read:
    def read(cell: str) -> bool:
        if cell not in values:
            raise ValueError(f"holds neither {' nor '.join(values)}")
        return values[cell]

    return read


def _time(pattern: str, form: str) -> Read:
    """Check a date or a date-time; the value stays the text that the service shows."""

    def read(cell: str) -> str:
        try:
            exact = datetime.strptime(cell, pattern).strftime(pattern)  # noqa: DTZ007 - the text says or leaves out the zone
        except ValueError:
            exact = ""
        if exact != cell:  # strptime also takes 2024-1-1
            raise ValueError(f"holds no date of the form {form}")
        return cell

    return read


def _utc(cell: str) -> str:
    form = "YYYY-MM-DDThh:mm:ss.000Z"
    if not re.fullmatch(r".{19}\.[0-9]{3}Z", cell):
        raise ValueError(f"holds no date of the form {form}")
    _time("%Y-%m-%dT%H:%M:%S", form)(cell[:19])
    return cell


ACCOUNTS: Final = "salesforce_accounts.csv"
CONTACTS: Final = "salesforce_contacts.csv"
ORDERS: Final = "salesforce_orders.csv"
ACQUISITION: Final = "dialog_insight_acquisition.csv"
COMMUNICATIONS: Final = "dialog_insight_communications.csv"
TRANSACTIONS: Final = "dialog_insight_orders.csv"

_BOX: Final = _one_of({"true": True, "false": False})
_OPT_IN: Final = _one_of({"1": True, "0": False})
_DAY: Final = _time("%Y-%m-%d", "YYYY-MM-DD")
_DI_TIME: Final = _time("%Y.%m.%d %H:%M:%S", "YYYY.MM.DD hh:mm:ss")
_SHORT: Final = _text(100)  # Dialog Insight's short text [seen]
_DI_INTEGER: Final = _number(18, 0)  # a BigInt holds any number of 18 digits


@attrs.frozen
class Column:
    """One column: its code in the row, how a cell is read, and what the service demands.

    `unique` values are compared exactly; `refers_to` names the file whose loaded rows must hold the value as their id.
    """

    code: str
    read: Read
    required: bool = False
    unique: bool = False
    refers_to: str = ""


@attrs.frozen
class File:
    """One file: its name and its columns, of which the first is the record's id (or key, in a relational table)."""

    name: str
    columns: tuple[Column, ...]
    prefixes: tuple[str, ...] = ("",)  # what may stand before a code in the header (facts on DI, 5.4)


def _id(code: str, read: Read) -> Column:
    return Column(code, read, required=True, unique=True)


# Lengths and required fields: facts on Salesforce 3.2 and its object reference; on Dialog Insight 4.6 and 5.3.
FILES: Final[tuple[File, ...]] = (
    File(
        ACCOUNTS,
        (_id("Id", _record_id("001")), Column("Name", _text(255), required=True)),
    ),
    File(
        CONTACTS,
        (
            _id("Id", _record_id("003")),
            Column("AccountId", _record_id("001"), refers_to=ACCOUNTS),
            Column("FirstName", _text(40)),
            Column("LastName", _text(80), required=True),
            Column("Email", _email),
            Column("Phone", _text(40)),
            Column("MailingStreet", _text(255)),
            Column("MailingCity", _text(40)),
            Column("Language__c", _text(255)),
            Column("Loyalty_Points__c", _number(18, 0)),
            Column("Birthdate", _DAY),
            Column("Newsletter__c", _BOX, required=True),
            Column("Newsletter_Date__c", _utc),
            Column("HasOptedOutOfEmail", _BOX, required=True),
            Column("LastModifiedDate", _utc, required=True),
        ),
    ),
    File(
        ORDERS,
        (
            _id("Id", _record_id("801")),
            _id("OrderNumber", _text(30)),
            Column("BillToContactId", _record_id("003"), refers_to=CONTACTS),
            Column("AccountId", _record_id("001"), required=True, refers_to=ACCOUNTS),
            Column("EffectiveDate", _DAY, required=True),
            Column("Status", _text(255), required=True),
            Column("TotalAmount", _number(18, 2)),
        ),
    ),
    File(
        ACQUISITION,
        (
            _id("idContact", _DI_INTEGER),
            _id("EMail", _SHORT),  # the project's key
            Column("FirstName", _SHORT),
            Column("LastName", _SHORT),
            Column("optin_newsletter", _OPT_IN),
            Column("dtOptin_newsletter", _DI_TIME),
        ),
        prefixes=("", "f_", "key_f_"),
    ),
    File(
        COMMUNICATIONS,
        (
            _id("idContact", _DI_INTEGER),
            Column("ClientNo", _SHORT, unique=True),  # the project's key; blank where the contact was born in DI
            Column("EMail", _SHORT, required=True),
            Column("FirstName", _SHORT),
            Column("LastName", _SHORT),
            Column("Langue", _SHORT),
            Column("Points", _DI_INTEGER),
        ),
        prefixes=("", "f_", "key_f_"),
    ),
    File(
        TRANSACTIONS,
        (
            _id("idOrder", _SHORT),
            Column("idContact", _DI_INTEGER, refers_to=COMMUNICATIONS),
            Column("Revenue", _number(18, 2)),
            Column("dtTransaction", _DI_TIME),
        ),
        prefixes=("", "key_"),
    ),
)


@attrs.frozen
class Unloadable:
    """A row that a strict service would refuse; `row` holds every cell as the text that it is.

    `line` is the line of the file on which the row begins; `reasons` name columns and rules, never values.
    """

    file: str
    line: int
    reasons: tuple[str, ...]
    row: Mapping[str, str] = attrs.field(repr=False)  # people's data

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {'; '.join(self.reasons)}"


def _count(rows: tuple[Row, ...]) -> str:
    return f"<{len(rows)} rows>"  # people's data


@attrs.frozen
class Seed:
    """What the files hold, as plain rows; a blank cell is None (a CSV file cannot tell null from empty).

    Salesforce rows have API names and the values of the REST API: dates and date-times as text, numbers as `int` or
    `Decimal`, boxes as `bool`.  Dialog Insight rows have codes without wire prefixes, opt-ins under their wire names as
    `bool` (None: no status), dates in its own notation.
    """

    accounts: tuple[Row, ...] = attrs.field(repr=_count)
    contacts: tuple[Row, ...] = attrs.field(repr=_count)
    orders: tuple[Row, ...] = attrs.field(repr=_count)
    acquisition: tuple[Row, ...] = attrs.field(repr=_count)
    communications: tuple[Row, ...] = attrs.field(repr=_count)
    transactions: tuple[Row, ...] = attrs.field(repr=_count)
    unloadable: tuple[Unloadable, ...] = ()


def shipped_seed() -> Traversable:
    """Give the folder of the small data set that comes with the package."""
    return files("di_salesforce.testing").joinpath("data")


def read_seed(folder: Traversable | str) -> Seed:
    """Read the six files of `FILES` from a folder.

    Use it to fill both simulators; columns beyond those of `FILES` are ignored.

    Args:
        folder: a path, or a folder of package data such as `shipped_seed()`.

    Returns:
        The rows in the order of the files; those that a strict service would refuse stand in `.unloadable` instead,
        and so do rows that refer to them.

    Raises:
        ConfigurationError: a file is missing, is not UTF-8, lacks a column, has one twice, or has a row of another
            number of cells than its header.  All problems of all files at once, each with file and line.
    """
    place: Traversable = Path(folder) if isinstance(folder, str) else folder
    if not place.is_dir():
        raise ConfigurationError(f"the example's data cannot be read: {place} is no folder")
    problems: list[Problem] = []
    tables = [(file, list(_read_file(file, place, problems))) for file in FILES]
    if problems:
        raise ConfigurationError(problems, what="the example's data cannot be read")
    loaded: dict[str, dict[Value, Row]] = {}
    unloadable: list[Unloadable] = []
    for file, table in tables:
        loaded[file.name] = {}
        taken: set[tuple[str, Value]] = set()
        for line, cells in table:
            row, reasons = _load(file, cells, taken, loaded)
            if reasons:
                unloadable.append(Unloadable(file.name, line, tuple(reasons), cells))
            else:
                taken |= {(column.code, row[column.code]) for column in file.columns if column.unique}
                loaded[file.name][row[file.columns[0].code]] = row
    return Seed(
        accounts=tuple(loaded[ACCOUNTS].values()),
        contacts=tuple(loaded[CONTACTS].values()),
        orders=tuple(loaded[ORDERS].values()),
        acquisition=tuple(loaded[ACQUISITION].values()),
        communications=tuple(loaded[COMMUNICATIONS].values()),
        transactions=tuple(loaded[TRANSACTIONS].values()),
        unloadable=tuple(unloadable),
    )


def _load(
    file: File, cells: Mapping[str, str], taken: set[tuple[str, Value]], loaded: Mapping[str, Mapping[Value, Row]]
) -> tuple[Row, list[str]]:
    """Turn the cells of one row into values, and say all that a strict service would refuse."""
    row: dict[str, Value] = {}
    reasons: list[str] = []
    for column in file.columns:
        try:
            row[column.code] = value = _value(column, cells[column.code])
        except ValueError as error:
            reasons.append(f"{column.code} {error}")
            continue
        if value is None:
            continue
        if column.unique and (column.code, value) in taken:
            reasons.append(f"{column.code} holds what an earlier row holds")
        if column.refers_to and value not in loaded[column.refers_to]:
            reasons.append(f"{column.code} names no row of {column.refers_to} that could be loaded")
    return row, reasons


def _value(column: Column, cell: str) -> Value:
    if cell:
        return column.read(cell)
    if column.required:
        raise ValueError("is blank where a value is required")
    return None


def _read_file(file: File, place: Traversable, problems: list[Problem]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield (line, cells by code) for each row, and add to `problems` what makes the file unreadable."""
    try:
        content = place.joinpath(file.name).read_bytes()
    except OSError as error:
        # strerror is the system's word for it ("No such file or directory"), without a path of this machine
        problems.append(Problem(file.name, f"cannot be opened: {error.strerror}", code="file.unreadable"))
        return
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        message = "is not UTF-8 text; save the file as CSV UTF-8"
        problems.append(Problem(f"{file.name}, line {line}", message, code="file.encoding"))
        return
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    last = 0  # the last line of the row before
    try:
        header = next(reader, None)
        last = reader.line_num
        if not header:
            problems.append(Problem(file.name, "begins with a blank line or is empty", code="file.no_header"))
            return
        places = _places(file, header, problems)
        for cells in reader:
            line, last = last + 1, reader.line_num  # a row may take several lines
            if len(cells) == len(header) and len(places) == len(file.columns):
                yield line, {code: cells[index] for code, index in places.items()}
            elif cells and len(cells) != len(header):  # a blank line is no row
                message = f"has {len(cells)} cells where the header has {len(header)}"
                problems.append(Problem(f"{file.name}, line {line}", message, code="file.ragged_row"))
    except csv.Error as error:
        problems.append(Problem(f"{file.name}, line {last + 1}", f"is no CSV: {error}", code="file.not_csv"))


def _places(file: File, header: list[str], problems: list[Problem]) -> dict[str, int]:
    """Find each column in the header, with or without its wire prefix."""
    places: dict[str, int] = {}
    for column in file.columns:
        names = [prefix + column.code for prefix in file.prefixes]
        found = [index for index, name in enumerate(header) if name in names]
        if len(found) == 1:
            places[column.code] = found[0]
        else:
            message = f"column {names[0]} {'is missing' if not found else f'stands there {len(found)} times'}"
            code = "file.column_repeated" if found else "file.column_missing"
            problems.append(Problem(f"{file.name}, line 1", message, code=code))
    return places
