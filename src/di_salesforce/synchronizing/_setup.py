"""What a synchronizer works with: the resolved integration, both services' settings, the store.

What may not go in here: requests, deciding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

import attrs

from di_salesforce.dialog_insight import ContactList, RelationalTable, Target
from di_salesforce.dialog_insight import Settings as DialogInsightSettings
from di_salesforce.dialog_insight import _flows as dialog_insight_flows
from di_salesforce.engine import BaselineLike, Limits, Plan
from di_salesforce.exceptions import (
    ConfigurationError,
    DISalesforceError,
    NotFoundError,
    PermissionDeniedError,
    Problem,
)
from di_salesforce.mapping import CONTACT_TABLE, DestinationProject, Integration, ObjectTransfer
from di_salesforce.records import Side
from di_salesforce.salesforce import Bulk
from di_salesforce.salesforce import Settings as SalesforceSettings
from di_salesforce.salesforce import _flows as salesforce_flows
from di_salesforce.schema import TableSchema
from di_salesforce.stores import Owner, Store
from di_salesforce.synchronizing._feed_choice import Feeds
from di_salesforce.synchronizing._parents import with_parents
from di_salesforce.wire import Flow, SendAll, work

__all__ = ["Schemas", "Setup", "chosen", "identify", "memory", "named_connection", "read_schemas", "silent"]

SALESFORCE: Final = Side.SALESFORCE.value
"""The name of the connection to Salesforce in every flow of a synchronizer."""


def memory(store: Store, transfer: str) -> BaselineLike:
    """Give what is remembered of a transfer, left in its store where that can be: for work on few of its links."""
    stored: Callable[[str], BaselineLike] | None = getattr(store, "stored_baseline", None)
    baseline = store.baseline(transfer) if stored is None else stored(transfer)
    baseline.coverage(Side.SALESFORCE)  # what was read of both sides is asked for by everybody, and kept from now on
    return baseline


def silent(phase: str, done: int, total: int) -> None:
    """Report no progress."""


def named_connection(project: str) -> str:
    """Give the name of the connection to one Dialog Insight project."""
    return f"{Side.DIALOG_INSIGHT.value}:{project}"


@attrs.frozen
class Schemas:
    """Both sides' schemas by transfer name; None where a relational table's is not declared."""

    salesforce: Mapping[str, TableSchema] = attrs.field(factory=dict[str, TableSchema])
    dialog_insight: Mapping[str, TableSchema] = attrs.field(factory=dict[str, TableSchema])

    def resolve(self, integration: Integration) -> Integration:
        """Fill in every missing converter."""
        return Integration(
            [t.resolved(self.salesforce.get(t.name), self.dialog_insight.get(t.name)) for t in integration.transfers]
        )


@attrs.frozen(repr=False)
class Setup:
    """Everything that the flows need to know; a value, so that a run can be replayed."""

    integration: Integration
    salesforce: SalesforceSettings
    dialog_insight: Mapping[str, DialogInsightSettings]  # by project name
    store: Store
    fresh_for: timedelta  # what was looked at longer ago is looked at again before it is written
    schemas: Schemas = Schemas()
    full_every: Mapping[Side, timedelta] = attrs.field(factory=dict[Side, timedelta])  # a side left out: at every run
    feeds: Feeds = attrs.field(factory=Feeds)
    limits: Limits = Limits()  # noqa: RUF009 - a frozen value, which all setups may share
    quarantine: Mapping[Side, timedelta] | None = (
        None  # how long a lost write may still land; None: as the engine has it
    )
    most_tries: int = 5  # refusals after which a write is set aside for good
    piece: int = 2_000  # records that are recorded, written and settled together
    bulk_piece: int = 50_000  # the same where they go in bulk: at least so many in each piece, and below twice as many
    bulk: Bulk = Bulk(patience=3_600.0)  # noqa: RUF009 - a frozen value; a job that takes longer than an hour is ended
    lock_pauses: tuple[float, ...] = (1.0, 4.0, 15.0)  # seconds before each further try of rows that were locked
    lookups_at_most: int = 20  # rounds of look-ups for one plan: each can ask for what the last one brought up

    def fresh_since(self, plan: Plan, now: datetime) -> datetime | None:
        """Tell since when a plan's rows are known; None: for so long that they are looked at again before the writes.

        A plan that was made from an export a moment ago is as old as the export.
        """
        moments = [plan.now, *(part.observed for part in plan.parts)]
        known = [moment for moment in moments if moment is not None]
        return min(known) if len(known) == len(moments) and now - min(known) <= self.fresh_for else None

    def project(self, transfer: ObjectTransfer) -> DestinationProject:
        """Give a transfer's project, which a synchronizer needs to reach Dialog Insight."""
        if transfer.project is None:
            raise ConfigurationError(f"transfer {transfer.name!r} names no destination project")
        return transfer.project

    def connection(self, transfer: ObjectTransfer) -> str:
        """Give the name of the connection to a transfer's project."""
        return named_connection(self.project(transfer).name)

    def settings(self, transfer: ObjectTransfer) -> DialogInsightSettings:
        """Give the settings of the client of a transfer's project."""
        return self.dialog_insight[self.project(transfer).name]

    def target(self, transfer: ObjectTransfer) -> Target:
        """Give the place in Dialog Insight that a transfer writes to."""
        project = self.project(transfer)
        if transfer.table == CONTACT_TABLE:
            return ContactList(project.id)
        id_table = project.table_id(transfer.table)
        if id_table is None:
            raise ConfigurationError(f"project {project.name!r} gives no idTable for {transfer.table!r}")
        return RelationalTable(id_table)

    def place(self, transfer: ObjectTransfer, side: Side) -> tuple[object, ...]:
        """Name the table of one side of a transfer: two transfers with one place see each other's writes."""
        if side is Side.SALESFORCE:
            return (side, transfer.sobject)
        return (side, self.project(transfer).id, transfer.table)


