"""Laws of reading describes, over samples: every field of every type that these objects can have is understood.

The samples are written, not recorded: the simulator's answers with the further standard fields of these objects and
some custom ones, so that every type of the fact sheet (3.2) occurs but `anyType`, which only history objects have.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from di_salesforce._check import check
from di_salesforce._compatibility import PARTS
from di_salesforce.mapping import FieldMapping, ObjectTransfer
from di_salesforce.salesforce._schema import table_schema
from di_salesforce.schema import FieldType

SAMPLES = {path.stem: path for path in sorted((Path(__file__).parent / "samples" / "salesforce").glob("*.json"))}
TYPES = (
    "id string boolean int double currency percent date datetime time textarea phone email url picklist multipicklist "
    "combobox reference base64 encryptedstring address location complexvalue DataCategoryGroupReference long json"
).split()
ATTRIBUTES = frozenset(  # of a field at version 58 [seen]: 57
    """
    aggregatable aiPredictionField autoNumber byteLength calculated calculatedFormula cascadeDelete caseSensitive
    compoundFieldName controllerName createable custom defaultValue defaultValueFormula defaultedOnCreate
    dependentPicklist deprecatedAndHidden digits displayLocationInDecimal encrypted externalId extraTypeInfo filterable
    filteredLookupInfo formulaTreatNullNumberAsZero groupable highScaleNumber htmlFormatted idLookup inlineHelpText
    label length mask maskType name nameField namePointing nillable permissionable picklistValues polymorphicForeignKey
    precision queryByDistance referenceTargetField referenceTo relationshipName relationshipOrder restrictedDelete
    restrictedPicklist scale searchPrefilterable soapType sortable type unique updateable writeRequiresMasterRead
    """.split()
)


def sample(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(SAMPLES[name].read_text(encoding="utf-8"))
    return read


@pytest.mark.parametrize("name", SAMPLES)
def test_no_type_is_unknown(name: str) -> None:
    """Each field has all attributes, is read under its own name, and has a type that we know."""
    described = sample(name)
    assert len(ATTRIBUTES) == 57
    assert {frozenset(field) for field in described["fields"]} == {ATTRIBUTES}
    schema = table_schema(described)
    assert list(schema.names) == [field["name"] for field in described["fields"]]
    assert [field.name for field in schema if field.type is FieldType.UNKNOWN] == []


def test_the_samples_hold_every_type() -> None:
    """No type of the fact sheet is left out."""
    assert {field["type"] for name in SAMPLES for field in sample(name)["fields"]} == set(TYPES)


@pytest.mark.parametrize(
    ("name", "required"),
    [
        ("account", {"Name"}),
        ("contact", {"LastName"}),
        ("lead", {"LastName", "Company"}),
        ("opportunity", {"Name", "StageName", "CloseDate"}),
        ("campaign_member", {"CampaignId"}),
        ("person_account", set()),
    ],
)
def test_what_a_new_record_needs_is_read(name: str, required: set[str]) -> None:
    """Required on create is creatable, not nillable and not defaulted, as recorded; person accounts need nothing."""
    assert {field.name for field in table_schema(sample(name)) if field.required} == required


@pytest.mark.parametrize(
    ("name", "looked_up"),
    [("account", {"Id", "Customer_No__c"}), ("contact", {"Id", "Email"}), ("opportunity", {"Id", "Name"})],
)
def test_what_finds_a_record_is_read(name: str, looked_up: set[str]) -> None:
    """The fields that a service looks records up by, as recorded, and an external id of its own."""
    assert {field.name for field in table_schema(sample(name)) if field.id_lookup} == looked_up


@pytest.mark.parametrize("name", SAMPLES)
def test_a_mapping_of_every_field_can_be_checked(name: str) -> None:
    """Whatever an org describes, check goes through it, and a plain mapping of all fields only fails for what it is."""
    schema = table_schema(sample(name))
    lines = [FieldMapping(field.name, f"f{number}") for number, field in enumerate(schema) if field.name != "Id"]
    transfer = ObjectTransfer("all", sobject=schema.name, fields=[FieldMapping("Id", "Code", key=True), *lines])
    for finding in check(transfer, salesforce=schema).errors:
        index = finding.path.removeprefix("fields[").removesuffix("]")
        field = schema[transfer.lines[int(index)].salesforce]
        assert field.calculated or not (field.creatable and field.updatable) or field.type in PARTS, finding


def test_record_types_are_read() -> None:
    """The record types that the user may use are named; the master type alone is no choice."""
    assert table_schema(sample("person_account")).record_types == ("Business Account", "Person Account")
    assert table_schema(sample("contact")).record_types == ()


def test_a_type_that_nobody_knows_keeps_its_word() -> None:
    """`anyType` has no one form: it is unknown, and keeps Salesforce's word."""
    described = sample("contact")
    described["fields"][1]["type"] = "anyType"
    field = table_schema(described).fields[1]
    assert (field.type, field.raw_type) == (FieldType.UNKNOWN, "anyType")


def test_the_name_of_a_person_account_is_a_trap_that_check_knows() -> None:
    """In an org with person accounts, writing Account.Name is warned of; without them it is not."""
    transfer = ObjectTransfer(
        "a", sobject="Account", fields=[FieldMapping("AccountNumber", "Code", key=True), FieldMapping("Name", "Nom")]
    )
    found = {
        name: {finding.code for finding in check(transfer, salesforce=table_schema(sample(name)))}
        for name in ("account", "person_account")
    }
    assert "person_account.name" in found["person_account"]
    assert "person_account.name" not in found["account"]
