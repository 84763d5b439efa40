"""Measure Bulk API 2.0: the memory of a large query, CSV cells a second, the first look at a job; no tests.

This process serves CSV pages of one size, which must divide the rows; each measurement runs in a child process, whose
highest memory is the operating system's own figure.  Run `python bench/bulk.py [--rows 1000000]`.
"""

# ruff: noqa: INP001, T201, S603 - a program: it prints, reads clocks and starts itself

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from di_salesforce import SalesforceClient
from di_salesforce.salesforce import AccessToken, Bulk
from di_salesforce.salesforce._bulk_csv import CsvForm, pieces, read_lines
from di_salesforce.testing._loopback import LoopbackServer, SimRequest, SimResponse

JOB = {"id": "750000000000001AAA", "columnDelimiter": "COMMA", "lineEnding": "LF"}
HEAD = "Id,LastName,Email,Active__c,Points__c,CreatedDate\n"


class Service:
    """A job that is done at once, with so many rows."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.page = ""

    def __call__(self, request: SimRequest) -> SimResponse:
        """Answer one request."""
        if not request.path.endswith("/results"):
            return SimResponse.of_json({**JOB, "state": "JobComplete"})
        at, wanted = int(request.query.get("locator", "0")), int(request.query["maxRecords"])
        count = min(wanted, self.rows - at)
        if not self.page:
            self.page = "".join(
                f"003000{number:09d}AAA,Tremblay {number},p{number}@example.com,true,{number / 4},"
                f"2026-05-01T07:25:37.000Z\n"
                for number in range(count)
            )
        body = (
            (HEAD + self.page).encode() if count == wanted else (HEAD + self.page[: 0 if not count else None]).encode()
        )
        following = str(at + count) if at + count < self.rows else "null"
        return SimResponse(200, {"Sforce-NumberOfRecords": str(count), "Sforce-Locator": following}, body)


def people(count: int) -> Iterator[dict[str, Any]]:
    """Make rows one after another."""
    for n in range(count):
        yield {
            "Ext__c": f"x{n}",
            "LastName": f"Tremblay {n}",
            "Email": f"p{n}@example.com",
            "Active__c": True,
            "Points__c": n,
        }


def highest() -> float:
    """Give the most memory that this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def query(url: str, rows: int) -> dict[str, float]:
    """Go through a bulk query."""
    before, began = highest(), time.process_time()
    with SalesforceClient(auth=AccessToken(url, "t")) as client:
        count = sum(1 for _ in client.bulk_query("SELECT Id FROM Contact", bulk=Bulk(first_look=0)))
    return {"rows": count, "cpu": time.process_time() - began, "before MiB": before, "highest MiB": highest()}


def ingest(_: str, rows: int) -> dict[str, float]:
    """Cut rows into uploads, without sending them: one is held at a time."""
    before, began = highest(), time.process_time()
    count = sum(
        len(piece.places)
        for piece in pieces(
            enumerate(people(rows)), CsvForm(), key="Ext__c", most_bytes=10_000_000, most_rows=100_000, refuse=print
        )
    )
    return {"rows": count, "cpu": time.process_time() - began, "before MiB": before, "highest MiB": highest()}


def parse(_: str, rows: int) -> dict[str, float]:
    """Read a result file into cells."""
    service = Service(50_000)
    page = SimRequest("GET", "/results", "/results", {"maxRecords": "50000"}, {}, b"")
    content, count = service(page).body, 0
    began = time.process_time()
    for _again in range(max(1, rows // 50_000)):
        count += len(read_lines(content, CsvForm())) - 1
    return {"rows": count, "cpu": time.process_time() - began, "before MiB": 0, "highest MiB": highest()}


TASKS = {"query": query, "ingest": ingest, "parse": parse}


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--task", choices=TASKS)
    parser.add_argument("--url", default="")
    options = parser.parse_args()
    if options.task:
        print(json.dumps(TASKS[options.task](options.url, options.rows)))
        return
    print(f"Python {platform.python_version()}, {options.rows:,} rows\n")
    print("| task | rows | records a CPU second | highest memory MiB | of which before |")
    print("| --- | ---: | ---: | ---: | ---: |")
    with LoopbackServer(Service(options.rows), name="bulk") as server:
        for task in TASKS:
            command = [sys.executable, __file__, "--task", task, "--url", server.url, "--rows", str(options.rows)]
            told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            rate = told["rows"] / told["cpu"]
            print(f"| {task} | {told['rows']:,} | {rate:,.0f} | {told['highest MiB']:.0f} | {told['before MiB']:.0f} |")


if __name__ == "__main__":
    main()
