"""Show where a client's own CPU goes: shares by package, and our functions that take most of it.

One thread, so that the profiler sees all of it; it makes Python code look dearer than it is beside compiled code.
Run `python bench/clients_profile.py [--rows 40000]`.
"""

# ruff: noqa: INP001, T201 - a program: it prints

from __future__ import annotations

import argparse
import cProfile
import pstats
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from clients import SOQL, served
from di_salesforce import DialogInsightClient, SalesforceClient
from di_salesforce.salesforce import AccessToken

PARTS = {
    "di_salesforce": "ours",
    "httpx": "HTTP (httpx, httpcore, h11)",
    "httpcore": "HTTP (httpx, httpcore, h11)",
    "h11": "HTTP (httpx, httpcore, h11)",
}


def part_of(file: str, function: str) -> str:
    """Name the part that a function belongs to."""
    if "msgspec" in function:
        return "JSON, compiled"
    if any(word in function for word in ("_socket", "_ssl", "select.")):
        return "sockets and TLS settings"
    return next((PARTS[name] for name in PARTS if f"/{name}/" in file), "the rest of Python")


def show(title: str, work: Callable[[], object]) -> None:
    """Profile a work, and print its shares."""
    work()
    profile = cProfile.Profile()
    profile.runcall(work)
    shares: Counter[str] = Counter()
    ours: Counter[str] = Counter()
    for (file, _, function), (_, _, seconds, *_) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]  # typeshed leaves `stats` out
        part = part_of(file, function)
        shares[part] += seconds
        if part == "ours":
            ours[f"{Path(file).stem}.{function}"] += seconds
    whole = sum(shares.values())
    print(f"\n**{title}**\n\n| part | share |\n| --- | ---: |")
    for name, seconds in shares.most_common():
        print(f"| {name} | {seconds / whole:.0%} |")
    print("\nOurs: " + ", ".join(f"`{name}` {seconds / whole:.0%}" for name, seconds in ours.most_common(5)))


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=40_000)
    rows = parser.parse_args().rows
    given = [{"Ext__c": f"x{n}", "LastName": f"Tremblay {n}", "Email": f"p{n}@example.com"} for n in range(rows)]
    merged = [{"EMail": f"p{n}@example.com", "FirstName": "Ada", "Points": n} for n in range(rows)]
    with served(rows) as url:
        auth = AccessToken(url, "t")
        with (
            SalesforceClient(auth=auth, parallel=1) as client,
            DialogInsightClient(id_key=1, key="k", host=url) as di,
        ):
            show(f"read {rows:,} rows", lambda: sum(1 for _ in client.query(SOQL)))
            show(f"upsert {rows:,} rows", lambda: client.upsert_many("Contact", "Ext__c", given))
            show(f"merge {rows:,} contacts", lambda: di.project(1).contacts.merge(merged, key="EMail"))


if __name__ == "__main__":
    main()
