"""Every code of `check`: a declaration that it is found in, and the same one mended, in which it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import pytest

from di_salesforce import converters as cv
from di_salesforce._check import FINDING_CODES, Findings, Severity, check
from di_salesforce.mapping import (
    Constant,
    DestinationProject,
    FieldMapping,
    Integration,
    ObjectTransfer,
    OptIn,
    OptInDate,
)
from di_salesforce.records import Row, Side
from di_salesforce.schema import FieldSchema as F
from di_salesforce.schema import FieldType as T
from di_salesforce.schema import TableSchema
from di_salesforce.triggers import ConflictPolicy, Deletes, Direction, Drift, ProjectType, Rewritten, Trigger

TO_DI, TO_SF = Direction.TO_DIALOG_INSIGHT, Direction.TO_SALESFORCE
KEY = FieldMapping("Code__c", "Code", key=True)
SF_KEY = F("Code__c", T.TEXT, length=20, nullable=False, unique=True, external_id=True)
DI_KEY = F("Code", T.TEXT, length=20, nullable=False, key=True)
UPDATES = Trigger.SALESFORCE_UPDATED | Trigger.DIALOG_INSIGHT_UPDATED
PROJECT = DestinationProject("p", id=1, time_zone="UTC")


def transfer(*lines: FieldMapping | Constant, key: FieldMapping = KEY, **settings: Any) -> ObjectTransfer:
    """Declare a transfer of contacts with a good key."""
    return ObjectTransfer(
        **{"name": "t", "sobject": "Contact", "project": PROJECT, "fields": [key, *lines], **settings}
    )


def salesforce(*fields: F, key: F = SF_KEY, name: str = "Contact") -> TableSchema:
    """Describe an sObject with a good key."""
    return TableSchema(name, side=Side.SALESFORCE, fields=[key, *fields])


def dialog_insight(*fields: F, key: F = DI_KEY, name: str = "Contact") -> TableSchema:
    """Describe a contact list with a good key."""
    return TableSchema(name, side=Side.DIALOG_INSIGHT, fields=[key, *fields])


@attrs.frozen
class Case:
    """What is checked."""

    declared: ObjectTransfer | Integration
    salesforce: Any = attrs.field(factory=salesforce)  # whatever `check` takes
    dialog_insight: Any = attrs.field(factory=dialog_insight)
    options: Mapping[str, Any] = {}

    def findings(self) -> Findings:
        """Check it."""
        return check(self.declared, salesforce=self.salesforce, dialog_insight=self.dialog_insight, **self.options)


def ends(source: F, target: F, *lines: FieldMapping | Constant, **settings: Any) -> Case:
    """Map field `S` of Salesforce to field `D` of Dialog Insight."""
    given = lines or (FieldMapping("S", "D"),)
    return Case(
        transfer(*given, **settings),
        salesforce(attrs.evolve(source, name="S")),
        dialog_insight(attrs.evolve(target, name="D")),
    )


def typed(here: T, there: T, **line: Any) -> Case:
    """Map two fields of which only the types are known."""
    return ends(F("S", here), F("D", there), FieldMapping("S", "D", **line))


def rows(
    *cells: Row, side: Side = Side.SALESFORCE, declared: ObjectTransfer | None = None, field: F | None = None
) -> Case:
    """Try rows of one side; the other side's `D` or `S` is described."""
    declared = declared or transfer(FieldMapping("S", "D"))
    if side is Side.SALESFORCE:
        return Case(declared, list(cells), dialog_insight(attrs.evolve(field, name="D")) if field else dialog_insight())
    return Case(declared, salesforce(attrs.evolve(field, name="S")) if field else salesforce(), list(cells))


def numbered(*values: Any) -> list[Row]:
    """Make Salesforce rows with keys of their own."""
    return [{"Code__c": f"k{number}", "S": value} for number, value in enumerate(values)]


