"""Which converter belongs between two types of fields, and what becomes of values on the way: tables, and a walk.

What may not go in here: lengths, picklists and anything else about particular fields (`_check_fields.py`), and values.

Dialog Insight's types are often unknown (its `DataType` values are [unknown]); then the Salesforce type decides.  A
value of another JSON type (a number for a text field) is refused by Salesforce [inferred], and what Dialog Insight does
with it is [unknown]; the tables say "narrow" where it depends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

import attrs

from di_salesforce import converters
from di_salesforce._lenses import DecimalNumber
from di_salesforce.mapping import FieldMapping, OptIn, OptInDate
from di_salesforce.protocols import Converter
from di_salesforce.records import Side
from di_salesforce.schema import FieldSchema, FieldType, TableSchema

__all__ = ["CONVERTERS", "READS", "WRITES", "converter_for", "field_of", "fit", "kind_of"]

Types: TypeAlias = frozenset[FieldType]

T: Final = FieldType
ANY: Final[Types] = frozenset(FieldType)
TEXTS: Final[Types] = frozenset({T.TEXT, T.LONG_TEXT, T.URL})
STRINGS: Final[Types] = TEXTS | {T.EMAIL, T.PHONE, T.CHOICE, T.TIME}
NUMBERS: Final[Types] = frozenset({T.INTEGER, T.DECIMAL})
IDS: Final[Types] = frozenset({T.ID, T.REFERENCE})
PARTS: Final[Types] = frozenset({T.COMPOUND, T.BINARY})
FREE: Final[Types] = frozenset({T.TEXT, T.LONG_TEXT})


_MAKERS: Final[Mapping[str, Callable[[], Converter]]] = {
    "as_is": lambda: converters.AS_IS,
    "boolean": converters.boolean,
    "date": converters.date,
    "decimal": converters.decimal,
    "email": converters.email,
    "integer": converters.integer,
    "multi_choice": converters.multi_choice,
    "phone": converters.phone,
    "record_id": converters.record_id,
    "text": converters.text,
}

CONVERTERS: Final[tuple[tuple[Types, Types, str], ...]] = (
    # Salesforce, Dialog Insight, converter: the first line that fits decides
    (IDS, ANY, "record_id"),
    (PARTS, ANY, "as_is"),
    (ANY, PARTS, "as_is"),
    (ANY, frozenset({T.OPT_IN, T.BOOLEAN}), "boolean"),
    (frozenset({T.OPT_IN, T.BOOLEAN}), ANY, "boolean"),
    (frozenset({T.DATETIME}), ANY, "datetime"),
    (frozenset({T.DATE}), ANY, "date"),
    (ANY, frozenset({T.DATETIME}), "datetime"),
    (ANY, frozenset({T.DATE}), "date"),
    (frozenset({T.CHOICE}), frozenset({T.MULTI_CHOICE}), "text"),
    (frozenset({T.MULTI_CHOICE}), ANY, "multi_choice"),
    (ANY, frozenset({T.MULTI_CHOICE}), "multi_choice"),
    (NUMBERS, ANY, "number"),
    (
        STRINGS,
        NUMBERS | IDS,
        "text",
    ),  # text compares and writes digits as they stand; Salesforce's text takes no number
    (frozenset({T.UNKNOWN}), NUMBERS, "number"),
    (frozenset({T.EMAIL}), ANY, "email"),
    (ANY, frozenset({T.EMAIL}), "email"),
    (frozenset({T.PHONE}), ANY, "phone"),
    (ANY, frozenset({T.PHONE}), "phone"),
    (STRINGS, ANY, "text"),
    (frozenset({T.UNKNOWN}), STRINGS, "text"),
    (ANY, ANY, "as_is"),  # nothing is known
)
"""The converter of a line without one, by the types of its two fields; a "number" is whole where its side's type is."""

# By nature: these need no description.
_BY_NATURE: Final = {
    Side.SALESFORCE: FieldSchema(
        "Id", T.ID, nullable=False, creatable=False, updatable=False, unique=True, id_lookup=True
    ),
    Side.DIALOG_INSIGHT: FieldSchema(
        "idContact", T.ID, nullable=False, creatable=False, updatable=False, unique=True, id_lookup=True
    ),
}