def chosen(integration: Integration, names: Iterable[str]) -> tuple[ObjectTransfer, ...]:
    """Give the named transfers (none: all) in the order in which they run."""
    wanted = set(names)
    if unknown := sorted(wanted - set(integration.names)):
        raise ConfigurationError(
            f"there is no transfer {', '.join(map(repr, unknown))}: there are {', '.join(integration.names)}"
        )
    return tuple(transfer for transfer in integration.in_order() if not wanted or transfer.name in wanted)


def read_schemas(setup: Setup) -> Flow[Schemas]:
    """Ask both services what their tables look like; every failure is told, not only the first."""
    sobjects = list(dict.fromkeys(transfer.sobject for transfer in setup.integration.transfers))
    projects = setup.integration.projects
    flows: list[Flow[TableSchema]] = [
        *(salesforce_flows.schema(setup.salesforce, SALESFORCE, sobject) for sobject in sobjects),
        *(
            dialog_insight_flows.project_schema(setup.dialog_insight[p.name], named_connection(p.name), p.id)
            for p in projects
        ),
    ]
    answers: list[TableSchema | DISalesforceError] = yield SendAll(flows)
    errors = [answer for answer in answers if isinstance(answer, DISalesforceError)]
    # A name that does not exist is the declaration's mistake, and all of those are told together; an outage is not.
    others = [error for error in errors if not isinstance(error, (NotFoundError, PermissionDeniedError))]
    if others or len(errors) == 1:
        raise (others or errors)[0]
    if errors:
        problems = [Problem("", str(error), "schema.unreadable") for error in dict.fromkeys(errors)]
        raise ConfigurationError(problems, what="reading the schemas")
    found = [answer for answer in answers if isinstance(answer, TableSchema)]
    by_sobject = dict(zip(sobjects, found, strict=False))
    by_project = dict(zip((p.name for p in projects), found[len(sobjects) :], strict=True))
    salesforce = yield from with_parents(setup.salesforce, SALESFORCE, setup.integration.transfers, by_sobject)
    return Schemas(salesforce, dict(_tables(setup, by_project)))


def _tables(setup: Setup, by_project: Mapping[str, TableSchema]) -> Iterator[tuple[str, TableSchema]]:
    for transfer in setup.integration.transfers:
        project = setup.project(transfer)
        declared = project.tables.get(transfer.table)
        if transfer.table == CONTACT_TABLE:
            yield transfer.name, by_project[project.name]
        elif isinstance(declared, TableSchema):
            yield transfer.name, declared


def identify(setup: Setup) -> Flow[Owner]:
    """Find out which org this is, and make sure that the store is not another's; only a write claims it."""
    identity = yield from salesforce_flows.identity(setup.salesforce, SALESFORCE)
    owner = Owner(identity.organization_id, tuple(project.id for project in setup.integration.projects))
    yield from work("look whose the store is", lambda: setup.store.belong_to(owner, claim=False))
    return owner
