"""Laws of `check` and `resolved`, over generated declarations, schemas and rows."""

from __future__ import annotations

import itertools
import json
import tomllib
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from di_salesforce import converters as cv
from di_salesforce._check import FINDING_CODES, check, converter_for
from di_salesforce._compatibility import fit
from di_salesforce.exceptions import ConfigurationError, ConversionError
from di_salesforce.mapping import (
    Constant,
    DestinationProject,
    FieldMapping,
    Integration,
    ObjectTransfer,
    OptIn,
    OptInDate,
)
from di_salesforce.records import Side, Value
from di_salesforce.schema import FieldSchema, FieldType, TableSchema
from di_salesforce.triggers import ConflictPolicy, Direction, ProjectType, Trigger

T = FieldType
SF_NAMES = ["Id", "Email", "email", "Name", "LastName", "AccountId", "HasOptedOutOfEmail", "IsPersonAccount", "A__c"]
DI_NAMES = ["idContact", "EMail", "LastName", "optin_n", "dtOptin_n", "Points", "a"]
sizes = st.none() | st.integers(0, 20)
choices = st.sampled_from([(), (), ("a", "b"), ("a|b", "a"), ("a;b", ""), ("b",)])


def fields(names: list[str]) -> st.SearchStrategy[FieldSchema]:
    """Any field, also one that no service would describe so."""
    flags = "nullable creatable updatable required unique external_id id_lookup key calculated restricted".split()
    kinds = st.builds(
        FieldSchema,
        st.sampled_from(names),
        st.sampled_from(FieldType),
        length=sizes,
        precision=sizes,
        scale=sizes,
        choices=choices,
        references=st.sampled_from([(), ("Account",), ("contact", "Lead")]),
    )
    # One draw for all flags: the generator's time goes by the number of draws.
    switched = st.integers(0, 2 ** len(flags) - 1).map(
        lambda bits: {n: bool(bits >> i & 1) for i, n in enumerate(flags)}
    )
    return st.builds(lambda field, on: attrs.evolve(field, **on), kinds, switched)


def schemas(side: Side, names: list[str], tables: list[str]) -> st.SearchStrategy[TableSchema]:
    listed = st.lists(fields(names), min_size=4, unique_by=lambda field: field.name)
    return st.builds(TableSchema, st.sampled_from(tables), side=st.just(side), fields=listed)


salesforce_schemas = schemas(Side.SALESFORCE, SF_NAMES, ["Contact", "Account"])
dialog_insight_schemas = schemas(Side.DIALOG_INSIGHT, DI_NAMES, ["Contact", "Orders"])
converters = st.none() | st.sampled_from(
    [
        cv.AS_IS,
        cv.boolean(),
        cv.negate(),
        cv.choice({"a": "b", "b": "c"}),
        cv.multi_choice(),
        cv.date(),
        cv.datetime(),
        cv.decimal(),
        cv.decimal(scale=0),
        cv.email(),
        cv.integer(),
        cv.phone(),
        cv.record_id(),
        cv.text(trim=True),
        cv.text(truncate=2),
        cv.pair(lambda value: value, lambda _: 1 / 0),
    ]
)
lines = st.builds(
    FieldMapping,
    st.sampled_from([*SF_NAMES, "Account.Name", "Parent__r.A__c", "Missing"]),
    st.sampled_from([*DI_NAMES, "missing"]) | st.sampled_from([OptIn("n"), OptInDate("n")]),
    key=st.sampled_from([False, False, True]),
    direction=st.sampled_from(Direction),
    converter=converters,
    references=st.none() | st.just("t0"),
    conflict=st.sampled_from([ConflictPolicy.HOLD, ConflictPolicy.SALESFORCE_WINS]),
)
constants = st.builds(
    Constant, st.sampled_from([*SF_NAMES, *DI_NAMES]), st.sampled_from(["x", "", None, 7]), side=st.sampled_from(Side)
)
projects = st.none() | st.builds(
    DestinationProject,
    st.sampled_from(["p", "q"]),
    id=st.just(1),
    type=st.none() | st.sampled_from(ProjectType),
    tables=st.just({"Orders": 7}),
    time_zone=st.sampled_from([None, "UTC", "America/Toronto", "Mars/Olympus"]),
)


