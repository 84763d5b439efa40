"""From a request to an answer with its faults: what the façade does for each call, and what it logs about it.

What may not go in here: state (the desk has it), waiting, sockets.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from typing import Final

import attrs

from di_salesforce.testing._di_clauses import CallRefusal
from di_salesforce.testing._di_faults import (
    DialogInsightFault,
    EnvelopeError,
    MissingTrace,
    NumbersAsText,
    numbers_as_text,
)
from di_salesforce.testing._di_routes import Address, Desk, Reply, encoded
from di_salesforce.testing._di_switches import Switches
from di_salesforce.testing._faults import ByteOrderMark, html_page, in_place_of_the_work, on_the_way_back
from di_salesforce.testing._loopback import SimRequest, SimResponse

__all__ = ["LoggedCall", "log_entry", "replied", "response"]

_WRITES: Final = frozenset({"Merge", "Delete"})


@attrs.frozen
class LoggedCall:
    """One request as it was answered, without its values; status 0: a reset, `success` None: no envelope was sent."""

    number: int
    service: str
    method: str
    status: int
    is_write: bool
    id_project: int | None
    id_table: int | None
    row_count: int
    success: bool | None
    fault: str | None = None


def replied(desk: Desk, address: Address, request: SimRequest, struck: Iterable[DialogInsightFault]) -> Reply:
    """Give the reply of the service, or of the first fault that stands in its place."""
    for fault in struck:
        if isinstance(fault, EnvelopeError):
            return desk.refused(address, CallRefusal(fault.cause))
        instead = in_place_of_the_work(fault)
        if instead is not None:
            return Reply(instead.status, instead=instead)
    return desk.answer(address, request)


def log_entry(number: int, address: Address, reply: Reply, struck: Iterable[DialogInsightFault]) -> LoggedCall:
    """Write down one request."""
    return LoggedCall(
        number,
        address.service,
        address.method,
        reply.status,
        address.method in _WRITES,
        reply.id_project,
        reply.id_table,
        reply.row_count,
        None if reply.envelope is None else bool(reply.envelope["Success"]),
        ", ".join(type(fault).__name__ for fault in struck) or None,
    )


def response(
    reply: Reply, request: SimRequest, struck: Iterable[DialogInsightFault], switches: Switches
) -> SimResponse:
    """Turn a reply into bytes, and let the faults of the way back at it."""
    if reply.instead is not None:
        return reply.instead
    if reply.envelope is None:
        answer = html_page(reply.status, reply.page, {"Cache-Control": "private", **reply.headers})
    else:
        envelope = dict(reply.envelope)
        if any(isinstance(fault, MissingTrace) for fault in struck):
            envelope.pop("Trace", None)
        as_text = any(isinstance(fault, NumbersAsText) for fault in struck)
        headers = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "private", **reply.headers}
        body = encoded(numbers_as_text(envelope) if as_text else envelope, switches)
        answer = SimResponse(reply.status, headers, body)
        if switches.byte_order_mark == "present":
            answer = on_the_way_back(ByteOrderMark(), answer)
    for fault in struck:
        answer = on_the_way_back(fault, answer)
    return _packed(answer, request, switches)


def _packed(answer: SimResponse, request: SimRequest, switches: Switches) -> SimResponse:
    headers = dict(answer.headers)
    body = answer.body
    if switches.compression == "gzip" and "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, mtime=0)
    if switches.keep_alive == "closed":
        headers["Connection"] = "close"
    return attrs.evolve(answer, headers=headers, body=body)
