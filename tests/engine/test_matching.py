"""Match tiers: records without a common key are shown to a person before either is created, and never guessed."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce import DestinationProject, FieldMapping, Integration, ObjectTransfer, OptIn, converters
from di_salesforce.engine import Baseline, Context, Plan, Settlement, Snapshot, Tombstone, reconcile
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Row, Side, record_id_18
from di_salesforce.testing._loop import Loop
from di_salesforce.testing._pairs import NOW
from di_salesforce.triggers import ConflictPolicy, Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
FIRST, LAST = FieldMapping("First", "first"), FieldMapping("Last", "last")
PHONE = FieldMapping("Phone", "phone")
ONE, TWO, THREE = "003000000000001AAA", "003000000000002AAA", "003000000000003AAA"
BY_NAME, BY_PHONE = ("First:first", "Last:last"), ("Phone:phone",)
HELD = ("reject", "match.proposed")


def names(*tiers: tuple[str, ...], **settings: Any) -> Loop:
    return Loop(FIRST, LAST, PHONE, match=tiers or (BY_NAME,), **settings)


def ada_twice(**settings: Any) -> Loop:
    """Give one person who is unlinked on both sides, under two addresses."""
    loop = names(**settings)
    loop.salesforce(ONE, Email="ada@work", First="Ada", Last="L", Phone=None)
    loop.person(1, EMail="ada@home", first="Ada", last="L", phone=None)
    return loop


def answered(plan: Plan, *words: str) -> Plan:
    """Answer the plan's rows, in their order."""
    rows = plan.match_rows()
    return plan.resolve_matches([{**row, "decision": word} for row, word in zip(rows, words, strict=True)])


def told(plan: Plan) -> list[tuple[str, str]]:
    return [(action.kind, action.reason) for action in plan.actions]


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


def test_what_is_asked_is_told_in_one_flat_row() -> None:
    """Each two records stand in one row, with the fields that agree by the name of their line."""
    (row,) = ada_twice().plan().match_rows()
    assert row == {
        "transfer": "t",
        "tier": 1,
        "salesforce_id": ONE,
        "salesforce_key": "ada@work",
        "dialog_insight_id": "1",
        "dialog_insight_key": "ada@home",
        "agreeing": "First:first, Last:last",
        "decision": "",
    }


def test_a_saved_plan_still_tells_what_is_asked() -> None:
    """What was saved can be listed, and says clearly that it can no longer be answered."""
    plan = ada_twice().plan()
    saved = Plan.from_dict(json.loads(json.dumps(plan.to_dict())))
    assert saved.match_rows() == plan.match_rows()
    with pytest.raises(ConfigurationError, match="no longer has its inputs"):
        answered(saved, "link")


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_blank_never_matches(blank: str | None) -> None:
    """Two records that both lack a value of the tier agree in nothing."""
    loop = names()
    loop.salesforce(ONE, Email="a", First=blank, Last="L", Phone=None)
    loop.person(1, EMail="b", first=blank, last="L", phone=None)
    assert not loop.plan().ambiguous


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
    loop = names(BY_PHONE, BY_NAME)
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


# ----------------------------------------------------------------------------------------------------- decisions


def test_a_link_that_a_person_made_is_a_first_meeting() -> None:
    """The rules of first meetings decide the fields, as for a link by key; the next plan asks and writes nothing."""
    loop = ada_twice(first_match=ConflictPolicy.DIALOG_INSIGHT_WINS)
    loop.person(1, phone="555")
    plan = answered(loop.plan(), "link")
    assert told(plan) == [("link", "link.person"), ("update", "update.first_match")]
    loop.carry_out(plan)
    assert loop.links() == {(ONE, "1")}
    assert (loop.rows[S][ONE]["Email"], loop.rows[S][ONE]["Phone"]) == ("ada@home", "555")
    assert loop.run() == []


@pytest.mark.parametrize("word", ["link", "different"])
def test_an_answer_needs_no_further_look(word: str) -> None:
    """Under filtered reads the keys are looked up before anybody is asked, so that what was decided can be applied."""
    loop = ada_twice()
    plan = loop.plan(Snapshot.complete(loop.rows[S].values(), scope="Email != null"))
    assert told(plan) == [HELD, HELD]
    assert not answered(plan, word).needs


