"""Laws of the complete programs: each runs as its reader would run it, and says by its exit status how it went."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from di_salesforce.csvfiles import read_csv
from di_salesforce.testing import (
    FakeDialogInsight,
    FakeSalesforce,
    Project,
    ProjectField,
    read_seed,
    shipped_seed,
)
from di_salesforce.testing.sandbox import Sandbox

EXAMPLES = Path(__file__).parents[2] / "examples"


def play(name: str, *arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Start a program as a person does, with warnings as errors and without anybody's credentials."""
    ours = ("SALESFORCE_", "DIALOG_INSIGHT_")
    bare = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments],
        env=bare | {"PYTHONIOENCODING": "utf-8"} | environ,
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        timeout=200,
        check=False,
    )


def variables(salesforce: FakeSalesforce, dialog_insight: FakeDialogInsight) -> dict[str, str]:
    return {
        "SALESFORCE_INSTANCE_URL": salesforce.url,
        "SALESFORCE_ACCESS_TOKEN": salesforce.access_token(),
        "DIALOG_INSIGHT_HOST": dialog_insight.url,
        "DIALOG_INSIGHT_ID_KEY": str(dialog_insight.id_key),
        "DIALOG_INSIGHT_KEY": dialog_insight.key,
    }


def test_the_nightly_job(tmp_path: Path) -> None:
    """The first night is refused until somebody looked; then it runs, and the next night writes nothing."""
    with Sandbox(read_seed(shipped_seed())) as sandbox:
        environ = variables(sandbox.salesforce, sandbox.dialog_insight)
        refused = play("nightly.py", cwd=tmp_path, **environ)
        assert refused.returncode == 2
        assert "nothing is remembered yet" in refused.stderr
        assert not sum(sandbox.writes.values())
        first = play("nightly.py", "--first-run", cwd=tmp_path, **environ)
        assert first.returncode == 1, first.stderr  # the data set has records that the service refuses
        assert "INVALID_EMAIL_ADDRESS" in first.stdout
        written = dict(sandbox.writes)
        second = play("nightly.py", cwd=tmp_path, **environ)
        assert second.returncode == 0, second.stdout + second.stderr
        assert dict(sandbox.writes) == written


def test_the_migration(tmp_path: Path) -> None:
    """Two exports are drafted, checked, planned, applied and proved; the job that follows is quiet."""
    done = play("migrate_from_csv.py", "--store", str(tmp_path / "memory.db"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1,388 pairs agree" in done.stdout
    assert "The nightly job starts quiet: 0 writes" in done.stdout
    assert (tmp_path / "memory.db").exists()


def test_the_migration_by_files(tmp_path: Path) -> None:
    """The plan becomes files to import and rows to mend, which can be read back."""
    done = play("migrate_from_csv.py", "--files", str(tmp_path / "out"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {path.name: len(list(read_csv(path))) for path in (tmp_path / "out").iterdir()}
    assert rows == {
        "subscribers-salesforce-create.csv": 498,
        "subscribers-salesforce-update.csv": 6,
        "subscribers-salesforce-mend.csv": 10,
        "subscribers-dialog_insight-mend.csv": 3,
    }


def test_the_embedding_application(tmp_path: Path) -> None:
    """The application's own loop brings both sides into agreement and then stays quiet."""
    done = play("embed_engine.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 writes in the third pass" in done.stdout


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was shown is what is applied, a changed plan is refused, and one person is synchronised by a button."""

    async def a_day() -> None:
        module = loaded("service")
        transport = httpx.ASGITransport(module.app)
        async with (
            module.lifespan(module.app),
            httpx.AsyncClient(transport=transport, base_url="http://service.example") as client,
        ):
            shown = (await client.get("/plan")).json()
            assert [action["kind"] for action in shown["actions"]] == ["create"]
            changed = await client.post("/plan/apply", json={**shown, "now": None})
            assert (changed.status_code, "was changed after it was made" in changed.json()["detail"]) == (422, True)
            assert (await client.post("/plan/apply", json=shown)).json()["ok"] is True
            assert (await client.post("/people/luc@example.ca/sync")).json()["counts"] == {}

    with FakeSalesforce() as salesforce, FakeDialogInsight() as dialog_insight:
        salesforce.load("Contact", [{"LastName": "Tremblay", "Email": "luc@example.ca"}])
        dialog_insight.add_project(Project(4322, "acquisition", fields=[ProjectField("EMail", key=True)]))
        for name, value in variables(salesforce, dialog_insight).items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        asyncio.run(a_day())
