"""Laws of `_drift`: a fingerprint changes when there is something to explain, and a lost field is never null."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce._drift import CHANGE_CODES, Concern, schema_changes
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import Constant, FieldMapping, ObjectTransfer
from di_salesforce.records import UNSET, Side
from di_salesforce.schema import FieldSchema, FieldType, TableSchema
from di_salesforce.triggers import Direction, Trigger

FLAGS = "nullable creatable updatable required unique external_id id_lookup key calculated restricted".split()
fields = st.builds(
    lambda field, bits: attrs.evolve(field, **{flag: bool(bits >> i & 1) for i, flag in enumerate(FLAGS)}),
    st.builds(
        FieldSchema,
        st.sampled_from("Email Fax Name".split()),
        st.sampled_from([FieldType.TEXT, FieldType.DECIMAL, FieldType.CHOICE, FieldType.UNKNOWN]),
        label=st.sampled_from(["", "one"]),
        length=st.sampled_from([None, 10, 20]),
        precision=st.sampled_from([None, 18]),
        scale=st.sampled_from([None, 0, 2]),
        choices=st.sampled_from([(), ("a",), ("a", "b"), ("b", "a")]),
        references=st.sampled_from([(), ("Account",), ("Lead", "Account")]),
        default=st.sampled_from([UNSET, None, "a", True, 1, Decimal("1.0"), date(2026, 5, 1)]),
        raw_type=st.sampled_from(["", "hologram"]),
    ),
    st.integers(0, 2 ** len(FLAGS) - 1),
)
RIGHTS = "readable creatable updatable deletable".split()
schemas = st.builds(
    lambda bits, *args, **kwargs: TableSchema(
        *args, **kwargs, **{flag: not bits >> i & 1 for i, flag in enumerate(RIGHTS)}
    ),
    st.sampled_from([0, 0, 0, 1, 6, 15]),
    st.sampled_from(["Contact", "contact", "Orders"]),
    side=st.just(Side.SALESFORCE),
    fields=st.lists(fields, unique_by=lambda field: field.name),
    id=st.sampled_from([None, 7]),
    label=st.sampled_from(["", "Contacts"]),
    record_types=st.sampled_from([(), ("Household", "Business")]),
)


def edits(schema: TableSchema) -> st.SearchStrategy[TableSchema]:
    """The same table after at most one thing about one field was changed."""
    if not schema.fields:
        return st.just(schema)
    other = st.tuples(
        st.integers(0, len(schema.fields) - 1), fields, st.sampled_from([f.name for f in attrs.fields(FieldSchema)][1:])
    )

    def edited(chosen: tuple[int, FieldSchema, str]) -> TableSchema:
        place, source, name = chosen
        one: dict[str, Any] = {name: getattr(source, name)}
        return attrs.evolve(
            schema, fields=[attrs.evolve(f, **one) if i == place else f for i, f in enumerate(schema.fields)]
        )

    return other.map(edited)


@given(schemas.flatmap(lambda one: st.tuples(st.just(one), edits(one) | schemas)))
def test_the_fingerprint_changes_exactly_when_there_is_something_to_tell(
    pair: tuple[TableSchema, TableSchema],
) -> None:
    """Two schemas have one fingerprint exactly when `schema_changes` finds nothing; every finding has its code."""
    before, after = pair
    changes = schema_changes(before, after)
    assert (before.fingerprint == after.fingerprint) == (len(changes) == 0)
    assert all(change.severity is CHANGE_CODES[change.code].severity for change in changes)
    assert all(change.message and change.remedy and change.side is Side.SALESFORCE for change in changes)


@given(schemas, st.randoms(use_true_random=False))
def test_the_order_of_fields_says_nothing(schema: TableSchema, shuffled: Any) -> None:
    """A service may list its fields in any order."""
    mixed = attrs.evolve(schema, fields=shuffled.sample(schema.fields, len(schema.fields)))
    assert mixed.fingerprint == schema.fingerprint
    assert len(schema_changes(schema, mixed)) == 0


@given(schemas)
def test_a_kept_schema_comes_back_as_it_was(schema: TableSchema) -> None:
    """The plain form goes through JSON and gives an equal schema, down to the type of a default."""
    read = TableSchema.from_dict(json.loads(json.dumps(schema.to_dict())))
    assert read == schema
    assert [type(field.default) for field in read] == [type(field.default) for field in schema]


@given(schemas, schemas, st.sampled_from(list(Direction)), st.sampled_from([Trigger.NONE, *Trigger, Trigger.ALL]))
def test_a_transfer_hears_of_what_concerns_it(
    before: TableSchema, after: TableSchema, direction: Direction, triggers: Trigger
) -> None:
    """Of all changes a transfer hears of those that the table of codes gives it: by what it names, writes and fills."""
    transfer = ObjectTransfer(
        "t",
        sobject="Contact",
        fields=[
            FieldMapping("Email", "EMail", key=True, direction=direction),
            Constant("Fax", "x", side=Side.SALESFORCE),
        ],
        triggers=triggers,
    )
    creates, updates = Trigger.DIALOG_INSIGHT_CREATED in triggers, Trigger.DIALOG_INSIGHT_UPDATED in triggers
    flowing = {"Email"} if direction is not Direction.TO_DIALOG_INSIGHT else set()
    concerned = {
        Concern.TABLE: {"", "Email", "Fax", "Name"},
        Concern.NAMED: {"Email", "Fax"},
        Concern.WRITTEN: (flowing if creates or updates else set()) | ({"Fax"} if creates else set()),
        Concern.UNFILLED: {"Email", "Fax", "Name"} - flowing - {"Fax"} if creates else set(),
    }
    expected = [c for c in schema_changes(before, after) if c.path in concerned[CHANGE_CODES[c.code].concern]]
    assert list(schema_changes(before, after, transfer=transfer)) == expected


def table(*listed: FieldSchema, side: Side = Side.SALESFORCE) -> TableSchema:
    return TableSchema("Contact", side=side, fields=listed)


@pytest.mark.parametrize("side", list(Side))
def test_a_field_that_disappears_is_a_permission_or_a_removal_and_never_null(side: Side) -> None:
    """The finding is an error, names both causes of that service, and says that no value became null."""
    (change,) = schema_changes(table(FieldSchema("Fax"), side=side), table(side=side))
    assert (change.code, change.path) == ("schema.field_disappeared", "Fax")
    assert "Its values did not become null" in change.message
    cause = "lost the right to see it" if side is Side.SALESFORCE else "not prepared again"
    assert cause in change.message


def test_a_renamed_field_is_guessed_and_not_followed() -> None:
    """A field that goes as a like one comes is two findings, and the remedy names the new one."""
    changes = schema_changes(table(FieldSchema("Loyalty__c")), table(FieldSchema("Loyalty_Points__c")))
    assert [change.code for change in changes] == ["schema.field_disappeared", "schema.field_appeared"]
    assert "'Loyalty_Points__c'" in changes.errors[0].remedy


def test_a_parent_path_hears_of_its_lookup() -> None:
    """A line on Account.Name uses the lookup AccountId."""
    transfer = ObjectTransfer(
        "t", sobject="Contact", fields=[FieldMapping("Email", "EMail", key=True), FieldMapping("Account.Name", "Cie")]
    )
    before = table(FieldSchema("Email"), FieldSchema("AccountId", FieldType.REFERENCE))
    changes = schema_changes(before, table(FieldSchema("Email")), transfer=transfer)
    assert [change.path for change in changes] == ["AccountId"]


@pytest.mark.parametrize(
    "data",
    [
        {"version": 2, "name": "Contact", "side": "salesforce", "fields": []},
        {},
        {"version": 1, "name": "Contact", "side": "elsewhere", "fields": []},
        {"version": 1, "name": "Contact", "side": "salesforce", "fields": [{"name": "x", "type": "hologram"}]},
        {"version": 1, "name": "Contact", "side": "salesforce", "fields": ["x"]},
        {"version": 1, "name": "Contact", "side": "salesforce", "fields": [{"name": "x", "colour": 1}]},
    ],
)
def test_what_is_no_kept_schema_is_refused(data: dict[str, Any]) -> None:
    """Damaged or later data is a ConfigurationError, never a half-read schema."""
    with pytest.raises(ConfigurationError):
        TableSchema.from_dict(data)


def test_two_services_are_not_compared() -> None:
    """A schema of one service is no later state of one of the other."""
    with pytest.raises(ConfigurationError):
        schema_changes(table(), table(side=Side.DIALOG_INSIGHT))