def field_of(line: FieldMapping, side: Side, schema: TableSchema | None) -> FieldSchema | None:
    """Give the field of a line on one side: as described, or as its name alone tells; None where nothing is known."""
    name = line.field(side)
    described = schema.get(name) if schema is not None else None
    if described is not None:
        return described
    by_nature = _BY_NATURE[side]
    if name == by_nature.name or (side is Side.SALESFORCE and name.endswith(".Id")):
        return attrs.evolve(by_nature, name=name)
    return None


def kind_of(field: FieldSchema | None) -> FieldType:
    """Give the type that the tables go by: a decimal without digits behind the point is a whole number."""
    if field is None:
        return T.UNKNOWN
    return T.INTEGER if field.type is T.DECIMAL and field.scale == 0 else field.type


def converter_for(
    line: FieldMapping,
    salesforce_schema: TableSchema | None,
    dialog_insight_schema: TableSchema | None,
    time_zone: str,
) -> Converter:
    """Choose the converter of a line that has none; an opt-in is never negated by guess.

    Args:
        line: A line without `references`, whose values the links translate.
        salesforce_schema: The sObject as described; None: nothing is known.
        dialog_insight_schema: The table as described or declared; None: nothing is known.
        time_zone: IANA name of the zone of Dialog Insight's local times.

    Raises:
        ConfigurationError: Where moments are mapped and this machine does not know the time zone.
    """
    salesforce = field_of(line, Side.SALESFORCE, salesforce_schema)
    dialog_insight = field_of(line, Side.DIALOG_INSIGHT, dialog_insight_schema)
    types = kind_of(salesforce), kind_of(dialog_insight)
    if isinstance(line.dialog_insight, OptIn):
        name = "boolean"
    elif isinstance(line.dialog_insight, OptInDate):
        name = "date" if types[0] is T.DATE else "datetime"
    elif "." in line.salesforce and types == (T.UNKNOWN, T.UNKNOWN):
        name = "text"
    else:
        name = _default(*types)
    return converters.datetime(time_zone=time_zone) if name == "datetime" else _MAKERS[name]()


def _default(salesforce: FieldType, dialog_insight: FieldType) -> str:
    """Name the converter that belongs between two types."""
    name = next(name for here, there, name in CONVERTERS if salesforce in here and dialog_insight in there)
    if name != "number":
        return name
    return "integer" if (dialog_insight if salesforce is T.UNKNOWN else salesforce) is T.INTEGER else "decimal"


# What becomes of values -----------------------------------------------------------------------------------------------
Verdicts: TypeAlias = tuple[tuple[str, Side | None, Types, str | None], ...]

_MISMATCH: Final = "type.mismatch"
_NARROW: Final = "type.narrow"
_TIME_OF_DAY: Final = "type.time_of_day"
_MULTIPLE: Final = "type.multi_choice"
_SF: Final = Side.SALESFORCE
_DI: Final = Side.DIALOG_INSIGHT


def _each(kinds: str, rows: Iterable[tuple[Side | None, Types, str | None]]) -> Verdicts:
    return tuple((kind, *row) for kind in kinds.split() for row in rows)


READS: Final[Verdicts] = (
    # kind of converter, side that is read, types, finding (None: every value is read); what is not listed: no value
    *_each("as_is pair", [(None, ANY - PARTS, None)]),
    *_each("text", [(None, STRINGS | NUMBERS | IDS | {T.DATE, T.DATETIME, T.MULTI_CHOICE}, None)]),
    *_each(
        "integer",
        [(None, frozenset({T.INTEGER}), None), (_DI, IDS, None), (None, STRINGS | {T.DECIMAL}, _NARROW)],
    ),
    *_each("decimal", [(None, NUMBERS, None), (_DI, IDS, None), (None, STRINGS, _NARROW)]),
    *_each("boolean", [(None, frozenset({T.BOOLEAN, T.OPT_IN}), None), (None, FREE | NUMBERS | {T.CHOICE}, _NARROW)]),
    *_each(
        "date",
        [(None, frozenset({T.DATE}), None), (None, frozenset({T.DATETIME}), _TIME_OF_DAY), (None, FREE, _NARROW)],
    ),
    *_each(
        "datetime",
        [(None, frozenset({T.DATETIME}), None), (_DI, frozenset({T.DATE}), None), (None, FREE, _NARROW)],
    ),
    *_each("email phone", [(None, STRINGS | NUMBERS, None)]),
    *_each("choice", [(None, STRINGS | NUMBERS, None), (None, frozenset({T.MULTI_CHOICE}), _MULTIPLE)]),
    *_each("multi_choice", [(None, STRINGS | {T.MULTI_CHOICE}, None)]),
    *_each("record_id", [(_SF, IDS, None), (None, FREE, _NARROW)]),
)
"""Which values of a field a converter can read."""

