"""Match tiers: records without a common key are shown to a person before either is created, and never guessed."""

from __future__ import annotations

import json
from datetime import timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce import DestinationProject, FieldMapping, Integration, ObjectTransfer, OptIn, converters
from di_salesforce.engine import Baseline, Context, Plan, Settlement, Snapshot, Tombstone, reconcile
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Row, Side, record_id_18
from di_salesforce.testing._loop import BY_NAME, BY_PHONE, ONE, Loop, ada_twice, answered, people
from di_salesforce.testing._pairs import NOW, asked, plan_of, told
from di_salesforce.triggers import Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
TWO, THREE = "003000000000002AAA", "003000000000003AAA"
HELD = ("reject", "match.proposed")


# ----------------------------------------------------------------------------------------------------- no create


def test_nothing_is_created_while_a_tier_hits() -> None:
    """Both rows are held and listed, however often they are planned, and told with the fields that agree."""
    loop = ada_twice()
    plan = loop.plan()
    assert told(plan) == [HELD, HELD] and len(plan.ambiguous) == 2
    assert "  First: match.proposed\n  Last: match.proposed" in plan.explain(ONE)
    assert "match.proposed: an unlinked record" in plan.summary()
    loop.carry_out(plan)
    assert loop.run() == [HELD, HELD]


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_blank_never_matches(blank: str | None) -> None:
    """Two records that both lack a value of the tier agree in nothing, and a blank that was read proves that."""
    loop = people()
    loop.salesforce(ONE, Email="a", First=blank, Last="L", Phone=None)
    loop.person(1, EMail="b", first=blank, last="L", phone=None)
    assert loop.run() == [("create", "create.new")] * 2


def test_all_fields_of_a_tier_must_agree() -> None:
    """One that differs lets both be created."""
    loop = ada_twice()
    loop.person(1, first="Eve")
    assert loop.run() == [("create", "create.new")] * 2


def test_a_row_with_a_partner_by_key_is_no_candidate() -> None:
    """The key is the stronger evidence: who has a partner is nobody else's, and the namesake is created."""
    loop = ada_twice()
    loop.salesforce(TWO, Email="ada@home", First="Ada", Last="L", Phone=None)
    assert ("link", "link.key") in told(loop.plan()) and not loop.plan().ambiguous


def test_a_row_without_a_key_is_a_candidate() -> None:
    """Who has no address in one of them may be the very person that would be created there."""
    loop = ada_twice()
    loop.salesforce(ONE, Email=None)
    assert told(loop.plan()) == [HELD, HELD]
    loop.carry_out(answered(loop.plan(), "link"))
    assert loop.links() == {(ONE, "1")}


def test_several_candidates_are_ambiguous_by_the_first_tier_that_hits() -> None:
    """The stronger tier decides what is asked; who only a weaker one finds is held as well."""
    loop = people(BY_PHONE, BY_NAME)
    loop.salesforce(ONE, Email="a", First="Ada", Last="L", Phone="1")
    loop.salesforce(TWO, Email="b", First="Ada", Last="L", Phone=None)
    loop.person(1, EMail="c", first="Ada", last="L", phone="1")
    plan = loop.plan()
    assert sorted(told(plan)) == [("reject", "match.ambiguous"), HELD, HELD]
    assert [(row["tier"], row["salesforce_id"]) for row in plan.match_rows()] == [(1, ONE), (2, TWO)]


def test_a_create_is_unproven_where_the_other_side_was_not_read_as_a_whole() -> None:
    """Changes show no namesake, so nothing is created; the next full read decides the row."""
    loop = ada_twice()
    del loop.rows[D]["1"]
    whole = loop.rows[D]

    def plan(salesforce: Snapshot, dialog_insight: Snapshot) -> Plan:
        made = reconcile(
            loop.transfer, salesforce=salesforce, dialog_insight=dialog_insight, baseline=loop.baseline, now=NOW
        )
        return made.supplied(salesforce=loop.rows[S].values()) if made.needs else made

    unproven = plan(Snapshot.complete(loop.rows[S].values()), Snapshot.changes([]))
    assert told(unproven) == [("skip", "match.unproven")]
    answer = {"salesforce_id": ONE, "decision": "different"}
    assert told(unproven.resolve_matches([answer])) == [("create", "create.new")]
    loop.carry_out(unproven)
    assert told(plan(Snapshot.changes([]), Snapshot.changes([]))) == []
    assert told(plan(Snapshot.changes([]), Snapshot.complete(whole.values()))) == [("create", "create.new")]


