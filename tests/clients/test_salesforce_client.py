"""Laws of the Salesforce clients, blocking and async, against the simulated org over real HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

import attrs
import httpx
import pytest

from di_salesforce.clients import AsyncSalesforceClient, SalesforceClient
from di_salesforce.exceptions import (
    AmbiguousKeyError,
    AuthenticationError,
    ConfigurationError,
    InvalidRequestError,
    NotFoundError,
    RateLimitError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
)
from di_salesforce.retry import RetryPolicy
from di_salesforce.salesforce import (
    AccessToken,
    ClientCredentials,
    JWTBearer,
    RefreshToken,
    UsernamePassword,
    chunked_in,
    select,
)
from di_salesforce.salesforce._auth import auth_from_env
from di_salesforce.testing._faults import HtmlPage, HttpStatus, LostAnswer, ResetConnection, TruncatedBody
from di_salesforce.testing._salesforce import FakeSalesforce
from di_salesforce.testing._sf_faults import CONCURRENCY_LIMIT, DAILY_LIMIT, ROW_LOCK, ErrorAnswer, ExpiredSession
from di_salesforce.testing._sf_schema import Field
from di_salesforce.wire import HttpResponse

PROMPT = RetryPolicy(base=0)


class Async:
    """An async client used as a blocking one, so that each law is written once."""

    def __init__(self, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = AsyncSalesforceClient(**options)

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._client, name)
        if not callable(member):
            return member

        def call(*arguments: Any, **named: Any) -> Any:
            result = member(*arguments, **named)
            if hasattr(result, "__aiter__"):
                return self._iterate(result)
            return self._loop.run_until_complete(result)

        return call

    def _iterate(self, rows: Any) -> Iterator[Any]:
        try:
            while True:
                yield self._loop.run_until_complete(anext(rows))
        except StopAsyncIteration:
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run_until_complete(self._client.close())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


@pytest.fixture
def fake() -> Iterator[FakeSalesforce]:
    with FakeSalesforce(page_size=100) as simulator:
        simulator.add_field("Contact", Field("Ext__c", "string", length=80, external_id=True))
        simulator.add_field("Contact", Field("Points__c", "double", precision=18, scale=2))
        yield simulator


def credentials(fake: FakeSalesforce) -> ClientCredentials:
    return ClientCredentials(fake.url, fake.client_id, fake.client_secret)


@pytest.fixture(params=[SalesforceClient, Async], ids=["blocking", "async"])
def client(request: pytest.FixtureRequest, fake: FakeSalesforce) -> Iterator[Any]:
    with request.param(auth=credentials(fake), retry=PROMPT) as made:
        yield made


def people(count: int) -> list[dict[str, Any]]:
    return [{"LastName": f"Tremblay{n:04d}", "Email": f"p{n}@example.com", "Ext__c": f"x{n}"} for n in range(count)]


# Logging in -------------------------------------------------------------------------------------------------------


def rsa_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form, no_password = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, no_password).decode()


WAYS = {
    "client credentials": credentials,
    "soap": lambda fake: UsernamePassword(fake.username, fake.password, fake.security_token, fake.url),
    "password": lambda fake: UsernamePassword(
        fake.username, fake.password, fake.security_token, fake.url, fake.client_id, fake.client_secret
    ),
    "jwt": lambda fake: JWTBearer(fake.username, fake.client_id, rsa_key(), fake.url),
    "refresh token": lambda fake: RefreshToken(fake.refresh_token, fake.client_id, fake.client_secret, fake.url),
    "access token": lambda fake: AccessToken(fake.url, fake.access_token()),
}


@pytest.mark.parametrize("kind", [SalesforceClient, Async], ids=["blocking", "async"])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_log_in(fake: FakeSalesforce, way: str, kind: Any) -> None:
    """Each log-in gives a working session; all but a ready token are renewed when it ends."""
    with kind(auth=WAYS[way](fake), retry=PROMPT) as client:
        assert len(client.identity().organization_id) == 18
        fake.expire_sessions()
        if way == "access token":
            with pytest.raises(AuthenticationError):
                client.limits()
        else:
            assert client.limits()["DailyApiRequests"].allowed == fake.daily_limit


@pytest.mark.parametrize(
    "wrong",
    [
        lambda fake: ClientCredentials(fake.url, fake.client_id, "s3cr3t"),
        lambda fake: ClientCredentials(fake.url, "s3cr3t", fake.client_secret),
        lambda fake: UsernamePassword(fake.username, "s3cr3t", domain=fake.url),
        lambda fake: UsernamePassword("s3cr3t", fake.password, "", fake.url, fake.client_id, fake.client_secret),
        lambda fake: RefreshToken("s3cr3t", fake.client_id, domain=fake.url),
        lambda fake: JWTBearer("s3cr3t", fake.client_id, rsa_key(), fake.url),
        lambda fake: AccessToken(fake.url, "s3cr3t"),
    ],
)
@pytest.mark.filterwarnings("ignore:\\s+If your connected app policy")  # simple-salesforce's advice about a JWT's user
def test_wrong_credentials(fake: FakeSalesforce, wrong: Any) -> None:
    """A refused log-in is one error, after one try, that shows no secret and brings nothing foreign along."""
    with SalesforceClient(auth=wrong(fake), retry=PROMPT) as client:
        with pytest.raises(AuthenticationError) as caught:
            client.limits()
        [told] = client.check_access()
    assert len(fake.requests) <= 4
    assert "s3cr3t" not in repr(caught.value) + told
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_a_private_key_that_is_none(fake: FakeSalesforce) -> None:
    """A key that cannot be read is the user's mistake, found before anything is sent."""
    with (
        SalesforceClient(auth=JWTBearer("u", "c", "no key: s3cr3t", fake.url)) as client,
        pytest.raises(ConfigurationError, match="PEM") as caught,
    ):
        client.limits()
    assert "s3cr3t" not in str(caught.value)
    assert fake.requests == ()


