"""The quality gates.  `nox` runs them all; `nox --list` says what each is for.

`lint`, `types` and `docs` need no interpreter of their own: `nox --no-venv --no-install -s lint types docs` runs them
with the tools of the active environment, which is what `.ci/run` does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import nox

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)  # from the classifiers
TEST_TOOLS = (
    *(".[pandas,polars,postgres,progress,speed,testing,toml,tz]", "psycopg[binary]", "mypy"),
    *("pytest-timeout", "pytest-xdist", "sybil", "ipykernel", "nbclient", "nbformat", "fastapi"),
)

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False  # a version that is not installed is skipped, and named as skipped
nox.options.sessions = ["lint", "types", "docs", "tests", "build", "engine_only"]

if pyenv := shutil.which("pyenv"):  # its commands answer for the selected version only: select all that it has
    installed = subprocess.run([pyenv, "versions", "--bare"], capture_output=True, text=True, check=True).stdout.split()
    os.environ.setdefault("PYENV_VERSION", ":".join(reversed(installed)))


@nox.session(tags=["quick"])
def lint(session: nox.Session) -> None:
    """Style, banned calls, formatting, the house rules, and the changelog's fragments."""
    session.install("ruff", "towncrier", "-e", TEST_TOOLS[0], *TEST_TOOLS[1:])
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("python", "-m", "pytest", "tests/architecture", "-q", *session.posargs)
    session.run("towncrier", "build", "--draft", "--version", PROJECT["project"]["version"])


@nox.session(tags=["quick"])
def types(session: nox.Session) -> None:
    """Check types with mypy and pyright, both strict: the package, and a program that uses its public names."""
    session.install("mypy", "pyright[nodejs]", "-e", TEST_TOOLS[0])
    session.run("mypy")
    session.run("pyright")


@nox.session(tags=["quick"])
def docs(session: nox.Session) -> None:
    """Build the docs with warnings as errors, and run every code block and docstring example."""
    session.install("-e", ".[speed,testing,toml,tz,docs]", *TEST_TOOLS[1:])
    session.run("sphinx-build", "-W", "-n", "--keep-going", "-q", "docs", "docs/_build/html")
    session.run("python", "-m", "pytest", "README.md", "CONTRIBUTING.md", "docs", "src", "-q", *session.posargs)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run all tests on each installed Python that the package supports."""
    session.install("-e", *TEST_TOOLS)
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(default=False)
def long(session: nox.Session) -> None:
    """Run the tests with ten times as many examples for each property."""
    session.install("-e", *TEST_TOOLS)
    session.run("python", "-m", "pytest", "--timeout=0", *session.posargs, env={"HYPOTHESIS_PROFILE": "long"})


# Every line and branch of what decides, and of what declares, is reached by tests of its own.
WHOLLY_COVERED = ["engine/*", "mapping.py", "_line.py", "triggers.py", "converters.py", "_lenses.py", "_time_lenses.py"]
COVERING_TESTS = [
    f"tests/{name}" for name in ("engine", "mapping", "converters", "check", "files/test_notebook_views.py")
]


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Give every decoder a hundred times as many damaged answers: each must end in a value or in an error of ours."""
    session.install("-e", *TEST_TOOLS)
    law = ("-m", "fuzz", "--timeout=0")  # 20,000 change events take half an hour and more
    session.run("python", "-m", "pytest", *law, *session.posargs, env={"HYPOTHESIS_PROFILE": "fuzz"})


@nox.session(default=False)
def simulation(session: nox.Session) -> None:
    """Run a thousand seeded schedules of edits, faults and deaths on a virtual clock; a hundred are in the tests."""
    session.install("-e", *TEST_TOOLS)
    law = ("tests/sync/test_simulation.py", "--timeout", "7200")  # seconds: ten times as much as in the tests
    session.run("python", "-m", "pytest", *law, *session.posargs, env={"SIMULATION_SEEDS": "0-999"})


@nox.session(default=False)
def killed(session: nox.Session) -> None:
    """Kill a run of 20,000 records against the simulators' HTTP servers twenty times, at random moments."""
    session.install("-e", *TEST_TOOLS)
    law = ("tests/sync/test_killed_processes.py", "-n", "0", "--timeout", "7200")  # seconds: twenty runs and more
    session.run("python", "-m", "pytest", *law, *session.posargs, env={"KILLED_RECORDS": "20000", "KILLS": "20"})


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """Show which lines and branches no test reaches; fail where one is left in what decides or declares."""
    session.install("-e", *TEST_TOOLS, "pytest-cov")
    session.run("python", "-m", "pytest", *(session.posargs or COVERING_TESTS), "--cov", "--cov-report=")
    include = ",".join(f"*/di_salesforce/{name}" for name in WHOLLY_COVERED)
    session.run("python", "-m", "coverage", "report", f"--include={include}", "--fail-under=100")


