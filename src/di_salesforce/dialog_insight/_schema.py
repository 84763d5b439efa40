"""The contact list of a project, as its description says: `Projects.Get` read into a `TableSchema`.

What may not go in here: relational tables, whose definition no known method gives (they are declared), and requests.

Codes, `DataType`, `isRequired` and labels are [seen]; the values of `DataType`, the member that marks the key and the
member that gives a length are [unknown].  The service's own word stays in `raw_type`; what it may mean is a table of
guesses that `Capabilities.data_types` corrects, and a type that neither knows is `UNKNOWN`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from di_salesforce.dialog_insight._names import CONTACT_ID, ContactList
from di_salesforce.dialog_insight._settings import Capabilities
from di_salesforce.dialog_insight._values import JsonObject, is_list, is_object, read_id
from di_salesforce.records import Side
from di_salesforce.schema import FieldSchema, FieldType, TableSchema

__all__ = ["DATA_TYPES", "contact_schema"]

# Guesses, made from the column types in Dialog Insight's articles (NVarChar, Int, BigInt, Decimal, DateTime) and from
# the kinds of fields that its application offers.  Read without case, blanks, punctuation and a length in brackets.
DATA_TYPES: Final[Mapping[str, FieldType]] = {
    "text": FieldType.TEXT,
    "shorttext": FieldType.TEXT,
    "string": FieldType.TEXT,
    "varchar": FieldType.TEXT,
    "nvarchar": FieldType.TEXT,
    "longtext": FieldType.LONG_TEXT,
    "int": FieldType.INTEGER,
    "integer": FieldType.INTEGER,
    "bigint": FieldType.INTEGER,
    "decimal": FieldType.DECIMAL,
    "float": FieldType.DECIMAL,
    "bit": FieldType.BOOLEAN,
    "bool": FieldType.BOOLEAN,
    "boolean": FieldType.BOOLEAN,
    "yesno": FieldType.BOOLEAN,
    "date": FieldType.DATE,
    "datetime": FieldType.DATETIME,
    "email": FieldType.EMAIL,
    "phone": FieldType.PHONE,
    "singlechoice": FieldType.CHOICE,
    "multiplechoice": FieldType.MULTI_CHOICE,
    "multichoice": FieldType.MULTI_CHOICE,
}

# The address field of every project has this code [seen].
_EMAIL: Final = "EMail"
_LENGTH: Final = re.compile(r"\((\d+)\)")


def contact_schema(info: Mapping[str, Any], *, id_project: int, capabilities: Capabilities) -> TableSchema:
    """Read a project's `ProjectInfo` as the schema of its contact list.

    Opt-ins come under their wire names (`optin_news`).  Their dates are not listed, since a date's code is its own and
    nothing in the description names it [seen]; a mapping names it with `OptInDate(code)`.

    Args:
        info: `ProjectInfo` as it came; members that are missing or of another kind are passed over.
        id_project: becomes the schema's id.
        capabilities: what is known of data types, and of the members for key and length.
    """
    contacts = ContactList(id_project)
    fields = [
        FieldSchema(
            CONTACT_ID, FieldType.ID, nullable=False, creatable=False, updatable=False, unique=True, id_lookup=True
        ),
        *(_field(contacts, item, capabilities) for item in _coded(info.get("ProjectFields"))),
        *(
            FieldSchema(f"optin_{item['Code']}", FieldType.OPT_IN, label=_label(item))
            for item in _coded(info.get("OptinFields"))
        ),
        FieldSchema("hasTrackingConsent", FieldType.BOOLEAN),  # no prefix, no entry of its own [seen]
        FieldSchema("dtTrackingConsent", FieldType.DATE),
    ]
    key = [field for field in fields if field.key]
    return TableSchema(
        "Contact",
        side=Side.DIALOG_INSIGHT,
        fields=[field if len(key) != 1 or field is not key[0] else _unique(field) for field in fields],
        id=id_project,
    )


def _coded(listed: object) -> Iterator[JsonObject]:
    """Give the items of a list that are objects with a code."""
    for item in listed if is_list(listed) else ():
        if is_object(item) and isinstance(item.get("Code"), str) and item["Code"]:
            yield item


def _field(contacts: ContactList, item: JsonObject, capabilities: Capabilities) -> FieldSchema:
    code: str = item["Code"]
    raw_type = item.get("DataType")
    raw = raw_type if isinstance(raw_type, str) else ""
    required = item.get("isRequired") in (True, 1, "1", "true")
    key = bool(capabilities.key_member) and item.get(capabilities.key_member) in (True, 1, "1", "true")
    return FieldSchema(
        contacts.row_name(f"f_{code}"),
        _type(code, raw, capabilities),
        label=_label(item),
        length=_length(item, raw, capabilities),
        nullable=not required,
        required=required,
        key=key,
        updatable=not key or capabilities.writes_key,
        raw_type=raw,
    )


def _unique(field: FieldSchema) -> FieldSchema:
    """A key of one field is unique, and finds its record; of a composite key only the whole is."""
    return attrs.evolve(field, unique=True, id_lookup=True)


def _type(code: str, raw: str, capabilities: Capabilities) -> FieldType:
    bare = re.sub(r"\(.*\)|[\W_]", "", raw.casefold())
    known = capabilities.data_types.get(raw.casefold())
    if known is not None:
        return FieldType(known)
    return DATA_TYPES.get(bare, FieldType.EMAIL if code == _EMAIL else FieldType.UNKNOWN)


def _length(item: JsonObject, raw: str, capabilities: Capabilities) -> int | None:
    stated = read_id(item.get(capabilities.length_member)) if capabilities.length_member else None
    in_type = _LENGTH.search(raw)
    return stated or (read_id(in_type[1]) if in_type else None)


def _label(item: JsonObject) -> str:
    """Give the first label; there is probably one per language, in an order that is unknown."""
    labels: object = item.get("Labels")
    first: object = labels[0] if is_list(labels) and labels else None
    value = first.get("Value") if is_object(first) else None
    return value if isinstance(value, str) else ""
