"""How fast and how wide a client may call its service, and whose turn it is: pure counting.

What may not go in here: sleeping, clocks and locks; `runners.py` has the connections that keep to a pace.
"""

from __future__ import annotations

import attrs

from di_salesforce.exceptions import ConfigurationError, Problem

__all__ = ["Pace", "Turns"]


@attrs.frozen(kw_only=True)
class Pace:
    """What one client may ask of its service at most, whoever uses the client and from however many threads.

    Args:
        at_once: requests under way together; None: any number.
        per_second: requests begun in a second, evenly spread; None: any number.

    Raises:
        ConfigurationError: a measure that nothing could pass.

    Example:
        >>> Pace(at_once=4, per_second=10)
        Pace(at_once=4, per_second=10)
    """

    at_once: int | None = None
    per_second: float | None = None

    def __attrs_post_init__(self) -> None:
        problems: list[Problem] = []
        if self.at_once is not None and not self.at_once >= 1:
            problems.append(Problem("at_once", f"must be at least 1, not {self.at_once}"))
        if self.per_second is not None and not 0 < self.per_second < float("inf"):
            problems.append(Problem("per_second", f"must be more than 0, not {self.per_second}"))
        if problems:
            raise ConfigurationError(problems, what="Pace")


@attrs.define
class Turns:
    """Gives each request its moment, so that they begin no faster than `per_second`; not for several threads at once.

    Example:
        >>> turns = Turns(per_second=2)
        >>> [turns.wait(now) for now in (100.0, 100.0, 100.25, 103.0)]
        [0.0, 0.5, 0.75, 0.0]
    """

    per_second: float | None
    _free: float = attrs.field(default=float("-inf"), init=False)  # when the next one may begin

    def wait(self, now: float) -> float:
        """Take a turn, and give the seconds until it."""
        if self.per_second is None:
            return 0.0
        begin = max(now, self._free)
        self._free = begin + 1.0 / self.per_second
        return begin - now