def person_org(sobject: str, field: str, direction: Direction = Direction.BOTH) -> Case:
    """Map a field of an sObject in an org with person accounts."""
    declared = transfer(FieldMapping(field, "D", direction=direction), sobject=sobject)
    return Case(declared, salesforce(F(field), F("IsPersonAccount", T.BOOLEAN), name=sobject))


def closed(deed: str, **settings: Any) -> Case:
    """Check a transfer whose user may not do something with the sObject's records."""
    return Case(transfer(**settings), attrs.evolve(salesforce(), **{deed: False}))


def beside(other: ObjectTransfer) -> Case:
    """Check a transfer that another integration runs beside."""
    return Case(transfer(), options={"beside": [Integration([other])]})


def several(*transfers: ObjectTransfer, **schemas: TableSchema) -> Case:
    """Declare an integration; schemas of Salesforce by transfer name."""
    return Case(Integration(transfers), schemas or None, None)


PICK = F("S", T.CHOICE, choices=["a", "b"], restricted=True)
A = DestinationProject("a", id=1, time_zone="UTC")
B = DestinationProject("b", id=2, time_zone="UTC", tables={"R": 7, "Q": 8})
CONSENT = FieldMapping("News__c", OptIn("news"), conflict=ConflictPolicy.MOST_RESTRICTIVE)
LOOKUP = F("Account__c", T.REFERENCE, references=["Account"])
CHILD = transfer(FieldMapping("Account__c", "Ref", references="parents"), name="children", project=B, table="R")
PARENT = transfer(name="parents", sobject="Account", project=B)


ENFORCED = FieldMapping("S", "D", direction=TO_DI, drift=Drift.ENFORCE)


def ring(**settings: Any) -> tuple[ObjectTransfer, ObjectTransfer]:
    """Declare two transfers through which a value of F1 comes back to it: F1 -> G -> F2 -> H -> F1."""
    one = [FieldMapping("F1", "G", direction=TO_DI, **settings), FieldMapping("F2", "H", direction=TO_DI)]
    two = [FieldMapping("F2", "G", direction=TO_SF), FieldMapping("F1", "H", direction=TO_SF)]
    by_id = {"key": FieldMapping("Id", "Code", key=True), "triggers": UPDATES}
    key_only_read = {**by_id, "key": FieldMapping("Code__c", "idContact", key=True)}
    return transfer(*one, name="out", **by_id), transfer(*two, name="back", **key_only_read)


def broken_filter(row: Row) -> bool:
    """Fail on rows without an age."""
    return int(str(row["Age"])) > 0


