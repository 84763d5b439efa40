"""Laws of the bars: they say how far each phase is, and are silent where nobody looks."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from di_salesforce import progress_bar
from di_salesforce.exceptions import MissingExtraError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_for_each_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each phase is drawn by its name, with what is done of how much; a phase may begin again."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar() as bar:
        bar("read contacts", 0, 0)
        bar("write contacts", 5, 10)
        bar("read contacts", 7, 7)
        bar("write contacts", 10, 10)
        bar("write contacts", 1, 2)
    drawn = terminal.getvalue()
    assert "read contacts" in drawn
    assert "7/7" in drawn
    assert "10/10" in drawn
    assert "1/2" in drawn


def test_a_file_gets_nothing_and_needs_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job without a terminal draws nothing, whether tqdm is installed or not."""
    silent = io.StringIO()
    monkeypatch.setattr(sys, "stderr", silent)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with progress_bar() as bar:
        bar("read contacts", 5, 10)
    assert silent.getvalue() == ""


def test_a_terminal_without_the_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where bars could be drawn and tqdm is not there, the error names the extra."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(MissingExtraError, match=r"di-salesforce\[progress\]"):
        progress_bar()


def test_a_notebook_gets_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook is no terminal, and somebody looks."""

    class ZMQInteractiveShell:
        pass

    class IPython:
        @staticmethod
        def get_ipython() -> Any:
            return ZMQInteractiveShell()

    drawn = io.StringIO()
    monkeypatch.setattr(sys, "stderr", drawn)
    monkeypatch.setitem(sys.modules, "IPython", IPython)
    with progress_bar() as bar:
        bar("read contacts", 5, 5)
    assert "5/5" in drawn.getvalue()
