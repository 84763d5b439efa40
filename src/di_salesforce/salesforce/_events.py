"""Change events: what CometD and the Pub/Sub API deliver, as values of one type.

What may not go in here: transports.  Whoever listens hands each message over as decoded data: a CometD message (or its
`data`, or the payload alone), or the dict that an Avro decoder made of a Pub/Sub event.  Sources: fact sheet, 3.11.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs

from di_salesforce.exceptions import UnexpectedResponseError
from di_salesforce.records import Side
from di_salesforce.salesforce._json import WrongShapeError, array_of, int_of, is_object, object_of, text_of

__all__ = ["ChangeEvent", "ChangeKind", "change_event"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CLIENT: Final = "client="


class ChangeKind(enum.StrEnum):
    """What happened to the records of an event."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    UNDELETE = "UNDELETE"
    GAP_CREATE = "GAP_CREATE"
    GAP_UPDATE = "GAP_UPDATE"
    GAP_DELETE = "GAP_DELETE"
    GAP_UNDELETE = "GAP_UNDELETE"
    GAP_OVERFLOW = "GAP_OVERFLOW"


@attrs.frozen
class ChangeEvent:
    """One change of one or more records of an object.

    Args:
        sobject: the object's API name.
        kind: what happened.
        record_ids: the records; in rare cases a pattern such as `001*` [D].
        values: what they hold now, as far as it is told: by API name, compound fields' parts under their own names
            (`Name.LastName` tells nothing else than `LastName`); None clears.
        named: fields that changed but whose values are not told: read them again.
        transaction: the same for all events of one transaction.
        sequence: place in the transaction, from 1.
        committed: when.
        commit_number: of the org; whole events sort by it.
        origin: which API wrote it, and which client.
        replay_id: where to go on listening: a number for CometD, bytes for Pub/Sub; None where the message had none.
    """

    sobject: str
    kind: ChangeKind
    record_ids: tuple[str, ...]
    values: Mapping[str, Any] = attrs.field(factory=dict[str, Any], repr=False)  # Values
    named: frozenset[str] = frozenset()
    transaction: str = ""
    sequence: int = 0
    committed: datetime | None = None
    commit_number: int = 0
    origin: str = ""
    replay_id: int | bytes | None = None

    @property
    def is_gap(self) -> bool:
        """Whether the service could not tell what changed: read the records again."""
        return self.kind.value.startswith("GAP_")

    @property
    def is_overflow(self) -> bool:
        """Whether so much changed at once that records are not even named: read the object in full."""
        return self.kind is ChangeKind.GAP_OVERFLOW

    @property
    def names_all(self) -> bool:
        """Whether `record_ids` are ids, rather than patterns or nothing."""
        return bool(self.record_ids) and not any("*" in record_id for record_id in self.record_ids)

    @property
    def client(self) -> str:
        """The name that the writer gave itself (`Sforce-Call-Options`); ours is `di-salesforce`."""
        options = self.origin.split(";")
        return next((option.removeprefix(_CLIENT) for option in options if option.startswith(_CLIENT)), "")


def change_event(
    message: Mapping[str, Any],  # decoded JSON or Avro
    *,
    fields: Sequence[str] | None = None,
    replay_id: int | bytes | None = None,
) -> ChangeEvent:
    """Read one event.

    A CometD payload holds the changed fields alone.  A Pub/Sub event holds all fields, the unchanged ones as None, and
    tells the changed ones by bitmaps over its schema's fields: without `fields` those cannot be read, and then a None
    counts as unchanged.

    Args:
        message: see above.
        fields: for bitmaps: the names of the Avro schema's fields, in its order, `ChangeEventHeader` included.
        replay_id: where the message itself has none.

    Raises:
        UnexpectedResponseError: it is no change event.

    Example:
        >>> event = change_event({"ChangeEventHeader": {
        ...     "entityName": "Contact", "changeType": "UPDATE", "recordIds": ["003"],
        ...     "changedFields": ["Name", "Name.LastName", "Phone"]}, "Name": {"LastName": "Roy"}})
        >>> event.values, event.named
        ({'LastName': 'Roy'}, frozenset({'Phone'}))
    """
    try:
        payload, told = _payload(message)
        return _event(payload, fields, replay_id if told is None else told)
    except (OverflowError, RecursionError) as error:  # a moment past the calendar; a bottomless payload
        why = type(error).__name__
    except ValueError as error:
        why = str(error)
    raise UnexpectedResponseError(f"Salesforce, change event: it cannot be read ({why})", side=Side.SALESFORCE)


