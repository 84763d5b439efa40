"""How far long work has got, told to a `Progress` callback: counted in one place, whatever runs side by side.

What may not go in here: sending, and anything that knows one vendor.  A tally is told by steps (`Tell`), so that the
runner calls back one at a time, and a callback that fails costs no outcome of what was done.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sized
from typing import Final

import attrs

from di_salesforce.protocols import Progress
from di_salesforce.wire import Flow, Tell

__all__ = ["SILENT", "Tally", "size_of"]


@attrs.define(eq=False)
class Tally:
    """What is done of one phase of work, and how much there is (0: not known yet); `done` only grows.

    Example:
        >>> told = []
        >>> tally = Tally(lambda *step: told.append(step), "merge", 3)
        >>> for tell in [*tally.begin(), *tally.add(2), *tally.finish()]:
        ...     tell.call()
        >>> told
        [('merge', 0, 3), ('merge', 2, 3), ('merge', 3, 3)]
    """

    progress: Progress | None
    phase: str
    total: int = 0
    done: int = attrs.field(default=0, init=False)
    _told: tuple[int, int] | None = attrs.field(default=None, init=False)

    def begin(self) -> Flow[None]:
        """Say that nothing is done yet."""
        return self._tell(self._add, 0, 0)

    def add(self, count: int, *, total: int = 0) -> Flow[None]:
        """Say that so much more is done, and how much there is where that is known by now."""
        return self._tell(self._add, count, total)

    def reach(self, done: int) -> Flow[None]:
        """Say that so much is done in all; less than before is no news."""
        return self._tell(self._reach, done)

    def finish(self) -> Flow[None]:
        """Say that all is done, however much that was."""
        return self._tell(self._finish)

    def _tell(self, change: Callable[..., None], *amounts: int) -> Flow[None]:
        if self.progress is not None:
            yield Tell(functools.partial(change, *amounts))

    def _add(self, count: int, total: int) -> None:
        self.total = self.total or total
        self._say(self.done + count)

    def _reach(self, done: int) -> None:
        self._say(max(done, self.done))

    def _finish(self) -> None:
        self.total = max(self.total, self.done)
        self._say(self.total)

    def _say(self, done: int) -> None:
        self.done = done
        if self.total:
            self.total = max(self.total, done)
        if self.progress is not None and (done, self.total) != self._told:
            self._told = (done, self.total)
            self.progress(self.phase, done, self.total)


SILENT: Final = Tally(None, "")
"""Nobody is told."""


def size_of(items: object) -> int:
    """Give the number of items where they are counted already; 0: not known yet."""
    return len(items) if isinstance(items, Sized) else 0
