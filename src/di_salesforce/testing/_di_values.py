"""Values between the wire and the store: how a member of `Data` is read, checked and kept, and rendered again.

What may not go in here: rows, keys, and what becomes of a record whose value is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final, TypeAlias

import attrs

from di_salesforce.records import UNSET, UnsetType, Value
from di_salesforce.testing._di_model import Kind, Layout, Slot
from di_salesforce.testing._di_switches import RecordCause, Switches

__all__ = ["TEXTS", "Json", "JsonObject", "Raw", "Refusal", "Renderer", "accept_value", "folded", "read_value", "whole"]

Json: TypeAlias = "bool | int | float | Decimal | str | Sequence[Json] | Mapping[str, Json] | None"
"""A JSON value; a decimal fraction is read as `Decimal`."""

JsonObject: TypeAlias = Mapping[str, Json]

Raw: TypeAlias = "Json | date | datetime"
"""What a slot is asked to take: a JSON value, or a native one when people seed or edit."""

TEXTS: Final[frozenset[Kind]] = frozenset({"text", "email", "choice", "choices"})
_TRUE: Final[frozenset[object]] = frozenset({"1", "true"})  # [seen] 1/0, true/false, "1"/"0"
_FALSE: Final[frozenset[object]] = frozenset({"0", "false"})
_INT_BITS: Final[Mapping[Kind, int]] = {"int": 32, "bigint": 64}  # the sizes of the column types Int and BigInt
_DATE: Final = re.compile(
    r"(\d{4})([.-])(\d\d)\2(\d\d)(?:([ T])(\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,7})?)?)?", re.ASCII
)  # 7 digits: the finest that .NET writes; a fraction of a second is read and dropped, since DI shows whole seconds
_INTEGER: Final = re.compile(r"[+-]?\d{1,20}", re.ASCII)  # 20: room for 64 bits
_PRECISION: Final = 38  # digits before the decimal point and after it, as databases of the server's make have them
_DECIMAL: Final = re.compile(rf"[+-]?\d{{1,{_PRECISION}}}(?:\.\d{{1,{_PRECISION}}})?", re.ASCII)
_NO_ZONE: Final = None  # naive local time is what the service holds and shows
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_DATE_PATTERNS: Final[Mapping[str, tuple[str, str]]] = {  # date_rendering -> date, date-time
    "dots": ("%Y.%m.%d", "%Y.%m.%d %H:%M:%S"),
    "iso": ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S"),
    "iso_t": ("%Y-%m-%dT00:00:00", "%Y-%m-%dT%H:%M:%S"),
}


@attrs.frozen
class Refusal:
    """Why a record is refused: the cause, the server's words, and the field's name on the wire."""

    cause: RecordCause
    message: str
    field: str = ""


def folded(value: Value) -> Value:
    """Give the form of a value that is compared where case does not count."""
    return value.lower() if isinstance(value, str) else value


def whole(raw: Json) -> int | None:
    """Read a whole number of the envelope (an id, a limit); digits in text are taken too [seen]."""
    if isinstance(raw, str) and raw.isascii() and raw.isdigit() and len(raw) < 20:  # 20 digits: above 64 bits
        return int(raw)
    return raw if isinstance(raw, int) and not isinstance(raw, bool) else None


# reading ------------------------------------------------------------------------------------------------------------
def _read_text(raw: Raw, switches: Switches) -> Value | UnsetType:
    if isinstance(raw, str):
        return raw
    if isinstance(raw, (int, Decimal, float)) and not isinstance(raw, bool):
        return str(raw)
    return UNSET


def _read_email(raw: Raw, switches: Switches) -> Value | UnsetType:
    value = _read_text(raw, switches)
    return value.lower() if isinstance(value, str) and switches.email_lower_casing == "lower" else value


def _read_integer(bits: int) -> Callable[[Raw, Switches], Value | UnsetType]:
    limit = 1 << (bits - 1)

    def read(raw: Raw, switches: Switches) -> Value | UnsetType:
        if isinstance(raw, str):
            raw = int(raw) if _INTEGER.fullmatch(raw) else None
        if not isinstance(raw, (int, Decimal, float)) or isinstance(raw, bool) or not -limit <= raw < limit:
            return UNSET
        return int(raw) if raw == int(raw) else UNSET

    return read


def _read_decimal(raw: Raw, switches: Switches) -> Value | UnsetType:
    if isinstance(raw, str):
        text = raw.replace(",", ".") if switches.decimal_comma == "accept" else raw
        return Decimal(text) if _DECIMAL.fullmatch(text) else UNSET
    if not isinstance(raw, (int, Decimal, float)) or isinstance(raw, bool):
        return UNSET
    value = Decimal(str(raw)) if isinstance(raw, float) else Decimal(raw)
    exponent = value.as_tuple().exponent  # a letter where it is no number
    sized = isinstance(exponent, int) and exponent >= -_PRECISION and value.adjusted() < _PRECISION
    return value if sized else UNSET


def _read_boolean(raw: Raw, switches: Switches) -> Value | UnsetType:
    if isinstance(raw, (bool, int)):
        return bool(raw) if raw in (0, 1) else UNSET
    if isinstance(raw, str):
        return True if raw.lower() in _TRUE else False if raw.lower() in _FALSE else UNSET
    return UNSET


def _read_datetime(raw: Raw, switches: Switches) -> Value | UnsetType:
    if isinstance(raw, datetime):
        return raw.replace(microsecond=0) if raw.tzinfo is None else UNSET
    if isinstance(raw, date):
        return datetime(raw.year, raw.month, raw.day, tzinfo=_NO_ZONE)
    if not isinstance(raw, str) or (parts := _DATE.fullmatch(raw)) is None:
        return UNSET
    year, _, month, day, between, hour, minute, second = parts.groups()
    if between == "T" and switches.date_with_t == "refuse":
        return UNSET
    try:
        clock = (int(hour or 0), int(minute or 0), int(second or 0))
        return datetime(int(year), int(month), int(day), *clock, tzinfo=_NO_ZONE)
    except ValueError:
        return UNSET  # a day that is in no calendar


def _read_date(raw: Raw, switches: Switches) -> Value | UnsetType:
    value = _read_datetime(raw, switches)
    return value.date() if isinstance(value, datetime) else value


_READERS: Final[Mapping[Kind, Callable[[Raw, Switches], Value | UnsetType]]] = {
    "text": _read_text,
    "choice": _read_text,
    "choices": _read_text,
    "email": _read_email,
    "boolean": _read_boolean,
    "decimal": _read_decimal,
    "date": _read_date,
    "datetime": _read_datetime,
    **{kind: _read_integer(bits) for kind, bits in _INT_BITS.items()},
}


def read_value(slot: Slot, raw: Raw, switches: Switches) -> Value | UnsetType:
    """Read a raw value as the slot's kind; `UNSET` where it is no such value.

    The empty string is "no value" for everything but text, opt-ins among it [seen].
    """
    if raw is None:
        return None
    if raw == "":
        return "" if slot.kind in TEXTS and switches.blank_text == "keep" else None
    return _READERS[slot.kind](raw, switches)


def accept_value(slot: Slot, raw: Raw, switches: Switches) -> Value | Refusal:
    """Read a raw value and hold it against the slot's rules, as the server does for a member of `Data` or `ID`."""
    value = read_value(slot, raw, switches)
    if isinstance(value, UnsetType):
        return Refusal(RecordCause.BAD_VALUE, f"{slot.wire}: the value is not of type {slot.kind}.", slot.wire)
    if not isinstance(value, str) or not value:
        return value
    if slot.kind == "email" and switches.email_syntax == "check" and not _EMAIL.fullmatch(value):
        return Refusal(RecordCause.BAD_VALUE, f"{slot.wire}: the value is not an e-mail address.", slot.wire)
    if slot.options and switches.unknown_choice == "refuse":
        chosen = value.split("|") if slot.kind == "choices" else [value]
        if not set(chosen) <= set(slot.options):
            return Refusal(RecordCause.BAD_VALUE, f"{slot.wire}: the value is not among the choices.", slot.wire)
    if slot.length is not None and len(value) > slot.length:
        if switches.over_length == "truncate":
            return value[: slot.length]
        return Refusal(RecordCause.TOO_LONG, f"{slot.wire}: at most {slot.length} characters are allowed.", slot.wire)
    return value


