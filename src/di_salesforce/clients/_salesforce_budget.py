"""A client's budget: calls are counted before they are sent, and one that would go past it never is.

What may not go in here: what a budget allows (`di_salesforce.salesforce.Budget`).
"""

from __future__ import annotations

import itertools
from typing import Any

from di_salesforce.exceptions import RateLimitError
from di_salesforce.records import Side
from di_salesforce.salesforce._settings import Budget, Usage, usage_of
from di_salesforce.transports._httpx import AsyncHttpxConnection, HttpxConnection
from di_salesforce.wire import HttpRequest, HttpResponse

__all__ = ["AsyncSalesforceConnection", "SalesforceConnection", "UsageMeter"]


class UsageMeter:
    """Counts a client's calls, and keeps what the latest answer told of the org's; both connections report to it."""

    def __init__(self, budget: Budget | None = None) -> None:
        self.latest: Usage | None = None
        self.sent = 0
        self._budget = budget or Budget()
        self._numbers = itertools.count(1)  # taking the next number is one step, whichever thread takes it

    def note(self, answer: HttpResponse) -> None:
        """Keep the usage of an answer, if it has one."""
        self.latest = usage_of(answer.headers) or self.latest

    def count(self, request: HttpRequest) -> None:
        """Count a call that is about to be sent.

        Raises:
            RateLimitError: it would go past the budget; `exhausted` is true.
        """
        number = next(self._numbers)
        why = self._budget.refusal(number, self.latest)
        if why is not None:
            sentence = f"Salesforce, {request.shown}: not sent, {why}"
            raise RateLimitError(sentence, side=Side.SALESFORCE, code="budget.exhausted", exhausted=True)
        self.sent = number


class SalesforceConnection(HttpxConnection):
    """A connection that sends nothing past the budget."""

    def __init__(self, *arguments: Any, meter: UsageMeter, **options: Any) -> None:  # those of the base class
        super().__init__(*arguments, on_answer=meter.note, **options)
        self._meter = meter

    def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request, unless the budget is used up."""
        self._meter.count(request)
        return super().send(request)


class AsyncSalesforceConnection(AsyncHttpxConnection):
    """The same for asyncio."""

    def __init__(self, *arguments: Any, meter: UsageMeter, **options: Any) -> None:  # those of the base class
        super().__init__(*arguments, on_answer=meter.note, **options)
        self._meter = meter

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request, unless the budget is used up."""
        self._meter.count(request)
        return await super().send(request)