@st.composite
def transfers(draw: st.DrawFn, name: str = "t0") -> ObjectTransfer:
    """Any transfer that its own rules take."""
    one = FieldMapping(*draw(st.sampled_from([("Email", "EMail"), ("Id", "a"), ("A__c", "Points")])), key=True)
    rest = draw(st.lists(lines | lines | constants, min_size=1, max_size=8))
    project, triggers = (
        draw(projects),
        draw(st.none() | st.sets(st.sampled_from(Trigger.ALL.names)).map(Trigger.from_names)),
    )
    if project is not None and project.type is not None and triggers is not None:
        triggers &= project.type.triggers
    settings: dict[str, Any] = {
        "sobject": draw(st.sampled_from(["Contact", "Account"])),
        "table": draw(st.sampled_from(["Contact", "Orders"])) if project is not None else "Contact",
        "project": project,
        "triggers": triggers,
        "salesforce_filter": draw(st.sampled_from([None, "Email != null"])),
        "active": draw(st.booleans()),
    }
    kept: list[FieldMapping | Constant] = [one]
    for line in rest:  # as many of the lines as its rules take
        try:
            ObjectTransfer(name, fields=[*kept, line], **settings)
        except ConfigurationError:
            continue
        kept.append(line)
    return ObjectTransfer(name, fields=kept, **settings)


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**5000),  # more digits than Python writes out
    st.floats(),
    st.decimals(),
    st.just(Decimal("sNaN")),
    st.text(max_size=20),
    st.dates(),
    st.datetimes(),
    st.sampled_from(["a", "2026-05-01", "2026.05.01", "1", "ada@example.ca", "001D000000IRFmaIAH"]),
)


def rows(names: list[str]) -> st.SearchStrategy[list[dict[str, Value]]]:
    return st.lists(st.dictionaries(st.sampled_from(names), values), max_size=5)


described_salesforce = st.one_of(
    st.none(), salesforce_schemas, rows(SF_NAMES), st.tuples(salesforce_schemas, rows(SF_NAMES))
)
described_dialog_insight = st.one_of(
    st.none(), dialog_insight_schemas, rows(DI_NAMES), st.tuples(dialog_insight_schemas, rows(DI_NAMES))
)


@given(transfers(), described_salesforce, described_dialog_insight)
def test_check_answers_for_anything(transfer: ObjectTransfer, salesforce: Any, dialog_insight: Any) -> None:
    """Check raises for no declaration, schema or row; like input gives like findings, errors first, each once."""
    findings = check(transfer, salesforce=salesforce, dialog_insight=dialog_insight)
    assert findings == check(transfer, salesforce=salesforce, dialog_insight=dialog_insight)
    listed = list(findings)
    assert len(listed) == len(set(listed))
    assert listed == [*findings.errors, *findings.warnings, *findings.notes]
    for finding in listed:
        assert finding.severity is FINDING_CODES[finding.code].severity
        assert finding.message
        assert finding.remedy


@given(transfers(), salesforce_schemas, dialog_insight_schemas, st.randoms(use_true_random=False))
def test_the_order_of_a_schema_says_nothing(
    transfer: ObjectTransfer, salesforce: TableSchema, dialog_insight: TableSchema, shuffled: Any
) -> None:
    """The findings do not depend on the order in which a service lists its fields."""

    def mixed(schema: TableSchema) -> TableSchema:
        return attrs.evolve(schema, fields=shuffled.sample(schema.fields, len(schema.fields)))

    findings = check(transfer, salesforce=salesforce, dialog_insight=dialog_insight)
    again = check(transfer, salesforce=mixed(salesforce), dialog_insight=mixed(dialog_insight))
    assert [(f.code, f.path, f.side) for f in findings] == [(f.code, f.path, f.side) for f in again]


