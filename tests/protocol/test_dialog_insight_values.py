"""Names and values on the wire: written strictly, read leniently, and each the other's inverse where it claims so."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.dialog_insight import ContactList, KeyPair, RelationalTable
from di_salesforce.dialog_insight._calls import raw_call
from di_salesforce.dialog_insight._values import (
    can_be_equal,
    dump_json,
    load_json,
    read_id,
    rows_from_wire,
    wire_value,
)
from di_salesforce.exceptions import ConfigurationError, ConversionError
from di_salesforce.records import Value
from di_salesforce.wire import HttpResponse

CONTACTS = ContactList(4321)
TABLE = RelationalTable(8765)

# Codes that look like prefixes are the hard ones.
parts = st.sampled_from(["f_", "optin_", "dtOptin_", "key_", "idContact", "hasTrackingConsent", "EMail", "x"])
codes = st.lists(parts, min_size=1, max_size=4).map("".join)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=6)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), decimals)
trees = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@given(codes)
def test_every_contact_field_has_one_name(code: str) -> None:
    """A field's name in rows leads back to its wire name, whatever its code looks like."""
    assert CONTACTS.wire_name(CONTACTS.row_name(f"f_{code}")) == f"f_{code}"


@given(codes, codes)
def test_names_in_rows_never_meet(first: str, second: str) -> None:
    """Two fields, or a field and an opt-in, never share a name in rows."""
    wire_names = {f"f_{first}", f"f_{second}", f"optin_{first}", f"dtOptin_{second}", "idContact"}
    assert len({CONTACTS.row_name(name) for name in wire_names}) == len(wire_names)


def test_names_are_the_documented_ones() -> None:
    """Fields lose their prefix in rows, opt-ins, consent and the id keep their wire names, doubled prefixes too."""
    wire = ["f_EMail", "optin_news", "optin_optin_x", "dtOptin_dtOptin_x", "hasTrackingConsent", "idContact"]
    rows = ["EMail", "optin_news", "optin_optin_x", "dtOptin_dtOptin_x", "hasTrackingConsent", "idContact"]
    assert [CONTACTS.row_name(name) for name in wire] == rows
    assert [CONTACTS.key_name(name) for name in ("EMail", "idContact")] == ["key_f_EMail", "idContact"]
    assert [TABLE.key_name(name) for name in ("idOrder", "idContact")] == ["key_idOrder", "key_idContact"]
    assert TABLE.wire_name("optin_x") == TABLE.row_name("optin_x") == "optin_x"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, '""'),
        ("", '""'),
        (True, "1"),
        (False, "0"),
        (7, "7"),
        (Decimal("12.50"), "12.50"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.1234567890123456789012345678901"), "0.1234567890123456789012345678901"),
        (date(987, 3, 4), '"0987.03.04"'),
        (datetime(2025, 3, 4, 10, 20, 30, 999999), '"2025.03.04 10:20:30"'),
        ("é\u2028😀", '"\\u00e9\\u2028\\ud83d\\ude00"'),
    ],
)
def test_value_is_written(value: Value, written: str) -> None:
    """Each kind of value has one form on the wire; decimals keep every digit, blanks are the empty string."""
    assert dump_json(wire_value(value, field="x")) == written


def test_null_is_sent_only_where_it_clears() -> None:
    """Null goes out as null where the capability says so; the empty string stays itself."""
    assert wire_value(None, field="x", null_clears=True) is None
    assert wire_value("", field="x", null_clears=True) == ""


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (datetime(2025, 3, 4, tzinfo=UTC), "value.time_zone"),
        (float("nan"), "value.not_finite"),
        (Decimal("-Infinity"), "value.not_finite"),
        (b"bytes", "value.type"),
    ],
)
def test_value_without_a_form_is_refused(value: Value, code: str) -> None:
    """What has no form on the wire is refused with a code and the field's name, and without the value."""
    with pytest.raises(ConversionError) as caught:
        wire_value(value, field="Born")
    assert (caught.value.code, caught.value.field) == (code, "Born")
    assert str(value) not in str(caught.value)


@given(trees)
def test_json_comes_back_exactly(tree: object) -> None:
    """What is written is ASCII JSON that reads back as the same values, decimals to the last digit."""
    written = dump_json(tree)
    assert written.isascii()
    read = load_json(HttpResponse(200, {}, b"\xef\xbb\xbf" + written.encode()))
    assert read == tree


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_what_is_not_json_is_a_value_error(body: bytes) -> None:
    """Reading any bytes either works or raises ValueError, nothing else."""
    try:
        load_json(HttpResponse(200, {}, body))
    except ValueError:
        return
    json.loads(body.decode("utf-8-sig"))  # what we read, the standard library reads too


