"""Laws of `verify`: what the service refuses of a declared table is told, and nothing is written unasked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from di_salesforce.clients import DialogInsightClient
from di_salesforce.dialog_insight import Capabilities
from di_salesforce.exceptions import ConfigurationError, NotFoundError, PermissionDeniedError
from di_salesforce.records import Side
from di_salesforce.retry import RetryPolicy
from di_salesforce.schema import FieldSchema as F
from di_salesforce.schema import FieldType as T
from di_salesforce.schema import TableSchema
from di_salesforce.testing import Column, FakeDialogInsight, Project, ProjectField, Switches, Table

TABLE, PROJECT = 8765, 4321
ORDERS = TableSchema(
    "Orders",
    side=Side.DIALOG_INSIGHT,
    id=TABLE,
    fields=[
        F("idOrder", T.TEXT, length=10, key=True),
        F("Revenue", T.DECIMAL),
        F("dtTransaction", T.DATETIME),
        F("paid", T.BOOLEAN),
    ],
)
ROW = {"idOrder": "T-1", "Revenue": "10.50", "dtTransaction": "2026.05.01 10:00:00", "paid": "1"}


def account(**switches: Any) -> FakeDialogInsight:
    fake = FakeDialogInsight(switches=Switches(**switches))
    fake.add_project(Project(PROJECT, fields=[ProjectField("EMail", "email", key=True)]))
    columns = [
        *(Column("idOrder", length=10, key=True), Column("Revenue", "decimal")),
        *(Column("dtTransaction", "datetime"), Column("paid", "bit")),
    ]
    fake.add_table(Table(TABLE, project=PROJECT, code="Orders", columns=columns))
    return fake


@pytest.fixture
def fake() -> Iterator[FakeDialogInsight]:
    with account() as running:
        yield running


def connect(fake: FakeDialogInsight, **capabilities: Any) -> DialogInsightClient:
    known = Capabilities(**{"delete": True, **capabilities})
    return DialogInsightClient(
        id_key=fake.id_key, key=fake.key, host=fake.url, capabilities=known, retry=RetryPolicy(attempts=1)
    )


def declared(**types: T) -> TableSchema:
    fields = [attrs.evolve(field, type=types.get(field.name, field.type)) for field in ORDERS]
    return attrs.evolve(
        ORDERS, fields=[*fields, *(F(name, kind) for name, kind in types.items() if name not in ORDERS)]
    )


def test_what_is_declared_rightly_is_accepted_without_a_write(fake: FakeDialogInsight) -> None:
    """Every column is asked for, nothing is found, and the service was never asked to change anything."""
    with connect(fake) as client:
        found = client.table(TABLE).verify(ORDERS)
        assert [(one.code, one.path) for one in found] == [("verify.not_asked", "paid")]
    assert fake.writes == ()


def test_no_question_reads_the_table(fake: FakeDialogInsight) -> None:
    """Only values that no record has are asked for: however many rows there are, none comes."""
    with connect(fake) as client:
        client.table(TABLE).merge([{**ROW, "idOrder": f"A-{n}"} for n in range(5)], key="idOrder")
        before = len(fake.requests)
        client.table(TABLE).verify(ORDERS)
    assert [entry.row_count for entry in fake.requests[before:]] == [0] * 4  # one for a column that cannot exist


def test_a_column_that_is_not_there_is_told(fake: FakeDialogInsight) -> None:
    """A misspelt column is an error at its name, with the service's own refusal."""
    with connect(fake) as client:
        [found] = client.table(TABLE).verify(declared(Revenu=T.DECIMAL)).errors
    assert (found.code, found.path) == ("verify.column_refused", "Revenu")


def test_a_service_that_answers_everything_proves_nothing() -> None:
    """Where columns that do not exist are answered, too, that is said instead of taking silence for consent."""
    with account(unknown_clause_field="no_rows") as fake, connect(fake) as client:
        found = client.table(TABLE).verify(declared(Revenu=T.DECIMAL))
    assert [one.code for one in found] == ["verify.silent", "verify.not_asked"]


def test_a_test_record_is_written_compared_and_taken_away(fake: FakeDialogInsight) -> None:
    """Only the given row is written, as a new one; afterwards the table is as it was."""
    with connect(fake) as client:
        found = client.table(TABLE).verify(ORDERS, row=ROW)
        assert {one.code for one in found} == {"verify.row_taken", "verify.not_asked"}
        assert client.table(TABLE).get(idOrder="T-1") == []


def test_a_record_that_is_there_is_never_touched(fake: FakeDialogInsight) -> None:
    """A test record whose key is in use changes and deletes nothing."""
    with connect(fake) as client:
        client.table(TABLE).merge([{**ROW, "Revenue": "1"}], key="idOrder")
        before = client.table(TABLE).get(idOrder="T-1")
        assert "verify.row_exists" in {one.code for one in client.table(TABLE).verify(ORDERS, row=ROW)}
        assert client.table(TABLE).get(idOrder="T-1") == before


def test_a_refused_record_is_told_in_the_services_words(fake: FakeDialogInsight) -> None:
    """A value that the column does not hold is an error with what the service said."""
    with connect(fake) as client:
        found = client.table(TABLE).verify(declared(Revenue=T.TEXT), row={**ROW, "Revenue": "much"})
    assert "verify.row_refused" in {one.code for one in found.errors}


def test_a_record_that_cannot_be_deleted_is_told(fake: FakeDialogInsight) -> None:
    """Without the right to delete the test record stays, and its key is named."""
    with connect(fake, delete=False) as client:
        [left] = client.table(TABLE).verify(ORDERS, row=ROW).warnings
    assert left.code == "verify.row_left"
    assert "idOrder='T-1'" in left.message


def test_rows_that_were_seen_are_compared_with_the_declaration(fake: FakeDialogInsight) -> None:
    """A column that is not declared, and a value that is none of the declared type, are told."""
    with connect(fake) as client:
        short = TableSchema("Orders", side=Side.DIALOG_INSIGHT, id=TABLE, fields=[ORDERS["idOrder"], F("paid", T.DATE)])
        found = client.table(TABLE).verify(short, row={"idOrder": "T-1"})
        codes = {(one.code, one.path) for one in found}
        assert {("verify.column_undeclared", "Revenue"), ("verify.column_undeclared", "dtTransaction")} <= codes
        codes = {(one.code, one.path) for one in client.table(TABLE).verify(declared(paid=T.DATE), row=ROW)}
    assert {("verify.value_of_other_type", "paid"), ("verify.kept_otherwise", "paid")} <= codes


@pytest.mark.parametrize("row", [{"Revenue": "1"}, {"idOrder": ""}, {"idOrder": "T-1", "Tax": "1"}])
def test_a_row_that_cannot_be_a_test_is_refused_before_anything_is_sent(
    fake: FakeDialogInsight, row: dict[str, Any]
) -> None:
    """Without the whole key, or with what is not declared, nothing is asked at all."""
    with connect(fake) as client, pytest.raises(ConfigurationError):
        client.table(TABLE).verify(ORDERS, row=row)
    assert fake.requests == ()


def test_a_table_that_is_not_there_is_no_finding(fake: FakeDialogInsight) -> None:
    """That the table cannot be reached is an error of its own, not one per column."""
    with connect(fake) as client, pytest.raises((NotFoundError, PermissionDeniedError)):
        client.table(1).verify(ORDERS)
