"""Laws of the values that the Dialog Insight simulator reads, stores and renders, under default switches."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from di_salesforce.testing._di_model import OptinField, Project, ProjectField
from di_salesforce.testing._di_switches import RECORD_RESULTS, RecordCause
from di_salesforce.testing._dialog_insight import FakeDialogInsight
from di_salesforce.testing._loopback import parse_request

PROJECT = 4321
ADA = "ada@test.example"
UPSERT = {"AllowInsert": True, "AllowUpdate": True}

FIELDS = [
    ProjectField("EMail", "email", required=True, key=True),
    ProjectField("City", "text", 10),
    ProjectField("Notes", "long_text"),
    ProjectField("Visits", "integer"),
    ProjectField("Points", "decimal"),
    ProjectField("Active", "boolean"),
    ProjectField("Born", "date"),
    ProjectField("Seen", "datetime"),
    ProjectField("Level", "single_choice", options=("gold", "silver")),
    ProjectField("Tags", "multiple_choice", options=("a", "b", "c")),
    ProjectField("Source", "text", required=True, default="web"),
]


@pytest.fixture
def fake() -> FakeDialogInsight:
    made = FakeDialogInsight()
    optins = [OptinField("news", date_code="nws"), OptinField("optin_twice")]
    made.add_project(Project(PROJECT, fields=FIELDS, optins=optins, tracking_consent=True))
    made.load_contacts(PROJECT, [{"EMail": ADA, "City": "Paris", "Visits": 7}])
    return made


def merge(fake: FakeDialogInsight, *records: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
    listed = [{"ID": id_, "Data": data} for id_, data in records]
    return fake.call("contacts", "Merge", idProject=PROJECT, Records=listed, MergeOptions=UPSERT)


def by_email(email: str) -> dict[str, Any]:
    return {"key_f_EMail": email}


def validation(cause: RecordCause) -> str:
    return RECORD_RESULTS[cause].validation


GOOD_VALUES: list[tuple[str, Any, Any]] = [
    ("City", "Genève", "Genève"),
    ("City", "0123456789", "0123456789"),
    ("City", 75001, "75001"),
    ("City", "", ""),
    ("Notes", "n" * 5000, "n" * 5000),
    ("Visits", 3, 3),
    ("Visits", "3", 3),
    ("Visits", 3.0, 3),
    ("Visits", 2**63 - 1, 2**63 - 1),
    ("Visits", "", None),
    ("Points", 19.90, Decimal("19.9")),
    ("Points", "19.90", Decimal("19.90")),
    ("Points", -3, Decimal(-3)),
    ("Active", 1, True),
    ("Active", "0", False),
    ("Active", True, True),
    ("Active", "False", False),
    ("Born", "2025.03.04", date(2025, 3, 4)),
    ("Born", "2025-03-04", date(2025, 3, 4)),
    ("Born", "2025.03.04 10:20:30", date(2025, 3, 4)),
    ("Born", "", None),
    ("Seen", "2025.03.04 10:20:30", datetime(2025, 3, 4, 10, 20, 30)),
    ("Seen", "2025-03-04 10:20:30", datetime(2025, 3, 4, 10, 20, 30)),
    ("Seen", "2025-03-04", datetime(2025, 3, 4)),
    ("Level", "gold", "gold"),
    ("Tags", "a|c", "a|c"),
    ("Visits", None, None),
]
BAD_VALUES: list[tuple[str, Any, RecordCause]] = [
    ("City", "01234567890", RecordCause.TOO_LONG),
    ("City", True, RecordCause.BAD_VALUE),
    ("Visits", 3.5, RecordCause.BAD_VALUE),
    ("Visits", "3.5", RecordCause.BAD_VALUE),
    ("Visits", "seven", RecordCause.BAD_VALUE),
    ("Visits", True, RecordCause.BAD_VALUE),
    ("Visits", 2**63, RecordCause.BAD_VALUE),
    ("Visits", 1e300, RecordCause.BAD_VALUE),
    ("Points", "1,5", RecordCause.BAD_VALUE),
    ("Points", 1e300, RecordCause.BAD_VALUE),
    ("Points", "NaN", RecordCause.BAD_VALUE),
    ("Points", True, RecordCause.BAD_VALUE),
    ("Active", 2, RecordCause.BAD_VALUE),
    ("Active", "yes", RecordCause.BAD_VALUE),
    ("Born", "04/03/2025", RecordCause.BAD_VALUE),
    ("Born", "2025.02.30", RecordCause.BAD_VALUE),
    ("Born", "2025.02-03", RecordCause.BAD_VALUE),
    ("Born", 20250304, RecordCause.BAD_VALUE),
    ("Seen", "2025-03-04T10:20:30Z", RecordCause.BAD_VALUE),
    ("Seen", "2025-03-04 25:00:00", RecordCause.BAD_VALUE),
    ("Level", "bronze", RecordCause.BAD_VALUE),
    ("Tags", "a|d", RecordCause.BAD_VALUE),
    ("EMail", "nobody", RecordCause.BAD_VALUE),
    ("EMail", "", RecordCause.REQUIRED),
    ("Source", "", RecordCause.REQUIRED),
    ("Source", None, RecordCause.REQUIRED),
    ("Nothing", "x", RecordCause.UNKNOWN_FIELD),
]


@pytest.mark.parametrize(("code", "sent", "stored"), GOOD_VALUES)
def test_good_values_are_stored_in_their_type(fake: FakeDialogInsight, code: str, sent: Any, stored: Any) -> None:
    """[seen] DI reads numbers, booleans and dates in several spellings; empty means no value."""
    (item,) = merge(fake, (by_email(ADA), {f"f_{code}": sent}))["Records"]
    assert item["ValidationResult"] == "OK"
    assert fake.contacts(PROJECT)[0][code] == stored
    assert type(fake.contacts(PROJECT)[0][code]) is type(stored)


@pytest.mark.parametrize(("code", "sent", "cause"), BAD_VALUES)
@pytest.mark.parametrize("email", [ADA, "new@test.example"])
def test_bad_values_refuse_their_record_alone(
    fake: FakeDialogInsight, code: str, sent: Any, cause: RecordCause, email: str
) -> None:
    """[inferred] The call succeeds; the bad record is refused as a whole, with a message that names the field."""
    before = fake.contacts(PROJECT)
    answer = merge(fake, (by_email(email), {"f_City": "Oslo", f"f_{code}": sent}), (by_email("good@test.example"), {}))
    bad, good = answer["Records"]
    assert (answer["Success"], good["Status"], bad["ValidationResult"]) == (True, "Created", validation(cause))
    assert f"f_{code}" in bad["Message"]
    assert fake.contacts(PROJECT)[: len(before)] == before
    assert len(fake.contacts(PROJECT)) == len(before) + 1


@pytest.mark.parametrize(
    ("sent", "stored"), [("1", True), ("0", False), (1, True), (0, False), (True, True), (False, False), ("", None)]
)
def test_optins_take_all_the_spellings_that_clients_send(fake: FakeDialogInsight, sent: Any, stored: Any) -> None:
    """[seen] Opt-ins are "1"/"0", 1/0, true/false, or empty for no status; a date has a code of its own."""
    data = {"optin_news": sent, "dtOptin_nws": "2025.03.04", "optin_optin_twice": sent, "hasTrackingConsent": sent}
    merge(fake, (by_email(ADA), {**data, "dtTrackingConsent": "2025.03.05"}))
    contact = fake.contacts(PROJECT)[0]
    assert (contact["optin_news"], contact["optin_optin_twice"], contact["hasTrackingConsent"]) == (stored,) * 3
    assert (contact["dtOptin_nws"], contact["dtTrackingConsent"]) == (date(2025, 3, 4), date(2025, 3, 5))


def test_a_new_contact_takes_defaults_and_needs_what_is_required(fake: FakeDialogInsight) -> None:
    """[seen] A missing required field refuses a creation unless it has a default."""
    fake.add_project(
        Project(7, fields=[ProjectField("Number", "integer", key=True), ProjectField("Kind", required=True)])
    )
    records = [{"ID": {"key_f_Number": 1}}, {"ID": {"key_f_Number": 2}, "Data": {"f_EMail": ADA, "f_Kind": "x"}}]
    answer = fake.call("contacts", "Merge", idProject=7, Records=records, MergeOptions=UPSERT)
    assert [item["ValidationResult"] == "OK" for item in answer["Records"]] == [False, True]
    merge(fake, (by_email("b@test.example"), {}))
    assert fake.contacts(PROJECT)[1]["Source"] == "web"


def test_decimals_keep_their_digits_on_the_wire(fake: FakeDialogInsight) -> None:
    """[inferred] A decimal is written and read as a JSON number with all its digits, not through a binary fraction."""
    exact = "12345678901234567.89"
    merge(fake, (by_email(ADA), {"f_Points": exact}))
    body = json.dumps({"AuthKey": {"idKey": fake.id_key, "Key": fake.key}, "idProject": PROJECT}).encode()
    answer = fake.handle(parse_request("POST", "/webservices/ofc4/contacts.ashx?method=Get", {}, body))
    assert f'"f_Points":{exact},'.encode() in answer.body
