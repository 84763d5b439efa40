"""Declarations: every rule refuses what it is there for, everything wrong comes at once, and values never change."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from di_salesforce import converters as cv
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import (
    Constant,
    DestinationProject,
    FieldMapping,
    Integration,
    ObjectTransfer,
    OptIn,
    OptInDate,
)
from di_salesforce.protocols import FieldCase, named
from di_salesforce.records import UNSET, Row, Side
from di_salesforce.schema import FieldSchema, FieldType, TableSchema
from di_salesforce.triggers import ConflictPolicy, Direction, ProjectType, Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
KEY = FieldMapping("Email", "EMail", key=True)
A = DestinationProject("communications", id=4321, type=ProjectType.A, tables={"Orders": 8765})
B = DestinationProject("acquisition", id=4322, type=ProjectType.B)


def transfer(*lines: FieldMapping | Constant, key: bool = True, **settings: Any) -> ObjectTransfer:
    """Make a transfer that is right but for what a test adds; its own line is `fields[0]`."""
    settings = {"name": "contacts", "sobject": "Contact", **settings}
    return ObjectTransfer(settings.pop("name"), fields=[*([KEY] if key else []), *lines], **settings)


def found(make: Callable[[], object]) -> list[tuple[str, str]]:
    """Give the paths and codes of everything that is wrong."""
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert all(f"{problem}" in str(caught.value) for problem in caught.value.problems)
    return [(problem.path, problem.code) for problem in caught.value.problems]


def winner(case: FieldCase, /) -> Side | None:
    return Side.SALESFORCE


def active(row: Row, /) -> bool:
    return row.get("active") == "1"


def pickled(value: Any) -> Any:  # any declaration
    return pickle.loads(pickle.dumps(value))


# One wrong declaration for each rule ---------------------------------------------------------------------------------

TO_D, TO_S = Direction.TO_DIALOG_INSIGHT, Direction.TO_SALESFORCE
RESTRICTIVE = ConflictPolicy.MOST_RESTRICTIVE

WRONG: dict[str, tuple[Callable[[], ObjectTransfer], list[tuple[str, str]]]] = {
    "no name": (lambda: transfer(name=" "), [("name", "declaration.empty")]),
    "no sObject": (lambda: transfer(sobject=""), [("sobject", "declaration.empty")]),
    "no table": (lambda: transfer(table=""), [("table", "declaration.empty")]),
    "a line without a field": (lambda: transfer(FieldMapping("Fax", "")), [("fields[1]", "declaration.empty")]),
    "no key": (lambda: transfer(FieldMapping("Fax", "Fax"), key=False), [("fields", "key.not_declared")]),
    "no line at all": (lambda: transfer(key=False), [("fields", "key.not_declared")]),
    "an opt-in as key": (
        lambda: transfer(FieldMapping("News__c", OptIn("news"), key=True)),
        [("fields[1]", "key.unsuitable")],
    ),
    "a parent's field as key": (
        lambda: transfer(FieldMapping("Account.Name", "Company", key=True)),
        [("fields[1]", "key.unsuitable")],
    ),
    "a translated lookup as key": (
        lambda: transfer(FieldMapping("AccountId", "idCompany", key=True, references="accounts")),
        [("fields[1]", "key.unsuitable")],
    ),
    "two lines onto one Dialog Insight field": (
        lambda: transfer(FieldMapping("Home", "Phone", direction=TO_D), FieldMapping("Work", "Phone", direction=TO_D)),
        [("fields[2]", "field.two_writers")],
    ),
    "two lines onto one Salesforce field, in another case": (
        lambda: transfer(FieldMapping("Phone", "P1", direction=TO_S), FieldMapping("PHONE", "P2", direction=TO_S)),
        [("fields[2]", "field.two_writers")],
    ),
    "a constant where a line writes": (
        lambda: transfer(FieldMapping("LeadSource", "Source"), Constant("LeadSource", "web", side=S)),
        [("fields[2]", "field.two_writers")],
    ),
    "a field that one line writes and another reads": (
        lambda: transfer(FieldMapping("Email", "Backup", direction=TO_D)),
        [("fields[1]", "field.written_and_read")],
    ),
    "an id that would flow back": (
        lambda: transfer(FieldMapping("Id", "ClientNo", direction=TO_S)),
        [("fields[1].direction", "direction.impossible")],
    ),
    "a contact's id that would flow back": (
        lambda: transfer(FieldMapping("DI_Id__c", "idContact", direction=TO_D)),
        [("fields[1]", "direction.impossible")],
    ),
    "a contact's id through a lookup": (
        lambda: transfer(FieldMapping("ReportsToId", "idContact", references="contacts")),
        [("fields[1]", "direction.impossible")],
    ),
    "a parent's field that would be written": (
        lambda: transfer(FieldMapping("Account.Name", "Company", direction=TO_S)),
        [("fields[1].direction", "direction.impossible")],
    ),
    "an opt-in that would be written": (
        lambda: transfer(FieldMapping("News__c", OptIn("news"), direction=TO_D)),
        [("fields[1].direction", "direction.impossible")],
    ),
    "an opt-in's date that would be written": (
        lambda: transfer(FieldMapping("News_Date__c", OptInDate("news"), direction=TO_D)),
        [("fields[1].direction", "direction.impossible")],
    ),
    "a default where nothing is written": (
        lambda: transfer(FieldMapping("Fax", "Fax", direction=TO_D, salesforce_default="none")),
        [("fields[1].salesforce_default", "default.unused")],
    ),
    "a default beside an opt-in": (
        lambda: transfer(FieldMapping("News__c", OptIn("news"), dialog_insight_default="1")),
        [("fields[1].dialog_insight_default", "default.unused")],
    ),
    "the most restrictive of two telephone numbers": (
        lambda: transfer(FieldMapping("Phone", "Phone", conflict=RESTRICTIVE, first_match=RESTRICTIVE)),
        [("fields[1].conflict", "policy.not_consent"), ("fields[1].first_match", "policy.not_consent")],
    ),
    "the most restrictive of two people": (
        lambda: transfer(first_match=RESTRICTIVE),
        [("first_match", "policy.not_consent")],
    ),
    "a group that flows both ways": (
        lambda: transfer(
            FieldMapping("Street", "Street", group="address"),
            FieldMapping("City", "City", group="address", direction=TO_D),
        ),
        [("fields[2]", "group.directions")],
    ),
    "a group under two policies": (
        lambda: transfer(
            FieldMapping("Street", "Street", group="address"),
            FieldMapping("City", "City", group="address", conflict=ConflictPolicy.SALESFORCE_WINS),
        ),
        [("fields[2]", "group.policies")],
    ),
    "an opt-in and its date under two policies": (
        lambda: transfer(
            FieldMapping("News__c", OptIn("news"), conflict=RESTRICTIVE),
            FieldMapping("News_Date__c", OptInDate("news")),
        ),
        [("fields[2]", "group.policies")],
    ),
    "a lookup in a group": (
        lambda: transfer(
            FieldMapping("AccountId", "idCompany", references="accounts", group="work"),
            FieldMapping("Title", "Title", group="work"),
        ),
        [("fields[2]", "group.reference")],
    ),
    "a constant on update": (
        lambda: transfer(Constant("LeadSource", "web", side=S, on="update")),
        [("fields[1].on", "constant.on")],
    ),
    "a birth in Dialog Insight, in a project of type A": (
        lambda: transfer(project=A, triggers=Trigger.ALL),
        [("triggers", "trigger.not_supported")],
    ),
    "a birth in Salesforce, in a project of type B": (
        lambda: transfer(project=B, triggers=Trigger.SALESFORCE_CREATED),
        [("triggers", "trigger.not_supported")],
    ),
    "a relational table that the project does not declare": (
        lambda: transfer(project=A, table="Invoices"),
        [("table", "table.not_declared")],
    ),
    "a relational table without its number": (
        lambda: transfer(
            project=DestinationProject("p", id=1, tables={"Orders": TableSchema("Orders", side=D, fields=[])}),
            table="Orders",
        ),
        [("table", "table.not_declared")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_transfer_is_refused_where_it_is_wrong(case: str) -> None:
    """Each rule says what it is there for: one problem, with its path in the declaration and its stable code."""
    make, expected = WRONG[case]
    assert found(make) == expected


def other(name: str, *lines: FieldMapping, **settings: Any) -> ObjectTransfer:
    """Make a transfer into a table of its own, so that two of them do not write the same field."""
    settings = {"table": name, **settings}
    return transfer(*lines, name=name, **settings)


WRONG_TOGETHER: dict[str, tuple[Callable[[], Integration], list[tuple[str, str]]]] = {
    "no transfer": (lambda: Integration([]), [("transfers", "declaration.empty")]),
    "one name for two transfers": (
        lambda: Integration([other("a"), other("b", sobject="Lead"), other("a", table="c", sobject="Account")]),
        [("transfers[2].name", "name.twice")],
    ),
    "a lookup into nowhere": (
        lambda: Integration([other("a", FieldMapping("AccountId", "idCompany", references="accounts"))]),
        [("transfers[0].fields[1].references", "reference.unknown")],
    ),
    "one name for two projects": (
        lambda: Integration([transfer(name="a", project=A), transfer(name="b", project=attrs.evolve(A, id=1))]),
        [("transfers[1].project", "name.twice")],
    ),
    "two transfers onto one Dialog Insight field": (
        lambda: Integration([transfer(name="a", project=A), transfer(name="b", sobject="Lead", project=A)]),
        [("transfers[1].fields[0]", "field.two_writers")],
    ),
}


@pytest.mark.parametrize("case", WRONG_TOGETHER)
def test_wrong_transfers_together_are_refused_where_they_are_wrong(case: str) -> None:
    """What is right by itself may be wrong together; the path leads through `transfers[...]`."""
    make, expected = WRONG_TOGETHER[case]
    assert found(make) == expected


def test_everything_that_is_wrong_comes_at_once() -> None:
    """A person mends a declaration in one go, not problem by problem."""
    problems = found(
        lambda: transfer(
            FieldMapping("Fax", ""),
            FieldMapping("Id", "ClientNo", direction=TO_S),
            Constant("LeadSource", "web", side=S, on="update"),
            key=False,
            name="",
            project=A,
            triggers=Trigger.ALL,
            first_match=RESTRICTIVE,
        )
    )
    assert set(problems) == {
        ("name", "declaration.empty"),
        ("fields[0]", "declaration.empty"),
        ("fields", "key.not_declared"),
        ("fields[1].direction", "direction.impossible"),
        ("fields[2].on", "constant.on"),
        ("first_match", "policy.not_consent"),
        ("triggers", "trigger.not_supported"),
    }


def test_the_error_names_the_transfer_and_survives_pickling() -> None:
    """A worker process hands its error to its parent with all problems."""
    with pytest.raises(ConfigurationError, match="transfer 'contacts'") as caught:
        transfer(key=False)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.problems) == (str(caught.value), caught.value.problems)


# What is right -------------------------------------------------------------------------------------------------------


def full() -> ObjectTransfer:
    """A transfer that uses everything."""
    return transfer(
        FieldMapping("Id", "ClientNo"),
        FieldMapping("Account.Name", "Company"),
        FieldMapping("News__c", OptIn("news"), converter=cv.boolean()),
        FieldMapping("News_Date__c", OptInDate("news"), converter=cv.datetime(time_zone="America/Toronto")),
        FieldMapping("Street", "Street", group="address"),
        FieldMapping("City", "City", group="address"),
        FieldMapping("Points__c", "Points", conflict=named("most")(winner), dialog_insight_default=0),
        FieldMapping("AccountId", "idCompany", references="accounts"),
        Constant("LeadSource", "web", side=S),
        project=DestinationProject("p", id=1, tables={"T": TableSchema("T", side=D, fields=[FieldSchema("a")], id=2)}),
        dialog_insight_filter=named("active")(active),
    )


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
@pytest.mark.parametrize("value", [KEY, OptIn("news"), A, transfer(project=A), Integration([transfer(project=A)])])
def test_declarations_are_values(copied: Callable[[Any], Any], value: Any) -> None:
    """They are equal by what they say, hashable, copied and pickled without loss."""
    again = copied(value)
    assert again == value
    assert hash(again) == hash(value)
    assert repr(again) == repr(value)


@pytest.mark.parametrize("value", [KEY, OptIn("news"), OptInDate("news"), A, full(), Integration([transfer()])])
def test_declarations_never_change(value: Any) -> None:
    """No attribute can be set."""
    names: list[str] = [field.name for field in attrs.fields(value.__class__)]
    for name in names:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(value, name, "another")


def test_a_declaration_does_not_keep_the_callers_containers() -> None:
    """Changing a list or dictionary afterwards changes nothing that was declared with it."""
    lines: list[FieldMapping | Constant] = [KEY]
    tables: dict[str, int | TableSchema] = {"Orders": 1}
    project = DestinationProject("p", id=1, tables=tables)
    declared = ObjectTransfer("contacts", sobject="Contact", fields=lines)
    lines.append(KEY)
    tables["Orders"] = 2
    assert declared.fields == (KEY,)
    assert project.table_id("Orders") == 1
    with pytest.raises(TypeError):
        project.tables["Orders"] = 3  # type: ignore[index]  # a read-only view: that is the law


@pytest.mark.parametrize(
    ("line", "flows", "to"),
    [
        (FieldMapping("Fax", "Fax"), Direction.BOTH, "Fax"),
        (FieldMapping("Fax", "Fax", direction=TO_S), TO_S, "Fax"),
        (FieldMapping("Id", "ClientNo"), TO_D, "ClientNo"),
        (FieldMapping("Account.Name", "Company"), TO_D, "Company"),
        (FieldMapping("DI_Id__c", "idContact"), TO_S, "idContact"),
        (FieldMapping("BillToContactId", "idContact", references="contacts"), Direction.BOTH, "idContact"),
        (FieldMapping("DI_Id__c", "idContact", direction=TO_D), TO_D, "idContact"),  # a foreign key, in another table
        (FieldMapping("News__c", OptIn("news")), TO_S, "optin_news"),
        (FieldMapping("News_Date__c", OptInDate("news")), TO_S, "dtOptin_news"),
        (FieldMapping("News__c", OptIn("optin_news")), TO_S, "optin_optin_news"),  # doubled prefixes are real [seen]
    ],
)
def test_a_field_flows_as_its_nature_allows(line: FieldMapping, flows: Direction, to: str) -> None:
    """`BOTH` is read as the one direction that ids, parent paths and opt-ins have; opt-ins keep their wire names."""
    assert line.flows is flows
    assert (line.field(S), line.field(D)) == (line.salesforce, to)
    assert line.name == f"{line.salesforce}:{to}"


def test_an_opt_in_and_its_date_are_one_group() -> None:
    """Consent without its date, or the date without the consent, would be a false record."""
    groups = full().groups
    assert [line.salesforce for line in groups["optin:news"]] == ["News__c", "News_Date__c"]
    assert [line.salesforce for line in groups["address"]] == ["Street", "City"]
    assert [len(lines) for name, lines in groups.items() if name not in ("optin:news", "address")] == [1] * 5


@pytest.mark.parametrize(
    ("project", "triggers", "allowed"),
    [
        (None, None, Trigger.ALL),
        (None, Trigger.NONE, Trigger.NONE),
        (DestinationProject("p", id=1), None, Trigger.ALL),
        (A, None, ProjectType.A.triggers),
        (B, None, ProjectType.B.triggers),
        (A, Trigger.SALESFORCE_UPDATED, Trigger.SALESFORCE_UPDATED),
    ],
)
def test_without_triggers_the_project_type_decides(
    project: DestinationProject | None, triggers: Trigger | None, allowed: Trigger
) -> None:
    """Leaving the triggers out means what the type supports, never more; without a type, all."""
    assert transfer(project=project, triggers=triggers).allowed == allowed


@pytest.mark.parametrize("kind", ProjectType)
@pytest.mark.parametrize("trigger", Trigger)
def test_a_type_refuses_exactly_what_it_does_not_support(kind: ProjectType, trigger: Trigger) -> None:
    """The table of project types is what is checked, trigger by trigger."""
    project = DestinationProject("p", id=1, type=kind)
    if trigger in kind.triggers:
        assert transfer(project=project, triggers=trigger).allowed is trigger
    else:
        assert found(lambda: transfer(project=project, triggers=trigger)) == [("triggers", "trigger.not_supported")]


def test_a_relational_table_may_hold_a_contacts_id() -> None:
    """There `idContact` is a foreign key: a lookup writes it, and so does an explicit direction."""
    lookup = FieldMapping("BillToContactId", "idContact", references="contacts")
    number = FieldMapping("DI_Id__c", "idContact", direction=TO_D)
    assert [transfer(line, project=A, table="Orders").lines[1] for line in (lookup, number)] == [lookup, number]


def test_consent_may_be_the_most_restrictive_and_have_two_transfers() -> None:
    """The restrictive join is defined for opt-ins, alone and together with their dates."""
    declared = transfer(
        FieldMapping("News__c", OptIn("news"), conflict=RESTRICTIVE, first_match=RESTRICTIVE),
        FieldMapping("News_Date__c", OptInDate("news"), conflict=RESTRICTIVE),
    )
    assert [declared.default_first_match(line) for line in declared.lines] == [
        ConflictPolicy.HOLD,
        RESTRICTIVE,
        ConflictPolicy.HOLD,
    ]


def test_one_field_may_be_read_by_several_lines() -> None:
    """Only writing is exclusive: a field may feed two others."""
    declared = transfer(
        FieldMapping("Id", "ClientNo"), FieldMapping("Id", "Reference"), Constant("LeadSource", "web", side=S)
    )
    assert [line.field(D) for line in declared.lines if line.salesforce == "Id"] == ["ClientNo", "Reference"]


def test_two_transfers_may_write_one_salesforce_object() -> None:
    """A contact acquired in one project and written to in another is the same Salesforce record; that is the point."""
    both = [transfer(name="subscribers", project=B), transfer(name="contacts", project=A)]
    assert Integration(both).projects == (B, A)


# Changing a declaration ----------------------------------------------------------------------------------------------


def test_with_key_makes_those_lines_the_key_and_no_others() -> None:
    """The key has the order that was asked for, and everything else stays as it was."""
    before = transfer(FieldMapping("LastName", "LastName"), FieldMapping("MailingPostalCode", "Zip"))
    after = before.with_key("MailingPostalCode", "LastName")
    assert [line.salesforce for line in after.key_lines] == ["MailingPostalCode", "LastName"]
    assert {attrs.evolve(line, key=False) for line in after.lines} == {
        attrs.evolve(line, key=False) for line in before.lines
    }
    assert [line.salesforce for line in before.key_lines] == ["Email"]
    with pytest.raises(ConfigurationError, match=r"LastNme.*it maps Email"):
        before.with_key("LastNme")


def test_with_field_adds_or_replaces_in_place() -> None:
    """A line between the same two fields takes the old one's place; another is added at the end."""
    before = transfer(FieldMapping("Fax", "Fax"), FieldMapping("Phone", "Phone"))
    better = FieldMapping("Fax", "Fax", converter=cv.phone())
    new = FieldMapping("News__c", OptIn("news"))
    constant = Constant("LeadSource", "web", side=S)
    assert before.with_field(new, better, constant).fields == (KEY, better, before.fields[2], new, constant)
    assert found(lambda: before.with_field(FieldMapping("Fax", "Fax2", direction=TO_D))) == [
        ("fields[3]", "field.written_and_read")
    ]