def test_a_log_in_without_an_answer(fake: FakeSalesforce) -> None:
    """A log-in that gets no answer is repeated, and then told as the road's fault."""
    fake.inject(ResetConnection(), path="*/token")
    with SalesforceClient(auth=credentials(fake), retry=PROMPT) as client:
        assert client.limits()
        fake.expire_sessions()
        fake.inject(ResetConnection(), path="*/token", times=None)
        with pytest.raises(TransportError) as caught:
            client.limits()
    assert not caught.value.may_have_applied


@pytest.mark.parametrize("fault", [HtmlPage(), TruncatedBody()], ids=["page", "cut"])
def test_a_log_in_with_an_unreadable_answer(fake: FakeSalesforce, fault: Any) -> None:
    """A page in the place of a token, or half an answer, ends in one of our errors."""
    for auth in (credentials(fake), WAYS["soap"](fake), WAYS["refresh token"](fake)):
        fake.inject(fault, path="*/token", times=None)
        fake.inject(fault, path="*/Soap/*", times=None)
        with (
            SalesforceClient(auth=auth, retry=PROMPT) as client,
            pytest.raises((UnexpectedResponseError, AuthenticationError, TransportError)),
        ):
            client.limits()
        fake.withdraw()


def test_one_log_in_for_many_threads(fake: FakeSalesforce) -> None:
    """Eight threads that meet one expiry make one log-in (simple-salesforce makes eight)."""
    with SalesforceClient(auth=credentials(fake), retry=PROMPT) as client:
        client.limits()
        fake.expire_sessions()
        before = len(fake.requests)
        ready, results = threading.Barrier(8), []

        def ask() -> None:
            ready.wait(timeout=30)
            results.append(client.limits())

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(results) == 8
    assert sum("token" in entry.path for entry in fake.requests_since(before)) == 1


def test_a_token_that_stays_refused_ends(client: Any, fake: FakeSalesforce) -> None:
    """A server that keeps answering 401 gets one renewal and one more request (simple-salesforce goes on for ever)."""
    client.limits()
    before = len(fake.requests)
    fake.inject(ExpiredSession(), path="*/limits", times=None)
    with pytest.raises(AuthenticationError):
        client.limits()
    assert [entry.path.rsplit("/", 1)[-1] for entry in fake.requests_since(before)] == ["limits", "token", "limits"]


