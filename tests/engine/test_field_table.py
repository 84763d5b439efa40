"""The field table: a test for each line, and every combination of facts against an oracle of its own."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest

from di_salesforce import FieldMapping, ObjectTransfer, OptIn, OptInDate, converters
from di_salesforce.engine import FIELD_TABLE, Baseline, Context, Plan, Relation, Snapshot, reconcile, settle
from di_salesforce.engine._decision import Facts, SideClass, decide
from di_salesforce.records import UNSET, Side
from di_salesforce.testing._pairs import LinkedPair, asked, told
from di_salesforce.testing._served import Saving
from di_salesforce.triggers import ConflictPolicy, Direction, Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
FIELD = {S: "A", D: "a"}
U, C, FIRST, UNKNOWN = SideClass.UNCHANGED, SideClass.CHANGED, SideClass.FIRST, SideClass.UNKNOWN
NOW = datetime(2026, 5, 1, tzinfo=UTC)


def transfer(triggers: Trigger = Trigger.ALL, **line: Any) -> ObjectTransfer:  # of a FieldMapping
    return ObjectTransfer(
        "t",
        sobject="T",
        triggers=triggers,
        fields=[FieldMapping("Key", "key", key=True), FieldMapping("A", "a", **line)],
    )


def pair(triggers: Trigger = Trigger.ALL, *, start: str = "x", **line: Any) -> LinkedPair:
    return LinkedPair.of(transfer(triggers, **line), {"Key": "k", "A": start}, {"key": "k", "a": start})


def only(plan: Plan) -> Any:  # an action of any kind
    assert len(plan.actions) == 1, plan.actions
    return plan.actions[0]


# ------------------------------------------------------------------------------------------- every combination


def possible() -> list[Facts]:
    """List all facts that can occur: without a base, no side can be called changed or unchanged."""
    found: list[Facts] = []
    for here, there, agree, rel, flow, waits in itertools.product(
        SideClass, SideClass, (False, True), Relation, ((True, True), (True, False), (False, True)), (False, True)
    ):
        without_base = FIRST in (here, there)
        if without_base and {here, there} & {U, C}:
            continue
        if UNKNOWN in (here, there) and (agree or waits):
            continue  # nothing is known to agree, or to wait
        if agree and waits:
            continue  # what agrees waits for nothing
        found.append(Facts(here, there, agree, rel, *flow, waits))
    return found


def oracle(facts: Facts) -> tuple[int, Side | None]:
    """Read ENGINE's field table in its own words: the line's number, and the side that it is about (None: either)."""
    classes = {S: facts.salesforce, D: facts.dialog_insight}
    may_receive = {S: facts.to_salesforce, D: facts.to_dialog_insight}
    unknown = [side for side in Side if classes[side] is UNKNOWN]
    changed = [side for side in Side if classes[side] is C]
    if len(unknown) == 1 and classes[unknown[0].other] is not U:
        return 1, unknown[0]
    if unknown:
        return 2, None
    if facts.agree:
        return 3, None
    # ENGINE's gate 3, taken before any comparison: what cannot be translated cannot be said to differ.
    if facts.waits and (changed or FIRST in classes.values()):
        return 11, None
    if facts.waits and facts.rel is Relation.AGREED:
        return 12, None
    if FIRST in classes.values():
        return 4, None
    if not changed:
        return (6 if facts.rel is Relation.AGREED else 5), None
    if len(changed) == 1:
        return (7 if may_receive[changed[0].other] else 8), changed[0]
    if all(may_receive.values()):
        return 10, None
    return 9, next(side for side in Side if may_receive[side.other])


@pytest.mark.parametrize("facts", possible(), ids=str)
def test_every_combination_is_decided_by_its_line(facts: Facts) -> None:
    """Whatever can occur is decided by exactly the line that ENGINE's table names, and about the right side."""
    number, about = oracle(facts)
    line, one = decide(facts)
    assert line.number == number
    assert about in (None, one)


def test_every_line_decides_something() -> None:
    """No line of the table is dead, and no number stands twice."""
    assert {oracle(facts)[0] for facts in possible()} == {line.number for line in FIELD_TABLE}
    assert sorted(line.number for line in FIELD_TABLE) == list(range(1, len(FIELD_TABLE) + 1))


# ---------------------------------------------------------------------------------------------- line by line