def test_a_field_that_was_not_read_proves_nothing() -> None:
    """A record that came without a tier's field may be the one that would be created."""
    loop = ada_twice(triggers=Trigger.SALESFORCE_CREATED)
    loop.rows[D]["1"] = {name: value for name, value in loop.rows[D]["1"].items() if name != "first"}
    assert ("skip", "match.unproven") in told(loop.plan())


def test_claimed_and_buried_rows_are_no_candidates() -> None:
    """What another transfer holds, or what was deleted on purpose, is nobody's partner."""
    loop = ada_twice()
    loop.context = Context(claims={"1": "others"})
    assert sorted(told(loop.plan())) == [("create", "create.new"), ("skip", "claimed")]
    loop.context = Context()
    stone = Tombstone("t", D, "1", None, NOW, "unlink.deleted")
    loop.baseline = Baseline((), (), (stone,), ())
    assert sorted(told(loop.plan())) == [("create", "create.new"), ("skip", "tombstone")]


# ---------------------------------------------------------------------------------------------------------- laws

VALUES = st.sampled_from(["", "x", "y"])
ROWS = st.lists(st.tuples(st.sampled_from(["", "k", "l", "m", "n"]), VALUES, VALUES, VALUES), max_size=4)


def loop_of(salesforce: list[tuple[str, ...]], dialog_insight: list[tuple[str, ...]]) -> Loop:
    loop = people(BY_PHONE, BY_NAME)
    for number, (key, first, last, phone) in enumerate(salesforce, 1):
        loop.salesforce(
            record_id_18(f"0030000000000{number:02d}") or "", Email=key, First=first, Last=last, Phone=phone
        )
    for number, (key, first, last, phone) in enumerate(dialog_insight, 1):
        loop.person(number, EMail=key, first=first, last=last, phone=phone)
    return loop


def agree(salesforce: Row, dialog_insight: Row) -> bool:
    """Say slowly whether two rows agree in a tier."""
    return any(
        all(salesforce[name] and salesforce[name] == dialog_insight[name.lower()] for name in tier)
        for tier in (("Phone",), ("First", "Last"))
    )


@given(ROWS, ROWS)
def test_no_create_while_any_unlinked_row_agrees(one: list[tuple[str, ...]], other: list[tuple[str, ...]]) -> None:
    """Law: whoever is created agrees in no tier with any row of the other side that the plan leaves without a link."""
    loop = loop_of(one, other)
    plan = loop.plan()
    linked = {side: {getattr(a, f"{side.value}_id") for a in plan.actions if a.kind == "link"} for side in Side}
    for write in plan.writes:
        if write.kind == "create":
            own = write.salesforce_id if write.side is D else write.dialog_insight_id
            row = loop.rows[write.side.other][own or ""]
            left = [each for name, each in loop.rows[write.side].items() if name not in linked[write.side]]
            assert not any(agree(*((row, each) if write.side is D else (each, row))) for each in left)


@given(ROWS, ROWS)
def test_the_order_of_rows_does_not_matter(one: list[tuple[str, ...]], other: list[tuple[str, ...]]) -> None:
    """Law: the same rows in any order give the same plan and the same questions."""
    loop, turned = loop_of(one, other), loop_of(one, other)
    for side in Side:
        turned.rows[side] = dict(reversed(turned.rows[side].items()))
    assert loop.plan() == turned.plan()
    assert loop.plan().match_rows() == turned.plan().match_rows()


