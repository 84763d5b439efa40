"""A one-off migration: two CSV exports, plan, look, decide, apply, prove, and leave a memory for the nightly job.

Without arguments it runs on two simulators that it starts on this machine and loads from `examples/data`:

    python examples/migrate_from_csv.py

With `--files FOLDER` nothing is applied: the plan is written as the files that Data Loader and Dialog Insight's import
page take, with the rejected rows in a file to mend.

Exit status 0: both sides agree, and what differs has a reason; 1: something needs a person; 2: could not run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from di_salesforce import (
    Baseline,
    DestinationProject,
    DISalesforceError,
    FieldMapping,
    Integration,
    ObjectTransfer,
    OptIn,
    Plan,
    ProjectType,
    Side,
    Snapshot,
    SQLiteStore,
    Synchronizer,
    check,
    progress_bar,
    reconcile,
    suggest_transfer,
)
from di_salesforce import converters as cv
from di_salesforce.csvfiles import CsvRows, read_csv, write_csv
from di_salesforce.testing import read_seed
from di_salesforce.testing.sandbox import Sandbox

DATA = Path(__file__).parent / "data"
ACQUISITION = DestinationProject("acquisition", id=4322, type=ProjectType.B, time_zone="America/Toronto")


def declared(salesforce: CsvRows, dialog_insight: CsvRows) -> ObjectTransfer:
    """Begin with a draft, and make it ours: the key is chosen, never guessed."""
    draft = suggest_transfer(salesforce.schema, dialog_insight.schema, name="subscribers")
    print(draft)
    return (
        draft.with_key("Email", project=ACQUISITION)
        .without_fields("Newsletter_Date__c")
        .with_field(
            FieldMapping("Email", "EMail", key=True, converter=cv.email()),
            FieldMapping("LastName", "LastName", salesforce_default="(unknown)"),
            FieldMapping("Newsletter__c", OptIn("newsletter")),
        )
        .resolved(salesforce.schema, dialog_insight.schema)
    )


def planned(transfer: ObjectTransfer, salesforce: CsvRows, dialog_insight: CsvRows) -> Plan:
    """Plan from the files: the dry run, which needs no service."""
    return reconcile(
        transfer,
        salesforce=Snapshot.complete(salesforce),
        dialog_insight=Snapshot.complete(dialog_insight),
        baseline=Baseline.empty(),
        now=datetime.now(UTC),
    )


def decided(plan: Plan) -> Plan:
    """Decide what differs at the first meeting: here what people entered in Dialog Insight is the newer."""
    for conflict in plan.conflicts:
        if conflict.reason == "conflict.first_match":
            plan = plan.resolve(conflict.key, keep=Side.DIALOG_INSIGHT)
    return plan


def migrate(transfer: ObjectTransfer, store: Path) -> bool:
    """Apply through the API, prove it, and show that the next run is quiet; give whether all is explained."""
    with Sandbox(read_seed(DATA)) as sandbox:
        salesforce, dialog_insight = sandbox.clients()
        with (
            salesforce,
            dialog_insight,
            progress_bar() as bar,
            Synchronizer(
                Integration([transfer]),
                salesforce=salesforce,
                dialog_insight=dialog_insight,
                store=SQLiteStore(str(store)),
            ) as sync,
        ):
            # The files are as old as their export, so what is applied is planned on the records as they are now.
            print(sync.apply(decided(sync.plan(progress=bar)), progress=bar))
            comparison = sync.compare(progress=bar)
            print(comparison)
            quiet = sync.run(progress=bar)
            print(f"The nightly job starts quiet: {len(quiet.written)} writes")
            return comparison.ok and not quiet.written


def main(arguments: list[str] | None = None) -> int:
    """Read, draft, check, plan; then write files, or apply."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=Path, metavar="FOLDER", help="write import files instead of applying")
    parser.add_argument("--store", type=Path, help="where the memory is kept; without it, nowhere")
    given = parser.parse_args(arguments)

    salesforce, dialog_insight = (
        read_csv(DATA / "salesforce_contacts.csv"),
        read_csv(DATA / "dialog_insight_acquisition.csv"),
    )
    print(salesforce)
    transfer = declared(salesforce, dialog_insight)
    print(check(transfer, salesforce=salesforce, dialog_insight=dialog_insight))
    plan = planned(transfer, salesforce, dialog_insight)
    print(plan)
    if given.files is not None:
        print(write_csv(decided(plan), given.files, salesforce=salesforce, dialog_insight=dialog_insight))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return 0 if migrate(transfer, given.store or Path(folder) / "migration.db") else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except DISalesforceError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
