"""A transfer's lines made ready for one run: how each value reads, converts and agrees.

What may not go in here: state.  Conversion failures stay inside: a value without a normal form is its own raw self, a
value without a counterpart is an answer (`Undefined`), so that one bad row never stops a run.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Final

import attrs

from di_salesforce._lenses import AsIs
from di_salesforce.converters import AS_IS
from di_salesforce.engine._context import Context
from di_salesforce.engine._memory import KeyText, Life, digest
from di_salesforce.exceptions import ConversionError
from di_salesforce.mapping import Constant, FieldMapping, ObjectTransfer
from di_salesforce.protocols import Converter
from di_salesforce.records import UNSET, Row, Side, UnsetType, Value, is_blank, record_id_18
from di_salesforce.triggers import ConflictPolicy, Direction, Trigger

__all__ = ["BoundLine", "BoundTransfer", "Undefined", "are_sound", "normal_id", "value_flaw"]


@attrs.frozen
class Undefined:
    """A value has no form on the other side, for a reason that is shown by its code."""

    code: str

    @property
    def waits(self) -> bool:
        """Whether that may change: the parent that a lookup refers to is not linked yet."""
        return self.code == "reference.waiting"


@attrs.frozen
class _Outside:
    """A value outside of its line's domain: equal to nothing but itself."""

    written: str


def normal_id(side: Side, record_id: Value | UnsetType) -> str | None:
    """Give a record id as text in its one form, or None where there is none."""
    if type(record_id) is str and len(record_id) not in (0, 15):
        return record_id  # as below, and sooner: so it is nearly always
    if isinstance(record_id, UnsetType) or is_blank(record_id):
        return None
    written = str(int(record_id)) if isinstance(record_id, Decimal) and record_id == int(record_id) else str(record_id)
    # Any other length is its own form: 18 characters with their checksum, or no record id at all.
    return (record_id_18(written) or written) if side is Side.SALESFORCE and len(written) == 15 else written


_SOUND: Final = frozenset({type(None), str, int, bool, date, datetime, UnsetType})


def value_flaw(value: object) -> str:
    """Give the code of what makes something in a row no value at all, whatever its converter; empty where it is one."""
    if type(value) in _SOUND:
        return ""  # sooner told than by the questions below
    if isinstance(value, (str, int, date)):
        return ""  # of a kind of their own
    if isinstance(value, float):
        return "" if math.isfinite(value) else "value.not_number"
    if isinstance(value, Decimal):
        return "" if value.is_finite() else "value.not_number"
    return "value.not_scalar"


def are_sound(values: Iterable[object]) -> bool:
    """Tell of many values by their mere types that each is one; those of other types are to be looked at."""
    listed = list(values)
    odd = set(map(type, listed)) - _SOUND
    return not odd or (odd == {Decimal} and all(value.is_finite() for value in listed if isinstance(value, Decimal)))


_EXACT: Final = frozenset({str, int, bool})
_USUAL_DIGITS: Final = 100  # before or behind the point: of wider decimals the converter says whether they will do


def _is_plain(value: Value) -> bool:
    """Tell whether a value is one that lines without a converter take over as it is."""
    return value.__class__ in _EXACT or (
        isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < _USUAL_DIGITS
    )


