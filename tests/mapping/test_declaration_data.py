"""Declarations as plain data: exact both ways, through JSON and TOML; bad data is told all at once, where it is bad."""

from __future__ import annotations

import copy
import datetime as dt
import json
import subprocess
import sys
import tomllib
import zoneinfo
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce import converters as cv
from di_salesforce.exceptions import ConfigurationError, MissingExtraError
from di_salesforce.mapping import (
    Constant,
    DestinationProject,
    FieldMapping,
    Integration,
    ObjectTransfer,
    OptIn,
    OptInDate,
)
from di_salesforce.protocols import FieldCase, NamedFunction, named
from di_salesforce.records import UNSET, Row, Side, Value
from di_salesforce.schema import FieldSchema, FieldType, TableSchema
from di_salesforce.triggers import ConflictPolicy, Deletes, Direction, ProjectType, Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT


@named("newest")
def newest(case: FieldCase, /) -> Side | None:
    return Side.SALESFORCE


@named("active")
def active(row: Row, /) -> bool:
    return row.get("active") == "1"


@named("cents")
def cents(value: Value) -> Value:
    return value


FUNCTIONS: dict[str, NamedFunction[Any]] = {function.name: function for function in (newest, active, cents)}


# Generated integrations ----------------------------------------------------------------------------------------------

# Lone surrogates are not Unicode text: no file can hold them.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
names = texts.filter(str.strip)
lists_of_names: st.SearchStrategy[list[str]] = st.lists(names, max_size=2, unique=True)
offsets = st.integers(-840, 840).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False),
    texts,
    st.dates(),
    st.datetimes(timezones=st.none() | st.just(dt.UTC) | offsets).map(lambda moment: moment.replace(fold=0)),
)
any_converter = st.one_of(
    st.none(),
    st.just(cv.AS_IS),
    st.builds(cv.text, trim=st.booleans(), truncate=st.none() | st.integers(1, 300)),
    st.builds(cv.decimal, scale=st.none() | st.integers(0, 18)),
    st.sampled_from([cv.email(), cv.phone(), cv.integer(), cv.record_id(), cv.pair(cents, cents)]),
    st.builds(cv.boolean, blank=st.none() | st.booleans()),
    st.builds(cv.negate, blank=st.none() | st.booleans()),
    st.builds(cv.date, dialog_insight=st.sampled_from(["%Y.%m.%d", "%d/%m/%Y"])),
    st.builds(cv.datetime, time_zone=st.sampled_from(["UTC", "America/Toronto"])),
    st.dictionaries(st.from_regex(r"[a-zé]{1,5}", fullmatch=True), st.sampled_from("12x"), max_size=4).flatmap(
        lambda choices: st.sampled_from([cv.choice(choices), cv.multi_choice(choices)])
    ),
)
two_way_policies = st.sampled_from(
    [policy for policy in ConflictPolicy if policy not in (ConflictPolicy.MOST_RESTRICTIVE, ConflictPolicy.NEWEST)]
)


@st.composite
def field_lines(draw: st.DrawFn, index: int) -> FieldMapping:
    """Make a line between two fields of its own; the first is the key, others may be lookups or have a group."""
    direction = draw(st.sampled_from(Direction))
    defaults = {
        f"{side.value}_default": draw(values) for side in Side if direction.allows(side) and draw(st.booleans())
    }
    extra: dict[str, str] = (
        draw(st.sampled_from([{}, {"references": "0"}, {"group": f"group {index}"}])) if index else {}
    )
    return FieldMapping(
        f"{index}{draw(texts)}".replace(".", "_"),  # a point would make it a parent's field
        f"{index}{draw(texts)}",
        key=index == 0,
        direction=direction,
        converter=draw(any_converter),
        conflict=draw(two_way_policies | st.just(newest)),
        first_match=draw(st.none() | two_way_policies),
        **defaults,
        **extra,
    )


