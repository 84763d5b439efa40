"""Laws of the switches: each open question about Dialog Insight has answers, and each answer shows in the simulator."""

from __future__ import annotations

import ast
import gzip
import inspect
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, TypeAlias

import attrs
import pytest

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing import _di_switches
from di_salesforce.testing._di_model import Column, OptinField, Project, ProjectField, Table
from di_salesforce.testing._di_switches import (
    CALL_ERRORS,
    RECORD_RESULTS,
    CallCause,
    CallError,
    RecordCause,
    RecordResult,
    Switches,
)
from di_salesforce.testing._dialog_insight import FakeDialogInsight
from di_salesforce.testing._loopback import SimResponse, parse_request

PROJECT, TEXT_KEYED, TABLE = 1, 2, 3
NOW = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)  # the third of March in Montreal
ADA = "Ada@test.example"
UPSERT = {"AllowInsert": True, "AllowUpdate": True}


def make(switches: Switches) -> FakeDialogInsight:
    fake = FakeDialogInsight(clock=lambda: NOW, switches=switches)
    fields = [
        ProjectField("EMail", "email", required=True, key=True),
        ProjectField("City", "text", 5),
        ProjectField("Visits", "integer"),
        ProjectField("Points", "decimal"),
        ProjectField("Born", "date"),
        ProjectField("Seen", "datetime"),
        ProjectField("Level", "single_choice", options=("gold",)),
    ]
    optins = [OptinField("news", date_code="nws"), OptinField("sms", date_code="sms", date_type="datetime")]
    fake.add_project(Project(PROJECT, fields=fields, optins=optins, time_zone="America/Toronto"))
    number = ProjectField("Number", "text", key=True)
    fake.add_project(Project(TEXT_KEYED, fields=[number], standard_fields=False))
    columns = [Column("id", "nvarchar", 10, key=True), Column("idContact", "int", foreign_key=True)]
    fake.add_table(Table(TABLE, project=PROJECT, kind="profiling", columns=columns))
    ada = {"EMail": ADA, "City": "Paris", "Visits": 7, "Points": "1.50", "Born": date(1815, 12, 10)}
    fake.load_contacts(PROJECT, [{**ada, "Seen": datetime(2025, 3, 4, 10, 20, 30), "optin_news": True}])
    fake.load_contacts(PROJECT, [{"EMail": f"p{n}@test.example", "City": "Oslo"} for n in range(9)])
    fake.load_contacts(TEXT_KEYED, [{"Number": "Ab1"}])
    fake.load_rows(TABLE, [{"id": "r1"}])
    return fake


def clause(field: str, value: object, operator: str = "Equal") -> dict[str, Any]:
    return {"$type": "FieldClause", "Field": {"Name": field}, "TypeOperator": operator, "ComparisonValue": value}


def get(fake: FakeDialogInsight, **members: Any) -> dict[str, Any]:
    return fake.call("contacts", "Get", **{"idProject": PROJECT, **members})


def emails(answer: dict[str, Any]) -> int | None:
    return len(answer["Records"]) if answer["Success"] else None


def ada(fake: FakeDialogInsight, code: str) -> Any:
    return get(fake, Clause=clause("idContact", 900001))["Records"][0][code]


def merge(fake: FakeDialogInsight, data: dict[str, Any], email: str = ADA, **options: bool) -> dict[str, Any]:
    records = [{"ID": {"key_f_EMail": email}, "Data": data}]
    return fake.call("contacts", "Merge", idProject=PROJECT, Records=records, MergeOptions=options or UPSERT)


def stored(code: str, data: dict[str, Any]) -> Callable[[FakeDialogInsight], Any]:
    """Probe: send data for one contact, and tell its status and what it then holds under the code."""

    def probe(fake: FakeDialogInsight) -> Any:
        answer = merge(fake, data)
        status = answer["Records"][0]["Status"] if answer["Success"] else None
        return status, fake.contacts(PROJECT)[0][code]

    return probe


def status_of(email: str, **options: bool) -> Callable[[FakeDialogInsight], Any]:
    return lambda fake: merge(fake, {"f_Visits": 1}, email, **options)["Records"][0]["Status"]


def count(**members: Any) -> Callable[[FakeDialogInsight], Any]:
    return lambda fake: emails(get(fake, **members))


def delete(**members: Any) -> Callable[[FakeDialogInsight], Any]:
    """Probe: delete contacts; whether it was done, and how many are left."""

    def probe(fake: FakeDialogInsight) -> Any:
        done = fake.call("contacts", "Delete", idProject=PROJECT, **members)["Success"]
        return done, len(fake.contacts(PROJECT))

    return probe


