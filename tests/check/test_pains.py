"""Pains of users of such systems (by number in the fact sheet), as far as `check`, converters and drift answer them."""

from __future__ import annotations

import pytest

from di_salesforce import converters as cv
from di_salesforce._check import check
from di_salesforce._drift import schema_changes
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import DestinationProject, FieldMapping, Integration, ObjectTransfer, OptIn
from di_salesforce.records import Side, Value
from di_salesforce.schema import FieldSchema as F
from di_salesforce.schema import FieldType as T
from di_salesforce.schema import TableSchema

KEY = FieldMapping("Code__c", "Code", key=True)
PROJECT = DestinationProject("p", id=1, time_zone="America/Toronto")


def transfer(*lines: FieldMapping, name: str = "t", project: DestinationProject = PROJECT) -> ObjectTransfer:
    return ObjectTransfer(name, sobject="Contact", project=project, fields=[KEY, *lines])


def salesforce(*fields: F) -> TableSchema:
    return TableSchema("Contact", side=Side.SALESFORCE, fields=[F("Code__c", T.TEXT, unique=True), *fields])


def codes(declared: ObjectTransfer, here: TableSchema, *there: F) -> set[str]:
    dialog_insight = TableSchema("Contact", side=Side.DIALOG_INSIGHT, fields=[F("Code", T.TEXT, key=True), *there])
    return {finding.code for finding in check(declared, salesforce=here, dialog_insight=dialog_insight)}


def test_1_a_loop_of_creates_is_found_before_anything_runs() -> None:
    """Two transfers of one object that each create what the other just created are errors of topology."""
    other = DestinationProject("q", id=2)
    found = check(Integration([transfer(name="one"), transfer(name="two", project=other)]))
    assert any(finding.code.startswith("topology.") for finding in found.errors + found.warnings)


def test_13_14_a_date_does_not_slip_and_an_untouched_value_does_not_change() -> None:
    """A day read from either side and sent back is the same day, in whatever zone the project is."""
    line = transfer(FieldMapping("Birthdate", "Naissance")).resolved(salesforce(F("Birthdate", T.DATE))).lines[1]
    assert line.converter is not None
    there = line.converter.convert("1931-12-25", to=Side.DIALOG_INSIGHT)
    assert (there, line.converter.convert(there, to=Side.SALESFORCE)) == ("1931.12.25", "1931-12-25")


def test_15_another_zone_is_another_version_of_the_conversion() -> None:
    """What was compared under one zone is not taken for compared under another."""
    assert cv.datetime(time_zone="UTC") != cv.datetime(time_zone="America/Toronto")
    versions = {getattr(cv.datetime(time_zone=zone), "version", "") for zone in ("UTC", "America/Toronto")}
    assert len(versions) == 2


def test_23_a_restricted_picklist_is_compared_value_by_value() -> None:
    """A value that the restricted picklist does not have is told from the schemas, and counted in rows."""
    language = salesforce(F("Langue__c", T.CHOICE, choices=["fr"], restricted=True))
    line = FieldMapping("Langue__c", "Langue")
    assert "choice.different" in codes(transfer(line), language, F("Langue", T.CHOICE, choices=["fr", "en"]))
    rows = [{"Code": "a", "Langue": "en"}]
    found = check(transfer(line), salesforce=language, dialog_insight=rows)
    assert "rows.not_in_picklist" in {finding.code for finding in found}


@pytest.mark.parametrize("blank", [None, ""])
def test_24_a_blank_is_one_value_whatever_the_service_calls_it(blank: Value) -> None:
    """Null and the empty string are alike to every converter, and become null."""
    for converter in (cv.text(), cv.integer(), cv.decimal(), cv.date(), cv.email(), cv.choice({"a": "b"})):
        assert {converter.normal(side, blank) for side in Side} == {None}
        assert {converter.convert(blank, to=side) for side in Side} == {None}


def test_25_a_parent_that_never_comes_is_told() -> None:
    """A lookup translated by a transfer that does not exist is refused where it is declared."""
    with pytest.raises(ConfigurationError, match="no transfer 'accounts'"):
        Integration([transfer(FieldMapping("AccountId", "idCompte", references="accounts"))])


def test_29_person_accounts_are_a_trap_that_is_named() -> None:
    """Writing the name of an account is warned of in an org with person accounts."""
    accounts = ObjectTransfer("a", sobject="Account", fields=[KEY, FieldMapping("Name", "Nom")])
    org = TableSchema(
        "Account", side=Side.SALESFORCE, fields=[F("Code__c"), F("Name"), F("IsPersonAccount", T.BOOLEAN)]
    )
    assert "person_account.name" in codes(accounts, org)


def test_34_35_a_field_that_vanishes_is_told_and_is_never_null() -> None:
    """Field-level security hides fields without a word: the check names it, and drift explains it."""
    line = transfer(FieldMapping("Fax", "Fax"))
    assert "field.missing" in codes(line, salesforce(), F("Fax", T.PHONE))
    changes = schema_changes(salesforce(F("Fax", T.PHONE)), salesforce(), transfer=line)
    assert [change.code for change in changes.errors] == ["schema.field_disappeared"]
    assert "did not become null" in changes.errors[0].message


def test_36_ids_that_differ_by_case_are_two_and_short_ones_are_long_ones() -> None:
    """15 and 18 characters are one id by checksum; case makes another record."""
    ids = cv.record_id()
    assert ids.normal(Side.SALESFORCE, "001D000000IRFma") == ids.normal(Side.DIALOG_INSIGHT, "001D000000IRFmaIAH")
    assert ids.normal(Side.SALESFORCE, "001D000000IRFma") != ids.normal(Side.SALESFORCE, "001D000000IRFmA")


def test_37_an_opt_out_mapped_onto_an_opt_in_is_warned_of() -> None:
    """Consent is not reversed by a mapping that reads well: the polarity is a warning until it is negated."""
    out = salesforce(F("HasOptedOutOfEmail", T.BOOLEAN, nullable=False))
    plain = FieldMapping("HasOptedOutOfEmail", OptIn("n"))
    negated = FieldMapping("HasOptedOutOfEmail", OptIn("n"), converter=cv.negate())
    assert "opt_in.polarity" in codes(transfer(plain), out, F("optin_n", T.OPT_IN))
    assert "opt_in.polarity" not in codes(transfer(negated), out, F("optin_n", T.OPT_IN))


def test_43_a_finding_has_a_cause_and_a_remedy() -> None:
    """Nobody is left with a raw error: each finding says what is so and what to do."""
    found = check(transfer(FieldMapping("Fax", "Fax")), salesforce=salesforce())
    assert all(finding.message and finding.remedy for finding in found)
    assert len(found) > 0