# rendering ----------------------------------------------------------------------------------------------------------
Write: TypeAlias = Callable[[Value], Json]


def _boolean_writer(switches: Switches) -> Write | None:
    words: dict[str, tuple[Json, Json] | None] = {"json": None, "number": (0, 1), "text": ("0", "1")}
    pair = words[switches.boolean_rendering]
    return None if pair is None else lambda value: pair[bool(value)]


def _number_writer(switches: Switches) -> Write | None:
    return None if switches.number_rendering == "number" else str


def _date_writer(which: int) -> Callable[[Switches], Write]:
    def writer(switches: Switches) -> Write:
        pattern = _DATE_PATTERNS[switches.date_rendering][which]
        return lambda value: value.strftime(pattern) if isinstance(value, date) else None

    return writer


def _as_it_is(switches: Switches) -> Write | None:
    return None


_WRITERS: Final[Mapping[Kind, Callable[[Switches], Write | None]]] = {
    "text": _as_it_is,
    "choice": _as_it_is,
    "choices": _as_it_is,
    "email": _as_it_is,
    "boolean": _boolean_writer,
    "int": _number_writer,
    "bigint": _number_writer,
    "decimal": _number_writer,
    "date": _date_writer(0),
    "datetime": _date_writer(1),
}


class Renderer:
    """Renders the rows of one layout as answers show them."""

    def __init__(self, layout: Layout, switches: Switches) -> None:
        slots = [slot for slot in layout.slots if slot.date_of is None or switches.optin_dates_in_answers == "present"]
        listed = slots if layout.id_slot is None else [layout.id_slot, *slots]
        self._columns = tuple((slot.name, slot.wire, _WRITERS[slot.kind](switches)) for slot in listed)
        self._null: Json = None if switches.null_rendering == "null" else ""

    def render(self, row: Mapping[str, Value]) -> dict[str, Json]:
        """Give a row under its wire names."""
        rendered: dict[str, Json] = {}
        for name, wire, write in self._columns:
            value = row[name]
            rendered[wire] = self._null if value is None else _plain(value) if write is None else write(value)
        return rendered


def _plain(value: Value) -> Json:
    return None if isinstance(value, date) else value  # dates never come here: each of their kinds has a writer