WRITES: Final[Verdicts] = (
    # kind of converter, side that is written, types, finding (None: every value fits); what is not listed: no value
    *_each("as_is pair", [(None, ANY - PARTS, None)]),
    *_each(
        "text",
        [
            (None, TEXTS | {T.PHONE, T.CHOICE}, None),
            (None, frozenset({T.MULTI_CHOICE}), _MULTIPLE),
            (None, NUMBERS | IDS | {T.EMAIL, T.TIME, T.DATE, T.DATETIME}, _NARROW),
        ],
    ),
    *_each("integer", [(None, NUMBERS, None), (_DI, STRINGS | IDS, None)]),
    *_each("decimal", [(None, frozenset({T.DECIMAL}), None), (None, NUMBERS, _NARROW), (_DI, STRINGS, None)]),
    *_each("boolean", [(None, frozenset({T.BOOLEAN, T.OPT_IN}), None), (_DI, FREE | NUMBERS | {T.CHOICE}, _NARROW)]),
    *_each("date", [(None, FREE | {T.DATE}, None), (_DI, frozenset({T.DATETIME}), None)]),
    *_each("datetime", [(None, FREE | {T.DATETIME}, None), (_DI, frozenset({T.DATE}), _TIME_OF_DAY)]),
    *_each("email", [(None, TEXTS, None), (None, frozenset({T.EMAIL, T.CHOICE, T.PHONE}), _NARROW)]),
    *_each("phone", [(None, TEXTS | {T.PHONE}, None), (None, STRINGS | NUMBERS, _NARROW)]),
    *_each("choice", [(None, STRINGS | {T.MULTI_CHOICE}, None), (_DI, NUMBERS, _NARROW)]),
    *_each("multi_choice", [(None, FREE | {T.MULTI_CHOICE}, None), (None, frozenset({T.CHOICE}), _MULTIPLE)]),
    *_each(
        "record_id",
        [
            (_SF, IDS | FREE, None),
            (_DI, FREE | {T.CHOICE}, None),
            (_DI, IDS | NUMBERS, "reference.not_translated"),
        ],
    ),
)
"""Which values of a converter fit into a field."""


def _kind(converter: Converter) -> str | None:
    """Give a converter's name in the tables; None for one of the user's own class, which cannot be judged."""
    if isinstance(converter, DecimalNumber) and converter.scale == 0:
        return "integer"
    kind = getattr(converter, "kind", None)
    return kind if isinstance(kind, str) and any(kind == row[0] for row in WRITES) else None


def _verdict(table: Verdicts, kind: str, side: Side, type_: FieldType) -> str | None:
    for here, where, types, code in table:
        if here == kind and where in (None, side) and type_ in types:
            return code
    return _MISMATCH


def fit(converter: Converter, source: FieldSchema | None, target: FieldSchema | None, *, to: Side) -> str | None:
    """Tell what becomes of a field's values on their way to the other side: the code of the finding, None if they fit.

    Args:
        converter: The line's converter.
        source: The field that is read; None: nothing is known.
        target: The field that is written, on side `to`; None: nothing is known.
        to: The side that is written.
    """
    if {kind_of(source), kind_of(target)} & PARTS:
        return "field.compound"
    kind = _kind(converter)
    if kind is None:
        return None
    here, there = kind_of(source), kind_of(target)
    if here is there and here not in IDS and kind == _default(here, there):
        return None  # the same type with its own converter: what one side holds, the other can hold
    codes = (
        None if here is T.UNKNOWN else _verdict(READS, kind, to.other, here),
        None if there is T.UNKNOWN else _verdict(WRITES, kind, to, there),
    )
    # An error outweighs a warning; of two alike, what the target says is the nearer to the cause.
    fatal = next((code for code in codes if code in _FATAL), None)
    return fatal if fatal or here is T.UNKNOWN else codes[1] or codes[0]  # of unknown values nothing less can be said


_FATAL: Final = frozenset({_MISMATCH, "reference.not_translated"})
