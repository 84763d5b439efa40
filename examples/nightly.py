"""The nightly job: a type B project, a type A project and a relational table, run by cron.

    python examples/nightly.py                # every night
    python examples/nightly.py --first-run    # once, after you have looked at `sync.plan()`

Log-ins come from the environment (`SALESFORCE_...`, `DIALOG_INSIGHT_...`); the memory is `di-sync.db` in the working
folder.

Exit status 0: all is well; 1: something needs a person; 2: could not run.
"""

from __future__ import annotations

import logging
import signal
import sys

from di_salesforce import (
    Constant,
    DestinationProject,
    DialogInsightClient,
    Direction,
    DISalesforceError,
    FieldMapping,
    FieldSchema,
    FieldType,
    Integration,
    ObjectTransfer,
    OptIn,
    OptInDate,
    ProjectType,
    SalesforceClient,
    Side,
    SQLiteStore,
    Synchronizer,
    TableSchema,
)
from di_salesforce import (
    converters as cv,
)
from di_salesforce.dialog_insight import Capabilities

ONLY_TO_DI = Direction.TO_DIALOG_INSIGHT

acquisition = DestinationProject("acquisition", id=4322, type=ProjectType.B, time_zone="America/Toronto")
communications = DestinationProject(
    "communications",
    id=4321,
    type=ProjectType.A,
    time_zone="America/Toronto",
    tables={  # code, as Dialog Insight's page of relational data shows it; Dialog Insight does not describe its columns
        "Orders": TableSchema(
            "Orders",
            side=Side.DIALOG_INSIGHT,
            id=8765,
            fields=[
                FieldSchema("idOrder", FieldType.TEXT, length=30, key=True),
                FieldSchema("idContact", FieldType.INTEGER),
                FieldSchema("Revenue", FieldType.DECIMAL),
            ],
        ),
    },
)

subscribers = ObjectTransfer(  # type B: people are born in Dialog Insight
    "subscribers",
    sobject="Contact",
    project=acquisition,
    fields=[
        FieldMapping("Email", "EMail", key=True, converter=cv.email()),
        FieldMapping("FirstName", "FirstName"),
        FieldMapping("LastName", "LastName", salesforce_default="(inconnu)"),
        FieldMapping("Newsletter__c", OptIn("newsletter")),
        FieldMapping("Newsletter_Date__c", OptInDate("newsletter")),
        Constant("LeadSource", "Web", side=Side.SALESFORCE),
    ],
)
contacts = ObjectTransfer(  # type A: people come from Salesforce
    "contacts",
    sobject="Contact",
    project=communications,
    salesforce_filter="Email != null",
    fields=[
        FieldMapping("Id", "ClientNo", key=True),
        # one writer per field: `subscribers` writes these in Salesforce, so here they only flow out of it
        FieldMapping("Email", "EMail", direction=ONLY_TO_DI, converter=cv.email()),
        FieldMapping("FirstName", "FirstName", direction=ONLY_TO_DI),
        FieldMapping("LastName", "LastName", direction=ONLY_TO_DI),
        FieldMapping("Language__c", "Langue", converter=cv.choice({"Français": "fr", "English": "en"})),
    ],
)
orders = ObjectTransfer(  # any object, into a relational table
    "orders",
    sobject="Order",
    project=communications,
    table="Orders",
    fields=[
        FieldMapping("OrderNumber", "idOrder", key=True, direction=ONLY_TO_DI),
        FieldMapping("BillToContactId", "idContact", references="contacts", direction=ONLY_TO_DI),
        FieldMapping("TotalAmount", "Revenue", direction=ONLY_TO_DI),
    ],
)
integration = Integration([subscribers, contacts, orders])


def connected() -> tuple[SalesforceClient, DialogInsightClient]:
    """Open both clients."""
    # reading Dialog Insight in full is undocumented: tried on this account first
    return SalesforceClient.from_env(), DialogInsightClient.from_env(capabilities=Capabilities(clauseless_get=True))


def nightly(*, first_run: bool) -> int:
    """Check, run until quiet, report."""
    salesforce, dialog_insight = connected()
    with (
        salesforce,
        dialog_insight,
        Synchronizer(
            integration, salesforce=salesforce, dialog_insight=dialog_insight, store=SQLiteStore("di-sync.db")
        ) as sync,
    ):
        signal.signal(signal.SIGTERM, lambda *_: sync.stop())  # at a shutdown: settle what was sent, and end
        sync.check().raise_for_errors()
        report = sync.run(max_writes=5_000, first_run=first_run)
    print(report)  # a page that a person can read in a mail
    return 0 if report.ok else 1


def main(arguments: list[str] | None = None) -> int:
    """Run, and say by the exit status how it went."""
    logging.basicConfig(level="INFO")
    try:
        return nightly(first_run="--first-run" in (sys.argv[1:] if arguments is None else arguments))
    except DISalesforceError as error:
        print(error, file=sys.stderr)  # one sentence: what and where, no secret
        return 2


if __name__ == "__main__":
    sys.exit(main())
