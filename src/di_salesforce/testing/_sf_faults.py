"""What can go wrong with the simulated Salesforce alone, beside the faults of the road; the usual ones ready-made.

What may not go in here: sockets, rows.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import attrs

from di_salesforce.testing._faults import RoadFault
from di_salesforce.testing._loopback import SimResponse

__all__ = [
    "CONCURRENCY_LIMIT",
    "DAILY_LIMIT",
    "ROW_LOCK",
    "SERVER_BUSY",
    "THROTTLED",
    "ErrorAnswer",
    "ExpiredSession",
    "SalesforceFault",
]


@attrs.frozen
class ErrorAnswer:
    """An error array in place of the work: nothing is carried out.

    Args:
        status: HTTP status.
        code: `errorCode`.
        message: the server's text.
        retry_after: seconds for a `Retry-After` header; the vendor does not promise one (facts 3.12).
    """

    status: int
    code: str
    message: str = ""
    retry_after: int | None = None

    def answer(self) -> SimResponse:
        """Give the answer."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return SimResponse.of_json(
            [{"message": self.message, "errorCode": self.code}], status=self.status, headers=headers
        )


@attrs.frozen
class ExpiredSession:
    """All sessions end just before the call, so that it and all later ones get 401 until somebody logs in again."""


SalesforceFault: TypeAlias = ErrorAnswer | ExpiredSession | RoadFault
"""A closed union: what `FakeSalesforce.inject` takes."""

DAILY_LIMIT: Final = ErrorAnswer(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
"""The day's calls are used up; `fake.daily_limit` lets that happen for good, in the middle of a run."""
CONCURRENCY_LIMIT: Final = ErrorAnswer(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.")
"""Too many long calls at once."""
ROW_LOCK: Final = ErrorAnswer(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")
"""Somebody else holds the row; for rows of a collection raise `Refusal("UNABLE_TO_LOCK_ROW", ...)` in an `on_save`."""
SERVER_BUSY: Final = ErrorAnswer(503, "SERVER_UNAVAILABLE", "We are busy. Try again later.")
"""The service is busy or under maintenance."""
THROTTLED: Final = ErrorAnswer(429, "TOO_MANY_REQUESTS", "Too many requests.")
"""Throttled at the edge: the status is [seen], code and text are invented; evolve it with a `retry_after`."""
