"""Measure the synchronizer: a first load over loopback from slow services, few changes over many links; no tests.

The simulators run in a process of their own and let every call wait.  What is told of this process's processor time
does not depend on what else the machine does; what is told of the clock does.  Run
`python bench/synchronizer.py [--pairs 100000] [--links 1000000] [--changes 1000] [--wait 0.05]`.
"""

# ruff: noqa: INP001, T201, S603 - a program: it prints, and starts itself as the server

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import attrs

from di_salesforce import (
    DestinationProject,
    DialogInsightClient,
    FieldMapping,
    Integration,
    ObjectTransfer,
    SalesforceClient,
    Settlement,
    SQLiteStore,
    Synchronizer,
    SyncReport,
    Trigger,
)
from di_salesforce.dialog_insight import Capabilities
from di_salesforce.engine import FieldState, LinkRecord
from di_salesforce.salesforce import AccessToken
from di_salesforce.testing import FakeDialogInsight, FakeSalesforce, Project, ProjectField, SlowAnswer
from di_salesforce.testing.in_process import dialog_insight_client, salesforce_client

PROJECT = 4400
NAMES = ("FirstName", "LastName", "Phone", "City")
CAN = Capabilities(clauseless_get=True)
TRANSFER = ObjectTransfer(
    "people",
    sobject="Contact",
    project=DestinationProject("people", id=PROJECT, time_zone="UTC"),
    fields=[
        FieldMapping("Email", "EMail", key=True),
        FieldMapping("FirstName", "FirstName"),
        FieldMapping("LastName", "LastName"),
        FieldMapping("Phone", "Phone"),
        FieldMapping("MailingCity", "City"),
    ],
    triggers=Trigger.ALL,
)
KEPT_AT_ONCE = 10_000  # links that are put into the store in one transaction


def simulators() -> tuple[FakeSalesforce, FakeDialogInsight]:
    """Make both services, empty."""
    salesforce, dialog_insight = FakeSalesforce(), FakeDialogInsight()
    fields = [ProjectField("EMail", "email", required=True, key=True), *(ProjectField(name, "text") for name in NAMES)]
    dialog_insight.add_project(Project(PROJECT, "people", fields=fields))
    return salesforce, dialog_insight


def person(number: int, **more: str) -> dict[str, object]:
    """Make a contact."""
    return {
        "Email": f"p{number}@example.com",
        "FirstName": f"Prénom {number % 977}",
        "LastName": f"Tremblay {number}",
        "Phone": f"+1 514 555-{number % 10_000:04d}",
        "MailingCity": ("Montréal", "Québec", "Laval")[number % 3],
        **more,
    }


def serve(pairs: int, wait: float) -> None:
    """Hold both services until the standard input ends; tell where they are."""
    salesforce, dialog_insight = simulators()
    salesforce.load("Contact", [person(number) for number in range(pairs)])
    with salesforce, dialog_insight:
        salesforce.inject(SlowAnswer(wait), times=None)
        dialog_insight.inject(SlowAnswer(wait), times=None)
        told = [
            salesforce.url,
            salesforce.access_token(),
            dialog_insight.url,
            dialog_insight.id_key,
            dialog_insight.key,
        ]
        print(json.dumps([str(each) for each in told]), flush=True)
        sys.stdin.read()


