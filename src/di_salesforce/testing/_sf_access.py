"""Who may use the simulated org, and which fields each of them may see and write.

What may not go in here: sessions and log-ins (`_sf_auth.py`), what a save checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import attrs

from di_salesforce.testing._sf_schema import Field, SObject

__all__ = ["ApiUser", "Caller", "FieldName", "field_names", "invented_user"]

FieldName: TypeAlias = tuple[str, str]
"""An sObject and a field of it, both in lower case."""


@attrs.frozen
class ApiUser:
    """A user with an app of its own: all that a client may log in with.  All of it is invented."""

    user_id: str
    username: str
    client_id: str
    client_secret: str = attrs.field(repr=False)
    password: str = attrs.field(repr=False)
    security_token: str = attrs.field(repr=False)
    refresh_token: str = attrs.field(repr=False)


@attrs.frozen
class Caller:
    """A user with its field permissions, beside those that every user of the API has (`Field.hidden`, `.locked`)."""

    user_id: str
    hidden: frozenset[FieldName] = frozenset()
    locked: frozenset[FieldName] = frozenset()

    def sees(self, sobject: str, field: Field) -> bool:
        """Tell whether the user may see a field."""
        return not field.hidden and (sobject.lower(), field.name.lower()) not in self.hidden

    def writes(self, sobject: str, field: str) -> bool:
        """Tell whether the user may write a field, as far as its own permissions go; a hidden one is not written."""
        name = (sobject.lower(), field.lower())
        return name not in self.hidden and name not in self.locked

    def view(self, sobject: SObject) -> SObject:
        """Give an object as the user sees it."""
        if not (self.hidden or self.locked):
            return sobject
        fields = [
            attrs.evolve(
                field,
                hidden=not self.sees(sobject.name, field),
                locked=field.locked or not self.writes(sobject.name, field.name),
            )
            for field in sobject.fields
        ]
        return attrs.evolve(sobject, fields=fields)

    def changed(self, *, hidden: Iterable[FieldName] = (), locked: Iterable[FieldName] = (), give: bool) -> Caller:
        """Take permissions away, or give them back."""
        if give:
            return attrs.evolve(self, hidden=self.hidden - {*hidden}, locked=self.locked - {*locked})
        return attrs.evolve(self, hidden=self.hidden | {*hidden}, locked=self.locked | {*locked})


def field_names(fields: Mapping[str, Iterable[str]]) -> frozenset[FieldName]:
    """Read fields by object, as people write them."""
    return frozenset((sobject.lower(), name.lower()) for sobject, names in fields.items() for name in names)


def invented_user(user_id: str, username: str) -> ApiUser:
    """Make a user's credentials; an empty user name is the integration user's, whose credentials bear no number."""
    mark = f"-{user_id}" if username else ""
    return ApiUser(
        user_id,
        username or "integration@example.com",
        client_id=f"simulated-client{mark}",
        client_secret=f"simulated-secret{mark}",
        password=f"simulated-password{mark}",
        security_token=f"simulated-token{mark}",
        refresh_token=f"simulated-refresh{mark}",
    )