@given(ROWS, ROWS, st.data())
def test_answers_never_make_two_links_of_one_record_and_leave_quiet(
    one: list[tuple[str, ...]], other: list[tuple[str, ...]], data: st.DataObject
) -> None:
    """Law: each record is in one link at most; what was answered is not asked again, and then nothing is written."""
    loop = loop_of(one, other)
    plan = loop.plan()
    rows, used = plan.match_rows(), set[object]()
    for row in rows:
        free = not {row["salesforce_id"], row["dialog_insight_id"]} & used
        row["decision"] = data.draw(st.sampled_from(["link", "different"])) if free else "different"
        if row["decision"] == "link":
            used |= {row["salesforce_id"], row["dialog_insight_id"]}
    plan = plan.resolve_matches(rows)
    linked = {(row["salesforce_id"], row["dialog_insight_id"]) for row in rows if row["decision"] == "link"}
    loop.carry_out(plan)
    assert linked <= loop.links()
    for _ in range(2):
        again = loop.plan()
        answers = [{**row, "decision": "different"} for row in again.match_rows()]
        asked = {(row["salesforce_id"], row["dialog_insight_id"]) for row in rows}
        assert not asked & {(row["salesforce_id"], row["dialog_insight_id"]) for row in answers}
        loop.carry_out(again.resolve_matches(answers))
    for at in (0, 1):
        ids = [link[at] for link in loop.links() if link[at] is not None]
        assert len(ids) == len(set(ids))
    assert not loop.plan().writes and not loop.plan().match_rows()


# --------------------------------------------------------------------------------------------------- declaration


def test_a_declaration_with_tiers_goes_through_plain_data() -> None:
    """What is written is read as the same."""
    transfer = people(BY_NAME, BY_PHONE).transfer
    data = Integration([transfer]).to_dict()
    assert data["transfers"][0]["match"] == [list(BY_NAME), list(BY_PHONE)]
    assert Integration.from_dict(json.loads(json.dumps(data))).transfers == (transfer,)


def test_everything_that_is_wrong_with_tiers_is_told() -> None:
    """Each with its path."""
    with pytest.raises(ConfigurationError) as error:
        ObjectTransfer(
            "t",
            sobject="Contact",
            fields=[
                FieldMapping("Email", "EMail", key=True),
                FieldMapping("News", OptIn("news")),
                FieldMapping("AccountId", "account", references="accounts"),
            ],
            match=[
                ["Email:EMail", "Email:EMail"], ["Name:name"], [], ["News:optin_news"], ["AccountId:account"],
                "Email:EMail", ["Email:EMail"],
            ],
        )  # fmt: skip
    assert [(problem.path, problem.code) for problem in error.value.problems] == [
        ("match[0]", "name.twice"),
        ("match[1][0]", "match.unknown_line"),
        ("match[2]", "declaration.empty"),
        ("match[3][0]", "match.unsuitable"),
        ("match[4][0]", "match.unsuitable"),
        ("match[6]", "name.twice"),
    ]


def test_a_settlement_of_held_rows_is_small() -> None:
    """What is held leaves two open items and no link."""
    from di_salesforce.engine import settle

    settlement: Settlement = settle(ada_twice().plan(), {}, now=NOW)
    assert (len(settlement.open_items), settlement.changed_links) == (2, ())


def test_a_row_that_was_read_twice_with_different_names_is_nobodys_namesake() -> None:
    """Which of the two names is right nobody knows before it is read again: till then the tier does not hit."""
    loop = ada_twice()
    twice = [loop.rows[S][ONE], {**loop.rows[S][ONE], "First": "Eve"}]
    assert not loop.plan(Snapshot.complete(twice), answers=False).ambiguous
    loop.salesforce(TWO, Email="bo@work", First="Bo", Last="B", Phone=None)
    loop.person(2, EMail="bo@home", first="Bo", last="B", phone=None)
    plan = loop.plan(Snapshot.complete([*twice, loop.rows[S][TWO]]), answers=False)
    assert {row["salesforce_id"] for row in plan.match_rows()} == {TWO}, "all others are compared as ever"


@pytest.mark.parametrize("key", ["ada@home", None])
def test_an_old_export_proposes_nobody(key: str | None) -> None:
    """What a row of an old file says may not be so any more: it is read again before it is held against anybody."""
    loop = ada_twice()
    loop.person(1, EMail=key)
    loop.carry_out(loop.plan())
    old = Snapshot.complete(loop.rows[S].values(), as_of=NOW - timedelta(days=1))
    plan = loop.plan(old, answers=False)
    assert not plan.ambiguous and not plan.writes