def test_a_session_that_ends_in_the_middle(client: Any, fake: FakeSalesforce) -> None:
    """A query and a large write go on through the end of a session, without a row lost or written twice."""
    fake.inject(ExpiredSession(), path="*/composite/*", after=2)
    assert all(result.success for result in client.create_many("Contact", people(900)))
    fake.inject(ExpiredSession(), path="*/query/*", after=3)
    rows = list(client.query("SELECT Email FROM Contact"))
    assert sorted(row["Email"] for row in rows) == sorted(row["Email"] for row in people(900))


def test_from_and_to_simple_salesforce(client: Any, fake: FakeSalesforce) -> None:
    """Sessions are handed over in both directions, and renewed by whoever knows how to log in."""
    sf = client.to_simple_salesforce()
    made = sf.Contact.create({"LastName": "Guest"})
    assert client.get("Contact", made["id"], ["LastName"])["LastName"] == "Guest"
    with SalesforceClient.from_simple_salesforce(sf, retry=PROMPT) as other:
        assert other.identity() == client.identity()
        fake.expire_sessions()
        with pytest.raises(AuthenticationError):
            other.limits()


def test_a_simple_salesforce_that_logged_in_itself_logs_in_again(fake: FakeSalesforce) -> None:
    """Where the handed-over object has a log-in of its own, the client uses it when the session ends."""
    from simple_salesforce.api import Salesforce

    from di_salesforce.transports._simple_salesforce import _session

    session, _ = _session(fake.url, 30)
    sf = Salesforce(
        consumer_key=fake.client_id,
        consumer_secret=fake.client_secret,
        domain="simulated",
        session=session,
        version="61.0",
    )
    with SalesforceClient.from_simple_salesforce(sf) as client:
        assert client.settings.api_version == "61.0"
        client.identity()
        fake.expire_sessions()
        assert client.limits()


ENV = {
    "SALESFORCE_INSTANCE_URL": "a.my.salesforce.com",
    "SALESFORCE_ACCESS_TOKEN": "t",
    "SALESFORCE_REFRESH_TOKEN": "r",
    "SALESFORCE_DOMAIN": "a.my.salesforce.com",
    "SALESFORCE_CLIENT_ID": "i",
    "SALESFORCE_CLIENT_SECRET": "s",
    "SALESFORCE_USERNAME": "u",
    "SALESFORCE_PASSWORD": "p",
    "SALESFORCE_SECURITY_TOKEN": "st",
    "SALESFORCE_PRIVATE_KEY": "-----BEGIN-----\\nkey",
}
DOMAIN = "a.my.salesforce.com"


@pytest.mark.parametrize(
    ("names", "auth"),
    [
        ("INSTANCE_URL ACCESS_TOKEN CLIENT_ID", AccessToken(DOMAIN, "t")),
        ("REFRESH_TOKEN CLIENT_ID", RefreshToken("r", "i")),
        ("REFRESH_TOKEN CLIENT_ID CLIENT_SECRET DOMAIN", RefreshToken("r", "i", "s", DOMAIN)),
        ("USERNAME CLIENT_ID PRIVATE_KEY", JWTBearer("u", "i", "-----BEGIN-----\nkey")),
        ("USERNAME PASSWORD", UsernamePassword("u", "p")),
        ("USERNAME PASSWORD SECURITY_TOKEN DOMAIN", UsernamePassword("u", "p", "st", DOMAIN)),
        ("USERNAME PASSWORD CLIENT_ID CLIENT_SECRET", UsernamePassword("u", "p", client_id="i", client_secret="s")),
        ("DOMAIN CLIENT_ID CLIENT_SECRET", ClientCredentials(DOMAIN, "i", "s")),
    ],
)
def test_log_ins_from_the_environment(names: str, auth: object) -> None:
    """The most special log-in whose variables are all there is taken; empty variables are not there."""
    given = {f"SALESFORCE_{name}": ENV[f"SALESFORCE_{name}"] for name in names.split()}
    assert auth_from_env({**dict.fromkeys(ENV, " "), **given}) == auth


