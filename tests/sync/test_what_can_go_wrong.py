"""The page of faults keeps its word: every test that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "reference" / "what-can-go-wrong.md"


def test_every_line_names_a_law_that_exists() -> None:
    """Each line of the tables names at least one test, and each of them is there."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    rows = [line for line in lines if "shown by" not in line]
    assert len(rows) > 30
    for row in rows:
        named = re.findall(r"`([\w./]+\.py)::([\w*]+)`", row.rsplit("|", 2)[1])
        assert named, f"no law stands behind: {row}"
        for file, law in named:
            source = (HERE / file).read_text(encoding="utf-8")
            assert re.search(rf"^def {re.escape(law) if law != '*' else 'test_'}", source, re.MULTILINE), (
                f"{file}::{law}"
            )
