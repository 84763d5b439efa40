"""Who is calling: OAuth grants, the SOAP log-in and the sessions that they open.

What may not go in here: what a caller may do.  The signature of a JWT is not verified: the simulator holds no
certificate; all its claims are.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, cast
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import attrs

from di_salesforce.testing._loopback import SimRequest
from di_salesforce.testing._sf_access import ApiUser
from di_salesforce.testing._sf_errors import Answer, Refusal

JWT_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_JWT_MINUTES: Final = 5
"""How far ahead `exp` may lie: "minutes" in the vendor's words; clients commonly use three (facts 3.1)."""
_SHARED_HOSTS: Final = ("login.salesforce.com", "test.salesforce.com")
_AUDIENCES: Final = frozenset(f"https://{host}" for host in _SHARED_HOSTS)
_LAST_SOAP_VERSION: Final = 64.0
"""The SOAP log-in is absent from version 65 on (facts 3.1)."""


class _GrantError(Exception):
    """An OAuth error: `error` and `error_description`, HTTP 400 [seen]."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error = error
        self.description = description


class Door:
    """The log-in end points and the open sessions."""

    def __init__(
        self,
        user: ApiUser,
        *,
        org_id: str,
        url: Callable[[], str],
        clock: Callable[[], datetime],
    ) -> None:
        self.users = [user]
        """Who may log in; the first one is the integration user."""
        self._org_id = org_id
        self._url = url
        self._clock = clock
        self._opened = 0
        self._open: dict[str, ApiUser] = {}

    def open_session(self, user: ApiUser) -> str:
        """Open a session of a user and give its token: the 15-character org id, `!`, something opaque [seen]."""
        self._opened += 1
        opaque = hashlib.sha256(f"{self._org_id} {id(self)} {self._opened}".encode()).hexdigest()
        token = f"{self._org_id[:15]}!AQ{opaque}"
        self._open[token] = user
        return token

    def expire_sessions(self) -> None:
        """End all sessions, as an administrator or the clock does."""
        self._open.clear()

    def check(self, request: SimRequest) -> str:
        """Give the id of the user whose open session the request carries; raises `INVALID_SESSION_ID`."""
        return self._whose(request).user_id

    def _whose(self, request: SimRequest) -> ApiUser:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        user = self._open.get(token.strip()) if kind.lower() in ("bearer", "oauth") else None
        if user is None:
            raise Refusal("INVALID_SESSION_ID", "Session expired or invalid")
        return user

    # OAuth ---------------------------------------------------------------------------------------------------------

    def token(self, request: SimRequest, *, rotate: bool) -> Answer:
        """Answer `/services/oauth2/token`; `rotate`: a refresh token serves once."""
        form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        grants: Mapping[str, Callable[[SimRequest, Mapping[str, str]], ApiUser]] = {
            "client_credentials": self._by_client,
            "password": self._by_password,
            "refresh_token": self._by_refresh_token,
            JWT_GRANT: self._by_jwt,
        }
        grant = grants.get(form.get("grant_type", ""))
        if grant is None:
            return Answer(400, {"error": "unsupported_grant_type", "error_description": "grant type not supported"})
        try:
            user = grant(request, form)
        except _GrantError as refused:
            return Answer(400, {"error": refused.error, "error_description": refused.description})
        token = self.open_session(user)
        issued = str(int(self._clock().timestamp() * 1000))  # text, in milliseconds [seen]
        identity = f"{self._url()}/id/{self._org_id}/{user.user_id}"
        signature = base64.b64encode(hashlib.sha256((identity + issued).encode()).digest()).decode()
        body = {
            "access_token": token, "instance_url": self._url(), "id": identity, "token_type": "Bearer",
            "issued_at": issued, "signature": signature, "scope": "api id",
        }  # fmt: skip
        if rotate and form.get("grant_type") == "refresh_token":
            body["refresh_token"] = self._rotated(user)
        return Answer(200, body)

    def _rotated(self, user: ApiUser) -> str:
        fresh = attrs.evolve(user, refresh_token=f"simulated-refresh-{self._opened}")
        self.users[self.users.index(user)] = fresh
        return fresh.refresh_token

    def _client(self, request: SimRequest, form: Mapping[str, str], *, secret: bool = True) -> ApiUser:
        given = form.get("client_id", ""), form.get("client_secret", "")
        kind, _, basic = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            try:
                left, _, right = base64.b64decode(basic, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                raise _GrantError("invalid_client", "invalid client credentials") from None
            given = unquote(left), unquote(right)
        known = self._of_client(given[0])
        if secret and given[1] != known.client_secret:
            raise _GrantError("invalid_client", "invalid client credentials")
        return known

    def _of_client(self, client_id: object) -> ApiUser:
        """Find the user that an app acts as: here each app has one."""
        known = next((user for user in self.users if user.client_id == client_id), None)
        if known is None:
            raise _GrantError("invalid_client_id", "client identifier invalid")
        return known

    def _by_client(self, request: SimRequest, form: Mapping[str, str]) -> ApiUser:
        if request.headers.get("host", "").split(":")[0] in _SHARED_HOSTS:
            raise _GrantError("invalid_grant", "request not supported on this domain")
        return self._client(request, form)

    def _by_password(self, request: SimRequest, form: Mapping[str, str]) -> ApiUser:
        known = self._client(request, form)
        if (form.get("username"), form.get("password")) != (known.username, known.password + known.security_token):
            raise _GrantError("invalid_grant", "authentication failure")
        return known

    def _by_refresh_token(self, request: SimRequest, form: Mapping[str, str]) -> ApiUser:
        known = self._client(request, form, secret="client_secret" in form)  # the secret is optional here (facts 3.1)
        if form.get("refresh_token") != known.refresh_token:
            raise _GrantError("invalid_grant", "expired access/refresh token")
        return known

    def _by_jwt(self, request: SimRequest, form: Mapping[str, str]) -> ApiUser:
        header, claims = _read_jwt(form.get("assertion", ""))
        if header.get("alg") != "RS256":
            raise _GrantError("invalid_grant", "invalid assertion")
        known = self._of_client(claims.get("iss"))
        if claims.get("sub") != known.username:
            raise _GrantError("invalid_grant", "user hasn't approved this consumer")
        if str(claims.get("aud", "")).rstrip("/") not in _AUDIENCES | {self._url()}:
            raise _GrantError("invalid_grant", "audience is invalid")
        now, expires = self._clock().timestamp(), str(claims.get("exp"))  # clients send it as a number or as text
        if not expires.isdigit() or not now < float(expires) <= now + _JWT_MINUTES * 60:
            raise _GrantError("invalid_grant", "expired authorization code")
        return known

    def userinfo(self, request: SimRequest) -> Answer:
        """Answer `/services/oauth2/userinfo`; it carries no limit header [seen]."""
        known = self._whose(request)
        body = {
            "sub": f"{self._url()}/id/{self._org_id}/{known.user_id}", "user_id": known.user_id,
            "organization_id": self._org_id, "preferred_username": known.username, "active": True,
            "urls": {"rest": f"{self._url()}/services/data/v{{version}}/"},
        }  # fmt: skip
        return Answer(200, body)

    def revoke(self, request: SimRequest) -> Answer:
        """Answer `/services/oauth2/revoke`: the session of the token ends."""
        form = dict(parse_qsl(request.body.decode("utf-8", "replace"))) | dict(request.query)
        token = form.get("token", "")
        if token not in self._open:
            return Answer(
                400, {"error": "unsupported_token_type", "error_description": "this token type is not supported"}
            )
        del self._open[token]
        return Answer(200)

    # SOAP ----------------------------------------------------------------------------------------------------------

    def soap_login(self, request: SimRequest, version: str, *, enabled: bool) -> Answer:
        """Answer the partner API's `login`, in the shapes that clients cut out with simple tools (facts 1.7)."""
        if not enabled or not re.fullmatch(r"\d\d\.\d", version) or float(version) > _LAST_SOAP_VERSION:
            return _soap_fault("INVALID_OPERATION", "SOAP API login() is disabled by default in this org.")
        try:
            said = _soap_texts(request.body)
        except ET.ParseError:
            return _soap_fault("INVALID_LOGIN", "The request is not XML.")
        known = next((user for user in self.users if user.username == said.get("username")), None)
        password = said.get("password", "")
        trusted = said.get("organizationId", "")[:15] == self._org_id[:15]  # an organisation that allows the address
        if known is None or not (
            password == known.password + known.security_token or (trusted and password == known.password)
        ):
            return _soap_fault("INVALID_LOGIN", "Invalid username, password, security token; or user locked out.")
        server = f"{self._url()}/services/Soap/u/{version}/{self._org_id[:15]}"
        body = (
            '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope'
            ' xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com">'
            f"<soapenv:Body><loginResponse><result><passwordExpired>false</passwordExpired><serverUrl>{escape(server)}</serverUrl>"
            f"<sessionId>{escape(self.open_session(known))}</sessionId><userId>{known.user_id}</userId><userInfo>"
            f"<organizationId>{self._org_id}</organizationId><userId>{known.user_id}</userId></userInfo></result>"
            "</loginResponse></soapenv:Body></soapenv:Envelope>"
        )
        return Answer(200, body.encode(), {"Content-Type": "text/xml;charset=UTF-8"})


