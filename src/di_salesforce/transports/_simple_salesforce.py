"""simple-salesforce as a guest: it does the log-ins, and its `Salesforce` objects come and go.

What may not go in here: records.  They travel through our own calls, since simple-salesforce neither repeats nor times
out (fact sheet, 1.4).  It and requests are imported on use, and their errors end here.

simple-salesforce writes `https://` in front of every host, and `.salesforce.com` behind that of a log-in.  A session
whose adapter puts the configured base URL back makes it reach any other host, and a simulator on this machine by plain
http.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from di_salesforce.exceptions import (
    ApiError,
    ConfigurationError,
    DISalesforceError,
    TransportError,
    UnexpectedResponseError,
)
from di_salesforce.records import Side
from di_salesforce.salesforce._auth import Bearer, ClientCredentials, GuestLogIn, JWTBearer, UsernamePassword
from di_salesforce.salesforce._errors import log_in_error
from di_salesforce.salesforce._settings import Settings
from di_salesforce.session import Session, base_url, is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SimpleSalesforce", "adopted", "guest", "log_in"]

_SUFFIX: Final = ".salesforce.com"

# SOAP log-ins end with API 64.0 [S]; the version of a log-in has no bearing on the calls that follow.
_LAST_SOAP_VERSION: Final = 64.0


class SimpleSalesforce(Protocol):
    """What we read of a `simple_salesforce.Salesforce`."""

    session_id: str
    sf_instance: str

    @property
    def sf_version(self) -> str | None:
        """The API version."""
        ...

    @property
    def session(self) -> Any:  # a requests.Session
        """The session that it sends with."""
        ...


def _session(target: str | None, timeout: float) -> tuple[Any, list[str]]:  # a requests.Session, and what it sent
    """Make a requests session with a timeout, and with `target` in the place of whatever host is asked for."""
    import requests
    from requests.adapters import HTTPAdapter

    sent: list[str] = []

    class Adapter(HTTPAdapter):
        redirected_to = target

        def send(self, request: Any, **options: Any) -> Any:  # type: ignore[override]  # options are passed on unread
            if target is not None:
                parts = urlsplit(str(request.url))
                request.url = target + parts.path + (f"?{parts.query}" if parts.query else "")
            options["timeout"] = options.get("timeout") or timeout
            sent.append(request.method)
            return super().send(request, **options)

    session = requests.Session()
    session.mount("https://", Adapter())
    if target is not None and is_loopback(urlsplit(target).hostname or ""):
        session.trust_env = False  # no proxy for this machine
    return session, sent


def _parameters(auth: GuestLogIn, api_version: str) -> dict[str, str]:
    """Give the arguments by which `SalesforceLogin` chooses the flow that is meant."""
    match auth:
        case ClientCredentials(_, client_id, client_secret):
            return {"consumer_key": client_id, "consumer_secret": client_secret}
        case JWTBearer(username, client_id, private_key, _, audience):
            # Its `domain` is the audience, its `instance_url` the host that gives the token.
            return {
                "username": username,
                "consumer_key": client_id,
                "privatekey": private_key,
                "domain": audience.removesuffix(_SUFFIX),
            }
        case UsernamePassword(username, password, token, _, client_id, client_secret) if client_id:
            secrets = {"consumer_key": client_id, "consumer_secret": client_secret}
            return {"username": username, "password": password + token, **secrets}
        case UsernamePassword(username, password, token):
            version = f"{min(float(api_version), _LAST_SOAP_VERSION):.1f}"
            return {"username": username, "password": password, "security_token": token, "sf_version": version}


def log_in(auth: GuestLogIn, api_version: str, timeout: float) -> Session:
    """Log in through simple-salesforce; blocking.

    Args:
        auth: how.
        api_version: of the SOAP log-in.
        timeout: seconds without a byte.

    Raises:
        AuthenticationError: the log-in was refused.
        TransportError: no answer came.
        ConfigurationError: the private key cannot be read.
    """
    host = urlsplit(auth.domain).netloc
    own = host.endswith(_SUFFIX) and auth.domain.startswith("https://")
    session, sent = _session(None if own else auth.domain, timeout)
    domain = host.removesuffix(_SUFFIX) if own else "configured"  # the adapter puts the host back
    arguments = {"domain": domain, **_parameters(auth, api_version)}
    if isinstance(auth, JWTBearer):
        arguments["instance_url"] = domain
    with session:
        token, instance = _asked(lambda: _salesforce_login()(session=session, **arguments), sent)
    scheme = "http" if auth.domain.startswith("http://") and is_loopback(_hostname(instance)) else "https"
    try:
        return Session(base_url(f"{scheme}://{instance}"), Bearer(token))
    except ConfigurationError:
        pass
    raise _unreadable("its instance is no host")


def _salesforce_login() -> Callable[..., tuple[str, str]]:
    from simple_salesforce.login import SalesforceLogin

    return SalesforceLogin


def _hostname(authority: str) -> str:
    return urlsplit(f"//{authority}").hostname or ""


def _asked(ask: Callable[[], tuple[str, str]], sent: list[str]) -> tuple[str, str]:
    """Log in, with simple-salesforce's errors turned into ours and left behind: they may quote what was sent."""
    from requests import RequestException, Timeout
    from simple_salesforce.exceptions import SalesforceAuthenticationFailed

    error: DISalesforceError
    try:
        token, instance = ask()
        if token and instance:
            return str(token), str(instance).strip("/")
        error = _unreadable("no token in it")
    except SalesforceAuthenticationFailed as refused:
        error = _refusal(refused.code, str(refused.message or ""))
    except RequestException as failed:
        kind = "the log-in timed out" if isinstance(failed, Timeout) else "the log-in did not get through"
        sentence = f"no answer from Salesforce: {kind} ({type(failed).__name__}); check the host and the network"
        error = TransportError(sentence, side=Side.SALESFORCE, may_have_applied=False)
    except Exception as failed:  # noqa: BLE001 - it raises whatever its reading of an unexpected answer runs into
        if sent:
            error = _unreadable(type(failed).__name__)
        else:
            error = ConfigurationError("the private key cannot be read; give the text of an RSA key in PEM form")
    raise error


