"""Measure both simulators over loopback: writes and reads a second, and the memory that their rows take; no tests.

The simulator runs in a process of its own, bound to one core where the system can do that; the client is the standard
library's, in this process.  What is told per second of the server's processor time does not depend on the other core;
what is told per second of the clock does.  No other simulator of either service takes collections, so there is no peer.
Run `python bench/simulators.py [--rows 100000]`.
"""

# ruff: noqa: INP001, T201, S603, S608 - a program: it prints, starts itself as the server, and puts its query together

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from di_salesforce.testing import (
    Column,
    FakeDialogInsight,
    FakeSalesforce,
    Field,
    OptinField,
    Project,
    ProjectField,
    Table,
)

BASE = "/services/data/v60.0/"
SLICE = 200  # rows of a collection call, the vendor's most
MERGED = 1000  # rows of a Merge, the simulator's default ceiling
PROJECT, TABLE = 4321, 8765
FIELDS = ("Ext__c", "FirstName", "LastName", "Email", "Phone", "MailingCity", "Points__c", "Newsletter__c", "Birthdate")
QUERY = f"SELECT Id, {', '.join(FIELDS)} FROM Contact"
CORE = 0  # the core that the server is bound to


def contact(number: int) -> dict[str, object]:
    """Make a contact with nine fields, as a transfer of people has them."""
    return {
        "Ext__c": f"K{number:07d}",
        "FirstName": f"Prénom {number % 977}",
        "LastName": f"Tremblay {number}",
        "Email": f"p{number}@example.com",
        "Phone": f"+1 514 555-{number % 10_000:04d}",
        "MailingCity": ("Montréal", "Québec", "Laval", "Gatineau")[number % 4],
        "Points__c": number / 4,
        "Newsletter__c": number % 2 == 0,
        "Birthdate": f"19{number % 90 + 10}-05-04",
    }


def salesforce() -> FakeSalesforce:
    """Declare the org."""
    fake = FakeSalesforce()
    fake.daily_limit = 10_000_000
    fake.add_field("Contact", Field("Ext__c", length=20, external_id=True, unique=True))
    fake.add_field("Contact", Field("Points__c", "double"))
    fake.add_field("Contact", Field("Newsletter__c", "boolean"))
    return fake


def dialog_insight() -> FakeDialogInsight:
    """Declare the account: the same people, and rows of a profiling table that hang on them."""
    fake = FakeDialogInsight()
    fields = [ProjectField("EMail", "email", key=True), ProjectField("Phone"), ProjectField("City")]
    fields += [ProjectField("Points", "decimal"), ProjectField("Ext"), ProjectField("Birth", "date")]
    fake.add_project(Project(PROJECT, fields=fields, optins=[OptinField("news")]))
    columns = [Column("idOrder", key=True), Column("idContact", "int", foreign_key=True), Column("Revenue", "decimal")]
    fake.add_table(Table(TABLE, project=PROJECT, kind="profiling", columns=columns))
    return fake


