"""The time of a simulator, for tests to move.

What may not go in here: waiting.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from di_salesforce.exceptions import ConfigurationError

__all__ = ["FakeClock"]

_START: Final = datetime(2026, 5, 1, 12, tzinfo=UTC)


class FakeClock:
    """A clock that stands still until a test moves it; both simulators take one as `clock=`.

    Args:
        now: an aware time to begin with.

    Example:
        >>> clock = FakeClock()
        >>> before = clock()
        >>> clock.advance(90)
        >>> clock() - before
        datetime.timedelta(seconds=90)
    """

    def __init__(self, now: datetime = _START) -> None:
        self.set(now)

    def __call__(self) -> datetime:
        """Give the time, in UTC."""
        return self._now

    def __repr__(self) -> str:
        return f"FakeClock({self._now.isoformat()})"

    def advance(self, by: float | timedelta) -> None:
        """Move on by so many seconds, or by a length of time."""
        self._now += by if isinstance(by, timedelta) else timedelta(seconds=by)

    def set(self, now: datetime) -> None:
        """Move to an aware time.

        Raises:
            ConfigurationError: a time without a zone.
        """
        if now.tzinfo is None:
            raise ConfigurationError("a clock needs an aware time, such as datetime(2026, 5, 1, tzinfo=UTC)")
        self._now = now.astimezone(UTC)
