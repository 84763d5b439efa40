"""Both simulators, declared and loaded as the example's files want them.

What may not go in here: the story that is told with them (`demo.py`), and transfers.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self

from di_salesforce.clients import DialogInsightClient, SalesforceClient
from di_salesforce.dialog_insight import Capabilities
from di_salesforce.records import Row
from di_salesforce.salesforce import ClientCredentials
from di_salesforce.testing._di_model import Column, OptinField, Project, ProjectField, Table
from di_salesforce.testing._di_switches import Switches
from di_salesforce.testing._dialog_insight import FakeDialogInsight
from di_salesforce.testing._salesforce import FakeSalesforce
from di_salesforce.testing._seed import Seed
from di_salesforce.testing._sf_schema import Field

__all__ = ["ACQUISITION_ID", "COMMUNICATIONS_ID", "ORDERS_ID", "Sandbox"]

ACQUISITION_ID: Final = 4322
COMMUNICATIONS_ID: Final = 4321
ORDERS_ID: Final = 8765
_ZONE: Final = "America/Toronto"

_ACQUISITION: Final = Project(
    ACQUISITION_ID,
    "acquisition",
    fields=[ProjectField("EMail", "email", required=True, key=True), ProjectField("LastName", "long_text")],
    optins=[OptinField("newsletter", date_code="newsletter", date_type="datetime")],
    time_zone=_ZONE,
)
_COMMUNICATIONS: Final = Project(
    COMMUNICATIONS_ID,
    "communications",
    fields=[
        ProjectField("ClientNo", "text", 18, key=True),
        ProjectField("EMail", "email", required=True),
        ProjectField("Langue", "single_choice", options=("fr", "en")),
        ProjectField("Points", "integer"),
    ],
    time_zone=_ZONE,
)
_ORDERS: Final = Table(
    ORDERS_ID,
    project=COMMUNICATIONS_ID,
    code="Orders",
    kind="profiling",
    columns=[
        Column("idOrder", "nvarchar", 30, key=True),
        Column("idContact", "int", foreign_key=True),
        Column("Revenue", "decimal"),
        Column("dtTransaction", "datetime"),
    ],
)
_CUSTOM_FIELDS: Final = (
    Field("Language__c", "picklist", values=("Français", "English"), restricted=True),
    Field("Loyalty_Points__c", "double", precision=18, scale=0),
    Field("Newsletter__c", "boolean"),
    Field("Newsletter_Date__c", "datetime"),
)


class Sandbox:
    """A Salesforce org and two Dialog Insight projects on this machine, holding the example's people and orders.

    Args:
        seed: The people and orders.
        salesforce_port, dialog_insight_port: Where each listens once it is started; 0 takes a free port.

    Example:
        >>> from di_salesforce.testing import read_seed, shipped_seed
        >>> with Sandbox(read_seed(shipped_seed())) as sandbox:
        ...     len(sandbox.salesforce.rows("Contact")) > 50
        True
    """

    def __init__(self, seed: Seed, *, salesforce_port: int = 0, dialog_insight_port: int = 0) -> None:
        self.salesforce = FakeSalesforce(salesforce_port)
        self.dialog_insight = FakeDialogInsight(
            dialog_insight_port,
            # Two addresses that differ only by case are two rows of the example's files; whether the service allows
            # that is unknown, so it is a switch.
            switches=Switches(email_key_case_sensitive=True),
        )
        self._load(seed)

    def _load(self, seed: Seed) -> None:
        for field in _CUSTOM_FIELDS:
            self.salesforce.add_field("Contact", field)
        for sobject, rows in (("Account", seed.accounts), ("Contact", seed.contacts), ("Order", seed.orders)):
            # At their word: ids, order numbers and totals are the files' own.
            self.salesforce.load(sobject, [_stored(row) for row in rows], trusted=True)
        self.dialog_insight.add_project(_ACQUISITION)
        self.dialog_insight.add_project(_COMMUNICATIONS)
        self.dialog_insight.add_table(_ORDERS)
        self.dialog_insight.load_contacts(ACQUISITION_ID, seed.acquisition)
        self.dialog_insight.load_contacts(COMMUNICATIONS_ID, seed.communications)
        self.dialog_insight.load_rows(ORDERS_ID, seed.transactions)

    def clients(self) -> tuple[SalesforceClient, DialogInsightClient]:
        """Give a client of each simulator; whoever asked for them closes them."""
        return (
            SalesforceClient(
                auth=ClientCredentials(self.salesforce.url, self.salesforce.client_id, self.salesforce.client_secret)
            ),
            DialogInsightClient(
                id_key=self.dialog_insight.id_key,
                key=self.dialog_insight.key,
                host=self.dialog_insight.url,
                # The simulator answers a Get without a clause; on a live account that is to be found out first.
                capabilities=Capabilities(clauseless_get=True),
            ),
        )

    @property
    def writes(self) -> Mapping[str, int]:
        """How many write calls each simulator has been asked for, by their own logs."""
        return {"Salesforce": len(self.salesforce.writes), "Dialog Insight": len(self.dialog_insight.writes)}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.salesforce)
            stack.enter_context(self.dialog_insight)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def _stored(row: Row) -> dict[str, object]:
    """Give a file's row as the simulator stores it: times with the service's own offset."""
    return {
        name: value.replace("Z", "+0000") if name.endswith(("Date", "_Date__c")) and isinstance(value, str) else value
        for name, value in row.items()
    }
