"""The law of the page on fidelity: every guess of the Dialog Insight simulator stands on it, with its answers."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from di_salesforce.testing import Switches

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "simulators.md"
ROWS = {
    cells[1].strip().strip("`"): cells[2]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| `") and len(cells := line.split("|")) >= 5
}


@pytest.mark.parametrize("switch", [field.name for field in attrs.fields(Switches)])
def test_every_switch_stands_on_the_page(switch: str) -> None:
    """A switch has a line, with its answers in their order and the default in bold."""
    shown = ROWS[switch]
    default = getattr(Switches(), switch)
    for answer in Switches.answers().get(switch, ()):
        mark = "**" if answer == default else ""
        assert f"{mark}`{answer!r}`{mark}" in shown


def test_no_switch_is_made_up() -> None:
    """A line about a switch that there is not would mislead."""
    assert ROWS.keys() == {field.name for field in attrs.fields(Switches)}