def test_an_incomplete_environment_names_what_is_missing(fake: FakeSalesforce) -> None:
    """The error lists, for each way, what it lacks; a complete one makes a client."""
    with pytest.raises(ConfigurationError) as caught:
        SalesforceClient.from_env({"SALESFORCE_DOMAIN": DOMAIN, "SALESFORCE_CLIENT_ID": "s3cr3t"})
    assert "missing SALESFORCE_CLIENT_SECRET" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    given = {
        "SALESFORCE_DOMAIN": fake.url,
        "SALESFORCE_CLIENT_ID": fake.client_id,
        "SALESFORCE_CLIENT_SECRET": fake.client_secret,
        "SALESFORCE_API_VERSION": "61.0",
    }
    with SalesforceClient.from_env(given, retry=PROMPT) as client:
        assert client.identity().user_id == fake.user_id
        assert client.settings.api_version == "61.0"


@pytest.mark.parametrize(
    "make",
    [
        lambda: ClientCredentials("login.salesforce.com", "i", "s"),
        lambda: ClientCredentials(DOMAIN, "", "s"),
        lambda: ClientCredentials("http://example.com", "i", "s"),
        lambda: AccessToken(DOMAIN, " "),
        lambda: UsernamePassword("u", "p", client_id="i"),
        lambda: SalesforceClient(auth=AccessToken(DOMAIN, "t"), api_version="sixty"),
        lambda: SalesforceClient(auth=AccessToken(DOMAIN, "t"), timeout=0),
    ],
)
def test_impossible_settings_are_refused_at_once(make: Any) -> None:
    """What cannot work is told before anything is sent."""
    with pytest.raises(ConfigurationError):
        make()


# Access -----------------------------------------------------------------------------------------------------------


def test_check_access_says_in_words_what_is_missing(client: Any, fake: FakeSalesforce) -> None:
    """Nothing missing is no sentence; a missing object, an old instance and few calls left are one each."""
    assert client.check_access("Contact", "Account") == []
    [told] = client.check_access("Contact", "Nope__c")
    assert "Nope__c" in told
    fake.restore(attrs.evolve(fake.snapshot(), calls_used=fake.daily_limit - 5))
    [told] = client.check_access()
    assert "API calls are left" in told


def test_an_unknown_api_version_is_told(fake: FakeSalesforce) -> None:
    """An API version that the instance has not is named, with the newest that it has."""
    with SalesforceClient(auth=credentials(fake), api_version="99.0", retry=PROMPT) as client:
        assert any("99.0" in told for told in client.check_access())


def test_identity_without_the_scope(client: Any, fake: FakeSalesforce) -> None:
    """A session that may not ask for the user still tells the org."""
    whole = client.identity()
    fake.inject(ErrorAnswer(403, "Missing_OAuth_Token"), path="*/userinfo", times=None)
    part = client.identity()
    assert (part.organization_id, part.user_id) == (whole.organization_id, None)


def test_usage_is_told_by_the_latest_answer(client: Any, fake: FakeSalesforce) -> None:
    """The org's usage is known after the first call that tells it."""
    assert client.usage is None
    client.limits()
    first = client.usage
    client.limits()
    assert (client.usage.used, client.usage.allowed) == (first.used + 1, fake.daily_limit)


def test_describe_and_schema(client: Any) -> None:
    """A describe comes as it is, a schema in the common vocabulary; an unknown object is NotFoundError."""
    assert client.describe("Contact")["name"] == "Contact"
    schema = client.schema("Contact")
    assert schema["LastName"].required
    assert schema["Ext__c"].external_id
    with pytest.raises(NotFoundError):
        client.schema("Nope__c")


# Queries ----------------------------------------------------------------------------------------------------------


