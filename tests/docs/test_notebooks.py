"""Laws of the notebooks in the docs: each runs from top to bottom, in a kernel of its own, and every cell succeeds."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

DOCS = Path(__file__).parents[2] / "docs"
NOTEBOOKS = sorted(DOCS.glob("*/*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell runs without an error, and what is shown of people is masked unless a cell asks for it."""
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))  # the kernel finds what this Python finds
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    for cell in notebook.cells:
        shown = "".join(str(out.get("data", {}).get("text/html", "")) for out in cell.get("outputs", ()))
        assert "@example." not in shown or "unmasked" in cell.source


def test_there_are_notebooks_and_they_carry_no_output() -> None:
    """The tutorial's notebook exists; a notebook in the repository has no output, which would grow stale."""
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        assert [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")] == []