@st.composite
def opt_in_lines(draw: st.DrawFn) -> list[FieldMapping]:
    """Make an opt-in with or without its date."""
    policy = draw(st.sampled_from([each for each in ConflictPolicy if each is not ConflictPolicy.NEWEST]))
    code = draw(names)
    lines = [FieldMapping("OptIn__c", OptIn(code), conflict=policy, converter=cv.boolean())]
    if draw(st.booleans()):
        lines.append(FieldMapping("OptInDate__c", OptInDate(code), conflict=policy, salesforce_default=draw(values)))
    return lines


@st.composite
def table_fields(draw: st.DrawFn, name: str) -> FieldSchema:
    """Make a field of a relational table."""
    settings: dict[str, Any] = {"choices": draw(st.lists(texts, max_size=2)), "default": draw(values | st.just(UNSET))}
    return FieldSchema(
        name,
        draw(st.sampled_from(FieldType)),
        label=draw(texts),
        length=draw(st.none() | st.integers(0, 500)),
        nullable=draw(st.booleans()),
        key=draw(st.booleans()),
        **settings,
    )


@st.composite
def tables(draw: st.DrawFn, code: str) -> int | TableSchema:
    """Make a relational table: its number alone, or with its fields."""
    number = draw(st.integers(1, 10**6))
    if draw(st.booleans()):
        return number
    fields = [draw(table_fields(name)) for name in draw(lists_of_names)]
    return TableSchema(code, side=D, id=number, label=draw(texts), fields=fields)


@st.composite
def integrations(draw: st.DrawFn) -> Integration:
    """Make an integration that is right, with anything that a declaration may hold."""
    count = draw(st.integers(1, 3))
    codes = [f"T{index}" for index in range(count)]
    projects = [None] + [
        DestinationProject(
            name,
            id=draw(st.integers(1, 10**6)),
            type=draw(st.none() | st.sampled_from(ProjectType)),
            tables={code: draw(tables(code)) for code in codes},
            time_zone=draw(st.sampled_from([None, "America/Toronto"])),
        )
        for name in draw(lists_of_names)
    ]
    transfers: list[ObjectTransfer] = []
    for index, code in enumerate(codes):
        project = draw(st.sampled_from(projects))
        supported = project.type.triggers if project is not None and project.type is not None else Trigger.ALL
        lines: list[FieldMapping | Constant] = [draw(field_lines(i)) for i in range(draw(st.integers(1, 4)))]
        lines += draw(st.one_of(st.just([]), opt_in_lines()))
        if draw(st.booleans()):
            lines.append(Constant("LeadSource", draw(values), side=draw(st.sampled_from(Side))))
        transfers.append(
            ObjectTransfer(
                str(index),
                sobject=draw(names),
                table=code,
                project=project,
                fields=lines,
                triggers=draw(st.sampled_from([None, supported, Trigger.NONE, Trigger.SALESFORCE_UPDATED])),
                salesforce_filter=draw(st.none() | texts),
                dialog_insight_filter=draw(st.sampled_from([None, active])),
                first_match=draw(two_way_policies),
                deletes=draw(st.sampled_from(Deletes)),
                active=draw(st.booleans()),
            )
        )
    return Integration(transfers)


def assert_same(one: Integration, other: Integration) -> None:
    """Hold them to being equal in every type: Python's True is 1 and 1.0, a declaration's is not."""
    assert one == other
    assert json.dumps(one.to_dict(), sort_keys=True) == json.dumps(other.to_dict(), sort_keys=True)


def at(data: Any, *steps: str | int) -> Any:  # whatever stands there
    """Walk to a place in plain data."""
    for step in steps:
        data = data[step]
    return data


def places(data: Any, *here: str | int) -> Iterator[tuple[str | int, ...]]:
    """Walk all places of plain data."""
    if here:
        yield here
    steps: list[tuple[str | int, Any]] = []
    if isinstance(data, dict):
        steps += cast("dict[str, Any]", data).items()
    elif isinstance(data, list):
        steps += enumerate(cast("Iterable[Any]", data))
    for step, item in steps:
        yield from places(item, *here, step)


def assert_plain(data: Any) -> None:  # whatever was dumped
    """Hold data to the very types that JSON has."""
    for item in (data, *(at(data, *place) for place in places(data))):
        assert type(item) in (dict, list, str, int, float, bool, type(None))


