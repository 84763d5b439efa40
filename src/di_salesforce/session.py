"""Where requests go and as whom: base URLs, credentials and log-ins, as values.

What may not go in here: sockets, and anything that knows one vendor.  A credential is a small frozen value with one
pure method; the connection applies it to a request at the last moment and shows the result to nobody.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Protocol, TypeAlias
from urllib.parse import urlsplit

import attrs

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.wire import Call, HttpRequest

__all__ = ["Credential", "LogIn", "LogInCall", "Session", "base_url", "is_loopback"]


class Credential(Protocol):
    """What proves to a service who is calling."""

    def apply(self, request: HttpRequest, /) -> HttpRequest:
        """Give the request with the credential in it; pure, and the result is never logged."""
        ...


@attrs.frozen
class Session:
    """A base URL without a slash at its end, and the credential for it.

    `renewal` replaces the log-in that made it; `opened` is called once, when the connection has taken the session over.
    """

    base_url: str
    credential: Credential = attrs.field(repr=False)
    renewal: LogIn | None = attrs.field(default=None, repr=False)
    opened: Callable[[], None] | None = attrs.field(default=None, repr=False)


@attrs.frozen
class LogInCall:
    """A log-in that is one HTTP call: sent to `via` (with the secrets as its credential), read as a `Session`."""

    via: Session
    call: Call[Session]


LogIn: TypeAlias = LogInCall | Callable[[], Session]
"""How a connection gets a session: a call that it sends itself, or a blocking function (in a thread, for async)."""


def is_loopback(host: str) -> bool:
    """Tell whether a host name, without port, means this machine.

    Example:
        >>> is_loopback("localhost"), is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("example.com")
        (True, True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def base_url(text: str, *, what: str = "the host") -> str:
    """Read a host name or a full base URL as a base URL without a slash at its end.

    Args:
        text: `example.my.salesforce.com`, `https://example.my.salesforce.com`, or `http://127.0.0.1:8080`.
        what: names the setting in the error.

    Raises:
        ConfigurationError: for a path, a query, a user name, or plain http to another machine.

    Example:
        >>> base_url("app.dialoginsight.com")
        'https://app.dialoginsight.com'
        >>> base_url("http://127.0.0.1:8080/")
        'http://127.0.0.1:8080'
    """
    given = text.strip()
    try:
        parts = urlsplit(given if "://" in given else f"https://{given}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigurationError(f"{what} is not a host name or a base URL") from None
    if not host or parts.scheme not in ("http", "https") or any(letter.isspace() for letter in given):
        raise ConfigurationError(f"{what} is not a host name or a base URL (as in https://example.my.salesforce.com)")
    if "@" in parts.netloc:  # its text may be a password: not repeated in the error
        raise ConfigurationError(f"{what} holds a user name or a password; give the bare host name")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigurationError(f"{what} {given!r} has a path; give the host name alone, as in https://{host}")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigurationError(f"{what} {given!r} would send secrets unencrypted; use https://{host}")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port is not None else "")