@attrs.frozen
class BoundLine:
    """One line with its converter at hand; a lookup is translated through the links of the transfer it names.

    What is asked for at every pair is worked out once, by `BoundLine.of`.
    """

    mapping: FieldMapping
    converter: Converter
    context: Context
    first_match: ConflictPolicy
    first_match_declared: bool
    name: str  # in plans and stores
    flows: Direction  # whose value is the truth
    receives: tuple[bool, bool]  # whether Salesforce may receive it, whether Dialog Insight may
    version: str  # stored with a baseline: it changes when values may read otherwise
    fields: tuple[str, str]  # its name in Salesforce's rows, and in Dialog Insight's
    _is_as_it_is: bool = attrs.field(alias="is_as_it_is")  # values compare as they are

    @classmethod
    def of(cls, mapping: FieldMapping, transfer: ObjectTransfer, context: Context) -> BoundLine:
        """Bind one line of a transfer to the circumstances of a run."""
        converter, flows = mapping.converter or AS_IS, mapping.flows
        return cls(
            mapping,
            converter,
            context,
            transfer.default_first_match(mapping),
            mapping.first_match is not None,
            mapping.name,
            flows,
            (flows.allows(Side.SALESFORCE), flows.allows(Side.DIALOG_INSIGHT)),
            f"reference:{mapping.references}" if mapping.references else converter.version,
            (mapping.field(Side.SALESFORCE), mapping.field(Side.DIALOG_INSIGHT)),
            type(converter) is AsIs and mapping.references is None,
        )

    def field(self, side: Side) -> str:
        """The field's name in that side's rows."""
        return self.fields[0 if side is Side.SALESFORCE else 1]

    def normal(self, side: Side, value: Value) -> Hashable:
        """Give that side's own normal form."""
        if self._is_as_it_is and value.__class__ is str:
            return value or None  # as the converter says, and sooner, here and below
        if self.mapping.references is not None:
            return normal_id(side, value)
        try:
            return self.converter.normal(side, value)
        except ConversionError:
            return _Outside(repr(value))

    def convert(self, value: Value, *, to: Side) -> Value | Undefined:
        """Give the other side's native value, or why there is none."""
        if self._is_as_it_is and _is_plain(value):
            return None if value == "" else value
        if self.mapping.references is not None:
            return self._translated(self.mapping.references, value, to)
        try:
            return self.converter.convert(value, to=to)
        except ConversionError as error:
            return Undefined(error.code)

    def _translated(self, transfer: str, value: Value, to: Side) -> Value | Undefined:
        wanted = normal_id(to.other, value)
        if wanted is None:
            return None
        parents = self.context.links.get(transfer)
        link = parents.find(to.other, wanted) if parents is not None else None
        found = link.record_id(to) if link is not None and link.life is Life.LIVE else None
        if found is None:
            return Undefined("reference.waiting")
        # Salesforce ids are text; a contact of Dialog Insight is numbered.
        return int(found) if to is Side.DIALOG_INSIGHT and found.isdecimal() else found

    def agree(self, salesforce: Value, dialog_insight: Value) -> bool:
        """Tell whether the two values are the same one, by the rule of the line's direction."""
        if (
            self._is_as_it_is
            and salesforce.__class__ is dialog_insight.__class__
            and _is_plain(salesforce)
            and _is_plain(dialog_insight)
        ):
            return salesforce == dialog_insight
        to_salesforce, to_dialog_insight = self.receives
        return (to_dialog_insight and self._reads_as(salesforce, dialog_insight, Side.DIALOG_INSIGHT)) or (
            to_salesforce and self._reads_as(dialog_insight, salesforce, Side.SALESFORCE)
        )

    def waits(self, salesforce: Value, dialog_insight: Value) -> bool:
        """Tell whether the two cannot be compared yet: no record that the lookup refers to is linked."""
        answers = [
            self.convert(salesforce if to is Side.DIALOG_INSIGHT else dialog_insight, to=to)
            for to in Side
            if self.mapping.references is not None and self.flows.allows(to)
        ]
        return bool(answers) and all(isinstance(answer, Undefined) and answer.waits for answer in answers)

    def _reads_as(self, source: Value, target: Value, to: Side) -> bool:
        converted = self.convert(source, to=to)
        return not isinstance(converted, Undefined) and self.normal(to, converted) == self.normal(to, target)

    def opted_in(self, side: Side, value: Value) -> bool | None:
        """Read a consent value as opted in, not opted in, or unknown (None)."""
        if is_blank(value):
            return None
        there = value if side is Side.DIALOG_INSIGHT else self.convert(value, to=Side.DIALOG_INSIGHT)
        if isinstance(there, Undefined):
            return None
        normal = self.normal(Side.DIALOG_INSIGHT, there)
        if isinstance(normal, bool):
            return normal
        text = str(there).strip().lower()
        return True if text in {"1", "true"} else False if text in {"0", "false"} else None


_NUMBER_MARK: Final = "\x00"  # no service's text begins with it, so the number 5 and the text "5" stay apart


def _key_part(normal: Hashable) -> str | None:
    match normal:
        case None:
            return None
        case str():
            return normal
        case bool():
            return f"{_NUMBER_MARK}{normal}"
        case int() | float() | Decimal():
            number = Decimal(repr(normal)) if isinstance(normal, float) else Decimal(normal)
            return f"{_NUMBER_MARK}{number.normalize():f}"
        case _:
            return f"{_NUMBER_MARK}{normal!r}"