def test_a_query_is_lazy_and_whole(client: Any, fake: FakeSalesforce) -> None:
    """Nothing is sent before the first row; pages come as they are needed; all rows come."""
    fake.load("Contact", people(250))
    before = len(fake.requests)
    rows = client.query("SELECT Email FROM Contact ORDER BY Email")
    assert len(fake.requests) == before
    emails = [next(rows)["Email"]]
    pages = [entry for entry in fake.requests_since(before) if "query" in entry.path]
    assert len(pages) == 1
    emails += [row["Email"] for row in rows]
    assert emails == sorted(row["Email"] for row in people(250))
    assert client.query_all("SELECT Email FROM Contact ORDER BY Email") == [{"Email": email} for email in emails]


@pytest.mark.parametrize("name", ["O'Brien", 'a"b', "back\\slash", "100% _sure_", "x' OR Name != '", "Zoë", "a&b=c#d"])
def test_values_are_parameters(client: Any, fake: FakeSalesforce, name: str) -> None:
    """Whatever a value holds, it is compared as a value."""
    fake.load("Contact", [{"LastName": name}, {"LastName": "Other"}])
    rows = client.query_all("SELECT LastName FROM Contact WHERE LastName = :name", {"name": name})
    assert rows == [{"LastName": name}]


def test_wrong_parameters_are_refused_at_once(client: Any, fake: FakeSalesforce) -> None:
    """A value without a place is found when the query is made, before it is run."""
    with pytest.raises(ConfigurationError):
        client.query("SELECT Id FROM Contact", {"name": "x"})


@attrs.frozen
class Account:
    Name: str


@attrs.frozen
class Person:
    Id: str
    LastName: str
    CreatedDate: datetime
    Points__c: Decimal | None
    Account: Account | None


def test_rows_and_objects(client: Any, fake: FakeSalesforce) -> None:
    """Plain rows are flat and exact; objects have parents in them and aware date-times."""
    [account] = fake.load("Account", [{"Name": "Acme"}])
    fake.load("Contact", [{"LastName": "A", "AccountId": account, "Points__c": Decimal("1.10")}, {"LastName": "B"}])
    query = "SELECT Id, LastName, CreatedDate, Points__c, Account.Name FROM Contact ORDER BY LastName"
    first, second = client.query(query)
    assert first["Account.Name"] == "Acme"
    assert second["Account.Name"] is None
    assert first.keys() == second.keys()
    assert first["Points__c"] == Decimal("1.1")
    assert isinstance(first["Points__c"], Decimal)
    assert isinstance(first["CreatedDate"], str)
    one, other = client.query(query, into=Person)
    assert (one.Account, other.Account) == (Account("Acme"), None)
    assert one.CreatedDate.tzinfo is not None
    assert one.CreatedDate <= datetime.now(UTC)


def test_deleted_rows_on_request(client: Any, fake: FakeSalesforce) -> None:
    """Rows in the recycle bin come only when they are asked for."""
    [record_id] = fake.load("Contact", [{"LastName": "Gone"}])
    client.delete("Contact", record_id)
    assert client.query_all("SELECT Id FROM Contact") == []
    assert client.query_all("SELECT Id, IsDeleted FROM Contact", include_deleted=True) == [
        {"Id": record_id, "IsDeleted": True}
    ]


def test_a_cursor_that_ends_is_told(client: Any, fake: FakeSalesforce) -> None:
    """A query whose cursor is gone ends in an error, not in fewer rows."""
    fake.load("Contact", people(250))
    rows = client.query("SELECT Id FROM Contact")
    next(rows)
    fake.expire_cursors()
    with pytest.raises(InvalidRequestError) as caught:
        list(rows)
    assert caught.value.code == "INVALID_QUERY_LOCATOR"


def test_long_lists_fit_into_the_address(client: Any, fake: FakeSalesforce) -> None:
    """As many queries as it takes, each small enough for URI and headers, find every record."""
    emails = [f"{n:03d}-éèà'{'x' * 50}@example.com" for n in range(600)]
    fake.load("Contact", [{"LastName": email} for email in emails])
    text = "SELECT LastName FROM Contact WHERE LastName IN :names"
    found = [row["LastName"] for query in chunked_in(text, "names", emails) for row in client.query(query)]
    assert sorted(found) == sorted(emails)