@nox.session(default=False)
def mutation(session: nox.Session) -> None:
    """Change the engine in one place after the other; some test must notice each, or a reason stands in a list.

    It may be stopped, and goes on where it was; name modules to try these alone: `nox -s mutation -- _policies _gates`.
    """
    session.install("-e", *TEST_TOOLS, "mutmut")
    session.run("python", "tests/mutants.py", *session.posargs, env={"HYPOTHESIS_PROFILE": "mutation"})


@nox.session
def build(session: nox.Session) -> None:
    """Build wheel and sdist, install the wheel where no source lies, and run the demo from it."""
    dist = Path(session.create_tmp()).resolve() / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.install("build")
    session.run("python", "-m", "build", "--outdir", str(dist))
    wheel, sdist = next(dist.glob("*.whl")), next(dist.glob("*.tar.gz"))
    for artifact in (sdist, wheel):  # the wheel last: the demo runs from it
        session.run("python", "-m", "pip", "install", "--quiet", "--force-reinstall", str(artifact))
    with session.chdir(dist):
        session.run("python", "-m", "di_salesforce", "demo")


ENGINE_ALONE = """
from datetime import UTC, datetime

from di_salesforce.engine import Baseline, Outcome, Snapshot, reconcile, settle
from di_salesforce.mapping import FieldMapping, ObjectTransfer
from di_salesforce.triggers import Trigger

now = datetime(2026, 1, 2, tzinfo=UTC)
transfer = ObjectTransfer(
    "contacts", sobject="Contact", fields=[FieldMapping("Email", "EMail", key=True)], triggers=Trigger.ALL
)
plan = reconcile(
    transfer,
    salesforce=Snapshot.complete([{"Id": "0035e00000AbCdEAAV", "Email": "ada@example.ca"}]),
    dialog_insight=Snapshot.complete([]),
    baseline=Baseline.empty(),
    now=now,
)
assert [action.kind for action in plan.writes] == ["create"], plan
settlement = settle(plan, {action.id: Outcome.done("1") for action in plan.writes}, now=now)
assert settlement.changed_links, settlement
print("the engine runs on attrs and typing-extensions alone")
"""


@nox.session
def engine_only(session: nox.Session) -> None:
    """Install the package with attrs and typing-extensions alone, and reconcile one record."""
    session.install("attrs", "typing-extensions")
    session.install("--no-deps", ".")
    session.run("python", "-I", "-c", ENGINE_ALONE)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure the engine beside its peers (docs/performance); an hour for `-- --rows 10000 100000 1000000`."""
    session.install("-e", ".", "diffsync", "duckdb", "msgspec", "polars", "pyarrow", "vdirsyncer")
    session.run("python", "bench/engine.py", *session.posargs)
    session.run("python", "bench/engine.py", "--memory", "100000")
    session.run("python", "bench/engine.py", "--changes", "100000")


OLDEST = ("tests/protocol", "tests/clients", "tests/mapping", "tests/files")  # all that touches a dependency


@nox.session(default=False)
def lowest(session: nox.Session) -> None:
    """Run the tests of what touches a dependency with the oldest versions that the ranges allow, extras too."""
    project = PROJECT["project"]
    groups = project["optional-dependencies"].items()
    extras = [each for name, group in groups if name not in ("dev", "docs") for each in group]
    declared = [*project["dependencies"], *extras, "numpy>=1.26"]  # the last that pandas 2.1 takes
    pins = Path(session.create_tmp()) / "lowest.txt"
    pins.write_text("\n".join(each.replace(">=", "==") for each in declared), encoding="utf-8")
    tools = ("psycopg[binary]", "pytest-timeout", "pytest-xdist", "sybil")  # others ask for newer versions of ours
    session.install("-e", TEST_TOOLS[0], *tools, "--constraint", str(pins))
    session.run("python", "-m", "pip", "list")
    program = "import di_salesforce.clients, di_salesforce.synchronizer, di_salesforce.csvfiles"
    session.run("python", "-W", "error::ImportWarning", "-c", program)
    session.run("python", "-m", "di_salesforce", "demo", silent=True)
    session.run("python", "-m", "pytest", *(session.posargs or OLDEST), env={"HYPOTHESIS_PROFILE": "quick"})


@nox.session(default=False)
def audit(session: nox.Session) -> None:
    """Ask PyPI's advisories about the dependencies as they would be installed today; one not found there fails."""
    session.install(".[pandas,polars,postgres,progress,speed,toml,tz]", "pip-audit")
    session.run("python", "-m", "pip", "uninstall", "--yes", "di-salesforce")  # what nobody has advisories about
    session.run("pip-audit", "--strict", "--progress-spinner=off", "--local", *session.posargs)


@nox.session(default=False)
def api(session: nox.Session) -> None:
    """Compare the public names with those of the last release's tag (none yet: nothing to compare)."""
    tags = session.run("git", "tag", "--list", "v*", "--sort=-version:refname", external=True, silent=True)
    if not str(tags).split():
        session.log("no release yet: the list in tests/architecture/test_public_api.py is what holds")
        return
    session.install("griffe")
    session.run("griffe", "check", "di_salesforce", "--search", "src", "--against", str(tags).split()[0])
