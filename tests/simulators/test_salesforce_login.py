"""Laws of the simulated Salesforce's doors: OAuth grants, the SOAP log-in, sessions."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import attrs
import pytest

from di_salesforce.testing._loopback import SimResponse
from di_salesforce.testing._salesforce import FakeSalesforce
from di_salesforce.testing._sf_switches import SalesforceSwitches

NOW = datetime(2026, 5, 1, 7, 25, 37, tzinfo=UTC)
TOKEN = "/services/oauth2/token"
LIMITS = "/services/data/v60.0/limits"
JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture
def fake() -> FakeSalesforce:
    return FakeSalesforce(clock=lambda: NOW)


def grant(fake: FakeSalesforce, headers: dict[str, str] | None = None, /, **form: str) -> SimResponse:
    return fake.send("POST", TOKEN, urlencode(form).encode(), headers={"Authorization": "", **(headers or {})})


def body(response: SimResponse) -> Any:
    return json.loads(response.body)


def jwt(fake: FakeSalesforce, **changes: object) -> str:
    claims = {
        "iss": fake.client_id,
        "sub": fake.username,
        "aud": "https://login.salesforce.com",
        "exp": int(NOW.timestamp()) + 180,
    }
    parts = [{"alg": "RS256"}, {**claims, **changes}]
    return (
        ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + ".c2ln"
    )


def works(fake: FakeSalesforce, token: str) -> bool:
    return fake.send("GET", LIMITS, headers={"Authorization": f"Bearer {token}"}).status == 200


def client(fake: FakeSalesforce) -> dict[str, str]:
    return {"client_id": fake.client_id, "client_secret": fake.client_secret}


def test_every_grant_opens_a_session_that_works(fake: FakeSalesforce) -> None:
    """[seen] Client credentials (body or Basic), password, refresh token and JWT give a token that works."""
    basic = base64.b64encode(f"{fake.client_id}:{fake.client_secret}".encode()).decode()
    password = fake.password + fake.security_token
    answers = [
        grant(fake, grant_type="client_credentials", **client(fake)),
        grant(fake, {"Authorization": f"Basic {basic}"}, grant_type="client_credentials"),
        grant(fake, grant_type="password", username=fake.username, password=password, **client(fake)),
        grant(fake, grant_type="refresh_token", refresh_token=fake.refresh_token, client_id=fake.client_id),
        grant(fake, grant_type=JWT, assertion=jwt(fake)),
        grant(fake, grant_type=JWT, assertion=jwt(fake, exp=str(int(NOW.timestamp()) + 180))),
    ]
    assert [answer.status for answer in answers] == [200] * len(answers)
    assert all(works(fake, body(answer)["access_token"]) for answer in answers)


def test_token_answer_has_the_recorded_keys(fake: FakeSalesforce) -> None:
    """[seen] The answer has the recorded keys; `issued_at` is text, in milliseconds."""
    answer = body(grant(fake, grant_type="client_credentials", **client(fake)))
    assert {"access_token", "instance_url", "id", "token_type", "issued_at", "signature"} <= set(answer)
    assert answer["issued_at"] == str(int(NOW.timestamp() * 1000))
    assert answer["access_token"].startswith(fake.org_id[:15] + "!")
    assert answer["token_type"] == "Bearer"


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "client_credentials", "client_id": "x"}, "invalid_client_id"),
        ({"grant_type": "client_credentials", "client_id": "simulated-client"}, "invalid_client"),
        ({"grant_type": "device"}, "unsupported_grant_type"),
        ({}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "x", "client_id": "simulated-client"}, "invalid_grant"),
        ({"grant_type": JWT, "assertion": "nonsense"}, "invalid_grant"),
        ({"grant_type": JWT, "assertion": "a.b.c"}, "invalid_grant"),
    ],
)
def test_a_wrong_grant_is_refused_in_the_oauth_shape(fake: FakeSalesforce, form: dict[str, str], error: str) -> None:
    """[seen] A refusal is `{error, error_description}` with 400, never an array."""
    answer = grant(fake, **form)
    assert (answer.status, body(answer)["error"]) == (400, error)
    assert set(body(answer)) == {"error", "error_description"}


def test_password_grant_needs_the_security_token(fake: FakeSalesforce) -> None:
    """[documented] The password alone does not do."""
    answer = grant(fake, grant_type="password", username=fake.username, password=fake.password, **client(fake))
    assert (answer.status, body(answer)["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "x"},
        {"sub": "x"},
        {"aud": "https://example.com"},
        {"exp": int(NOW.timestamp())},
        {"exp": int(NOW.timestamp()) + 301},
        {"exp": None},
    ],
)
def test_every_claim_of_a_jwt_is_checked(fake: FakeSalesforce, changes: dict[str, object]) -> None:
    """[documented] Issuer, subject, audience and expiry (ahead, but by minutes only) must all be right."""
    assert grant(fake, grant_type=JWT, assertion=jwt(fake, **changes)).status == 400


def test_a_refresh_token_may_serve_once(fake: FakeSalesforce) -> None:
    """[inferred] Where refresh tokens rotate, each log-in gives the next one, and the old one is refused."""
    fake.switches = SalesforceSwitches(rotate_refresh_tokens=True)
    first = fake.refresh_token

    def log_in(refresh_token: str) -> Any:
        return body(grant(fake, grant_type="refresh_token", refresh_token=refresh_token, client_id=fake.client_id))

    assert log_in(first)["refresh_token"] == fake.refresh_token != first
    assert log_in(first)["error"] == "invalid_grant"
    assert works(fake, log_in(fake.refresh_token)["access_token"])


@pytest.mark.parametrize("host", ["login.salesforce.com", "test.salesforce.com"])
def test_client_credentials_need_the_orgs_own_host(fake: FakeSalesforce, host: str) -> None:
    """[inferred] On the shared hosts the client-credentials grant is an `invalid_grant`."""
    answer = grant(fake, {"Host": host}, grant_type="client_credentials", **client(fake))
    assert (answer.status, body(answer)["error"]) == (400, "invalid_grant")


def test_expired_sessions_are_refused_until_the_next_login(fake: FakeSalesforce) -> None:
    """[seen] After `expire_sessions` a token gets 401 `INVALID_SESSION_ID` without `fields`; a new one works."""
    old = fake.access_token()
    fake.expire_sessions()
    refused = fake.send("GET", LIMITS, headers={"Authorization": f"Bearer {old}"})
    assert refused.status == 401
    assert body(refused) == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    assert works(fake, fake.access_token())


def test_a_revoked_token_stops_working(fake: FakeSalesforce) -> None:
    """[documented] Revoking ends that session and no other."""
    ended, kept = fake.access_token(), fake.access_token()
    assert fake.send("POST", "/services/oauth2/revoke", urlencode({"token": ended}).encode()).status == 200
    assert (works(fake, ended), works(fake, kept)) == (False, True)


def test_userinfo_names_org_and_user_and_counts_no_call(fake: FakeSalesforce) -> None:
    """[seen] `userinfo` gives organization and user, and carries no limit header."""
    answer = fake.send("GET", "/services/oauth2/userinfo")
    assert (body(answer)["organization_id"], body(answer)["user_id"]) == (fake.org_id, fake.user_id)
    assert "Sforce-Limit-Info" not in answer.headers
    assert fake.calls_used == 0


def soap(username: str, password: str, organization: str = "") -> bytes:
    scope = f"<u:LoginScopeHeader><u:organizationId>{organization}</u:organizationId></u:LoginScopeHeader>"
    return (
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:u="urn:partner.soap.sforce.com">'
        f"<e:Header>{scope if organization else ''}</e:Header><e:Body><u:login><u:username>{username}</u:username>"
        f"<u:password>{password}</u:password></u:login></e:Body></e:Envelope>"
    ).encode()


def test_soap_login_gives_bare_elements(fake: FakeSalesforce) -> None:
    """[seen] `sessionId` and `serverUrl` come without prefix or attribute, as simple clients cut them out."""
    answer = fake.send("POST", "/services/Soap/u/59.0", soap(fake.username, fake.password + fake.security_token))
    text = answer.body.decode()
    assert answer.status == 200
    assert "<serverUrl>" in text
    assert works(fake, text.partition("<sessionId>")[2].partition("</sessionId>")[0])


def test_soap_login_takes_the_password_alone_for_a_trusted_organization(fake: FakeSalesforce) -> None:
    """[inferred] With the organization's id in the scope header no security token is needed."""
    answer = fake.send("POST", "/services/Soap/u/59.0", soap(fake.username, fake.password, fake.org_id))
    assert answer.status == 200


@pytest.mark.parametrize(
    ("version", "content", "code"),
    [
        ("59.0", soap("integration@example.com", "wrong"), "INVALID_LOGIN"),
        ("59.0", b"not xml", "INVALID_LOGIN"),
        ("65.0", soap("integration@example.com", "simulated-passwordsimulated-token"), "INVALID_OPERATION"),
    ],
)
def test_soap_faults_carry_the_prefixed_elements(fake: FakeSalesforce, version: str, content: bytes, code: str) -> None:
    """[seen] A refused log-in is a 500 with `sf:exceptionCode`; from version 65 on there is no log-in at all."""
    answer = fake.send("POST", f"/services/Soap/u/{version}", content)
    assert answer.status == 500
    assert f"<sf:exceptionCode>{code}</sf:exceptionCode>" in answer.body.decode()


def test_soap_login_can_be_off(fake: FakeSalesforce) -> None:
    """[inferred] As in new orgs, the switch turns the SOAP log-in off."""
    fake.switches = attrs.evolve(fake.switches, soap_login=False)
    answer = fake.send("POST", "/services/Soap/u/59.0", soap(fake.username, fake.password + fake.security_token))
    assert "INVALID_OPERATION" in answer.body.decode()
