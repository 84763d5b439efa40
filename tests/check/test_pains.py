"""Pains of users of such systems (by number in the fact sheet), as far as `check`, converters and drift answer them."""

from __future__ import annotations

import attrs
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
from di_salesforce.triggers import Direction

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
    assert "topology.two_writers" in {finding.code for finding in found.errors}
    same_table = [transfer(name="one"), attrs.evolve(transfer(name="two"), fields=[FieldMapping("L", "M", key=True)])]
    assert "topology.create_loop" in {finding.code for finding in check(Integration(same_table)).errors}


def test_2_one_record_of_two_transfers_has_one_writer() -> None:
    """Two transfers of one object that both let edits flow into it overwrite each other: an error, not a ping-pong."""
    line, other = FieldMapping("LastName", "LastName"), DestinationProject("q", id=2)
    found = check(Integration([transfer(line, name="one"), transfer(line, name="two", project=other)]))
    assert "topology.two_writers" in {finding.code for finding in found.errors}


def test_9_a_formula_is_only_read_and_its_silence_is_told() -> None:
    """A formula cannot be written, which is an error; that its changes move no timestamp is told."""
    formula = F("Score__c", T.DECIMAL, calculated=True, creatable=False, updatable=False)
    line = FieldMapping("Score__c", "Score")
    assert "field.calculated" in codes(transfer(line), salesforce(formula), F("Score", T.DECIMAL))
    outward = FieldMapping("Score__c", "Score", direction=Direction.TO_DIALOG_INSIGHT)
    found = codes(transfer(outward), salesforce(formula), F("Score", T.DECIMAL))
    assert "field.moves_silently" in found
    assert "field.calculated" not in found


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


@pytest.mark.parametrize("zone", ["America/Toronto", "Europe/Paris", "Pacific/Auckland"])
@pytest.mark.parametrize("moment", ["2026-03-08T07:30:00.000+0000", "2026-11-01T05:30:00.000+0000"])
def test_14_a_moment_comes_back_as_it_went_across_clock_changes(zone: str, moment: str) -> None:
    """A date-time goes through the project's local time and comes back as the same moment, clock changes included."""
    lens = cv.datetime(time_zone=zone)
    there = lens.convert(moment, to=Side.DIALOG_INSIGHT)
    again = lens.convert(lens.convert(there, to=Side.SALESFORCE), to=Side.DIALOG_INSIGHT)
    assert again == there
    assert lens.normal(Side.DIALOG_INSIGHT, again) == lens.normal(Side.DIALOG_INSIGHT, there)


@pytest.mark.parametrize("blank", [None, ""])
def test_19_a_key_that_is_blank_malformed_or_of_another_case_is_no_new_record(blank: Value) -> None:
    """Blank keys are counted and rejected, malformed ones are told, and addresses are compared without case."""
    line = FieldMapping("Email", "EMail", key=True)
    declared = ObjectTransfer("t", sobject="Contact", project=PROJECT, fields=[line])
    rows = [{"EMail": "ada@example.ca"}, {"EMail": "ADA@example.ca"}, {"EMail": "ada"}, {"EMail": blank}]
    here = TableSchema("Contact", side=Side.SALESFORCE, fields=[F("Email", T.EMAIL, id_lookup=True)])
    found = {finding.code: finding.count for finding in check(declared, salesforce=here, dialog_insight=rows)}
    assert (found["rows.key_missing"], found["rows.key_duplicate"], found["rows.not_an_address"]) == (1, 2, 1)


def test_21_a_key_that_several_records_may_share_is_told() -> None:
    """A field that is neither unique nor a look-up field is no safe key: upserts on it meet several records."""
    here = TableSchema("Contact", side=Side.SALESFORCE, fields=[F("Code__c", T.TEXT, external_id=False)])
    assert "key.not_unique" in codes(transfer(), here)
    unique = TableSchema("Contact", side=Side.SALESFORCE, fields=[F("Code__c", unique=True, external_id=True)])
    assert "key.not_unique" not in codes(transfer(), unique)
    assert "key.lookup_first" in codes(transfer(), unique)
    assert "key.upsert" in codes(attrs.evolve(transfer(), dedicated_key=True), unique)


def test_23_a_restricted_picklist_is_compared_value_by_value() -> None:
    """A value that the restricted picklist does not have is told from the schemas, and counted in rows."""
    language = salesforce(F("Langue__c", T.CHOICE, choices=["fr"], restricted=True))
    line = FieldMapping("Langue__c", "Langue")
    assert "choice.different" in codes(transfer(line), language, F("Langue", T.CHOICE, choices=["fr", "en"]))
    typed = attrs.evolve(language, record_types=["Household", "Business"])
    assert "choice.record_type" in codes(transfer(line), typed, F("Langue", T.CHOICE, choices=["fr"]))
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


