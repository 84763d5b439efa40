"""Data frames out and in: pandas and polars, each an extra that is imported on use.

What may not go in here: what a table's columns are; each value lays itself out (`to_table`).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from di_salesforce.exceptions import ConfigurationError, MissingExtraError
from di_salesforce.records import Row, Value

__all__ = ["rows", "to_pandas", "to_polars"]


def _extra(name: str) -> Any:  # a module
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise  # it is there, and lacks something of its own
        raise MissingExtraError(extra=name, purpose=f"a {name} data frame") from None


def _columns(table: Iterable[Row]) -> dict[str, list[Value]]:
    listed = list(table)
    names = dict.fromkeys(name for row in listed for name in row)
    return {name: [row.get(name) for row in listed] for name in names}


def _kind(values: Sequence[Value]) -> type | None:
    """Tell the one type of a column's values; None where they are of several, or all missing."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, Decimal}:
        return Decimal
    if kinds == {int, float}:
        return float
    if kinds == {datetime} and len({value.tzinfo is None for value in values if isinstance(value, datetime)}) > 1:
        return None  # a moment with a zone and one without are no column
    return kinds.pop() if len(kinds) == 1 else None


def _text(value: Value) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)


def to_pandas(table: Iterable[Row]) -> Any:  # pandas' own class
    """Give rows as a pandas data frame.

    Args:
        table: Flat rows; a name that a row does not have is missing there.

    Returns:
        Whole numbers as `Int64`, truth values as `boolean`, text as `string`, moments as `datetime64` (aware ones in
        UTC); decimals and days stay exact Python objects, and columns of several types too.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    pandas = _extra("pandas")
    series = {name: _pandas_series(pandas, values) for name, values in _columns(table).items()}
    return pandas.DataFrame(series)


_PANDAS: Final[Mapping[type, str]] = {int: "Int64", bool: "boolean", str: "string", float: "Float64"}


def _pandas_series(pandas: Any, values: list[Value]) -> Any:  # the module; a Series
    kind = _kind(values)
    if kind is datetime:
        aware = any(isinstance(value, datetime) and value.tzinfo is not None for value in values)
        try:
            return pandas.Series(pandas.to_datetime(values, utc=aware))
        except (pandas.errors.OutOfBoundsDatetime, OverflowError):
            return pandas.Series(values, dtype="object")  # a year that pandas' moments do not reach
    if kind is not None and kind in _PANDAS:
        try:
            return pandas.Series(values, dtype=_PANDAS[kind])
        except OverflowError:  # a whole number of more than 64 bits
            pass
    return pandas.Series(values, dtype="object")


def to_polars(table: Iterable[Row]) -> Any:  # polars' own class
    """Give rows as a polars data frame.

    Args:
        table: Flat rows; a name that a row does not have is null there.

    Returns:
        Each column in its own type: exact decimals with as many digits as they need, aware moments in UTC; a column of
        several types as text, since polars has none for it.

    Raises:
        MissingExtraError: polars is not installed.
    """
    polars = _extra("polars")
    return polars.DataFrame([_polars_series(polars, name, values) for name, values in _columns(table).items()])


_MOST_DIGITS: Final = 38  # of polars' decimals


def _polars_series(polars: Any, name: str, values: list[Value]) -> Any:  # the module; a Series
    kind = _kind(values)
    texts = [_text(value) for value in values]
    if kind is Decimal:
        digits, scale = _digits(values)
        if digits <= _MOST_DIGITS:
            # Through text: polars makes decimals of numbers by way of floats, and cuts.
            plain = [None if value is None else f"{Decimal(str(value)):f}" for value in values]
            return polars.Series(name, plain, dtype=polars.String).cast(polars.Decimal(digits, scale))
    elif kind is datetime:
        aware = any(isinstance(value, datetime) and value.tzinfo is not None for value in values)
        moments = [value.astimezone(UTC) if aware and isinstance(value, datetime) else value for value in values]
        return polars.Series(name, moments, dtype=polars.Datetime("us", "UTC" if aware else None))
    elif kind is int and all(value is None or -(2**63) <= value < 2**63 for value in values):  # type: ignore[operator]  # whole numbers
        return polars.Series(name, values, dtype=polars.Int64)
    elif kind in (bool, float, date):
        return polars.Series(name, values, dtype={bool: polars.Boolean, float: polars.Float64, date: polars.Date}[kind])
    return polars.Series(name, texts, dtype=polars.String)


def _digits(values: Iterable[Value]) -> tuple[int, int]:
    """Give the digits in all, and behind the point, that decimals need; more than enough where one is not finite."""
    before, behind = 1, 0
    for value in values:
        if value is None:
            continue
        number = Decimal(str(value))
        if not number.is_finite():
            return _MOST_DIGITS + 1, 0
        _, digits, exponent = number.as_tuple()
        places = int(exponent)
        behind = max(behind, -places)
        before = max(before, len(digits) + places)
    return before + behind, behind


def rows(frame: Any) -> Iterator[Row]:  # a data frame of either library
    """Give the rows of a pandas or polars data frame as plain mappings of Python's own values.

    What is missing is null; a column of whole numbers with gaps, which pandas keeps as floats, is whole again; an index
    that has a name is a column; of a moment's fractions microseconds remain.

    Raises:
        ConfigurationError: It is no data frame, its columns have no names, or two have one name.

    Example:
        >>> import polars
        >>> list(rows(polars.DataFrame({"Id": ["1", "2"], "Points": [7, None]})))
        [{'Id': '1', 'Points': 7}, {'Id': '2', 'Points': None}]
    """
    module = type(frame).__module__.partition(".")[0]
    if module == "polars" and hasattr(frame, "iter_rows"):
        return iter(frame.iter_rows(named=True))
    if module == "polars" and hasattr(frame, "collect"):
        return rows(frame.collect())
    if module == "pandas" and hasattr(frame, "itertuples"):
        return _pandas_rows(frame)
    raise ConfigurationError("this is no pandas or polars data frame: rows are a frame, or an iterable of mappings")


def _pandas_rows(frame: Any) -> Iterator[Row]:  # pandas' own class
    if any(name is not None for name in frame.index.names):
        index = frame.index.to_frame()  # `reset_index` would refuse a name that a column has already
        frame = _extra("pandas").concat([index.reset_index(drop=True), frame.reset_index(drop=True)], axis="columns")
    names: list[Any] = list(frame.columns)
    if not all(isinstance(name, str) for name in names):
        raise ConfigurationError("the data frame's columns must be named by text, as fields are")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"the data frame has two columns named {', '.join(twice)}: which one is meant?")
    pandas = _extra("pandas")
    columns = [_objects(frame[name]) for name in names]
    for cells in zip(*columns, strict=True):
        yield {name: _python_value(pandas, cell) for name, cell in zip(names, cells, strict=True)}


def _objects(column: Any) -> Any:  # a Series
    try:
        return column.convert_dtypes().astype("object")
    except OverflowError:  # a whole number of more than 64 bits, in pandas 2.1
        return column.astype("object")


def _python_value(pandas: Any, cell: Any) -> Any:  # the module; a cell of any type; a Value
    if cell is None or cell is pandas.NA or cell is pandas.NaT or cell != cell:  # noqa: PLR0124 - not a number
        return None
    if isinstance(cell, pandas.Timestamp):
        return cell.to_pydatetime(warn=False)  # of nanoseconds: neither service keeps any
    return cell.item() if hasattr(cell, "item") else cell  # a numpy scalar
