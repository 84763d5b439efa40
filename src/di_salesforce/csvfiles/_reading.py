"""Reading a CSV file as rows: once through for each walk, and never all of it in memory.

What may not go in here: finding out what a file is (`_finding.py`), and converting values: a cell is text, which the
converters of a transfer read.
"""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Generator, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from os import PathLike, fspath
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import attrs

from di_salesforce._cells import masked, restored
from di_salesforce._inferred import InferredSchema
from di_salesforce._listing import HasHtml
from di_salesforce.csvfiles._finding import (
    DELIMITERS,
    dialect_error,
    find_delimiter,
    find_encoding,
    row_names,
    side_of,
    skips_first_line,
    table_of,
)
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Row, Side, Value
from di_salesforce.salesforce._bulk_csv import NULL_CELL
from di_salesforce.schema import TableSchema, infer_schema

__all__ = ["CsvRows", "Source", "read_csv"]

Source: TypeAlias = str | PathLike[str] | BinaryIO
"""A path, or an open binary file that can be rewound."""

_SHOWN: Final = 5  # rows that a printed page shows, masked
_WIDEST: Final = 24  # characters of a shown cell


@contextlib.contextmanager
def _opened(source: Source) -> Generator[BinaryIO, None, None]:
    """Open a path, or rewind a file that the caller opened and will close."""
    if isinstance(source, (str, PathLike)):
        try:
            with Path(source).open("rb") as file:
                yield file
        except OSError as error:
            raise ConfigurationError(f"{fspath(source)} cannot be read: {error.strerror}") from error
        return
    if not source.seekable():
        raise ConfigurationError("this stream cannot be rewound, and a file is read more than once: save it first")
    source.seek(0)
    yield source


@contextlib.contextmanager
def _text(source: Source, encoding: str) -> Generator[io.TextIOWrapper, None, None]:
    with _opened(source) as file:
        text = io.TextIOWrapper(file, encoding=encoding, newline="")
        try:
            yield text
        finally:
            with contextlib.suppress(ValueError):  # the file was closed under us
                text.detach()  # the caller's file stays open


@attrs.frozen(slots=False)  # the schema is read once, when it is asked for
class CsvRows:
    """The rows of a CSV file; walk them as often as you like, each walk reads the file anew.

    They work wherever rows do: `Snapshot.complete(rows)` where the file holds everything, `Snapshot.changes(rows)` for
    a feed of changes, `Snapshot.sample(rows)` for some records; `check` and `suggest_transfer` take them with their
    schema.  Every cell is text: an empty one is blank (`""`), which the engine compares like null; `#N/A` in a
    Salesforce file is null (`None`), as Data Loader reads it; a column that the file does not have, and a cell that a
    short row does not have, are absent.  An apostrophe before a text that a spreadsheet would run as a formula is
    taken away, since `write_csv` and other careful programs put it there.
    """

    label: str
    encoding: str
    delimiter: str
    header: tuple[str, ...]
    columns: tuple[str | None, ...]
    side: Side | None
    name: str
    _source: Source = attrs.field(repr=False, eq=False, alias="source")
    _schema: TableSchema | None = attrs.field(default=None, repr=False, alias="schema")

    @property
    def as_of(self) -> datetime | None:
        """When the file was last written, which a snapshot takes for when its rows were read; None: not known.

        A plan is as old as its oldest rows: what moved since on a service is left alone when the plan is applied.
        Where that is not when it was exported (a copy, an upload), say so: `Snapshot.complete(rows, as_of=...)`.
        """
        source = self._source
        path = fspath(source) if isinstance(source, (str, PathLike)) else getattr(source, "name", None)
        if not isinstance(path, str):
            return None  # an upload, say
        try:
            return datetime.fromtimestamp(Path(path).stat().st_mtime, UTC)
        except OSError:
            return None  # it is gone

    @cached_property
    def schema(self) -> TableSchema:
        """The schema: the one that was given, else as the rows show it (one walk, the first time it is asked for).

        Raises:
            ConfigurationError: The header does not show whose file it is, and `side=` was not given.
        """
        if self._schema is not None:
            return self._schema
        if self.side is None:
            raise ConfigurationError(f"{self.label} does not show whose file it is: give read_csv side=")
        return infer_schema(self.name, self, side=self.side)

    def __iter__(self) -> Iterator[Row]:
        names = self.columns
        whole = None not in names
        kept = [place for place, name in enumerate(names) if name is not None]
        kept_names = [name for name in names if name is not None]
        nulls = self.side is Side.SALESFORCE
        for cells in self._lines():
            if not whole:
                cells = [cells[place] for place in kept if place < len(cells)]  # noqa: PLW2901 - the same row, narrower
            row: dict[str, Value] = dict(zip(kept_names, cells, strict=False))
            for name, cell in row.items():
                if cell[:1] == "'":  # type: ignore[index]  # every cell is text
                    row[name] = restored(str(cell))
                elif nulls and cell == NULL_CELL:
                    row[name] = None
            yield row

    def _lines(self) -> Iterator[list[str]]:
        with _text(self._source, self.encoding) as text:
            lines = csv.reader(text, delimiter=self.delimiter, strict=True)
            columns = len(self.header)
            ended = 0  # the line on which the row before ended: a quote that is not closed swallows many lines
            try:
                begun = False
                for cells in lines:
                    begins, ended = ended + 1, lines.line_num
                    if not cells:
                        continue  # an empty line
                    if not begun:
                        begun = not (lines.line_num == 1 and skips_first_line(self.delimiter.join(cells)))
                        continue
                    if len(cells) > columns and any(cells[columns:]):
                        raise ConfigurationError(
                            f"{self.label}, line {begins}: {len(cells)} cells, and the header has {columns}"
                        )
                    yield cells
            except (csv.Error, UnicodeDecodeError) as error:
                raise ConfigurationError(f"{self.label}, line {ended + 1}: {dialect_error(error)}") from None

    def _repr_html_(self) -> str:
        from di_salesforce import _notebook

        return _notebook.csv_rows(self)

    def unmasked(self) -> HasHtml:
        """Give a notebook's view that shows people's data, which the rows' own view masks."""
        from di_salesforce import _notebook

        return _notebook.Html(_notebook.csv_rows(self, unmasked=True))

    def __repr__(self) -> str:
        found = f"{self.encoding}, {DELIMITERS.get(self.delimiter, repr(self.delimiter))}"
        whose = f"{self.side.label} {self.name}" if self.side else "whose is not known"
        return f"<CsvRows {self.label}: {whose}, {sum(c is not None for c in self.columns)} columns, {found}>"

    def __str__(self) -> str:
        """A page: what was found, each column's type and blanks, and the first rows, masked."""
        page = [repr(self)[1:-1].removeprefix("CsvRows ")]
        if self.side is not None:
            schema = self.schema
            if isinstance(schema, InferredSchema):
                page.append(f"{schema.rows:,} rows; {schema.key_hint}")
            widest = max(map(len, schema.names), default=0)
            page += [
                f"  {field.name:<{widest}}  {field.type.value:<12}{_blanks(schema, field.name)}" for field in schema
            ]
        page += [
            "  ".join(masked(str(value))[:_WIDEST] or "(blank)" for value in row.values())
            for row in islice(self, _SHOWN)
        ]
        return "\n".join(line.rstrip() for line in page)


