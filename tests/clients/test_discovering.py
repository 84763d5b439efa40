"""Laws of `discover`: what it says is what the simulator's switches say, and it leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.clients import DialogInsightClient
from di_salesforce.dialog_insight import Capabilities, Discovery, MergeOptions, Probe, Question, Relation, ThrowAway
from di_salesforce.exceptions import ApiError, AuthenticationError, ConfigurationError, TransportError
from di_salesforce.retry import RetryPolicy
from di_salesforce.schema import FieldType
from di_salesforce.testing import (
    ApiKey,
    FakeDialogInsight,
    HttpStatus,
    LostAnswer,
    OptinField,
    Project,
    ProjectField,
    ResetConnection,
    Right,
    Switches,
    in_process,
)
from di_salesforce.testing._di_clauses import GUESSED_OPERATORS
from di_salesforce.testing._di_switches import RecordCause, RecordResult

PROJECT: Final = 4321
PEOPLE: Final = 10
ONCE: Final = RetryPolicy(attempts=1)
FIELDS: Final = (
    ProjectField("EMail", "email", key=True, required=True),
    ProjectField("Town", length=2),
    ProjectField("Points", "decimal"),
    ProjectField("Born", "date"),
    ProjectField("Seen", "datetime"),
    ProjectField("Vip", "boolean"),
)


def account(switches: Switches | None = None, **project: Any) -> FakeDialogInsight:
    fake = FakeDialogInsight(switches=switches)
    fake.add_project(Project(PROJECT, **{"fields": FIELDS, "optins": [OptinField("news")], **project}))
    fake.load_contacts(PROJECT, [{"EMail": f"p{n}@test.example", "Born": date(1815, 12, 10)} for n in range(PEOPLE)])
    return fake


def agree(_: ThrowAway) -> bool:
    return True


def discovered(fake: FakeDialogInsight, *, probe: Probe | None = None, confirm: Any = agree) -> Discovery:
    with in_process.dialog_insight_client(fake, retry=ONCE) as client:
        return client.discover(PROJECT, confirm=confirm, probe=probe or Probe(most_records=20))


# every answer of every switch ---------------------------------------------------------------------------------------
DATES: Final = {
    "dots": ("%Y.%m.%d", "%Y.%m.%d %H:%M:%S"),
    "iso": ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S"),
    "iso_t": ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S"),
}
WORKING: Final = ", ".join(name for name in Probe().operators if name in GUESSED_OPERATORS)


def clauseless(switches: Switches) -> str:
    """Ten people are there, and two more for the time being."""
    if switches.clauseless_get == "refuse":
        return "refused"
    ceiling = switches.max_rows_per_get
    if ceiling is None or ceiling >= PEOPLE + 2:
        return "every_row"
    return "refused" if switches.past_max_rows_per_get == "refuse" else "cut"


def ceiling(switches: Switches) -> str:
    most = switches.max_records_per_merge
    return "at least 20" if most is None or most >= 20 else str(most)


EXPECTED: Final[Mapping[Question, Any]] = {
    Question.CLAUSELESS_GET: clauseless,
    Question.CLAUSE_LISTS: lambda s: {"accept": "all_must_hold", "refuse": "refused"}[s.clause_list],
    Question.MERGE_CEILING: ceiling,
    Question.BOOLEANS: lambda s: s.boolean_rendering,
    Question.NUMBERS: lambda s: s.number_rendering,
    Question.DATES: lambda s: DATES[s.date_rendering][0],
    Question.DATETIMES: lambda s: DATES[s.date_rendering][1],
    Question.NULLS: lambda s: s.null_rendering,
    Question.NULL_IN_DATA: lambda s: s.null_in_data,
    Question.BLANK_IN_DATA: lambda s: "clear",
    Question.UNKNOWN_FIELD: lambda s: s.unknown_field,
    Question.INSERT_ONLY_HIT: lambda s: "left_alone",
    Question.UPDATE_ONLY_MISS: lambda s: "left_alone",
    Question.KEY_MEMBER: lambda s: s.key_member,
    Question.DELETING: lambda s: "works",
}
"""What `discover` must answer, told from the switches alone; operators have a law of their own."""

OPEN: Final = (
    *("clauseless_get", "past_max_rows_per_get", "clause_list", "operators", "row_order", "max_rows_on_get"),
    *(
        "unknown_clause_field",
        "null_comparison",
        "clause_value_case_sensitive",
        "boolean_rendering",
        "number_rendering",
        "date_rendering",
    ),
    *("null_rendering", "body_layout", "trace", "unknown_field", "codes_case_sensitive", "members_case_sensitive"),
    *("over_length", "null_in_data", "blank_text", "email_syntax", "email_lower_casing", "optin_date_on_change"),
    *("email_key_case_sensitive", "key_change_through_data", "insert_only_hit", "update_only_miss"),
    *("duplicate_in_call", "clauseless_delete", "delete_without_max_rows", "delete_past_max_rows", "error_http_status"),
)
SWITCHES: Final = st.fixed_dictionaries(
    {
        **{name: st.sampled_from(Switches.answers()[name]) for name in OPEN},
        "max_rows_per_get": st.none() | st.integers(1, PEOPLE + 4),
        "max_records_per_merge": st.none() | st.integers(1, 24),
        "key_member": st.sampled_from(["", "isKey"]),
    }
).map(lambda chosen: Switches(**chosen))


@given(SWITCHES)
def test_the_answers_are_those_of_the_switches(switches: Switches) -> None:
    """Under every combination of the open questions' answers, `discover` finds out each of them, and cleans up."""
    fake = account(switches)
    before = fake.contacts(PROJECT)
    found = discovered(fake)
    assert {question: found.answer(question) for question in EXPECTED} == {
        question: tell(switches) for question, tell in EXPECTED.items()
    }, str(found)
    assert fake.contacts(PROJECT) == before
    assert (found.leftovers, found.stopped) == ((), "")
    assert_capabilities_hold(found.capabilities, switches)


