"""A loopback HTTP server around a plain function: the socket half of both simulators.

What may not go in here: anything that knows Salesforce or Dialog Insight.  A simulator is a function from `SimRequest`
to `SimResponse`; this file puts a real socket in front of it, so that the same function also serves tests without one.
The HTTP parsing is the standard library's; we write no parser of our own.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import attrs

MAX_BODY: Final = 256 * 1024 * 1024
"""Bytes of a body; above it the server itself answers 413: no call comes near it (Bulk uploads: 150 MB at most)."""
MAX_ADDRESS: Final = 16_384
"""Bytes of an address; above it both simulators answer 414 (for Salesforce see facts 3.5)."""
_CHUNK_LINE: Final = 1024
_CHUNK_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,8}")
_BODY_SECONDS: Final = 10.0
"""How long a body that was announced may take; then the answer is 408, so that no thread waits for ever."""


@attrs.frozen
class SimRequest:
    """One request as a simulator sees it: `path` is percent-decoded, `raw_path` is not, header names are lower-case.

    `address_size` counts the bytes of path and query as they travelled.
    """

    method: str
    path: str
    raw_path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = attrs.field(repr=False)
    address_size: int = 0

    def json(self) -> Any:  # any JSON value: this is the wire
        """Read the body as JSON; raises `ValueError` for what is not JSON."""
        return json.loads(self.body.decode("utf-8-sig"))


@attrs.frozen
class SimResponse:
    """One answer of a simulator; `reset=True` closes the connection without an answer (a lost answer)."""

    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    body: bytes = b""
    reset: bool = False

    @classmethod
    def of_json(cls, value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> SimResponse:
        """Answer with a JSON body and its content type."""
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        return cls(status, {"Content-Type": "application/json;charset=UTF-8", **(headers or {})}, body)


Handle = Callable[[SimRequest], SimResponse]


def parse_request(method: str, target: str, headers: Mapping[str, str], body: bytes) -> SimRequest:
    """Split a request target into a `SimRequest` (shared by the socket server and the socket-free transport)."""
    parts = urlsplit(target)
    return SimRequest(
        method=method.upper(),
        path=unquote(parts.path),
        raw_path=parts.path,
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        headers={name.lower(): value for name, value in headers.items()},
        body=body,
        address_size=len(target),
    )


class LoopbackServer:
    """Serve `handle` on 127.0.0.1 from a thread of its own; a context manager."""

    def __init__(self, handle: Handle, *, name: str, port: int = 0) -> None:
        self._server = _Server(("127.0.0.1", port), _handler_class(handle))
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name=name, daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop listening and end all open connections; may be called twice."""
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join(timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a kept-alive connection would hold close() up until its client goes away
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # signature of socketserver
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # signature of socketserver
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):  # the client closed it first
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # signature of socketserver
        """Stay silent about clients that go away: the default prints a stack trace."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # without it each small answer waits 40 ms for an acknowledgement
    wbufsize = 64 * 1024

    @staticmethod
    def simulate(request: SimRequest) -> SimResponse:
        """Answer a request; `_handler_class` gives each server its own."""
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:  # the methods that http.server looks up, `do_` and the verb
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        try:
            body, refused = self._read_body()
        except TimeoutError:
            self.close_connection = True
            body, refused = b"", SimResponse(408)
        self._answer(refused or self._simulated(body))

    def _simulated(self, body: bytes) -> SimResponse:
        try:
            request = parse_request(self.command, self.path, dict(self.headers.items()), body)
        except ValueError:  # an address that is none
            return SimResponse(400)
        try:
            return self.simulate(request)
        except Exception as error:  # noqa: BLE001 - a bug of the simulator must not hang its client
            message = f"simulator bug: {type(error).__name__}: {error}"
            return SimResponse(500, {"Content-Type": "text/plain"}, message.encode(errors="replace"))

    def _read_body(self) -> tuple[bytes, SimResponse | None]:
        self.connection.settimeout(_BODY_SECONDS)
        try:
            if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
                return self._read_chunks()
            given = self.headers.get("Content-Length") or "0"
            if not (given.isascii() and given.isdecimal()):
                return self._refused(400)
            length = int(given)
            return self._refused(413) if length > MAX_BODY else (self.rfile.read(length), None)
        finally:
            self.connection.settimeout(None)

    def _read_chunks(self) -> tuple[bytes, SimResponse | None]:
        parts: list[bytes] = []
        whole = 0
        while True:
            digits = self.rfile.readline(_CHUNK_LINE).split(b";")[0].strip()
            if not _CHUNK_SIZE.fullmatch(digits):
                return self._refused(400)
            size = int(digits, 16)
            whole += size
            if whole > MAX_BODY:
                return self._refused(413)
            if not size:
                break
            parts.append(self.rfile.read(size))
            self.rfile.readline(_CHUNK_LINE)
        while self.rfile.readline(_CHUNK_LINE).strip():
            pass  # trailers
        return b"".join(parts), None

    def _refused(self, status: int) -> tuple[bytes, SimResponse]:
        """Refuse a request whose body is not read, or cannot be: the connection has no next request."""
        self.close_connection = True
        return b"", SimResponse(status, {"Connection": "close"})

    def _answer(self, response: SimResponse) -> None:
        if response.reset:
            self.close_connection = True
            return
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.status != 204:  # 204 must not carry a length
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if response.status != 204 and self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: simulators keep a request log of their own."""


def _handler_class(handle: Handle) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"simulate": staticmethod(handle)})
