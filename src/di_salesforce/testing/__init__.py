"""Two simulators to test against: real HTTP servers on loopback that answer as the services do, as far as is known.

They need nothing but the standard library and attrs.  What may not go in here: what a test run would load by itself.
"""

from di_salesforce.testing._clock import FakeClock
from di_salesforce.testing._di_access import ApiKey, Right
from di_salesforce.testing._di_faults import DialogInsightFault, EnvelopeError, MissingTrace, NumbersAsText
from di_salesforce.testing._di_model import Column, OptinField, Project, ProjectField, Table
from di_salesforce.testing._di_serving import LoggedCall
from di_salesforce.testing._di_switches import CallCause, CallError, RecordCause, RecordResult, Switches
from di_salesforce.testing._di_webhooks import SentWebhook, Webhook, Webhooks
from di_salesforce.testing._dialog_insight import FakeDialogInsight
from di_salesforce.testing._faults import (
    ByteOrderMark,
    FaultRule,
    HtmlPage,
    HttpStatus,
    LateWrite,
    LostAnswer,
    Meanwhile,
    ResetConnection,
    RoadFault,
    SlowAnswer,
    TruncatedBody,
)
from di_salesforce.testing._outsider import Editable, Edited, Outsider
from di_salesforce.testing._salesforce import FakeSalesforce, LoggedRequest
from di_salesforce.testing._seed import Seed, read_seed, shipped_seed
from di_salesforce.testing._sf_access import ApiUser
from di_salesforce.testing._sf_errors import Refusal
from di_salesforce.testing._sf_faults import (
    CONCURRENCY_LIMIT,
    DAILY_LIMIT,
    ROW_LOCK,
    SERVER_BUSY,
    THROTTLED,
    ErrorAnswer,
    ExpiredSession,
    SalesforceFault,
)
from di_salesforce.testing._sf_merging import Conversion, HeldChange
from di_salesforce.testing._sf_schema import Field, SObject
from di_salesforce.testing._sf_switches import SalesforceSwitches

__all__ = [
    "CONCURRENCY_LIMIT",
    "DAILY_LIMIT",
    "ROW_LOCK",
    "SERVER_BUSY",
    "THROTTLED",
    "ApiKey",
    "ApiUser",
    "ByteOrderMark",
    "CallCause",
    "CallError",
    "Column",
    "Conversion",
    "DialogInsightFault",
    "Editable",
    "Edited",
    "EnvelopeError",
    "ErrorAnswer",
    "ExpiredSession",
    "FakeClock",
    "FakeDialogInsight",
    "FakeSalesforce",
    "FaultRule",
    "Field",
    "HeldChange",
    "HtmlPage",
    "HttpStatus",
    "LateWrite",
    "LoggedCall",
    "LoggedRequest",
    "LostAnswer",
    "Meanwhile",
    "MissingTrace",
    "NumbersAsText",
    "OptinField",
    "Outsider",
    "Project",
    "ProjectField",
    "RecordCause",
    "RecordResult",
    "Refusal",
    "ResetConnection",
    "Right",
    "RoadFault",
    "SObject",
    "SalesforceFault",
    "SalesforceSwitches",
    "Seed",
    "SentWebhook",
    "SlowAnswer",
    "Switches",
    "Table",
    "TruncatedBody",
    "Webhook",
    "Webhooks",
    "read_seed",
    "shipped_seed",
]