def test_without_fields_drops_by_either_name_and_refuses_unknown_ones() -> None:
    """A misspelt name would drop nothing in silence; dropping the key is a wrong declaration."""
    before = full()
    after = before.without_fields("optin_news", "News_Date__c", "LeadSource")
    assert [line.salesforce for line in before.lines if line not in after.lines] == ["News__c", "News_Date__c"]
    assert after.constants == ()
    with pytest.raises(ConfigurationError, match="touches Fx"):
        before.without_fields("Street", "Fx")
    assert found(lambda: before.without_fields("EMail"))[0] == ("fields", "key.not_declared")


def test_resolved_fills_in_converters_and_keeps_the_declared_ones() -> None:
    """What a person declared is never guessed over; a lookup stays with its links; a second time changes nothing."""
    contact = TableSchema("Contact", side=S, fields=[FieldSchema("Email", FieldType.EMAIL, length=80)])
    contacts = TableSchema("Contact", side=D, fields=[FieldSchema("EMail", FieldType.EMAIL, length=100)])
    before = full()
    after = before.resolved(contact, contacts)
    for old, new in zip(before.lines, after.lines, strict=True):
        if old.converter is not None or old.references is not None:
            assert new == old
        else:
            assert new.converter is not None
            assert attrs.evolve(new, converter=None) == old
    assert after.lines[0].converter == cv.email()
    assert after.constants == before.constants
    assert after.resolved(contact, contacts) == after


