"""How one value reads: as a record's id, as part of a key, as consent, as what a lookup refers to, as none at all."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce import Direction, FieldMapping, ObjectTransfer, OptIn, converters
from di_salesforce.engine import Baseline, BoundTransfer, Context, Life, LinkRecord, Snapshot
from di_salesforce.engine._lines import BoundLine, are_sound, normal_id, value_flaw
from di_salesforce.exceptions import ConversionError
from di_salesforce.protocols import Converter
from di_salesforce.records import UNSET, Side
from di_salesforce.testing._pairs import LinkedPair, asked, contacts, plan_of, row, told

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT


# ------------------------------------------------------------------------------------------------------ record ids

IDS: list[tuple[Side, Any, str | None]] = [
    *((side, blank, None) for side in Side for blank in (None, "", UNSET)),
    *((side, number, "5") for side in Side for number in (5, "5", Decimal(5), Decimal("5.0"))),
    (S, Decimal("5.5"), "5.5"),
    (S, "001D000000IRFma", "001D000000IRFmaIAH"),
    (S, "001D000000IRFmaIAH", "001D000000IRFmaIAH"),
    (S, "001D000000IRFmaIAX", "001D000000IRFmaIAX"),  # no record id of Salesforce, and nobody mends it
    (S, "001D-00000IRFma", "001D-00000IRFma"),
    (D, "001D000000IRFma", "001D000000IRFma"),
    (D, 123456789012345, "123456789012345"),
]


@pytest.mark.parametrize(("side", "given", "name"), IDS)
def test_a_record_is_named_in_one_form_however_its_id_is_written(side: Side, given: Any, name: str | None) -> None:
    """A number or its text, with 15 characters or 18; what is no id keeps its own form, and a blank names nothing."""
    assert normal_id(side, given) == name


# --------------------------------------------------------------------------------------------- what is no value


class _Text(str):
    __slots__ = ()


class _Thing:
    def __repr__(self) -> str:
        return "a thing"  # without its address: a test has one name in every process


FLAWS: list[tuple[Any, str]] = [
    *((fit, "") for fit in (None, UNSET, "", "x", _Text("x"), 0, True, 1.5, Decimal("1.5"), Decimal(0))),
    *((odd, "value.not_number") for odd in (math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("-Infinity"))),
    *((odd, "value.not_scalar") for odd in ([1], {"a": 1}, (1, 2), b"x", _Thing())),
]


@pytest.mark.parametrize(("value", "code"), FLAWS, ids=repr)
def test_what_is_no_value_is_told_by_its_code(value: Any, code: str) -> None:
    """A number must be one, and an object or a list is none; text, dates, truth values and blanks are as they are."""
    assert value_flaw(value) == code


@pytest.mark.parametrize(("value", "code"), [flaw for flaw in FLAWS if flaw[1]], ids=repr)
@pytest.mark.parametrize("side", Side)
def test_a_key_that_is_no_value_is_rejected_by_its_code_and_not_shown(side: Side, value: Any, code: str) -> None:
    """The row is told under no key, since what stands there is none."""
    rows: dict[str, Any] = {each.value: [row(side, 1, value)] if each is side else [] for each in Side}
    (reject,) = plan_of(**rows).rejects
    assert (reject.reason, reject.key, {cause for _, cause in reject.causes}) == (code, None, {code})
    rows[side.value].append(row(side, 2, value))
    assert told(plan_of(**rows)) == [("reject", code)] * 2, "nor is it a key that two rows share"


@given(st.lists(st.sampled_from([value for value, _ in FLAWS])))
def test_many_values_are_sound_only_if_each_is(values: list[Any]) -> None:
    """Law: what is told of many at once holds of each of them."""
    assert not are_sound(values) or not any(map(value_flaw, values))


@pytest.mark.parametrize("values", [[], [None, "x", 1, True], [Decimal(1), Decimal("1.5")], ["x", Decimal(1)]])
def test_usual_values_are_told_to_be_sound_at_once(values: list[Any]) -> None:
    """What nearly every row holds need not be looked at one by one."""
    assert are_sound(values)


# ----------------------------------------------------------------------------------------------------------- keys


@attrs.frozen
class Own:
    """A converter of an application: values read as they are, and only so many of them."""

    known: tuple[Any, ...]  # values of any type
    version: str = "own/1"

    def normal(self, side: Side, value: Any) -> Any:
        if value not in self.known:
            raise ConversionError("it is not known", code="own.unknown")
        return value

    def convert(self, value: Any, *, to: Side) -> Any:
        return self.normal(to.other, value)


@pytest.mark.parametrize("pair", [(0.1, Decimal("0.1")), (5, Decimal("5.00")), (2.0, 2), (1e20, 10**20)], ids=repr)
def test_a_number_is_one_key_however_it_is_typed(pair: tuple[Any, Any]) -> None:
    """A converter may leave a number as it came: as it is written it is compared, and not to the last binary digit."""
    for one, other in (pair, pair[::-1]):
        transfer = contacts(converter=Own((one, other)))
        assert told(plan_of([row(S, 1, one)], [row(D, 1, other)], transfer=transfer))[0] == ("link", "link.key")


@pytest.mark.parametrize("pair", [(True, 1), (False, 0), (True, "True"), (5, "5"), (0, "")], ids=repr)
def test_values_of_two_kinds_are_two_keys(pair: tuple[Any, Any]) -> None:
    """A converter may leave them as they came: a truth value is no number, and neither is a text."""
    for one, other in (pair, pair[::-1]):
        plan = plan_of([row(S, 1, one)], [row(D, 1, other)], transfer=contacts(converter=Own(pair)))
        assert "link" not in {kind for kind, _ in told(plan)}


@pytest.mark.parametrize("value", [math.nan, [1], object(), b"x"], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("side", Side)
def test_what_is_no_value_is_the_key_of_nobody(side: Side, value: Any) -> None:
    """The other side holds the very text by which it would be written: that is another record."""
    rows = {side.value: [row(side, 1, value)], side.other.value: [row(side.other, 1, str(value))]}
    plan = plan_of(**rows, transfer=contacts(converter=converters.text()))
    assert sorted(kind for kind, _ in told(plan)) == ["create", "reject"]


def test_rows_without_a_name_are_told_one_by_one() -> None:
    """A row of a table that lacks its key is told by all that it holds; blank and not read are not the same."""
    keys_only = ObjectTransfer("o", sobject="Order", table="Orders", fields=[FieldMapping("No", "no", key=True)])
    bound = BoundTransfer.of(keys_only, Context())
    rows: list[dict[str, Any]] = [{}, {"no": None}, {"no": ""}]
    names = [bound.row_name(D, each) for each in rows]
    assert len(set(names)) == 3
    # Nor can a key be made up that is one of these names.
    texts = [f"No:no={each.get('no', UNSET)!r}" for each in rows]
    assert not set(names) & {bound.row_name(D, {"no": text}) for text in texts}


def test_a_key_of_another_number_of_parts_is_none() -> None:
    """What was remembered under another mapping names nothing in this one."""
    bound = BoundTransfer.of(contacts(), Context())
    assert bound.normalised(S, ("k",)) == ("k",)
    assert bound.normalised(S, ("k", "l")) is None and bound.normalised(S, ()) is None


# -------------------------------------------------------------------------------------------- outside of a domain


def test_a_value_outside_of_the_domain_equals_nothing_but_itself() -> None:
    """Edited to another one that is unknown as well it is an edit; told again as it was, it is none."""
    lines = [FieldMapping("Key", "key", key=True), FieldMapping("A", "a", converter=Own(("x", "y")))]
    one = LinkedPair.of(ObjectTransfer("t", sobject="T", fields=lines), {"Key": "k", "A": "x"}, {"key": "k", "a": "x"})
    for value in ("strange", "stranger", 5, "5"):
        one.edit(S, A=value)
        plan = one.world.one_pass()
        assert told(plan) == [("reject", "value.not_convertible")] and plan.rejects[0].causes == (("A", "own.unknown"),)
        assert one.state("A:a").seen == (value, UNSET)
    bound = BoundTransfer.of(one.world.transfer, Context()).lines["A:a"]
    normals = [bound.normal(S, value) for value in ("strange", "stranger", 5, "5", True, "x", "y", None)]
    assert len(set(normals)) == len(normals)


# --------------------------------------------------------------------------------------------------------- consent

STATUS: list[tuple[Converter, list[tuple[Side, Any, bool | None]]]] = [
    (
        converters.boolean(),
        [(S, True, True), (S, False, False), (S, None, None), (D, "1", True), (D, "0", False), (D, "", None)],
    ),
    (converters.boolean(), [(D, Decimal("1.0"), True), (D, Decimal("0.0"), False)]),
    (converters.negate(), [(S, True, False), (S, False, True), (D, "1", True), (D, "0", False)]),
    (
        converters.choice({"In": "1", "Out": "0", "Perhaps": "7"}),
        [(S, "In", True), (S, "Out", False), (S, "Perhaps", None), (S, "?", None), (D, "1", True), (D, "0", False)],
    ),
    (
        converters.pair(lambda value: value == "yes", lambda value: "yes" if value else "no"),
        [(S, "yes", True), (S, "no", False), (D, True, True), (D, "true", True), (D, " FALSE ", False)],
    ),
]


@pytest.mark.parametrize(
    ("converter", "side", "value", "status"),
    [(converter, *case) for converter, cases in STATUS for case in cases],
)
def test_consent_reads_as_it_would_in_dialog_insight(
    converter: Converter, side: Side, value: Any, status: bool | None
) -> None:
    """Opted in, not, or unknown: whatever words Salesforce has for it, and however a yes is written."""
    line = FieldMapping("News__c", OptIn("news"), converter=converter)
    transfer = ObjectTransfer("t", sobject="T", fields=[FieldMapping("Key", "key", key=True), line])
    assert BoundLine.of(line, transfer, Context()).opted_in(side, value) is status


# --------------------------------------------------------------------------------------------------------- lookups


def lookup(direction: Direction = Direction.BOTH, *, parents: str = "parents", **link: Any) -> BoundLine:
    """Give a lookup's line, where one pair of parents is linked."""
    line = FieldMapping("Parent", "parent", references=parents, direction=direction)
    transfer = ObjectTransfer("t", sobject="T", fields=[FieldMapping("Key", "key", key=True), line])
    words: dict[str, Any] = {"salesforce_id": "here", "dialog_insight_id": "7", **link}
    known = LinkRecord("parents", "one", salesforce_key=("k",), dialog_insight_key=("k",), fields={}, **words)
    return BoundLine.of(line, transfer, Context(links={"parents": Baseline((known,), (), (), ())}))


