"""Findings as values: order, plain data, the page, the error; what is said about rows, and what is kept back."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce import converters as cv
from di_salesforce._check import FINDING_CODES, Findings, check
from di_salesforce._findings import found
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import DestinationProject, FieldMapping, Integration, ObjectTransfer
from di_salesforce.records import Row, Side
from di_salesforce.schema import FieldSchema, FieldType, TableSchema
from di_salesforce.triggers import Trigger

some = st.lists(
    st.builds(
        found,
        st.sampled_from(sorted(FINDING_CODES)),
        st.integers(0, 20).map("fields[{}]".format),
        st.just("something is so"),
        st.just("change it"),
        side=st.none() | st.sampled_from(Side),
    )
)
CONTACTS = ObjectTransfer("contacts", sobject="Contact", fields=[FieldMapping("Email", "EMail", key=True)])
CONTACT = TableSchema("Contact", side=Side.SALESFORCE, fields=[FieldSchema("Email", FieldType.EMAIL, length=80)])


@given(some)
def test_order_and_repetition_say_nothing(listed: list[object]) -> None:
    """Findings are a set in one order: however they were gathered, they are equal, and each is there once."""
    findings = Findings(listed)  # type: ignore[arg-type]  # Hypothesis types what `found` gives as an object
    assert findings == Findings([*reversed(listed), *listed])  # type: ignore[list-item]  # likewise
    assert len(findings) == len(set(listed))


def test_paths_are_in_the_order_of_the_declaration() -> None:
    """The tenth line comes after the second."""
    findings = Findings([found("field.missing", f"fields[{place}]", "m", "r") for place in (10, 2)])
    assert [finding.path for finding in findings] == ["fields[2]", "fields[10]"]


@given(some)
def test_findings_are_plain_data_and_survive_copies(listed: list[object]) -> None:
    """Findings go through JSON, pickle and copy without loss."""
    findings = Findings(listed)  # type: ignore[arg-type]  # as above
    data = findings.to_dicts()
    assert json.loads(json.dumps(data)) == data
    assert [entry["code"] for entry in data] == [finding.code for finding in findings]
    assert pickle.loads(pickle.dumps(findings)) == copy.deepcopy(findings) == findings


@given(some)
def test_the_page_names_everything(listed: list[object]) -> None:
    """Whoever prints the findings reads each code, place and remedy, and the counts."""
    findings = Findings(listed)  # type: ignore[arg-type]  # as above
    page = str(findings)
    for finding in findings:
        assert f"{finding} " not in page
        assert str(finding) in page
    assert page.count("-> ") == len(findings)


def test_errors_become_one_exception_with_every_problem() -> None:
    """`raise_for_errors` lists the errors with paths and codes, and lets warnings and notes pass."""
    error, warning = found("field.missing", "fields[1]", "no", "look"), found("key.nullable", "fields[0]", "may", "do")
    Findings([warning]).raise_for_errors()
    with pytest.raises(ConfigurationError) as caught:
        Findings([error, warning]).raise_for_errors()
    assert [(problem.path, problem.code) for problem in caught.value.problems] == [("fields[1]", "field.missing")]
    assert "look" in str(caught.value)


def test_a_near_miss_is_named_and_a_permission_suspected() -> None:
    """A field that is not there is spelled otherwise, or hidden by field-level security: the remedy says both."""
    misspelt = ObjectTransfer("contacts", sobject="Contact", fields=[FieldMapping("email", "EMail", key=True)])
    (missing,) = check(misspelt, salesforce=CONTACT).errors
    assert missing.code == "field.missing"
    assert "'Email'" in missing.remedy
    assert "field-level security" in missing.remedy


def people(count: int) -> list[Row]:
    return [{"Email": f"ada{number}@example.ca", "Born": "1815"} for number in range(count)]


BORN = ObjectTransfer(
    "contacts",
    sobject="Contact",
    fields=[FieldMapping("Email", "EMail", key=True), FieldMapping("Born", "Naissance", converter=cv.date())],
    triggers=Trigger.SALESFORCE_CREATED,
)


@given(st.integers(1, 30), st.integers(0, 30))
def test_rows_are_counted(wrong: int, right: int) -> None:
    """The share of rows that would be refused is exact, and every cause has its own count."""
    good: list[Row] = [{"Email": f"grace{number}@example.ca", "Born": "1906-12-09"} for number in range(right)]
    findings = {finding.code: finding for finding in check(BORN, salesforce=[*people(wrong), *good])}
    cause, whole = findings["rows.not_convertible"], findings["rows.checked" if right else "rows.all_refused"]
    assert (cause.count, cause.of) == (whole.count, whole.of) == (wrong, wrong + right)


def test_rows_are_walked_once() -> None:
    """Rows may come from a file that can be read only once."""
    findings = check(BORN, salesforce=iter(people(3)))
    assert [finding.of for finding in findings if finding.code == "rows.all_refused"] == [3]


def test_examples_are_masked_unless_asked_for() -> None:
    """No value of a person is in the findings, in no form, unless somebody asks to see the values."""
    secret = [{"Email": "ada@example.ca", "Born": "tenth of Dec"}]
    masked, shown = check(BORN, salesforce=secret), check(BORN, salesforce=secret, show_values=True)
    for written in (str(masked), json.dumps(masked.to_dicts()), repr(list(masked))):
        assert "tenth" not in written
        assert "ada@" not in written
    assert "xxxxx xx xxx" in str(masked)
    assert "tenth of Dec" in str(shown)
    assert "tenth" not in repr(list(shown))


def test_a_record_is_named_by_its_id_and_only_by_an_id() -> None:
    """An example names its row by number and record id; what stands in the id's column but is none is not shown."""
    real, other = "001D000000IRFmaIAH", "ada@example.ca"
    text = str(check(BORN, salesforce=[{"Id": real, **people(1)[0]}, {"Id": other, **people(2)[1]}]))
    assert f"row 1 ({real})" in text
    assert other not in text


