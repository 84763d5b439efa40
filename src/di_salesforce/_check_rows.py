"""The third depth of `check`: real rows are tried, and what would be refused is counted by cause.

What may not go in here: reading rows (they are given), and anything kept of people's data but the examples of findings,
which are masked unless they were asked for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, TypeAlias

import attrs

from di_salesforce._cells import masked
from di_salesforce._check_ground import Ground
from di_salesforce._compatibility import NUMBERS, STRINGS, kind_of
from di_salesforce._findings import Finding, found
from di_salesforce._lenses import SEPARATORS, Text
from di_salesforce.exceptions import ConfigurationError, ConversionError
from di_salesforce.mapping import FieldMapping
from di_salesforce.protocols import Converter
from di_salesforce.records import UNSET, Row, Side, Value, is_blank, record_id_18
from di_salesforce.schema import FieldSchema, FieldType

__all__ = ["row_findings"]

Key: TypeAlias = tuple[Hashable, ...]

_EXAMPLES: Final = 3  # as many as show a pattern
_SHOWN: Final = 40  # characters of an example
# What neither service can take for an address.
_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
# What both surely take: Salesforce's help lists these signs, takes a point in the middle only, and of names the plain
# ones [seen: article 000001145]; Dialog Insight's rule is unknown.  Between the two rules nobody knows but the service.
_ORDINARY: Final = re.compile(
    r"(?=.{1,64}@)[A-Za-z0-9_+-]+(?:[.'&][A-Za-z0-9_+-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}"
)


def _written(value: Value) -> str:
    try:
        return str(value)
    except ValueError:  # Python writes out no whole number of thousands of digits
        return f"<{type(value).__name__}>"


_ODD: Final = "rows.odd_address"  # the one cause that says "may be refused", and does not count as refused


@attrs.frozen(order=True)
class _Cause:
    """Why a value would be refused, and where; causes of one line are told apart by the sentence."""

    path: str
    code: str
    sentence: str
    remedy: str


@attrs.frozen
class _Line:
    """One line on its way to the other side, as far as it can be judged."""

    path: str
    line: FieldMapping
    name: str
    converter: Converter | None
    target: FieldSchema | None
    required: bool
    has_default: bool

    def causes(self, value: Value, to: Side) -> Iterator[_Cause]:
        """Say why a value would be refused on that side."""
        if is_blank(value) and not self.line.key and self.required and not self.has_default:
            yield self._cause(
                "rows.blank_required",
                f"{self.name} is blank, and {to.label} takes no new record without {self.line.field(to)}",
                f"give the line a {to.value}_default=",
            )
        if self.converter is None:
            return
        try:
            converted = self.converter.convert(value, to=to)
            self.converter.normal(to.other, value)
        except ConversionError as error:
            yield self._cause(
                "rows.not_convertible", f"{self.name}: {error}", "mend the rows, or give the line a converter"
            )
            return
        except Exception as error:  # noqa: BLE001 - a converter of the user's own may raise anything, and check goes on
            name = type(error).__name__
            yield self._cause("rows.not_convertible", f"{self.name}: its converter raised {name}", "mend the converter")
            return
        if self.target is not None and not is_blank(converted):
            yield from self._limits(self.target, converted, to)

    def _limits(self, target: FieldSchema, value: Value, to: Side) -> Iterator[_Cause]:
        place = f"{to.label}'s {target.name}"
        if isinstance(value, str):
            limited = target.type in STRINGS | {FieldType.MULTI_CHOICE, FieldType.UNKNOWN}
            if limited and target.length is not None and len(value) > target.length:
                yield self._cause(
                    "rows.too_long",
                    f"{self.name} is longer than the {target.length} characters of {place}",
                    "mend the rows, or make the field wider"
                    + (f"; to cut it: text(truncate={target.length})" if isinstance(self.converter, Text) else ""),
                )
            if target.restricted and target.choices:
                parts = value.split(SEPARATORS[to]) if target.type is FieldType.MULTI_CHOICE else [value]
                if not set(parts) <= set(target.choices):
                    yield self._cause(
                        "rows.not_in_picklist",
                        f"{self.name} is not among the values of the restricted {place}",
                        "give the line a map, choice({...}), or add the values there",
                    )
            if target.type is FieldType.EMAIL and not _ADDRESS.fullmatch(value):
                yield self._cause("rows.not_an_address", f"{self.name} is no e-mail address", "mend the rows")
            elif target.type is FieldType.EMAIL and not _ORDINARY.fullmatch(value):
                yield self._cause(
                    _ODD,
                    f"{self.name} is an unusual e-mail address, and {to.label} may refuse it",
                    "nothing to do if a test record with it is taken; else mend the rows",
                )
        elif kind_of(target) in NUMBERS and target.precision is not None and not isinstance(value, bool):
            before = target.precision - (0 if kind_of(target) is FieldType.INTEGER else target.scale or 0)
            if _digits_before(value) > before:
                yield self._cause(
                    "rows.too_large",
                    f"{self.name} has more than the {before} digits before the point of {place}",
                    "mend the rows, or make the field wider",
                )

    def _cause(self, code: str, sentence: str, remedy: str) -> _Cause:
        return _Cause(self.path, code, sentence, remedy)


def _digits_before(value: Value) -> int:
    try:
        number = Decimal(_written(value))
    except InvalidOperation:
        return 0  # no number: nothing to say about its digits
    return max(0, number.adjusted() + 1) if number.is_finite() and number else 0


@attrs.define
class _Tally:
    """What is counted while the rows pass by."""

    side: Side
    show_values: bool
    rows: int = 0
    refused: int = 0
    filter_failed: int = 0
    counts: Counter[_Cause] = attrs.field(factory=Counter[_Cause])
    examples: dict[_Cause, list[str]] = attrs.field(factory=dict[_Cause, list[str]])
    seen: Counter[str] = attrs.field(factory=Counter[str])
    keys: Counter[Key] = attrs.field(factory=Counter[Key])

    def add(self, cause: _Cause, place: str, value: Value) -> None:
        """Count one refused value, and keep the first few as examples."""
        self.counts[cause] += 1
        kept = self.examples.setdefault(cause, [])
        if len(kept) < _EXAMPLES:
            shown = _written(value) if self.show_values else masked(_written(value))
            cut = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
            kept.append(place if value is None else f"{place}: {cut!r}, {len(shown)} characters")


def _lines(ground: Ground, side: Side) -> list[_Line]:
    to = side.other
    lines: list[_Line] = []
    for path, line in ground.transfer.placed:
        if line.references is not None or not (line.key or ground.flows(line, to)):
            continue
        target = ground.field(line, to)
        default = line.default(to)
        lines.append(
            _Line(
                path,
                line,
                line.field(side),
                ground.converter(line),
                target if ground.flows(line, to) else None,
                target is not None and target.required and target.default is UNSET and ground.creates(to),
                default is not UNSET and not is_blank(default),
            )
        )
    return lines


def _count(ground: Ground, side: Side, *, show_values: bool) -> _Tally:
    tally = _Tally(side, show_values)
    lines = _lines(ground, side)
    keys = [line for line in lines if line.line.key]
    for number, row in enumerate(ground.known(side).rows or (), start=1):
        if not isinstance(row, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may have no type checker
            raise ConfigurationError(f"row {number} of {side.label} is no mapping of field names to values")
        if side is Side.DIALOG_INSIGHT and not _takes_part(ground, row, tally):
            continue
        tally.rows += 1
        place = _name_of(ground, side, row, number)
        refused = _try_row(lines, row, place, tally)
        if keys and any(is_blank(row.get(line.name)) for line in keys):
            names = ", ".join(line.name for line in keys)
            remedy = "leave them out with a filter, or choose another key"
            tally.add(_Cause("fields", "rows.key_missing", f"the key ({names}) is blank", remedy), place, None)
            refused = True
        elif (key := _key(keys, side, row)) is not None:
            tally.keys[key] += 1
        tally.refused += refused
    return tally


def _takes_part(ground: Ground, row: Row, tally: _Tally) -> bool:
    accept = ground.transfer.dialog_insight_filter
    if accept is None:
        return True
    try:
        return bool(accept(row))
    except Exception:  # noqa: BLE001 - a filter of the user's own may raise anything; it becomes a finding
        tally.filter_failed += 1
        return False


def _name_of(ground: Ground, side: Side, row: Row, number: int) -> str:
    """Name a row by its number and its record id; a key may be a person's address."""
    record_id = row.get(ground.transfer.id_field(side) or "")
    if isinstance(record_id, str):
        is_id = record_id_18(record_id) is not None
    else:
        is_id = isinstance(record_id, int) and record_id.bit_length() < 64  # what Dialog Insight's ids fit into
    return f"row {number} ({record_id})" if is_id else f"row {number}"


