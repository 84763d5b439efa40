"""What a person answers about records that may be the same: how it is asked, read, refused, and what follows."""

from __future__ import annotations

import json

import attrs
import pytest

from di_salesforce import DestinationProject, Direction, FieldMapping, converters
from di_salesforce.engine import Plan, Snapshot
from di_salesforce.engine._answers import match_rows
from di_salesforce.engine._part import Part
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Side, record_id_18
from di_salesforce.testing._loop import BY_NAME, BY_PHONE, ONE, Loop, ada_twice, answered, people
from di_salesforce.testing._pairs import plan_of, told
from di_salesforce.triggers import ConflictPolicy, Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
TWO, THREE = "003000000000002AAA", "003000000000003AAA"
HELD = ("reject", "match.proposed")


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


@pytest.mark.parametrize("salesforce", ["ada@work", None])
@pytest.mark.parametrize("dialog_insight", ["ada@home", None])
def test_each_record_of_a_link_that_a_person_made_keeps_its_own_key(
    salesforce: str | None, dialog_insight: str | None
) -> None:
    """The two differ, or one has none: by its own each is found and not made again, by either the link is shown."""
    loop = ada_twice()
    loop.salesforce(ONE, Email=salesforce)
    loop.person(1, EMail=dialog_insight)
    plan = answered(loop.plan(), "link")
    (made,) = [action for action in plan.actions if action.kind == "link"]
    shown = salesforce or dialog_insight
    assert (made.key, made.key_text) == (shown, () if shown is None else (shown,))
    loop.carry_out(plan)
    (link,) = loop.baseline.links
    assert link.salesforce_key == (None if salesforce is None else (salesforce,))
    assert link.dialog_insight_key == (None if dialog_insight is None else (dialog_insight,))
    loop.salesforce(TWO, Email=salesforce, First="Eve", Last="E", Phone=None)
    loop.person(2, EMail=dialog_insight, first="Bob", last="B", phone=None)
    assert {action.reason for action in loop.plan().actions if action.subject.startswith("row:")} <= {
        "key.missing",
        "key.duplicate",
    }


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
    loop = people()
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
    loop = people()
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
    loop = people(project=project, table="Pets")
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
    loop = people()
    for number, name in ((1, ONE), (2, TWO)):
        loop.salesforce(name, Email=f"a{number}", First="Ada", Last="L", Phone=None)
        loop.person(number, EMail=f"b{number}", first="Ada", last="L", phone=None)
    plan = loop.plan()
    pair: dict[str, object] = {"salesforce_id": ONE, "dialog_insight_id": "1", "decision": "link"}
    with pytest.raises(ConfigurationError, match=r"^resolve_matches") as error:
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
    assert sorted((problem.path, problem.code, problem.message) for problem in error.value.problems) == [
        ("decisions[0]", "match.contradiction", "decisions[2] says that these two are different"),
        ("decisions[1]", "match.twice", "decisions[0] links this record of Salesforce already"),
        ("decisions[3].decision", "match.decision", "must be link, different or blank"),
        ("decisions[4].salesforce_id", "match.unknown", "the plan asks about no such record of Salesforce"),
        ("decisions[5].transfer", "match.transfer", "the plan is of t"),
        (
            "decisions[6]",
            "match.unknown",
            "names one record: only what the plan skips as match.unproven is answered so",
        ),
    ]


def test_answers_of_several_steps_and_of_joined_plans_hold_together() -> None:
    """Answering in two steps is answering at once, and a joined plan hands each transfer its own."""
    loop = people()
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


def two_people_twice() -> Loop:
    """Give two people who are each unlinked on both sides."""
    loop = ada_twice()
    loop.salesforce(TWO, Email="bo@work", First="Bo", Last="B", Phone=None)
    loop.person(2, EMail="bo@home", first="Bo", last="B", phone=None)
    return loop


def test_blank_answers_leave_the_plan_as_it_is() -> None:
    """An unedited list decides nothing, nor does one whose blank cells a spreadsheet left out at the ends of rows."""
    plan = two_people_twice().plan()
    rows = plan.match_rows()
    assert plan.resolve_matches(rows) is plan
    assert plan.resolve_matches(json.loads(json.dumps(rows.to_dicts()))) is plan
    assert plan.resolve_matches([]) is plan
    first, second = ({name: value for name, value in row.items() if name != "decision"} for row in rows)
    for blank in ("", " ", None):
        assert plan.resolve_matches([{**first, "decision": blank}, second]) is plan
        assert plan.resolve_matches([first, {**second, "decision": blank}]) is plan


