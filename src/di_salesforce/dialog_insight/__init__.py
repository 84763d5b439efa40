"""Dialog Insight's web services as values: calls, readers, and flows of several steps.

What may not go in here: sockets, and anything that knows Salesforce.  `di_salesforce.clients` is the way in for people;
this room is for who embeds the protocol in a transport of their own.
"""

from __future__ import annotations

from di_salesforce.dialog_insight._access import DEFAULT_HOST, KeyPair
from di_salesforce.dialog_insight._calls import FieldClause, ProjectSummary
from di_salesforce.dialog_insight._discovery import (
    OPERATORS,
    Confirm,
    ConfirmRow,
    Discovery,
    Found,
    Probe,
    Question,
    Relation,
    ThrowAway,
    ThrowAwayRow,
)
from di_salesforce.dialog_insight._merge import MergeOptions, MergeResult, MergeStatus
from di_salesforce.dialog_insight._names import CONTACT_ID, ContactList, RelationalTable, Target
from di_salesforce.dialog_insight._schema import contact_schema
from di_salesforce.dialog_insight._settings import Capabilities, Settings, TextPattern
from di_salesforce.dialog_insight._webhooks import WEBHOOK_TYPES, WebhookEvent, parse_webhook

__all__ = [
    "CONTACT_ID",
    "DEFAULT_HOST",
    "OPERATORS",
    "WEBHOOK_TYPES",
    "Capabilities",
    "Confirm",
    "ConfirmRow",
    "ContactList",
    "Discovery",
    "FieldClause",
    "Found",
    "KeyPair",
    "MergeOptions",
    "MergeResult",
    "MergeStatus",
    "Probe",
    "ProjectSummary",
    "Question",
    "Relation",
    "RelationalTable",
    "Settings",
    "Target",
    "TextPattern",
    "ThrowAway",
    "ThrowAwayRow",
    "WebhookEvent",
    "contact_schema",
    "parse_webhook",
]
