"""What a link costs that is kept in a memory: bytes in the process, and seconds to read it from plain rows."""

# ruff: noqa: INP001 - a module of a program in this folder, which reads the clock

from __future__ import annotations

import gc
import time
import tracemalloc
from typing import Any

from engine_contestants import stored_links
from engine_workload import Workload


def _all(work: Workload) -> Any:
    from di_salesforce.engine import Baseline

    return Baseline.from_dicts(stored_links(work))


def memory(links: int) -> dict[str, Any]:
    """Read so many links, and weigh what is kept of them."""
    work = Workload(links)
    plain = list(stored_links(Workload(min(links, 20_000))))  # enough to time; plain rows are large
    from di_salesforce.engine import Baseline

    began = time.process_time()
    Baseline.from_dicts(plain)
    seconds = (time.process_time() - began) / len(plain)
    del plain
    gc.collect()
    tracemalloc.start()
    kept = _all(work)
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    count = len(kept)
    return {"links": count, "bytes per link": size / count, "bytes per record": size / count / 2,
            "us to read a link": seconds * 1e6}  # fmt: skip
