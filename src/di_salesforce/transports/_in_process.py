"""A road without a socket: httpx clients whose requests go to a function of this process.

It imports httpx, as `_httpx.py` does and no other file may, because httpx itself offers the place for it: a transport.
Everything above it (the connections, the retries, the clients) is then the real thing.  What may not go in here:
anything that knows a service or its simulator; who answers is a plain function of bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import attrs
import httpx

__all__ = ["Answer", "Handler", "InProcessTransport", "async_in_process_client", "in_process_client"]


@attrs.frozen
class Answer:
    """What a handler gives back: a status, headers and a body."""

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)


Handler: TypeAlias = Callable[[str, str, Mapping[str, str], bytes], Answer | None]
"""Given method, target (path and query, encoded), headers and body; None: the connection ends without an answer."""


class InProcessTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Hand each request to a handler, in the thread that sends it; for `httpx.Client` and `httpx.AsyncClient`.

    Time-outs are a matter of sockets: a handler that takes long is waited for, and blocks an event loop meanwhile.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a blocking client's request."""
        return self._answered(request, request.read())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer an async client's request."""
        return self._answered(request, await request.aread())

    def _answered(self, request: httpx.Request, body: bytes) -> httpx.Response:
        target = request.url.raw_path.decode("ascii")
        answer = self._handler(request.method, target, dict(request.headers.items()), body)
        if answer is None:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)
        return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.body, request=request)


def in_process_client(handler: Handler) -> httpx.Client:
    """Make a blocking httpx client that reaches a handler and nothing else."""
    return httpx.Client(transport=InProcessTransport(handler), trust_env=False)


def async_in_process_client(handler: Handler) -> httpx.AsyncClient:
    """Make an async httpx client that reaches a handler and nothing else."""
    return httpx.AsyncClient(transport=InProcessTransport(handler), trust_env=False)