def test_different_people_are_created_and_not_asked_about_again() -> None:
    """Each gets a counterpart of its own; where that fails, nobody asks a second time."""
    loop = ada_twice()
    plan = answered(loop.plan(), "different")
    assert sorted(told(plan)) == [("create", "create.new")] * 2 + [("skip", "match.different")]
    failed = plan.without(kind="create")
    loop.carry_out(failed)
    assert loop.run() == [("create", "create.new")] * 2
    assert loop.run() == []
    assert not loop.baseline.open_items
    assert len(loop.links()) == 2


def test_an_answer_holds_while_both_rows_hold_what_they_held() -> None:
    """Another value in what was compared opens the question anew; an edit elsewhere does not."""
    loop = ada_twice(triggers=Trigger.SALESFORCE_UPDATED)
    loop.carry_out(answered(loop.plan(), "different"))
    loop.salesforce(ONE, Phone="1")
    assert loop.run() == [("skip", "trigger.off")] * 2
    loop.salesforce(ONE, Email="ada@new")
    assert loop.run() == [HELD, HELD]


def test_a_key_group_is_decided_likewise() -> None:
    """Of several with one key a person says which belong together; the other one is a duplicate then."""
    loop = names()
    loop.salesforce(ONE, Email="a", First="x", Last="y", Phone=None)
    loop.salesforce(TWO, Email="a", First="z", Last="y", Phone=None)
    loop.person(1, EMail="a", first="x", last="y", phone=None)
    plan = loop.plan()
    assert [row["tier"] for row in plan.match_rows()] == ["key", "key"]
    plan = answered(plan, "link", "")
    assert told(plan) == [("link", "link.person"), ("reject", "key.duplicate")]
    loop.carry_out(plan)
    assert loop.run() == [("reject", "key.duplicate")]


def test_the_key_does_not_link_whom_a_person_called_different() -> None:
    """Also where they are the last two with that key."""
    loop = names()
    loop.salesforce(ONE, Email="a", First="x", Last="y", Phone=None)
    loop.salesforce(TWO, Email="a", First="z", Last="y", Phone=None)
    loop.person(1, EMail="a", first="x", last="y", phone=None)
    loop.carry_out(answered(loop.plan(), "different", ""))
    del loop.rows[S][TWO]
    plan = loop.plan()
    assert told(plan) == [("reject", "key.ambiguous")] * 2 and plan.match_rows() == ()


def test_record_ids_of_15_characters_are_read_by_their_checksum() -> None:
    """A file from a report names records with 15 characters; another one that differs in case only is another one."""
    loop = ada_twice()
    one, other = "00300000000abcD", "00300000000ABcD"
    loop.rows[S] = {}
    loop.salesforce(one, Email="ada@work", First="Ada", Last="L", Phone=None)
    plan = loop.plan()
    answer: dict[str, object] = {"salesforce_id": one, "dialog_insight_id": 1, "decision": " Link "}
    assert told(plan.resolve_matches([answer]))[0] == ("link", "link.person")
    with pytest.raises(ConfigurationError, match="no such record of Salesforce"):
        plan.resolve_matches([{**answer, "salesforce_id": record_id_18(other)}])


def test_rows_of_a_table_are_named_by_their_exact_key() -> None:
    """A relational row has only its key; two that are spelled nearly alike are two."""
    project = DestinationProject("p", id=1, tables={"Pets": 5})
    loop = Loop(FIRST, LAST, PHONE, match=[BY_NAME], project=project, table="Pets")
    loop.salesforce(ONE, Email="own", First="Ada", Last="L", Phone=None)
    for key in ("a", "A"):
        loop.rows[D][key] = {"EMail": key, "first": "Ada", "last": "L", "phone": None}
    plan = loop.plan()
    rows = plan.match_rows()
    assert sorted((row["dialog_insight_id"], row["dialog_insight_key"]) for row in rows) == [(None, "A"), (None, "a")]
    decided = plan.resolve_matches([{**row, "decision": "link" * (row["dialog_insight_key"] == "A")} for row in rows])
    loop.carry_out(decided.only(kind="link"))
    (link,) = loop.baseline.links
    assert (link.salesforce_id, link.salesforce_key, link.dialog_insight_key) == (ONE, ("own",), ("A",))


