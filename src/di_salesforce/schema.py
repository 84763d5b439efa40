"""What a table or an sObject looks like: one vocabulary for both ends.

What may not go in here: wire formats.  `salesforce/_schema.py` and `dialog_insight/_schema.py` read the services' own
descriptions into these values; a relational table, whose definition Dialog Insight's API does not offer, is declared.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator

import attrs

from di_salesforce.records import UNSET, Side, UnsetType, Value

__all__ = ["FieldSchema", "FieldType", "TableSchema"]


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

    `id` is Dialog Insight's `idTable` (for a contact list, the project's id); an sObject has none.

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

    def get(self, name: str) -> FieldSchema | None:
        """Give the field of that name, or None."""
        return next((field for field in self.fields if field.name == name), None)

    def __getitem__(self, name: str) -> FieldSchema:
        field = self.get(name)
        if field is None:
            raise KeyError(name)
        return field

    def __contains__(self, name: object) -> bool:
        return any(field.name == name for field in self.fields)

    def __iter__(self) -> Iterator[FieldSchema]:
        return iter(self.fields)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all fields, in the service's order."""
        return tuple(field.name for field in self.fields)