def twice(fake: FakeDialogInsight) -> Any:
    records = [{"ID": {"key_f_EMail": "b@test.example"}, "Data": {"f_Visits": n}} for n in (1, 2)]
    answer = fake.call("contacts", "Merge", idProject=PROJECT, Records=records, MergeOptions=UPSERT)
    return answer["Success"], [c["Visits"] for c in fake.contacts(PROJECT) if c["EMail"] == "b@test.example"]


def orphan(fake: FakeDialogInsight) -> Any:
    records = [{"ID": {"key_id": "r2"}, "Data": {"idContact": 5}}]
    fake.call("relationaltables", "Merge", idTable=TABLE, Records=records, MergeOptions=UPSERT)
    return len(fake.rows(TABLE))


def row_number(fake: FakeDialogInsight) -> Any:
    records = [{"ID": {"key_id": "r1"}, "Data": {}}]
    answer = fake.call("relationaltables", "Merge", idTable=TABLE, Records=records, MergeOptions=UPSERT)
    return answer["Records"][0]["IdRecord"]


def text_key(fake: FakeDialogInsight) -> Any:
    records = [{"ID": {"key_f_Number": "AB1"}, "Data": {}}]
    fake.call("contacts", "Merge", idProject=TEXT_KEYED, Records=records, MergeOptions=UPSERT)
    return len(fake.contacts(TEXT_KEYED))


def email_key(fake: FakeDialogInsight) -> Any:
    merge(fake, {}, ADA.lower())
    return len(fake.contacts(PROJECT))


def other_casing(fake: FakeDialogInsight) -> Any:
    body = {"IDPROJECT": PROJECT, "records": [{"id": {"key_f_EMail": ADA}, "DATA": {"f_Visits": 9}}]}
    options = {"allowupdate": True}
    answer = fake.call("contacts", "Merge", **body, mergeoptions=options)
    return answer["Success"] and fake.contacts(PROJECT)[0]["Visits"]


def raw(fake: FakeDialogInsight, method: str = "Get") -> SimResponse:
    body = json.dumps({"AuthKey": {"idKey": fake.id_key, "Key": fake.key}, "idProject": PROJECT}).encode()
    return fake.handle(parse_request("POST", f"/webservices/ofc4/projects.ashx?method={method}", {}, body))


def layout(fake: FakeDialogInsight) -> Any:
    body = raw(fake).body
    return b"\r\n" in body, json.loads(body)["Success"]


def order(fake: FakeDialogInsight) -> Any:
    ids = [row["idContact"] for row in get(fake)["Records"]]
    assert sorted(ids) == list(range(900001, 900011))
    return ids == sorted(ids)


def optin_dates(fake: FakeDialogInsight) -> Any:
    merge(fake, {"optin_news": "0", "optin_sms": "1"})
    contact = fake.contacts(PROJECT)[0]
    return contact["dtOptin_nws"], contact["dtOptin_sms"]


def described(member: str) -> Callable[[FakeDialogInsight], Any]:
    def probe(fake: FakeDialogInsight) -> Any:
        fields = fake.call("projects", "Get", idProject=PROJECT)["ProjectInfo"]["ProjectFields"]
        return [field.get(member) for field in fields[:2]]

    return probe


def replaced(fake: FakeDialogInsight) -> Any:
    fake.import_csv(PROJECT, f"key_f_EMail\n{ADA}\n", "replace")
    assert len(fake.inactive_contacts(PROJECT)) == 9
    return len(get(fake)["Records"])


def statuses(fake: FakeDialogInsight) -> Any:
    records = [{"ID": {"key_f_EMail": f"n{n}@test.example"}, "Data": {}} for n in range(5)]
    answer = fake.call("contacts", "Merge", idProject=PROJECT, Records=records, MergeOptions=UPSERT)
    answered = [record["ID"]["key_f_EMail"] for record in answer["Records"]]
    assert sorted(answered) == [record["ID"]["key_f_EMail"] for record in records]
    return answered == sorted(answered)


def blank_cell(fake: FakeDialogInsight) -> Any:
    fake.import_csv(PROJECT, f"key_f_EMail,f_City\n{ADA},\n")
    return fake.contacts(PROJECT)[0]["City"]


def packed(fake: FakeDialogInsight) -> Any:
    headers = {"Accept-Encoding": "gzip, deflate"}
    answer = fake.handle(parse_request("POST", "/webservices/ofc4/projects.ashx?method=List", headers, b"{}"))
    plain = gzip.decompress(answer.body) if "Content-Encoding" in answer.headers else answer.body
    assert json.loads(plain)["Success"] is False
    return answer.headers.get("Content-Encoding")


