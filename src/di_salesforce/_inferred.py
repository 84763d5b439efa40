"""A table's schema, as its rows show it: what `schema.infer_schema` does where nobody describes the table.

What may not go in here: reading files (rows are given), choosing a key, and anything kept of people's data but the
values of fields that have only a few.

Rows show what was there, never what a service allows: a length is that of the longest text seen, choices are those that
occurred, and nothing is taken for restricted, required or unique.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Final

import attrs

from di_salesforce._listing import as_rows
from di_salesforce.converters import date as day_converter
from di_salesforce.converters import datetime as moment_converter
from di_salesforce.exceptions import ConfigurationError, ConversionError
from di_salesforce.mapping import CONTACT_TABLE, OptIn
from di_salesforce.records import Row, Side, Value, is_blank, record_id_18
from di_salesforce.schema import FieldSchema, FieldType, TableSchema

__all__ = ["InferredSchema", "inferred"]

T: Final = FieldType


@attrs.frozen
class InferredSchema(TableSchema):
    """A `TableSchema` read from rows; `rows` is how many were seen, `blanks` how many had each field blank or absent.

    `key_candidates` names the fields that were never blank, and never twice the same (letters compared without case) in
    the first 100,000 rows: what could be the key.  None of them is marked as the key, since rows cannot say which one
    is meant.
    """

    rows: int = 0
    key_candidates: tuple[str, ...] = ()
    blanks: Mapping[str, int] = attrs.field(factory=dict[str, int], hash=False)

    @property
    def key_hint(self) -> str:
        """Say which fields could be the key."""
        if self.key_candidates:
            return f"could be the key: {', '.join(self.key_candidates)}"
        return "no field could be the key: each has blanks or repeats"

    def without_limits(self) -> TableSchema:
        """Give what holds for rows to come as well: names and types, without lengths, digits and choices."""
        fields = [attrs.evolve(field, length=None, scale=None, choices=()) for field in self.fields]
        return attrs.evolve(self, fields=fields)


# What a value may be ------------------------------------------------------------------------------------------------
_WHOLE: Final = re.compile(r"-?(0|[1-9][0-9]{0,8})")  # 9 digits: longer ones, and leading zeros, are numbers of things
_FRACTION: Final = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+")
_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_URL: Final = re.compile(r"https?://\S+", re.IGNORECASE)
_PHONE: Final = re.compile(  # 7 digits: the shortest in use; a day that is in no calendar is no number either
    r"(?=.*[ ().+-])(?![0-9]{4}[.-][0-9]{2}[.-][0-9]{2}$)\+?[0-9 ().-]{7,}(x[0-9]+)?"
)
_HAS_TIME: Final = re.compile(r"[T ][0-9]{2}:[0-9]{2}")
_DAY: Final = day_converter()
_MOMENT: Final = moment_converter()
_SHORT: Final = 255  # characters of Salesforce's widest plain text field


def _is_text(pattern: re.Pattern[str]) -> Callable[[Value], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_boolean(value: Value) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and value.casefold() in ("true", "false"))


def _is_whole(value: Value) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or _is_text(_WHOLE)(value)


def _is_number(value: Value) -> bool:
    if isinstance(value, Decimal):
        return value.is_finite()
    return isinstance(value, float) or _is_whole(value) or _is_text(_FRACTION)(value)


def _is_day(value: Value) -> bool:
    if isinstance(value, str) and _HAS_TIME.search(value):
        return False
    return not isinstance(value, datetime) and isinstance(value, (str, date)) and _reads(_DAY.normal, value)


def _is_moment(value: Value) -> bool:
    """Tell whether a value is a moment; text needs a time of day, or every day would be one."""
    if isinstance(value, str) and not _HAS_TIME.search(value):
        return False
    return isinstance(value, (str, datetime)) and _reads(_MOMENT.normal, value)


def _reads(read: Callable[[Side, Value], object], value: Value) -> bool:
    try:
        read(Side.DIALOG_INSIGHT, value)  # this side reads every form, also with an offset
    except ConversionError:
        return False
    return True


def _is_record_id(value: Value) -> bool:
    # 18 characters carry a checksum; any 15 letters could pass for a short id.
    return isinstance(value, str) and len(value) == 18 and record_id_18(value) is not None


_KINDS: Final[tuple[tuple[FieldType, Callable[[Value], bool]], ...]] = (
    (T.BOOLEAN, _is_boolean),
    (T.INTEGER, _is_whole),
    (T.DECIMAL, _is_number),
    (T.DATE, _is_day),
    (T.DATETIME, _is_moment),
    (T.REFERENCE, _is_record_id),
    (T.EMAIL, _is_text(_ADDRESS)),
    (T.URL, _is_text(_URL)),
    (T.PHONE, _is_text(_PHONE)),
)
"""What a field is when all of its values are; the first that fits decides, and text is what is left."""

_SEPARATORS: Final[Mapping[Side, str]] = {Side.SALESFORCE: ";", Side.DIALOG_INSIGHT: "|"}
_MOST_CHOICES: Final = 12  # a list that one picks from
_TIMES: Final = 3  # how often each choice occurs, on average, before a few values are more than chance
_MOST_PARTS: Final = 50  # distinct values that are remembered of a field; more are no list
_MOST_UNIQUE: Final = 100_000  # distinct values that are remembered of a field, so that a file of any size can be read
_KEY_TYPES: Final = frozenset({T.ID, T.TEXT, T.LONG_TEXT, T.INTEGER, T.EMAIL, T.PHONE})
_ROWS_FOR_A_KEY: Final = 2  # of one row every field is unique


@attrs.define
class _Seen:
    """What was seen of one field while the rows passed by."""

    filled: int = 0
    longest: int = 0
    scale: int = 0
    lines: bool = False
    kinds: list[FieldType] = attrs.field(factory=lambda: [kind for kind, _ in _KINDS])
    values: dict[str, int] | None = attrs.field(factory=dict[str, int], repr=False)  # people's data
    unique: set[int] | None = attrs.field(factory=set[int], repr=False)  # hashes: smaller, and nobody's data

    def add(self, value: Value) -> None:
        """Look at one value that is not blank."""
        self.filled += 1
        if self.kinds:
            self.kinds = [kind for kind, fits in _KINDS if kind in self.kinds and fits(value)]
        text = value if isinstance(value, str) else repr(value) if isinstance(value, float) else f"{value}"
        self.longest = max(self.longest, len(text))
        self.scale = max(self.scale, len(text.partition(".")[2]))
        self.lines = self.lines or "\n" in text
        if self.values is not None:
            self.values[text] = self.values.get(text, 0) + 1
            if len(self.values) > _MOST_PARTS:
                self.values = None
        if self.unique is not None and len(self.unique) < _MOST_UNIQUE:
            same = text if self.kinds == [T.REFERENCE] else text.strip().casefold()  # of record ids, case counts
            if hash(same) in self.unique:
                self.unique = None
            else:
                self.unique.add(hash(same))

    def choices(self, separator: str) -> tuple[FieldType, tuple[str, ...]] | None:
        """Read the values as a list that one picks from, or several of; None where they are no list."""
        if self.values is None:
            return None
        parts = sorted({part.strip() for value in self.values for part in value.split(separator)} - {""})
        picked = sum(count * len(value.split(separator)) for value, count in self.values.items())
        if self.lines or not parts or len(parts) > _MOST_CHOICES or picked < _TIMES * len(parts):
            return None
        several = any(separator in value for value in self.values)
        return (T.MULTI_CHOICE, tuple(parts)) if several else (T.CHOICE, tuple(sorted(self.values)))


def _field(name: str, seen: _Seen, side: Side, rows: int, own_id: str | None) -> FieldSchema:
    if name == own_id:
        return FieldSchema(
            name, T.ID, nullable=seen.filled < rows, creatable=False, updatable=False, unique=True, id_lookup=True
        )
    kind, choices = _type(name, seen, side)
    texts = kind in (T.TEXT, T.LONG_TEXT, T.EMAIL, T.URL, T.PHONE, T.CHOICE, T.MULTI_CHOICE)
    return FieldSchema(
        name,
        kind,
        length=seen.longest if texts else None,
        scale=seen.scale if kind is T.DECIMAL else None,
        nullable=seen.filled < rows,
        choices=choices,
    )


def _type(name: str, seen: _Seen, side: Side) -> tuple[FieldType, tuple[str, ...]]:
    if side is Side.DIALOG_INSIGHT and name.startswith(OptIn.prefix):
        return T.OPT_IN, ()  # its wire name says so, whatever is in it
    if not seen.filled:
        return T.UNKNOWN, ()
    if seen.kinds:
        return seen.kinds[0], ()
    if (listed := seen.choices(_SEPARATORS[side])) is not None:
        return listed
    return (T.LONG_TEXT if seen.lines or seen.longest > _SHORT else T.TEXT), ()


def inferred(name: str, rows: Iterable[Row], *, side: Side, id: int | None = None) -> InferredSchema:  # noqa: A002 - the parameter is named as TableSchema's field is
    """Read a schema from rows; `di_salesforce.schema.infer_schema` is its public name and documentation."""
    fields: dict[str, _Seen] = {}
    count = 0
    for count, row in enumerate(as_rows(rows), start=1):
        if not isinstance(row, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may have no type checker
            raise ConfigurationError(f"row {count} of {name} is no mapping of field names to values")
        for field, value in row.items():
            seen = fields.setdefault(field, _Seen())
            if not is_blank(value):
                seen.add(value)
    # In a relational table `idContact` is a foreign key like others.
    own_id = "Id" if side is Side.SALESFORCE else "idContact" if name == CONTACT_TABLE else None
    schemas = [_field(field, seen, side, count, own_id) for field, seen in fields.items()]
    return InferredSchema(
        name,
        side=side,
        fields=schemas,
        id=id,
        rows=count,
        key_candidates=tuple(
            schema.name
            for schema in schemas
            if count >= _ROWS_FOR_A_KEY
            and schema.type in _KEY_TYPES
            and not schema.nullable
            and fields[schema.name].unique is not None
        ),
        blanks={name: count - seen.filled for name, seen in fields.items() if seen.filled < count},
    )
