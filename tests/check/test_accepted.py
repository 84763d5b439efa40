"""What `check` passes, both services take; what they refuse, `check` had predicted, at the line that is at fault.

Any two tables that can be declared to the simulators are mapped field by field, with the converters that `resolved`
chooses: contact lists with opt-ins, and relational tables with a key of two columns.  Rows hold what their own service
may hold, of any length and value that its field allows; a lookup names a record that is there, since neither a schema
nor a row of the other side can say whether it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import attrs
from hypothesis import event, given
from hypothesis import strategies as st

from di_salesforce._check import check
from di_salesforce._findings import Finding, Severity
from di_salesforce.dialog_insight._merge import MergeOptions, Prepared, prepare
from di_salesforce.dialog_insight._names import ContactList, RelationalTable
from di_salesforce.dialog_insight._schema import contact_schema
from di_salesforce.dialog_insight._settings import Capabilities
from di_salesforce.exceptions import ConversionError
from di_salesforce.mapping import DestinationProject, FieldMapping, ObjectTransfer, OptIn, OptInDate
from di_salesforce.records import Row, Side, Value
from di_salesforce.salesforce._rows import record_text
from di_salesforce.salesforce._schema import table_schema
from di_salesforce.schema import FieldSchema, FieldType, TableSchema
from di_salesforce.testing import (
    Column,
    FakeDialogInsight,
    FakeSalesforce,
    Field,
    OptinField,
    Project,
    ProjectField,
    SObject,
    Table,
)

CHOICES = ("a", "b", "A b", "é")
KEY = FieldMapping("Code__c", "Code", key=True)
texts = st.text(st.sampled_from("aé 1-@.x"), min_size=1, max_size=12)
flags = st.booleans()


@attrs.frozen
class End:
    """A field of one side, and what its service may hold in it."""

    field: Any  # Field, ProjectField or Column
    values: st.SearchStrategy[Value]


def trimmed(text: str) -> str:
    return text.strip() or "x"  # Salesforce stores no outer blanks


def numbers(digits: int, scale: int) -> st.SearchStrategy[Value]:
    bound = Decimal(10) ** (digits - scale) - 1
    return st.decimals(-bound, bound, places=scale)


days = st.dates(date(1700, 1, 1), date(3999, 12, 31))  # Salesforce's years
moments = st.datetimes(datetime(1970, 1, 1), datetime(2030, 1, 1)).map(lambda moment: moment.replace(microsecond=0))


@st.composite
def salesforce_ends(draw: st.DrawFn, kind: Any) -> End:
    """Any writable field of that type."""
    length, required, restricted = draw(st.integers(1, 12)), draw(st.sampled_from([False, False, True])), draw(flags)
    digits = draw(st.integers(1, 9))
    scale = draw(st.integers(0, digits - 1)) if kind not in ("int", "boolean") else 0
    choices = draw(st.sampled_from([CHOICES, CHOICES[:2], CHOICES[2:]])) if "picklist" in kind else ()
    held: dict[str, st.SearchStrategy[Value]] = {
        "boolean": st.booleans(),
        "int": st.integers(-(10**digits) + 1, 10**digits - 1),
        "double": numbers(digits, scale),
        "currency": numbers(digits, scale),
        "date": days.map(lambda day: day.isoformat()),
        "datetime": moments.map(lambda moment: moment.isoformat() + ".000+0000"),
        "email": st.sampled_from(["Ada@example.ca", "g.h@x-y.org", "a..b@x.ca", "o'neil+1@a.b.example", "_-x@1.ca"]),
        "reference": st.sampled_from(ACCOUNT_IDS),
        "picklist": st.sampled_from(choices or ("",)) if restricted else texts.map(trimmed),
        "multipicklist": st.lists(st.sampled_from(choices or ("",)), min_size=1, unique=True).map(";".join),
    }
    sized = kind in ("string", "textarea", "phone", "url")
    values = held.get(kind, texts.map(lambda text: trimmed(text[:length])))
    field = Field(
        "F__c", kind, length=length if sized else 0, required=required and kind != "boolean", values=choices,
        restricted=restricted and bool(choices), precision=digits, scale=scale,
        references=["Account"] if kind == "reference" else (),
    )  # fmt: skip
    return End(field, values if field.required or kind == "boolean" else st.none() | values)


@st.composite
def columns(draw: st.DrawFn, kind: Any) -> End:
    """Any column of that type in a relational table."""
    length = draw(st.integers(1, 20))
    held: dict[str, st.SearchStrategy[Value]] = {
        "int": st.integers(-(10**9) + 1, 10**9 - 1),
        "bigint": st.integers(-(10**15), 10**15),
        "decimal": numbers(9, 3),
        "datetime": moments.map(lambda moment: f"{moment:%Y.%m.%d %H:%M:%S}"),
        "bit": st.booleans(),
    }
    values = held.get(kind, st.sampled_from([*ACCOUNT_IDS, ACCOUNT_IDS[0][:15]]) | texts)
    if kind == "nvarchar":
        values = values.map(lambda text: str(text)[:length])
    field = Column("F", kind, length if kind == "nvarchar" else None, required=draw(st.sampled_from([False, True])))
    return End(field, values if field.required else st.none() | values)


@st.composite
def dialog_insight_ends(draw: st.DrawFn, kind: Any) -> End:
    """Any field of that type in a contact list."""
    length, required = draw(st.integers(1, 20)), draw(st.sampled_from([False, False, True]))
    choices = draw(st.sampled_from([CHOICES, CHOICES[:2], CHOICES[2:]])) if "choice" in kind else ()
    held: dict[str, st.SearchStrategy[Value]] = {
        "integer": st.integers(-(10**10), 10**10),
        "decimal": numbers(9, 3),
        "boolean": st.booleans(),
        "date": days.map(lambda day: f"{day:%Y.%m.%d}"),
        "datetime": moments.map(lambda moment: f"{moment:%Y.%m.%d %H:%M:%S}"),
        "email": st.sampled_from(["ada@example.ca", "Grace.Hopper@x-y.org", "a@b.c", "é@x.ca", "(x)@x.ca", "a@x_y.ca"]),
        "single_choice": st.sampled_from(choices or ("",)),
        "multiple_choice": st.lists(st.sampled_from(choices or ("",)), min_size=1, unique=True).map("|".join),
    }
    sized = kind in ("text", "long_text", "phone")
    values = held.get(kind, (st.sampled_from(ACCOUNT_IDS) | texts).map(lambda text: text[:length]))
    field = ProjectField("F", kind, length if sized else None, required=required, options=choices)
    return End(field, values if required else st.none() | values)


@attrs.frozen
class Case:
    """Two services with like tables, a transfer between them, and a row of each."""

    salesforce: FakeSalesforce
    dialog_insight: FakeDialogInsight
    schemas: Mapping[Side, TableSchema]
    transfer: ObjectTransfer
    rows: Mapping[Side, Row]

    def findings(self, to: Side) -> list[Finding]:
        """Check the row that goes to a side: what is no note."""
        given: dict[str, Any] = {side.value: schema for side, schema in self.schemas.items()}
        given[to.other.value] = (self.schemas[to.other], [self.rows[to.other]])
        return [one for one in check(self.transfer, **given) if one.severity is not Severity.INFO]

    def converted(self, to: Side) -> dict[str, Value]:
        """Give the new record that the row becomes on the other side; raises `ConversionError`."""
        row = self.rows[to.other]
        values: dict[str, Value] = {}
        for line in self.transfer.lines:
            if not line.flows.allows(to):
                continue
            assert line.converter is not None
            values[line.field(to)] = line.converter.convert(row[line.field(to.other)], to=to)
        return values

    def refused(self, to: Side) -> list[str] | None:
        """Create the record: None where it is taken, else the names of the fields at fault, as far as they are told."""
        try:
            values = self.converted(to)
        except ConversionError:
            return []
        return self._refused_by_salesforce(values) if to is Side.SALESFORCE else self._refused_by_dialog_insight(values)

    def _refused_by_salesforce(self, values: Mapping[str, Value]) -> list[str] | None:
        answer = self.salesforce.send("POST", "/services/data/v60.0/sobjects/Thing__c", record_text(values))
        if answer.status == 201:
            return None
        return [name for error in json.loads(answer.body) for name in error.get("fields", [])]

    def _refused_by_dialog_insight(self, values: Mapping[str, Value]) -> list[str] | None:
        target = ContactList(1) if self.transfer.table == "Contact" else RelationalTable(TABLE)
        key = [line.field(Side.DIALOG_INSIGHT) for line in self.transfer.key_lines]
        (prepared,) = prepare(target, [values], key, MergeOptions(), Capabilities())
        if not isinstance(prepared, Prepared):
            return []
        record = {"ID": _plain(prepared.id), "Data": _plain(prepared.data)}
        options = {"AllowInsert": True, "AllowUpdate": True}
        answer = self.dialog_insight.call(
            target.service, "Merge", **target.address, Records=[record], MergeOptions=options
        )
        assert answer["Success"], answer
        (result,) = answer["Records"]
        return None if result["Status"] == "Created" else []


def _plain(wire: Mapping[str, Any]) -> dict[str, Any]:
    """Give decimals as JSON numbers: what they look like on the wire."""
    return {name: float(value) if isinstance(value, Decimal) else value for name, value in wire.items()}


TABLE = 7
KEYS = (KEY, FieldMapping("Line__c", "Line", key=True))
ACCOUNT_IDS = tuple(FakeSalesforce().load("Account", [{"Name": "one"}, {"Name": "two"}]))  # the same in every simulator


def renamed(end: End, number: int) -> End:
    name = {"code": f"F{number}"} if isinstance(end.field, ProjectField) else {"name": f"F{number}"}
    return attrs.evolve(end, field=attrs.evolve(end.field, **name))


# The types of each kind of table that are made for each other, and all pairs now and then.
LISTED = {
    "string": "text", "textarea": "long_text", "boolean": "boolean", "int": "integer", "double": "decimal",
    "currency": "decimal", "date": "date", "datetime": "datetime", "email": "email", "phone": "phone", "url": "text",
    "picklist": "single_choice", "multipicklist": "multiple_choice", "reference": "text",
}  # fmt: skip
RELATED = {
    "string": "nvarchar", "textarea": "nvarchar", "boolean": "bit", "int": "int", "double": "decimal", "percent": "int",
    "currency": "bigint", "date": "datetime", "datetime": "datetime", "email": "nvarchar", "picklist": "nvarchar",
    "multipicklist": "nvarchar", "reference": "nvarchar",
}  # fmt: skip


def both_ends(alike: Mapping[str, str], there: Any) -> st.SearchStrategy[tuple[End, End]]:
    like = st.sampled_from(sorted(alike.items()))
    kinds = like | like | st.tuples(st.sampled_from(sorted(alike)), st.sampled_from(sorted(set(alike.values()))))
    return kinds.flatmap(lambda both: st.tuples(salesforce_ends(both[0]), there(both[1])))


LIST_ENDS, TABLE_ENDS = both_ends(LISTED, dialog_insight_ends), both_ends(RELATED, columns)
CONSENT = [FieldMapping("News__c", OptIn("n")), FieldMapping("News_Date__c", OptInDate("n_date"))]
consents = st.sampled_from([True, False, None, "1", "0", ""])  # as a client delivers them, or an export


@st.composite
def cases(draw: st.DrawFn) -> Case:
    relational = draw(flags)
    pairs = draw(st.lists(TABLE_ENDS if relational else LIST_ENDS, min_size=1, max_size=3))
    ours = [renamed(end, number) for number, (end, _) in enumerate(pairs)]
    theirs = [renamed(end, number) for number, (_, end) in enumerate(pairs)]
    ours = [attrs.evolve(end, field=attrs.evolve(end.field, name=f"{end.field.name}__c")) for end in ours]
    consent = [] if relational else CONSENT[: draw(st.integers(0, 2))]
    salesforce, dialog_insight = FakeSalesforce(), FakeDialogInsight()
    assert tuple(salesforce.load("Account", [{"Name": "one"}, {"Name": "two"}])) == ACCOUNT_IDS
    key = Field("Code__c", length=20, unique=True, external_id=True, required=True)
    news = [
        Field("News__c", draw(st.sampled_from(["boolean", "boolean", "string"]))),
        Field("News_Date__c", "datetime"),
    ]
    salesforce.declare(SObject("Thing__c", [key, Field("Line__c", length=9), *news, *(end.field for end in ours)]))
    fields = [ProjectField("Code", "text", 20, key=True, required=True)]
    fields += [] if relational else [end.field for end in theirs]
    optins = [OptinField("n", date_code="n_date", date_type="datetime")]
    dialog_insight.add_project(Project(1, fields=fields, optins=optins, standard_fields=False))
    described = salesforce.send("GET", "/services/data/v60.0/sobjects/Thing__c/describe")
    info = dialog_insight.call("projects", "Get", idProject=1)["ProjectInfo"]
    there = declared(contact_schema(info, id_project=1, capabilities=KNOWN), fields)
    if relational:
        keys = [Column(line.field(Side.DIALOG_INSIGHT), "nvarchar", 20, key=True) for line in KEYS]
        table = Table(TABLE, project=1, code="Things", columns=[*keys, *(end.field for end in theirs)])
        dialog_insight.add_table(table)
        there = declared_table(table)
    schemas = {Side.SALESFORCE: table_schema(json.loads(described.body)), Side.DIALOG_INSIGHT: there}
    lines = [FieldMapping(a.field.name, b) for a, b in zip(ours, (_name(end) for end in theirs), strict=True)]
    transfer = ObjectTransfer(
        "things", sobject="Thing__c", fields=[*(KEYS if relational else [KEY]), *lines, *consent],
        table="Things" if relational else "Contact",
        project=DestinationProject("p", id=1, time_zone="UTC", tables={"Things": there} if relational else {}),
    ).resolved(schemas[Side.SALESFORCE], schemas[Side.DIALOG_INSIGHT])  # fmt: skip
    rows: dict[Side, Row] = {
        Side.SALESFORCE: {"Code__c": "c1", "Line__c": "1", **{end.field.name: draw(end.values) for end in ours}},
        Side.DIALOG_INSIGHT: {"Code": "c2", "Line": "2", **{_name(end): draw(end.values) for end in theirs}},
    }
    if consent:
        rows[Side.DIALOG_INSIGHT] = {**rows[Side.DIALOG_INSIGHT], "optin_n": draw(consents)}
    if len(consent) > 1:
        when = draw(st.none() | moments.map(lambda moment: f"{moment:%Y.%m.%d %H:%M:%S}"))
        rows[Side.DIALOG_INSIGHT] = {**rows[Side.DIALOG_INSIGHT], "dtOptin_n_date": when}
    return Case(salesforce, dialog_insight, schemas, transfer, rows)


def _name(end: End) -> str:
    """Give the name that a field of Dialog Insight has in rows."""
    name: str = end.field.code if isinstance(end.field, ProjectField) else end.field.name
    return name


KNOWN = Capabilities(data_types={name: name for name in ("long_text", "single_choice", "multiple_choice")} | {
    "single_choice": "choice", "multiple_choice": "multi_choice",
})  # fmt: skip


def declared(schema: TableSchema, fields: Sequence[ProjectField]) -> TableSchema:
    """Add what no method of the service tells and a person looks up: the key, lengths, choices."""
    by_code = {field.code: field for field in fields}

    def completed(name: str) -> Any:  # a FieldSchema
        field = by_code.get(name)
        if field is None:
            return schema[name]
        length = 100 if field.type == "text" and field.length is None else field.length
        return attrs.evolve(
            schema[name], length=length, choices=field.options, restricted=bool(field.options), key=field.key
        )

    return attrs.evolve(schema, fields=[completed(name) for name in schema.names])


COLUMNS = {
    "nvarchar": FieldType.TEXT, "int": FieldType.INTEGER, "bigint": FieldType.INTEGER, "decimal": FieldType.DECIMAL,
    "datetime": FieldType.DATETIME, "bit": FieldType.BOOLEAN,
}  # fmt: skip
SURE_DIGITS = {"int": 9, "bigint": 18}  # that many fit into 32 and 64 bits, whatever they are


def declared_table(table: Table) -> TableSchema:
    """Declare a relational table as somebody does who reads its page in the application."""
    return TableSchema(
        table.code,
        side=Side.DIALOG_INSIGHT,
        id=table.id,
        fields=[
            FieldSchema(
                column.name, COLUMNS[column.type], length=column.length, key=column.key, required=column.required,
                nullable=not (column.required or column.key), precision=SURE_DIGITS.get(column.type),
            )
            for column in table.columns
        ],
    )  # fmt: skip


@given(cases(), st.sampled_from(Side))
def test_what_is_refused_was_predicted(case: Case, to: Side) -> None:
    """A row of which check says nothing but notes is created; a refusal has a finding at the refused field's line.

    What the rows themselves showed to be refused is refused: check does not cry wolf over values.
    """
    findings = case.findings(to)
    refused = case.refused(to)
    event(f"{case.transfer.table} to {to.label}: {'taken' if refused is None else 'refused'}")
    if refused is None:
        # Of an unusual address it says no more than that it may be refused.
        assert {finding.code for finding in findings if finding.code.startswith("rows.")} <= {"rows.odd_address"}
        return
    assert findings, f"refused, and check said nothing: {case.transfer.lines} {case.rows[to.other]}"
    paths = {finding.path for finding in findings} | {finding.path.partition(".")[0] for finding in findings}
    places = {line.field(to): path for path, line in case.transfer.placed}
    assert {places[name] for name in refused if name in places} <= paths | {"fields"}