def used_up(fake: FakeDialogInsight) -> Any:
    fake.access = attrs.evolve(fake.access, quota=0)
    answer = raw(fake)
    assert json.loads(answer.body)["ErrorCode"] == CALL_ERRORS[CallCause.QUOTA].code
    return answer.status, "Retry-After" in answer.headers


Probe: TypeAlias = Callable[[FakeDialogInsight], Any]
OSLO = clause("f_City", "Oslo")
NO_TYPE_FIRST = {
    "Field": {"Name": "f_City"},
    "$type": "FieldClause",
    "TypeOperator": "Equal",
    "ComparisonValue": "Oslo",
}

# switch -> what to try, and what shows for each answer
LAWS: dict[str, tuple[Probe, dict[Any, Any]]] = {
    "clauseless_get": (count(), {"allow": 10, "refuse": None}),
    "clause_list": (count(Clause=[OSLO]), {"accept": 9, "refuse": None}),
    "clause_type_first": (count(Clause=NO_TYPE_FIRST), {"demand": None, "ignore": 9}),
    "operators": (count(Clause=clause("f_Visits", 6, "Greater")), {"equal_only": None, "also_guessed": 1}),
    "unknown_clause_field": (count(Clause=clause("f_Nothing", 6)), {"refuse": None, "no_rows": 0}),
    "null_comparison": (count(Clause=clause("f_Visits", None)), {"matches_nothing": 0, "matches_null": 9}),
    "clause_value_case_sensitive": (count(Clause=clause("f_EMail", ADA.lower())), {False: 1, True: 0}),
    "max_rows_on_get": (count(MaxRows=3), {"honour": 3, "ignore": 10}),
    "max_rows_per_get": (count(), {None: 10, 4: 4}),
    "row_order": (order, {"by_number": True, "shuffled": False}),
    "optin_dates_in_answers": (
        lambda fake: "dtOptin_nws" in get(fake)["Records"][0],
        {"present": True, "absent": False},
    ),
    "boolean_rendering": (lambda fake: ada(fake, "optin_news"), {"json": True, "number": 1, "text": "1"}),
    "number_rendering": (
        lambda fake: (ada(fake, "f_Visits"), ada(fake, "f_Points"), ada(fake, "idContact")),
        {"number": (7, 1.5, 900001), "text": ("7", "1.50", "900001")},
    ),
    "date_rendering": (
        lambda fake: (ada(fake, "f_Born"), ada(fake, "f_Seen")),
        {
            "dots": ("1815.12.10", "2025.03.04 10:20:30"),
            "iso": ("1815-12-10", "2025-03-04 10:20:30"),
            "iso_t": ("1815-12-10T00:00:00", "2025-03-04T10:20:30"),
        },
    ),
    "null_rendering": (lambda fake: ada(fake, "f_Level"), {"null": None, "empty": ""}),
    "body_layout": (layout, {"compact": (False, True), "indented": (True, True)}),
    "inactive_contacts": (replaced, {"shown": 10, "hidden": 1}),
    "system_columns": (lambda fake: len(get(fake)["Records"][0]), {"absent": 14, "present": 16}),
    "byte_order_mark": (
        lambda fake: raw(fake).body.startswith(b"\xef\xbb\xbf"),
        {"absent": False, "present": True},
    ),
    "compression": (packed, {"none": None, "gzip": "gzip"}),
    "keep_alive": (lambda fake: raw(fake).headers.get("Connection"), {"kept": None, "closed": "close"}),
    "merge_answer_order": (statuses, {"as_sent": True, "shuffled": False}),
    "import_blank": (blank_cell, {"clear": None, "keep": "Paris"}),
    "quota_status": (used_up, {200: (200, False), 429: (429, True)}),
    "trace": (lambda fake: "Trace" in get(fake), {"present": True, "absent": False}),
    "relational_id_record": (row_number, {"number": 1, "null": None}),
    "key_member": (described("isKey"), {"": [None, None], "isKey": [True, False]}),
    "length_member": (described("Size"), {"": [None, None], "Size": [None, 5]}),
    "max_records_per_merge": (lambda fake: twice(fake)[0], {1000: True, None: True, 1: False}),
    "max_body_bytes": (lambda fake: raw(fake).status, {None: 200, 20: 413}),
    "unknown_field": (
        stored("Visits", {"f_Visits": 8, "f_Nope": 1}),
        {"ignore": ("Updated", 8), "fail_record": ("Error", 7), "fail_call": (None, 7)},
    ),
    "codes_case_sensitive": (stored("Visits", {"F_VISITS": 8}), {True: ("Error", 7), False: ("Updated", 8)}),
    "members_case_sensitive": (other_casing, {True: False, False: 9}),
    "over_length": (
        stored("City", {"f_City": "Toronto"}),
        {"refuse": ("Error", "Paris"), "truncate": ("Updated", "Toron")},
    ),
    "null_in_data": (
        stored("Visits", {"f_Visits": None}),
        {"clear": ("Updated", None), "ignore": ("Updated", 7), "refuse": ("Error", 7)},
    ),
    "blank_text": (stored("City", {"f_City": ""}), {"keep": ("Updated", ""), "null": ("Updated", None)}),
    "email_syntax": (
        stored("EMail", {"f_EMail": "nobody"}),
        {"check": ("Error", ADA), "ignore": ("Updated", "nobody")},
    ),
    "email_lower_casing": (
        stored("EMail", {"f_EMail": "B@Test.example"}),
        {"keep": ("Updated", "B@Test.example"), "lower": ("Updated", "b@test.example")},
    ),
    "unknown_choice": (
        stored("Level", {"f_Level": "tin"}),
        {"refuse": ("Error", None), "accept": ("Updated", "tin")},
    ),
    "date_with_t": (
        stored("Seen", {"f_Seen": "2026-01-02T03:04:05"}),
        {
            "refuse": ("Error", datetime(2025, 3, 4, 10, 20, 30)),
            "accept": ("Updated", datetime(2026, 1, 2, 3, 4, 5)),
        },
    ),
    "decimal_comma": (
        lambda fake: str(stored("Points", {"f_Points": "2,5"})(fake)[1]),
        {"refuse": "1.50", "accept": "2.5"},
    ),
    "orphan_foreign_key": (orphan, {"refuse": 1, "accept": 2}),
    "optin_date_on_change": (
        optin_dates,
        {"leave": (None, None), "set": (date(2026, 3, 3), datetime(2026, 3, 3, 21, 0))},
    ),
    "email_key_case_sensitive": (email_key, {False: 10, True: 11}),
    "text_key_case_sensitive": (text_key, {False: 1, True: 2}),
    "key_change_through_data": (
        stored("EMail", {"f_EMail": "b@test.example"}),
        {"allow": ("Updated", "b@test.example"), "refuse": ("Error", ADA), "ignore": ("Updated", ADA)},
    ),
    "insert_only_hit": (status_of(ADA, AllowInsert=True), {"skip": "Skipped", "refuse": "Error"}),
    "update_only_miss": (status_of("b@test.example", AllowUpdate=True), {"skip": "Skipped", "refuse": "Error"}),
    "duplicate_in_call": (
        twice,
        {"first_wins": (True, [1]), "apply_each": (True, [2]), "fail_call": (False, [])},
    ),
    "clauseless_delete": (delete(), {"refuse": (False, 10), "allow": (True, 0)}),
    "delete_without_max_rows": (delete(Clause=OSLO), {"allow": (True, 1), "refuse": (False, 10)}),
    "delete_past_max_rows": (delete(Clause=OSLO, MaxRows=2), {"refuse": (False, 10), "stop": (True, 8)}),
    "id_project_on_relational": (
        lambda fake: fake.call("relationaltables", "Get", idProject=PROJECT, idTable=TABLE)["Success"],
        {"error": False, "ignore": True},
    ),
    "error_http_status": (lambda fake: raw(fake, "None").status, {200: 200, 400: 400}),
}
APART = {
    *("past_max_rows_per_get", "call_errors", "record_results"),  # have tests of their own below
    *(name for name in Switches.answers() if name.startswith("webhook")),  # in test_dialog_insight_webhooks.py
}


