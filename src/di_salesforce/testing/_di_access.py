"""Web-service keys: what a key is allowed, and why a call with it is refused.

What may not go in here: the wire's envelopes, rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import attrs

from di_salesforce.testing._di_clauses import CallRefusal, is_object
from di_salesforce.testing._di_switches import CallCause
from di_salesforce.testing._di_values import Json, whole

__all__ = ["ApiKey", "Right", "refused_right", "refused_use", "sent_key"]


@attrs.frozen
class Right:
    """One permission: a service and a method (`*`: any), on a project with its tables, or on one table (None: any).

    That rights are given per project, table and method is [seen]; that they combine like this is [inferred].
    """

    service: str = "*"
    method: str = "*"
    id_project: int | None = attrs.field(default=None, kw_only=True)
    id_table: int | None = attrs.field(default=None, kw_only=True)

    def covers(self, service: str, method: str, id_project: int | None, id_table: int | None) -> bool:
        """Tell whether the right covers a call; None for a project or table that the call does not name."""
        return (
            self.service.lower() in ("*", service)
            and self.method in ("*", method)
            and (self.id_project is None or id_project in (None, self.id_project))
            and (self.id_table is None or self.id_table == id_table)
        )


@attrs.frozen
class ApiKey:
    """A web-service key and its limits, as its page in the application shows them [seen].

    `expires` is an aware time; `quota` the number of calls that are permitted, None for no limit (its real number and
    window are unknown); `addresses` the permitted IP addresses, None for any.
    """

    id_key: int
    key: str = attrs.field(repr=False)
    active: bool = attrs.field(default=True, kw_only=True)
    expires: datetime | None = attrs.field(default=None, kw_only=True)
    quota: int | None = attrs.field(default=None, kw_only=True)
    addresses: frozenset[str] | None = attrs.field(
        default=None, kw_only=True, converter=attrs.converters.optional(frozenset)
    )
    rights: tuple[Right, ...] = attrs.field(default=(Right(),), kw_only=True, converter=tuple)


def sent_key(auth: Json) -> tuple[int, str] | None:
    """Read `AuthKey`; an `idKey` in text is taken too [seen], other spellings are not: case counts [seen]."""
    if not is_object(auth):
        return None
    id_key, key = whole(auth.get("idKey")), auth.get("Key")
    return (id_key, key) if id_key is not None and isinstance(key, str) else None


def refused_use(known: ApiKey | None, key: str, *, now: datetime, address: str, used: int) -> CallRefusal | None:
    """Tell why a key may not be used for a call, or None; `used` counts its calls so far."""
    if known is None or known.key != key:
        return CallRefusal(CallCause.BAD_KEY)
    if not known.active:
        return CallRefusal(CallCause.INACTIVE_KEY)
    if known.expires is not None and now >= known.expires:
        return CallRefusal(CallCause.EXPIRED_KEY)
    if known.addresses is not None and address not in known.addresses:
        return CallRefusal(CallCause.FOREIGN_IP)
    if known.quota is not None and used >= known.quota:
        return CallRefusal(CallCause.QUOTA)
    return None


def refused_right(
    rights: Iterable[Right], service: str, method: str, id_project: int | None, id_table: int | None
) -> CallRefusal | None:
    """Tell whether no right covers a call."""
    covered = any(right.covers(service, method, id_project, id_table) for right in rights)
    return None if covered else CallRefusal(CallCause.NO_RIGHT)