def test_rows_by_key(fake: FakeSalesforce) -> None:
    """The flow that a synchroniser uses finds the rows of many keys, side by side."""
    from di_salesforce.salesforce import _flows as flows
    from di_salesforce.salesforce import soql

    fake.load("Contact", people(900))
    with SalesforceClient(auth=credentials(fake), retry=PROMPT) as client:
        keys = [f"x{n}" for n in range(0, 900, 2)]
        where = [soql("Email != :not_this", not_this="p0@example.com")]
        flow = flows.query_by_key(*client.context, "Contact", ["Ext__c"], key="Ext__c", values=keys, where=where)
        rows = client.run(flow)
        assert sorted(row["Ext__c"] for row in rows) == sorted(keys[1:])
        assert list(client.query(select("Contact", ["Id"], limit=3)))[2:]


# Records ----------------------------------------------------------------------------------------------------------


def test_one_record_from_birth_to_death(client: Any) -> None:
    """Create, get, update, clear, delete; afterwards it is not there."""
    record_id = client.create("Contact", {"LastName": "Tremblay", "Points__c": Decimal("0.10")})
    fields = ["LastName", "Points__c", "FirstName"]
    client.update("Contact", record_id, {"FirstName": "Zoë", "Points__c": None})
    row = client.get("Contact", record_id, fields)
    assert (row["LastName"], row["Points__c"], row["FirstName"]) == ("Tremblay", None, "Zoë")
    client.delete("Contact", record_id)
    for gone in (lambda: client.get("Contact", record_id), lambda: client.delete("Contact", record_id)):
        with pytest.raises(NotFoundError):
            gone()


@pytest.mark.parametrize("value", ["x", "a/../b", "..", ".", "a b+c", "é?#&=%2F", "0", "'quoted'", 'a"b\\c'])
def test_upsert_by_any_external_id(client: Any, fake: FakeSalesforce, value: str) -> None:
    """The value addresses its record and no other, whatever is in it: created first, updated then."""
    fake.load("Contact", [{"LastName": "Other", "Ext__c": "b"}])
    first = client.upsert("Contact", "Ext__c", value, {"LastName": "First"})
    second = client.upsert("Contact", "Ext__c", value, {"LastName": "Second"})
    assert (first.created, second.created) == (True, False)
    assert first.record_id == second.record_id
    rows = client.query_all("SELECT LastName, Ext__c FROM Contact ORDER BY LastName")
    assert rows == [{"LastName": "Other", "Ext__c": "b"}, {"LastName": "Second", "Ext__c": value}]


def test_an_external_id_that_several_hold(client: Any, fake: FakeSalesforce) -> None:
    """An ambiguous key is an error with the paths of the records."""
    fake.load("Contact", [{"LastName": "A", "Ext__c": "x"}, {"LastName": "B", "Ext__c": "x"}])
    with pytest.raises(AmbiguousKeyError) as caught:
        client.upsert("Contact", "Ext__c", "x", {"LastName": "C"})
    assert len(caught.value.matches) == 2


def test_mistakes_are_found_before_anything_is_sent(client: Any, fake: FakeSalesforce) -> None:
    """Wrong ids, empty keys, contrary keys and wrong names do not reach the service."""
    client.limits()
    before = len(fake.requests)
    for call in (
        lambda: client.get("Contact", "../Account"),
        lambda: client.update("Contact", "003", {}),
        lambda: client.delete("Con/tact", "003000000000001AAA"),
        lambda: client.upsert("Contact", "Ext__c", "", {}),
        lambda: client.upsert("Contact", "Ext__c", "a", {"Ext__c": "b"}),
        lambda: client.retrieve_many("Contact", ["nope"], ["Id"]),
    ):
        with pytest.raises(ConfigurationError):
            call()
    assert len(fake.requests) == before


def test_what_the_service_refuses_names_record_and_field(client: Any) -> None:
    """A required field, a wrong field: the error says which, of which request."""
    with pytest.raises(InvalidRequestError) as caught:
        client.create("Contact", {"FirstName": "Ada"})
    assert caught.value.fields == ("LastName",)
    assert "create Contact" in str(caught.value)
    assert "LastName" in str(caught.value)
    with pytest.raises(InvalidRequestError, match="Nope__c"):
        client.create("Contact", {"LastName": "x", "Nope__c": 1})


