"""Webhooks: what Dialog Insight posts to an address of yours, read into events.

What may not go in here: receiving (your web framework does that), and trust.  How a body can be proven to come from
Dialog Insight is not documented: its application speaks of a signature that can be checked, and no public text says in
which header it stands or how it is made [unknown].  So an event is a hint that something happened: let it say *which*
contact to look at, and read that contact through the API.

The body is a JSON array [seen], perhaps after a byte-order mark [seen]; `type` is spelt `Type` in the vendor's own
article [seen], so the members of an event are read whatever their case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from di_salesforce.dialog_insight._names import CONTACT_ID, ContactList
from di_salesforce.dialog_insight._values import is_list, is_object, load_json, read_id, rows_from_wire
from di_salesforce.exceptions import UnexpectedResponseError
from di_salesforce.records import Row, Side, Value
from di_salesforce.wire import HttpResponse

__all__ = ["WEBHOOK_TYPES", "WebhookEvent", "parse_webhook"]

WEBHOOK_TYPES: Final = frozenset(
    {
        "contact_modified",  # [seen], like the four that follow
        "contact_optout",
        "contact_complaint",
        "sending_Bounce",
        "sending_ProductionError",
        "contact_created",  # [inferred] from the list of events in the application, like the two that follow
        "contact_optin",
        "contact_quarantine",
    }
)
"""The types that are known of; an event of any other type is read all the same."""

_TRUE: Final = frozenset({"true", "1"})
_NO_PROJECT: Final = 0  # names have the same prefixes in every project, so its number does not matter here


@attrs.frozen
class WebhookEvent:
    """One thing that Dialog Insight says has happened.

    Args:
        type: as it came; `WEBHOOK_TYPES` are the known ones.
        event_id: `EventUniqueID`, empty where there is none; store it to tell a repeated delivery.
        executed: `dtExecution` as it came: its notation and its time zone are [unknown].
        id_company, id_project, id_contact: numbers, None where they are missing.
        contact: what else names the contact: its key field, under its code.
        values: the contact's fields under their codes, opt-ins under their wire names, as they were then.
        is_test: sent by the test button of the application: act on nothing.
        repeated: an earlier event of the same body has the same `event_id`.
    """

    type: str
    event_id: str = ""
    executed: str = ""
    id_company: int | None = None
    id_project: int | None = None
    id_contact: int | None = None
    contact: Row = attrs.field(factory=dict[str, Value], repr=False)  # of people
    values: Row = attrs.field(factory=dict[str, Value], repr=False)  # likewise
    is_test: bool = False
    repeated: bool = False


def parse_webhook(body: bytes) -> list[WebhookEvent]:
    """Read the body of a webhook as events; decides nothing and trusts nothing.

    Use it in the request handler whose address you give to Dialog Insight; answer with 2xx at once and do the work
    afterwards, since an answer that takes long is taken for a failure and the body is sent again [seen].

    Args:
        body: as it was received: an array or a single object, with or without a byte-order mark.

    Returns:
        The events in their order, repeated ones and tests among them, marked.  Nothing is left out.

    Raises:
        UnexpectedResponseError: not JSON, another shape, or an event without a type; answer with 400.

    Example:
        >>> [event] = parse_webhook(b'[{"Type": "contact_modified", "idProject": 4321, "ContactID": {"idContact": 7}}]')
        >>> event.type, event.id_project, event.id_contact
        ('contact_modified', 4321, 7)
    """
    try:
        content: object = load_json(HttpResponse(200, content=body))
    except ValueError:
        raise _unreadable("it is not JSON" if body.strip() else "it is empty") from None
    if is_object(content):
        content = [content]
    if not is_list(content):
        raise _unreadable("it is neither a list of events nor an event")
    events: list[WebhookEvent] = []
    seen: set[str] = set()
    for position, item in enumerate(content, start=1):
        event = _read(item, position)
        events.append(attrs.evolve(event, repeated=event.event_id in seen))
        seen |= {event.event_id} - {""}
    return events


def _read(item: object, position: int) -> WebhookEvent:
    if not is_object(item):
        raise _unreadable(f"event {position} is no object")
    members = _folded(item)
    type_: object = members.get("type")
    if not isinstance(type_, str) or not type_:
        raise _unreadable(f"event {position} has no type")
    named, values = (_row(members.get(name.casefold()), name, position) for name in ("ContactID", "ContactData"))
    own_id = named.pop(CONTACT_ID, None)
    return WebhookEvent(
        type_,
        event_id=_text(members.get("eventuniqueid")),
        executed=_text(members.get("dtexecution")),
        id_company=read_id(members.get("idcompany")),
        id_project=read_id(members.get("idproject")),
        id_contact=read_id(own_id) or read_id(values.get(CONTACT_ID)),
        contact=named,
        values=values,
        is_test=_text(members.get("istest")).casefold() in _TRUE,
    )


def _folded(item: Mapping[str, Any]) -> dict[str, Any]:  # any JSON values
    """Give the members under lower-case names; of two that differ by case, the first one that says something."""
    members: dict[str, Any] = {}
    for name, value in item.items():
        folded = name.casefold()
        if members.get(folded) in (None, ""):
            members[folded] = value
    return members


def _row(content: object, name: str, position: int) -> dict[str, Any]:  # values as they came
    if content is None:
        return {}
    if not is_object(content):
        raise _unreadable(f"{name} of event {position} is no object")
    return dict(rows_from_wire(ContactList(_NO_PROJECT), [content])[0])


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _unreadable(why: str) -> UnexpectedResponseError:
    return UnexpectedResponseError(
        f"the body of a webhook cannot be read: {why}. Answer with 400 and look at who sent it; Dialog Insight posts a "
        f"JSON list of events",
        side=Side.DIALOG_INSIGHT,
    )
