"""Two simulators to test against: real HTTP servers on loopback that answer as the services do, as far as is known.

They need nothing but the standard library and attrs.  What may not go in here: what a test run would load by itself.
"""

from di_salesforce.testing._di_access import ApiKey, Right
from di_salesforce.testing._di_model import Column, OptinField, Project, ProjectField, Table
from di_salesforce.testing._di_switches import Switches
from di_salesforce.testing._di_webhooks import SentWebhook, Webhook, Webhooks
from di_salesforce.testing._dialog_insight import FakeDialogInsight
from di_salesforce.testing._faults import (
    ByteOrderMark,
    EnvelopeError,
    Fault,
    FaultRule,
    HtmlPage,
    HttpStatus,
    LostAnswer,
    Meanwhile,
    MissingTrace,
    NumbersAsText,
    ResetConnection,
    SlowAnswer,
    TruncatedBody,
)
from di_salesforce.testing._salesforce import FakeSalesforce
from di_salesforce.testing._seed import Seed, read_seed, shipped_seed
from di_salesforce.testing._sf_schema import Field, SObject

__all__ = [
    "ApiKey",
    "ByteOrderMark",
    "Column",
    "EnvelopeError",
    "FakeDialogInsight",
    "FakeSalesforce",
    "Fault",
    "FaultRule",
    "Field",
    "HtmlPage",
    "HttpStatus",
    "LostAnswer",
    "Meanwhile",
    "MissingTrace",
    "NumbersAsText",
    "OptinField",
    "Project",
    "ProjectField",
    "ResetConnection",
    "Right",
    "SObject",
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
