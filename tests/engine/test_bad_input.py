"""Bad input: a clear error, or a reject with all of its reasons; never a wrong write, nor the loss of the rest."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce import FieldMapping, ObjectTransfer, converters
from di_salesforce.engine import Baseline, BoundTransfer, Context, Plan, Snapshot, reconcile, settle
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Side

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
NOW = datetime(2026, 5, 1, tzinfo=UTC)
NAIVE = datetime(2026, 5, 1)
TRANSFER = ObjectTransfer(
    "t",
    sobject="Contact",
    fields=[FieldMapping("Email", "EMail", key=True, converter=converters.email()), FieldMapping("A", "a")],
)
ORDERS = ObjectTransfer(
    "o", sobject="Order", table="Orders", fields=[FieldMapping("No", "no", key=True), FieldMapping("A", "a")]
)
GOOD = ({"Id": "s9", "Email": "good", "A": "x"}, {"idContact": "d9", "EMail": "good", "a": "x"})


def plan_of(salesforce: list[Any], dialog_insight: list[Any], transfer: ObjectTransfer = TRANSFER, **more: Any) -> Plan:
    arguments: dict[str, Any] = {"baseline": Baseline.empty(), "now": NOW, **more}
    shots = Snapshot.complete(salesforce), Snapshot.complete(dialog_insight)
    plan = reconcile(transfer, salesforce=shots[0], dialog_insight=shots[1], **arguments)
    asked: list[Any] = []
    while plan.needs:
        assert plan.needs not in asked, "the same is asked for again"
        asked.append(plan.needs)
        rows = {
            "salesforce": [r for r in salesforce if any(r.get("Id") == need.record_id for need in plan.needs[S])],
            "dialog_insight": [
                r for r in dialog_insight if any(str(r.get("idContact")) == need.record_id for need in plan.needs[D])
            ],
        }
        plan = plan.supplied(**rows)
    return plan


def about(plan: Plan, name: str) -> list[tuple[str, str]]:
    return [(a.kind, a.reason) for a in plan.actions if name in (a.salesforce_id, a.dialog_insight_id) or a.key == name]


# ---------------------------------------------------------------------------------------------------- values

UNFIT: list[Any] = [
    [1], {"a": 1}, b"bytes", float("nan"), float("inf"), Decimal("NaN"), object(), {1, 2}, (1, 2),
]  # fmt: skip


@pytest.mark.parametrize("value", UNFIT, ids=lambda value: type(value).__name__ + repr(value)[:9])
@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("paired", [True, False])
def test_a_value_of_no_kind_stops_no_run(value: Any, side: Side, paired: bool) -> None:
    """A list, an object, no number: its row is told, nothing of it is written, and the rows beside it go on."""
    rows: dict[Side, dict[str, Any]] = {
        S: {"Id": "s1", "Email": "bad", "A": "x"},
        D: {"idContact": "d1", "EMail": "bad", "a": "x"},
    }
    rows[side]["A" if side is S else "a"] = value
    bad = {each: [rows[each]] if paired or each is side else [] for each in Side}
    plan = plan_of([*bad[S], GOOD[0]], [*bad[D], GOOD[1]])
    assert about(plan, "good") == [("link", "link.key")]
    told = about(plan, "bad") + about(plan, f"{side.value[0]}1")
    assert {kind for kind, _ in told} & {"reject", "conflict"} and not plan.writes


@pytest.mark.parametrize(
    "value", [*UNFIT, True, 5, Decimal(5)], ids=lambda value: type(value).__name__ + repr(value)[:9]
)
@pytest.mark.parametrize("side", Side)
def test_a_key_of_no_kind_stops_no_run(value: Any, side: Side) -> None:
    """Whatever stands in the key field, the run goes on and the row is told."""
    row = {"Id": "s1", "Email": value, "A": "x"} if side is S else {"idContact": "d1", "EMail": value, "a": "x"}
    plan = plan_of([*([row] if side is S else []), GOOD[0]], [*([row] if side is D else []), GOOD[1]])
    assert about(plan, "good") == [("link", "link.key")]
    assert len(about(plan, f"{side.value[0]}1")) == 1


def test_mixed_keys_stay_apart() -> None:
    """The number 5, the text 5 and true are three keys where nothing says that they are one."""
    plan = plan_of([{"Id": str(i), "No": key, "A": 1} for i, key in enumerate((5, "5", True))], [], ORDERS)
    assert [a.reason for a in plan.actions] == ["create.new"] * 3
    assert (
        plan_of([{"Id": "1", "No": 5, "A": 1}], [{"no": Decimal("5.0"), "a": 1}], ORDERS).actions[0].reason
        == "link.key"
    )


# --------------------------------------------------------------------------------------------------- missing


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("field", ["key", "value"])
def test_a_row_that_lacks_a_field_is_told(side: Side, field: str) -> None:
    """A mapped field that is not in a row even when it is looked up: told with its name, nothing created."""
    names = {S: {"key": "Email", "value": "A"}, D: {"key": "EMail", "value": "a"}}
    row = {"Id": "s1", "Email": "k", "A": "x"} if side is S else {"idContact": "d1", "EMail": "k", "a": "x"}
    del row[names[side][field]]
    plan = plan_of([*([row] if side is S else []), GOOD[0]], [*([row] if side is D else []), GOOD[1]])
    assert not plan.writes and about(plan, "good") == [("link", "link.key")]
    rejects = [
        reject for reject in plan.rejects if f"{side.value[0]}1" in (reject.salesforce_id, reject.dialog_insight_id)
    ]
    assert [name for reject in rejects for name, _ in reject.causes] == [names[side][field]]


def test_a_relational_row_without_its_key_is_told() -> None:
    """A relational row has nothing but its key: without it, it is told."""
    plan = plan_of([], [{"a": "x"}, {"no": "", "a": "y"}, {"no": None, "a": "z"}], ORDERS)
    assert [action.kind for action in plan.actions] == ["reject"] * 3
    assert len({action.id for action in plan.actions}) == 3


def test_a_linked_row_that_lacks_a_field_changes_nothing() -> None:
    """What was not read is no blank: the other fields of the pair go on."""
    memory = Baseline.empty().updated(settle(plan_of([GOOD[0]], [GOOD[1]]), {}, now=NOW))
    plan = plan_of([{"Id": "s9", "Email": "good"}], [GOOD[1]], baseline=memory)
    assert not plan.actions


# ------------------------------------------------------------------------------------------- wrong object, wrong time


@pytest.mark.parametrize("side", Side)
def test_rows_of_another_object_are_refused(side: Side) -> None:
    """Rows without the record id of their side cannot be this transfer's: an error with their places."""
    wrong = [{"Name": "Acme"}, {"Name": "Corp"}]
    with pytest.raises(ConfigurationError) as caught:
        plan_of(wrong if side is S else [], wrong if side is D else [])
    assert [problem.path for problem in caught.value.problems] == [f"{side.value}.rows[0]", f"{side.value}.rows[1]"]