NOTES: dict[str, tuple[Case, Case]] = {
    "choice.record_type": (
        Case(transfer(FieldMapping("S", "D")), attrs.evolve(salesforce(PICK), record_types=["Household"])),
        Case(transfer(FieldMapping("S", "D")), salesforce(PICK)),
    ),
    "constant.unused": (
        Case(transfer(Constant("S", "x", side=Side.SALESFORCE), triggers=UPDATES), salesforce(F("S"))),
        Case(transfer(Constant("S", "x", side=Side.SALESFORCE)), salesforce(F("S"))),
    ),
    "field.moves_silently": (
        Case(transfer(FieldMapping("Account.Name", "D"))),
        Case(transfer(FieldMapping("Account.Name", "D"), triggers=Trigger.DIALOG_INSIGHT_CREATED)),
    ),
    "key.fixed": (
        Case(transfer(), dialog_insight=dialog_insight(key=attrs.evolve(DI_KEY, updatable=False))),
        Case(transfer()),
    ),
    "key.lookup_first": (Case(transfer()), Case(transfer(dedicated_key=True))),
    "key.not_recommended": (
        Case(transfer(project=DestinationProject("p", id=1, type=ProjectType.B))),
        Case(transfer(project=DestinationProject("p", id=1))),
    ),
    "key.upsert": (Case(transfer(dedicated_key=True)), Case(transfer(triggers=UPDATES, dedicated_key=True))),
    "line.new": (
        Case(transfer(FieldMapping("S", "D")), None, None, {"settled": {"t": {"Code__c:Code"}}}),
        Case(transfer(FieldMapping("S", "D")), None, None, {"settled": {"t": {"Code__c:Code", "S:D"}}}),
    ),
    "opt_in.date_not_listed": (
        Case(transfer(FieldMapping("S", OptInDate("n"))), salesforce(F("S", T.DATETIME))),
        Case(
            transfer(FieldMapping("S", OptInDate("n"))),
            salesforce(F("S", T.DATETIME)),
            dialog_insight(F("dtOptin_n", T.DATETIME)),
        ),
    ),
    "rows.checked": (rows(*numbered("x", "y")), Case(transfer())),
    "rows.matching": (
        Case(transfer(), [{"Code__c": "k"}], [{"Code": "k"}]),
        Case(transfer(), [{"Code__c": "k"}], [{"Code": "other"}]),
    ),
    "schema.not_given": (Case(transfer(), None), Case(transfer())),
    "topology.field_cycle": (several(*ring()), several(ring()[0])),
    "topology.parent_not_referenced": (
        several(
            transfer(FieldMapping("Account__c", "Ref"), name="children", project=B),
            transfer(name="parents", sobject="Account", project=B, table="R"),
            children=salesforce(LOOKUP),
        ),
        several(CHILD, PARENT, children=salesforce(LOOKUP)),
    ),
    "trigger.create_only": (
        Case(transfer(FieldMapping("S", "D", direction=TO_DI), triggers=Trigger.SALESFORCE_CREATED), None, None),
        Case(transfer(FieldMapping("S", "D", direction=TO_DI)), None, None),
    ),
    "trigger.none": (Case(transfer(triggers=Trigger.NONE)), Case(transfer())),
}