# Exact both ways -----------------------------------------------------------------------------------------------------


@given(integrations())
def test_data_are_plain_and_give_the_declaration_back(integration: Integration) -> None:
    """`from_dict(to_dict(x))` is `x`, and the data are what JSON can hold."""
    data = integration.to_dict()
    assert_plain(data)
    assert_same(Integration.from_dict(data, functions=FUNCTIONS), integration)


@given(integrations())
def test_json_text_gives_the_declaration_back(integration: Integration) -> None:
    """Through strict JSON text, also where the members of objects lose their order on the way (as in a database)."""
    text = json.dumps(integration.to_dict(), allow_nan=False, sort_keys=True)
    assert_same(Integration.from_dict(json.loads(text), functions=FUNCTIONS), integration)


@given(integrations())
def test_toml_text_gives_the_declaration_back(integration: Integration) -> None:
    """Through TOML text, which has no null, exactly all the same."""
    again = Integration.from_dict(tomllib.loads(integration.to_toml()), functions=FUNCTIONS)
    assert_same(again, integration)


def example() -> Integration:
    """Make the nightly job of the documentation, with a function of each kind."""
    acquisition = DestinationProject("acquisition", id=4322, type=ProjectType.B, time_zone="America/Toronto")
    communications = DestinationProject("communications", id=4321, type=ProjectType.A, tables={"Orders": 8765})
    subscribers = ObjectTransfer(
        "subscribers",
        sobject="Contact",
        project=acquisition,
        fields=[
            FieldMapping("Email", "EMail", key=True, converter=cv.email()),
            FieldMapping("LastName", "LastName", salesforce_default="(inconnu)"),
            FieldMapping("Newsletter__c", OptIn("newsletter")),
            FieldMapping("Newsletter_Date__c", OptInDate("newsletter")),
            FieldMapping("Credit__c", "Credit", converter=cv.pair(cents, cents), conflict=newest),
            Constant("LeadSource", "Dialog Insight", side=S),
            Constant("Discount__c", Decimal("1.10"), side=S),
            Constant("Region__c", None, side=S),
        ],
        dialog_insight_filter=active,
    )
    orders = ObjectTransfer(
        "orders",
        sobject="Order",
        project=communications,
        table="Orders",
        triggers=Trigger.SALESFORCE_CREATED | Trigger.SALESFORCE_UPDATED,
        fields=[
            FieldMapping("OrderNumber", "idOrder", key=True),
            FieldMapping("BillToContactId", "idContact", references="subscribers"),
            FieldMapping("Language__c", "Langue", converter=cv.choice({"Français": "fr", "English": "en"})),
        ],
    )
    return Integration([subscribers, orders])


def test_the_form_of_the_data() -> None:
    """This form stands in people's files: changing it is a new version."""
    assert example().to_dict() == {
        "version": 1,
        "projects": [
            {"name": "acquisition", "id": 4322, "type": "B", "time_zone": "America/Toronto"},
            {"name": "communications", "id": 4321, "type": "A", "tables": {"Orders": 8765}},
        ],
        "transfers": [
            {
                "name": "subscribers",
                "sobject": "Contact",
                "project": "acquisition",
                "fields": [
                    {"salesforce": "Email", "dialog_insight": "EMail", "key": True, "converter": {"kind": "email"}},
                    {"salesforce": "LastName", "dialog_insight": "LastName", "salesforce_default": "(inconnu)"},
                    {"salesforce": "Newsletter__c", "dialog_insight": {"optin": "newsletter"}},
                    {"salesforce": "Newsletter_Date__c", "dialog_insight": {"optin_date": "newsletter"}},
                    {
                        "salesforce": "Credit__c",
                        "dialog_insight": "Credit",
                        "converter": {"kind": "pair", "to_dialog_insight": "cents", "to_salesforce": "cents"},
                        "conflict": {"function": "newest"},
                    },
                    {"constant": "LeadSource", "value": "Dialog Insight", "side": "salesforce"},
                    {"constant": "Discount__c", "value": {"$decimal": "1.10"}, "side": "salesforce"},
                    {"constant": "Region__c", "value": None, "side": "salesforce"},
                ],
                "dialog_insight_filter": "active",
            },
            {
                "name": "orders",
                "sobject": "Order",
                "table": "Orders",
                "project": "communications",
                "triggers": ["salesforce.created", "salesforce.updated"],
                "fields": [
                    {"salesforce": "OrderNumber", "dialog_insight": "idOrder", "key": True},
                    {"salesforce": "BillToContactId", "dialog_insight": "idContact", "references": "subscribers"},
                    {
                        "salesforce": "Language__c",
                        "dialog_insight": "Langue",
                        "converter": {"kind": "choice", "values": [["Français", "fr"], ["English", "en"]]},
                    },
                ],
            },
        ],
    }


