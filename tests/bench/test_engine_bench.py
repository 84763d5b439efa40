"""The bench of the engine still runs: every contestant whose package is here, on two hundred records."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "bench"
ROWS = 200


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The modules of the bench, which lie beside each other as programs do."""
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("engine_contestants")


def told(*arguments: str) -> dict[str, Any]:
    """Run the program as a person does, and read the last line."""
    done = subprocess.run(
        [sys.executable, BENCH / "engine.py", *arguments], capture_output=True, text=True, check=True, timeout=120
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.mark.parametrize(
    "name",
    [
        "di-salesforce",
        "by hand, tuples",
        "by hand, dicts",
        "by hand, packed",
        "polars",
        "duckdb",
        "vdirsyncer",
        "diffsync",
    ],
)
def test_a_contestant_decides_as_the_reference(bench: ModuleType, name: str) -> None:
    """Whoever decides by field decides just what the slow reference decides; the others at least run."""
    contest, packages, answers = bench.CONTESTANTS[name]
    if missing := [each for each in packages if importlib.util.find_spec(each) is None]:
        pytest.skip(f"not installed: {', '.join(missing)} (nox -s bench installs them)")
    workload = importlib.import_module("engine_workload")
    work = workload.Workload(ROWS)
    run, decisions = contest(work)
    found = workload.tally(decisions(run()))
    if answers.startswith("per field"):
        assert found == workload.tally(workload.reference(work))
    else:
        assert found[0]


def test_the_program_runs() -> None:
    """Memory and changes are measured by the same program, on a small scale too."""
    assert told("--one", "di-salesforce", "--rows", str(ROWS))["counts"]["change"]
    assert told("--memory", str(ROWS))["links"] > 0
    assert told("--changes", str(ROWS))["full: actions"] > 0