def test_looked_up_rows_without_an_id_are_refused() -> None:
    """The same holds for rows that are supplied later: no record is planned that cannot be named."""
    plan = reconcile(
        TRANSFER,
        salesforce=Snapshot.complete([]),
        dialog_insight=Snapshot.changes([{"idContact": "d1", "EMail": "k", "a": "x"}]),
        baseline=Baseline.empty(),
        now=NOW,
    )
    with pytest.raises(ConfigurationError):
        plan.supplied(dialog_insight=[{"EMail": "k", "a": "x"}])


def test_a_naive_now_is_refused() -> None:
    """A time without a zone is a mistake, in planning and in settling."""
    with pytest.raises(ConfigurationError, match="aware"):
        plan_of([], [], now=NAIVE)
    with pytest.raises(ConfigurationError, match="aware"):
        settle(Plan.empty(), {}, now=NAIVE)


# --------------------------------------------------------------------------------------------------- anything

ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.decimals(), st.text(max_size=3),
    st.dates(), st.datetimes(), st.lists(st.integers(), max_size=1), st.binary(max_size=2),
)  # fmt: skip
CONVERTERS = st.sampled_from(
    [
        None, converters.text(), converters.integer(), converters.decimal(scale=2), converters.boolean(),
        converters.email(), converters.phone(), converters.date(), converters.datetime(),
        converters.choice({"a": "b"}), converters.multi_choice(), converters.record_id(),
    ]
)  # fmt: skip