def _soap_texts(body: bytes) -> dict[str, str]:
    root = ET.fromstring(body)  # noqa: S314 - expat bounds entity expansion itself; the caller is a test
    return {element.tag.rpartition("}")[2]: (element.text or "").strip() for element in root.iter()}


def _soap_fault(code: str, message: str) -> Answer:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope'
        ' xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:sf="urn:fault.partner.soap.sforce.com">'
        f"<soapenv:Body><soapenv:Fault><faultcode>{code}</faultcode>"
        f"<faultstring>{code}: {escape(message)}</faultstring><detail><sf:LoginFault>"
        f"<sf:exceptionCode>{code}</sf:exceptionCode><sf:exceptionMessage>{escape(message)}</sf:exceptionMessage>"
        "</sf:LoginFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    )
    return Answer(500, body.encode(), {"Content-Type": "text/xml;charset=UTF-8"})


def _read_jwt(assertion: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:  # claims: any JSON value
    parts = assertion.split(".")
    if len(parts) != 3 or not parts[2]:
        raise _GrantError("invalid_grant", "invalid assertion")
    found: list[Mapping[str, Any]] = []
    for part in parts[:2]:
        try:
            read: object = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        except ValueError:  # not base64, not UTF-8 or not JSON
            raise _GrantError("invalid_grant", "invalid assertion") from None
        if not isinstance(read, dict):
            raise _GrantError("invalid_grant", "invalid assertion")
        found.append(cast("dict[str, Any]", read))
    return found[0], found[1]