def _try_row(lines: list[_Line], row: Row, place: str, tally: _Tally) -> bool:
    refused = False
    for line in lines:
        value = row.get(line.name, UNSET)
        if value is UNSET:
            continue
        tally.seen[line.path] += 1
        for cause in line.causes(value, tally.side.other):
            tally.add(cause, place, value)
            refused |= cause.code != _ODD
    return refused


def _key(keys: list[_Line], side: Side, row: Row) -> Key | None:
    """Give a row's key as Dialog Insight would compare it; None where it has none."""
    parts: list[Hashable] = []
    for line in keys:
        value = row.get(line.name)
        if line.converter is None:
            return None  # nothing tells which values are alike
        try:
            there = line.converter.convert(value, to=Side.DIALOG_INSIGHT) if side is Side.SALESFORCE else value
            parts.append(line.converter.normal(Side.DIALOG_INSIGHT, there))
        except Exception:  # noqa: BLE001 - said already: `rows.not_convertible`
            return None
    return tuple(parts) if parts and None not in parts else None


def _share(count: int, rows: int) -> str:
    return f"{count} of {rows} rows ({100 * count / rows:.1f} %)"


def _one_side(ground: Ground, tally: _Tally) -> Iterator[Finding]:
    side, rows = tally.side, tally.rows
    if tally.filter_failed:
        yield found(
            "rows.filter_failed",
            ground.place("dialog_insight_filter"),
            f"the filter raises an error on {tally.filter_failed} rows of {side.label}",
            "let it answer for every row, also for one with blank or missing fields",
            side=side,
            count=tally.filter_failed,
        )
    for cause in sorted(tally.counts):
        count = tally.counts[cause]
        yield found(
            cause.code,
            ground.place(cause.path),
            f"{_share(count, rows)} from {side.label}: {cause.sentence}",
            cause.remedy,
            side=side,
            count=count,
            of=rows,
            examples=tally.examples[cause],
        )
    if shared := sum(count for count in tally.keys.values() if count > 1):
        yield found(
            "rows.key_duplicate",
            ground.place("fields"),
            f"{_share(shared, rows)} from {side.label} share a key with another row, and would be rejected",
            "merge them, leave some out with a filter, or choose another key",
            side=side,
            count=shared,
            of=rows,
        )
    for line in _lines(ground, side):
        if rows and not tally.seen[line.path]:
            yield found(
                "rows.absent",
                ground.place(line.path),
                f"{line.name} is in none of the {rows} rows from {side.label}",
                "read or export the field too, or leave the line out",
                side=side,
                of=rows,
            )
    refused = tally.refused
    yield found(
        "rows.all_refused" if rows and refused == rows else "rows.checked",
        ground.place(),
        f"{_share(refused, rows)} from {side.label} would be refused"
        if rows
        else f"there are no rows from {side.label}",
        "the findings about rows name the causes" if refused else "nothing to do",
        side=side,
        count=refused,
        of=rows,
    )


def row_findings(ground: Ground, *, show_values: bool) -> Iterator[Finding]:
    """Try the rows of both sides; each iterable is walked once."""
    tallies = [_count(ground, side, show_values=show_values) for side in Side if ground.known(side).rows is not None]
    for tally in tallies:
        yield from _one_side(ground, tally)
    match tallies:
        case [here, there] if here.keys and there.keys:
            common = len(here.keys.keys() & there.keys.keys())
            only = [len(tally.keys) - common for tally in tallies]
            yield found(
                "rows.matching" if common else "rows.no_match",
                ground.place("fields"),
                f"{common} keys are on both sides, {only[0]} in Salesforce only, {only[1]} in Dialog Insight only",
                "nothing to do" if common else "compare the key's values on both sides: is it the right field?",
                count=common,
            )
        case _:
            pass