@pytest.mark.parametrize(
    ("switch", "answer"), [(switch, answer) for switch, (_, shown) in LAWS.items() for answer in shown]
)
def test_every_answer_of_a_switch_shows(switch: str, answer: Any) -> None:
    """Set to an answer, the simulator does what that answer says, and the answers of one switch differ."""
    probe, shown = LAWS[switch]
    result = probe(make(Switches(**{switch: answer})))
    assert result == shown[answer]
    assert type(result) is type(shown[answer])


def test_every_switch_and_every_answer_is_tested() -> None:
    """No switch without a law, and each closed set of answers is tried in full."""
    assert LAWS.keys() | APART == {field.name for field in attrs.fields(Switches)}
    for switch, answers in Switches.answers().items():
        if switch not in APART:
            assert set(LAWS[switch][1]) == set(answers), switch


@pytest.mark.parametrize(("answer", "rows"), [("cut", 4), ("refuse", None)])
def test_past_the_ceiling_an_answer_is_cut_or_refused(answer: Any, rows: int | None) -> None:
    """`past_max_rows_per_get`: more rows than the server's own ceiling; a lower `MaxRows` stays below it."""
    fake = make(Switches(max_rows_per_get=4, past_max_rows_per_get=answer))
    assert emails(get(fake)) == rows
    assert emails(get(fake, MaxRows=4)) == 4