@pytest.mark.parametrize("unseen", Side)
def test_line_1_asks_for_the_side_that_was_not_read(unseen: Side) -> None:
    """One side unknown, the other changed: the row is asked for, the field waits, what was seen is remembered."""
    one = pair()
    one.edit(unseen.other, **{FIELD[unseen.other]: "y"})
    plan = one.look(**{unseen.value: one.snapshot(unseen, set())})
    assert not plan.actions
    assert [(side, need.record_id) for side, need in plan.needs] == [(unseen, one.names[unseen])]
    settled = settle(plan, {}, now=one.world.now).changed_links[0].fields["A:a"]
    assert settled.base == ("x", "x")
    assert settled.seen_of(unseen.other) == "y"


@pytest.mark.parametrize("unseen", Side)
def test_line_1_asks_where_there_is_no_base(unseen: Side) -> None:
    """One side unknown and nothing remembered of the field: the row is asked for."""
    one = pair()
    one.world.distrust()
    plan = one.look(**{unseen.value: one.snapshot(unseen, {"Key", "key"} - {FIELD[unseen]})})
    assert (unseen, one.names[unseen]) in [(side, need.record_id) for side, need in plan.needs]


@pytest.mark.parametrize("unseen", [{S}, {D}, {S, D}], ids=["salesforce", "dialog_insight", "both"])
def test_line_2_does_nothing(unseen: set[Side]) -> None:
    """Unknown and unchanged, or both unknown: nothing."""
    one = pair()
    for side in unseen:
        one.edit(side, **{FIELD[side]: "unseen"})
    plan = one.look(**{side.value: one.snapshot(side, set()) for side in unseen})
    assert not plan.actions and not plan.needs
    fields = dict(one.link.fields)
    one.world.baseline = one.world.baseline.updated(settle(plan, {}, now=one.world.now))
    assert one.link.fields == fields


def test_line_3_notes_an_agreement() -> None:
    """Both moved to the same value: no action, and that is remembered as the base."""
    one = pair()
    one.edit(S, A="y")
    one.edit(D, a="y")
    assert not one.world.one_pass().actions
    assert (one.state("A:a").base, one.state("A:a").seen, one.state("A:a").rel) == (
        ("y", "y"),
        (UNSET, UNSET),
        Relation.AGREED,
    )


def test_line_3_closes_the_open_item() -> None:
    """A conflict that people resolve on both sides is no longer open."""
    one = pair()
    one.edit(S, A="y")
    one.edit(D, a="z")
    one.world.one_pass()
    assert len(one.world.baseline.open_items) == 1
    one.edit(D, a="y")
    one.world.one_pass()
    assert not one.world.baseline.open_items


FIRST_MATCH: list[tuple[ConflictPolicy, str, str, Side | None]] = [
    (ConflictPolicy.HOLD, "x", "y", None),
    (ConflictPolicy.SALESFORCE_WINS, "x", "y", S),
    (ConflictPolicy.DIALOG_INSIGHT_WINS, "x", "y", D),
    (ConflictPolicy.FILL_BLANKS, "x", "", S),
    (ConflictPolicy.FILL_BLANKS, "", "y", D),
    (ConflictPolicy.FILL_BLANKS, "x", "y", None),
]


@pytest.mark.parametrize(("policy", "here", "there", "winner"), FIRST_MATCH)
def test_line_4_first_meeting(policy: ConflictPolicy, here: str, there: str, winner: Side | None) -> None:
    """Two records that meet and differ: held, or the first-match rule's winner is written; the base follows."""
    one = LinkedPair.of(transfer(first_match=policy), {"Key": "k", "A": here}, {"key": "k", "a": there})
    if winner is None:
        assert one.state("A:a").base is None and one.state("A:a").seen == (here, there)
        assert [item.reason for item in one.world.baseline.open_items.values()] == ["conflict.first_match"]
    else:
        value = here if winner is S else there
        assert one.state("A:a").base == (value, value) and one.row(winner.other)[FIELD[winner.other]] == value