def test_many_records_from_birth_to_death(client: Any, fake: FakeSalesforce) -> None:
    """Create, upsert, update, retrieve and delete 450 records: results in order, three calls for each."""
    made = client.create_many("Contact", people(450))
    ids = [result.record_id for result in made]
    assert all(result.created for result in made)
    upserted = client.upsert_many("Contact", "Ext__c", [{**row, "FirstName": "U"} for row in people(450)])
    assert [result.record_id for result in upserted] == ids
    assert not any(result.created for result in upserted)
    updated = client.update_many("Contact", [{"Id": record_id, "Points__c": n} for n, record_id in enumerate(ids)])
    assert all(result.success for result in updated)
    rows = client.retrieve_many("Contact", [*ids, "003000000000001AAA"], ["FirstName", "Points__c"])
    assert [row and row["Points__c"] for row in rows] == [*range(450), None]
    deleted = client.delete_many("Contact", ids)
    assert [result.success for result in deleted] == [True] * 450
    assert fake.rows("Contact") == []
    writes = [entry for entry in fake.writes if "composite" in entry.path]
    assert len(writes) == 12


def test_partial_success_is_told_by_row(client: Any) -> None:
    """A record that is refused leaves the others alone, and names its field."""
    results = client.create_many("Contact", [{"LastName": "A"}, {"FirstName": "B"}, {"LastName": "C"}])
    assert [result.success for result in results] == [True, False, True]
    assert results[1].errors[0].fields == ("LastName",)


@pytest.mark.parametrize("status", [200, 400])
def test_all_or_none(client: Any, fake: FakeSalesforce, status: int) -> None:
    """With one refused none is written, whatever status the service answers with."""
    fake.switches = attrs.evolve(fake.switches, all_or_none_status=status)
    results = client.create_many("Contact", [{"LastName": "A"}, {"FirstName": "B"}], all_or_none=True)
    assert not any(result.success for result in results)
    assert fake.rows("Contact") == []


@pytest.mark.parametrize("whole", [True, False], ids=["whole call refused", "row refused"])
def test_a_value_of_the_wrong_kind_refuses_its_row_alone(client: Any, fake: FakeSalesforce, *, whole: bool) -> None:
    """Whether the service refuses the call or the row: the other records are written."""
    fake.switches = attrs.evolve(fake.switches, parse_errors_refuse_request=whole)
    rows = [{**row, "Points__c": "many" if n == 7 else 1} for n, row in enumerate(people(20))]
    results = client.create_many("Contact", rows)
    assert [place for place, result in enumerate(results) if not result.success] == [7]
    assert len(fake.rows("Contact")) == 19


# Faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [CONCURRENCY_LIMIT, ROW_LOCK, HttpStatus(503), HttpStatus(502), HttpStatus(429), ResetConnection()],
    ids=str,
)
def test_passing_faults_are_passed_over(client: Any, fake: FakeSalesforce, fault: Any) -> None:
    """What passes by itself is waited for: reads and repeatable writes come through, written once."""
    client.limits()
    fake.inject(fault, path="*/limits")
    assert client.limits()
    fake.inject(fault, path="*/Ext__c/*")
    assert client.upsert("Contact", "Ext__c", "x", {"LastName": "Once"}).created
    assert len(fake.rows("Contact")) == 1


def test_the_daily_limit_ends_it(client: Any, fake: FakeSalesforce) -> None:
    """Calls past the day's allowance are not repeated: that would only use it up further."""
    client.limits()
    before = len(fake.requests)
    fake.inject(DAILY_LIMIT, times=None)
    with pytest.raises(RateLimitError) as caught:
        client.limits()
    assert caught.value.exhausted
    assert len(fake.requests_since(before)) == 1


