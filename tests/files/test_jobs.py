"""Laws of the file of a whole integration, and of the command line over it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from di_salesforce import Integration
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.jobs import Job
from di_salesforce.stores import SQLiteStore
from di_salesforce.testing import Meanwhile, read_seed, shipped_seed
from di_salesforce.testing.sandbox import Sandbox

DECLARATION = (Path(str(files("di_salesforce.testing"))) / "data" / "integration.toml").read_text(encoding="utf-8")
JOB = """
[job]
store = "memory.db"
salesforce = "OUR_SF_"
dialog_insight = { acquisition = "OUR_DI_", communications = "OUR_DI_" }
max_writes = 5000
[job.capabilities]
clauseless_get = true
"""


@pytest.fixture(scope="module")
def services() -> Iterator[Sandbox]:
    with Sandbox(read_seed(shipped_seed())) as sandbox:
        yield sandbox


@pytest.fixture
def environ(services: Sandbox) -> dict[str, str]:
    return {
        "OUR_SF_INSTANCE_URL": services.salesforce.url,
        "OUR_SF_ACCESS_TOKEN": services.salesforce.access_token(),
        "OUR_DI_HOST": services.dialog_insight.url,
        "OUR_DI_ID_KEY": str(services.dialog_insight.id_key),
        "OUR_DI_KEY": services.dialog_insight.key,
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "integration.toml"
    path.write_text(DECLARATION + JOB, encoding="utf-8")
    return path


def command(
    environ: dict[str, str], *arguments: str | Path, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Start the command line as a person does, with nothing of the test's own environment that could log in."""
    bare = {
        name: value for name, value in os.environ.items() if not name.startswith(("SALESFORCE_", "DIALOG_INSIGHT_"))
    }
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "di_salesforce", *map(str, arguments)],
        cwd=folder,
        env={**bare, "PYTHONIOENCODING": "utf-8", **environ},
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="signals of that kind do not reach a process on Windows")
def test_a_signal_ends_a_run_clean(file: Path) -> None:
    """SIGTERM while a write is under way: it is settled, the page says why, and the status is 1."""
    with Sandbox(read_seed(shipped_seed())) as services:
        names = {"INSTANCE_URL": services.salesforce.url, "ACCESS_TOKEN": services.salesforce.access_token()}
        theirs = services.dialog_insight
        told = {"HOST": theirs.url, "ID_KEY": str(theirs.id_key), "KEY": theirs.key}
        environ = {f"OUR_SF_{name}": value for name, value in names.items()}
        environ |= {f"OUR_DI_{name}": value for name, value in told.items()}
        with subprocess.Popen(
            [sys.executable, "-m", "di_salesforce", "run", str(file), "--first-run"],
            env={**os.environ, **environ, "PYTHONIOENCODING": "utf-8"},
            stdout=subprocess.PIPE,
            encoding="utf-8",
        ) as process:
            services.salesforce.inject(
                Meanwhile(lambda: process.send_signal(signal.SIGTERM)), method="POST", path="*/composite/sobjects*"
            )
            page, _ = process.communicate()
        assert process.returncode == 1
        assert "Cut short: stopped as asked" in page
        with SQLiteStore(file.parent / "memory.db") as store:
            assert store.intents() == ()


