"""The ways to log in to Salesforce, as values.

What may not go in here: sockets, files and the process environment.  What needs simple-salesforce is carried out by
`transports/_simple_salesforce.py`; a refresh token is one call, built here.  Sources: fact sheet, 3.1.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias
from urllib.parse import urlencode

import attrs

from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.records import Side
from di_salesforce.salesforce._errors import log_in_error, unreadable
from di_salesforce.salesforce._json import is_object
from di_salesforce.session import LogInCall, Session, base_url
from di_salesforce.wire import Call, HttpRequest, HttpResponse

__all__ = [
    "AccessToken",
    "Auth",
    "Bearer",
    "ClientCredentials",
    "GuestLogIn",
    "JWTBearer",
    "RefreshToken",
    "UsernamePassword",
    "auth_from_env",
]

_LOG_IN_HOST: Final = "login.salesforce.com"


@attrs.frozen
class Bearer:
    """The credential of a session: an access token or a session id."""

    token: str = attrs.field(repr=False)

    def apply(self, request: HttpRequest) -> HttpRequest:
        """Give the request with the `Authorization` header in it."""
        return attrs.evolve(request, headers={**request.headers, "Authorization": f"Bearer {self.token}"})


def _host(text: str) -> str:
    return base_url(text, what="the Salesforce host")


def _filled(instance: object, attribute: attrs.Attribute[str], value: str) -> None:
    if not value.strip():
        raise ConfigurationError(f"{type(instance).__name__}: {attribute.name} is empty")


@attrs.frozen
class AccessToken:
    """A ready access token or session id; when it ends, the client raises `AuthenticationError`.

    Args:
        instance_url: the instance's host name or base URL.
        token: the token itself.
    """

    instance_url: str = attrs.field(converter=_host)
    token: str = attrs.field(repr=False, validator=_filled)

    def session(self) -> Session:
        """Give the session that the token is."""
        return Session(self.instance_url, Bearer(self.token))


@attrs.frozen
class ClientCredentials:
    """An app's own log-in (OAuth client credentials): for jobs and services; nobody's password is involved.

    Args:
        domain: the org's My Domain host (`example.my.salesforce.com`) or its base URL; `login.salesforce.com` does not
            accept this way.
        client_id: the app's consumer key.
        client_secret: the app's consumer secret.
    """

    domain: str = attrs.field(converter=_host)
    client_id: str = attrs.field(repr=False, validator=_filled)
    client_secret: str = attrs.field(repr=False, validator=_filled)

    def __attrs_post_init__(self) -> None:
        if self.domain in ("https://login.salesforce.com", "https://test.salesforce.com"):
            raise ConfigurationError(
                f"ClientCredentials: {self.domain} does not accept client credentials; "
                "give the org's My Domain host, as in example.my.salesforce.com"
            )


@attrs.frozen
class UsernamePassword:
    """A user's name and password: through SOAP, or through OAuth where a client id and secret are given.

    New orgs have both switched off by default; prefer `ClientCredentials`.

    Args:
        username: the user's log-in name.
        password: the password.
        security_token: the user's security token, needed outside the networks that the org trusts.
        domain: `login.salesforce.com`, `test.salesforce.com` or the org's My Domain host.
        client_id: an app's consumer key, for OAuth.
        client_secret: its consumer secret.
    """

    username: str = attrs.field(repr=False, validator=_filled)
    password: str = attrs.field(repr=False, validator=_filled)
    security_token: str = attrs.field(default="", repr=False)
    domain: str = attrs.field(default=_LOG_IN_HOST, converter=_host)
    client_id: str = attrs.field(default="", repr=False)
    client_secret: str = attrs.field(default="", repr=False)

    def __attrs_post_init__(self) -> None:
        if bool(self.client_id) != bool(self.client_secret):
            raise ConfigurationError("UsernamePassword: give both client_id and client_secret, or neither")


@attrs.frozen
class JWTBearer:
    """A user's log-in by a signed token: for servers that hold a private key.

    Args:
        username: the user's log-in name.
        client_id: the app's consumer key.
        private_key: the key in PEM form (the text, not a file name).
        domain: the host that gives the token: `login.salesforce.com`, `test.salesforce.com` or the My Domain host.
        audience: `login.salesforce.com`, or `test.salesforce.com` for a sandbox.
    """

    username: str = attrs.field(repr=False, validator=_filled)
    client_id: str = attrs.field(repr=False, validator=_filled)
    private_key: str = attrs.field(repr=False, validator=_filled)
    domain: str = attrs.field(default=_LOG_IN_HOST, converter=_host)
    audience: str = attrs.field(
        default=_LOG_IN_HOST, validator=attrs.validators.matches_re(r"[\w.-]+\.salesforce\.com")
    )


@attrs.frozen
class _Form:
    """The credential of a token request: a form that holds the secrets."""

    values: Mapping[str, str] = attrs.field(repr=False)

    def apply(self, request: HttpRequest) -> HttpRequest:
        """Give the request with the form as its body."""
        headers = {**request.headers, "Content-Type": "application/x-www-form-urlencoded"}
        return attrs.evolve(request, headers=headers, content=urlencode(self.values).encode())


@attrs.frozen
class RefreshToken:
    """A token that buys access tokens: for applications to which a person once gave access.

    A new refresh token that comes with an answer replaces the old one for as long as the client lives; `on_rotation`
    is how it outlives the client.

    Args:
        refresh_token: the token.
        client_id: the app's consumer key.
        client_secret: its consumer secret, where it has one.
        domain: `login.salesforce.com`, `test.salesforce.com` or the org's My Domain host.
        on_rotation: given each new refresh token, to be kept in place of the old one, which may be good no longer;
            called from the thread that logged in (for async clients: in one).  What it raises reaches whoever made the
            call; the client goes on with the new token.
    """

    refresh_token: str = attrs.field(repr=False, validator=_filled)
    client_id: str = attrs.field(repr=False, validator=_filled)
    client_secret: str = attrs.field(default="", repr=False)
    domain: str = attrs.field(default=_LOG_IN_HOST, converter=_host)
    on_rotation: Callable[[str], None] | None = attrs.field(default=None, repr=False, eq=False, kw_only=True)

    def log_in(self) -> LogInCall:
        """Give the call that buys an access token."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self.refresh_token,
            "client_id": self.client_id,
        } | ({"client_secret": self.client_secret} if self.client_secret else {})
        request = HttpRequest(Side.SALESFORCE, "POST", "/services/oauth2/token", name="log in")
        return LogInCall(Session(self.domain, _Form(form)), Call(request, lambda answer: self._read(request, answer)))

    def _read(self, request: HttpRequest, response: HttpResponse) -> Session:
        try:
            data: object = response.json()
        except (ValueError, RecursionError):
            data = None
        known = data if is_object(data) else {}
        if response.status != 200:
            code, message = str(known.get("error") or ""), str(known.get("error_description") or "")
            raise log_in_error(code, message, status=response.status)
        token, instance, fresh = (known.get(name) for name in ("access_token", "instance_url", "refresh_token"))
        if not isinstance(token, str) or not isinstance(instance, str):
            raise unreadable(request, response, "no access token in it")
        renewal, opened = None, None
        if isinstance(fresh, str) and fresh.strip() not in ("", self.refresh_token):
            renewal = attrs.evolve(self, refresh_token=fresh).log_in()
            opened = functools.partial(self.on_rotation, fresh) if self.on_rotation is not None else None
        try:
            return Session(base_url(instance), Bearer(token), renewal, opened)
        except ConfigurationError:
            pass
        raise unreadable(request, response, "its instance is no host")


