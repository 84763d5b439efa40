"""Laws of reading webhooks: everything that came is told, nothing is guessed, and people's data is not shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.dialog_insight import WEBHOOK_TYPES, WebhookEvent, parse_webhook
from di_salesforce.exceptions import UnexpectedResponseError

ADA = "ada@test.example"
MODIFIED: dict[str, Any] = {  # the fact sheet's example E20
    "type": "contact_modified",
    "EventUniqueID": "e-1",
    "dtExecution": "2025.03.04 10:20:30",
    "idCompany": 12,
    "idProject": 4321,
    "ContactID": {"idContact": 900001, "f_EMail": ADA},
    "ContactData": {"f_FirstName": "Ada", "f_LastName": "L", "optin_news": "1"},
}
EVENT = WebhookEvent(
    "contact_modified",
    event_id="e-1",
    executed="2025.03.04 10:20:30",
    id_company=12,
    id_project=4321,
    id_contact=900001,
    contact={"EMail": ADA},
    values={"FirstName": "Ada", "LastName": "L", "optin_news": "1"},
)


def body(*events: dict[str, Any]) -> bytes:
    return json.dumps(list(events)).encode()


@pytest.mark.parametrize(
    "sent",
    [
        body(MODIFIED),
        b"\xef\xbb\xbf" + body(MODIFIED),
        json.dumps(MODIFIED, indent=2).replace("\n", "\r\n").encode(),
        body({("Type" if name == "type" else name): value for name, value in MODIFIED.items()}),
        body({name.lower(): value for name, value in MODIFIED.items()}),
        body({**MODIFIED, "idProject": "4321", "ContactID": {"idContact": "900001", "f_EMail": ADA}}),
        body({**MODIFIED, "Type": None}),
        body({**MODIFIED, "isTest": False, "Whatever": [1]}),
    ],
    ids=["array", "byte-order mark", "object", "Type", "lower case", "digits", "both spellings", "more members"],
)
def test_every_form_of_a_body_reads_alike(sent: bytes) -> None:
    """An array or an object, with or without a mark, in any case of letters, numbers as text: the same event."""
    assert parse_webhook(sent) == [EVENT]


def test_the_order_stays_and_repeated_events_are_marked() -> None:
    """Events keep their order; one whose id has come before is kept and marked; without an id none is a repetition."""
    other, nameless = {**MODIFIED, "EventUniqueID": "e-2"}, {"type": "contact_optin"}
    events = parse_webhook(body(MODIFIED, other, MODIFIED, nameless, nameless))
    assert [(event.event_id, event.repeated) for event in events] == [
        ("e-1", False),
        ("e-2", False),
        ("e-1", True),
        ("", False),
        ("", False),
    ]


@pytest.mark.parametrize(("given", "is_test"), [(True, True), (1, True), ("true", True), (False, False), (None, False)])
def test_a_test_is_marked(given: object, is_test: bool) -> None:
    """`isTest` counts in each rendering of a truth value."""
    assert parse_webhook(body({**MODIFIED, "isTest": given}))[0].is_test is is_test


def test_an_unknown_type_is_kept() -> None:
    """A type that nobody knows of is text like any other."""
    [event] = parse_webhook(body({"type": "contact_teleported"}))
    assert event == WebhookEvent("contact_teleported")
    assert event.type not in WEBHOOK_TYPES


def test_an_empty_list_has_no_events() -> None:
    """A list without events is no error."""
    assert parse_webhook(b"[]") == []


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"", "empty"),
        (b"\xff\xfe[]", "not JSON"),
        (b"[{", "not JSON"),
        (b"<html></html>", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'"contact_modified"', "neither a list"),
        (b"null", "neither a list"),
        (body(MODIFIED)[:-1] + b", 7]", "event 2 is no object"),
        (body({"EventUniqueID": "e-1"}), "event 1 has no type"),
        (body({**MODIFIED, "type": 7}), "event 1 has no type"),
        (body({**MODIFIED, "ContactID": 900001}), "ContactID of event 1 is no object"),
    ],
)
def test_a_body_of_another_shape_is_one_clear_error(sent: bytes, why: str) -> None:
    """What is no body of a webhook is refused as a whole, with the event's position and without its content."""
    with pytest.raises(UnexpectedResponseError, match=why) as raised:
        parse_webhook(sent)
    assert ADA not in str(raised.value)


def test_people_are_not_shown() -> None:
    """The repr of an event holds numbers and types, not the contact's data."""
    shown = repr(parse_webhook(body(MODIFIED)))
    assert "900001" in shown
    assert not any(text in shown for text in (ADA, "Ada", "FirstName"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*MODIFIED, "Type", "isTest", "x"]), inner, max_size=6)
    ),
    max_leaves=12,
)


def events_or_none(content: bytes) -> list[WebhookEvent] | None:
    try:
        return parse_webhook(content)
    except UnexpectedResponseError:
        return None  # any other exception fails the test


@pytest.mark.fuzz
@given(JSON)
def test_no_body_ends_in_another_error(content: object) -> None:
    """Whatever comes is events with a type, or our own error."""
    events = events_or_none(json.dumps(content).encode())
    assert events is None or all(event.type for event in events)


@given(st.binary(max_size=60))
def test_no_bytes_end_in_another_error(content: bytes) -> None:
    """Bytes that are no JSON are no exception to that."""
    assert events_or_none(b"\xff" + content) is None