@given(
    transfers("t0"),
    transfers("t1"),
    transfers("t2"),
    st.dictionaries(st.sampled_from(["t0", "t1", "t2"]), salesforce_schemas),
)
def test_check_answers_for_any_integration(
    one: ObjectTransfer, two: ObjectTransfer, three: ObjectTransfer, schemas: dict[str, TableSchema]
) -> None:
    """What is found in a transfer alone is found in an integration, at the same place within it."""
    try:
        integration = Integration([one, two, three])
    except ConfigurationError:
        assume(False)
        raise
    together = check(integration, salesforce=schemas)
    for index, transfer in enumerate(integration.transfers):
        alone = check(transfer, salesforce=schemas.get(transfer.name))
        found = {(finding.code, finding.path) for finding in together}
        assert {(f.code, f"transfers[{index}].{f.path}".removesuffix(".")) for f in alone} <= found


@given(
    transfer=transfers(),
    salesforce=st.none() | salesforce_schemas,
    dialog_insight=st.none() | dialog_insight_schemas,
    as_toml=st.booleans(),
)
def test_resolved_leaves_no_line_without_a_converter(
    transfer: ObjectTransfer, salesforce: TableSchema | None, dialog_insight: TableSchema | None, *, as_toml: bool
) -> None:
    """Every line but a translated lookup gets a converter, declared ones stay, and resolving again changes nothing.

    What was filled in is saved and read again exactly, as JSON and as TOML.
    """
    if transfer.project is not None and transfer.project.time_zone == "Mars/Olympus":
        transfer = attrs.evolve(transfer, project=attrs.evolve(transfer.project, time_zone="UTC"))
    resolved = transfer.resolved(salesforce, dialog_insight)
    for before, after in zip(transfer.lines, resolved.lines, strict=True):
        assert after.converter is not None or after.references is not None
        assert attrs.evolve(after, converter=before.converter) == before
        assert before.converter in (None, after.converter)
    assert resolved.resolved(salesforce, dialog_insight) == resolved
    assert resolved.resolved() == resolved
    if any(getattr(line.converter, "kind", "") == "pair" for line in transfer.lines):
        return  # functions without a registered name cannot be saved, which is told
    whole = Integration([resolved])
    read = tomllib.loads(whole.to_toml()) if as_toml else json.loads(json.dumps(whole.to_dict()))
    assert Integration.from_dict(read) == whole


NATIVE: dict[tuple[Side, FieldType], list[Value]] = {
    **{(side, kind): ["x", "Zoé", "a b"] for side in Side for kind in (T.TEXT, T.LONG_TEXT, T.URL, T.CHOICE, T.PHONE)},
    **{(side, T.EMAIL): ["Ada@example.ca"] for side in Side},
    **{(side, T.INTEGER): [0, -7, 12] for side in Side},
    **{(side, T.DECIMAL): [Decimal("1.50"), 3, 0.25] for side in Side},
    **{(side, T.TIME): ["10:20:30.000Z"] for side in Side},
    (Side.SALESFORCE, T.ID): ["001D000000IRFmaIAH"],
    (Side.SALESFORCE, T.REFERENCE): ["001D000000IRFmaIAH"],
    (Side.SALESFORCE, T.BOOLEAN): [True, False],
    (Side.SALESFORCE, T.DATE): ["2026-05-01", date(2026, 5, 1)],
    (Side.SALESFORCE, T.DATETIME): ["2026-05-01T07:25:37.000+0000", datetime(2026, 5, 1, tzinfo=UTC)],
    (Side.SALESFORCE, T.MULTI_CHOICE): ["a;b", "c"],
    (Side.DIALOG_INSIGHT, T.ID): [900001],
    (Side.DIALOG_INSIGHT, T.REFERENCE): [900001],
    (Side.DIALOG_INSIGHT, T.BOOLEAN): [True, "0", 1],
    (Side.DIALOG_INSIGHT, T.OPT_IN): [True, "0", 1],
    (Side.DIALOG_INSIGHT, T.DATE): ["2026.05.01", "2026-05-01"],
    (Side.DIALOG_INSIGHT, T.DATETIME): ["2026.05.01 07:25:37", "2026-05-01 07:25:37"],
    (Side.DIALOG_INSIGHT, T.MULTI_CHOICE): ["a|b", "c"],
}
"""What each service holds in a field of a type."""


