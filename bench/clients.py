"""Race the Salesforce and Dialog Insight clients against their peers: interleaved, ratios of one run, no tests.

One server in a process of its own (`clients_service.py`) answers at once or after a set latency.  Peers that are not
installed are left out and named.  Run it from an environment that has them:

    python bench/clients.py [--rows 200000] [--written 50000] [--latency 0 50 200] [--rounds 3] [--markdown]

jsforce is found where JSFORCE names a folder with a `node_modules` that has it.  CPU is the client process's own.
"""

# ruff: noqa: INP001, T201, TID251, S603, S607 - a program: it prints, reads clocks, runs node, and uses the peers

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import requests
from requests.adapters import HTTPAdapter

from di_salesforce import AsyncSalesforceClient, DialogInsightClient, SalesforceClient
from di_salesforce._json_text import read_exactly
from di_salesforce.dialog_insight import Capabilities
from di_salesforce.salesforce import AccessToken

SLICE, BATCH, PARALLEL = 200, 25, 8  # a slice and a batch of the vendor's; requests side by side
BASE = "/services/data/v60.0"
SOQL = "SELECT Id, LastName, Email, Active__c, Points__c FROM Contact"
UPSERT = f"{BASE}/composite/sobjects/Contact/Ext__c"
MERGE = "/webservices/ofc4/contacts.ashx?method=Merge"
PEERS = ("di-salesforce", "httpx", "requests", "simple-salesforce", "aiosalesforce", "msgspec", "sniffio", "orjson")

Run = Callable[[], int]


def versions() -> str:
    """Name what races, with versions."""
    found = [f"Python {platform.python_version()}"]
    for name in PEERS:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} (not installed)")
    if folder := os.environ.get("JSFORCE"):
        package = json.loads((Path(folder) / "node_modules/jsforce/package.json").read_text(encoding="utf-8"))
        found.append(f"jsforce {package['version']}")
    return ", ".join(found)


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


class AsyncToLoopback(httpx.AsyncHTTPTransport):
    """The same for aiosalesforce, which takes no host but my.salesforce.com."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._to = httpx.URL(url)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send to the server."""
        request.url = request.url.copy_with(scheme=self._to.scheme, host=self._to.host, port=self._to.port)
        return await super().handle_async_request(request)


@contextmanager
def served(rows: int) -> Iterator[str]:
    """Start the server."""
    command = [sys.executable, str(Path(__file__).with_name("clients_service.py")), "--rows", str(rows)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline() if server.stdout else 0)}"
        finally:
            server.kill()


def paged(get: Callable[[str], Any]) -> int:
    """Follow the pages by a bare client, and go through the rows."""
    path, count = f"{BASE}/query?q={SOQL.replace(' ', '+')}", 0
    while path:
        page = get(path)
        for row in page["records"]:
            count += "Id" in row
        path = page.get("nextRecordsUrl", "")
    return count


def through(rows: Any) -> int:
    """Go through the rows of a client, as `paged` does."""
    count = 0
    for row in rows:
        count += "Id" in row
    return count


