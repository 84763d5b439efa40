"""The main job: a type B project, a type A project and a relational table, kept in agreement with Salesforce.

Without arguments it runs on two simulators that it starts on this machine and loads from `examples/data`:

    python examples/two_way_sync.py

With `--live` it runs against your own test accounts: it plans, shows the plan, and applies it only with `--apply`.  The
credentials come from the environment (`SALESFORCE_...`, `DIALOG_INSIGHT_...`), the project and table numbers from
`ACQUISITION_PROJECT`, `COMMUNICATIONS_PROJECT` and `ORDERS_TABLE`.

Exit status 0: both sides agree, and what differs has a reason; 1: something needs a person; 2: could not run.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

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
    MemoryStore,
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
from di_salesforce import converters as cv
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing import demo, read_seed

DATA = Path(__file__).parent / "data"
ZONE = "America/Toronto"


def integration(acquisition_id: int = 4322, communications_id: int = 4321, orders_id: int = 8765) -> Integration:
    """Declare what corresponds to what; pure values, no secret in here."""
    orders_table = TableSchema(  # Dialog Insight does not describe relational tables, so this one is declared
        "Orders",
        side=Side.DIALOG_INSIGHT,
        id=orders_id,
        fields=[
            FieldSchema("idOrder", FieldType.TEXT, length=30, key=True),
            FieldSchema("idContact", FieldType.INTEGER),
            FieldSchema("Revenue", FieldType.DECIMAL),
            FieldSchema("dtTransaction", FieldType.DATETIME),
        ],
    )
    acquisition = DestinationProject("acquisition", id=acquisition_id, type=ProjectType.B, time_zone=ZONE)
    communications = DestinationProject(
        "communications", id=communications_id, type=ProjectType.A, tables={"Orders": orders_table}, time_zone=ZONE
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
    contacts = ObjectTransfer(  # type A: people are born in Salesforce
        "contacts",
        sobject="Contact",
        project=communications,
        salesforce_filter="Email != null",
        fields=[
            FieldMapping("Id", "ClientNo", key=True),
            # `subscribers` writes these three in Salesforce: one writer per field, so here they only flow out of it.
            FieldMapping("Email", "EMail", direction=Direction.TO_DIALOG_INSIGHT, converter=cv.email()),
            FieldMapping("FirstName", "FirstName", direction=Direction.TO_DIALOG_INSIGHT),
            FieldMapping("LastName", "LastName", direction=Direction.TO_DIALOG_INSIGHT),
            FieldMapping("Language__c", "Langue", converter=cv.choice({"Français": "fr", "English": "en"})),
            FieldMapping("Loyalty_Points__c", "Points"),
        ],
    )
    orders = ObjectTransfer(  # an sObject and a relational table whose rows refer to contacts
        "orders",
        sobject="Order",
        table="Orders",
        project=communications,
        fields=[
            FieldMapping("OrderNumber", "idOrder", key=True, direction=Direction.TO_DIALOG_INSIGHT),
            FieldMapping("BillToContactId", "idContact", references="contacts", direction=Direction.TO_DIALOG_INSIGHT),
            FieldMapping("TotalAmount", "Revenue", direction=Direction.TO_DIALOG_INSIGHT),
            FieldMapping(
                "EffectiveDate",
                "dtTransaction",
                direction=Direction.TO_DIALOG_INSIGHT,
                converter=cv.date(dialog_insight="%Y.%m.%d 00:00:00"),  # the table has no column type for a day alone
            ),
        ],
    )
    return Integration([subscribers, contacts, orders])


def number(variable: str) -> int:
    """Read a number from the environment."""
    text = os.environ.get(variable, "")
    if not text.isdecimal():
        raise ConfigurationError(f"the environment variable {variable} must hold a number: see the top of this file")
    return int(text)


def live(*, apply: bool) -> int:
    """Plan against live test accounts; write only if told to."""
    declared = integration(
        *(number(name) for name in ("ACQUISITION_PROJECT", "COMMUNICATIONS_PROJECT", "ORDERS_TABLE"))
    )
    progress = demo.progress_line()
    with (
        SalesforceClient.from_env() as salesforce,
        DialogInsightClient.from_env() as dialog_insight,
        Synchronizer(
            declared, salesforce=salesforce, dialog_insight=dialog_insight, store=SQLiteStore("two-way-sync.db")
        ) as sync,
    ):
        print(findings := sync.check())
        findings.raise_for_errors()
        plan = sync.plan(progress=progress)
        print(plan)
        if not apply:
            print("Nothing was written. Look at the plan, then run again with --apply.")
            return 0
        report = sync.apply(plan, progress)
        print(report)
        return 0 if report.ok else 1


def main() -> int:
    """Choose between the simulators and live accounts."""
    parser = argparse.ArgumentParser(description="Synchronise Salesforce and Dialog Insight.")
    parser.add_argument("--live", action="store_true", help="use the accounts that the environment names")
    parser.add_argument("--apply", action="store_true", help="with --live: write what the plan says")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the CSV files for the simulators")
    chosen = parser.parse_args()
    try:
        if chosen.live:
            return live(apply=chosen.apply)
        return 0 if demo.play(integration(), read_seed(chosen.data), store=MemoryStore()) else 1
    except DISalesforceError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
