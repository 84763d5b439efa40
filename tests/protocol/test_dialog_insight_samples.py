"""The calls against samples in the shapes of the fact sheet (E1 to E19): what is sent, to the letter, and what is read.

E20, the webhook, has no reader yet.  Values are made up; `about` and `confidence` in each sample say what is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from di_salesforce.dialog_insight import (
    Capabilities,
    ContactList,
    FieldClause,
    MergeOptions,
    MergeResult,
    MergeStatus,
    ProjectSummary,
    RelationalTable,
    Target,
    contact_schema,
)
from di_salesforce.dialog_insight._calls import delete_call, get_call, list_projects_call, project_call
from di_salesforce.dialog_insight._merge import Prepared, merge_call, prepare
from di_salesforce.dialog_insight._values import is_list, is_object
from di_salesforce.exceptions import AuthenticationError, NotFoundError
from di_salesforce.records import Row
from di_salesforce.wire import Call, HttpResponse

SAMPLES = Path(__file__).parent / "samples" / "dialog_insight"
NOTHING_KNOWN = Capabilities()
CONTACTS = ContactList(4321)
ORDERS = RelationalTable(8765)
ADA = "ada@test.example"


def get(target: Target, field: str, value: str | int) -> Call[list[Row]]:
    return get_call(target, [FieldClause(field, value)], capabilities=NOTHING_KNOWN)


def merge(target: Target, rows: list[Row], key: str, **flags: bool) -> Call[list[MergeResult]]:
    options = MergeOptions(**{"return_on_success": False, **flags})
    prepared = list(prepare(target, rows, key, options, NOTHING_KNOWN))
    return merge_call(
        target, [row for row in prepared if isinstance(row, Prepared)], options, capabilities=NOTHING_KNOWN
    )


def delete(target: Target, field: str, value: str) -> Call[int]:
    return delete_call(target, FieldClause(field, value), 1, capabilities=Capabilities(delete=True))


def outcome(status: MergeStatus, record_id: int | None = None, **rest: Any) -> MergeResult:  # the class's own fields
    return MergeResult(status, record_id, **rest)


ORDER: Row = {
    "idOrder": "A-17",
    "idContact": 900001,
    "quantity": 3,
    "createdOn": "2025.03.04 10:20:30",
    "state": "open",
}
CLOSED: Row = {**ORDER, "createdOn": "2025-03-04T10:20:30", "state": "closed"}
ADA_ROW: Row = {"EMail": ADA, "FirstName": "Ada", "optin_news": "1"}

# Each sample: the call that makes its request, and what its answer is read as.
SUCCESSES: dict[str, tuple[Call[Any], object]] = {
    "e01_get_hit": (
        get(CONTACTS, "EMail", ADA),
        [{"idContact": 900001, "EMail": ADA, "FirstName": "Ada", "LastName": "L", "optin_news": True}],
    ),
    "e02_get_miss": (get(CONTACTS, "EMail", "nobody@test.example"), []),
    "e03_merge_updates": (merge(CONTACTS, [ADA_ROW], "EMail"), [outcome(MergeStatus.UPDATED, 900001)]),
    "e04_merge_creates": (merge(CONTACTS, [ADA_ROW], "EMail"), [outcome(MergeStatus.CREATED, 900002)]),
    "e05_merge_by_id": (
        merge(CONTACTS, [{"idContact": 900001, "visits": 7}], "idContact", allow_insert=False, return_on_success=True),
        [
            outcome(
                MergeStatus.UPDATED,
                900001,
                stored={"idContact": 900001, "EMail": ADA, "visits": 7, "optin_news": True},
            )
        ],
    ),
    "e06_insert_only_hit": (
        merge(CONTACTS, [{"EMail": ADA, "FirstName": "Ada"}], "EMail", allow_update=False),
        [outcome(MergeStatus.EXISTS, 900001, code="Skipped.OK")],
    ),
    "e07_update_only_miss": (
        merge(CONTACTS, [{"EMail": "nobody@test.example", "FirstName": "Ada"}], "EMail", allow_insert=False),
        [outcome(MergeStatus.UNMATCHED, code="Error.NotFound", message="No record matches.")],
    ),
    "e08_merge_two_opt_ins": (
        merge(
            CONTACTS,
            [{"EMail": ADA, "optin_a": "1"}, {"EMail": "bea@test.example", "optin_a": "0"}],
            "EMail",
            allow_insert=False,
        ),
        [outcome(MergeStatus.UPDATED, 900001), outcome(MergeStatus.UPDATED, 900003)],
    ),
    "e09_delete": (delete(CONTACTS, "EMail", ADA), 1),
    "e10_table_insert_only": (
        merge(ORDERS, [ORDER], "idOrder", allow_update=False),
        [outcome(MergeStatus.CREATED, 12)],
    ),
    "e11_table_partial_update": (
        merge(ORDERS, [{"idOrder": "A-17", "state": "closed"}], "idOrder", allow_insert=False, return_on_success=True),
        [outcome(MergeStatus.UPDATED, 12, stored=CLOSED)],
    ),
    "e12_table_get": (get(ORDERS, "idContact", 900001), [CLOSED]),
    "e13_table_delete": (delete(ORDERS, "idOrder", "A-17"), 1),
    "e14_projects_list": (list_projects_call(capabilities=NOTHING_KNOWN), [ProjectSummary(4321, "Demo")]),
    "e18_one_bad_record": (
        merge(
            CONTACTS,
            [{"EMail": ADA, "City": "Metz"}, {"EMail": "bea@test.example", "City": "Llanfair"}],
            "EMail",
            allow_insert=False,
            return_on_error=True,
        ),
        [
            outcome(MergeStatus.UPDATED, 900001),
            outcome(
                MergeStatus.REFUSED,
                900003,
                code="Error.ValueTooLong",
                message="f_City is too long.",
                stored={"idContact": 900003, "City": "Bath"},
            ),
        ],
    ),
    "e19_key_twice": (
        merge(
            CONTACTS, [{"EMail": ADA, "City": "Metz"}, {"EMail": ADA, "City": "Lyon"}], "EMail", skip_duplicates=True
        ),
        [
            outcome(MergeStatus.CREATED, 900002),
            outcome(MergeStatus.REFUSED, code="answer.missing", message="the answer does not mention this row"),
        ],
    ),
}
REFUSALS: dict[str, tuple[Call[Any], type[Exception]]] = {
    "e16_bad_key": (list_projects_call(capabilities=NOTHING_KNOWN), AuthenticationError),
    "e17_unknown_table": (get(ORDERS, "idContact", 900001), NotFoundError),
}
PROJECT = project_call(4321, capabilities=NOTHING_KNOWN)


@attrs.frozen
class Sample:
    path: str
    method: str
    body: dict[str, Any]
    answer: dict[str, Any]


def load(name: str) -> Sample:
    given = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return Sample(f"/webservices/ofc4/{given['service']}.ashx", given["method"], given["body"], given["answer"])


def compact(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer).encode()


def recorded(answer: dict[str, Any]) -> bytes:
    """Lay an answer out as in the recordings of 2014: indented, with CRLF."""
    return json.dumps(answer, indent=2).replace("\n", "\r\n").encode()


def lean(answer: dict[str, Any]) -> bytes:
    """Leave out what need not be there today, and put a byte-order mark before it."""
    return b"\xef\xbb\xbf" + json.dumps({k: v for k, v in answer.items() if k not in ("Trace", "idRequest")}).encode()


def as_text(value: Any) -> Any:  # any JSON value
    """Turn the numbers of an envelope into strings, which the readers must stand; rows are left as they are."""
    if is_object(value):
        return {name: member if name == "Record" else as_text(member) for name, member in value.items()}
    if is_list(value):
        return [as_text(member) for member in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def test_every_sample_is_used() -> None:
    """No sample lies about without a call that it is held against."""
    used = {*SUCCESSES, *REFUSALS, "e15_project"}
    assert {path.stem for path in SAMPLES.glob("*.json")} == used


@pytest.mark.parametrize("name", [*SUCCESSES, *REFUSALS, "e15_project"])
def test_request_is_the_samples_to_the_letter(name: str) -> None:
    """A request has the sample's address and body, in the sample's order of members, and no key in it."""
    call: Call[Any] = {**SUCCESSES, **REFUSALS, "e15_project": (PROJECT, None)}[name][0]
    sample = load(name)
    assert (call.request.path, dict(call.request.query)) == (sample.path, {"method": sample.method})
    assert call.request.content == json.dumps(sample.body, separators=(",", ":")).encode()
    assert call.request.writes == (sample.method in ("Merge", "Delete"))


@pytest.mark.parametrize("layout", [compact, recorded, lean])
@pytest.mark.parametrize("name", SUCCESSES)
def test_answer_is_read(name: str, layout: Callable[[dict[str, Any]], bytes]) -> None:
    """An answer is read alike in every layout: compact, as recorded in 2014, with a byte-order mark and no trace."""
    call, expected = SUCCESSES[name]
    assert call.decode(HttpResponse(200, {}, layout(load(name).answer))) == expected


@pytest.mark.parametrize("name", [name for name in SUCCESSES if "get" not in name])
def test_numbers_may_come_as_text(name: str) -> None:
    """Counters and ids are read alike whether they come as numbers or as strings."""
    call, expected = SUCCESSES[name]
    assert call.decode(HttpResponse(200, {}, compact(as_text(load(name).answer)))) == expected


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("name", REFUSALS)
def test_refusal_is_sorted_whatever_the_status(name: str, status: int) -> None:
    """A refused call is the same error with any HTTP status, and keeps the server's own words."""
    call, kind = REFUSALS[name]
    sample = load(name)
    with pytest.raises(kind) as caught:
        call.decode(HttpResponse(status, {}, compact(sample.answer)))
    error = caught.value
    assert (error.code, error.message) == (sample.answer["ErrorCode"], sample.answer["ErrorMessage"])  # type: ignore[attr-defined]  # both kinds are ApiErrors
    assert error.request_id == str(sample.answer["idRequest"])  # type: ignore[attr-defined]  # likewise
    assert sample.answer["ErrorMessage"] not in str(error)


def test_project_is_read_as_a_schema() -> None:
    """A project's description becomes a schema: field codes bare, opt-ins under wire names, an unknown type unknown."""
    info = PROJECT.decode(HttpResponse(200, {}, compact(load("e15_project").answer)))
    schema = contact_schema(info, id_project=4321, capabilities=NOTHING_KNOWN)
    assert {field.name: (field.type.value, field.label, field.required, field.length) for field in schema} == {
        "idContact": ("id", "", False, None),
        "EMail": ("email", "E-mail", True, None),
        "City": ("text", "Ville", False, 40),
        "f_optin_x": ("unknown", "", False, None),
        "optin_news": ("opt_in", "News", False, None),
        "optin_optin_old": ("opt_in", "", False, None),
        "hasTrackingConsent": ("boolean", "", False, None),
        "dtTrackingConsent": ("date", "", False, None),
    }
    assert schema["f_optin_x"].raw_type == "Fancy"