@attrs.frozen
class BoundTransfer:
    """A transfer's lines, groups and key, ready for one run."""

    transfer: ObjectTransfer
    lines: Mapping[str, BoundLine]
    groups: Mapping[str, tuple[BoundLine, ...]]
    key_lines: tuple[BoundLine, ...]
    allowed: Trigger
    creates_from: frozenset[Side]  # sides a record of which may be created on the other one
    updates_from: frozenset[Side]  # sides an edit on which may change the other one
    fields: tuple[tuple[str, ...], tuple[str, ...]]  # the lines' names in Salesforce's rows, and in Dialog Insight's
    constants: tuple[Constant, ...]

    @classmethod
    def of(cls, transfer: ObjectTransfer, context: Context) -> BoundTransfer:
        """Bind a transfer to the circumstances of a run."""
        lines = {line.name: BoundLine.of(line, transfer, context) for line in transfer.lines}
        return cls(
            transfer,
            lines,
            {name: tuple(lines[line.name] for line in group) for name, group in transfer.groups.items()},
            tuple(lines[line.name] for line in transfer.key_lines),
            transfer.allowed,
            frozenset(side for side in Side if transfer.allowed.allows_create(side)),
            frozenset(side for side in Side if transfer.allowed.allows_update(side)),
            (tuple(line.fields[0] for line in lines.values()), tuple(line.fields[1] for line in lines.values())),
            transfer.constants,
        )

    def record_id(self, side: Side, row: Row) -> str | None:
        """Give a row's native id in its one form; None for a relational row."""
        field = self.transfer.id_field(side)
        return None if field is None else normal_id(side, row.get(field))

    def row_name(self, side: Side, row: Row) -> str:
        """Name a row among its side's rows: its record id, else (a digest of) its key, else of all that is mapped."""
        record_id = self.record_id(side, row)
        if record_id is not None:
            return record_id
        key = self.key(side, row)
        if isinstance(key, tuple):
            return digest(key)
        held = (f"{name}={row.get(line.field(side), UNSET)!r}" for name, line in self.lines.items())
        return digest(side.value, tuple(held))  # the side, so that no key of as many texts is the same

    def key(self, side: Side, row: Row) -> KeyText | Undefined | None:
        """Give a row's normalised key in Dialog Insight's form; None where it is blank or was not read."""
        return self.normal_form(self.key_lines, side, row)

    def normal_form(self, lines: tuple[BoundLine, ...], side: Side, row: Row) -> KeyText | Undefined | None:
        """Give some lines' values in Dialog Insight's form, normalised; None where one is blank or was not read."""
        parts: list[str] = []
        for line in lines:
            value = row.get(line.field(side))
            if is_blank(value):
                return None
            if flaw := value_flaw(value):
                return Undefined(flaw)
            there = value if side is Side.DIALOG_INSIGHT else line.convert(value, to=Side.DIALOG_INSIGHT)
            if isinstance(there, Undefined):
                return there
            part = _key_part(line.normal(Side.DIALOG_INSIGHT, there))
            if part is None:
                return None
            parts.append(part)
        return tuple(parts)

    def key_values(self, side: Side, row: Row) -> tuple[Value, ...]:
        """Give a row's key as that side writes it."""
        values = [row.get(line.field(side)) for line in self.key_lines]
        return tuple([None if value_flaw(value) else value for value in values])

    def key_for(self, to: Side, values: tuple[Value, ...]) -> tuple[Value, ...] | None:
        """Give the other side's key as `to` would write it; None where a part has no form there."""
        converted = tuple(line.convert(value, to=to) for line, value in zip(self.key_lines, values, strict=True))
        clean = tuple(value for value in converted if not isinstance(value, Undefined))
        return clean if len(clean) == len(converted) else None

    def normalised(self, side: Side, values: tuple[Value, ...]) -> KeyText | Undefined | None:
        """Normalise key values as that side writes them; None where they are not as many as the key has parts."""
        if len(values) != len(self.key_lines):
            return None
        return self.key(side, {line.field(side): value for line, value in zip(self.key_lines, values, strict=True)})
