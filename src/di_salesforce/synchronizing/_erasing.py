"""Forgetting a person: nothing of them is kept but keyed digests, by which their records are passed over then.

What may not go in here: deleting anything in a service.  Without the digests the other side would bring the person
back; with them nobody who reads the store learns whom it passes over, short of trying out every address.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import attrs

from di_salesforce.engine import LinkRecord
from di_salesforce.engine._actions import Key, key_parts
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.records import Row, Side, record_id_18
from di_salesforce.stores import Store
from di_salesforce.stores._protocol import name_of, record_name
from di_salesforce.wire import Flow, work

__all__ = ["Erased", "forget", "read_erased"]

_NAME: Final = "erased"  # of the store's value that holds the digests
_SALT_BYTES: Final = 16


@attrs.frozen(repr=False)
class Erased:
    """Whom to pass over, by keyed digests of keys and of record ids."""

    salt: str
    digests: frozenset[str] = frozenset()

    @classmethod
    def from_value(cls, value: Mapping[str, Any] | None) -> Erased:  # plain data of a store
        """Read what a store keeps; a new salt where it keeps nothing."""
        if value is None:
            return cls(os.urandom(_SALT_BYTES).hex())
        return cls(str(value["salt"]), frozenset(map(str, value["digests"])))

    def to_value(self) -> dict[str, Any]:  # JSON-safe data
        """Give it as plain data."""
        return {"salt": self.salt, "digests": sorted(self.digests)}

    def digest(self, kind: str, name: str) -> str:
        """Give the keyed digest of a key or of an id."""
        return hmac.new(bytes.fromhex(self.salt), f"{kind}:{name}".encode(), hashlib.sha256).hexdigest()

    def with_link(self, link: LinkRecord) -> Erased:
        """Pass over both records of a pair."""
        names = [(side.value, record_name(link.record_id(side))) for side in Side if link.record_id(side)]
        names += [("key", name_of(tuple(key))) for side in Side if (key := link.key(side))]
        return attrs.evolve(self, digests=self.digests | {self.digest(*name) for name in names})

    def with_key(self, key: Key) -> Erased:
        """Pass over whoever has this key."""
        return attrs.evolve(self, digests=self.digests | {self.digest("key", name_of(key))})

    def left(self, transfer: ObjectTransfer, side: Side, rows: Sequence[Row]) -> tuple[Row, ...]:
        """Give the rows of those who were not forgotten."""
        if not self.digests:
            return tuple(rows)
        keys = [line.field(side) for line in transfer.key_lines]
        id_field = transfer.id_field(side)
        return tuple(
            row
            for row in rows
            if self.digest("key", name_of(tuple(row.get(name) for name in keys))) not in self.digests
            and (id_field is None or self.digest(side.value, record_name(row.get(id_field))) not in self.digests)
        )


def read_erased(store: Store) -> Flow[Erased]:
    """Read whom to pass over."""
    return work("read whom to pass over", lambda: Erased.from_value(store.get(_NAME)))


def forget(store: Store, transfers: Iterable[ObjectTransfer], key: Key) -> Flow[int]:
    """Erase what is remembered of a person in every transfer, and pass over them from now on."""
    if (yield from work("look for unfinished writes", store.intents)):
        raise ConfigurationError("a run that was killed is not settled yet: run once more, then forget")
    erased = (yield from read_erased(store)).with_key(key)
    links: list[LinkRecord] = []
    items: list[str] = []
    names = {name_of(key), *map(record_name, key_parts(key))}
    for transfer in transfers:
        baseline = yield from work("read the memory", partial(store.baseline, transfer.name))
        own = [link for link in baseline.links if _is_about(link, names)]
        links += own
        about = {f"link:{link.id}" for link in own}
        about |= {f"row:{side.value}:{link.record_id(side)}" for link in own for side in Side}
        items += [
            item.id
            for item in baseline.open_items.values()
            if item.subject in about
            or name_of(item.key) in names
            or item.subject.rpartition(":")[2] in names
            or (item.reason == "match.different" and item.group.rpartition(":")[2] in names)
        ]
    for link in links:
        erased = erased.with_link(link)
        names |= {record_name(link.record_id(side)) for side in Side if link.record_id(side)}
    yield from work(
        "forget",
        partial(
            store.erase,
            links=[link.id for link in links],
            items=items,
            names=sorted(names),
            value=(_NAME, erased.to_value()),
        ),
    )
    return len(links)


def _is_about(link: LinkRecord, names: set[str]) -> bool:
    ids = {record_id_18(i) or i for side in Side if (i := link.record_id(side)) is not None}
    keys = {name_of(tuple(key)) for side in Side if (key := link.key(side)) is not None}
    return bool(names & (ids | keys))