def serve(which: str) -> None:
    """Be the server: say where it listens, and go when the other side does."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {CORE})
    with salesforce() if which == "salesforce" else dialog_insight() as fake:
        token = fake.access_token() if isinstance(fake, FakeSalesforce) else fake.key
        print(json.dumps([fake.url, token]), flush=True)
        sys.stdin.read()


class Server:
    """A simulator in another process, a connection to it, and what the system says of it."""

    def __init__(self, process: subprocess.Popen[str], url: str, token: str) -> None:
        self._pid = process.pid
        self.token = token
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc)

    def ask(self, method: str, target: str, body: object = None) -> Any:  # the answer's JSON
        """Send one request."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        self._connection.request(method, target, None if body is None else json.dumps(body).encode(), headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {target}: {answer.status} {text[:300]!r}")
        return json.loads(text)

    @property
    def processor_seconds(self) -> float:
        """What the server has used of its core."""
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, name: str) -> float:
        """Read a line of `/proc/<pid>/status` (`VmRSS`, `VmHWM`), in megabytes."""
        for line in Path(f"/proc/{self._pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 1024
        raise SystemExit("this system does not tell the memory of a process")


@contextmanager
def started(which: str) -> Iterator[Server]:
    """Start a server, and stop it in the end."""
    program = [sys.executable, __file__, "--serve", which]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        url, token = json.loads((process.stdout or sys.stdin).readline())  # it is a pipe: typing does not know
        yield Server(process, url, token)
        (process.stdin or sys.stdout).close()


def measured(server: Server, name: str, rows: int, work: Callable[[], None]) -> None:
    """Do some work and print a line of the table."""
    before, began = server.processor_seconds, time.perf_counter()
    work()
    seconds, used = time.perf_counter() - began, server.processor_seconds - before
    print(f"| {name} | {rows:,} | {rows / used:,.0f} | {rows / seconds:,.0f} | {server.memory('VmRSS'):.0f} MB |")


def measure_salesforce(rows: int) -> None:
    """Upsert all rows, upsert them again, read them, read them by Bulk."""
    with started("salesforce") as server:

        def upsert() -> None:
            for first in range(0, rows, SLICE):
                records = [
                    {"attributes": {"type": "Contact"}, **contact(number)}
                    for number in range(first, min(first + SLICE, rows))
                ]
                path = BASE + "composite/sobjects/Contact/Ext__c"
                outcomes = server.ask("PATCH", path, {"allOrNone": False, "records": records})
                if not all(one["success"] for one in outcomes):
                    raise SystemExit(f"refused: {outcomes[0]}")

        def query() -> None:
            answer = server.ask("GET", f"{BASE}query?q={quote(QUERY)}")
            seen = len(answer["records"])
            while "nextRecordsUrl" in answer:
                answer = server.ask("GET", answer["nextRecordsUrl"])
                seen += len(answer["records"])
            if seen != rows:
                raise SystemExit(f"{seen} rows instead of {rows}")

        print(f"| Salesforce, nothing stored | 0 | | | {server.memory('VmRSS'):.0f} MB |")
        measured(server, "Salesforce, collection upserts that create", rows, upsert)
        measured(server, "Salesforce, collection upserts that update", rows, upsert)
        measured(server, "Salesforce, query pages of 2,000", rows, query)
        print(f"| Salesforce, most at any time | | | | {server.memory('VmHWM'):.0f} MB |")


def measure_dialog_insight(rows: int) -> None:
    """Merge all rows, merge them again, read them."""
    with started("dialog_insight") as server:
        head = {"AuthKey": {"idKey": 1234, "Key": server.token}, "idProject": PROJECT}
        flags = {"AllowInsert": True, "AllowUpdate": True}

        def data(number: int) -> dict[str, object]:
            row = contact(number)
            names = {"f_FirstName": "FirstName", "f_LastName": "LastName", "f_Phone": "Phone", "f_City": "MailingCity"}
            more = {"f_Points": "Points__c", "f_Ext": "Ext__c", "optin_news": "Newsletter__c", "f_Birth": "Birthdate"}
            return {wire: row[name] for wire, name in {**names, **more}.items()}

        def merge() -> None:
            for first in range(0, rows, MERGED):
                records = [
                    {"ID": {"key_f_EMail": f"p{number}@example.com"}, "Data": data(number)}
                    for number in range(first, min(first + MERGED, rows))
                ]
                body = {**head, "Records": records, "MergeOptions": flags}
                answer = server.ask("POST", "/webservices/ofc4/contacts.ashx?method=Merge", body)
                if answer["CreatedRecords"] + answer["UpdatedRecords"] != len(records):
                    raise SystemExit(f"refused: {answer['Records'][0]}")

        def get() -> None:
            answer = server.ask("POST", "/webservices/ofc4/contacts.ashx?method=Get", head)
            if len(answer["Records"]) != rows:
                raise SystemExit(f"{len(answer['Records'])} rows instead of {rows}")

        print(f"| Dialog Insight, nothing stored | 0 | | | {server.memory('VmRSS'):.0f} MB |")
        measured(server, "Dialog Insight, Merge of new contacts", rows, merge)
        measured(server, "Dialog Insight, Merge of known contacts", rows, merge)
        measured(server, "Dialog Insight, Get of all", rows, get)
        print(f"| Dialog Insight, most at any time | | | | {server.memory('VmHWM'):.0f} MB |")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--serve", choices=["salesforce", "dialog_insight"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.serve)
        return
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    print("| what | rows | rows per second of processor time | rows per second of the clock | resident memory |")
    print("|---|---|---|---|---|")
    measure_salesforce(chosen.rows)
    measure_dialog_insight(chosen.rows)


if __name__ == "__main__":
    main()