def slices(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make the bodies of collections."""
    return [
        {"allOrNone": False, "records": [{"attributes": {"type": "Contact"}, **row} for row in rows[at : at + SLICE]]}
        for at in range(0, len(rows), SLICE)
    ]


def side_by_side(bodies: list[dict[str, Any]], send: Callable[[dict[str, Any]], Any]) -> int:
    """Send bodies by a bare client, several at once, and count what comes back."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        return sum(len(done) for done in pool.map(send, bodies))


async def paged_async(url: str) -> int:
    """Follow the pages by bare httpx on an event loop, with our decoder."""
    path, count = f"{BASE}/query?q={SOQL.replace(' ', '+')}", 0
    async with httpx.AsyncClient(base_url=url) as client:
        while path:
            page = read_exactly((await client.get(path)).content)
            for row in page["records"]:
                count += "Id" in row
            path = page.get("nextRecordsUrl", "")
    return count


async def patched_async(url: str, bodies: list[dict[str, Any]]) -> int:
    """Send bodies by bare httpx on an event loop, several at once, and count what comes back."""
    places = asyncio.Semaphore(PARALLEL)
    async with httpx.AsyncClient(base_url=url) as client:

        async def one(body: dict[str, Any]) -> int:
            async with places:
                return len((await client.patch(UPSERT, json=body)).json())

        return sum(await asyncio.gather(*map(one, bodies)))


def aio(url: str, work: Callable[[Any], Any]) -> int:
    """Run aiosalesforce."""
    from aiosalesforce import Salesforce
    from aiosalesforce.auth import Auth

    class Ready(Auth):
        async def _acquire_new_access_token(self, client: Any) -> str:
            return "token"

    async def run() -> int:
        async with httpx.AsyncClient(transport=AsyncToLoopback(url)) as http:
            return await work(Salesforce(http, "https://acme.my.salesforce.com", Ready(), concurrency_limit=PARALLEL))

    return asyncio.run(run())


async def aio_read(salesforce: Any) -> int:
    """Go through the rows by aiosalesforce."""
    count = 0
    async for row in salesforce.query(SOQL):
        count += "Id" in row
    return count


def aio_upsert(rows: list[dict[str, Any]]) -> Callable[[Any], Any]:
    """Upsert by aiosalesforce: batches of 25, which is the most that it sends in one call."""

    async def work(salesforce: Any) -> int:
        places = asyncio.Semaphore(PARALLEL)

        async def one(part: list[dict[str, Any]]) -> int:
            async with places, salesforce.composite.batch() as batch:
                asked = [
                    batch.sobject.upsert("Contact", row["Ext__c"], "Ext__c", {k: row[k] for k in row if k != "Ext__c"})
                    for row in part
                ]
            return sum(sub.is_success for sub in asked)

        return sum(await asyncio.gather(*(one(rows[at : at + BATCH]) for at in range(0, len(rows), BATCH))))

    return work


def readers(url: str, rows: int) -> dict[str, Run]:
    """Give those who read."""
    auth = AccessToken(url, "token")

    def ours(**options: Any) -> Run:
        def run() -> int:
            with SalesforceClient(auth=auth, **options) as client:
                return through(client.query(SOQL))

        return run

    def bare(read: Callable[[bytes], Any]) -> Run:
        def run() -> int:
            with httpx.Client(base_url=url) as client:
                return paged(lambda path: read(client.get(path).content))

        return run

    def plain() -> int:
        with requests.Session() as session:
            session.trust_env = False
            return paged(lambda path: session.get(url + path).json())

    def guest() -> int:
        from simple_salesforce.api import Salesforce

        with requests.Session() as session:
            session.trust_env = False
            session.mount("https://", ToLoopback(url))
            return through(Salesforce(session_id="t", instance_url=url, session=session).query_all_iter(SOQL))

    async def awaited(ranges: int) -> int:
        async with AsyncSalesforceClient(auth=auth, ranges=ranges) as client:
            count = 0
            async for row in client.query(SOQL):
                count += "Id" in row
            return count

    return {
        "httpx, same decoder": bare(read_exactly),
        "httpx, json": bare(json.loads),
        "httpx async, same decoder": lambda: asyncio.run(paged_async(url)),
        "requests": plain,
        "simple-salesforce": guest,
        "aiosalesforce": lambda: aio(url, aio_read),
        "jsforce": lambda: node(url, "read", rows),
        "di-salesforce": ours(),
        "di-salesforce async": lambda: asyncio.run(awaited(1)),
        f"di-salesforce, ranges={PARALLEL}": ours(ranges=PARALLEL),
        f"di-salesforce async, ranges={PARALLEL}": lambda: asyncio.run(awaited(PARALLEL)),
    }


def writers(url: str, rows: int) -> dict[str, Run]:
    """Give those who upsert."""
    given = [
        {"Ext__c": f"x{n}", "LastName": f"Tremblay {n}", "Email": f"p{n}@example.com", "Active__c": True}
        for n in range(rows)
    ]
    auth = AccessToken(url, "token")

    def bare() -> int:
        with httpx.Client(base_url=url) as client:
            return side_by_side(slices(given), lambda body: client.patch(UPSERT, json=body).json())

    def plain() -> int:
        with requests.Session() as session:
            session.trust_env = False
            session.mount("http://", HTTPAdapter(pool_maxsize=PARALLEL))
            return side_by_side(slices(given), lambda body: session.patch(url + UPSERT, json=body).json())

    def guest() -> int:
        from simple_salesforce.api import Salesforce

        with requests.Session() as session:
            session.trust_env = False
            session.mount("https://", ToLoopback(url))
            sf = Salesforce(session_id="t", instance_url=url, session=session)
            path = UPSERT.removeprefix(f"{BASE}/")
            return sum(len(sf.restful(path, method="PATCH", json=body)) for body in slices(given))

    def ours() -> int:
        with SalesforceClient(auth=auth, parallel=PARALLEL) as client:
            return sum(result.success for result in client.upsert_many("Contact", "Ext__c", given))

    async def awaited() -> int:
        async with AsyncSalesforceClient(auth=auth, parallel=PARALLEL) as client:
            return sum(result.success for result in await client.upsert_many("Contact", "Ext__c", given))

    return {
        "httpx, 8 at once": bare,
        "httpx async, 8 at once": lambda: asyncio.run(patched_async(url, slices(given))),
        "requests, 8 at once": plain,
        "simple-salesforce, collections": guest,
        "aiosalesforce, batches, 8 at once": lambda: aio(url, aio_upsert(given)),
        "jsforce, collections": lambda: node(url, "upsert", rows),
        "di-salesforce, 8 at once": ours,
        "di-salesforce async, 8 at once": lambda: asyncio.run(awaited()),
    }


def row_by_row(url: str, rows: int) -> dict[str, Run]:
    """Give what writes one record in a call."""

    def guest() -> int:
        from simple_salesforce.api import Salesforce

        with requests.Session() as session:
            session.trust_env = False
            session.mount("https://", ToLoopback(url))
            sf = Salesforce(session_id="t", instance_url=url, session=session)
            contact: Any = sf.Contact
            return sum(contact.upsert(f"Ext__c/x{n}", {"LastName": "A"}) == 200 for n in range(rows))

    return {"simple-salesforce, row by row": guest}


def mergers(url: str, rows: int) -> dict[str, Run]:
    """Give those who merge contacts into Dialog Insight, 1,000 in a call, one call after another and four at once."""
    given = [{"EMail": f"p{n}@example.com", "f_FirstName": "Ada", "Points": n, "optin_news": True} for n in range(rows)]
    options = {"AllowInsert": True, "AllowUpdate": True, "ReturnRecordsOnSuccess": True}

    def bare(width: int) -> Run:
        def run() -> int:
            bodies = [
                {
                    "AuthKey": {"idKey": 1, "Key": "k"},
                    "idProject": 1,
                    "Records": [
                        {"ID": {"key_f_EMail": r["EMail"]}, "Data": {f"f_{name}": r[name] for name in r}}
                        for r in given[at : at + 1000]
                    ],
                    "MergeOptions": options,
                }
                for at in range(0, rows, 1000)
            ]
            with httpx.Client(base_url=url) as client, ThreadPoolExecutor(width) as pool:
                sent = pool.map(lambda body: client.post(MERGE, json=body).json()["Records"], bodies)
                return sum(len(records) for records in sent)

        return run

    def ours(width: int) -> Run:
        def run() -> int:
            able = Capabilities(merges_at_once=width)
            with DialogInsightClient(id_key=1, key="k", host=url, capabilities=able) as client:
                return sum(result.written for result in client.project(1).contacts.merge(given, key="EMail"))

        return run

    return {
        "httpx": bare(1),
        "httpx, 4 at once": bare(4),
        "di-salesforce": ours(1),
        "di-salesforce, merges_at_once=4": ours(4),
    }


CHILD: dict[str, float] = {}  # what the latest child process measured of itself


def node(url: str, task: str, rows: int) -> int:
    """Run jsforce in a process of its own; its start is not counted."""
    script = Path(__file__).with_name("clients_jsforce.mjs")
    done = subprocess.run(["node", str(script), url, task, str(rows)], capture_output=True, text=True, check=True)
    CHILD.update(json.loads(done.stdout))
    return int(CHILD["done"])


def timed(run: Run, rows: int) -> tuple[float, float]:
    """Give the seconds of the wall and of the CPU that a contestant takes; all rows must come."""
    CHILD.clear()
    wall, cpu = time.perf_counter(), time.process_time()
    count = run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if count != rows:
        raise SystemExit(f"{count} of {rows} rows")
    return (CHILD["seconds"], CHILD["cpu"]) if CHILD else (wall, cpu)


def race(title: str, contestants: dict[str, Run], rows: int, rounds: int, base: str) -> None:
    """Let all take turns, and print the median of each and its ratio to the first."""
    times: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for name, run in contestants.items():
            try:
                measured = timed(run, rows)
            except (ImportError, FileNotFoundError, KeyError, subprocess.CalledProcessError) as error:
                print(f"  left out: {name} ({type(error).__name__})", file=sys.stderr)
            else:
                times.setdefault(name, []).append(measured)
    median = {
        name: tuple(statistics.median(one[part] for one in each) for part in (0, 1)) for name, each in times.items()
    }
    wall, cpu = median[base]
    print(f"\n**{title}**, median of {rounds}\n")
    print(f"| client | rows a second | times {base} | CPU us a row | CPU, times {base} |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, (seconds, used) in median.items():
        print(f"| {name} | {rows / seconds:,.0f} | {wall / seconds:.2f} | {used / rows * 1e6:.1f} | {used / cpu:.2f} |")
    sys.stdout.flush()


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--written", type=int, default=50_000)
    parser.add_argument("--latency", type=float, nargs="*", default=[0, 50, 200], help="milliseconds")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(versions())
    with served(options.rows) as url:
        for latency in options.latency:
            httpx.get(f"{url}/latency/{latency / 1000}")
            at, rounds = f"at {latency:g} ms", options.rounds
            race(
                f"read {options.rows:,} rows {at}",
                readers(url, options.rows),
                options.rows,
                rounds,
                "httpx, same decoder",
            )
            written = options.written
            race(f"upsert {written:,} rows {at}", writers(url, written), written, rounds, "httpx, 8 at once")
            few = 100 if latency else 1000
            race(f"upsert {few} rows {at}", row_by_row(url, few), few, 1, "simple-salesforce, row by row")
            race(f"merge {written:,} contacts {at}", mergers(url, written), written, rounds, "httpx")


if __name__ == "__main__":
    main()