def assert_capabilities_hold(able: Capabilities, switches: Switches) -> None:
    """Nothing is claimed that the service does not do, and what it does is claimed."""
    assert able.clauseless_get is (clauseless(switches) == "every_row")
    assert able.clause_lists is (switches.clause_list == "accept")
    assert able.null_clears is (switches.null_in_data == "clear")
    assert able.max_records_per_merge == min(20, switches.max_records_per_merge or 20)
    assert able.key_member == switches.key_member
    assert not able.delete
    cut = clauseless(switches) == "cut"
    assert able.max_rows_per_get == (switches.max_rows_per_get if cut else None)
    possible = {"Equal", *GUESSED_OPERATORS} if switches.operators == "also_guessed" else {"Equal"}
    assert able.operators <= possible
    if switches.max_rows_per_get is None:  # else a long answer may lack the contact that shows an operator's meaning
        assert able.operators == possible
    assert Capabilities.from_dict(able.to_dict()) == able


@pytest.mark.parametrize("question", [question for question in Question if question is not Question.OPERATORS])
def test_every_question_has_an_expectation(question: Question) -> None:
    """No question stands outside the law above; operators are held against the switch in it."""
    assert question in EXPECTED


def test_operators_are_found_by_what_they_do() -> None:
    """An operator counts by whom it finds: a spelling whose meaning was told wrongly is not relied on."""
    fake = account(Switches(operators="also_guessed"))
    assert discovered(fake).answer(Question.OPERATORS) == WORKING
    wrong = {name: relation for name in ("Greater", "Contains", "LessOrEqual") for relation in [Relation.STARTS_WITH]}
    found = discovered(fake, probe=Probe(operators={**wrong, "NotEqual": Relation.NOT_EQUAL}, most_records=1))
    assert found.capabilities.operators == {"Equal", "NotEqual"}


# words --------------------------------------------------------------------------------------------------------------
FOREIGN: Final = {
    RecordCause.CREATED: RecordResult("Créé", "Bon"),
    RecordCause.UPDATED: RecordResult("Modifié", "Bon"),
    RecordCause.KNOWN_REFUSED: RecordResult("Erreur", "E17", "La fiche y est."),
    RecordCause.UNMATCHED_REFUSED: RecordResult("Erreur", "E18"),
    RecordCause.BAD_VALUE: RecordResult("Erreur", "E99"),
}


