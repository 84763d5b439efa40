"""Laws of reading describes, over samples: every field of every type that these objects can have is understood.

The samples are written, not recorded: the simulator's answers with further fields, so that every type of the fact
sheet (3.2) occurs but `anyType`, which only history objects have.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from di_salesforce._check import check
from di_salesforce.mapping import FieldMapping, ObjectTransfer
from di_salesforce.salesforce._schema import table_schema
from di_salesforce.schema import FieldType

SAMPLES = {path.stem: path for path in sorted((Path(__file__).parent / "samples" / "salesforce").glob("*.json"))}
TYPES = (
    "id string boolean int double currency percent date datetime time textarea phone email url picklist multipicklist "
    "combobox reference base64 encryptedstring address location complexvalue DataCategoryGroupReference long json"
).split()
ATTRIBUTES = 57  # of a field at version 58 [seen]


def sample(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(SAMPLES[name].read_text(encoding="utf-8"))
    return read


@pytest.mark.parametrize("name", SAMPLES)
def test_no_type_is_unknown(name: str) -> None:
    """Each field has all attributes, is read under its own name, and has a type that we know."""
    described = sample(name)
    assert {len(field) for field in described["fields"]} == {ATTRIBUTES}
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
