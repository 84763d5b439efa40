"""A thousand changes against a memory that stays in its SQLite file, beside the full compare with the same memory."""

# ruff: noqa: INP001 - a module of a program in this folder, which reads the clock

from __future__ import annotations

import itertools
import tempfile
import time
from pathlib import Path
from typing import Any

from engine_contestants import NOW, links, our_rows, transfer
from engine_workload import DIALOG_INSIGHT_NAMES, SALESFORCE_NAMES, Workload

_CHANGES = 1000
_BATCH = 20_000  # links that are saved at once


def _fill(store: Any, work: Workload) -> None:
    from di_salesforce.engine import Settlement, SyncReport

    left = links(work)
    while batch := tuple(itertools.islice(left, _BATCH)):
        store.save(Settlement(SyncReport(), changed_links=batch))


def changes(count: int) -> dict[str, Any]:
    """Time both plans, each from opening what is stored to a finished plan; rows are at hand."""
    from di_salesforce import SQLiteStore
    from di_salesforce.engine import Snapshot, reconcile

    work = Workload(count)
    told: dict[str, Any] = {"links": count}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        with SQLiteStore(path) as store:
            _fill(store, work)
        told["MiB on disk"] = path.stat().st_size / 2**20
        # Of all that was touched on either side, as a feed of changes would give it: a thousand rows together.
        left, right = our_rows(work)
        few = [
            [row for row in rows if row[names[1]] and "changed" in str(row[names[1]])][: _CHANGES // 2]
            for rows, names in ((left, SALESFORCE_NAMES), (right, DIALOG_INSIGHT_NAMES))
        ]
        few = [each + rows[: _CHANGES // 2 - len(each)] for each, rows in zip(few, (left, right), strict=True)]
        snapshots = {
            "changes": (Snapshot.changes(few[0]), Snapshot.changes(few[1])),
            "full": (Snapshot.complete(left), Snapshot.complete(right)),
        }
        for name, (salesforce, dialog_insight) in snapshots.items():
            with SQLiteStore(path) as store:
                began = time.process_time()
                baseline: Any = store.stored_baseline("contacts") if name == "changes" else store.baseline("contacts")
                read = time.process_time()
                plan = reconcile(
                    transfer(), salesforce=salesforce, dialog_insight=dialog_insight, baseline=baseline, now=NOW
                )
                told[f"{name}: CPU s to read the memory"] = read - began
                told[f"{name}: CPU s to plan"] = time.process_time() - read
                told[f"{name}: actions"] = len(plan.actions)
    told["changes / full"] = (
        told["changes: CPU s to plan"] + told["changes: CPU s to read the memory"]
    ) / (told["full: CPU s to plan"] + told["full: CPU s to read the memory"])  # fmt: skip
    return told