WARNINGS: dict[str, tuple[Case, Case]] = {
    "choice.different": (
        ends(PICK, F("D", T.CHOICE, choices=["a"], restricted=True)),
        ends(PICK, F("D", T.CHOICE, choices=["a", "b", "c"], restricted=True), FieldMapping("S", "D", direction=TO_DI)),
    ),
    "choice.not_mapped": (
        ends(PICK, F("D"), FieldMapping("S", "D", converter=cv.choice({"a": "1"}))),
        ends(PICK, F("D"), FieldMapping("S", "D", converter=cv.choice({"a": "1", "b": "2"}))),
    ),
    "choice.separator": (
        ends(F("S", T.MULTI_CHOICE, choices=["a|b"]), F("D", T.MULTI_CHOICE)),
        ends(F("S", T.MULTI_CHOICE, choices=["a"]), F("D", T.MULTI_CHOICE)),
    ),
    "choice.unmapped": (
        ends(PICK, F("D", T.TEXT)),
        ends(PICK, F("D", T.TEXT), FieldMapping("S", "D", converter=cv.choice({"a": "1", "b": "2"}))),
    ),
    "key.not_unique": (Case(transfer(), salesforce(key=F("Code__c", T.TEXT, nullable=False))), Case(transfer())),
    "key.not_written": (
        Case(transfer(key=FieldMapping("Id", "Code", key=True))),
        Case(transfer(key=FieldMapping("Id", "Code", key=True), triggers=Trigger.SALESFORCE_CREATED)),
    ),
    "key.nullable": (
        Case(transfer(), salesforce(key=attrs.evolve(SF_KEY, nullable=True))),
        Case(transfer(salesforce_filter="Code__c != null"), salesforce(key=attrs.evolve(SF_KEY, nullable=True))),
    ),
    "lead.converted": (
        Case(transfer(sobject="Lead"), salesforce(F("IsConverted", T.BOOLEAN), name="Lead")),
        Case(
            transfer(sobject="Lead", salesforce_filter="IsConverted = false"),
            salesforce(F("IsConverted", T.BOOLEAN), name="Lead"),
        ),
    ),
    "number.rounded": (
        ends(F("S", T.DECIMAL, precision=18, scale=4), F("D", T.DECIMAL, precision=18, scale=2)),
        ends(
            F("S", T.DECIMAL, precision=18, scale=4),
            F("D", T.DECIMAL, precision=18, scale=2),
            FieldMapping("S", "D", converter=cv.decimal(scale=2)),
        ),
    ),
    "number.too_large": (
        ends(F("S", T.DECIMAL, precision=18, scale=2), F("D", T.DECIMAL, precision=9, scale=2)),
        ends(F("S", T.DECIMAL, precision=9, scale=2), F("D", T.DECIMAL, precision=9, scale=2)),
    ),
    "opt_in.polarity": (
        Case(transfer(FieldMapping("HasOptedOutOfEmail", OptIn("n"))), None, None),
        Case(transfer(FieldMapping("HasOptedOutOfEmail", OptIn("n"), converter=cv.negate())), None, None),
    ),
    "path.unverified": (
        Case(transfer(FieldMapping("Account.Name", "D"))),
        Case(transfer(FieldMapping("Account.Name", "D")), salesforce(F("AccountId", T.REFERENCE))),
    ),
    "person_account.fixed": (person_org("Contact", "AccountId"), person_org("Contact", "AccountId", TO_DI)),
    "person_account.name": (
        person_org("Account", "Name"),
        Case(transfer(FieldMapping("Name", "D"), sobject="Account"), salesforce(F("Name"))),
    ),
    "required.may_be_blank": (
        ends(F("S", T.TEXT, required=True), F("D", T.TEXT)),
        ends(F("S", T.TEXT, required=True), F("D", T.TEXT), FieldMapping("S", "D", salesforce_default="?")),
    ),
    "rows.absent": (rows({"Code__c": "k"}), rows({"Code__c": "k", "S": "x"})),
    "rows.blank_required": (
        rows(*numbered("x", ""), field=F("D", required=True)),
        rows(*numbered("x", ""), field=F("D")),
    ),
    "rows.key_duplicate": (
        rows({"Code__c": "k", "S": "x"}, {"Code__c": "k", "S": "y"}),
        rows({"Code__c": "k", "S": "x"}, {"Code__c": "j", "S": "y"}),
    ),
    "rows.key_missing": (rows(*numbered("x"), {"Code__c": "", "S": "y"}), rows(*numbered("x", "y"))),
    "rows.no_match": (
        Case(transfer(), [{"Code__c": "k"}], [{"Code": "other"}]),
        Case(transfer(), [{"Code__c": "k"}], [{"Code": "k"}]),
    ),
    "rows.not_an_address": (
        rows(*numbered("a@b.example", "ada"), field=F("D", T.EMAIL)),
        rows(*numbered("a@b.example"), field=F("D", T.EMAIL)),
    ),
    "rows.odd_address": (
        rows(*numbered("a..b@x.example"), field=F("D", T.EMAIL)),
        rows(*numbered("a.b@x.example"), field=F("D", T.EMAIL)),
    ),
    "rows.not_convertible": (
        rows(*numbered("7", "seven"), declared=transfer(FieldMapping("S", "D", converter=cv.integer()))),
        rows(*numbered("7", "8"), declared=transfer(FieldMapping("S", "D", converter=cv.integer()))),
    ),
    "rows.not_in_picklist": (
        rows(*numbered("a", "z"), field=attrs.evolve(PICK, type=T.CHOICE)),
        rows(*numbered("a", "b"), field=attrs.evolve(PICK, type=T.CHOICE)),
    ),
    "rows.too_large": (
        rows(*numbered(7, 12345), field=F("D", T.INTEGER, precision=4)),
        rows(*numbered(7, 1234), field=F("D", T.INTEGER, precision=4)),
    ),
    "rows.too_long": (
        rows(*numbered("x", "xxxx"), field=F("D", T.TEXT, length=3)),
        rows(*numbered("x", "xxx"), field=F("D", T.TEXT, length=3)),
    ),
    "schema.other_table": (Case(transfer(), salesforce(name="Lead")), Case(transfer(), salesforce(name="contact"))),
    "text.too_long": (
        ends(F("S", T.TEXT, length=80), F("D", T.TEXT, length=40)),
        ends(
            F("S", T.TEXT, length=80), F("D", T.TEXT, length=40), FieldMapping("S", "D", converter=cv.text(truncate=40))
        ),
    ),
    "time_zone.not_set": (
        ends(F("S", T.DATETIME), F("D"), project=None),
        ends(F("S", T.DATETIME), F("D"), FieldMapping("S", "D", converter=cv.datetime()), project=None),
    ),
    "topology.filtered_writers": (
        several(
            transfer(name="one", project=A, salesforce_filter="Kind__c = 'a'"),
            transfer(name="two", project=B, salesforce_filter="Kind__c = 'b'"),
        ),
        several(transfer(name="one", project=A), transfer(name="two", project=B)),
    ),
    "topology.one_table": (
        several(
            transfer(name="one", triggers=Trigger.SALESFORCE_CREATED),
            transfer(
                name="two", sobject="Lead", triggers=Trigger.SALESFORCE_CREATED, key=FieldMapping("L", "M", key=True)
            ),
        ),
        several(transfer(name="one", project=A), transfer(name="two", sobject="Lead", project=B)),
    ),
    "topology.other_integration": (
        beside(transfer(name="theirs", project=DestinationProject("named otherwise", id=1))),
        beside(transfer(name="theirs", sobject="Lead", project=A, table="Contact", triggers=Trigger.NONE)),
    ),
    "topology.parent_inactive": (several(CHILD, attrs.evolve(PARENT, active=False)), several(CHILD, PARENT)),
    "topology.parent_not_created": (several(CHILD, attrs.evolve(PARENT, triggers=UPDATES)), several(CHILD, PARENT)),
    "topology.project_twice": (
        several(transfer(name="one", project=A), transfer(name="two", project=attrs.evolve(B, id=1))),
        several(transfer(name="one", project=A), transfer(name="two", project=B)),
    ),
    "topology.reference_cycle": (
        several(
            CHILD,
            transfer(
                FieldMapping("Main__c", "Main", references="children"), name="parents", sobject="Account", project=B
            ),
        ),
        several(CHILD, PARENT),
    ),
    "trigger.setting_unused": (
        Case(transfer(ENFORCED, triggers=Trigger.SALESFORCE_CREATED), None, None),
        Case(transfer(ENFORCED), None, None),
    ),
    "trigger.update_off": (
        Case(transfer(FieldMapping("S", "D"), triggers=Trigger.DIALOG_INSIGHT_UPDATED), None, None),
        Case(transfer(FieldMapping("S", "D", direction=TO_SF), triggers=Trigger.DIALOG_INSIGHT_UPDATED), None, None),
    ),
    "type.multi_choice": (typed(T.MULTI_CHOICE, T.CHOICE), typed(T.MULTI_CHOICE, T.MULTI_CHOICE)),
    "type.narrow": (typed(T.TEXT, T.EMAIL), typed(T.EMAIL, T.EMAIL)),
    "type.time_of_day": (typed(T.DATE, T.DATETIME), typed(T.DATE, T.DATETIME, direction=TO_DI)),
}

