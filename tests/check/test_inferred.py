"""Laws of `infer_schema`: it says what was seen, in every rendering, and chooses no key."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce._check import check
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import FieldMapping, ObjectTransfer
from di_salesforce.records import Row, Side, is_blank
from di_salesforce.schema import FieldType as T
from di_salesforce.schema import infer_schema

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**12),
    st.floats(),
    st.decimals(),
    st.text(max_size=8),
    st.dates(),
    st.datetimes(),
    st.sampled_from("a b a;b a|b 1 0 true 2026-05-01 x@y.ca 001D000000IRFmaIAH 514-555-0100".split()),
)
rows = st.lists(st.dictionaries(st.sampled_from("Id idContact optin_n a b".split()), values), max_size=8)


@given(rows, st.sampled_from(Side), st.randoms(use_true_random=False))
def test_rows_are_described_as_they_are(rows: list[Row], side: Side, shuffled: Any) -> None:
    """Whatever the rows hold, the schema has their fields, calls blank what is, bounds text, and chooses nothing."""
    schema = infer_schema("Contact", rows, side=side)
    assert set(schema.names) == {name for row in rows for name in row}
    assert schema.rows == len(rows)
    for field in schema:
        seen = [row.get(field.name) for row in rows]
        assert field.nullable == any(map(is_blank, seen))
        assert (field.key, field.restricted, field.required) == (False, False, False)
        if field.length is not None:
            assert field.length == max(len(str(value)) for value in seen if not is_blank(value))
        if field.type is T.CHOICE:
            assert set(field.choices) == {str(value) for value in seen if not is_blank(value)}
    for name in schema.key_candidates:
        texts = [str(row[name]) for row in rows]
        assert len(set(texts)) == len(rows) > 1
    again = infer_schema("Contact", shuffled.sample(rows, len(rows)), side=side)
    assert {field.name: field for field in again} == {field.name: field for field in schema}
    assert set(again.key_candidates) == set(schema.key_candidates)


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        ([True, False], T.BOOLEAN),
        (["true", "False"], T.BOOLEAN),
        (["1", "0"], T.INTEGER),
        ([7, -3], T.INTEGER),
        (["12", "1.50"], T.DECIMAL),
        ([Decimal("1.5"), 2.5, 1], T.DECIMAL),
        (["007", "12"], T.TEXT),
        (["5145550100", "5145550101"], T.TEXT),
        (["514 555-0100", "+1 (514) 555 0101"], T.PHONE),
        (["2026-05-01", "2026.05.02"], T.DATE),
        ([date(2026, 5, 1)], T.DATE),
        (["2026.05.01 07:25:37", "2026-05-01T07:25:37.000+0000"], T.DATETIME),
        ([datetime(2026, 5, 1, tzinfo=UTC)], T.DATETIME),
        (["2026-05-01", "2026-05-01 10:00"], T.TEXT),
        (["2026-02-30"], T.TEXT),
        (["ada@example.ca"], T.EMAIL),
        (["https://example.ca/a"], T.URL),
        (["001D000000IRFmaIAH"], T.REFERENCE),
        (["001D000000IRFma"], T.TEXT),
        (["en", "fr"] * 3, T.CHOICE),
        (["en", "fr"], T.TEXT),
        (["x" * 256], T.LONG_TEXT),
        (["a\nb"], T.LONG_TEXT),
        ([None, ""], T.UNKNOWN),
    ],
)
def test_a_type_is_that_of_all_values(seen: list[Any], kind: T) -> None:
    """A field is a number, a day, an address ... where every value is, as text or native; else it is text."""
    schema = infer_schema("Orders", [{"f": value} for value in [*seen, None]], side=Side.DIALOG_INSIGHT)
    assert schema["f"].type is kind
    assert schema["f"].nullable


@pytest.mark.parametrize(("side", "sign"), [(Side.SALESFORCE, ";"), (Side.DIALOG_INSIGHT, "|")])
def test_several_choices_are_joined_by_the_sides_own_sign(side: Side, sign: str) -> None:
    """`a;b` is two choices in Salesforce, `a|b` in Dialog Insight; the other sign is a letter like others."""
    rows: list[Row] = [{"f": sign.join(parts)} for parts in ("ab", "a", "b", "ba")]
    assert infer_schema("T", rows, side=side)["f"].choices == ("a", "b")
    assert infer_schema("T", rows, side=side)["f"].type is T.MULTI_CHOICE
    assert infer_schema("T", rows, side=side.other)["f"].type is not T.MULTI_CHOICE


def test_keys_are_reported_and_never_chosen() -> None:
    """A candidate is never blank and never twice the same, case ignored; record ids keep their case."""
    rows: list[Row] = [
        {"Id": "003D000000IRFmaIAH", "code": "a", "twice": "x", "blank": "", "cased": "Ada", "n": 1},
        {"Id": "003D000000IRFmAIAX", "code": "b", "twice": "x", "blank": "z", "cased": "ADA", "n": 2},
    ]
    schema = infer_schema("Contact", rows, side=Side.SALESFORCE)
    assert schema.key_candidates == ("Id", "code", "n")
    assert not any(field.key for field in schema)
    assert infer_schema("Contact", rows[:1], side=Side.SALESFORCE).key_candidates == ()


def test_the_contact_number_is_an_id_of_contacts_only() -> None:
    """In a relational table `idContact` is a foreign key, which may be written."""
    rows: list[Row] = [{"idContact": 1}]
    assert infer_schema("Contact", rows, side=Side.DIALOG_INSIGHT)["idContact"].type is T.ID
    assert infer_schema("Orders", rows, side=Side.DIALOG_INSIGHT)["idContact"].creatable


def test_what_is_inferred_can_be_checked() -> None:
    """An inferred schema stands wherever a described one does."""
    schema = infer_schema("Orders", [{"Code": "a", "n": "1.5"}], side=Side.DIALOG_INSIGHT, id=7)
    transfer = ObjectTransfer(
        "t", sobject="Order", fields=[FieldMapping("Code__c", "Code", key=True), FieldMapping("N__c", "m")]
    )
    codes = {finding.code for finding in check(transfer, dialog_insight=schema)}
    assert "field.missing" in codes
    assert schema.id == 7


def test_rows_are_mappings() -> None:
    """What is no row is refused with its number, and rows are walked once."""
    wrong = cast("Any", iter([{"a": 1}, ["a", 1]]))
    with pytest.raises(ConfigurationError, match="row 2 of Orders"):
        infer_schema("Orders", wrong, side=Side.DIALOG_INSIGHT)
