"""A tuple of things that people look at, with the ways out: plain data, a CSV file, a data frame, a notebook's table.

What may not go in here: pandas, polars and HTML, which `frames.py` and `_notebook.py` reach when they are asked for.
"""

from __future__ import annotations

import csv
from os import PathLike
from typing import Any, Protocol, TypeVar

from di_salesforce._cells import neutralised
from di_salesforce.records import Value

__all__ = ["HasHtml", "Listed", "Listing", "Tabular", "as_rows", "table_cell"]


class Listed(Protocol):
    """What can stand in a `Listing`."""

    def to_dict(self) -> dict[str, Any]: ...  # JSON-safe data

    def to_table(self) -> list[dict[str, Value]]: ...


class HasHtml(Protocol):
    """What a notebook can display."""

    def _repr_html_(self) -> str: ...


R = TypeVar("R")
T_co = TypeVar("T_co", bound=Listed, covariant=True)


def table_cell(value: object) -> str:
    """Write a value as a spreadsheet's cell: text that a spreadsheet would run is made harmless, blanks are empty."""
    if value is None:
        return ""
    return neutralised(value) if isinstance(value, str) else str(value)


class Tabular:
    """The ways out of whatever can be laid out as one table, whose rows `to_table` gives."""

    __slots__ = ()

    def to_table(self) -> list[dict[str, Value]]:
        """Give flat rows with native values, as a data frame or a spreadsheet has them."""
        raise NotImplementedError

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write the table as a CSV file for people: UTF-8 with a mark, and harmless in a spreadsheet.

        Text that a spreadsheet would run as a formula gets an apostrophe before it; `read_csv` takes it away.
        """
        rows = self.to_table()
        names = dict.fromkeys(name for row in rows for name in row)
        with open(path, "w", encoding="utf-8-sig", newline="") as file:  # noqa: PTH123 - this room has no pathlib
            write = csv.writer(file).writerow
            write(names)
            for row in rows:
                write([table_cell(row.get(name)) for name in names])

    def _repr_html_(self) -> str:
        from di_salesforce import _notebook

        return _notebook.table(self.to_table())

    def unmasked(self) -> HasHtml:
        """Give a notebook's view that shows people's data, which the view of the value itself masks."""
        from di_salesforce import _notebook

        return _notebook.Html(_notebook.table(self.to_table(), unmasked=True))

    def to_pandas(self) -> Any:  # pandas' own class
        """Give the table as a pandas data frame (extra `pandas`): exact decimals, aware times, blanks as missing."""
        from di_salesforce import frames

        return frames.to_pandas(self.to_table())

    def to_polars(self) -> Any:  # polars' own class
        """Give the table as a polars data frame (extra `polars`): exact decimals, aware times, blanks as null."""
        from di_salesforce import frames

        return frames.to_polars(self.to_table())


class Listing(tuple[T_co, ...], Tabular):
    """Some actions, lines or findings: a tuple, with the ways out that people need.

    Example:
        >>> Listing().to_dicts()
        []
    """

    __slots__ = ()

    def to_dicts(self) -> list[dict[str, Any]]:  # JSON-safe data
        """Give each as plain, JSON-safe data."""
        return [item.to_dict() for item in self]

    def to_table(self) -> list[dict[str, Value]]:
        """Give flat rows with native values, as a data frame or a spreadsheet has them."""
        return [row for item in self for row in item.to_table()]


def as_rows(rows: R) -> R:
    """Give rows as they are, and those of a pandas or polars data frame as plain mappings."""
    if type(rows).__module__.partition(".")[0] not in ("pandas", "polars"):
        return rows
    from di_salesforce import frames

    return frames.rows(rows)  # type: ignore[return-value]  # rows in place of a frame, which has no better type here