def _payload(message: Mapping[str, Any]) -> tuple[Mapping[str, Any], int | bytes | None]:  # decoded JSON or Avro
    """Find the payload inside whatever the transport put around it, and the replay id beside it."""
    inner: Mapping[str, Any] = message  # likewise
    replay_id: int | bytes | None = None
    for name in ("data", "payload"):
        event = inner.get("event")
        if is_object(event) and isinstance(event.get("replayId"), int):
            replay_id = event["replayId"]
        if "ChangeEventHeader" not in inner and is_object(inner.get(name)):
            inner = inner[name]
    return inner, replay_id


def _event(
    payload: Mapping[str, Any], fields: Sequence[str] | None, replay_id: int | bytes | None
) -> ChangeEvent:  # decoded JSON or Avro
    header = object_of(payload.get("ChangeEventHeader"))
    try:
        kind = ChangeKind(text_of(header, "changeType"))
    except ValueError:
        raise WrongShapeError("an unknown kind of change") from None
    changed = _listed(header, "changedFields", fields)
    nulled = _listed(header, "nulledFields", fields)
    body = {name: value for name, value in payload.items() if name != "ChangeEventHeader"}
    sparse = changed is None or any(value is None for value in body.values())
    values = dict(_flat(body, changed if sparse else None))
    values.update(dict.fromkeys((name.rpartition(".")[2] for name in nulled or ()), None))
    parts = {name.partition(".")[0] for name in changed or () if "." in name}
    missing = {name.rpartition(".")[2] for name in changed or () if name not in parts} - values.keys() - body.keys()
    stamp = header.get("commitTimestamp")
    return ChangeEvent(
        sobject=text_of(header, "entityName"),
        kind=kind,
        record_ids=tuple(str(one) for one in array_of(header.get("recordIds") or [])),
        values={} if kind.value.startswith("GAP_") else values,
        named=frozenset(missing),
        transaction=str(header.get("transactionKey") or ""),
        sequence=int_of(header, "sequenceNumber") if header.get("sequenceNumber") is not None else 0,
        committed=_EPOCH + timedelta(milliseconds=stamp) if isinstance(stamp, int) else None,
        commit_number=int_of(header, "commitNumber") if header.get("commitNumber") is not None else 0,
        origin=str(header.get("changeOrigin") or ""),
        replay_id=replay_id,
    )


def _flat(body: Mapping[str, Any], changed: Sequence[str] | None) -> Iterator[tuple[str, Any]]:  # fields and Values
    """Walk over the fields that are told; where unchanged ones are None (Pub/Sub), only a changed None is told."""
    told = {name.rpartition(".")[2] for name in changed or ()}
    for name, value in body.items():
        if is_object(value):
            yield from _flat(value, changed if changed is not None else [])
        elif value is not None or name in told:
            yield name, value


def _listed(header: Mapping[str, Any], name: str, fields: Sequence[str] | None) -> list[str] | None:  # decoded data
    """Read a list of field names; of bitmaps as far as `fields` tells what their bits mean, else None."""
    given = header.get(name)
    if given is None:
        return None
    listed = [str(one) for one in array_of(given)]
    if not any(_is_bitmap(one) for one in listed):
        return listed
    if fields is None or any("-" in one for one in listed):
        return None  # bits inside a compound field need its own schema: unread
    return [field for one in listed for field in _bits(one, fields)]


def _is_bitmap(text: str) -> bool:
    return text.rpartition("-")[2].lower().startswith("0x")


def _bits(text: str, fields: Sequence[str]) -> list[str]:
    """Read `0x820`: bit n, the lowest first, stands for the n-th field of the schema."""
    bits = int(text, 16)
    if bits.bit_length() > len(fields):
        raise WrongShapeError("a bitmap with more bits than the schema has fields")
    return [field for place, field in enumerate(fields) if bits >> place & 1]