ERRORS: dict[str, tuple[Case, Case]] = {
    "choice.not_in_picklist": (
        ends(PICK, F("D"), FieldMapping("S", "D", converter=cv.choice({"a": "1", "z": "2"}))),
        ends(PICK, F("D"), FieldMapping("S", "D", converter=cv.choice({"a": "1", "b": "2"}))),
    ),
    "constant.too_long": (
        Case(transfer(Constant("S", "xxxx", side=Side.SALESFORCE)), salesforce(F("S", length=3))),
        Case(transfer(Constant("S", "xxx", side=Side.SALESFORCE)), salesforce(F("S", length=3))),
    ),
    "field.calculated": (
        ends(F("S", calculated=True), F("D")),
        ends(F("S", calculated=True), F("D"), FieldMapping("S", "D", direction=TO_DI)),
    ),
    "field.compound": (typed(T.COMPOUND, T.TEXT, direction=TO_DI), typed(T.TEXT, T.TEXT, direction=TO_DI)),
    "field.missing": (Case(transfer(FieldMapping("S", "D")), salesforce()), ends(F("S"), F("D"))),
    "field.not_creatable": (
        ends(F("S", creatable=False), F("D")),
        ends(F("S", creatable=False), F("D"), triggers=Trigger.DIALOG_INSIGHT_UPDATED),
    ),
    "field.not_updatable": (
        ends(F("S", updatable=False), F("D")),
        ends(F("S", updatable=False), F("D"), triggers=Trigger.DIALOG_INSIGHT_CREATED),
    ),
    "key.not_dedicated": (
        Case(transfer(dedicated_key=True), salesforce(key=F("Code__c", external_id=True, nullable=False))),
        Case(transfer(dedicated_key=True)),
    ),
    "key.not_the_tables_key": (
        Case(transfer(), dialog_insight=dialog_insight(F("ClientNo", key=True), key=attrs.evolve(DI_KEY, key=False))),
        Case(transfer()),
    ),
    "opt_in.not_checkbox": (
        Case(
            transfer(FieldMapping("S", OptIn("n"))), salesforce(F("S", T.TEXT)), dialog_insight(F("optin_n", T.OPT_IN))
        ),
        Case(
            transfer(FieldMapping("S", OptIn("n"))),
            salesforce(F("S", T.BOOLEAN)),
            dialog_insight(F("optin_n", T.OPT_IN)),
        ),
    ),
    "opt_in.plain_name": (
        Case(transfer(FieldMapping("S", "optin_n")), salesforce(F("S")), dialog_insight(F("optin_n", T.OPT_IN))),
        Case(transfer(FieldMapping("S", OptIn("n"))), salesforce(F("S")), dialog_insight(F("optin_n", T.OPT_IN))),
    ),
    "path.not_reference": (
        Case(transfer(FieldMapping("Account.Name", "D")), salesforce(F("AccountId", T.TEXT))),
        Case(transfer(FieldMapping("Account.Name", "D")), salesforce(F("AccountId", T.REFERENCE))),
    ),
    "reference.not_lookup": (
        several(CHILD, PARENT, children=salesforce(attrs.evolve(LOOKUP, type=T.TEXT))),
        several(CHILD, PARENT, children=salesforce(LOOKUP)),
    ),
    "reference.not_translated": (typed(T.REFERENCE, T.INTEGER), typed(T.REFERENCE, T.TEXT)),
    "reference.other_object": (
        several(CHILD, PARENT, children=salesforce(attrs.evolve(LOOKUP, references=["Lead"]))),
        several(CHILD, PARENT, children=salesforce(LOOKUP)),
    ),
    "required.not_mapped": (
        Case(transfer(), salesforce(F("LastName", required=True))),
        Case(
            transfer(Constant("LastName", "(inconnu)", side=Side.SALESFORCE)), salesforce(F("LastName", required=True))
        ),
    ),
    "rows.all_refused": (
        rows(*numbered("seven"), declared=transfer(FieldMapping("S", "D", converter=cv.integer()))),
        rows(*numbered("seven", 7), declared=transfer(FieldMapping("S", "D", converter=cv.integer()))),
    ),
    "rows.filter_failed": (
        rows({"Code": "k"}, side=Side.DIALOG_INSIGHT, declared=transfer(dialog_insight_filter=broken_filter)),
        rows({"Code": "k", "Age": 3}, side=Side.DIALOG_INSIGHT, declared=transfer(dialog_insight_filter=broken_filter)),
    ),
    "table.not_creatable": (closed("creatable"), closed("creatable", triggers=UPDATES)),
    "table.not_deletable": (closed("deletable", deletes=Deletes.DELETE), closed("deletable")),
    "table.not_readable": (closed("readable"), closed("deletable")),
    "table.not_updatable": (closed("updatable"), closed("updatable", triggers=Trigger.DIALOG_INSIGHT_CREATED)),
    "time_zone.unknown": (
        Case(transfer(project=DestinationProject("p", id=1, time_zone="Mars/Olympus"))),
        Case(transfer()),
    ),
    "topology.create_loop": (
        several(transfer(name="one"), transfer(name="two", key=FieldMapping("Other__c", "Other", key=True))),
        several(transfer(name="one", project=A), transfer(name="two", project=B)),
    ),
    "topology.field_cycle_changes": (several(*ring(converter=cv.text(truncate=5))), several(*ring())),
    "topology.parent_elsewhere": (several(CHILD, attrs.evolve(PARENT, project=A)), several(CHILD, PARENT)),
    "topology.two_creators": (
        several(transfer(name="one"), transfer(name="two", sobject="Lead", key=FieldMapping("L", "M", key=True))),
        several(transfer(name="one", project=A), transfer(name="two", sobject="Lead", project=B)),
    ),
    "topology.two_writers": (
        several(transfer(CONSENT, name="one", project=A), transfer(CONSENT, name="two", project=B)),
        several(
            transfer(CONSENT, key=FieldMapping("Id", "Code", key=True), name="one", project=A),
            transfer(CONSENT, key=FieldMapping("Id", "Code", key=True), name="two", project=B),
        ),
    ),
    "type.mismatch": (typed(T.DATE, T.INTEGER), typed(T.DATE, T.DATE)),
}