@pytest.mark.parametrize(
    ("ids", "to", "value", "there"),
    [
        (("here", "7"), D, "here", 7),
        (("here", "7"), S, 7, "here"),
        (("here", "7"), S, "7", "here"),
        (("here", "d7"), D, "here", "d7"),
        (("17", "7"), S, 7, "17"),
        (("17", "7"), D, "17", 7),
        (("here", "7"), D, "", None),
        (("here", "7"), S, None, None),
    ],
)
def test_a_lookup_names_the_parent_by_its_own_id_there(ids: tuple[str, str], to: Side, value: Any, there: Any) -> None:
    """Text in Salesforce, a number in Dialog Insight wherever it is one; a blank refers to nobody on either side."""
    found = lookup(salesforce_id=ids[0], dialog_insight_id=ids[1]).convert(value, to=to)
    assert (found, type(found)) == (there, type(there))


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    "words",
    [{"parents": "others"}, {"life": Life.DORMANT}, {"salesforce_id": None}, {"dialog_insight_id": None}],
    ids=str,
)
def test_a_parent_that_is_not_linked_now_is_waited_for(side: Side, words: dict[str, Any]) -> None:
    """Nor is one whose link sleeps, or lacks the id that would be written."""
    found = lookup(**words).convert("here" if side is D else "7", to=side)
    assert (found.code, found.waits) == ("reference.waiting", True)


