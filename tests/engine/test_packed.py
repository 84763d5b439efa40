"""Laws of packed links: in little room they are the mapping of states that they were made from."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.engine import FieldState
from di_salesforce.engine._memory import Relation
from di_salesforce.engine._packed import PackedFields, _from_columns, from_plain_fields, states_of, tight, with_states
from di_salesforce.records import UNSET, Side, Value

S = Side.SALESFORCE

VALUES: tuple[Value, ...] = (
    *(1, True, 1.0, Decimal(1), Decimal("1.0"), "1", 0, -0.0, None, "", "é", "\ud800", Decimal("NaN"), float("inf")),
    *(10**500, date(2026, 5, 1), datetime(2026, 5, 1), datetime(2026, 5, 1, tzinfo=UTC)),
)
values = st.sampled_from(VALUES) | st.decimals(allow_nan=False, allow_infinity=False) | st.text(max_size=3)
known = values.filter(lambda value: not isinstance(value, (float, Decimal)) or math.isfinite(value))  # as kept ones are


@st.composite
def states(draw: st.DrawFn, *, is_plain: bool) -> FieldState:
    """Draw what is remembered of a line; a plain one agreed on values of known types, and was seen like that."""
    bases = st.tuples(known, known) if is_plain else st.none() | st.tuples(values, values)
    return FieldState(
        base=draw(bases),
        rel=draw(st.sampled_from(Relation)),
        seen=(UNSET, UNSET) if is_plain else draw(st.tuples(values | st.just(UNSET), values | st.just(UNSET))),
        bounce=draw(st.integers(0, 2)),
        wrote=draw(st.none() | st.sampled_from(Side)),
        unverified=draw(st.booleans()),
        version=draw(st.sampled_from(["", "text/1()"])),
        group=draw(st.sampled_from([None, "g"])),
    )


plain_ones, any_ones = st.lists(states(is_plain=True)), st.lists(states(is_plain=True) | states(is_plain=False))


@given(plain_ones | any_ones)
def test_what_is_stored_is_read_back_in_as_little_room(lines: list[FieldState]) -> None:
    """Read at once or, where one line is no plain one, line by line: the same states, and the same bytes of them."""
    fields = {f"A{place}:a": state for place, state in enumerate(lines)}
    read, kept = from_plain_fields({name: state.to_plain() for name, state in fields.items()}), tight(fields)
    assert (read.shape, read.salesforce, read.dialog_insight) == (kept.shape, kept.salesforce, kept.dialog_insight)
    assert repr(dict(read.loose or {})) == repr(dict(kept.loose or {}))
    for name, state in fields.items():  # what is no number is not equal to itself: told by its plain form
        assert repr(read[name].to_plain()) == repr(state.to_plain())


def test_what_is_packed_is_a_mapping_of_states() -> None:
    """A packed link is equal to an unpacked one, whichever of its lines are loose, and packs again to the same."""
    states = {
        "A": FieldState(base=("a", "b"), version="v"),
        "B": FieldState(seen=("x", UNSET)),
        "C": FieldState(base=(1, 1), version="w", wrote=S, unverified=True),
    }
    packed = tight(states)
    assert packed == states and states == packed and dict(packed) == states and len(packed) == 3
    assert list(packed) == ["A", "B", "C"] and "B" in packed and "Z" not in packed
    assert packed["C"] == states["C"] and packed["B"] == states["B"]
    moved = attrs.evolve(states["A"], base=("c", "d"))
    other = packed.with_states({"A": moved})
    assert other != packed and other == {**states, "A": moved} and tight(other) == {**states, "A": moved}
    assert packed.with_states({"A": states["A"]}) == packed and packed.with_states({}) is packed
    assert packed.with_states({"New": moved}) == {**states, "New": moved}
    assert isinstance(tight(other), PackedFields) and "A" not in (tight(other).loose or {})
    assert packed != {"A": states["A"]} and packed != 1
    assert (repr(packed), repr(tight({}))) == ("<PackedFields: 3>", "<PackedFields: 0>")


@pytest.mark.parametrize("value", [float("inf"), float("nan"), Decimal("-Infinity"), Decimal("NaN")], ids=repr)
def test_a_stored_value_of_no_known_kind_is_read_back_loose(value: Value) -> None:
    """A number that is none cannot be told from itself: its line is kept apart, and the others are packed."""
    states = {"A": FieldState(base=("a", value), version="v"), "B": FieldState(base=("b", "b"), version="v")}
    read = from_plain_fields({name: state.to_plain() for name, state in states.items()})
    assert repr(read["A"].base) == repr(("a", value)) and read["B"] == states["B"]
    assert set(read.loose or {}) == {"A"}


AGREED = {name: FieldState(base=(name, name), version="v") for name in ("A", "B")}
LOOSE = FieldState(seen=("x", UNSET), version="v")
MAPPINGS: list[dict[str, FieldState]] = [
    {},
    AGREED,
    {"B": AGREED["B"], "A": AGREED["A"]},  # in another order, which makes no other mapping
    {"A": AGREED["B"], "B": AGREED["A"]},  # the same values under other names
    {"A": AGREED["A"]},
    {**AGREED, "A": FieldState(base=("A", "B"), version="v")},  # each side's value counts
    {**AGREED, "A": FieldState(base=("B", "A"), version="v")},
    {**AGREED, "A": attrs.evolve(AGREED["A"], wrote=S)},
    {**AGREED, "A": attrs.evolve(AGREED["A"], rel=Relation.ACCEPTED)},
    {**AGREED, "A": LOOSE},
    {**AGREED, "A": attrs.evolve(LOOSE, seen=("y", UNSET))},
    {**AGREED, "A": FieldState(base=(1, 1), version="v")},
    {**AGREED, "A": FieldState(base=(True, 1.0), version="v")},  # Python calls it equal to the one before
]


@pytest.mark.parametrize(("one", "other"), list(itertools.product(MAPPINGS, repeat=2)))
def test_packed_links_are_equal_where_their_states_are(
    one: dict[str, FieldState], other: dict[str, FieldState]
) -> None:
    """Whichever of the two is packed, and whether a line is loose since it was changed or since it does not fit."""
    is_equal = one == other
    assert (tight(one) == tight(other)) is is_equal
    assert (tight(one) == other) is is_equal and (one == tight(other)) is is_equal
    changed = tight(one).with_states(other)
    assert changed == {**one, **other} and tight(changed) == {**one, **other}
    assert (changed == tight(other)) is ({**one, **other} == other)


@pytest.mark.parametrize("kept", [tight(AGREED), dict(AGREED), tight({**AGREED, "B": LOOSE})], ids=repr)
@pytest.mark.parametrize("names", [[], ["A"], ["B", "A"], ["A", "Z"]])
def test_only_the_states_that_are_asked_for_are_given(kept: Mapping[str, FieldState], names: list[str]) -> None:
    """Of lines that the link does not know there are none; of the others there is no more than was asked for."""
    expected = {name: kept[name] for name in names if name in kept}
    assert states_of(kept, names) == expected
    if isinstance(kept, PackedFields):
        assert kept.states(list(expected)) == expected and kept.states() == dict(kept)
    moved = attrs.evolve(AGREED["A"], base=("z", "z"))
    assert with_states(kept, dict.fromkeys(names, moved)) == {**kept, **dict.fromkeys(names, moved)}


@given(plain_ones.filter(bool))
def test_a_link_of_plain_lines_is_read_at_once(lines: list[FieldState]) -> None:
    """Most links are such ones: column by column they are read in a fraction of the time."""
    stored = {f"A{place}:a": state.to_plain() for place, state in enumerate(lines)}
    assert _from_columns(stored) == from_plain_fields(stored) is not None


def test_what_links_have_in_common_is_kept_once() -> None:
    """Links by the hundred thousand share one shape; both sides share their bytes; a known value is never loose."""
    finite = [value for value in VALUES if not isinstance(value, (float, Decimal)) or math.isfinite(value)]
    one = {f"F{place}": FieldState(base=(value, value), version="v") for place, value in enumerate(finite)}
    first, second = tight(one), tight({name: attrs.evolve(state, base=("x", "y")) for name, state in one.items()})
    assert first.shape is second.shape and first.loose is None
    assert first.salesforce is first.dialog_insight and second.salesforce != second.dialog_insight
    changed = [with_states(each, {"F0": LOOSE}) for each in (first, second)]
    assert isinstance(changed[0], PackedFields) and isinstance(changed[1], PackedFields)
    assert changed[0].shape is changed[1].shape
    everything = first.with_states(dict.fromkeys(one, LOOSE))  # all lines at once stay in little room as well
    assert isinstance(everything, PackedFields) and everything.salesforce is first.salesforce