CASES: Mapping[str, tuple[Case, Case]] = {**ERRORS, **WARNINGS, **NOTES}


@pytest.mark.parametrize("code", list(CASES))
def test_a_code_is_found_where_it_belongs_and_only_there(code: str) -> None:
    """What is wrong is found under its code, with a remedy; the same declaration mended shows the code no more."""
    broken, mended = CASES[code]
    shown = [finding for finding in broken.findings() if finding.code == code]
    assert shown
    assert all(finding.message and finding.remedy for finding in shown)
    assert code not in {finding.code for finding in mended.findings()}


def test_every_code_has_its_case() -> None:
    """A code without a test would be a promise that nobody keeps."""
    severities = {Severity.ERROR: ERRORS, Severity.WARNING: WARNINGS, Severity.INFO: NOTES}
    for severity, cases in severities.items():
        assert sorted(cases) == sorted(code for code, entry in FINDING_CODES.items() if entry.severity is severity)


def test_a_good_declaration_has_neither_errors_nor_warnings() -> None:
    """Check says nothing against what fits: else nobody would read it."""
    case = Case(
        transfer(FieldMapping("LastName", "LastName"), FieldMapping("News__c", OptIn("news"))),
        salesforce(F("LastName", T.TEXT, length=80, required=True, nullable=False), F("News__c", T.BOOLEAN)),
        dialog_insight(F("LastName", T.TEXT, length=80, nullable=False), F("optin_news", T.OPT_IN)),
    )
    findings = case.findings()
    assert (findings.errors, findings.warnings) == ((), ())
    findings.raise_for_errors()


def test_a_line_that_adopts_needs_the_way_back() -> None:
    """What a service rewrites can flow back only under the trigger of that service's edits."""
    adopting = FieldMapping("S", "D", rewritten=Rewritten.ADOPT)
    for triggers, found in ((Trigger.SALESFORCE_UPDATED, 1), (UPDATES, 0), (Trigger.DIALOG_INSIGHT_UPDATED, 1)):
        codes = [f.code for f in Case(transfer(adopting, triggers=triggers), None, None).findings()]
        assert codes.count("trigger.setting_unused") == found


def test_consent_with_two_writers_is_held_to_the_restrictive_join() -> None:
    """Several writers of one consent are an error until every one of them joins by the most restrictive value."""
    loose = attrs.evolve(CONSENT, conflict=ConflictPolicy.HOLD)
    by_id = {"key": FieldMapping("Id", "Code", key=True)}
    one, two = transfer(CONSENT, name="one", project=A, **by_id), transfer(loose, name="two", project=B, **by_id)
    assert [finding.code for finding in several(one, two).findings().errors] == ["topology.two_writers"]