@pytest.mark.parametrize("fault", [LostAnswer(), ResetConnection(), HttpStatus(503)], ids=str)
def test_a_create_is_never_sent_twice(client: Any, fake: FakeSalesforce, fault: Any) -> None:
    """After a lost answer or a failing server, a create is told as in doubt, and there is at most one record."""
    client.limits()
    fake.inject(fault, path="*/sobjects/Contact")
    with pytest.raises((TransportError, ServerError)) as caught:
        client.create("Contact", {"LastName": "Once"})
    assert getattr(caught.value, "may_have_applied", True)
    assert len(fake.rows("Contact")) == (1 if fault == LostAnswer() else 0)
    assert sum(entry.is_write for entry in fake.requests) == 1


def test_a_lost_slice_is_unknown(client: Any, fake: FakeSalesforce) -> None:
    """Of three slices one answer is lost: its records are unknown, nothing is written twice."""
    fake.inject(LostAnswer(), path="*/composite/sobjects", after=1)
    results = client.create_many("Contact", people(600))
    assert sum(result.unknown for result in results) == 200
    assert sum(result.success for result in results) == 400
    assert len(fake.rows("Contact")) == 600


def test_a_lost_answer_to_an_upsert_is_asked_for_again(client: Any, fake: FakeSalesforce) -> None:
    """An upsert by an external id may be sent twice: one record, known outcome."""
    fake.inject(LostAnswer(), path="*/composite/*")
    [result] = client.upsert_many("Contact", "Ext__c", people(1))
    assert result.success
    assert len(fake.rows("Contact")) == 1


@pytest.mark.parametrize("fault", [HtmlPage(), TruncatedBody()], ids=["page", "cut"])
def test_unreadable_answers(client: Any, fake: FakeSalesforce, fault: Any) -> None:
    """A page with status 200, or half an answer, is an error for a read and doubt for a write."""
    client.limits()
    fake.inject(fault, path="*/query", times=None)
    with pytest.raises((UnexpectedResponseError, TransportError)):
        client.query_all("SELECT Id FROM Contact")
    fake.inject(fault, path="*/composite/sobjects", times=None)
    assert [result.unknown for result in client.create_many("Contact", people(2))] == [True, True]


# Anything else ----------------------------------------------------------------------------------------------------


def test_the_escape_hatch(client: Any, fake: FakeSalesforce) -> None:
    """Any call goes through the same session, retries and errors."""
    client.limits()
    fake.expire_sessions()
    answer: HttpResponse = client.request("GET", "sobjects/Contact/describe")
    assert answer.json()["name"] == "Contact"
    assert client.request("GET", "/services/data").status == 200
    made = client.request("POST", "sobjects/Contact/", json={"LastName": "Raw"})
    assert made.status == 201
    assert [row["LastName"] for row in fake.rows("Contact")] == ["Raw"]
    with pytest.raises(NotFoundError):
        client.request("GET", "sobjects/Nope__c/describe")


def test_our_writes_can_be_told_apart(client: Any, fake: FakeSalesforce) -> None:
    """Every request names the client that the org's change events will name."""
    seen: list[httpx.Request] = []
    transport = httpx.MockTransport(lambda request: (seen.append(request), httpx.Response(200, json={}))[1])
    with httpx.Client(transport=transport) as own:
        other = SalesforceClient(auth=AccessToken(DOMAIN, "t"), http_client=own)
        other.limits()
        other.close()
        assert not own.is_closed
    assert seen[0].headers["sforce-call-options"] == "client=di-salesforce"
    assert seen[0].headers["user-agent"].startswith("di-salesforce/")
    assert seen[0].url.path == "/services/data/v60.0/limits"


def test_no_secret_is_shown(fake: FakeSalesforce) -> None:
    """A client shows where it goes and nothing else."""
    with SalesforceClient(auth=AccessToken(fake.url, "s3cr3t")) as client:
        assert "s3cr3t" not in repr(client) + repr(client.settings) + repr(client.connection) + repr(vars(client))
        assert fake.url in repr(client)


def test_a_blocking_client_inside_an_event_loop(fake: FakeSalesforce) -> None:
    """A notebook's running loop does not disturb it, large writes neither."""

    async def notebook() -> int:
        with SalesforceClient(auth=credentials(fake)) as client:
            return sum(result.success for result in client.create_many("Contact", people(500)))

    assert asyncio.run(notebook()) == 500
