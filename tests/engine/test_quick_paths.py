"""Laws of the quick paths: what is told sooner of a value is what the long way would have said of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce import FieldMapping, ObjectTransfer, converters
from di_salesforce.engine import Context, FieldState
from di_salesforce.engine._bytes import differing, pack, same
from di_salesforce.engine._lines import BoundLine, Undefined, are_sound, value_flaw
from di_salesforce.engine._pair import has_moved
from di_salesforce.exceptions import ConversionError
from di_salesforce.protocols import Converter
from di_salesforce.records import UNSET, Side, Value
from di_salesforce.triggers import Direction

VALUES: tuple[Value, ...] = (
    *(1, True, 1.0, Decimal(1), Decimal("1.0"), "1", "1.0", 0, False, 0.0, -0.0, Decimal(0), Decimal("-0")),
    *(None, "", " ", "é", "e\u0301", "a", "A", "ada@test.example", "Ada@Test.Example "),
    *(Decimal("1e99"), Decimal("1e100"), Decimal("1e401"), Decimal("-1e-401"), Decimal("NaN"), Decimal("Infinity")),
    *(float("nan"), float("inf"), 10**500, date(2026, 5, 1), datetime(2026, 5, 1), datetime(2026, 5, 1, tzinfo=UTC)),
)
CONVERTERS: tuple[Converter, ...] = (
    converters.AS_IS,
    converters.text(),
    converters.email(),
    converters.decimal(),
    converters.boolean(),
    converters.date(),
)
values = st.sampled_from(VALUES) | st.decimals(allow_nan=False, allow_infinity=False) | st.text(max_size=3)


def bound(converter: Converter, direction: Direction = Direction.BOTH) -> BoundLine:
    """Give a line that is compared by a converter."""
    fields = [FieldMapping("Key", "key", key=True), FieldMapping("A", "a", converter=converter, direction=direction)]
    transfer = ObjectTransfer("t", sobject="T", fields=fields)
    return BoundLine.of(transfer.lines[1], transfer, Context())


def normal(converter: Converter, side: Side, value: Value) -> Hashable:
    """Give a value's normal form the long way; one that has none is equal to nothing but itself."""
    try:
        return converter.normal(side, value)
    except ConversionError:
        return ("raw", type(value).__name__, repr(value))


known = values.filter(lambda value: not isinstance(value, (float, Decimal)) or math.isfinite(value))  # as kept ones are


@given(st.lists(st.tuples(known, known), min_size=1, max_size=20))
def test_packed_rows_differ_just_where_their_values_do(pairs: list[tuple[Value, Value]]) -> None:
    """Every place at which two values are not the same is told, and no other one."""
    one, other = pack([left for left, _ in pairs]), pack([right for _, right in pairs])
    assert one is not None and other is not None
    expected = [place for place, pair in enumerate(pairs) if not same(*pair)]
    assert sorted(differing(one, other, len(pairs))) == expected


@given(st.sampled_from(CONVERTERS), values, values, st.sampled_from(Side))
def test_a_value_has_moved_just_where_its_normal_form_did(
    converter: Converter, base: Value, now: Value, side: Side
) -> None:
    """That nothing moved is told of the very same value sooner, and of no other one."""
    state = FieldState(base=(base, base))
    moved = normal(converter, side, now) != normal(converter, side, base)
    assert has_moved(bound(converter), side, state, now) is moved


def _reads_as(source: Value, target: Value, to: Side) -> bool:
    try:
        converted = converters.AS_IS.convert(source, to=to)
    except ConversionError:
        return False
    return normal(converters.AS_IS, to, converted) == normal(converters.AS_IS, to, target)


@pytest.mark.parametrize("direction", list(Direction))
def test_values_without_a_converter_agree_as_their_normal_forms_do(direction: Direction) -> None:
    """What lines without a converter say at once is what converting and comparing would have said."""
    line = bound(converters.AS_IS, direction)
    for one, other in itertools.product(VALUES, repeat=2):
        to_dialog_insight = direction.allows(Side.DIALOG_INSIGHT) and _reads_as(one, other, Side.DIALOG_INSIGHT)
        to_salesforce = direction.allows(Side.SALESFORCE) and _reads_as(other, one, Side.SALESFORCE)
        assert line.agree(one, other) is (to_dialog_insight or to_salesforce), (one, other)


@given(values, st.sampled_from(Side))
def test_values_without_a_converter_are_taken_over_as_the_converter_says(value: Value, to: Side) -> None:
    """The very same value, null for a blank, and a refusal of what is no number."""
    told = bound(converters.AS_IS).convert(value, to=to)
    if isinstance(told, Undefined):
        with pytest.raises(ConversionError) as refused:
            converters.AS_IS.convert(value, to=to)
        assert told.code == refused.value.code
    else:
        assert same(told, converters.AS_IS.convert(value, to=to))


class _Text(str):
    __slots__ = ()


@given(st.lists(values | st.sampled_from([UNSET, ["a"], {"a": 1}, b"a", _Text("a")]), max_size=4))
def test_values_are_sound_together_only_if_each_is(listed: list[Any]) -> None:
    """Many values at once are never called sound where one of them is no value."""
    if are_sound(listed):
        assert not any(map(value_flaw, listed))