@pytest.mark.parametrize("body", [b"1e99999999999999999999", b"[" * 100_000, b"NaN", b"\xff", b"9" * 5000])
def test_hostile_json_is_a_value_error(body: bytes) -> None:
    """An exponent, a depth, a number or a constant beyond reason is a ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 - json's own words differ between Python versions
        load_json(HttpResponse(200, {}, body))


def test_system_columns_give_way_to_fields() -> None:
    """A column without a prefix is kept, unless a field has the same bare name, wherever it stands."""
    row = {"idContact": "900001", "City": "system", "f_City": "Metz", "zone": 3}
    expected = {"idContact": 900001, "City": "Metz", "zone": 3}
    assert rows_from_wire(CONTACTS, [row]) == [expected]
    assert rows_from_wire(CONTACTS, [dict(reversed(row.items()))]) == [expected]


def test_a_relational_row_is_left_as_it_came() -> None:
    """Of a relational row nothing is renamed or converted: idContact is a column like any other there."""
    row = {"idContact": "900001", "f_x": True, "sum": Decimal("1.10")}
    assert rows_from_wire(TABLE, [row]) == [row]
    assert rows_from_wire(TABLE, [{"odd": {"a": [1, Decimal("2.5")]}}]) == [{"odd": '{"a":[1,2.5]}'}]


@pytest.mark.parametrize(
    ("given_id", "read"), [(7, 7), ("7", 7), (0, None), (None, None), (True, None), ("x", None), (-1, None)]
)
def test_ids_are_read_leniently(given_id: object, read: int | None) -> None:
    """A record's id is a positive number, perhaps in a string; anything else is none."""
    assert read_id(given_id) == read


@given(st.text() | st.integers() | decimals)
def test_sifting_keeps_what_can_be_equal(value: str | int | Decimal) -> None:
    """A value fits itself, its own text, and its text in another case."""
    assert can_be_equal(value, value)
    assert can_be_equal(value, str(value))


def test_sifting_tells_apart_what_differs() -> None:
    """Other texts and numbers do not fit; of dates and truth values the rendering is unknown, so they always do."""
    assert can_be_equal("A-17", "a-17 ")
    assert can_be_equal(Decimal("2.50"), "2.5")
    assert not can_be_equal("A-17", "A-18")
    assert not can_be_equal(2, "3")
    assert can_be_equal(date(2025, 3, 4), "4 mars 2025")
    assert can_be_equal(True, "oui")


KEY = KeyPair(1234, "0123456789abcdefghijklmnopqrstuv")


@pytest.mark.parametrize("body", [{}, {"idProject": 4321, "Clause": {"$type": "FieldClause"}}])
def test_key_pair_stands_first(body: dict[str, object]) -> None:
    """Applying a key pair puts AuthKey before every other member and leaves the given request as it was."""
    request = raw_call("Contacts", "Get", body)
    sent = json.loads(KEY.apply(request).content)
    assert list(sent) == ["AuthKey", *body]
    assert sent == {"AuthKey": {"idKey": 1234, "Key": KEY.key}, **body}
    assert b"AuthKey" not in request.content


def test_key_pair_hides_its_key() -> None:
    """The key shows in no repr; number and key come as text out of the environment, with their line ends."""
    assert KEY.key not in repr(KEY)
    assert KeyPair("1234\n", f"{KEY.key}\n") == KEY


@pytest.mark.parametrize(("id_key", "key"), [("", "k"), ("12x", "k"), (0, "k"), (True, "k"), (1, " ")])
def test_key_pair_that_cannot_be_is_refused(id_key: int | str, key: str) -> None:
    """A number that is none, or an empty key, is refused before anything is sent."""
    with pytest.raises(ConfigurationError):
        KeyPair(id_key, key)


@pytest.mark.parametrize(
    ("service", "method", "body"),
    [
        ("Contacts/x", "Get", {}),
        ("Contacts", "Get&method=Delete", {}),
        ("Contacts", "Get", {"AuthKey": {}}),
        ("Contacts", "Get", {"x": object()}),
        ("Contacts", "Get", {"x": float("inf")}),
    ],
)
def test_escape_hatch_refuses_what_cannot_be_sent(service: str, method: str, body: dict[str, object]) -> None:
    """A name with more than letters and digits, a key in the body, or what JSON cannot hold, is never sent."""
    with pytest.raises(ConfigurationError):
        raw_call(service, method, body)