@pytest.mark.parametrize("rel", [Relation.REWRITTEN, Relation.ACCEPTED])
def test_line_5_is_quiet(rel: Relation) -> None:
    """What a side rewrites, or a person accepted, is counted and not told again."""
    if rel is Relation.REWRITTEN:
        saving = {S: Saving(), D: Saving(truncate=3)}
        one = LinkedPair.of(transfer(), {"Key": "k", "A": "x"}, {"key": "k", "a": "x"}, saving=saving)
        one.edit(S, A="long text")
        one.world.one_pass()
    else:
        one = pair()
        one.edit(S, A="y")
        one.edit(D, a="z")
        one.world.apply(one.world.plan().accept("k"))
    assert one.state("A:a").rel is rel
    plan = one.world.plan()
    assert not plan.actions and plan.parts[0].counts["quiet"] == 1


def test_line_6_holds_where_the_mapping_changed() -> None:
    """Neither side moved, yet under another converter they differ: held, and the base stays."""
    before, after = (
        converters.choice({"English": "en", "French": "fr"}),
        converters.choice({"English": "en", "French": "f"}),
    )
    one = LinkedPair.of(transfer(converter=before), {"Key": "k", "A": "French"}, {"key": "k", "a": "fr"})
    one.world.transfer = transfer(converter=after)
    assert only(one.world.one_pass()).reason == "conflict.mapping_changed"
    assert one.state("A:a").base == ("French", "fr")


@pytest.mark.parametrize("changed", Side)
@pytest.mark.parametrize("both_ways", [True, False])
def test_line_7_proposes_what_changed(changed: Side, both_ways: bool) -> None:
    """One side moved and its value may flow: it is written, with what was there as before-image."""
    one = pair(direction=Direction.BOTH if both_ways else Direction.towards(changed.other))
    one.edit(changed, **{FIELD[changed]: "y"})
    update = only(one.world.plan())
    assert (update.kind, update.side, update.reason) == ("update", changed.other, "update.changed")
    assert (dict(update.values), dict(update.based_on)) == ({FIELD[changed.other]: "y"}, {FIELD[changed.other]: "x"})


@pytest.mark.parametrize("changed", Side)
def test_line_8_leaves_a_drift(changed: Side) -> None:
    """The side that only receives moved: left as it is, remembered, told."""
    one = pair(direction=Direction.towards(changed))
    one.edit(changed, **{FIELD[changed]: "y"})
    skip = only(one.world.one_pass())
    assert (skip.kind, skip.reason, skip.fields) == ("skip", "direction.one_way", ("A:a",))
    assert one.state("A:a").base == ("x", "x") and one.state("A:a").seen_of(changed) == "y"


@pytest.mark.parametrize("source", Side)
def test_line_9_overrules_with_a_before_image(source: Side) -> None:
    """Both moved and one side is the truth: it is written, and what it replaces stands in the write with the rule."""
    one = pair(direction=Direction.towards(source.other))
    one.edit(source, **{FIELD[source]: "y"})
    one.edit(source.other, **{FIELD[source.other]: "z"})
    update = only(one.world.plan())
    assert (update.reason, update.side, update.changes[0].before, update.changes[0].after) == (
        "update.overruled", source.other, "z", "y"
    )  # fmt: skip


CONSENT: list[tuple[bool, str, bool | None, str, bool]] = [  # Salesforce and Dialog Insight before and now; written?
    (True, "1", None, "0", True),
    (False, "0", True, "", True),
    (True, "1", False, "", False),
    (False, "0", None, "1", False),
]


@pytest.mark.parametrize(("s_before", "d_before", "s_now", "d_now", "written"), CONSENT)
def test_line_9_consent_is_only_ever_tightened(
    s_before: bool, d_before: str, s_now: bool | None, d_now: str, written: bool
) -> None:
    """Both moved: an opt-in overrules Salesforce only where it is the more restrictive, else it is held."""
    lines = [
        FieldMapping("Key", "key", key=True),
        FieldMapping("O", OptIn("n"), converter=converters.boolean(blank=None)),
    ]
    one = LinkedPair.of(
        ObjectTransfer("t", sobject="T", fields=lines), {"Key": "k", "O": s_before}, {"key": "k", "optin_n": d_before}
    )
    one.edit(S, O=s_now)
    one.edit(D, optin_n=d_now)
    assert (only(one.world.plan()).kind == "update") is written


def _prefer_longer(case: Any) -> Side | None:  # a FieldCase
    if len(case.salesforce) == len(case.dialog_insight):
        return None
    return S if len(case.salesforce) > len(case.dialog_insight) else D


