"""A program of somebody else's, checked by mypy and pyright, never run: what users of a typed package may rely on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import assert_never, assert_type

from di_salesforce import (
    AsyncDialogInsightClient,
    AsyncSalesforceClient,
    Baseline,
    ConflictPolicy,
    Constant,
    Deletes,
    DestinationProject,
    DialogInsightClient,
    Direction,
    DISalesforceError,
    FieldMapping,
    Integration,
    ObjectTransfer,
    OptIn,
    OptInDate,
    Outcome,
    Plan,
    ProjectType,
    SalesforceClient,
    Settlement,
    Side,
    Snapshot,
    Trigger,
    converters,
    named,
    reconcile,
    settle,
)
from di_salesforce.engine import Action, Conflict, Create, Delete, Link, Reject, Skip, Unlink, Update
from di_salesforce.exceptions import ApiError, ConfigurationError, Problem
from di_salesforce.protocols import Converter, FieldCase
from di_salesforce.records import Row, Value
from di_salesforce.salesforce import ClientCredentials

project = DestinationProject(
    "acquisition", id=4322, type=ProjectType.B, tables={"Orders": 8765}, time_zone="America/Toronto"
)
assert_type(project.table_id("Orders"), int | None)


def newest_wins(case: FieldCase) -> Side | None:
    """A resolver is a plain function."""
    return Side.SALESFORCE if case.salesforce_before is not None else None


@named("adults")
def adults(row: Row) -> bool:
    """A filter that a declaration file can name."""
    return bool(row.get("Age"))


class Shouting:
    """A converter is anything with these three members."""

    @property
    def version(self) -> str:
        """Change when an answer changes."""
        return "shouting/1"

    def normal(self, side: Side, value: Value) -> str:
        """Compare without regard to case."""
        return str(value).upper()

    def convert(self, value: Value, *, to: Side) -> Value:
        """Send in capitals."""
        return str(value).upper()


shouting: Converter = Shouting()
transfer = ObjectTransfer(
    "subscribers",
    sobject="Contact",
    project=project,
    fields=[
        FieldMapping("Email", "EMail", key=True, converter=converters.email(), conflict=newest_wins),
        FieldMapping("LastName", "LastName", salesforce_default="(inconnu)", conflict=ConflictPolicy.FILL_BLANKS),
        FieldMapping("City", "City", converter=shouting, direction=Direction.TO_DIALOG_INSIGHT, group="address"),
        FieldMapping("Newsletter__c", OptIn("newsletter")),
        FieldMapping("Newsletter_Date__c", OptInDate("newsletter")),
        Constant("LeadSource", "Dialog Insight", side=Side.SALESFORCE),
    ],
    triggers=Trigger.SALESFORCE_UPDATED | Trigger.DIALOG_INSIGHT_CREATED,
    dialog_insight_filter=adults,
    deletes=Deletes.UNLINK,
)
assert_type(transfer.with_key("Email").without_fields("City"), ObjectTransfer)
assert_type(transfer.lines, tuple[FieldMapping, ...])
assert_type(transfer.allowed.names, tuple[str, ...])
assert_type(Integration([transfer]).in_order(), tuple[ObjectTransfer, ...])


def explain(error: DISalesforceError) -> str:
    """The kind of an error says whose fault it is; each kind has its own evidence."""
    match error:
        case ConfigurationError(problems=problems):
            assert_type(problems, tuple[Problem, ...])
            return "; ".join(problem.path for problem in problems)
        case ApiError():
            assert_type(error.side, Side)
            assert_type(error.status, int)
            return error.message
        case _:
            assert_type(error.retryable, bool)
            return str(error)


def attempt(action: Action) -> Outcome | None:
    """Actions are a closed union: a new kind would make this function fail the type check."""
    match action:
        case Create() | Update():
            assert_type(action.side, Side)
            return Outcome.done(stored=action.values)
        case Delete(record_id=record_id):
            return Outcome.refused("deletes.off", f"{record_id} stays")
        case Link() | Unlink() | Skip() | Conflict() | Reject():
            return None
        case _:
            assert_never(action)


def one_pass(rows: Mapping[Side, list[Row]], baseline: Baseline) -> Baseline:
    """Embed the engine."""
    now = datetime.now(tz=UTC)
    plan = reconcile(
        transfer,
        salesforce=Snapshot.complete(rows[Side.SALESFORCE]),
        dialog_insight=Snapshot.complete(rows[Side.DIALOG_INSIGHT]),
        baseline=baseline,
        now=now,
    )
    assert_type(plan, Plan)
    plan = plan.without(kind="create", side=Side.SALESFORCE).resolve("ada@example.ca", keep=Side.DIALOG_INSIGHT)
    outcomes = {action.id: outcome for action in plan.actions if (outcome := attempt(action)) is not None}
    settlement = settle(plan, outcomes, now=now)
    assert_type(settlement, Settlement)
    return baseline.updated(settlement)


def read() -> None:
    """Blocking clients are context managers."""
    auth = ClientCredentials("example.my.salesforce.com", "id", "secret")
    with SalesforceClient(auth=auth) as salesforce, DialogInsightClient(id_key=1, key="k") as dialog_insight:
        assert_type(salesforce, SalesforceClient)
        assert_type(dialog_insight, DialogInsightClient)
        assert_type(salesforce.check_access("Contact"), list[str])


async def read_async() -> None:
    """Async clients have the same names, awaited."""
    async with AsyncSalesforceClient.from_env() as salesforce, AsyncDialogInsightClient.from_env() as dialog_insight:
        assert_type(dialog_insight, AsyncDialogInsightClient)
        assert_type(await salesforce.check_access("Contact"), list[str])
