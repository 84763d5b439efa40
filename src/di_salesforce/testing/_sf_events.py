"""Change data capture: what a listener would be told of each transaction, as decoded CometD messages.

What may not go in here: transports (none is played), and how rows are saved.  Sources: facts 3.11.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs

from di_salesforce.testing._sf_schema import SObject, StoredRow, Wire
from di_salesforce.testing._sf_store import Org, Table

__all__ = ["ChangeFeed", "Message"]

Message = dict[str, Any]
"""A CometD message: decoded JSON."""

_KEPT: Final = timedelta(days=3)
"""How long events can be replayed."""
_SILENT: Final = frozenset({"Id", "IsDeleted", "SystemModstamp"})
"""Fields that no event names."""
_STAMPS: Final = frozenset({"LastModifiedDate", "LastModifiedById"})


@attrs.frozen
class _Change:
    table: Table
    record_id: str
    kind: str
    row: StoredRow
    changed: tuple[str, ...]


@attrs.define
class ChangeFeed:
    """The events of an org, in the order of their commits; `origin` is who is at work now."""

    org: Org
    origin: str = ""
    _messages: list[tuple[datetime, Message]] = attrs.field(factory=list[tuple[datetime, Message]], repr=False)
    _transactions: int = 0
    _replay_id: int = 0

    def commit(self) -> None:
        """Tell of what has happened since the last commit, as one transaction."""
        touched, self.org.touched = self.org.touched, {}
        changes = [
            change
            for (name, record_id), old in touched.items()
            if (change := _change(self.org.tables[name], record_id, old)) is not None
        ]
        if not changes:
            return
        self._transactions += 1
        now = self.org.clock().astimezone(UTC)
        equal: dict[str, list[_Change]] = {}
        for change in changes:  # the same change of several rows is one event [seen]
            same = f"{change.table.sobject.name} {change.kind} {_body(change)}"
            equal.setdefault(same if change.kind != "CREATE" else change.record_id, []).append(change)
        told = self.org.switches.change_events
        if told == "overflow":
            equal = {change.table.sobject.name: [change] for change in changes}
        for sequence, alike in enumerate(equal.values(), start=1):
            self._replay_id += 1
            self._messages.append((now, self._message(alike, sequence, now, told)))

    def _message(self, alike: list[_Change], sequence: int, now: datetime, told: str) -> Message:
        first = alike[0]
        name = first.table.sobject.name
        kind = {"full": first.kind, "gaps": f"GAP_{first.kind}", "overflow": "GAP_OVERFLOW"}[told]
        header: Message = {
            "entityName": name, "recordIds": [] if told == "overflow" else [one.record_id for one in alike],
            "changeType": kind, "changeOrigin": self.origin, "transactionKey": f"{self._transactions:08x}-sim",
            "sequenceNumber": sequence, "commitTimestamp": int(now.timestamp() * 1000),
            "commitNumber": 10**16 + self._transactions,  # past what a JavaScript number holds exactly [seen]
            "commitUser": first.row.get("LastModifiedById"),
        }  # fmt: skip
        body: Message = {}
        if told == "full" and first.kind != "DELETE":
            body = _body(first)
            listed = [_dotted(first.table.sobject, field) for field in first.changed]
            header["changedFields"] = [] if first.kind == "CREATE" else listed
            header["nulledFields"] = [
                _dotted(first.table.sobject, field) for field in first.changed if first.row.get(field) is None
            ]
        return {
            "channel": f"/data/{name.removesuffix('__c') + '__' if name.endswith('__c') else name}ChangeEvent",
            "data": {
                "schema": f"simulated-{name}",
                "payload": {"ChangeEventHeader": header, **body},
                "event": {"replayId": self._replay_id},
            },
        }

    def after(self, replay_id: int) -> list[Message]:
        """List the events behind a replay id that are still kept."""
        since = self.org.clock().astimezone(UTC) - _KEPT
        self._messages = [(when, message) for when, message in self._messages if when >= since]
        return [message for _, message in self._messages if message["data"]["event"]["replayId"] > replay_id]

    def forget(self) -> None:
        """Forget all events; replay ids go on."""
        self._messages.clear()
        self.org.touched.clear()


def _change(table: Table, record_id: str, old: StoredRow | None) -> _Change | None:
    """Tell what became of a row in a transaction; None: nothing that an event tells of."""
    row = table.rows.get(record_id)
    if row is old or row is None:  # put back, or removed from the bin, which no event tells
        return None
    was, is_ = old is not None and not old["IsDeleted"], not row["IsDeleted"]
    if not was and not is_:
        return None
    kind = "UPDATE" if was and is_ else "DELETE" if was else "CREATE" if old is None else "UNDELETE"
    before: Mapping[str, Wire] = old if kind == "UPDATE" and old is not None else {}
    changed = tuple(
        field.name
        for field in table.sobject.fields
        if field.name not in _SILENT and row.get(field.name) != before.get(field.name)
    )
    if kind == "UPDATE" and not set(changed) - _STAMPS:
        return None  # only stamps moved
    return _Change(table, record_id, kind, row, changed)


def _body(change: _Change) -> Message:
    """Give the changed fields; parts of compound fields are nested [seen]."""
    body: Message = {}
    for name, value in _values(change.row, change.changed):
        field = change.table.sobject.by_name[name.lower()]
        if field.compound:
            body.setdefault(field.compound, {})[name.removeprefix(field.compound.removesuffix("Address"))] = value
        else:
            body[name] = value
    return body


def _values(row: StoredRow, names: Iterable[str]) -> Iterable[tuple[str, object]]:
    for name in names:
        value = row.get(name)
        if isinstance(value, str) and value.endswith(".000+0000"):
            value = value[:-5] + "Z"  # here date-times end in Z [seen]
        yield name, value


def _dotted(sobject: SObject, name: str) -> str:
    compound = sobject.by_name[name.lower()].compound
    return f"{compound}.{name.removeprefix(compound.removesuffix('Address'))}" if compound else name
