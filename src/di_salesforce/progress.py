"""Bars for long work, in a terminal and in a notebook; silent anywhere else.

What may not go in here: anything that knows what the work is.  The bars are tqdm's (extra `progress`), imported on use.
"""

from __future__ import annotations

import importlib
import sys
from types import TracebackType
from typing import Any, Self

from di_salesforce.exceptions import MissingExtraError

__all__ = ["ProgressBar", "progress_bar"]


class ProgressBar:
    """A `Progress` callback that draws one bar for each phase; made by `progress_bar`."""

    def __init__(self, make: Any) -> None:  # tqdm's class, or None for silence
        self._make = make
        self._bars: dict[str, Any] = {}  # tqdm's

    def __call__(self, phase: str, done: int, total: int, /) -> None:
        """Draw how far a phase is; a total of 0 is not known yet."""
        if self._make is None:
            return
        bar = self._bars.get(phase)
        if bar is None or done < bar.n:  # a further round begins again
            bar = self._bars[phase] = self._make(desc=phase, total=total or None, file=sys.stderr)
        bar.total = total or bar.total
        bar.update(done - bar.n)
        if total and done >= total:
            bar.close()

    def close(self) -> None:
        """Finish every bar, also of a phase that did not come to its end."""
        for bar in self._bars.values():
            bar.close()
        self._bars.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _in_notebook() -> bool:
    interactive = sys.modules.get("IPython")
    shell = interactive.get_ipython() if interactive is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def progress_bar() -> ProgressBar:
    """Give a callback for `progress=` that draws bars in a terminal or a notebook, and is silent anywhere else.

    Use it for `Synchronizer.plan`, `.apply`, `.run` and `.compare`, and for the long calls of both clients (`query`,
    `upsert_many`, `bulk_ingest`, `merge`, ...); in a `with` it also finishes the bars of work that was stopped.  A job
    whose output goes to a file or a mail draws nothing, and needs no extra.

    Returns:
        The callback; `close()` it, or use it in a `with`.

    Raises:
        MissingExtraError: There is a terminal or a notebook to draw in, and tqdm is not installed.

    Example:
        >>> with progress_bar() as bar:
        ...     bar("read contacts", 50, 100)
    """
    notebook = _in_notebook()
    if not notebook and not sys.stderr.isatty():
        return ProgressBar(None)
    try:
        tqdm = importlib.import_module("tqdm").tqdm  # which comes without types
    except ModuleNotFoundError:
        raise MissingExtraError(extra="progress", purpose="a progress bar") from None
    return ProgressBar(tqdm)  # its text bars work in a notebook too, without widgets to install