@pytest.mark.parametrize(("here", "there"), list(itertools.product(FieldType, FieldType)))
def test_what_fits_is_converted(here: FieldType, there: FieldType) -> None:
    """Between any two types there is a converter; where the tables see no trouble, no value is refused."""
    ends = {Side.SALESFORCE: FieldSchema("S", here), Side.DIALOG_INSIGHT: FieldSchema("D", there)}
    tables = {side: TableSchema("Contact", side=side, fields=[field]) for side, field in ends.items()}
    converter = converter_for(FieldMapping("S", "D"), tables[Side.SALESFORCE], tables[Side.DIALOG_INSIGHT], "UTC")
    for to in Side:
        verdict = fit(converter, ends[to.other], ends[to], to=to)
        assert verdict is None or verdict in FINDING_CODES
        for value in NATIVE.get((to.other, ends[to.other].type), []):
            try:
                converted = converter.convert(value, to=to)
            except ConversionError:
                assert verdict is not None
                continue
            if verdict is None:
                converter.normal(to, converted)  # the other side's form can be read there


@pytest.mark.parametrize(
    ("line", "here", "there", "expected"),
    [
        (FieldMapping("Id", "ClientNo"), T.UNKNOWN, T.UNKNOWN, cv.record_id()),
        (FieldMapping("Account.Id", "Compte"), None, None, cv.record_id()),
        (FieldMapping("Account.Name", "Compagnie"), None, None, cv.text()),
        (FieldMapping("Account.AnnualRevenue", "CA"), None, T.DECIMAL, cv.decimal()),
        (FieldMapping("S", "D"), None, None, cv.AS_IS),
        (FieldMapping("HasOptedOutOfEmail", OptIn("n")), T.BOOLEAN, T.OPT_IN, cv.boolean()),
        (FieldMapping("S", OptIn("n")), None, None, cv.boolean()),
        (FieldMapping("S", OptInDate("n")), None, None, cv.datetime(time_zone="America/Toronto")),
        (FieldMapping("S", OptInDate("n")), T.DATE, None, cv.date()),
        (FieldMapping("S", "D"), T.DATETIME, None, cv.datetime(time_zone="America/Toronto")),
        (FieldMapping("S", "D"), T.DATE, T.DATETIME, cv.date()),
        (FieldMapping("S", "D"), T.EMAIL, T.UNKNOWN, cv.email()),
        (FieldMapping("S", "D"), T.CHOICE, T.UNKNOWN, cv.text()),
        (FieldMapping("S", "D"), T.MULTI_CHOICE, T.TEXT, cv.multi_choice()),
        (FieldMapping("S", "D"), T.TEXT, T.INTEGER, cv.text()),
        (FieldMapping("S", "D"), None, T.BOOLEAN, cv.boolean()),
    ],
)
def test_converters_follow_the_types(line: FieldMapping, here: Any, there: Any, expected: Any) -> None:
    """The converter of a line follows its types, and where these are unknown, what its names tell; never a negation."""
    name = line.field(Side.DIALOG_INSIGHT)
    salesforce = TableSchema("C", side=Side.SALESFORCE, fields=[FieldSchema(line.salesforce, here)] if here else [])
    dialog_insight = TableSchema("C", side=Side.DIALOG_INSIGHT, fields=[FieldSchema(name, there)] if there else [])
    if line.salesforce != "Id":
        assert converter_for(line, salesforce, dialog_insight, "America/Toronto") == expected
    assert (
        converter_for(line, salesforce if here not in (None, T.UNKNOWN) else None, dialog_insight, "America/Toronto")
        == expected
    )


def test_a_decimal_without_digits_behind_the_point_is_whole() -> None:
    """Salesforce describes whole numbers as decimals of scale 0."""
    points = TableSchema("C", side=Side.SALESFORCE, fields=[FieldSchema("P", T.DECIMAL, precision=18, scale=0)])
    assert converter_for(FieldMapping("P", "Points"), points, None, "UTC") == cv.integer()
