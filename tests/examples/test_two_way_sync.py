"""Laws of the main job as people start it: a program of its own, its words, and its exit status."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = Path(str(files("di_salesforce.testing"))) / "data"
EXAMPLE = [sys.executable, str(ROOT / "examples" / "two_way_sync.py")]
DEMO = [sys.executable, "-m", "di_salesforce", "demo"]
CREDENTIALS = ("SALESFORCE_", "DIALOG_INSIGHT_", "ACQUISITION_", "COMMUNICATIONS_", "ORDERS_")


def play(
    command: list[str], *arguments: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Start a program without anybody's credentials, and with warnings as errors."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(CREDENTIALS)}
    return subprocess.run(
        [command[0], "-W", "error", *command[1:], *arguments],
        env=bare | {"PYTHONIOENCODING": "utf-8"} | environment,
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give a copy of the small data set, to be spoilt."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "data"))


def assert_one_sentence(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Assert that the program could not run, and that it says why in one line that holds all words."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    [line] = done.stderr.strip().splitlines()
    for word in words:
        assert word in line


@pytest.fixture(scope="module")
def story() -> subprocess.CompletedProcess[str]:
    """Play the example once on the small data set."""
    return play(EXAMPLE, "--data", str(SHIPPED))


def test_it_ends_well_and_silent(story: subprocess.CompletedProcess[str]) -> None:
    """Exit status 0, and nothing on standard error: no warning, and no progress where there is no terminal."""
    assert story.stderr == ""
    assert story.returncode == 0


def test_it_tells_its_steps_in_order(story: subprocess.CompletedProcess[str]) -> None:
    """Nine steps, numbered, each with its heading."""
    numbers = re.findall(r"^(\d)\. \S", story.stdout, re.MULTILINE)
    assert numbers == [str(number) for number in range(1, 10)]


def test_its_plan_shows_all_three_transfers_before_anything_is_written(story: subprocess.CompletedProcess[str]) -> None:
    """The plan's table stands before the step that applies it, and names every transfer with its writes."""
    plan = story.stdout[story.stdout.index("\n3. ") : story.stdout.index("\n4. ")]
    for transfer in ("subscribers", "contacts", "orders"):
        assert re.search(rf"^ *{transfer} +create ", plan, re.MULTILINE), transfer
    assert "Cannot be synchronised as they are:" in plan


def test_it_proves_agreement(story: subprocess.CompletedProcess[str]) -> None:
    """The proof counts pairs that agree, more than a hundred here, and leaves no difference without a reason."""
    found = re.search(r"^ +(\d+) pairs agree; every difference has a reason$", story.stdout, re.MULTILINE)
    assert found
    assert int(found[1]) > 100
    assert "unexplained" not in story.stdout


def test_it_holds_the_conflict_and_decides_it(story: subprocess.CompletedProcess[str]) -> None:
    """The field that was edited on both sides is named with both values, and one decision settles it."""
    decided = story.stdout[story.stdout.index("\n7. ") : story.stdout.index("\n8. ")]
    assert "conflict.both_changed" in decided
    assert "Camille" in decided
    assert "Dominique" in decided
    assert re.search(r"a person keeps Dialog Insight's value\D*\b1\b", decided)


def test_its_last_run_writes_nothing(story: subprocess.CompletedProcess[str]) -> None:
    """By the servers' own logs the run after all is done asks neither of them for a write."""
    last = story.stdout[story.stdout.index("\n9. ") :]
    assert "0 write calls to Salesforce, 0 write calls to Dialog Insight" in last


def test_the_edits_arrive(story: subprocess.CompletedProcess[str]) -> None:
    """The second synchronisation carries over what people edited: at least the four edits that stand alone."""
    again = story.stdout[story.stdout.index("\n6. ") : story.stdout.index("\n7. ")]
    found = re.search(r"(\d+) writes done", again)
    assert found
    assert int(found[1]) >= 4
    assert "not_tried" not in again


def test_the_demonstration_needs_no_file_of_the_repository(tmp_path: Path) -> None:
    """`python -m di_salesforce demo` tells the same story from anywhere, and exits with 0."""
    done = play(DEMO, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "every difference has a reason" in done.stdout
    assert "0 write calls to Salesforce, 0 write calls to Dialog Insight" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    """A folder that is not there: one sentence with its path, exit status 2."""
    assert_one_sentence(play(EXAMPLE, "--data", str(tmp_path / "nowhere")), "nowhere")


def test_a_missing_file_is_told(data: Path) -> None:
    """A data set without one of its files: the sentence names the file."""
    (data / "salesforce_contacts.csv").unlink()
    assert_one_sentence(play(EXAMPLE, "--data", str(data)), "salesforce_contacts.csv")


def test_a_missing_column_is_told(data: Path) -> None:
    """A file whose heading lacks the key's column: the sentence names file and column."""
    file = data / "salesforce_contacts.csv"
    heading, _, rest = file.read_text(encoding="utf-8-sig").partition("\n")
    file.write_text(re.sub(r"\bId\b", "Identifier", heading, count=1) + "\n" + rest, encoding="utf-8")
    assert_one_sentence(play(EXAMPLE, "--data", str(data)), "salesforce_contacts.csv", "Id")


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00garbage \x81\x8d", b"", b'Id,Email\n"never closed', b"PK\x03\x04 this is a workbook\x00\x00"],
    ids=["not text", "empty", "open quote", "a workbook"],
)
def test_an_unreadable_file_is_told(data: Path, content: bytes) -> None:
    """A file that is no CSV: the sentence names it; no traceback, exit status 2."""
    (data / "salesforce_contacts.csv").write_bytes(content)
    done = play(EXAMPLE, "--data", str(data))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "salesforce_contacts.csv" in done.stderr


def test_a_data_set_of_one_person_is_no_traceback(data: Path) -> None:
    """Too few people for the story that the example tells: a sentence, or the story; never a traceback."""
    for file in data.glob("*.csv"):
        heading, first, *_ = file.read_text(encoding="utf-8-sig").splitlines()
        file.write_text(f"{heading}\n{first}\n", encoding="utf-8")
    done = play(EXAMPLE, "--data", str(data))
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1, 2)


def test_live_without_an_environment_is_told() -> None:
    """`--live` without credentials: the sentence names a variable that is not set, and nothing is contacted."""
    assert_one_sentence(play(EXAMPLE, "--live"), "ACQUISITION_PROJECT")


NUMBERS = {"ACQUISITION_PROJECT": "1", "COMMUNICATIONS_PROJECT": "2", "ORDERS_TABLE": "3"}


def test_live_without_credentials_is_told(tmp_path: Path) -> None:
    """With the numbers alone the sentence asks for the log-in; no store is left behind."""
    done = play(EXAMPLE, "--live", cwd=tmp_path, **NUMBERS)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "SALESFORCE_" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_live_with_a_number_that_is_none_is_told() -> None:
    """A project number that is no number: the sentence names the variable."""
    assert_one_sentence(play(EXAMPLE, "--live", **NUMBERS | {"ORDERS_TABLE": "orders"}), "ORDERS_TABLE")


def test_an_unknown_option_is_told() -> None:
    """A mistyped option: usage, and exit status 2."""
    done = play(EXAMPLE, "--lvie")
    assert done.returncode == 2
    assert "usage:" in done.stderr