GuestLogIn: TypeAlias = ClientCredentials | UsernamePassword | JWTBearer
"""The ways for which simple-salesforce does the log-in."""

Auth: TypeAlias = AccessToken | RefreshToken | GuestLogIn
"""Every way to log in."""


@attrs.frozen
class _EnvForm:
    """One way to log in by the environment: variables that it needs, those it may have, and what it makes of them."""

    needs: tuple[str, ...]
    may: tuple[str, ...]
    make: Callable[[Mapping[str, str]], Auth]


# Parameter names of the values above, by variable.
_VARIABLES: Final = {
    "SALESFORCE_INSTANCE_URL": "instance_url",
    "SALESFORCE_ACCESS_TOKEN": "token",
    "SALESFORCE_REFRESH_TOKEN": "refresh_token",
    "SALESFORCE_DOMAIN": "domain",
    "SALESFORCE_CLIENT_ID": "client_id",
    "SALESFORCE_CLIENT_SECRET": "client_secret",
    "SALESFORCE_USERNAME": "username",
    "SALESFORCE_PASSWORD": "password",
    "SALESFORCE_SECURITY_TOKEN": "security_token",
    "SALESFORCE_PRIVATE_KEY": "private_key",
}

_CLIENT = ("SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET")

# The first whose needs are all there is taken; from the most special to the most general.
_ENV_FORMS: Final = (
    _EnvForm(("SALESFORCE_INSTANCE_URL", "SALESFORCE_ACCESS_TOKEN"), (), lambda given: AccessToken(**given)),
    _EnvForm(
        ("SALESFORCE_REFRESH_TOKEN", "SALESFORCE_CLIENT_ID"),
        ("SALESFORCE_CLIENT_SECRET", "SALESFORCE_DOMAIN"),
        lambda given: RefreshToken(**given, on_rotation=None),
    ),
    _EnvForm(
        ("SALESFORCE_USERNAME", "SALESFORCE_CLIENT_ID", "SALESFORCE_PRIVATE_KEY"),
        ("SALESFORCE_DOMAIN",),
        lambda given: JWTBearer(**given, audience=_audience(given)),
    ),
    _EnvForm(
        ("SALESFORCE_USERNAME", "SALESFORCE_PASSWORD"),
        ("SALESFORCE_SECURITY_TOKEN", "SALESFORCE_DOMAIN", *_CLIENT),
        lambda given: UsernamePassword(**given),
    ),
    _EnvForm(("SALESFORCE_DOMAIN", *_CLIENT), (), lambda given: ClientCredentials(**given)),
)