def test_all_mistakes_of_a_list_are_told_at_once() -> None:
    """Nothing is taken of a list with a mistake, and each has its place."""
    loop = names()
    for number, name in ((1, ONE), (2, TWO)):
        loop.salesforce(name, Email=f"a{number}", First="Ada", Last="L", Phone=None)
        loop.person(number, EMail=f"b{number}", first="Ada", last="L", phone=None)
    plan = loop.plan()
    pair: dict[str, object] = {"salesforce_id": ONE, "dialog_insight_id": "1", "decision": "link"}
    with pytest.raises(ConfigurationError) as error:
        plan.resolve_matches(
            [
                pair,
                {**pair, "dialog_insight_id": "2"},
                {**pair, "decision": "different"},
                {**pair, "decision": "perhaps"},
                {**pair, "salesforce_id": THREE},
                {**pair, "transfer": "others"},
                {"salesforce_id": TWO, "decision": "different"},
                {"salesforce_id": THREE, "dialog_insight_id": "9", "decision": ""},
            ]
        )
    assert sorted((problem.path, problem.code) for problem in error.value.problems) == [
        ("decisions[0]", "match.contradiction"),
        ("decisions[1]", "match.twice"),
        ("decisions[3].decision", "match.decision"),
        ("decisions[4].salesforce_id", "match.unknown"),
        ("decisions[5].transfer", "match.transfer"),
        ("decisions[6]", "match.unknown"),
    ]


def test_answers_of_several_steps_and_of_joined_plans_hold_together() -> None:
    """Answering in two steps is answering at once, and a joined plan hands each transfer its own."""
    loop = names()
    for number, name in ((1, ONE), (2, TWO)):
        loop.salesforce(name, Email=f"a{number}", First=f"Ada {number}", Last="L", Phone=None)
        loop.person(number, EMail=f"b{number}", first=f"Ada {number}", last="L", phone=None)
    other = ada_twice(name="other")
    plan = Plan.joined([loop.plan(), other.plan()])
    at_once = answered(plan, "link", "different", "link")
    assert at_once == answered(answered(plan, "link", "", ""), "different", "link")
    assert [action.transfer for action in at_once.actions if action.reason == "link.person"] == ["t", "other"]
    assert told(Plan.joined([loop.plan()])) == told(loop.plan())
    with pytest.raises(ConfigurationError, match="several transfers"):
        plan.supplied()


def test_blank_answers_leave_the_plan_as_it_is() -> None:
    """An unedited list decides nothing, nor does one whose blank cells a spreadsheet left out at the ends of rows."""
    plan = ada_twice().plan()
    rows = plan.match_rows()
    assert plan.resolve_matches(rows) is plan
    assert plan.resolve_matches(json.loads(json.dumps(rows.to_dicts()))) is plan
    assert plan.resolve_matches([]) is plan
    [first, *others] = ({name: value for name, value in row.items() if name != "decision"} for row in rows)
    assert plan.resolve_matches([{**first, "decision": ""}, *others]) is plan


def test_a_list_without_decisions_is_another_list() -> None:
    """Where no row has the column, a person's decisions stand elsewhere: nothing is passed over in silence."""
    plan = ada_twice().plan()
    with pytest.raises(ConfigurationError, match="none has a column named decision"):
        plan.resolve_matches([{"Id": ONE, "Email": "a"}])


# ---------------------------------------------------------------------------------------------------------- laws

VALUES = st.sampled_from(["", "x", "y"])
ROWS = st.lists(st.tuples(st.sampled_from(["", "k", "l", "m", "n"]), VALUES, VALUES, VALUES), max_size=4)


def loop_of(salesforce: list[tuple[str, ...]], dialog_insight: list[tuple[str, ...]]) -> Loop:
    loop = names(BY_PHONE, BY_NAME)
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
    transfer = names(BY_NAME, BY_PHONE).transfer
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


def test_the_stronger_evidence_is_shown_where_two_rows_tell_of_each_other() -> None:
    """One is found by the first tier by its own row, and by the second by the other's: the pair stands there once."""
    loop = names(BY_PHONE, BY_NAME)
    loop.salesforce(ONE, Email="a", First="Ada", Last="L", Phone="1")
    loop.person(1, EMail="c", first="Ada", last="L", phone=None)
    loop.person(2, EMail="d", first="Ada", last="L", phone="1")
    rows = loop.plan().match_rows()
    assert [(row["dialog_insight_id"], row["tier"], row["agreeing"]) for row in rows] == [
        ("1", 2, "First:first, Last:last"),
        ("2", 1, "Phone:phone"),
    ]