def test_a_file_holds_a_whole_job(file: Path) -> None:
    """The file gives the declaration, the store beside it, where the log-ins stand; both `from_file` read it."""
    job = Job.from_file(file)
    assert job.integration == Integration.from_file(file)
    assert (job.store, job.salesforce, job.max_writes) == (file.parent / "memory.db", "OUR_SF_", 5000)
    assert job.capabilities.clauseless_get
    assert (
        Job.from_file(Path(str(files("di_salesforce.testing"))) / "data" / "integration.toml").salesforce
        == "SALESFORCE_"
    )


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ('password = "hunter2"', "job.password: is not known"),
        ("store = 5", "job.store: must be a path"),
        ("max_writes = -1", "job.max_writes: must be a whole number"),
        ('dialog_insight = { acquisition = "A_" }', "one entry for each project: acquisition, communications"),
        ("[job.capabilities]\nflies = true", "job.capabilities.flies"),
    ],
)
def test_what_is_wrong_is_named_and_no_value_repeated(tmp_path: Path, job: str, words: str) -> None:
    """A job that cannot work is refused with its path; a secret that was written into it by mistake is not repeated."""
    path = tmp_path / "integration.toml"
    path.write_text(f"{DECLARATION}\n[job]\n{job}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=words) as error:
        Job.from_file(path)
    assert "hunter2" not in str(error.value)


def test_log_ins_come_from_the_environment_only(file: Path, environ: dict[str, str]) -> None:
    """A variable that is not set is named as the file calls it."""
    del environ["OUR_DI_KEY"]
    with pytest.raises(ConfigurationError, match="OUR_DI_KEY") as error, Job.from_file(file).connect(environ):
        pass
    assert "OUR_DI_ID_KEY:" not in str(error.value)
    with pytest.raises(ConfigurationError, match=r"one is enough\)(.|\n)*OUR_SF_"), Job.from_file(file).connect({}):
        pass


def test_the_commands_do_a_whole_migration(file: Path, environ: dict[str, str]) -> None:
    """Check, plan, apply exactly that, run: each with its exit status, its words, and the same store."""
    checked = command(environ, "check", file)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "0 errors" in checked.stdout
    assert command(environ, "run", file).returncode == 2  # nothing is remembered yet
    saved = file.parent / "plan.json"
    planned = command(environ, "plan", file, "subscribers", "--save", saved)
    assert planned.returncode == 0
    assert "subscribers" in planned.stdout
    digest = planned.stdout.splitlines()[-1].removeprefix("digest: ")
    assert json.loads(saved.read_text(encoding="utf-8"))["digest"] == digest
    refused = command(environ, "apply", file, saved, "--digest", "0" * 64)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "is another than the approved one" in refused.stderr
    applied = command(environ, "apply", file, saved, "--digest", digest)
    assert applied.returncode == 1  # the data set has records that the service refuses
    assert "INVALID_EMAIL_ADDRESS" in applied.stdout
    run = command(environ, "run", file, "--max-writes", "5000")
    assert (run.returncode, run.stderr) == (0, "")
    assert "writes done" in run.stdout
    standing = command(environ, "status", file)
    assert (standing.returncode, standing.stderr) == (0, "")
    assert "Last good run: " in standing.stdout
    assert json.loads(command(environ, "status", file, "--json").stdout)["last_good"]


PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "use-the-command-line.md"


def test_the_page_about_the_commands_works_as_it_says(tmp_path: Path) -> None:
    """The file and each command of the page, in their order, on the services that it says to try them on."""
    page = PAGE.read_text(encoding="utf-8")
    [declared] = re.findall(r"write_text\(\'\'\'\n(.*?)\'\'\'", page, re.DOTALL)
    (tmp_path / "people.toml").write_text(declared, encoding="utf-8")
    commands = re.findall(r"^python -m di_salesforce (.*)$", page, re.MULTILINE)
    assert [line.split()[0] for line in commands] == ["check", "plan", "apply", "run", "status"]
    digest = ""
    with Sandbox(read_seed(shipped_seed())) as services:  # its own: other tests write
        environ = {
            "SALESFORCE_INSTANCE_URL": services.salesforce.url,
            "SALESFORCE_ACCESS_TOKEN": services.salesforce.access_token(),
            "DIALOG_INSIGHT_HOST": services.dialog_insight.url,
            "DIALOG_INSIGHT_ID_KEY": str(services.dialog_insight.id_key),
            "DIALOG_INSIGHT_KEY": services.dialog_insight.key,
        }
        for line in commands:
            done = command(environ, *line.replace("DIGEST", digest).split(), folder=tmp_path)
            # The example's people have some that a service refuses, which `apply` tells by its status.
            assert (done.returncode, done.stderr) == (1 if line.startswith("apply") else 0, ""), line
            digest = done.stdout.splitlines()[-1].removeprefix("digest: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["people.db", "people.toml", "plan.json"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "{file}", "--max-writes", "-3"), "'-3' is no whole number"),
        (("check", "nowhere.toml"), "cannot be read"),
        (("apply", "{file}", "nowhere.json"), "cannot be read"),
        (("apply", "{file}", "{file}"), "is no saved plan"),
        (("plan", "{file}", "nobody"), "there is no transfer 'nobody'"),
    ],
)
def test_what_could_not_run_says_why(
    file: Path, environ: dict[str, str], arguments: tuple[str, ...], words: str
) -> None:
    """A command that could not run ends with status 2 and a sentence, never with a traceback."""
    done = command(environ, *(argument.format(file=file) for argument in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