WRITTEN_BY_HAND = """
version = 1

[[projects]]
name = "communications"
id = 4321

[[transfers]]
name = "contacts"
sobject = "Contact"
project = "communications"
fields = [
    { salesforce = "Email", dialog_insight = "EMail", key = true },
    { salesforce = "Lang__c", dialog_insight = "Lang", converter = { kind = "choice", values = { English = "en" } } },
    { salesforce = "Since__c", dialog_insight = "Since", salesforce_default = 2026-05-01 },
    { constant = "Seen__c", value = 2026-05-01T07:25:37Z, side = "salesforce" },
    { constant = "Region__c", value = { "$null" = true }, side = "salesforce" },
]
"""


def test_toml_is_read_as_a_person_writes_it(tmp_path: Path) -> None:
    """A map of choices as a table, TOML's own dates and times, null by its tag; a byte order mark does not matter."""
    file = tmp_path / "Sync.TOML"
    file.write_text(WRITTEN_BY_HAND, encoding="utf-8-sig")
    fields = Integration.from_file(file)["contacts"].fields
    assert fields[1:] == (
        FieldMapping("Lang__c", "Lang", converter=cv.choice({"English": "en"})),
        FieldMapping("Since__c", "Since", salesforce_default=dt.date(2026, 5, 1)),
        Constant("Seen__c", dt.datetime(2026, 5, 1, 7, 25, 37, tzinfo=dt.UTC), side=S),
        Constant("Region__c", None, side=S),
    )


@pytest.mark.parametrize("ending", [".toml", ".json"])
def test_a_file_gives_the_declaration_back(tmp_path: Path, ending: str) -> None:
    """What was saved yesterday is what runs today."""
    file = tmp_path / f"sync{ending}"
    text = example().to_toml() if ending == ".toml" else json.dumps(example().to_dict(), ensure_ascii=False)
    file.write_text(text, encoding="utf-8")
    assert_same(Integration.from_file(str(file), functions=FUNCTIONS), example())


def test_plain_functions_are_registered_under_the_name_they_are_passed_by() -> None:
    """A file names a function; whoever reads it says which one that is, and the declaration can be saved again."""
    functions: Mapping[str, Callable[..., Any]] = {
        "newest": newest.function, "active": active.function, "cents": cents
    }  # fmt: skip
    again = Integration.from_dict(example().to_dict(), functions=functions)
    assert again["subscribers"].dialog_insight_filter == active
    assert again == example()
    assert again.to_dict() == example().to_dict()


def test_an_unused_project_is_checked_and_not_kept() -> None:
    """Switching a transfer off by deleting it from a file does not break the file."""
    data = example().to_dict()
    del data["transfers"][1]
    assert [project.name for project in Integration.from_dict(data, functions=FUNCTIONS).projects] == ["acquisition"]


# Bad data ------------------------------------------------------------------------------------------------------------


def problems_of(data: Any, functions: Mapping[str, Callable[..., Any]] = FUNCTIONS) -> dict[str, tuple[str, str]]:
    """Give what is wrong: by path, the code and the sentence."""
    with pytest.raises(ConfigurationError) as caught:
        Integration.from_dict(data, functions=functions)
    problems = {problem.path: (problem.code, problem.message) for problem in caught.value.problems}
    assert len(problems) == len(caught.value.problems), "one problem for each place"
    return problems


