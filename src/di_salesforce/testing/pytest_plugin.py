"""Fixtures for the tests of your application; switched on in your `conftest.py`, and by nothing else.

    pytest_plugins = ["di_salesforce.testing.pytest_plugin"]

What may not go in here: hooks, options and anything that acts on tests which do not ask for a fixture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Protocol

import pytest

from di_salesforce.clients import DialogInsightClient, SalesforceClient
from di_salesforce.dialog_insight import Capabilities
from di_salesforce.mapping import Integration
from di_salesforce.salesforce import AccessToken
from di_salesforce.stores import MemoryStore, Store
from di_salesforce.synchronizer import Synchronizer
from di_salesforce.testing import FakeDialogInsight, FakeSalesforce

__all__ = ["SynchronizerFor", "fake_dialog_insight", "fake_salesforce", "synchronizer", "synchronizer_for"]

_KNOWN = Capabilities(
    clauseless_get=True
)  # the simulator answers a Get without a clause, unless a switch says otherwise


class SynchronizerFor(Protocol):
    """What the fixture `synchronizer_for` gives: a function that makes a `Synchronizer`."""

    def __call__(
        self,
        integration: Integration,
        /,
        *,
        store: Store | None = None,
        capabilities: Capabilities = ...,
        clients: Mapping[str, Any] = ...,  # arguments that both clients have
    ) -> Synchronizer:
        """Make a synchronizer for an integration over both simulators.

        Args:
            integration: yours; its projects and tables are declared in `fake_dialog_insight` by the test.
            store: to go on with what an earlier synchronizer remembers; None: a new `MemoryStore`.
            capabilities: what is known of the simulated account.
            clients: further arguments of both clients, for instance `retry`.
        """
        ...


@pytest.fixture
def fake_salesforce() -> Iterator[FakeSalesforce]:
    """Give a running simulated org with the standard objects and no records."""
    with FakeSalesforce() as fake:
        yield fake


@pytest.fixture
def fake_dialog_insight() -> Iterator[FakeDialogInsight]:
    """Give a running simulated account without any project; add yours with `add_project` and `add_table`."""
    with FakeDialogInsight() as fake:
        yield fake


@pytest.fixture
def synchronizer_for(
    fake_salesforce: FakeSalesforce, fake_dialog_insight: FakeDialogInsight
) -> Iterator[SynchronizerFor]:
    """Give a function that makes a ready `Synchronizer` over both simulators; all that it made is closed afterwards."""
    with ExitStack() as opened:

        def make(
            integration: Integration,
            /,
            *,
            store: Store | None = None,
            capabilities: Capabilities = _KNOWN,
            clients: Mapping[str, Any] | None = None,
        ) -> Synchronizer:
            options = dict(clients or {})
            auth = AccessToken(fake_salesforce.url, fake_salesforce.access_token())
            salesforce = opened.enter_context(SalesforceClient(auth=auth, **options))
            dialog_insight = opened.enter_context(
                DialogInsightClient(
                    id_key=fake_dialog_insight.id_key,
                    key=fake_dialog_insight.key,
                    host=fake_dialog_insight.url,
                    capabilities=capabilities,
                    **options,
                )
            )
            return Synchronizer(
                integration, salesforce=salesforce, dialog_insight=dialog_insight, store=store or MemoryStore()
            )

        yield make


@pytest.fixture
def synchronizer(integration: Integration, synchronizer_for: SynchronizerFor) -> Synchronizer:
    """Give a ready `Synchronizer` over both simulators, for the `Integration` of your own fixture `integration`."""
    return synchronizer_for(integration)