def test_words_nobody_knew_are_learnt() -> None:
    """Statuses in other words are proven by the counters, and recognised by the next client."""
    fake = account(Switches(record_results=FOREIGN, insert_only_hit="refuse"))
    able = discovered(fake).capabilities
    with in_process.dialog_insight_client(fake, capabilities=able) as client:
        contacts = client.project(PROJECT).contacts
        rows = [{"EMail": "p1@test.example"}, {"EMail": "new@test.example"}]
        assert [result.status for result in contacts.merge(rows, key="EMail")] == ["updated", "created"]
        insert = contacts.merge([{"EMail": "p1@test.example"}], key="EMail", options=MergeOptions(allow_update=False))
        update = contacts.merge([{"EMail": "x@test.example"}], key="EMail", options=MergeOptions(allow_insert=False))
        assert [result.status for result in (*insert, *update)] == ["exists", "unmatched"]
        bad = contacts.merge(
            [{"EMail": "p1@test.example", "Born": "no date"}], key="EMail", options=MergeOptions(allow_update=False)
        )
        assert bad[0].status == "refused"


def test_a_word_that_means_two_things_proves_nothing() -> None:
    """A status that is said of stored and of skipped records alike is not taken for success."""
    same = {cause: RecordResult("Done", "OK") for cause in (RecordCause.CREATED, RecordCause.KNOWN_SKIPPED)}
    able = discovered(account(Switches(record_results=same))).capabilities
    assert able.created == {"created"}


# people's consent and traces ----------------------------------------------------------------------------------------
def test_each_record_is_named_before_it_is_written() -> None:
    """The callback is given each contact while it does not exist yet, and no other contact is ever written."""
    fake = account()
    named: list[str] = []

    def confirm(record: ThrowAway) -> bool:
        assert record.value not in {contact["EMail"] for contact in fake.contacts(PROJECT)}
        assert record.value in str(record)
        named.append(record.value)
        return True

    stored: set[object] = set()
    fake.on_save(PROJECT, lambda row: stored.add(row["EMail"]))
    discovered(fake, confirm=confirm)
    assert stored == set(named)
    assert named == ["discover-01@di-salesforce.invalid", "discover-02@di-salesforce.invalid"]


@pytest.mark.parametrize("refused", [1, 2])
def test_a_refusal_means_that_nothing_is_written(refused: int) -> None:
    """Whichever contact is refused, none is written; what reading and harmless calls can tell is told."""
    fake = account(Switches(max_records_per_merge=7))
    stored: list[object] = []
    fake.on_save(PROJECT, stored.append)
    found = discovered(fake, confirm=lambda record: f"-0{refused}@" not in record.value)
    assert stored == []
    assert not found.capabilities.clauseless_get
    assert found.answer(Question.MERGE_CEILING) == "7"
    assert found.answer(Question.NULL_IN_DATA) == ""
    assert "you refused" in str(found)


def test_leftovers_of_former_times_are_passed_over() -> None:
    """A contact that has the name of a throw-away one is neither changed nor deleted: the next name is taken."""
    fake = account()
    fake.load_contacts(PROJECT, [{"EMail": "discover-01@di-salesforce.invalid", "Town": "ZZ"}])
    before = fake.contacts(PROJECT)
    found = discovered(fake)
    assert found.answer(Question.CLAUSELESS_GET) == "every_row"
    assert fake.contacts(PROJECT) == before


def test_what_cannot_be_deleted_is_named() -> None:
    """A key without the right to delete leaves two contacts, and the report says which."""
    fake = account()
    fake.access = ApiKey(
        fake.id_key, fake.key, rights=[Right("contacts", "Get"), Right("contacts", "Merge"), Right("projects")]
    )
    found = discovered(fake)
    left = {str(contact["EMail"]) for contact in fake.contacts(PROJECT)} & set(found.leftovers)
    assert len(left) == len(found.leftovers) == 2
    assert found.answer(Question.DELETING) == "refused"
    assert all(name in str(found) for name in left)
    kept = discovered(account(), probe=Probe(clean_up=False, most_records=1))
    assert len(kept.leftovers) == 2


# trouble ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("after", range(0, 60, 3))
@pytest.mark.parametrize("fault", [ResetConnection(), LostAnswer(), HttpStatus(503)])
def test_trouble_at_any_point_leaves_nothing_behind(after: int, fault: Any) -> None:
    """Wherever one call fails, it ends in our error with nothing written, or in a report; no contact is left."""
    fake = account()
    before = fake.contacts(PROJECT)
    fake.inject(fault, after=after)
    try:
        found = discovered(fake)
    except (ApiError, TransportError):
        assert not fake.writes
    else:
        assert not found.leftovers
        for question, expected in EXPECTED.items():
            assert found.answer(question) in ("", expected(Switches())), str(found)
    assert fake.contacts(PROJECT) == before


