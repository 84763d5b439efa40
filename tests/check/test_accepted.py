"""What `check` passes, both services take; what they refuse, `check` had predicted, at the line that is at fault.

Any two tables that can be declared to the simulators are mapped field by field, with the converters that `resolved`
chooses.  Rows hold what their own service may hold, of any length and value that its field allows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce._check import check
from di_salesforce._findings import Finding, Severity
from di_salesforce.dialog_insight._merge import MergeOptions, Prepared, prepare
from di_salesforce.dialog_insight._names import ContactList
from di_salesforce.dialog_insight._schema import contact_schema
from di_salesforce.dialog_insight._settings import Capabilities
from di_salesforce.exceptions import ConversionError
from di_salesforce.mapping import DestinationProject, FieldMapping, ObjectTransfer
from di_salesforce.records import Row, Side, Value
from di_salesforce.salesforce._rows import record_text
from di_salesforce.salesforce._schema import table_schema
from di_salesforce.schema import TableSchema
from di_salesforce.testing import FakeDialogInsight, FakeSalesforce, Field, OptinField, Project, ProjectField, SObject

CHOICES = ("a", "b", "A b", "é")
KEY = FieldMapping("Code__c", "Code", key=True)
texts = st.text(st.sampled_from("aé 1-@.x"), min_size=1, max_size=12)
flags = st.booleans()


@attrs.frozen
class End:
    """A field of one side, and what its service may hold in it."""

    field: Any  # Field or ProjectField
    values: st.SearchStrategy[Value]


def trimmed(text: str) -> str:
    return text.strip() or "x"  # Salesforce stores no outer blanks


def numbers(digits: int, scale: int) -> st.SearchStrategy[Value]:
    bound = Decimal(10) ** (digits - scale) - 1
    return st.decimals(-bound, bound, places=scale)


days = st.dates().map(
    lambda day: day.replace(year=max(day.year, 1700) if day.year < 4000 else 3999)
)  # Salesforce's years
moments = st.datetimes().map(lambda moment: moment.replace(year=1970 + moment.year % 60, microsecond=0))


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
        "email": st.sampled_from(["Ada@example.ca", "g.h@x-y.org"]),
        "picklist": st.sampled_from(choices or ("",)) if restricted else texts.map(trimmed),
        "multipicklist": st.lists(st.sampled_from(choices or ("",)), min_size=1, unique=True).map(";".join),
    }
    sized = kind in ("string", "textarea", "phone", "url")
    values = held.get(kind, texts.map(lambda text: trimmed(text[:length])))
    field = Field(
        "F__c", kind, length=length if sized else 0, required=required and kind != "boolean", values=choices,
        restricted=restricted and bool(choices), precision=digits, scale=scale,
    )  # fmt: skip
    return End(field, values if field.required or kind == "boolean" else st.none() | values)


@st.composite
def dialog_insight_ends(draw: st.DrawFn, kind: Any) -> End:
    """Any field of that type in a contact list."""
    length, required = draw(st.integers(1, 12)), draw(st.sampled_from([False, False, True]))
    choices = draw(st.sampled_from([CHOICES, CHOICES[:2], CHOICES[2:]])) if "choice" in kind else ()
    held: dict[str, st.SearchStrategy[Value]] = {
        "integer": st.integers(-(10**10), 10**10),
        "decimal": numbers(9, 3),
        "boolean": st.booleans(),
        "date": days.map(lambda day: f"{day:%Y.%m.%d}"),
        "datetime": moments.map(lambda moment: f"{moment:%Y.%m.%d %H:%M:%S}"),
        # Ordinary ones: each service has rules of its own for odd addresses, in places that are not published.
        "email": st.sampled_from(["ada@example.ca", "Grace.Hopper@x-y.org"]),
        "single_choice": st.sampled_from(choices or ("",)),
        "multiple_choice": st.lists(st.sampled_from(choices or ("",)), min_size=1, unique=True).map("|".join),
    }
    sized = kind in ("text", "long_text", "phone")
    values = held.get(kind, texts.map(lambda text: text[:length]))
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
        (prepared,) = prepare(ContactList(1), [values], "Code", MergeOptions(), Capabilities())
        if not isinstance(prepared, Prepared):
            return []
        record = {"ID": _plain(prepared.id), "Data": _plain(prepared.data)}
        options = {"AllowInsert": True, "AllowUpdate": True}
        answer = self.dialog_insight.call("contacts", "Merge", idProject=1, Records=[record], MergeOptions=options)
        assert answer["Success"], answer
        (result,) = answer["Records"]
        return None if result["Status"] == "Created" else []


def _plain(wire: Mapping[str, Any]) -> dict[str, Any]:
    """Give decimals as JSON numbers: what they look like on the wire."""
    return {name: float(value) if isinstance(value, Decimal) else value for name, value in wire.items()}


def renamed(end: End, number: int) -> End:
    name = {"name": f"F{number}__c"} if isinstance(end.field, Field) else {"code": f"F{number}"}
    return attrs.evolve(end, field=attrs.evolve(end.field, **name))


LIKE = {
    "string": "text", "textarea": "long_text", "boolean": "boolean", "int": "integer", "double": "decimal",
    "currency": "decimal", "date": "date", "datetime": "datetime", "email": "email", "phone": "phone", "url": "text",
    "picklist": "single_choice", "multipicklist": "multiple_choice",
}  # fmt: skip
like = st.sampled_from(sorted(LIKE.items()))
kinds = like | like | st.tuples(st.sampled_from(sorted(LIKE)), st.sampled_from(sorted(set(LIKE.values()))))
ends = kinds.flatmap(lambda both: st.tuples(salesforce_ends(both[0]), dialog_insight_ends(both[1])))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    pairs = draw(st.lists(ends, min_size=1, max_size=3))
    ours = [renamed(end, number) for number, (end, _) in enumerate(pairs)]
    theirs = [renamed(end, number) for number, (_, end) in enumerate(pairs)]
    salesforce, dialog_insight = FakeSalesforce(), FakeDialogInsight()
    key = Field("Code__c", length=20, unique=True, external_id=True, required=True)
    salesforce.declare(SObject("Thing__c", [key, *(end.field for end in ours)]))
    fields = [ProjectField("Code", "text", 20, key=True, required=True), *(end.field for end in theirs)]
    dialog_insight.add_project(Project(1, fields=fields, optins=[OptinField("n")], standard_fields=False))
    described = salesforce.send("GET", "/services/data/v60.0/sobjects/Thing__c/describe")
    info = dialog_insight.call("projects", "Get", idProject=1)["ProjectInfo"]
    schemas = {
        Side.SALESFORCE: table_schema(json.loads(described.body)),
        Side.DIALOG_INSIGHT: declared(contact_schema(info, id_project=1, capabilities=KNOWN), fields),
    }
    lines = [FieldMapping(here.field.name, there.field.code) for here, there in zip(ours, theirs, strict=True)]
    transfer = ObjectTransfer(
        "things", sobject="Thing__c", project=DestinationProject("p", id=1, time_zone="UTC"), fields=[KEY, *lines]
    ).resolved(schemas[Side.SALESFORCE], schemas[Side.DIALOG_INSIGHT])
    rows: dict[Side, Row] = {
        Side.SALESFORCE: {"Code__c": "c1", **{end.field.name: draw(end.values) for end in ours}},
        Side.DIALOG_INSIGHT: {"Code": "c2", **{end.field.code: draw(end.values) for end in theirs}},
    }
    return Case(salesforce, dialog_insight, schemas, transfer, rows)


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


@given(cases(), st.sampled_from(Side))
def test_what_is_refused_was_predicted(case: Case, to: Side) -> None:
    """A row of which check says nothing but notes is created; a refusal has a finding at the refused field's line.

    What the rows themselves showed to be refused is refused: check does not cry wolf over values.
    """
    findings = case.findings(to)
    refused = case.refused(to)
    if refused is None:
        assert not [finding for finding in findings if finding.code.startswith("rows.")]
        return
    assert findings, f"refused, and check said nothing: {case.transfer.lines} {case.rows[to.other]}"
    paths = {finding.path for finding in findings} | {finding.path.partition(".")[0] for finding in findings}
    places = {line.field(to): path for path, line in case.transfer.placed}
    assert {places[name] for name in refused if name in places} <= paths | {"fields"}