def test_a_list_without_decisions_is_another_list() -> None:
    """Where no row has the column, a person's decisions stand elsewhere: nothing is passed over in silence."""
    plan = ada_twice().plan()
    for count in (1, 2):
        with pytest.raises(ConfigurationError, match="none has a column named decision") as error:
            plan.resolve_matches([{"Id": ONE, "Email": "a"}] * count)
        assert [(problem.path, problem.code) for problem in error.value.problems] == [("decisions", "match.decision")]


def test_an_answer_without_its_transfer_is_clear_only_where_there_is_one() -> None:
    """A plan of several transfers names them all, and takes nothing of an answer that may be about any."""
    answer = {"salesforce_id": ONE, "dialog_insight_id": 1, "decision": "link"}
    one, other = ada_twice().plan(), ada_twice(name="other").plan()
    for given in (answer, {**answer, "transfer": None}, {**answer, "transfer": ""}):
        assert told(one.resolve_matches([given]))[0] == ("link", "link.person")
        with pytest.raises(ConfigurationError) as error:
            Plan.joined([one, other]).resolve_matches([given])
        assert [(problem.path, problem.message) for problem in error.value.problems] == [
            ("decisions[0].transfer", "the plan is of t, other")
        ]


@pytest.mark.parametrize(
    ("named", "path"),
    [
        ({"salesforce_id": ONE, "dialog_insight_key": "ada@home"}, "decisions[0].dialog_insight_key"),
        ({"salesforce_id": ONE, "dialog_insight_id": 9, "dialog_insight_key": "ada@home"}, None),
        ({"salesforce_key": "ada@work", "dialog_insight_id": 1}, ""),
        ({"salesforce_id": "ada@work", "dialog_insight_id": 1}, "decisions[0].salesforce_id"),
    ],
)
def test_a_record_with_an_id_is_named_by_that_alone(named: dict[str, object], path: str | None) -> None:
    """Its key stands in the list to be read by a person: two records may have one, and it names neither."""
    with pytest.raises(ConfigurationError) as error:
        ada_twice().plan().resolve_matches([{**named, "decision": "link"}])
    (problem,) = error.value.problems
    assert problem.code == "match.unknown"
    assert problem.path == {None: "decisions[0].dialog_insight_id", "": "decisions[0]"}.get(path, path)


@pytest.mark.parametrize("side", Side)
def test_a_record_of_either_side_may_be_said_to_have_no_namesake(side: Side) -> None:
    """The other side was not read as a whole: that one record is created once a person says that it stands alone."""
    loop = ada_twice()
    loop.rows[side.other] = {}
    shots = {each: Snapshot.changes([]) for each in Side}
    shots[side] = Snapshot.complete(loop.rows[side].values())
    plan = plan_of(shots[S], shots[D], transfer=loop.transfer).supplied()
    assert told(plan) == [("skip", "match.unproven")]
    (row,) = loop.rows[side].values()
    # Salesforce's key is there to be read: nothing is named by it.
    answer = {f"{side.value}_id": row[loop.transfer.id_field(side) or ""], "salesforce_key": "somebody"}
    assert told(plan.resolve_matches([{**answer, "decision": "different"}])) == [("create", "create.new")]
    with pytest.raises(ConfigurationError, match="names one record"):
        plan.resolve_matches([{**answer, "decision": "link"}])


def test_an_id_is_taken_as_it_is() -> None:
    """Whatever characters a record's id has, its rows are told of each other and answered by it."""
    loop = people()
    loop.rows[S]["a:b"] = {"Id": "a:b", "Email": "k", "First": "Ada", "Last": "L", "Phone": None}
    loop.rows[D]["c:d"] = {"idContact": "c:d", "EMail": "j", "first": "Ada", "last": "L", "phone": None}
    plan = loop.plan()
    assert told(plan) == [HELD, HELD]
    assert [(row["salesforce_id"], row["dialog_insight_id"]) for row in plan.match_rows()] == [("a:b", "c:d")]
    loop.carry_out(answered(plan, "link"))
    assert loop.links() == {("a:b", "c:d")}


