"""Laws of change events: both transports give the same value, and what is not told is said not to be."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.exceptions import UnexpectedResponseError
from di_salesforce.salesforce import ChangeEvent, ChangeKind, change_event

HEADER = {
    "entityName": "Contact",
    "recordIds": ["003000000000001AAA"],
    "changeType": "UPDATE",
    "changeOrigin": "com/salesforce/api/rest/60.0;client=di-salesforce",
    "transactionKey": "0002343d-9d90",
    "sequenceNumber": 1,
    "commitTimestamp": 1772452800000,
    "commitNumber": 10585193272713216001,  # past what a JavaScript number holds
    "commitUser": "005000000000001AAA",
    "changedFields": ["Name", "Name.LastName", "Phone", "LastModifiedDate"],
}
PAYLOAD = {
    "ChangeEventHeader": HEADER,
    "Name": {"LastName": "Roy"},
    "Phone": None,
    "LastModifiedDate": "2026-03-02T12:00:00Z",
}
SCHEMA = ["ChangeEventHeader", "LastName", "Phone", "Email", "LastModifiedDate"]
AVRO = {
    "ChangeEventHeader": {**HEADER, "changedFields": ["0x16"]},  # bits 1, 2 and 4
    "LastName": "Roy",
    "Phone": None,
    "Email": None,
    "LastModifiedDate": "2026-03-02T12:00:00Z",
}


@pytest.mark.parametrize(
    "message",
    [
        PAYLOAD,
        {"schema": "x", "payload": PAYLOAD, "event": {"replayId": 7}},
        {"channel": "/data/ContactChangeEvent", "data": {"payload": PAYLOAD, "event": {"replayId": 7}}},
    ],
)
def test_cometd_in_every_wrapping(message: dict[str, Any]) -> None:
    """The message, its data and its payload are the same event; compound parts stand under their own names."""
    event = change_event(message, replay_id=7)
    assert event == ChangeEvent(
        sobject="Contact",
        kind=ChangeKind.UPDATE,
        record_ids=("003000000000001AAA",),
        values={"LastName": "Roy", "Phone": None, "LastModifiedDate": "2026-03-02T12:00:00Z"},
        transaction="0002343d-9d90",
        sequence=1,
        committed=datetime(2026, 3, 2, 12, tzinfo=UTC),
        commit_number=10585193272713216001,
        origin="com/salesforce/api/rest/60.0;client=di-salesforce",
        replay_id=7,
    )
    assert event.client == "di-salesforce"


def test_pub_sub_tells_the_same() -> None:
    """Bitmaps over the schema tell a field that was cleared from one that did not change."""
    assert change_event(AVRO, fields=SCHEMA, replay_id=7) == change_event(PAYLOAD, replay_id=7)


def test_bitmaps_without_a_schema_clear_nothing() -> None:
    """What cannot be told apart is not taken for a cleared field."""
    assert change_event(AVRO).values == {"LastName": "Roy", "LastModifiedDate": "2026-03-02T12:00:00Z"}
    nested = {**AVRO, "ChangeEventHeader": {**HEADER, "changedFields": ["0x16", "4-0x02"]}}
    assert "Phone" not in change_event(nested, fields=SCHEMA).values


def test_a_field_that_is_listed_but_not_told_is_named() -> None:
    """It is neither null nor unchanged: it is to be read again; `nulledFields` tells which are null."""
    header = {**HEADER, "changedFields": ["Email", "Phone"], "nulledFields": ["Phone"]}
    event = change_event({"ChangeEventHeader": header})
    assert (event.values, event.named) == ({"Phone": None}, {"Email"})


@pytest.mark.parametrize("kind", [kind for kind in ChangeKind if kind.value.startswith("GAP_")])
def test_gaps_tell_no_values(kind: ChangeKind) -> None:
    """A gap names records to read again, an overflow an object to read in full."""
    event = change_event({**PAYLOAD, "ChangeEventHeader": {**HEADER, "changeType": kind.value}})
    assert event.is_gap
    assert event.values == {}
    assert event.is_overflow is (kind is ChangeKind.GAP_OVERFLOW)


def test_patterns_are_no_ids() -> None:
    """`003*` stands for records that are not named."""
    event = change_event({**PAYLOAD, "ChangeEventHeader": {**HEADER, "recordIds": ["003*"]}})
    assert not event.names_all


def test_a_moment_past_the_calendar_is_refused() -> None:
    """What no date-time holds is an error of ours."""
    with pytest.raises(UnexpectedResponseError):
        change_event({**PAYLOAD, "ChangeEventHeader": {**HEADER, "commitTimestamp": 10**30}})


def test_no_values_in_the_repr() -> None:
    """Events are logged: people's data stays out."""
    assert "Roy" not in repr(change_event(PAYLOAD))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.sampled_from(["UPDATE", "0x3", "1-0x3"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*HEADER, *PAYLOAD, "data"]), inner),
    max_leaves=20,
)


@pytest.mark.fuzz
@given(st.dictionaries(st.sampled_from(["data", "payload", "event", *PAYLOAD]), json_values), json_values)
def test_whatever_comes_is_read_or_refused(message: dict[str, Any], value: Any) -> None:
    """No message makes the reader raise anything but our own error."""
    for given_message in (message, {"ChangeEventHeader": {**HEADER, "changedFields": value}, **message}):
        with suppress(UnexpectedResponseError):
            change_event(given_message, fields=SCHEMA)
    for name in HEADER:
        with suppress(UnexpectedResponseError):
            change_event({**PAYLOAD, "ChangeEventHeader": {**HEADER, name: value}})