def test_a_converter_that_breaks_is_a_finding() -> None:
    """A user's own converter may raise anything: the row is refused, and the check goes on."""

    class Broken:
        version = "broken/1"

        def normal(self, side: Side, value: object) -> object:
            return value

        def convert(self, value: object, *, to: Side) -> object:
            raise RuntimeError(str(value))

    broken = BORN.with_field(FieldMapping("Born", "Naissance", converter=Broken()))  # type: ignore[arg-type]  # on purpose
    findings = [finding for finding in check(broken, salesforce=people(2)) if finding.code == "rows.not_convertible"]
    assert [finding.count for finding in findings] == [2]
    assert "RuntimeError" in findings[0].message


def test_the_projects_own_schema_is_used() -> None:
    """A table that the project declares with its fields needs no other description."""
    orders = TableSchema("Orders", side=Side.DIALOG_INSIGHT, id=7, fields=[FieldSchema("idOrder", key=True)])
    transfer = ObjectTransfer(
        "orders",
        sobject="Order",
        table="Orders",
        project=DestinationProject("p", id=1, tables={"Orders": orders}),
        fields=[FieldMapping("OrderNumber", "idOrdre", key=True)],
    )
    assert {"field.missing", "key.not_the_tables_key"} <= {finding.code for finding in check(transfer).errors}


@pytest.mark.parametrize(
    ("declared", "salesforce", "says"),
    [
        (CONTACTS, "Contact", "schema, rows"),
        (CONTACTS, {"contacts": CONTACT}, "schema, rows"),
        (CONTACTS, 7, "schema, rows"),
        (CONTACTS, (CONTACT, 7), "schema, rows"),
        (CONTACTS, [7], "row 1"),
        (CONTACTS, TableSchema("Contact", side=Side.DIALOG_INSIGHT, fields=[]), "Dialog Insight"),
        (Integration([CONTACTS]), CONTACT, "mapping"),
        (Integration([CONTACTS]), {"kontacts": CONTACT}, "contacts"),
    ],
)
def test_what_is_neither_schema_nor_rows_is_refused(
    declared: Integration | ObjectTransfer, salesforce: object, says: str
) -> None:
    """A wrong argument is the caller's mistake: an error that says what is expected, not a finding."""
    with pytest.raises(ConfigurationError, match=says):
        check(declared, salesforce=salesforce)  # type: ignore[arg-type]  # on purpose