@pytest.mark.parametrize(
    ("parts", "shown"),
    [(("k", 5), "k / 5"), (("k", None), "k / "), ((None, 5), " / 5"), ((None, None), None)],
)
def test_a_key_of_several_parts_is_shown_in_one_cell(parts: tuple[str | None, int | None], shown: str | None) -> None:
    """A part that is blank stands for nothing, and a record without any part has no key to show."""
    loop = ada_twice()
    year = FieldMapping("Year", "year", key=True, converter=converters.integer())
    loop.transfer = attrs.evolve(loop.transfer, fields=[*loop.transfer.lines, year])
    loop.salesforce(ONE, Email=parts[0], Year=parts[1])
    loop.person(1, year=7)
    (row,) = loop.plan(answers=False).match_rows()
    assert (row["salesforce_key"], row["dialog_insight_key"]) == (shown, "ada@home / 7")


def test_what_agrees_is_told_by_the_lines_of_the_tier() -> None:
    """A field of Salesforce may feed several fields there: the one by which the two records were compared is named."""
    one_way = Direction.TO_DIALOG_INSIGHT
    lines = [FieldMapping("First", name, direction=one_way) for name in ("called", "first", "greeting")]
    loop = Loop(*lines, match=(("First:first",),))
    loop.salesforce(ONE, Email="a", First="Ada")
    loop.person(1, EMail="b", called="x", first="Ada", greeting="y")
    plan = loop.plan()
    assert [row["agreeing"] for row in plan.match_rows()] == ["First:first"]
    loop = Loop()
    for name in (ONE, TWO):
        loop.salesforce(name, Email="k")
    loop.person(1, EMail="k")
    assert [(row["tier"], row["agreeing"]) for row in loop.plan().match_rows()] == [("key", "Email:EMail")] * 2
    older = [Part.from_dict({name: each for name, each in plan.parts[0].to_dict().items() if name != "tiers"})]
    assert [row["agreeing"] for row in match_rows(plan.actions, older)] == ["First"], "it tells what it knows"


def test_an_answered_plan_ends_where_its_reading_ended() -> None:
    """Where a feed goes on is noted in the plan that was read for it: the plan with the answers has the same place."""
    plan = ada_twice().plan()
    (part,) = plan.parts
    places = dict(zip(Side, ("place 1", None), strict=True))
    noted = tuple(attrs.evolve(each, cursor=places[each.side]) for each in part.coverages)
    decided = answered(attrs.evolve(plan, parts=(attrs.evolve(part, coverages=noted),)), "link")
    assert decided.parts[0].coverages == noted and len(noted) == len(Side)


def test_the_stronger_evidence_is_shown_where_two_rows_tell_of_each_other() -> None:
    """One is found by the first tier by its own row, and by the second by the other's: the pair stands there once."""
    loop = people(BY_PHONE, BY_NAME)
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
    plan = two_people_twice().plan()
    with pytest.raises(ConfigurationError, match="does not ask about these two") as raised:
        plan.resolve_matches([{"salesforce_id": ONE, "dialog_insight_id": 2, "decision": "link"}])
    assert [problem.code for problem in raised.value.problems] == ["match.unknown"]


def test_keys_that_are_shown_alike_name_no_row() -> None:
    """Of two rows of a table whose keys read the same in a cell, an answer that gives that text names neither."""
    part = FieldMapping("Part", "part", key=True)
    loop = people(table="Orders", project=DestinationProject("people", id=1, tables={"Orders": 2}))
    loop.transfer = attrs.evolve(loop.transfer, fields=[*loop.transfer.lines, part])
    loop.salesforce(ONE, Email="z", Part="z", First="Ada", Last="L", Phone=None)
    for number, (one, other) in enumerate((("a / b", "c"), ("a", "b / c"))):
        loop.rows[D][str(number)] = {"EMail": one, "part": other, "first": "Ada", "last": "L", "phone": None}
    plan = loop.plan()
    assert {row["dialog_insight_key"] for row in plan.match_rows()} == {"a / b / c"}
    with pytest.raises(ConfigurationError, match="no such record of Dialog Insight"):
        plan.resolve_matches([{"salesforce_id": ONE, "dialog_insight_key": "a / b / c", "decision": "link"}])


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