def test_28_a_converted_lead_is_read_only_and_that_is_told() -> None:
    """Leads stay in their table after conversion and refuse edits: a transfer that would write them is warned."""
    leads = ObjectTransfer("l", sobject="Lead", project=PROJECT, fields=[KEY])
    here = TableSchema("Lead", side=Side.SALESFORCE, fields=[F("Code__c"), F("IsConverted", T.BOOLEAN)])
    assert "lead.converted" in codes(leads, here)
    assert "lead.converted" not in codes(attrs.evolve(leads, salesforce_filter="IsConverted = false"), here)


def test_29_person_accounts_are_a_trap_that_is_named() -> None:
    """Writing the name of an account is warned of in an org with person accounts."""
    accounts = ObjectTransfer("a", sobject="Account", fields=[KEY, FieldMapping("Name", "Nom")])
    org = TableSchema(
        "Account", side=Side.SALESFORCE, fields=[F("Code__c"), F("Name"), F("IsPersonAccount", T.BOOLEAN)]
    )
    assert "person_account.name" in codes(accounts, org)
    without_people = attrs.evolve(accounts, salesforce_filter="IsPersonAccount = false")
    assert "person_account.name" not in codes(without_people, org)
    contacts = transfer(FieldMapping("AccountId", "Compte"))
    assert "person_account.fixed" in codes(contacts, salesforce(F("AccountId"), F("IsPersonAccount", T.BOOLEAN)))


def test_34_35_a_field_that_vanishes_is_told_and_is_never_null() -> None:
    """Field-level security hides fields without a word: the check names it, and drift explains it."""
    line = transfer(FieldMapping("Fax", "Fax"))
    assert "field.missing" in codes(line, salesforce(), F("Fax", T.PHONE))
    changes = schema_changes(salesforce(F("Fax", T.PHONE)), salesforce(), transfer=line)
    assert [change.code for change in changes.errors] == ["schema.field_disappeared"]
    assert "did not become null" in changes.errors[0].message


def test_34_a_table_that_may_not_be_written_is_told() -> None:
    """Missing rights on the object are errors before the first write, not a refusal for every record."""
    found = codes(transfer(), attrs.evolve(salesforce(), creatable=False, updatable=False))
    assert {"table.not_creatable", "table.not_updatable"} <= found


def test_36_ids_that_differ_by_case_are_two_and_short_ones_are_long_ones() -> None:
    """15 and 18 characters are one id by checksum; case makes another record."""
    ids = cv.record_id()
    assert ids.normal(Side.SALESFORCE, "001D000000IRFma") == ids.normal(Side.DIALOG_INSIGHT, "001D000000IRFmaIAH")
    assert ids.normal(Side.SALESFORCE, "001D000000IRFma") != ids.normal(Side.SALESFORCE, "001D000000IRFmA")


def test_36_ids_of_another_object_are_told() -> None:
    """A lookup that refers to one object is not translated by links of another."""
    parents = ObjectTransfer("accounts", sobject="Lead", project=PROJECT, fields=[FieldMapping("L__c", "L", key=True)])
    child = transfer(FieldMapping("AccountId", "idCompte", references="accounts"))
    described = {"t": salesforce(F("AccountId", T.REFERENCE, references=["Account"]))}
    found = check(Integration([child, parents]), salesforce=described)
    assert "reference.other_object" in {finding.code for finding in found.errors}


def test_37_an_opt_out_mapped_onto_an_opt_in_is_warned_of() -> None:
    """Consent is not reversed by a mapping that reads well: the polarity is a warning until it is negated."""
    out = salesforce(F("HasOptedOutOfEmail", T.BOOLEAN, nullable=False))
    plain = FieldMapping("HasOptedOutOfEmail", OptIn("n"))
    negated = FieldMapping("HasOptedOutOfEmail", OptIn("n"), converter=cv.negate())
    assert "opt_in.polarity" in codes(transfer(plain), out, F("optin_n", T.OPT_IN))
    assert "opt_in.polarity" not in codes(transfer(negated), out, F("optin_n", T.OPT_IN))


def test_a_text_that_does_not_fit_is_told_from_the_lengths_and_counted_in_rows() -> None:
    """Lengths are compared before the first write; rows say how many would really be refused."""
    line, here = FieldMapping("Nom__c", "Nom"), salesforce(F("Nom__c", T.TEXT, length=3))
    assert "text.too_long" in codes(transfer(line), here, F("Nom", T.TEXT, length=80))
    rows = [{"Code": "a", "Nom": "Éva"}, {"Code": "b", "Nom": "Éloïse"}]
    found = {finding.code: finding.count for finding in check(transfer(line), salesforce=here, dialog_insight=rows)}
    assert found["rows.too_long"] == 1


def test_43_a_finding_has_a_cause_and_a_remedy() -> None:
    """Nobody is left with a raw error: each finding says what is so and what to do."""
    found = check(transfer(FieldMapping("Fax", "Fax")), salesforce=salesforce())
    assert all(finding.message and finding.remedy for finding in found)
    assert len(found) > 0