HERE, LOST = ("here", "7"), ("lost", "9")  # a parent that is linked, and one that is not, by their ids
WAITS: list[tuple[Direction, str, str, bool]] = [
    (Direction.BOTH, HERE[0], HERE[1], False),
    (Direction.BOTH, LOST[0], HERE[1], False),
    (Direction.BOTH, HERE[0], LOST[1], False),
    (Direction.BOTH, LOST[0], LOST[1], True),
    (Direction.BOTH, LOST[0], "", False),
    (Direction.TO_DIALOG_INSIGHT, LOST[0], HERE[1], True),
    (Direction.TO_DIALOG_INSIGHT, HERE[0], LOST[1], False),
    (Direction.TO_SALESFORCE, LOST[0], HERE[1], False),
    (Direction.TO_SALESFORCE, HERE[0], LOST[1], True),
]


@pytest.mark.parametrize(("direction", "salesforce", "dialog_insight", "waits"), WAITS)
def test_two_lookups_cannot_be_compared_while_nothing_that_may_flow_is_known(
    direction: Direction, salesforce: str, dialog_insight: str, waits: bool
) -> None:
    """The direction says whose parent must be linked; where either may flow, one that is known is enough."""
    assert lookup(direction).waits(salesforce, dialog_insight) is waits


def test_what_is_remembered_says_by_which_links_a_lookup_was_read() -> None:
    """A lookup that refers to records of another transfer reads otherwise, as a line with another converter does."""
    versions = {
        lookup().version,
        lookup(parents="others").version,
        BoundTransfer.of(contacts(), Context()).lines["A:a"].version,
    }
    assert len(versions) == 3


def test_lookups_that_agree_are_noted_when_their_records_meet() -> None:
    """A child on each side refers to the two records of one parent: nothing is written, and that is remembered."""
    parents = LinkedPair.of(contacts(), {"Email": "p", "A": "x"}, {"EMail": "p", "a": "x"})
    line = FieldMapping("Parent", "parent", references="t")
    transfer = ObjectTransfer("c", sobject="T", fields=[FieldMapping("Key", "key", key=True), line])
    ids = parents.names[S], int(parents.names[D])
    one = LinkedPair.of(
        transfer, {"Key": "k", "Parent": ids[0]}, {"key": "k", "parent": ids[1]},
        context=Context(links={"t": parents.world.baseline}),
    )  # fmt: skip
    assert one.state("Parent:parent").base == ids
    assert not one.world.one_pass().actions


def test_a_flaw_is_all_that_is_told_of_its_field() -> None:
    """The other side was edited: nothing is asked for by which that edit could be compared with what is no value."""
    one = LinkedPair.of(contacts(), {"Email": "k", "A": "x"}, {"EMail": "k", "a": "x"})
    one.edit(D, a="y")
    plan = one.look(salesforce=Snapshot.complete([{**one.row(S), "A": [1]}], as_of=one.world.now))
    assert told(plan) == [("reject", "value.not_scalar")] and asked(plan) == []
