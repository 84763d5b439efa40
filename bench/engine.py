"""Compare the engine with diffsync, vdirsyncer, loops written by hand, Polars and DuckDB: ratios of one run, no tests.

Each contestant runs in a fresh process, in turns; its decisions are checked against a slow reference.  What is timed
goes from rows (and a memory that is in the contestant's own form) to finished decisions.
Run `python bench/engine.py [--rows 10000 100000 1000000] [--rounds 3] [--only NAME ...] [--objects]`; packages that
are not installed are named and left out.
"""

# ruff: noqa: INP001, T201, S603 - a program: it prints, starts itself anew, and reads the clock

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from typing import Any

from engine_changes import changes
from engine_contestants import CONTESTANTS
from engine_memory import memory
from engine_workload import Workload, reference, tally

OURS, SLOWEST = "di-salesforce", "diffsync"
_KIB = 1024  # Linux gives resident memory in KiB


def resident() -> float:
    """Give the largest resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB


def run_one(name: str, rows: int, *, objects: bool) -> dict[str, Any]:
    """Prepare one contestant, time it once, and read its decisions."""
    contest, _, _ = CONTESTANTS[name]
    run, decisions = contest(Workload(rows, objects=objects))
    gc.collect()
    before = resident()
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    after = resident()
    counts, checksum = tally(decisions(result))
    return {"cpu": cpu, "wall": wall, "mib": [before, after], "counts": counts, "checksum": checksum}


def in_a_process(*arguments: str) -> dict[str, Any]:
    """Run this file anew with other arguments, and give what it answers."""
    done = subprocess.run(
        [sys.executable, __file__, *arguments], capture_output=True, text=True, check=False, env={**os.environ}
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}:\n{done.stderr[-3000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def verdict(name: str, told: dict[str, Any], right: dict[str, Any]) -> str:
    """Say whether the decisions are the reference's; per-record and two-way contestants decide less."""
    if CONTESTANTS[name][2].startswith("per field"):
        return "as the reference" if told["checksum"] == right["checksum"] else f"WRONG: {told['counts']}"
    return ", ".join(f"{count:,} {verb}" for verb, count in told["counts"].items() if count)


def compare(rows: int, names: list[str], rounds: int, *, objects: bool) -> dict[str, float]:
    """Let the contestants take turns, print a table, and give each one's seconds of CPU."""
    kind = ["--objects"] if objects else []
    right = in_a_process("--reference", "--rows", str(rows), *kind)
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            results[name].append(in_a_process("--one", name, "--rows", str(rows), *kind))
    print(f"\n{rows:,} records, {rounds} rounds; the reference decides {right['counts']}")
    print("| contestant | CPU s (least-most) | wall s | records/s of CPU | of diffsync | MiB before / most | decided |")
    print("|---|---|---|---|---|---|---|---|")
    cpu = {name: statistics.median(told["cpu"] for told in several) for name, several in results.items()}
    for name, several in sorted(results.items(), key=lambda each: cpu[each[0]]):
        seconds = sorted(told["cpu"] for told in several)
        wall = statistics.median(told["wall"] for told in several)
        ratio = f"{cpu[SLOWEST] / cpu[name]:.1f}" if SLOWEST in cpu else ""
        before, most = several[-1]["mib"]
        print(
            f"| {name} ({CONTESTANTS[name][2]}) | {cpu[name]:.2f} ({seconds[0]:.2f}-{seconds[-1]:.2f}) | {wall:.2f} "
            f"| {rows / cpu[name]:,.0f} | {ratio} | {before:,.0f} / {most:,.0f} | {verdict(name, several[0], right)} |"
        )
    loops = [cpu[name] for name in names if name.startswith("by hand")]
    if OURS in cpu and loops:
        print(f"di-salesforce takes {cpu[OURS] / min(loops):.2f} times the CPU of the best loop by hand")
    return cpu


def installed(names: list[str]) -> list[str]:
    """Give the contestants whose packages are here, and name the others."""
    here: list[str] = []
    for name in names:
        missing = [package for package in CONTESTANTS[name][1] if importlib.util.find_spec(package) is None]
        if missing:
            print(f"left out: {name} ({', '.join(missing)} not installed)")
        else:
            here.append(name)
    return here


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(CONTESTANTS), choices=list(CONTESTANTS))
    parser.add_argument("--objects", action="store_true", help="days and moments as objects instead of text")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--reference", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--memory", type=int, help="links for which memory is measured, and nothing else")
    parser.add_argument("--changes", type=int, help="stored links against which 1,000 changes are planned, only")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(run_one(options.one, options.rows[0], objects=options.objects)))
    elif options.reference:
        counts, checksum = tally(reference(Workload(options.rows[0], objects=options.objects)))
        print(json.dumps({"counts": counts, "checksum": checksum}))
    elif options.changes is not None:
        print(json.dumps(changes(options.changes)))
    elif options.memory is not None:
        print(json.dumps(memory(options.memory)))
    else:
        names = installed(options.only)
        packages = sorted({package for name in names for package in CONTESTANTS[name][1]} | {"di-salesforce"})
        print(f"Python {platform.python_version()}, " + ", ".join(f"{each} {version(each)}" for each in packages))
        cpu = {rows: compare(rows, names, options.rounds, objects=options.objects) for rows in options.rows}
        for fewer, more in zip(options.rows, options.rows[1:], strict=False):
            print(f"\ngrowth exponents from {fewer:,} to {more:,} records:")
            for name in names:
                print(f"  {name}: {math.log(cpu[more][name] / cpu[fewer][name]) / math.log(more / fewer):.2f}")


if __name__ == "__main__":
    main()
