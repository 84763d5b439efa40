"""The CSV of Bulk API 2.0: rows into uploads cut by size, and result files into cells.

What may not go in here: requests and jobs.  Three things are apart in an upload: an empty cell leaves its field as it
is (`UNSET`), `#N/A` clears it (`None`, and the blank text, which Salesforce keeps as null), anything else is written.
Sources: fact sheet, 3.10.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, Final, Literal, TypeAlias

import attrs

from di_salesforce.exceptions import ConversionError
from di_salesforce.records import UNSET, Row, Side
from di_salesforce.salesforce._json import WrongShapeError

__all__ = ["NULL_CELL", "CsvForm", "Delimiter", "Piece", "cell_text", "pieces", "read_lines"]

Delimiter: TypeAlias = Literal["COMMA", "TAB", "PIPE", "SEMICOLON", "CARET", "BACKQUOTE"]
"""What stands between the cells of a job's CSV."""

_MARKS: Final[Mapping[str, str]] = {
    "COMMA": ",", "TAB": "\t", "PIPE": "|", "SEMICOLON": ";", "CARET": "^", "BACKQUOTE": "`"
}  # fmt: skip
_ENDS: Final[Mapping[str, str]] = {"LF": "\n", "CRLF": "\r\n"}

NULL_CELL: Final = "#N/A"
"""What a cell must hold to clear a field [documented]."""

_LOOKED_AT: Final = 1_000  # rows whose fields make the first header; a later row with another field begins a new piece


@attrs.frozen
class CsvForm:
    """How a job's CSV is written, in both directions."""

    delimiter: Delimiter = attrs.field(default="COMMA", validator=attrs.validators.in_(_MARKS))
    line_ending: Literal["LF", "CRLF"] = attrs.field(default="LF", validator=attrs.validators.in_(_ENDS))

    def line_writer(self) -> Callable[[Iterable[str]], str]:
        """Give the function that writes one line."""
        # The writer's own end makes it quote both `\r` and `\n` on every Python; the job's end replaces it.
        write = csv.writer(_Echo(), delimiter=_MARKS[self.delimiter], lineterminator="\r\n").writerow
        end = _ENDS[self.line_ending]
        return lambda cells: str(write(cells))[:-2] + end


class _Echo:
    """A file for `csv.writer` that hands the line back: `writerow` returns what `write` does."""

    def write(self, text: str, /) -> str:
        return text


# Rows into cells --------------------------------------------------------------------------------------------------


def _text(value: str) -> str:
    if value == NULL_CELL:
        raise ValueError(f"is the text {NULL_CELL}, which Bulk reads as null; write this record by itself")
    value.encode()  # half a character (a lone surrogate) has no form
    return value or NULL_CELL


def _number(value: Decimal | float) -> str:
    if not math.isfinite(value):
        raise ValueError("is not a finite number")
    return f"{value if isinstance(value, Decimal) else Decimal(repr(float(value))):f}"  # a cell has no exponents