def test_a_quota_that_ends_leaves_a_report() -> None:
    """When the key's calls are used up on the way, what was found out is told, and what is left behind."""
    fake = account()
    fake.access = attrs.evolve(fake.access, quota=30)
    found = discovered(fake)
    assert "used up" in found.stopped
    assert found.answer(Question.CLAUSELESS_GET) == "every_row"
    assert set(found.leftovers) <= {contact["EMail"] for contact in fake.contacts(PROJECT)}
    assert len(found.leftovers) == 2


def test_a_key_that_is_refused_is_an_error() -> None:
    """Where nothing can be read, there is nothing to report."""
    fake = account()
    with (
        in_process.dialog_insight_client(fake) as known,
        DialogInsightClient(
            id_key=fake.id_key, key="wrong", host="https://x.invalid", http_client=known._transport._given
        ) as client,
        pytest.raises(AuthenticationError),
    ):
        client.discover(PROJECT, confirm=agree)


def test_a_probe_must_fit_the_project() -> None:
    """Required fields without a value and fields that there are not are all said before anything is written."""
    fake = account(fields=(*FIELDS, ProjectField("Level", required=True)))
    with pytest.raises(ConfigurationError) as raised:
        discovered(fake, probe=Probe(key_field="Nope", fields={FieldType.DATE: "Never"}))
    assert {problem.path for problem in raised.value.problems} == {
        *("probe.values.Level", "probe.Nope", "probe.Never"),
    }
    assert not fake.writes
    found = discovered(fake, probe=Probe(values={"Level": "gold"}, most_records=1))
    assert found.answer(Question.CLAUSELESS_GET) == "every_row"


@pytest.mark.parametrize("wrong", [{"label": "Two Words"}, {"label": ""}, {"most_records": 0}])
def test_a_probe_that_cannot_be_is_an_error(wrong: dict[str, Any]) -> None:
    """Labels and bounds are checked when the probe is made."""
    with pytest.raises(ConfigurationError):
        Probe(**wrong)


def test_a_project_with_another_key_and_no_types_is_studied_too() -> None:
    """A client number as key, and types that only the probe names."""
    fields = [
        ProjectField("ClientNo", "text", 18, key=True),
        ProjectField("Naissance", "date", data_type="Jour"),
        ProjectField("Town", data_type="Texte"),
    ]
    fake = FakeDialogInsight(switches=Switches(operators="also_guessed"))
    fake.add_project(Project(PROJECT, fields=fields))
    fake.load_contacts(PROJECT, [{"ClientNo": "1", "EMail": "p@test.example"}])
    found = discovered(fake, probe=Probe(key_field="ClientNo", fields={FieldType.DATE: "Naissance"}, most_records=2))
    assert found.answer(Question.DATES) == "%Y.%m.%d"
    assert found.answer(Question.NUMBERS) == ""
    assert found.answer(Question.OPERATORS) == WORKING
    assert len(fake.contacts(PROJECT)) == 1


# the client ---------------------------------------------------------------------------------------------------------
def test_both_worlds_find_out_the_same() -> None:
    """The async client gives the same report."""
    fake = account()

    async def use() -> Discovery:
        async with in_process.async_dialog_insight_client(fake) as client:
            return await client.discover(PROJECT, confirm=agree, probe=Probe(most_records=20))

    assert str(asyncio.run(use())) == str(discovered(fake))


def test_what_the_client_knew_is_kept() -> None:
    """Capabilities that no question is about stay as the client had them, a known ceiling of one Get among them."""
    fake = account()
    known = Capabilities(delete=True, max_rows_per_get=12, gets_at_once=2, operators={"Equal", "Between"})
    with in_process.dialog_insight_client(fake, capabilities=known) as client:
        able = client.discover(PROJECT, confirm=agree, probe=Probe(most_records=1)).capabilities
    assert (able.delete, able.max_rows_per_get, able.gets_at_once) == (True, 12, 2)
    assert able.operators == {"Equal", "Between"}


def test_a_report_can_be_shown_and_its_capabilities_stored() -> None:
    """The report has a sentence for every question; the capabilities go through JSON."""
    found = discovered(account())
    assert {line.partition(":")[0] for line in str(found).splitlines()} == {question.value for question in Question}
    assert json.loads(json.dumps(found.capabilities.to_dict()))["clauseless_get"] is True