POLICY: list[tuple[Any, str, str, Side | None]] = [  # a policy or a function
    (ConflictPolicy.HOLD, "y", "z", None),
    (ConflictPolicy.SALESFORCE_WINS, "y", "z", S),
    (ConflictPolicy.DIALOG_INSIGHT_WINS, "y", "z", D),
    (ConflictPolicy.FILL_BLANKS, "", "z", D),
    (ConflictPolicy.FILL_BLANKS, "y", "", S),
    (ConflictPolicy.FILL_BLANKS, "y", "z", None),
    (_prefer_longer, "yy", "z", S),
    (_prefer_longer, "y", "z", None),
]


@pytest.mark.parametrize(("policy", "here", "there", "winner"), POLICY)
def test_line_10_asks_the_policy(policy: Any, here: str, there: str, winner: Side | None) -> None:
    """Both moved: the field's policy names the winner, whose value is written over a before-image, or holds both."""
    one = pair(conflict=policy)
    one.edit(S, A=here)
    one.edit(D, a=there)
    action = only(one.world.one_pass())
    if winner is None:
        assert action.reason == "conflict.both_changed"
        assert one.state("A:a").base == ("x", "x") and one.state("A:a").seen == (here, there)
    else:
        assert (action.reason, action.side) == ("update.policy", winner.other)
        assert action.changes[0].before == (there if winner is S else here)


def child_of(parents: LinkedPair) -> LinkedPair:
    """A linked pair whose field refers to the two records of another pair."""
    return LinkedPair.of(
        transfer(references="t"),
        {"Key": "k", "A": parents.names[S]},
        {"key": "k", "a": int(parents.names[D])},
        context=Context(links={"t": parents.world.baseline}),
    )


def test_line_11_waits_for_the_parent() -> None:
    """A lookup that moved to a record which is not linked yet waits; nothing is called a conflict."""
    one = child_of(pair())
    one.edit(S, A="a parent that is not linked")
    skip = only(one.world.one_pass())
    assert (skip.kind, skip.reason) == ("skip", "reference.waiting")
    assert one.state("A:a").base is not None and one.state("A:a").seen_of(S) == "a parent that is not linked"


def test_line_12_waits_where_the_parent_lost_its_link() -> None:
    """A lookup whose parent is not linked any more cannot be compared: it waits, and the mapping is not blamed."""
    one = child_of(pair())
    one.world.context = Context()
    base = one.state("A:a").base
    assert {action.kind for action in one.world.one_pass().actions} <= {"skip"}
    assert one.state("A:a").base == base


LINE_TESTS = {name.split("_")[2] for name in dict(globals()) if name.startswith("test_line_")}


@pytest.mark.parametrize("number", [line.number for line in FIELD_TABLE])
def test_every_line_has_a_test(number: int) -> None:
    """A line that is added to the table needs a test of its own here."""
    assert str(number) in LINE_TESTS


# ----------------------------------------------------------------------------------------------------- seen


def test_a_value_that_went_there_and_back_leaves_nothing_behind() -> None:
    """`seen` is what a side holds where it differs from the base, and is cleared where it does not."""
    one = pair(direction=Direction.TO_SALESFORCE)
    one.edit(S, A="y")
    one.world.one_pass()
    assert one.state("A:a").seen == ("y", UNSET)
    one.edit(S, A="x")
    one.world.one_pass()
    assert one.state("A:a").seen == (UNSET, UNSET)


def test_a_group_is_decided_as_one_value() -> None:
    """Two lines of a group, one edited on each side: a conflict of the whole group, not two crossing writes."""
    lines = [FieldMapping("Key", "key", key=True), FieldMapping("A", "a", group="g"), FieldMapping("B", "b", group="g")]
    one = LinkedPair.of(
        ObjectTransfer("t", sobject="T", fields=lines), {"Key": "k", "A": 1, "B": 1}, {"key": "k", "a": 1, "b": 1}
    )
    one.edit(S, A=2)
    one.edit(D, b=2)
    conflict = only(one.world.plan())
    assert conflict.reason == "conflict.both_changed" and [field.line for field in conflict.fields] == ["A:a", "B:b"]
    one.world.apply(one.world.plan().resolve("k", keep=S))
    assert (one.row(D)["a"], one.row(D)["b"]) == (2, 1)