def _audience(given: Mapping[str, str]) -> str:
    sandbox = "test.salesforce.com" in given.get("domain", "") or ".sandbox." in given.get("domain", "")
    return "test.salesforce.com" if sandbox else _LOG_IN_HOST


NO_LOG_IN: Final = "no complete Salesforce log-in in the environment (one is enough)"


def auth_from_env(environ: Mapping[str, str]) -> Auth:
    """Read a way to log in from environment variables; empty ones count as absent.

    Args:
        environ: the variables; `SALESFORCE_PRIVATE_KEY` holds the key's text.

    Raises:
        ConfigurationError: no way is complete; names what each of them lacks.

    Example:
        >>> auth_from_env({"SALESFORCE_INSTANCE_URL": "example.my.salesforce.com", "SALESFORCE_ACCESS_TOKEN": "secret"})
        AccessToken(instance_url='https://example.my.salesforce.com')
    """
    present = {name: environ[name].strip() for name in _VARIABLES if environ.get(name, "").strip()}
    if "SALESFORCE_PRIVATE_KEY" in present:  # variables of many lines are often written with `\n`
        present["SALESFORCE_PRIVATE_KEY"] = present["SALESFORCE_PRIVATE_KEY"].replace("\\n", "\n")
    for form in _ENV_FORMS:
        if present.keys() >= set(form.needs):
            return form.make({_VARIABLES[name]: present[name] for name in (*form.needs, *form.may) if name in present})
    raise ConfigurationError(
        [
            Problem("", f"{' + '.join(form.needs)}: missing {', '.join(n for n in form.needs if n not in present)}")
            for form in _ENV_FORMS
        ],
        what=NO_LOG_IN,
    )
