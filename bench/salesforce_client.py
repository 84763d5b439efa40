"""Compare the Salesforce client with simple-salesforce, bare httpx and bare requests: ratios of one run, no tests.

A loopback server answers at once or after a set latency; it stores nothing, so what is measured is the client's side,
on cores that it shares with the server: read the ratios, not the numbers.
Run `python bench/salesforce_client.py [--rows 20000] [--latency 0 50 200]`.
"""

# ruff: noqa: INP001, T201, TID251 - a program: it prints, waits, and uses the clients that it compares

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce

from di_salesforce import SalesforceClient
from di_salesforce.records import record_id_18
from di_salesforce.salesforce import AccessToken
from di_salesforce.testing._loopback import LoopbackServer, SimRequest, SimResponse

PAGE, SLICE, PARALLEL = 2000, 200, 8  # a page and a slice of the vendor's; connections used side by side
BASE = "/services/data/v60.0"


def record(number: int) -> dict[str, Any]:
    """Make a record as a query shows it."""
    return {
        "attributes": {"type": "Contact", "url": f"{BASE}/sobjects/Contact/003{number:012d}"},
        "Id": record_id_18(f"003{number:012d}"),
        "LastName": f"Tremblay {number}",
        "Email": f"p{number}@example.com",
        "Points__c": number / 4,
    }


class Service:
    """Answers queries page by page, and collections with success; waits so many seconds before each answer."""

    def __init__(self, rows: int, latency: float) -> None:
        self.latency = latency
        self.pages: list[bytes] = []
        for first in range(0, rows, PAGE):
            last = min(first + PAGE, rows)
            page: dict[str, Any] = {"totalSize": rows, "done": last == rows}
            if last < rows:
                page["nextRecordsUrl"] = f"{BASE}/query/0r8000000000001AAA-{last}"
            page["records"] = [record(number) for number in range(first, last)]
            self.pages.append(json.dumps(page).encode())
        one = {"id": record_id_18("003000000000001"), "success": True, "errors": [], "created": True}
        self.written = json.dumps([one] * SLICE).encode()

    def __call__(self, request: SimRequest) -> SimResponse:
        """Answer one request."""
        time.sleep(self.latency)
        if "/query" in request.path:
            first = int(request.path.rpartition("-")[2]) if "-" in request.path else 0
            return SimResponse(200, {"Content-Type": "application/json"}, self.pages[first // PAGE])
        return SimResponse(200, {"Content-Type": "application/json"}, self.written)


class ToLoopback(HTTPAdapter):
    """Sends https requests to the server instead: simple-salesforce writes https into every address."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._to = urlsplit(url)

    def send(self, request: requests.PreparedRequest, *args: Any, **rest: Any) -> requests.Response:
        """Send to the server."""
        asked = urlsplit(str(request.url))
        request.url = urlunsplit((self._to.scheme, self._to.netloc, asked.path, asked.query, ""))
        return super().send(request, *args, **rest)


def paged(get: Callable[[str], Any]) -> int:
    """Follow the pages by a bare client, and count the rows."""
    path, count = f"{BASE}/query?q=SELECT+Id+FROM+Contact", 0
    while path:
        page = get(path)
        count += len(page["records"])
        path = page.get("nextRecordsUrl", "")
    return count


def sliced(rows: list[dict[str, Any]], patch: Callable[[dict[str, Any]], Any]) -> int:
    """Write slices side by side by a bare client, and count the rows."""
    bodies = [
        {"allOrNone": False, "records": [{"attributes": {"type": "Contact"}, **row} for row in rows[at : at + SLICE]]}
        for at in range(0, len(rows), SLICE)
    ]
    with ThreadPoolExecutor(PARALLEL) as pool:
        return sum(len(done) for done in pool.map(patch, bodies))


def measure(rows: int, latency: float) -> None:
    """Run every contestant once against one server, and print rows a second and the ratio to bare httpx."""
    given = [{"Ext__c": f"x{number}", "LastName": f"Tremblay {number}"} for number in range(rows)]
    path = f"{BASE}/composite/sobjects/Contact/Ext__c"
    soql = "SELECT Id, LastName, Email, Points__c FROM Contact"
    with LoopbackServer(Service(rows, latency), name="bench") as server, httpx.Client(base_url=server.url) as bare:
        auth = AccessToken(server.url, "token")
        with (
            SalesforceClient(auth=auth, parallel=PARALLEL) as ours,
            SalesforceClient(auth=auth, prefetch=PARALLEL) as ahead,
            requests.Session() as plain,
            requests.Session() as mounted,
        ):
            plain.trust_env = mounted.trust_env = False
            mounted.mount("https://", ToLoopback(server.url))
            guest = Salesforce(session_id="token", instance_url=server.url, session=mounted)
            readers: dict[str, Callable[[], int]] = {
                "httpx": lambda: paged(lambda at: bare.get(at).json()),
                "requests": lambda: paged(lambda at: plain.get(server.url + at).json()),
                "simple-salesforce": lambda: len(guest.query_all(soql)["records"]),
                "di-salesforce": lambda: len(ours.query_all(soql)),
                f"di-salesforce, prefetch={PARALLEL}": lambda: len(ahead.query_all(soql)),
            }
            writers: dict[str, Callable[[], int]] = {
                "httpx": lambda: sliced(given, lambda body: bare.patch(path, json=body).json()),
                "requests": lambda: sliced(given, lambda body: plain.patch(server.url + path, json=body).json()),
                "simple-salesforce, collections": lambda: sum(
                    len(
                        guest.restful(
                            path.removeprefix(f"{BASE}/"), method="PATCH", json={"records": given[at : at + SLICE]}
                        )
                    )
                    for at in range(0, rows, SLICE)
                ),
                "di-salesforce": lambda: len(ours.upsert_many("Contact", "Ext__c", given)),
            }
            for what, contestants in (("read", readers), ("upsert", writers)):
                compare(f"{what} {rows} rows at {latency * 1000:g} ms", contestants)


def compare(title: str, contestants: dict[str, Callable[[], int]]) -> None:
    """Time each contestant, and print a table."""
    print(f"\n{title}")
    speeds: dict[str, float] = {}
    for name, run in contestants.items():
        began = time.perf_counter()
        count = run()
        speeds[name] = count / (time.perf_counter() - began)
        print(f"  {name:32} {speeds[name]:>10,.0f} rows/s   {speeds[name] / speeds['httpx']:6.2f} of httpx")


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--latency", type=float, nargs="*", default=[0, 50, 200], help="milliseconds")
    options = parser.parse_args()
    guests = ("di-salesforce", "httpx", "requests", "simple-salesforce")
    print(f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in guests))
    for latency in options.latency:
        measure(options.rows, latency / 1000)


if __name__ == "__main__":
    main()