def _blanks(schema: TableSchema, name: str) -> str:
    blank = schema.blanks.get(name, 0) if isinstance(schema, InferredSchema) else 0
    return f"  {blank:,} blank" if blank else ""


def read_csv(
    source: Source,
    *,
    side: Side | None = None,
    name: str | None = None,
    schema: TableSchema | None = None,
    columns: Mapping[str, str | None] | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> CsvRows:
    r"""Read a CSV file as rows: exports of both products, files to import, spreadsheets.

    Encoding (UTF-8 with or without mark, UTF-16 and UTF-32 with mark, cp1252) and delimiter (comma, semicolon, tab,
    pipe) are found, and shown by what is returned.  Headers may be Salesforce's API names, in the case that Data Loader
    gives them, or Dialog Insight's, with the prefixes of its import page (`f_`, `key_f_`, `key_`, `optin_`); rows have
    the names that the clients give.  Columns of a Bulk job's result files (`sf__...`) are left out.

    Args:
        source: A path, or a binary file that can be rewound, such as an upload.
        side: Whose file it is; None: as the header shows.
        name: The sObject or table; None: as the record ids or the header show, else the file's name.
        schema: The table's schema, where it is known; its names' case counts, whatever the file's is.
        columns: Other names for columns, by their names in the file; None leaves a column out.
        encoding: Python's name of the encoding; None: found.
        delimiter: What stands between the cells; None: found.

    Returns:
        Rows that can be walked again and again; walking never holds more than one row.

    Raises:
        ConfigurationError: The file cannot be read, is no CSV (a workbook, say), or has columns without names or with
            one name twice.  Walking raises it for a line with more cells than the header.

    Example:
        >>> from pathlib import Path
        >>> _ = Path("contacts.csv").write_bytes("key_f_EMail;f_Ville\nada@example.ca;Montréal\n".encode("cp1252"))
        >>> rows = read_csv("contacts.csv")
        >>> rows
        <CsvRows contacts.csv: Dialog Insight Contact, 2 columns, cp1252, semicolon>
        >>> list(rows)
        [{'EMail': 'ada@example.ca', 'Ville': 'Montréal'}]
    """
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise ConfigurationError(f"delimiter is one character, as in delimiter=';': not {delimiter!r}")
    if schema is not None:
        side, name = schema.side, name or schema.name
    label = Path(source).name if isinstance(source, (str, PathLike)) else str(getattr(source, "name", "the file"))
    try:
        if encoding is None:
            with _opened(source) as file:
                encoding = find_encoding(file)
        if delimiter is None:
            with _text(source, encoding) as text:
                delimiter = find_delimiter(text)
        header = _header(source, encoding, delimiter)
        side = side or side_of(header)
        names = row_names(header, side, columns or {}, schema.names if schema else ())
    except ConfigurationError as error:
        # What cannot be opened names its path already.
        raise error if error.__cause__ is not None else ConfigurationError(f"{label} {error}") from None
    except (csv.Error, UnicodeError, LookupError) as error:
        why = f"has an unknown encoding, {encoding!r}" if type(error) is LookupError else dialect_error(error)
        raise ConfigurationError(f"{label} {why}") from None
    rows = CsvRows(label, encoding, delimiter, header, names, side, name or "", source, schema)
    if name:
        return rows
    found = table_of(side, header, next(iter(rows), None))
    return attrs.evolve(rows, name=found or Path(label).stem)


def _header(source: Source, encoding: str, delimiter: str) -> tuple[str, ...]:
    with _text(source, encoding) as text:
        for line, cells in enumerate(_not_empty(csv.reader(text, delimiter=delimiter, strict=True))):
            if line == 0 and skips_first_line(delimiter.join(cells)):
                continue
            while cells and not cells[-1].strip():
                cells.pop()  # a spreadsheet's empty columns
            return tuple(restored(cell.strip()) for cell in cells)
    raise ConfigurationError("is empty: it has no header")


def _not_empty(lines: Iterable[list[str]]) -> Iterator[list[str]]:
    return (cells for cells in lines if cells)