@contextmanager
def served(pairs: int, wait: float) -> Iterator[tuple[SalesforceClient, DialogInsightClient]]:
    """Give clients of services in a process of their own."""
    command = [sys.executable, __file__, "--serve", "--pairs", str(pairs), "--wait", str(wait)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        if server.stdout is None or server.stdin is None:
            raise RuntimeError("the server has no pipes")
        url, token, host, id_key, key = json.loads(server.stdout.readline())
        with (
            SalesforceClient(auth=AccessToken(url, token)) as salesforce,
            DialogInsightClient(id_key=id_key, key=key, host=host, capabilities=CAN) as dialog_insight,
        ):
            yield salesforce, dialog_insight
        server.stdin.close()


def first_load(pairs: int, wait: float, folder: Path) -> None:
    """Create everybody in the other service, and remember them."""
    path = folder / "first.db"
    with served(pairs, wait) as (salesforce, dialog_insight), SQLiteStore(path) as store:
        sync = Synchronizer(Integration([TRANSFER]), salesforce=salesforce, dialog_insight=dialog_insight, store=store)
        for name in ("first load", "run with nothing to do"):
            began, spent = time.perf_counter(), time.process_time()
            report = sync.run(first_run=True)
            took, cpu = time.perf_counter() - began, time.process_time() - spent
            calls = sum(report.calls.values())
            print(
                f"{name} of {pairs:,}: {len(report.written):,} written, {calls:,} calls, {took:.1f} s by the clock, "
                f"{cpu:.1f} s of this processor ({cpu / pairs * 1e6:.0f} us a pair), {1 - cpu / took:.0%} of it waiting"
            )
    print(f"SQLite: {path.stat().st_size / pairs:,.0f} bytes a link with its history")


def few_changes(links: int, changes: int, folder: Path) -> None:
    """Carry a thousand changes over many links: Salesforce by what changed, Dialog Insight by key, without sockets."""
    salesforce, dialog_insight = simulators()
    ids = salesforce.load("Contact", [person(number) for number in range(changes)])
    theirs = [{**person(number), "EMail": f"p{number}@example.com", "City": person(number)["MailingCity"]}
              for number in range(changes)]  # fmt: skip
    for row in theirs:
        del row["Email"], row["MailingCity"]
    dialog_insight.load_contacts(PROJECT, theirs)
    path = folder / f"many-{links}.db"
    with (
        salesforce_client(salesforce) as ours,
        dialog_insight_client(dialog_insight, capabilities=CAN) as di,
        SQLiteStore(path) as store,
    ):
        sync = Synchronizer(
            Integration([TRANSFER]), salesforce=ours, dialog_insight=di, store=store, full_every=timedelta(days=1)
        )
        sync.run(first_run=True)
        [pattern] = store.baseline("people").links[:1]
        for start in range(0, links - changes, KEPT_AT_ONCE):
            numbers = range(start, min(start + KEPT_AT_ONCE, links - changes))
            store.save(Settlement(SyncReport(), changed_links=tuple(copied(pattern, number) for number in numbers)))
        for number, record_id in enumerate(ids):
            salesforce.edit("Contact", record_id, LastName=f"Changed {number}")
        for name in ("changes", "nothing new"):
            spent = time.process_time()
            report = sync.run()
            cpu = time.process_time() - spent
            print(
                f"{name} among {links:,} links: {len(report.written):,} written, {sum(report.calls.values()):,} calls, "
                f"{cpu:.2f} s of the processor, simulators included"
            )
    print(f"SQLite: {path.stat().st_size / links:,.0f} bytes a link")


def copied(pattern: LinkRecord, number: int) -> LinkRecord:
    """Make a link like another one."""
    email = f"q{number}@example.com"
    fields = {name: attrs.evolve(state, base=(email, email)) if ":EMail" in name else state
              for name, state in pattern.fields.items() if isinstance(state, FieldState)}  # fmt: skip
    return attrs.evolve(
        pattern,
        id=f"copy{number}",
        salesforce_id=f"003Q{number:011d}AAA",
        dialog_insight_id=str(10_000_000 + number),
        salesforce_key=(email,),
        dialog_insight_key=(email,),
        fields=fields,
    )


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--links", type=int, default=1_000_000)
    parser.add_argument("--changes", type=int, default=1_000)
    parser.add_argument("--wait", type=float, default=0.05)
    parser.add_argument("--serve", action="store_true")
    given = parser.parse_args()
    if given.serve:
        serve(given.pairs, given.wait)
        return
    with tempfile.TemporaryDirectory() as folder:
        for links in sorted({max(given.changes, given.links // 10), given.links}):
            few_changes(links, given.changes, Path(folder))
        first_load(given.pairs, given.wait, Path(folder))


if __name__ == "__main__":
    main()
