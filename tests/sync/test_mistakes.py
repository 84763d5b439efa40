"""Laws of mistakes: what somebody got wrong is told in one sentence, with what and where, before a write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import httpx
import pytest

from di_salesforce.clients import DialogInsightClient, SalesforceClient
from di_salesforce.exceptions import (
    AuthenticationError,
    ConfigurationError,
    DISalesforceError,
    InvalidRequestError,
    NotFoundError,
    TransportError,
)
from di_salesforce.mapping import DestinationProject, FieldMapping, Integration
from di_salesforce.salesforce import AccessToken
from di_salesforce.stores import MemoryStore
from di_salesforce.testing import ResetConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sync.conftest import World

PROJECT = 4400
ANN = "ann@example.com"


def told(world: World, integration: Integration | None = None, **clients: Any) -> DISalesforceError:
    """Give the error of a run, after asserting that it is one clear sentence and that nothing was written."""
    sync = world.sync(integration, store=MemoryStore(), clients={**world.clients(), **clients})
    with pytest.raises(DISalesforceError) as raised:
        sync.run(first_run=True)
    assert "\n" not in str(raised.value)
    assert world.write_calls == (0, 0)
    return raised.value


@pytest.fixture
def populated(world: World) -> World:
    """Give a world with somebody new on each side, so that there is something to write."""
    world.contact(ANN)
    world.person("bob@example.com")
    return world


def test_a_wrong_dialog_insight_key_is_told(populated: World) -> None:
    """The sentence names the service and says what to compare; it does not repeat the key."""
    wrong = "w" * 32
    _, http = populated._http(httpx.Client)
    with http, DialogInsightClient(http_client=http, **populated._key() | {"key": wrong}) as client:
        error = told(populated, dialog_insight=client)
    assert isinstance(error, AuthenticationError)
    assert "Dialog Insight" in str(error)
    assert "key" in str(error)
    assert wrong not in str(error)


def test_a_wrong_token_is_told(populated: World) -> None:
    """The sentence names Salesforce and the way out; it does not repeat the token."""
    http, _ = populated._http(httpx.Client)
    auth = AccessToken("https://simulated.my.salesforce.com", "00Dwrong!token")
    with http, SalesforceClient(auth=auth, http_client=http, retry=populated.retry) as client:
        error = told(populated, salesforce=client)
    assert isinstance(error, AuthenticationError)
    assert "Salesforce" in str(error)
    assert "wrong!token" not in str(error)


def test_a_service_that_is_not_there_is_told(populated: World) -> None:
    """Nobody listens at the address: the sentence says which service did not answer and that nothing was changed."""
    with DialogInsightClient(**populated._key() | {"host": "http://127.0.0.1:9"}) as client:  # 9: discard, never served
        error = told(populated, dialog_insight=client)
    assert isinstance(error, TransportError)
    assert "Dialog Insight" in str(error)
    assert "nothing was changed" in str(error)


def test_a_wrong_object_name_is_told(populated: World, people_transfer: Callable[..., Any]) -> None:
    """The sentence names the object that there is not."""
    error = told(populated, Integration([people_transfer(sobject="Contatc")]))
    assert isinstance(error, NotFoundError)
    assert "Contatc" in str(error)


def test_a_wrong_salesforce_field_is_told(populated: World, people_transfer: Callable[..., Any]) -> None:
    """The sentence names the field and the object."""
    fields = [*people_transfer().fields, FieldMapping("Tier__c", "Level")]
    error = told(populated, Integration([people_transfer(fields=fields)]))
    assert "Tier__c" in str(error)
    assert "Contact" in str(error)


def test_a_wrong_dialog_insight_field_is_told(populated: World, people_transfer: Callable[..., Any]) -> None:
    """The sentence names the field code, before a single record was written without it."""
    fields = [*people_transfer().fields, FieldMapping("MobilePhone", "Mobbile")]
    error = told(populated, Integration([people_transfer(fields=fields)]))
    assert "Mobbile" in str(error)


def test_a_wrong_filter_is_told(populated: World, people_transfer: Callable[..., Any]) -> None:
    """A condition that does not parse is told with the object or the transfer that it belongs to."""
    error = told(populated, Integration([people_transfer(salesforce_filter="Email is ((")]))
    assert isinstance(error, InvalidRequestError)
    assert "Contact" in str(error) or "people" in str(error)


def test_a_wrong_project_is_told_and_can_be_put_right(populated: World, people_transfer: Callable[..., Any]) -> None:
    """The sentence names the project's number; with the right number the same store goes on."""
    wrong = Integration([people_transfer(project=DestinationProject("people", id=4404))])
    store = MemoryStore()
    with pytest.raises(DISalesforceError, match="4404"):
        populated.sync(wrong, store=store).run(first_run=True)
    assert populated.sync(store=store).run(first_run=True).ok


def test_a_wrong_table_is_told(populated: World, people_transfer: Callable[..., Any]) -> None:
    """The sentence names the relational table's number."""
    project = DestinationProject("people", id=PROJECT, tables={"Orders": 8866})
    error = told(populated, Integration([people_transfer(project=project, table="Orders")]))
    assert isinstance(error, NotFoundError)
    assert "8866" in str(error)


def test_all_mistakes_are_told_at_once(populated: World, people_transfer: Callable[..., Any]) -> None:
    """Two wrong objects are two lines of one error, not two runs."""
    other = attrs.evolve(people_transfer(sobject="Leed"), name="others", project=DestinationProject("o", id=4405))
    with pytest.raises(ConfigurationError) as raised:
        populated.sync(Integration([people_transfer(sobject="Contatc"), other])).run(first_run=True)
    assert all(word in str(raised.value) for word in ("Contatc", "Leed", "4405"))


def test_a_missing_client_is_told(world: World) -> None:
    """A project without a client is named when the synchronizer is made."""
    clients = world.clients()
    with pytest.raises(ConfigurationError, match="'people'"):
        world.sync(clients={**clients, "dialog_insight": {"elsewhere": clients["dialog_insight"]}})


def test_an_outage_is_not_told_as_a_mistake(three: World) -> None:
    """Where a service cannot be reached at all, the error is the road's: worth trying again, nobody's declaration."""
    three.dialog_insight.inject(ResetConnection(), times=None)
    with pytest.raises(TransportError, match="Dialog Insight"):
        three.sync().check()


def test_each_project_may_have_a_client_of_its_own(three: World) -> None:
    """A mapping gives each project its client, and each is used for its own project alone."""
    clients, others = three.clients(), three.clients()
    own = {"acquisition": clients["dialog_insight"], "communications": others["dialog_insight"]}
    sync = three.sync(clients={**clients, "dialog_insight": own})
    assert sync.run(first_run=True).ok
    assert set(sync._connections) == {"salesforce", "dialog_insight:acquisition", "dialog_insight:communications"}
    del own["communications"]
    with pytest.raises(ConfigurationError, match="'communications'"):
        three.sync(clients={**clients, "dialog_insight": own})