@given(data=st.data(), key=CONVERTERS, value=CONVERTERS)
def test_nothing_in_a_row_stops_a_run(data: st.DataObject, key: Any, value: Any) -> None:
    """Rows with anything in their fields raise nothing, each is told, and the plan can be saved."""
    lines = [FieldMapping("K", "k", key=True, converter=key), FieldMapping("V", "v", converter=value)]
    transfer = ObjectTransfer("t", sobject="T", fields=lines)
    salesforce = [
        {"Id": f"s{i}", "K": data.draw(ANYTHING), "V": data.draw(ANYTHING)} for i in range(data.draw(st.integers(0, 3)))
    ]
    dialog = [
        {"idContact": f"d{i}", "k": data.draw(ANYTHING), "v": data.draw(ANYTHING)}
        for i in range(data.draw(st.integers(0, 3)))
    ]
    plan = plan_of(salesforce, dialog, transfer, context=Context(allow_empty=frozenset(Side)))
    named = [
        a.salesforce_id
        for a in plan.actions
        if a.kind in ("create", "link", "reject", "skip") and a.salesforce_id and not (a.kind == "reject" and a.link)
    ]
    assert sorted(set(named)) == sorted(row["Id"] for row in salesforce)
    assert Plan.from_dict(plan.to_dict()) == plan
    settle(plan, {}, now=NOW)


def test_a_row_is_named_by_its_id_else_by_its_key_else_by_all_that_is_mapped() -> None:
    """So that lists of rows of any quality can be told apart, before anything is decided."""
    contacts = BoundTransfer.of(TRANSFER, Context())
    assert contacts.row_name(D, {"idContact": 5, "EMail": "a"}) == "5"
    orders = BoundTransfer.of(attrs.evolve(TRANSFER, table="Orders"), Context())
    named = [orders.row_name(D, {"EMail": key, "a": value}) for key, value in (("K@x.ca", 1), ("k@x.ca ", 2), ("j", 2))]
    assert named[0] == named[1] != named[2]
    blank = [orders.row_name(D, {"EMail": None, "a": value}) for value in (1, 1, 2)]
    assert blank[0] == blank[1] != blank[2] and len({*named, *blank}) == 4


@pytest.mark.parametrize("blank", ["  ", "\t"])
@pytest.mark.parametrize("side", Side)
def test_a_key_of_nothing_but_blanks_is_no_key(side: Side, blank: str) -> None:
    """What the key's converter leaves nothing of is missing, on either side: nobody is paired or created by it."""
    field, id_field = {S: ("Email", "Id"), D: ("EMail", "idContact")}[side]
    rows = {S: [], D: []} | {side: [{id_field: "1", field: blank, "A": "x", "a": "x"}]}
    plan = reconcile(
        TRANSFER,
        salesforce=Snapshot.complete(rows[S]),
        dialog_insight=Snapshot.complete(rows[D]),
        baseline=Baseline.empty(),
        now=NOW,
    )
    assert [(action.kind, action.reason) for action in plan.actions] == [("reject", "key.missing")]


def test_a_text_of_a_class_of_ones_own_is_a_text() -> None:
    """Rows may come from a library with its own text type: it is compared and written like any other."""

    class Text(str):
        __slots__ = ()

    plan = reconcile(
        TRANSFER,
        salesforce=Snapshot.complete([{"Id": "1", "Email": Text("k"), "A": Text("x")}]),
        dialog_insight=Snapshot.complete([{"idContact": 1, "EMail": "k", "a": "x"}]),
        baseline=Baseline.empty(),
        now=NOW,
    )
    assert [(action.kind, action.reason) for action in plan.actions] == [("link", "link.key")]