def test_a_key_that_has_no_form_there_is_not_asked_for() -> None:
    """A namesake is found; under a key that cannot be written over there nobody looks for another one."""
    loop = people()
    key = FieldMapping("Email", "EMail", key=True, converter=converters.choice({"one": "eins"}))
    loop.transfer = attrs.evolve(loop.transfer, fields=[key, *loop.transfer.lines[1:]])
    loop.salesforce(ONE, Email="one", First="Ada", Last="L", Phone=None)
    loop.person(1, EMail="zwei", first="Ada", last="L", phone=None)
    plan = loop.plan(Snapshot.complete(loop.rows[S].values(), scope="Email != null"), answers=False)
    assert not plan.writes and plan.ambiguous and S not in {side for side, _ in plan.needs}


def test_a_row_without_a_name_is_nobodys_namesake() -> None:
    """A row of a table that lacks its key cannot be linked, hence holds nobody up: it is told to lack it."""
    loop = people(project=DestinationProject("p", id=1, tables={"Pets": 5}), table="Pets")
    loop.salesforce(ONE, Email="k", First="Ada", Last="L", Phone=None)
    loop.rows[D]["1"] = {"EMail": None, "first": "Ada", "last": "L", "phone": None}
    assert sorted(told(loop.plan())) == [("create", "create.new"), ("reject", "key.missing")]


@pytest.mark.parametrize("whole", Side)
def test_who_was_called_different_from_all_that_was_read_is_created(whole: Side) -> None:
    """The other side shows a namesake and may hold more: a person who denies that one has looked, for that row only."""
    loop = people()
    for number, name in ((1, ONE), (2, TWO)):
        loop.salesforce(name, Email=f"s{number}", First=f"Ada {number}", Last="L", Phone=None)
        loop.person(number, EMail=f"d{number}", first=f"Ada {number}", last="L", phone=None)
    shown = list(loop.rows[whole.other].values())[:1]
    shots = {whole: Snapshot.complete(loop.rows[whole].values()), whole.other: Snapshot.changes(shown)}
    plan = plan_of(shots[S], shots[D], transfer=loop.transfer)
    plan = plan.supplied(**{whole.other.value: shown})
    assert sorted(told(plan)) == [HELD, HELD, ("skip", "match.unproven")]
    plan = answered(plan, "different")
    assert {write.salesforce_id or write.dialog_insight_id for write in plan.writes} == {ONE, "1"}
    assert sorted(told(plan)) == [
        *[("create", "create.new")] * 2,
        ("skip", "match.different"),
        ("skip", "match.unproven"),
    ]


def test_each_of_several_answers_about_one_record_is_told_and_kept() -> None:
    """One row of Salesforce has two namesakes, and a person denies both, one after the other."""
    loop = ada_twice()
    loop.person(2, EMail="ada@club", first="Ada", last="L", phone=None)
    plan = answered(answered(loop.plan(), "different", ""), "different")
    said = [action for action in plan.actions if action.reason == "match.different"]
    assert len({action.id for action in said}) == len(said) == 2
    loop.carry_out(plan)
    assert not loop.plan().actions


@pytest.mark.parametrize("key", ["ada@work", None])
def test_a_namesake_asks_for_what_an_answer_may_need_and_for_nothing_else(key: str | None) -> None:
    """Where all was read nothing is; under a filter, whether the key is free there: of a row that has one."""
    loop = ada_twice()
    loop.salesforce(ONE, Email=key)
    assert not loop.plan(answers=False).needs
    shots = [Snapshot.complete(loop.rows[S].values()), Snapshot.complete(loop.rows[D].values(), scope="a filter")]
    plan = plan_of(*shots, transfer=loop.transfer)
    assert asked(plan) == ([] if key is None else [(D, None, key)])


def test_an_answer_is_remembered_by_itself() -> None:
    """Whatever else was open about the two records and is no more, they are not asked about again."""
    loop = ada_twice()
    loop.carry_out(answered(loop.plan(), "different").without(kind="create"))
    answers = [item for item in loop.baseline.open_items.values() if item.reason == "match.different"]
    assert len(answers) == 1
    loop.baseline = Baseline(loop.baseline.links, answers, (), ())
    assert loop.run() == [("create", "create.new")] * 2