def test_a_group_settles_as_one_value() -> None:
    """After a write of one line, the group's other lines are settled too: the next edit is no conflict."""
    policy: dict[str, Any] = {"group": "g", "conflict": ConflictPolicy.SALESFORCE_WINS}
    lines = [FieldMapping("Key", "key", key=True), FieldMapping("A", "a", **policy), FieldMapping("B", "b", **policy)]
    one = LinkedPair.of(
        ObjectTransfer("t", sobject="T", fields=lines), {"Key": "k", "A": 1, "B": 1}, {"key": "k", "a": 1, "b": 1}
    )
    one.edit(S, A=2, B=2)
    one.edit(D, b=2)
    assert only(one.world.one_pass()).side is D
    one.edit(D, a=7)
    assert only(one.world.one_pass()).reason == "update.changed"
    assert one.row(S)["A"] == 7


# ---------------------------------------------------------------------------- blanks, references, consent groups


@pytest.mark.parametrize(("here", "there"), [(None, ""), ("", None), (None, None), ("", "")])
def test_null_and_blank_compare_as_one_value(here: str | None, there: str | None) -> None:
    """Null against the empty string is no difference."""
    one = LinkedPair.of(transfer(), {"Key": "k", "A": here}, {"key": "k", "a": there})
    assert not one.world.one_pass().actions


def test_absent_is_never_a_value() -> None:
    """A field that was not read is not blank: nothing is written because of it."""
    one = pair()
    rows = [{"Id": one.names[S], "Key": "k"}]
    plan = one.look(salesforce=Snapshot.complete(rows, as_of=one.world.now))
    assert not plan.writes


def test_a_reference_is_translated_through_the_parents_links() -> None:
    """A lookup names the parent's own id on each side, and waits while the parent is not linked."""
    parents = LinkedPair.of(transfer(), {"Key": "p", "A": "x"}, {"key": "p", "a": "x"})
    child = ObjectTransfer(
        "child",
        sobject="Child",
        fields=[FieldMapping("Key", "key", key=True), FieldMapping("Parent", "idParent", references="t")],
    )
    context = Context(links={"t": parents.world.baseline})
    shots: dict[str, Any] = {
        "salesforce": Snapshot.complete([{"Id": "c1", "Key": "k", "Parent": parents.names[S]}]),
        "dialog_insight": Snapshot.complete([]),
    }
    plan = reconcile(child, **shots, baseline=Baseline.empty(), now=NOW, context=context)
    assert only(plan).values["idParent"] == int(parents.names[D])
    waits = reconcile(child, **shots, baseline=Baseline.empty(), now=NOW)
    assert only(waits).reason == "reference.waiting"


def test_status_and_date_of_an_opt_in_are_one_group() -> None:
    """An opt-in and its date are decided together: a date that differs does not flow by itself past a held status."""
    lines = [
        FieldMapping("Key", "key", key=True),
        FieldMapping("O", OptIn("n"), converter=converters.boolean(blank=None)),
        FieldMapping("When", OptInDate("n"), converter=converters.datetime()),
    ]
    one = LinkedPair.of(
        ObjectTransfer("t", sobject="T", fields=lines),
        {"Key": "k", "O": True, "When": None},
        {"key": "k", "optin_n": "1", "dtOptin_n": None},
    )
    one.edit(S, O=False)
    one.edit(D, dtOptin_n="2026.05.01 08:00:00")
    conflict = only(one.world.plan())
    assert conflict.reason == "conflict.consent" and len(conflict.fields) == 2


def test_what_even_the_look_up_lacks_and_nobody_changed_is_left_alone() -> None:
    """A row was asked for because of one field and came without another: that one is neither written nor rejected."""
    lines = [FieldMapping("Key", "key", key=True), FieldMapping("A", "a"), FieldMapping("B", "b")]
    transfer = ObjectTransfer("t", sobject="T", fields=lines)
    one = LinkedPair.of(transfer, {"Key": "k", "A": "x", "B": "x"}, {"key": "k", "a": "x", "b": "x"})
    one.edit(S, A="y")
    plan = one.look(dialog_insight=Snapshot.sample([]))
    assert asked(plan) == [(D, one.names[D], None)]
    short = {name: value for name, value in one.row(D).items() if name != "b"}
    plan = plan.supplied(dialog_insight=[short])
    assert told(plan) == [("update", "update.changed")] and not plan.needs
