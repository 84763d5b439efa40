"""Values on the wire: written strictly, read leniently.

What may not go in here: field names' prefixes (`_names.py`), envelopes (`_errors.py`).

Written: numbers as JSON numbers, exact to the last decimal; truth values as 1 and 0; `YYYY.MM.DD` and
`YYYY.MM.DD HH:MM:SS`, Dialog Insight's own notation [seen].  Read: whatever JSON holds, unchanged, since nobody knows
how dates, truth values and numbers are rendered in answers [unknown]; the converters of a transfer interpret it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias, TypeGuard

from di_salesforce._json_text import read_exactly
from di_salesforce.dialog_insight._names import Target
from di_salesforce.exceptions import ConversionError
from di_salesforce.records import Row, Side, Value
from di_salesforce.wire import HttpResponse

__all__ = [
    "AS_THEY_ARE",
    "JsonObject",
    "can_be_equal",
    "dump_json",
    "is_list",
    "is_object",
    "load_json",
    "read_id",
    "rows_from_wire",
    "wire_value",
]

WireValue: TypeAlias = int | float | Decimal | str | None

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object whose members may be any JSON value: this is the wire."""

AS_THEY_ARE: Final = frozenset({str, int})
"""The types of most values, which are sent unchanged (a bool, an enum and a date are not of them)."""

_MOST_DIGITS: Final = 100  # of a number in a text: far more than any id has, and read in no time
_SCALARS: Final = frozenset({str, int, bool, Decimal, type(None)})


def wire_value(value: Value, *, field: str, null_clears: bool = False) -> WireValue:
    """Give the JSON value that is sent for a native one.

    Blank is sent as the empty string, which is seen to clear a field; null is sent as null only where that is known to
    clear too (`Capabilities.null_clears`).  A microsecond has no place in the notation and is left out.

    Raises:
        ConversionError: the value has no form on the wire (an aware date-time, a number that is none, another type).
    """
    if type(value) in AS_THEY_ARE:
        return value  # type: ignore[return-value]  # a text or a whole number
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            raise _refuse(
                "value.time_zone",
                field,
                "an aware date-time cannot be sent, since Dialog Insight stores local times without a zone: convert it "
                "to the project's time zone and drop the zone, or map the field with datetime()",
            )
        return f"{_day(value)} {value.hour:02}:{value.minute:02}:{value.second:02}"
    match value:
        case None:
            return None if null_clears else ""
        case str() | int():
            return value
        case date():
            return _day(value)
        case Decimal() | float():
            # Finite numbers only: JSON has no others.
            if not Decimal(value).is_finite():
                raise _refuse("value.not_finite", field, "infinity and not-a-number cannot be sent")
            return value
        case _:
            raise _refuse("value.type", field, f"a value of type {type(value).__name__} cannot be sent")


def _day(value: date) -> str:
    # Not strftime, which leaves the year 987 without its zero on some systems.
    return f"{value.year:04}.{value.month:02}.{value.day:02}"


def _refuse(code: str, field: str, message: str) -> ConversionError:
    return ConversionError(f"{field}: {message}", code=code, side=Side.DIALOG_INSIGHT, field=field)


def dump_json(value: Any) -> str:  # any JSON value: this is the wire
    """Write compact JSON with exact decimals, in ASCII: right whatever character set the server assumes.

    The standard encoder knows no `Decimal`; only what holds one takes the slower way.
    """
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    except TypeError:
        return _dump_exactly(value)


def _dump_exactly(value: Any) -> str:  # any JSON value
    match value:
        case Decimal():
            return f"{value:f}"
        case _ if is_object(value):
            return "{" + ",".join(f"{json.dumps(name)}:{dump_json(member)}" for name, member in value.items()) + "}"
        case _ if is_list(value):
            return "[" + ",".join(map(dump_json, value)) + "]"
        case _:
            raise TypeError(type(value).__name__)


def is_object(value: object) -> TypeGuard[JsonObject]:
    """Tell whether a JSON value is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:  # of any JSON values
    """Tell whether a JSON value is a list."""
    return isinstance(value, list)


def load_json(response: HttpResponse) -> Any:  # any JSON value
    """Read a body as JSON with exact decimals; raises `ValueError` for anything that is not JSON."""
    return read_exactly(response.content)


def read_id(value: object) -> int | None:
    """Read a record's own id: a number, perhaps in a string; None for anything else, and for 0 (no record)."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def rows_from_wire(target: Target, records: Iterable[Mapping[str, Any]]) -> list[Row]:  # members are any JSON value
    """Give flat wire records as rows: names without prefixes, values as they came, a contact's id as a number.

    A system column that has the same bare name as a field gives way to the field.
    """
    shapes: dict[tuple[str, ...], list[str]] = {}  # thousands of records share a few
    own_id = target.record_id_field
    rows: list[Row] = []
    for record in records:
        shape = tuple(record)
        names = shapes.get(shape)
        if names is None:
            names = shapes[shape] = [target.row_name(wire_name) for wire_name in shape]
        values: Collection[Any] = record.values()  # any JSON values
        if not _SCALARS.issuperset(map(type, values)):
            # No column is known to hold a list or an object; should one come, its JSON text is kept.
            values = [value if type(value) in _SCALARS else dump_json(value) for value in values]
        row: dict[str, Value] = dict(zip(names, values, strict=True))
        if len(row) < len(names):
            owned = {name for name, wire_name in zip(names, shape, strict=True) if target.owns(wire_name)}
            pairs = zip(names, shape, values, strict=True)
            row = {name: value for name, wire_name, value in pairs if name not in owned or target.owns(wire_name)}
        if own_id is not None and own_id in row:
            row[own_id] = read_id(row[own_id]) or row[own_id]
        rows.append(row)
    return rows


def can_be_equal(sent: Value, read: Value) -> bool:
    """Tell whether a value that we sent and one that was read can be the same.

    Used to sift an answer by the further fields of a composite key, so it errs towards yes: case is ignored (whether
    the server does is unknown), numbers may stand in strings, and of dates and truth values the rendering is unknown.
    """
    if not isinstance(sent, (str, int, Decimal)) or isinstance(sent, bool):
        return True
    left, right = (str(value).strip().casefold() for value in (sent, read))
    if left == right:
        return True
    try:
        return Decimal(left) == Decimal(right)
    except ArithmeticError:
        return False