def _refusal(code: object, message: str) -> ApiError:
    """Read a refusal: its code is an OAuth error, a SOAP fault code, or the status of an answer that is neither."""
    if isinstance(code, int):
        return log_in_error("", message[:500], status=code)  # the head of a page says enough
    return log_in_error(str(code or "").removeprefix("sf:"), message)


def _unreadable(why: str) -> UnexpectedResponseError:
    return UnexpectedResponseError(
        f"Salesforce, log-in: the answer cannot be read ({why}); check the host name", side=Side.SALESFORCE
    )


def adopted(sf: SimpleSalesforce) -> tuple[Session, str]:
    """Take over the session of a `simple_salesforce.Salesforce`, and its API version.

    Where the object knows how to log in again, so do we.
    """

    def present() -> Session:
        adapter = sf.session.get_adapter(f"https://{sf.sf_instance}")
        redirected_to = getattr(adapter, "redirected_to", None)  # an adapter of ours: the object was made by `guest`
        return Session(redirected_to or f"https://{sf.sf_instance}", Bearer(sf.session_id), renewal)

    def log_in_again() -> tuple[str, str]:
        sf._refresh_session()  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public name for it
        return sf.session_id, sf.sf_instance

    def renew() -> Session:
        _asked(log_in_again, ["a log-in"])
        return present()

    knows_how = getattr(sf, "_salesforce_login_partial", None) is not None
    renewal = renew if knows_how else None
    return present(), sf.sf_version or Settings().api_version


def guest(session: Session, api_version: str, timeout: float) -> Any:  # a simple_salesforce.Salesforce
    """Make a `simple_salesforce.Salesforce` that uses our session; it does not log in again by itself."""
    from simple_salesforce.api import Salesforce

    if not isinstance(session.credential, Bearer):
        raise ConfigurationError("this connection holds no Salesforce session")
    loopback = is_loopback(urlsplit(session.base_url).hostname or "")
    requests_session, _ = _session(session.base_url if loopback else None, timeout)
    return Salesforce(
        instance_url=session.base_url,
        session_id=session.credential.token,
        version=api_version,
        session=requests_session,
    )