def _moment(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError("is a date-time without a time zone (as in datetime.now(UTC))")
    try:
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    except OverflowError:
        raise ValueError("is a date-time at the edge of the calendar") from None


# Tried by exact type first; for subclasses the first that fits is taken: a bool is an int, and a datetime a date.
_CELLS: Mapping[type, Callable[[Any], str]] = {  # each takes values of its own type
    str: _text,
    type(None): lambda _: NULL_CELL,
    type(UNSET): lambda _: "",
    bool: lambda value: "true" if value else "false",
    int: lambda value: str(int(value)),
    float: _number,
    Decimal: _number,
    datetime: _moment,
    date: lambda value: str(value.isoformat()),
}


def cell_text(value: object) -> str:
    """Write a value as a cell, by its type.

    Raises:
        ValueError: it has no form in a cell; the text does not repeat it.

    Example:
        >>> [cell_text(value) for value in (None, "", True, Decimal("1.10"), "a,b")]
        ['#N/A', '#N/A', 'true', '1.10', 'a,b']
    """
    exact = _CELLS.get(type(value))
    if exact is not None:
        return exact(value)
    for kind, write in _CELLS.items():
        if isinstance(value, kind):
            return write(str.__str__(value) if isinstance(value, str) else value)  # an enum's text may be another
    raise ValueError(f"is a {type(value).__name__}, which a cell has no form for")


def _cells(row: Row, header: Sequence[str]) -> list[str]:
    try:
        return [cell_text(row.get(name, UNSET)) for name in header]
    except ValueError:
        pass  # again, field by field, to name the one at fault
    for name in header:
        try:
            cell_text(row.get(name, UNSET))
        except UnicodeEncodeError:
            why = "holds half a character (a lone surrogate)"
        except ValueError as error:
            why = str(error)
        else:
            continue
        raise ConversionError(f"{name} {why}", code="value.not_sendable", side=Side.SALESFORCE, field=name)
    raise AssertionError("a row is refused only for one of its fields")


# Rows into uploads ------------------------------------------------------------------------------------------------


@attrs.frozen
class Piece:
    """One upload: its bytes, and where its rows stood; `keys` are their cells in the key column."""

    content: bytes = attrs.field(repr=False)
    places: tuple[int, ...] = attrs.field(repr=False)
    keys: tuple[str, ...] = attrs.field(repr=False)


def pieces(
    rows: Iterable[tuple[int, Row]],
    form: CsvForm,
    *,
    key: str,
    most_bytes: int,
    most_rows: int,
    together: str = "",
    refuse: Callable[[int, ConversionError], None],
) -> Iterator[Piece]:
    """Cut rows into uploads, each below both measures; only one piece is held at a time.

    Args:
        rows: with their places.
        form: how the CSV is written.
        key: the key column; it stands first.
        most_bytes: of one piece; a single row may be longer.
        most_rows: of one piece.
        together: a column by which the rows are ordered already; a run of one value is not cut unless it fills a
            piece of its own.
        refuse: told of each row that cannot be written.
    """
    write = form.line_writer()
    rest = iter(rows)
    looked_at = list(islice(rest, _LOOKED_AT))
    header: dict[str, None] = {key: None}
    header.update(dict.fromkeys(name for _, row in looked_at for name in row))
    names, open_piece = list(header), _Open(write(header))
    for place, row in _chained(looked_at, rest):
        if not header.keys() >= row.keys():
            yield from open_piece.cut_all()
            header.update(dict.fromkeys(row))
            names, open_piece = list(header), _Open(write(header))
        try:
            cells = _cells(row, names)
        except ConversionError as error:
            refuse(place, error)
            continue
        group = str(row.get(together)) if together else ""
        line = write(cells).encode()
        if open_piece.size + len(line) > most_bytes or len(open_piece.lines) >= most_rows:
            yield from open_piece.cut(group if together else None)
        open_piece.add(line, place, cells[0], group)
    yield from open_piece.cut_all()


def _chained(first: list[tuple[int, Row]], rest: Iterator[tuple[int, Row]]) -> Iterator[tuple[int, Row]]:
    yield from first
    first.clear()
    yield from rest


class _Open:
    """The piece that is being filled."""

    def __init__(self, header: str) -> None:
        self._head = header.encode()
        self._start([])

    def _start(self, lines: list[tuple[bytes, int, str, str]]) -> None:
        self.lines = lines
        self.size = len(self._head) + sum(len(line) for line, *_ in lines)

    def add(self, line: bytes, place: int, key: str, group: str) -> None:
        self.lines.append((line, place, key, group))
        self.size += len(line)

    def cut(self, group: str | None) -> Iterator[Piece]:
        """Give what is there, but keep the run at its end that the next row goes on with."""
        end = len(self.lines)
        while group is not None and end and self.lines[end - 1][3] == group:
            end -= 1
        end = end or len(self.lines)  # the run fills the whole piece
        kept = self.lines[end:]
        yield from self._piece(self.lines[:end])
        self._start(kept)

    def cut_all(self) -> Iterator[Piece]:
        yield from self._piece(self.lines)
        self._start([])

    def _piece(self, lines: Sequence[tuple[bytes, int, str, str]]) -> Iterator[Piece]:
        if lines:
            content = self._head + b"".join([line for line, *_ in lines])
            yield Piece(content, tuple(place for _, place, *_ in lines), tuple(key for _, _, key, _ in lines))


# Result files into cells ------------------------------------------------------------------------------------------


def read_lines(content: bytes, form: CsvForm) -> list[list[str]]:
    """Read a result file: cells may hold newlines of every kind; an empty line is one blank cell.

    Raises:
        WrongShapeError: it is no CSV of this form.
    """
    try:
        text = content.decode("utf-8-sig")
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=_MARKS[form.delimiter], strict=True)
        return [cells or [""] for cells in lines]
    except (csv.Error, UnicodeDecodeError) as error:
        raise WrongShapeError(f"not CSV: {type(error).__name__}") from None
