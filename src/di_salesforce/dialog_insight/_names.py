"""Where rows live (a contact list, a relational table), and what their fields are called on the wire.

What may not go in here: values, and anything that knows a particular method.

In rows a contact field has its bare code (`EMail`); on the wire it is `f_EMail`, and `key_f_EMail` where it names the
record [seen].  Opt-ins (`optin_news`, `dtOptin_news`), the tracking consent and `idContact` have no `f_` and keep their
wire names in rows, since a contact field may have the same code.  A relational field is called alike in both places,
and `key_<code>` where it names the record [seen].
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import ClassVar, Final, TypeAlias

import attrs

from di_salesforce.exceptions import ConfigurationError

__all__ = ["CONTACT_ID", "ContactList", "RelationalTable", "Target", "key_fields"]

CONTACT_ID: Final = "idContact"
"""The number that Dialog Insight gives to each contact: in rows, in `ID` and in clauses without a prefix [seen]."""

_FIELD: Final = "f_"
_KEY: Final = "key_"
_UNPREFIXED: Final = frozenset({CONTACT_ID, "hasTrackingConsent", "dtTrackingConsent"})
_OPT_IN_PREFIXES: Final = ("optin_", "dtOptin_")


@functools.lru_cache(maxsize=4096)  # the fields of a few dozen projects, asked for with every row
def _keeps_wire_name(name: str) -> bool:
    """Tell whether a name is the same in rows and on the wire.

    A field whose code looks like one of the unprefixed names (`optin_x`, on the wire `f_optin_x`) keeps its `f_` in
    rows too, so that every name has exactly one meaning and reading and writing are each other's inverse.
    """
    while True:
        if name in _UNPREFIXED or name.startswith(_OPT_IN_PREFIXES):
            return True
        if not name.startswith(_FIELD):
            return False
        name = name.removeprefix(_FIELD)


@attrs.frozen
class ContactList:
    """The contact list of a project; there is one per project [seen]."""

    id_project: int

    service: ClassVar[str] = "Contacts"

    @property
    def address(self) -> dict[str, int]:
        """The member of a request's body that names the list."""
        return {"idProject": self.id_project}

    @property
    def record_id_field(self) -> str | None:
        """The field that holds a record's own id."""
        return CONTACT_ID

    def wire_name(self, name: str) -> str:
        """Give the wire name of a field, from its name in rows.

        Example:
            >>> contacts = ContactList(4321)
            >>> [contacts.wire_name(name) for name in ("EMail", "optin_news", "idContact", "f_optin_x")]
            ['f_EMail', 'optin_news', 'idContact', 'f_optin_x']
        """
        return name if _keeps_wire_name(name) else _FIELD + name

    def row_name(self, wire_name: str) -> str:
        """Give a field's name in rows, from its wire name; the inverse of `wire_name`."""
        bare = wire_name.removeprefix(_FIELD)
        return wire_name if _keeps_wire_name(bare) else bare

    def key_name(self, name: str) -> str:
        """Give the member of `ID` that identifies a record by this field: `idContact` or `key_f_<code>` [seen]."""
        return name if name == CONTACT_ID else _KEY + self.wire_name(name)

    def owns(self, wire_name: str) -> bool:
        """Tell a field of the project's from a system column, which may have the same bare name."""
        return wire_name.startswith(_FIELD)

    def __str__(self) -> str:
        return f"the contacts of project {self.id_project}"


@attrs.frozen
class RelationalTable:
    """A relational table by its number; requests for it carry no project [seen]."""

    id_table: int

    service: ClassVar[str] = "RelationalTables"

    @property
    def address(self) -> dict[str, int]:
        """The member of a request's body that names the table."""
        return {"idTable": self.id_table}

    @property
    def record_id_field(self) -> str | None:
        """The field that holds a record's own id: none, a relational row has only its key."""
        return None

    def wire_name(self, name: str) -> str:
        """Give the wire name of a field, from its name in rows: the same."""
        return name

    def row_name(self, wire_name: str) -> str:
        """Give a field's name in rows, from its wire name: the same."""
        return wire_name

    def key_name(self, name: str) -> str:
        """Give the member of `ID` that identifies a record by this field: `key_<code>` [seen]."""
        return _KEY + name

    def owns(self, wire_name: str) -> bool:
        """Tell a field of the table's from a system column: all are the table's."""
        return True

    def __str__(self) -> str:
        return f"relational table {self.id_table}"


Target: TypeAlias = ContactList | RelationalTable
"""Where rows are read and written."""


def key_fields(key: str | Sequence[str]) -> tuple[str, ...]:
    """Read a key declaration: one field's name, or several for a composite key."""
    names = (key,) if isinstance(key, str) else tuple(key)
    if not names or not all(names) or len(set(names)) < len(names):
        raise ConfigurationError("a key needs at least one field name, none of them empty or named twice")
    return names
