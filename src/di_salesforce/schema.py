"""What a table or an sObject looks like: one vocabulary for both ends.

What may not go in here: wire formats.  `salesforce/_schema.py` and `dialog_insight/_schema.py` read the services' own
descriptions into these values; a relational table, whose definition Dialog Insight's API does not offer, is declared.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from di_salesforce.records import UNSET, Row, Side, UnsetType, Value

if TYPE_CHECKING:
    from di_salesforce._inferred import InferredSchema

__all__ = ["FieldSchema", "FieldType", "TableSchema", "infer_schema"]


class FieldType(enum.StrEnum):
    """The kind of a field, whichever service holds it; its value is the name used on disk."""

    ID = "id"
    TEXT = "text"
    LONG_TEXT = "long_text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    TIME = "time"
    EMAIL = "email"
    PHONE = "phone"
    URL = "url"
    CHOICE = "choice"
    MULTI_CHOICE = "multi_choice"
    REFERENCE = "reference"
    OPT_IN = "opt_in"
    COMPOUND = "compound"
    BINARY = "binary"
    UNKNOWN = "unknown"


def _texts(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(texts)


@attrs.frozen
class FieldSchema:
    """One field: its type, and what may be done with it.

    Lengths are characters; `precision` and `scale` are digits in all and behind the point.  `required` means that a
    create without a value is refused.  `raw_type` keeps the service's own word, for the types we do not know.
    """

    name: str
    type: FieldType = FieldType.UNKNOWN
    label: str = ""
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    nullable: bool = True
    creatable: bool = True
    updatable: bool = True
    required: bool = False
    unique: bool = False
    external_id: bool = False
    id_lookup: bool = False
    key: bool = False
    calculated: bool = False
    choices: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    restricted: bool = False
    references: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    default: Value | UnsetType = UNSET
    raw_type: str = ""


def _fields(fields: Iterable[FieldSchema]) -> tuple[FieldSchema, ...]:
    return tuple(fields)


@attrs.frozen
class TableSchema:
    """An sObject, a contact list or a relational table, with its fields.

    `id` is Dialog Insight's `idTable` (for a contact list, the project's id); an sObject has none.  `readable`,
    `creatable`, `updatable` and `deletable` are what the user may do with its records, as far as the service tells.
    `record_types` names those of an sObject that the user may use, where there is a choice.

    Example:
        >>> orders = TableSchema(
        ...     "Orders", side=Side.DIALOG_INSIGHT, id=8765,
        ...     fields=[
        ...         FieldSchema("idOrder", FieldType.TEXT, length=100, key=True),
        ...         FieldSchema("Revenue", FieldType.DECIMAL),
        ...     ],
        ... )
        >>> orders["idOrder"].length, "Tax" in orders
        (100, False)
    """

    name: str
    side: Side
    fields: tuple[FieldSchema, ...] = attrs.field(converter=_fields)
    id: int | None = None
    label: str = ""
    readable: bool = True
    creatable: bool = True
    updatable: bool = True
    deletable: bool = True
    record_types: tuple[str, ...] = attrs.field(default=(), converter=_texts)

    def get(self, name: str) -> FieldSchema | None:
        """Give the field of that name, or None."""
        return next((field for field in self.fields if field.name == name), None)

    def __getitem__(self, name: str) -> FieldSchema:
        field = self.get(name)
        if field is None:
            raise KeyError(name)
        return field

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.names)

    def _repr_html_(self) -> str:
        from di_salesforce import _notebook

        return _notebook.schema(self)

    def __contains__(self, name: object) -> bool:
        return any(field.name == name for field in self.fields)

    def __iter__(self) -> Iterator[FieldSchema]:
        return iter(self.fields)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all fields, in the service's order."""
        return tuple(field.name for field in self.fields)

    @property
    def closed_to(self) -> tuple[str, ...]:
        """What the user may not do with the table's records: `read`, `create`, `update`, `delete`."""
        rights = {
            "read": self.readable,
            "create": self.creatable,
            "update": self.updatable,
            "delete": self.deletable,
        }
        return tuple(deed for deed, allowed in rights.items() if not allowed)

    @property
    def fingerprint(self) -> str:
        """A text that is the same as long as nothing changed that matters to a mapping.

        Compare it with that of an earlier description: where it is the same, `schema_changes` has nothing to tell.
        Labels and the order of fields and of picklist values do not matter; nor does whether a field may be blank,
        since a blank is refused only where a value is required.

        Example:
            >>> email = FieldSchema("Email", FieldType.EMAIL, length=80)
            >>> before = TableSchema("Contact", side=Side.SALESFORCE, fields=[email])
            >>> before.fingerprint == attrs.evolve(before, label="Contacts").fingerprint
            True
            >>> before.fingerprint == attrs.evolve(before, fields=[attrs.evolve(email, length=100)]).fingerprint
            False
        """
        from di_salesforce._schema_data import fingerprint  # here, since that file uses these classes

        return fingerprint(self)

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the schema as plain, JSON-safe data with a version, to keep or to review; `from_dict` reads it.

        Example:
            >>> TableSchema("Contact", side=Side.SALESFORCE, fields=[FieldSchema("Email", FieldType.EMAIL)]).to_dict()
            {'version': 1, 'name': 'Contact', 'side': 'salesforce', 'fields': [{'name': 'Email', 'type': 'email'}]}
        """
        from di_salesforce._schema_data import schema_to_dict

        return schema_to_dict(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> TableSchema:  # plain data, from anywhere
        """Read what `to_dict` gave: an equal schema.

        Raises:
            ConfigurationError: The data is of a later version, or is no schema.
        """
        from di_salesforce._schema_data import schema_from_dict

        return schema_from_dict(data)


def infer_schema(name: str, rows: Iterable[Row], *, side: Side, id: int | None = None) -> InferredSchema:  # noqa: A002 - named as the field is
    """Read a table's schema from its rows: types, lengths, blanks, and the values of fields that have only a few.

    Use it for a relational table, whose definition Dialog Insight's API does not offer, or for a file.  Rows show what
    was there, not what the service allows: lengths and choices are those that were seen, and nothing is restricted or
    required.  Look at the result before you rely on it.

    Args:
        name: The table's code, or the sObject's API name.
        rows: Its rows, walked once; text as a CSV file has it is read like native values.
        side: The service that holds the table.
        id: Dialog Insight's `idTable`.

    Returns:
        A `TableSchema` that also says how many rows it comes from (`rows`), where they were blank (`blanks`), and which
        fields were never blank and never twice the same (`key_candidates`).  None of them is made the key.

    Raises:
        ConfigurationError: A row is no mapping.

    Example:
        >>> orders = infer_schema(
        ...     "Orders", [{"idOrder": "A-1", "Revenue": "10.50"}, {"idOrder": "A-2", "Revenue": ""}],
        ...     side=Side.DIALOG_INSIGHT,
        ... )
        >>> [(field.name, field.type.value, field.nullable) for field in orders], orders.key_candidates
        ([('idOrder', 'text', False), ('Revenue', 'decimal', True)], ('idOrder',))
    """
    from di_salesforce._inferred import inferred  # here, since that file uses these classes

    return inferred(name, rows, side=side, id=id)