def test_two_records_that_the_plan_does_not_ask_about_are_not_linked() -> None:
    """An answer that joins a record of one question with one of another is refused, and names the row."""
    loop = ada_twice()
    loop.salesforce(TWO, Email="bo@work", First="Bo", Last="B", Phone=None)
    loop.person(2, EMail="bo@home", first="Bo", last="B", phone=None)
    with pytest.raises(ConfigurationError) as raised:
        loop.plan().resolve_matches([{"salesforce_id": ONE, "dialog_insight_id": 2, "decision": "link"}])
    assert [problem.code for problem in raised.value.problems] == ["match.unknown"]
    assert "does not ask about these two" in str(raised.value)


def test_keys_that_are_shown_alike_name_no_row() -> None:
    """Of two rows of a table whose keys read the same in a cell, an answer that gives that text names neither."""
    part = FieldMapping("Part", "part", key=True)
    loop = names(table="Orders", project=DestinationProject("people", id=1, tables={"Orders": 2}))
    loop.transfer = attrs.evolve(loop.transfer, fields=[*loop.transfer.lines, part])
    loop.salesforce(ONE, Email="z", Part="z", First="Ada", Last="L", Phone=None)
    for number, (one, other) in enumerate((("a / b", "c"), ("a", "b / c"))):
        loop.rows[D][str(number)] = {"EMail": one, "part": other, "first": "Ada", "last": "L", "phone": None}
    plan = loop.plan()
    assert {row["dialog_insight_key"] for row in plan.match_rows()} == {"a / b / c"}
    with pytest.raises(ConfigurationError, match="no such record of Dialog Insight"):
        plan.resolve_matches([{"salesforce_id": ONE, "dialog_insight_key": "a / b / c", "decision": "link"}])


def test_a_row_that_was_read_twice_with_different_names_is_nobodys_namesake() -> None:
    """Which of the two names is right nobody knows before it is read again: till then the tier does not hit."""
    loop = ada_twice()
    twice = [loop.rows[S][ONE], {**loop.rows[S][ONE], "First": "Eve"}]
    assert not loop.plan(Snapshot.complete(twice), answers=False).ambiguous


def test_an_old_export_proposes_nobody() -> None:
    """What a row of an old file says may not be so any more: it is read again before it is held against anybody."""
    loop = ada_twice()
    loop.carry_out(loop.plan())
    old = Snapshot.complete(loop.rows[S].values(), as_of=NOW - timedelta(days=1))
    plan = loop.plan(old, answers=False)
    assert not plan.ambiguous and not plan.writes


def test_a_key_that_has_no_form_there_is_not_asked_for() -> None:
    """A namesake is found; under a key that cannot be written over there nobody looks for another one."""
    loop = names()
    key = FieldMapping("Email", "EMail", key=True, converter=converters.choice({"one": "eins"}))
    loop.transfer = attrs.evolve(loop.transfer, fields=[key, *loop.transfer.lines[1:]])
    loop.salesforce(ONE, Email="one", First="Ada", Last="L", Phone=None)
    loop.person(1, EMail="zwei", first="Ada", last="L", phone=None)
    plan = loop.plan(Snapshot.complete(loop.rows[S].values(), scope="Email != null"), answers=False)
    assert not plan.writes and plan.ambiguous and S not in {side for side, _ in plan.needs}


@pytest.mark.parametrize("word", ["link", "different"])
def test_an_answer_about_a_row_that_left_the_filter_meanwhile_does_nothing(word: str) -> None:
    """A look-up that was still owed shows that one of the two takes no part any more: there is nothing to answer."""
    loop = ada_twice(dialog_insight_filter=lambda row: row.get("phone") != "out")
    loop.salesforce(TWO, Email="bo", First="Bo", Last="B", Phone=None)
    loop.person(2, EMail="bo", first="Bo", last="B", phone=None)
    loop.carry_out(loop.plan())
    del loop.rows[S][TWO]
    plan = answered(loop.plan(answers=False), word)
    assert plan.needs
    gone = {**loop.rows[D]["1"], "phone": "out"}
    assert "link.person" not in {action.reason for action in plan.supplied(dialog_insight=[gone]).actions}