def test_every_switch_says_what_it_rests_on() -> None:
    """Each switch has a docstring with an evidence tag, as the fact sheet has it."""
    (kind,) = [
        node
        for node in ast.parse(inspect.getsource(_di_switches)).body
        if isinstance(node, ast.ClassDef) and node.name == "Switches"
    ]
    said: dict[str, str] = {}
    for switch, text in zip(kind.body, kind.body[1:], strict=False):
        if isinstance(switch, ast.AnnAssign) and isinstance(switch.target, ast.Name):
            assert isinstance(text, ast.Expr), switch.target.id
            said[switch.target.id] = ast.literal_eval(text.value)
    assert said.keys() == {field.name for field in attrs.fields(Switches)}
    for switch, text in said.items():
        assert any(tag in text for tag in ("[seen]", "[inferred]", "[unknown]")), switch


@pytest.mark.parametrize("switch", [*Switches.answers(), "max_rows_per_get", "max_records_per_merge", "max_body_bytes"])
def test_an_answer_that_a_switch_does_not_have_is_an_error(switch: str) -> None:
    """A wrong answer names its switch; all wrong ones are listed at once."""
    wrong: dict[str, Any] = {switch: 0 if switch.startswith("max_") else "perhaps", "trace": "maybe"}
    with pytest.raises(ConfigurationError) as raised:
        Switches(**wrong)
    assert {problem.path for problem in raised.value.problems} == {switch, "trace"}


def test_invented_texts_can_be_replaced() -> None:
    """`call_errors` and `record_results` take the real codes, statuses and texts, once somebody has seen them."""
    switches = Switches(
        call_errors={CallCause.UNKNOWN_PROJECT: CallError("1207", None)},
        record_results={RecordCause.BAD_VALUE: RecordResult("Rejected", "BadFormat", "No.")},
    )
    fake = make(switches)
    refused = fake.call("contacts", "Get", idProject=99)
    assert (refused["ErrorCode"], refused["ErrorMessage"]) == ("1207", None)
    (item,) = merge(fake, {"f_Visits": "x"})["Records"]
    assert (item["Status"], item["ValidationResult"], item["Message"]) == ("Rejected", "BadFormat", "No.")


def test_every_cause_has_a_text() -> None:
    """No cause of a refusal is without its code, and no two causes of a refused call share one."""
    assert set(CALL_ERRORS) == set(CallCause)
    assert set(RECORD_RESULTS) == set(RecordCause)
    assert len({error.code for error in CALL_ERRORS.values()}) == len(CallCause)


def test_switches_may_be_changed_while_it_runs() -> None:
    """From then on the other answer holds for the rows that are there; rows that would share a key forbid it."""
    fake = make(Switches(text_key_case_sensitive=True))
    fake.load_contacts(TEXT_KEYED, [{"Number": "AB1"}])
    before = fake.contacts(PROJECT), fake.contacts(TEXT_KEYED)
    fake.switches = attrs.evolve(fake.switches, null_rendering="empty", email_key_case_sensitive=True)
    assert (ada(fake, "f_Level"), email_key(fake)) == ("", 11)
    assert (fake.contacts(PROJECT)[:10], fake.contacts(TEXT_KEYED)) == before
    with pytest.raises(ConfigurationError, match="that of another row"):
        fake.switches = Switches()
    assert fake.switches.text_key_case_sensitive


GUESSES: list[tuple[str, str, Any, int]] = [
    ("NotEqual", "f_City", "Oslo", 1),
    ("Greater", "f_Visits", 7, 0),
    ("GreaterOrEqual", "f_Visits", 7, 1),
    ("Less", "f_Born", "1900-01-01", 1),
    ("LessOrEqual", "f_Visits", 6, 0),
    ("Contains", "f_City", "SL", 9),
]


@pytest.mark.parametrize(("operator", "field", "value", "rows"), GUESSES)
def test_guessed_operators_compare(operator: str, field: str, value: Any, rows: int) -> None:
    """[unknown] Should other operators exist, they compare by size, date and text; a missing value has no place."""
    fake = make(Switches(operators="also_guessed"))
    assert emails(get(fake, Clause=clause(field, value, operator))) == rows