# Several transfers ---------------------------------------------------------------------------------------------------


def test_transfers_run_after_what_they_refer_to() -> None:
    """A child needs its parents' links; all else keeps the declared order, and a cycle is broken at its first."""

    def names(*transfers: ObjectTransfer) -> list[str]:
        return [ordered.name for ordered in Integration(transfers).in_order()]

    def child(name: str, *parents: str) -> ObjectTransfer:
        return other(name, *(FieldMapping(f"{p}Id", f"id{p}", references=p) for p in parents), sobject=name)

    assert names(other("b"), other("a", sobject="Lead")) == ["b", "a"]
    assert names(child("items", "orders"), child("orders", "people"), child("people"), child("zoo")) == [
        "people", "orders", "items", "zoo",
    ]  # fmt: skip
    assert names(child("people", "people")) == ["people"]
    assert names(child("x", "y"), child("y", "x"), child("z")) == ["z", "x", "y"]


def test_an_integration_gives_its_transfers_by_name() -> None:
    """Names are how stores, reports and people point at a transfer."""
    integration = Integration([other("a"), other("b", sobject="Lead")])
    assert integration["b"].sobject == "Lead"
    with pytest.raises(KeyError):
        integration["c"]


def test_functions_are_compared_by_registered_name() -> None:
    """Two processes that register one name have equal declarations; a plain function is equal only to itself."""

    def another(row: Row, /) -> bool:
        return "active" in row

    one = transfer(dialog_insight_filter=named("active")(active))
    assert one == transfer(dialog_insight_filter=named("active")(another))
    assert transfer(dialog_insight_filter=active) == transfer(dialog_insight_filter=active)
    assert transfer(dialog_insight_filter=active) != one


def test_a_default_belongs_to_a_side_and_null_is_one() -> None:
    """`UNSET` is no default; null is: the record is created with an explicit null."""
    line = FieldMapping("Fax", "Fax", salesforce_default=None)
    assert (line.default(S), line.default(D)) == (None, UNSET)


def test_a_table_that_the_project_declares_needs_no_schema_to_be_resolved() -> None:
    """Its own columns say which converters its lines need, as a described table's would."""
    table = TableSchema("T", side=Side.DIALOG_INSIGHT, id=2, fields=[FieldSchema("n", FieldType.INTEGER, key=True)])
    project = DestinationProject("people", id=1, tables={"T": table})
    transfer = ObjectTransfer("t", sobject="C", project=project, table="T", fields=[FieldMapping("N", "n", key=True)])
    assert transfer.resolved().fields == transfer.resolved(dialog_insight_schema=table).fields != transfer.fields