def put(*steps: str | int, value: Any) -> Callable[[Any], None]:  # any plain data
    """Make a change: write a value at a place."""

    def change(data: Any) -> None:
        at(data, *steps[:-1])[steps[-1]] = value

    return change


def drop(*steps: str | int) -> Callable[[Any], None]:
    """Make a change: remove a member."""

    def change(data: Any) -> None:
        del at(data, *steps[:-1])[steps[-1]]

    return change


T, F = "transfers", "fields"
ORDERS, LINES = (T, 1), (T, 0, F)
BAD: dict[str, tuple[Callable[[Any], None], str, str, str]] = {
    # what is changed in the example: the change; then the path, the code and a part of the sentence
    "no version": (drop("version"), "version", "data.missing", "is missing"),
    "a text as version": (put("version", value="1"), "version", "data.version", "must be 1"),
    "true as version": (put("version", value=True), "version", "data.version", "must be 1"),
    "a newer version": (put("version", value=2), "version", "data.version", "newer"),
    "no transfers": (drop(T), T, "data.missing", "is missing"),
    "transfers as an object": (put(T, value={}), T, "data.type", "must be a list, not an object"),
    "an empty list of transfers": (put(T, value=[]), T, "declaration.empty", "at least one"),
    "a number as transfer": (put(T, 1, value=7), "transfers[1]", "data.type", "must be an object"),
    "a misspelt member at the top": (put("project", value=[]), "project", "data.unknown_member", "'projects'"),
    "a misspelt member of a transfer": (
        put(*ORDERS, "sObject", value="Order"), "transfers[1].sObject", "data.unknown_member", "'sobject'",
    ),
    "a misspelt member of a line": (
        put(*LINES, 1, "salesforce_defalt", value=""),
        "transfers[0].fields[1].salesforce_defalt", "data.unknown_member", "'salesforce_default'",
    ),
    "a misspelt member of a constant": (
        put(*LINES, 5, "vlue", value=""), "transfers[0].fields[5].vlue", "data.unknown_member", "'value'",
    ),
    "a member like no other": (
        put(*LINES, 0, "converter", "zzz", value=1),
        "transfers[0].fields[0].converter.zzz", "data.unknown_member", "known here: none",
    ),
    "no sObject": (drop(*ORDERS, "sobject"), "transfers[1].sobject", "data.missing", "is missing"),
    "no value of a constant": (drop(*LINES, 5, "value"), "transfers[0].fields[5].value", "data.missing", "is missing"),
    "a number as name": (put(*ORDERS, "name", value=7), "transfers[1].name", "data.type", "must be text, not a number"),
    "a text as truth value": (
        put(*ORDERS, "active", value="no"), "transfers[1].active", "data.type", "must be true or false, not text",
    ),
    "a truth value as number": (
        put("projects", 0, "id", value=True), "projects[0].id", "data.type", "a whole number, not a truth value",
    ),
    "null as table": (put(*ORDERS, "table", value=None), "transfers[1].table", "data.type", "must be text, not null"),
    "a misspelt direction": (
        put(*LINES, 1, "direction", value="to_salesfroce"),
        "transfers[0].fields[1].direction", "data.invalid", "did you mean 'to_salesforce'?",
    ),
    "a misspelt trigger": (
        put(*ORDERS, "triggers", 1, value="salesforce.updatd"),
        "transfers[1].triggers[1]", "data.invalid", "did you mean 'salesforce.updated'?",
    ),
    "triggers as text": (
        put(*ORDERS, "triggers", value="salesforce.updated"),
        "transfers[1].triggers", "data.type", "must be a list, not text",
    ),
    "a misspelt kind of converter": (
        put(*LINES, 0, "converter", "kind", value="emial"),
        "transfers[0].fields[0].converter.kind", "converter.unknown", "did you mean 'email'?",
    ),
    "no kind of converter": (
        put(*LINES, 0, "converter", value={}),
        "transfers[0].fields[0].converter.kind", "converter.unknown", "multi_choice",
    ),
    "a setting that cannot work": (
        put(*LINES, 0, "converter", value={"kind": "text", "truncate": 0}),
        "transfers[0].fields[0].converter.truncate", "converter.setting", "at least one",
    ),
    "an unknown time zone": (
        put(*LINES, 0, "converter", value={"kind": "datetime", "time_zone": "America/Montrél"}),
        "transfers[0].fields[0].converter.time_zone", "converter.setting", "not known",
    ),
    "half a pair of choices": (
        put(*ORDERS, F, 2, "converter", "values", 0, value=["Français"]),
        "transfers[1].fields[2].converter.values[0]", "data.invalid", "pair",
    ),
    "a number as choice": (
        put(*ORDERS, F, 2, "converter", "values", 1, value=["English", 1]),
        "transfers[1].fields[2].converter.values[1][1]", "data.type", "must be text",
    ),
    "an unknown function in a conflict": (
        put(*LINES, 4, "conflict", value={"function": "oldest"}),
        "transfers[0].fields[4].conflict.function", "function.unknown", "registered are active, cents, newest",
    ),
    "a function as policy": (
        put(*LINES, 4, "conflict", value="cents"),
        "transfers[0].fields[4].conflict", "data.invalid", "must be one of hold",
    ),
    "something beside a function": (
        put(*LINES, 4, "conflict", "policy", value="hold"),
        "transfers[0].fields[4].conflict.policy", "data.unknown_member", "known here: function",
    ),
    "an unknown function in a pair": (
        put(*LINES, 4, "converter", "to_salesforce", value="sents"),
        "transfers[0].fields[4].converter.to_salesforce", "function.unknown", "'sents'",
    ),
    "an unknown filter": (
        put(T, 0, "dialog_insight_filter", value="actif"),
        "transfers[0].dialog_insight_filter", "function.unknown", "'actif'",
    ),
    "an unknown project": (
        put(*ORDERS, "project", value="comunications"), "transfers[1].project", "project.unknown", "'communications'",
    ),
    "two projects of one name": (
        put("projects", 1, "name", value="acquisition"), "projects[1].name", "name.twice", "'acquisition'",
    ),
    "a table by name": (
        put("projects", 1, "tables", "Orders", value="Orders"),
        "projects[1].tables.Orders", "data.type", "must be a whole number, not text",
    ),
    "a table's misspelt type": (
        put("projects", 1, "tables", "Orders", value={
            "name": "Orders", "side": "dialog_insight", "id": 1, "fields": [{"name": "a", "type": "txt"}],
        }),
        "projects[1].tables.Orders.fields[0].type", "data.invalid", "did you mean 'text'?",
    ),
    "an unknown tag": (
        put(*LINES, 1, "salesforce_default", value={"$money": "1"}),
        "transfers[0].fields[1].salesforce_default", "data.type", "$decimal",
    ),
    "a wrong content of a tag": (
        put(*LINES, 1, "salesforce_default", value={"$decimal": "one"}),
        "transfers[0].fields[1].salesforce_default", "data.type", "$decimal",
    ),
    "a list as value": (
        put(*LINES, 5, "value", value=["web"]), "transfers[0].fields[5].value", "data.type", "must be text",
    ),
    "a value that is not there": (
        put(*LINES, 5, "value", value={"$unset": True}), "transfers[0].fields[5].value", "data.type", "must be text",
    ),
    "an opt-in by number": (
        put(*LINES, 2, "dialog_insight", "optin", value=7),
        "transfers[0].fields[2].dialog_insight.optin", "data.type", "must be text",
    ),
    "an opt-in of another kind": (
        put(*LINES, 2, "dialog_insight", value={"opt_in": "news"}),
        "transfers[0].fields[2].dialog_insight", "data.type", '{"optin": code}',
    ),
    "a rule about one transfer": (
        put(*LINES, 0, "key", value=False), "transfers[0].fields", "key.not_declared", "key=True",
    ),
    "a rule about several transfers": (
        put(*ORDERS, F, 1, "references", value="contacts"),
        "transfers[1].fields[1].references", "reference.unknown", "'contacts'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_data_are_refused_where_they_are_bad(case: str) -> None:
    """One mistake in a good file gives one problem: where, with its stable code, and what was meant or is possible."""
    change, path, code, part = BAD[case]
    data = example().to_dict()
    change(data)
    problems = problems_of(data)
    told = problems[path][1]
    assert problems.pop(path)[0] == code
    assert part in told
    # The transfer of the project that has lost its name has none any more; every other mistake is told once.
    assert list(problems) == (["transfers[1].project"] if case == "two projects of one name" else [])


def test_all_bad_data_come_at_once() -> None:
    """Whoever mends a file sees everything that is wrong in it, in every part of it."""
    data = example().to_dict()
    changed = [case for case in BAD if case in EVERYTHING]
    for case in changed:
        BAD[case][0](data)
    problems = problems_of(data)
    assert {path: problems[path][0] for path in problems} == {BAD[case][1]: BAD[case][2] for case in changed}


EVERYTHING = (
    "a newer version", "a misspelt member at the top", "a truth value as number", "a table by name", "a number as name",
    "a misspelt member of a line", "no value of a constant", "a misspelt trigger", "a misspelt kind of converter",
    "half a pair of choices", "an unknown function in a conflict", "an unknown filter", "an unknown project",
    "an opt-in by number",
)  # fmt: skip


def test_rules_are_told_for_every_transfer_at_once() -> None:
    """Declarations that can be read are all checked before anything is raised."""
    data = example().to_dict()
    for index in (0, 1):
        put(T, index, F, 0, "key", value=False)(data)
    assert list(problems_of(data)) == ["transfers[0].fields", "transfers[1].fields"]


@pytest.mark.parametrize("data", [None, 7, "version = 1", [], [{"version": 1}]])
def test_data_of_another_shape_are_refused(data: Any) -> None:
    """Whatever a file holds, the answer is a sentence."""
    assert problems_of(data)[""][0] == "data.type"


@pytest.mark.parametrize(
    ("functions", "path"),
    [({"newest": 7}, "functions['newest']"), ({"oldest": newest}, "functions['oldest']")],
)
def test_functions_that_cannot_be_registered_are_refused(functions: Any, path: str) -> None:
    """A number is no function, and a function that has a name already goes by that one."""
    assert problems_of(example().to_dict(), functions)[path][0] == "function.invalid"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


PLACES = tuple(places(example().to_dict()))


@given(place=st.sampled_from(PLACES), value=json_values)
def test_anything_anywhere_is_read_or_refused(place: tuple[str | int, ...], value: Any) -> None:
    """Any value at any place of a file gives a declaration that can be saved again, or `ConfigurationError`."""
    data = copy.deepcopy(example().to_dict())
    put(*place, value=value)(data)
    try:
        integration = Integration.from_dict(data, functions=FUNCTIONS)
    except ConfigurationError as error:
        assert error.problems  # noqa: PT017 - which problems is told by the tests above
    else:
        assert Integration.from_dict(integration.to_dict(), functions=FUNCTIONS) == integration


# What cannot be saved ------------------------------------------------------------------------------------------------


SECOND_HALF_PAST_ONE = dt.datetime(2026, 11, 1, 1, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("America/Toronto"))


@attrs.frozen
class Rot13:
    """A converter class of somebody else's."""

    version: str = "rot13/1"

    def normal(self, side: Side, value: Value) -> Any:
        return value

    def convert(self, value: Value, *, to: Side) -> Value:
        return value


def test_what_has_no_form_in_a_file_is_told_all_at_once() -> None:
    """Functions without a name, classes of one's own and inexact values are told with their paths."""
    wrong: list[Any] = [float("nan"), Decimal("sNaN"), ["a list"], {"a": 1}, SECOND_HALF_PAST_ONE]
    transfer = ObjectTransfer(
        "contacts",
        sobject="Contact",
        fields=[
            FieldMapping("Email", "EMail", key=True, conflict=newest.function),
            FieldMapping("A", "A", converter=cv.pair(cents, cents.function)),
            FieldMapping("B", "B", converter=Rot13()),
            *(FieldMapping(f"C{i}", f"C{i}", salesforce_default=value) for i, value in enumerate(wrong)),
            Constant("D", wrong[0], side=S),
        ],
        project=DestinationProject(
            "p", id=1, tables={"T": TableSchema("T", side=D, id=1, fields=[FieldSchema("f", default=wrong[2])])}
        ),
        dialog_insight_filter=active.function,
    )
    with pytest.raises(ConfigurationError) as caught:
        Integration([transfer]).to_dict()
    line = "transfers[0].fields"
    assert {problem.path: problem.code for problem in caught.value.problems} == {
        "transfers[0].dialog_insight_filter": "function.not_named",
        f"{line}[0].conflict": "function.not_named",
        f"{line}[1].converter.to_salesforce": "function.not_named",
        f"{line}[2].converter": "converter.not_savable",
        **{f"{line}[{3 + i}].salesforce_default": "value.not_savable" for i in range(len(wrong))},
        f"{line}[{3 + len(wrong)}].value": "value.not_savable",
        "projects[0].tables.T.f.default": "value.not_savable",
    }
    assert all("named(" in problem.message for problem in caught.value.problems if problem.code == "function.not_named")


def test_writing_toml_without_its_extra_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading TOML needs nothing; writing names what to install, and data and JSON go on working."""
    monkeypatch.setitem(sys.modules, "tomli_w", None)
    with pytest.raises(MissingExtraError, match=r"di-salesforce\[toml\]") as caught:
        example().to_toml()
    assert caught.value.extra == "toml"
    assert example().to_dict()


# Files ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "code", "part"),
    [
        ("a.yaml", b"", "file.format", ".toml or .json"),
        ("a", b"", "file.format", ".toml or .json"),
        ("gone.json", None, "file.unreadable", "No such file"),
        ("a.json", b'{\n "version": 1,\n "transfers": [}\n', "file.malformed", "line 3, column 16"),
        ("a.json", b"", "file.malformed", "line 1, column 1"),
        ("a.json", b'{"version": NaN}', "file.malformed", "NaN is not JSON"),
        ("a.json", b'{"version": 1, "version": 2}', "file.malformed", "'version' stands twice"),
        ("a.json", b"[" * 100_000, "file.malformed", "nested too deeply"),
        ("a.json", b'{"version": ' + b"9" * 5000 + b"}", "file.malformed", "digits"),
        ("a.toml", b"version = 1\ntransfers = [\n  oops\n]\n", "file.malformed", "line 3, column 3"),
        ("a.toml", b"version = 1\nversion = 2\n", "file.malformed", "line 2"),
        ("a.toml", 'name = "é"\n# caf\n'.encode() + "é".encode("latin-1"), "file.malformed", "line 3 is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_with_its_place(
    tmp_path: Path, name: str, content: bytes | None, code: str, part: str
) -> None:
    """The sentence names the file, and the line where there is one; nothing is read by halves."""
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        Integration.from_file(file)
    (problem,) = caught.value.problems
    assert problem.code == code
    assert str(file) in problem.message
    assert part in problem.message


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """A folder called like a file is told as such."""
    (tmp_path / "sync.toml").mkdir()
    with pytest.raises(ConfigurationError, match=r"sync\.toml: cannot be read"):
        Integration.from_file(tmp_path / "sync.toml")


def test_mistakes_in_a_file_name_the_file(tmp_path: Path) -> None:
    """With several declarations in a folder, the error says which one."""
    file = tmp_path / "sync.json"
    file.write_text('{"version": 1}', encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"sync\.json: transfers: is missing"):
        Integration.from_file(file)


def test_cattrs_is_not_imported_with_the_declarations() -> None:
    """Declaring costs no import of cattrs; loading and dumping do, when they are used."""
    code = (
        "import sys, di_salesforce.mapping as m; assert 'cattrs' not in sys.modules;"
        "f = m.FieldMapping('Email', 'EMail', key=True);"
        "m.Integration([m.ObjectTransfer('a', sobject='Contact', fields=[f])]).to_dict();"
        "assert 'cattrs' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
