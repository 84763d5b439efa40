"""The rules of `check` for what a field can hold: lengths, digits, picklists.

What may not go in here: anything that a field's type alone decides (`_check_fields.py`, `_compatibility.py`).
"""

from __future__ import annotations

from typing import Final

from di_salesforce._check_ground import Found, Ground, Rule, described, listed
from di_salesforce._compatibility import FREE, NUMBERS, STRINGS, kind_of
from di_salesforce._lenses import SEPARATORS, Choice, DecimalNumber, MultiChoice, RecordId, Text
from di_salesforce.mapping import FieldMapping
from di_salesforce.records import Side
from di_salesforce.schema import FieldSchema, FieldType

__all__ = ["LIMIT_RULES"]


# Lengths and digits -------------------------------------------------------------------------------------------------
def _longest(converter: object, source: FieldSchema | None, to: Side) -> int | None:
    """Give the most characters that may arrive; None where that is not known."""
    if isinstance(converter, RecordId):
        return 18  # characters of a record id, as it is sent
    if isinstance(converter, Choice) and not isinstance(converter, MultiChoice):
        return max((len(pair[to is Side.DIALOG_INSIGHT]) for pair in converter.values), default=None)
    if source is None:
        return None
    if kind_of(source) in NUMBERS:
        return None if source.precision is None else source.precision + 2  # a sign and a point
    if source.type not in STRINGS | {FieldType.MULTI_CHOICE, FieldType.UNKNOWN}:
        return None
    longest = source.length
    if source.type is FieldType.CHOICE and source.choices:
        longest = max(map(len, source.choices))
    if isinstance(converter, Text) and converter.truncate is not None:
        return converter.truncate if longest is None else min(longest, converter.truncate)
    return longest


def _lengths(ground: Ground) -> Found:
    for path, line, to, source, target in ground.writes:
        converter = ground.converter(line)
        if converter is None or target is None or target.length is None:
            continue
        if target.type not in STRINGS | {FieldType.MULTI_CHOICE, FieldType.UNKNOWN}:
            continue
        longest = _longest(converter, source, to)
        if longest is not None and longest > target.length:
            yield ground.found(
                "text.too_long",
                path,
                f"{described(target, to)} holds {target.length} characters, and up to {longest} may come from "
                f"{line.field(to.other)}",
                "rows with longer text will be refused: make the field wider, or check with real rows"
                + (f"; to cut it: converter=text(truncate={target.length})" if isinstance(converter, Text) else ""),
                side=to,
            )


def _digits(field: FieldSchema) -> tuple[int | None, int | None]:
    """Give the digits before and behind the point that a number field keeps."""
    scale = 0 if kind_of(field) is FieldType.INTEGER else field.scale
    return (None if field.precision is None or scale is None else field.precision - scale), scale


def _numbers(ground: Ground) -> Found:
    for path, line, to, source, target in ground.writes:
        if source is None or target is None or not {kind_of(source), kind_of(target)} <= NUMBERS:
            continue
        (before, behind), (room_before, room_behind) = _digits(source), _digits(target)
        converter = ground.converter(line)
        if isinstance(converter, DecimalNumber) and converter.scale is not None:
            behind = converter.scale
        if before is not None and room_before is not None and before > room_before:
            yield ground.found(
                "number.too_large",
                path,
                f"{described(target, to)} keeps {room_before} digits before the point, {line.field(to.other)} {before}",
                "rows with larger numbers will be refused: make the field wider, or check with real rows",
                side=to,
            )
        if (
            kind_of(source) is FieldType.DECIMAL
            and behind is not None
            and room_behind is not None
            and behind > room_behind
        ):
            yield ground.found(
                "number.rounded",
                path,
                f"{described(target, to)} keeps {room_behind} digits behind the point, {line.field(to.other)} {behind}",
                f"say that it may be rounded: converter=decimal(scale={room_behind})",
                side=to,
            )


# Choices ------------------------------------------------------------------------------------------------------------
def _mapped(converter: object, side: Side) -> tuple[str, ...]:
    """Give the values of one side in a line's map."""
    pairs = converter.values if isinstance(converter, Choice) else ()
    return tuple(pair[side is Side.DIALOG_INSIGHT] for pair in pairs)


def _choices(ground: Ground) -> Found:
    for path, line, to, source, target in ground.writes:
        converter = ground.converter(line)
        written = _mapped(converter, to)
        if written and source is not None and source.choices:
            rest = [value for value in source.choices if value not in _mapped(converter, to.other)]
            if rest:
                yield ground.found(
                    "choice.not_mapped",
                    path,
                    f"{described(source, to.other)} has values that the line's map does not hold: {listed(rest)}",
                    "rows with them will be refused: add them to the map",
                    side=to.other,
                )
        if target is not None and target.restricted and target.choices:
            yield from _restricted(ground, path, line, to, source, target, written)
        bad = [value for value in (source.choices if source is not None else ()) if SEPARATORS[to] in value]
        if bad and source is not None and isinstance(converter, MultiChoice) and not written:
            yield ground.found(
                "choice.separator",
                path,
                f"{described(source, to.other)} has values with {SEPARATORS[to]!r} in them, which separates choices in "
                f"{to.label}: {listed(bad)}",
                "give the line a map: multi_choice({...})",
                side=to.other,
            )


def _restricted(
    ground: Ground,
    path: str,
    line: FieldMapping,
    to: Side,
    source: FieldSchema | None,
    target: FieldSchema,
    written: tuple[str, ...],
) -> Found:
    name = described(target, to)
    if written:
        if bad := [value for value in dict.fromkeys(written) if value not in target.choices]:
            yield ground.found(
                "choice.not_in_picklist",
                path,
                f"the line's map writes what the restricted {name} does not have: {listed(bad)}",
                f"it has {listed(target.choices)}",
                side=to,
            )
        return
    converter = ground.converter(line)
    if source is not None and source.choices:
        if bad := [value for value in source.choices if value not in target.choices]:
            yield ground.found(
                "choice.different",
                path,
                f"the restricted {name} does not have {listed(bad)}, which {line.field(to.other)} has",
                "rows with them will be refused: give the line a map, choice({...}), or add the values there",
                side=to,
            )
    elif isinstance(converter, Text) and (source is None or kind_of(source) in FREE | {FieldType.UNKNOWN}):
        yield ground.found(
            "choice.unmapped",
            path,
            f"any text of {line.field(to.other)} flows into the restricted {name}",
            f"rows with other values than {listed(target.choices)} will be refused: give the line a map, "
            "choice({...})",
            side=to,
        )


def _record_types(ground: Ground) -> Found:
    schema = ground.schema(Side.SALESFORCE)
    if schema is None or not schema.record_types:
        return
    for path, _, to, _, target in ground.writes:
        if to is Side.SALESFORCE and target is not None and target.restricted and target.choices:
            yield ground.found(
                "choice.record_type",
                path,
                f"which values {described(target, to)} takes depends on the record's type "
                f"({listed(schema.record_types)}): a value that is in the list may be refused",
                "let the record types that are written have all of the values; new records get the user's default "
                "type, unless a Constant gives RecordTypeId",
                side=to,
            )


LIMIT_RULES: Final[tuple[Rule, ...]] = (_lengths, _numbers, _choices, _record_types)
