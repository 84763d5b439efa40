"""Measure the synchronizer: a first load over loopback from slow services, few changes over many links; no tests.

The simulators run in a process of their own and let every call wait.  What is told of this process's processor time
does not depend on what else the machine does; what is told of the clock does.  One command measures all, tells how far
it is, and ends by a table; a part that takes longer than `--at-most` seconds is stopped as a job would be, and says so:

    python bench/synchronizer.py [--pairs 100000] [--links 1000000] [--changes 1000] [--wait 0.05] [--at-most 1800]
                                 [--only first-load|changes]
"""

# ruff: noqa: INP001, T201, S603 - a program: it prints, and starts itself as the server

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
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
from di_salesforce.synchronizer import Feeds
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
KEPT_AT_ONCE = 10_000  # links that are put into the store in one transaction, records that are loaded at once
TOLD_EVERY = 5.0  # seconds


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


class Told:
    """Says how far it is, on standard error, every few seconds."""

    def __init__(self) -> None:
        self.began = self.last = time.perf_counter()

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Take note of a step, and tell of it from time to time."""
        now = time.perf_counter()
        if now - self.last >= TOLD_EVERY:
            self.last = now
            of = f" of {total:,}" if total else ""
            print(f"  {now - self.began:6.0f} s  {phase}: {done:,}{of}", file=sys.stderr, flush=True)


@attrs.define
class Figures:
    """What one part took."""

    name: str
    written: int
    calls: int
    clock: float
    cpu: float
    each: int  # what a figure of one is divided by
    note: str = ""

    def line(self) -> str:
        """Give the line of the table."""
        waiting = f"{max(0.0, 1 - self.cpu / self.clock):.0%}" if self.clock else ""
        per = f"{self.cpu / self.each * 1e6:,.0f} us" if self.each else ""
        cells = [self.name, f"{self.written:,}", f"{self.calls:,}", f"{self.cpu:.2f} s", per, f"{self.clock:.1f} s",
                 waiting, self.note]  # fmt: skip
        return f"| {' | '.join(cells)} |"


HEAD = "| part | written | calls | processor | for each | clock | waiting | |\n|---|---|---|---|---|---|---|---|"


def measured(name: str, each: int, at_most: float, sync: Synchronizer, **options: object) -> Figures:
    """Run once, and end the run clean where it takes too long."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    run: Callable[..., SyncReport] = sync.run
    timer = threading.Timer(at_most, sync.stop)
    timer.start()
    began, spent = time.perf_counter(), time.process_time()
    try:
        report = run(progress=Told(), **options)
    finally:
        timer.cancel()
    clock, cpu = time.perf_counter() - began, time.process_time() - spent
    note = f"cut short: {report.cut_short}" if report.cut_short else ""
    calls = sum(report.calls.values())
    figures = Figures(name, len(report.written), calls, clock, cpu, each, note)
    print(figures.line(), file=sys.stderr, flush=True)
    return figures


def peak() -> str:
    """Tell the most memory that this process has had."""
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB"


def serve(pairs: int, wait: float) -> None:
    """Hold both services until the standard input ends; tell where they are, and what they took."""
    salesforce, dialog_insight = simulators()
    for start in range(0, pairs, KEPT_AT_ONCE):
        salesforce.load("Contact", [person(number) for number in range(start, min(start + KEPT_AT_ONCE, pairs))])
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
        spent = time.process_time()
        print(json.dumps([str(each) for each in told]), flush=True)
        sys.stdin.read()
        print(json.dumps([time.process_time() - spent, peak()]), flush=True)


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
        cpu, most = json.loads(server.stdout.readline())
        print(f"both services: {cpu:.1f} s of their own processor time, at most {most}")


def first_load(pairs: int, wait: float, at_most: float, folder: Path) -> list[Figures]:
    """Create everybody in the other service, and remember them; then run again, with nothing to do."""
    path = folder / "first.db"
    print(f"{pairs:,} records are made ...", file=sys.stderr, flush=True)
    with served(pairs, wait) as (salesforce, dialog_insight), SQLiteStore(path) as store:
        sync = Synchronizer(
            Integration([TRANSFER]), salesforce=salesforce, dialog_insight=dialog_insight, store=store,
            feeds=Feeds(multi_line_in_bulk=True),
        )  # fmt: skip
        found = [measured(f"first load of {pairs:,}", pairs, at_most, sync, first_run=True)]
        print("\n".join(sync.status().feeds["people"][0].reason.split("; ")), file=sys.stderr)
        found.append(measured(f"the same {pairs:,}, nothing to do", pairs, at_most, sync))
    print(f"SQLite: {path.stat().st_size / pairs:,.0f} bytes a link with its history; this process: at most {peak()}")
    return found


def few_changes(links: int, changes: int, at_most: float, folder: Path) -> list[Figures]:
    """Carry a thousand changes over many links: Salesforce by what changed, Dialog Insight by key, without sockets."""
    salesforce, dialog_insight = simulators()
    ids = salesforce.load("Contact", [person(number) for number in range(changes)])
    theirs = [{**person(number), "EMail": f"p{number}@example.com", "City": person(number)["MailingCity"]}
              for number in range(changes)]  # fmt: skip
    for row in theirs:
        del row["Email"], row["MailingCity"]
    dialog_insight.load_contacts(PROJECT, theirs)
    path, told = folder / f"many-{links}.db", Told()
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
            told("links are put into the store", start, links)
            numbers = range(start, min(start + KEPT_AT_ONCE, links - changes))
            store.save(Settlement(SyncReport(), changed_links=tuple(copied(pattern, number) for number in numbers)))
        for number, record_id in enumerate(ids):
            salesforce.edit("Contact", record_id, LastName=f"Changed {number}")
        found = [
            measured(f"{changes:,} changes among {links:,} links", changes, at_most, sync),
            measured(f"nothing new among {links:,} links", 0, at_most, sync),
        ]
    print(f"SQLite: {path.stat().st_size / links:,.0f} bytes a link at {links:,}; this process: at most {peak()}")
    return found


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
    parser.add_argument("--pairs", type=int, default=100_000, help="records of the first load")
    parser.add_argument("--links", type=int, default=1_000_000, help="pairs that are remembered while few change")
    parser.add_argument("--changes", type=int, default=1_000, help="records that change among them")
    parser.add_argument("--wait", type=float, default=0.05, help="seconds that each call of a service waits")
    parser.add_argument("--at-most", type=float, default=1_800.0, help="seconds after which a part is ended")
    parser.add_argument("--only", choices=["first-load", "changes"])
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.pairs, given.wait)
        return
    found: list[Figures] = []
    with tempfile.TemporaryDirectory() as folder:
        if given.only != "changes":
            found += first_load(given.pairs, given.wait, given.at_most, Path(folder))
        if given.only != "first-load":
            # The first of them twice: what is loaded on use is loaded then.
            few_changes(given.changes, given.changes, given.at_most, Path(folder))
            (Path(folder) / f"many-{given.changes}.db").unlink()
            for links in sorted({given.changes, max(given.changes, given.links // 10), given.links}):
                found += few_changes(links, given.changes, given.at_most, Path(folder))
    print(HEAD, *(figures.line() for figures in found), sep="\n")


if __name__ == "__main__":
    main()
