"""`typed_module`: the source text of a small typed module, so that an editor knows the field names of a live schema.

What may not go in here: writing files, and anything about values beyond their types.

The text needs nothing but the standard library.  Whatever a field is called, its name stands in it as a quoted string;
only the names of the module's own types are made from the table's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from di_salesforce._check_ground import listed
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import OptIn, OptInDate
from di_salesforce.records import Side
from di_salesforce.schema import FieldSchema, FieldType, TableSchema

__all__ = ["typed_module"]

T: Final = FieldType

_SALESFORCE_TYPES: Final[Mapping[FieldType, str]] = {
    T.BOOLEAN: "bool",
    T.INTEGER: "int",
    T.DECIMAL: "Decimal | int",  # a JSON number without a fraction is read as a whole one
    T.COMPOUND: "object",
    T.UNKNOWN: "object",
}
"""What a Salesforce row holds, by type; all other kinds come as text."""

_DIALOG_INSIGHT_TYPES: Final[Mapping[FieldType, str]] = {
    # How Dialog Insight renders numbers and truth values in answers is unknown, so each may come as text too.
    T.BOOLEAN: "bool | int | str",
    T.OPT_IN: "bool | int | str",
    T.ID: "int",
    T.INTEGER: "int | str",
    T.DECIMAL: "Decimal | int | str",
    T.REFERENCE: "int | str",
    T.COMPOUND: "object",
    T.UNKNOWN: "Decimal | bool | int | str",
}
"""What a Dialog Insight row holds, by type; all other kinds come as text."""

_TYPES: Final = {Side.SALESFORCE: _SALESFORCE_TYPES, Side.DIALOG_INSIGHT: _DIALOG_INSIGHT_TYPES}


def typed_module(*schemas: TableSchema) -> str:
    """Give the source text of a typed module for some tables: names of fields as `Literal`, rows as `TypedDict`.

    Write the text to a file of your project, and let your type checker and editor read it.  For each table there are
    `...Field` (the names of its fields), a function that takes one of these names and gives it back, for use in a
    `FieldMapping`, and `...Row`; for a contact list with opt-ins also `...OptIn`, the codes for `OptIn(...)`.  The text
    depends on nothing but the schemas: the same schemas give the same text.

    Args:
        schemas: One or more tables of either side.

    Returns:
        Python source, valid under the strict settings of mypy and pyright.

    Raises:
        ConfigurationError: No schema is given, or the names of two tables give the same type name.

    Example:
        >>> contact = TableSchema("Contact", side=Side.SALESFORCE, fields=[FieldSchema("Email", T.EMAIL)])
        >>> print(typed_module(contact))
        # Made by di_salesforce from the schemas of Salesforce's Contact: make it anew rather than changing it.
        <BLANKLINE>
        from __future__ import annotations
        <BLANKLINE>
        from typing import Literal, TypeAlias, TypedDict
        <BLANKLINE>
        SalesforceContactField: TypeAlias = Literal[
            "Email",
        ]
        <BLANKLINE>
        <BLANKLINE>
        def salesforce_contact(name: SalesforceContactField) -> SalesforceContactField:
            return name
        <BLANKLINE>
        <BLANKLINE>
        SalesforceContactRow = TypedDict(
            "SalesforceContactRow",
            {
                "Email": str | None,
            },
            total=False,
        )
        <BLANKLINE>
    """
    if not schemas:
        raise ConfigurationError("typed_module needs at least one schema")
    made = [name for schema in schemas for name in (*_functions(schema), f"{_stem(schema)}Row")]
    if twice := sorted({name for name in made if made.count(name) > 1}):
        raise ConfigurationError(f"two of the tables would both be called {listed(twice)}: make a module for each")
    rows = [_type(schema[name], schema.side) for schema in schemas for name in schema.names]
    named = any(_fields(schema) or _opt_ins(schema) for schema in schemas)
    typing_names = ("Literal", "TypeAlias", "TypedDict") if named else ("TypedDict",)
    imports = [
        *(["from decimal import Decimal"] if any("Decimal" in row for row in rows) else []),
        f"from typing import {', '.join(typing_names)}",
    ]
    body = "\n".join(line for schema in schemas for line in _table(schema))
    tables = " and ".join(f"{schema.side.label}'s {_in_comment(schema.name)}" for schema in schemas)
    return "\n".join(
        [
            f"# Made by di_salesforce from the schemas of {tables}: make it anew rather than changing it.",
            "",
            "from __future__ import annotations",
            "",
            *imports,
            body,
            "",
        ]
    )


def _in_comment(name: str) -> str:
    """Keep a name from ending the comment that it stands in."""
    return json.dumps(name)[1:-1]


def _quoted(name: str) -> str:
    """Write a text as Python does, in ASCII; JSON's form of a string is Python's too, but above U+FFFF."""
    return json.dumps(name) if all(ord(sign) < 0x10000 for sign in name) else ascii(name)


def _stem(schema: TableSchema) -> str:
    """Make the beginning of a table's type names: its side and its own words, each with a capital."""
    words = re.split(r"[^A-Za-z0-9]+", schema.name)
    side = "Salesforce" if schema.side is Side.SALESFORCE else "DialogInsight"
    return side + "".join(word[:1].upper() + word[1:] for word in words)


def _functions(schema: TableSchema) -> dict[str, tuple[str, list[str]]]:
    """Give the functions of a table, for its fields and for its opt-ins: their type, and the names that they take."""
    stem = _stem(schema)
    function = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", stem).lower()
    both = {function: (f"{stem}Field", _fields(schema)), f"{function}_opt_in": (f"{stem}OptIn", _opt_ins(schema))}
    return {name: (alias, names) for name, (alias, names) in both.items() if names}  # of no names there is no Literal


def _fields(schema: TableSchema) -> list[str]:
    """List the names that a line takes as text; a name that is listed twice is one name."""
    return [
        name for name in dict.fromkeys(schema.names) if not (_is_opt_in(schema[name]) or _is_opt_in_date(schema, name))
    ]


def _opt_ins(schema: TableSchema) -> list[str]:
    return [name.removeprefix(OptIn.prefix) for name in dict.fromkeys(schema.names) if _is_opt_in(schema[name])]


def _table(schema: TableSchema) -> Iterator[str]:
    stem = _stem(schema)
    for function, (alias, names) in _functions(schema).items():
        yield from ("", f"{alias}: TypeAlias = Literal[", *(f"    {_quoted(name)}," for name in names), "]")
        yield from ("", "", f"def {function}(name: {alias}) -> {alias}:", "    return name", "")
    yield ""
    yield f"{stem}Row = TypedDict("
    yield f'    "{stem}Row",'
    yield "    {"
    yield from (f"        {_quoted(name)}: {_type(schema[name], schema.side)}," for name in dict.fromkeys(schema.names))
    yield from ("    },", "    total=False,", ")")


def _is_opt_in(field: FieldSchema) -> bool:
    return field.type is T.OPT_IN


def _is_opt_in_date(schema: TableSchema, name: str) -> bool:
    return schema.side is Side.DIALOG_INSIGHT and name.startswith(OptInDate.prefix)


def _type(field: FieldSchema, side: Side) -> str:
    known = _TYPES[side].get(field.type, "str")
    never_null = field.type is T.ID or (side is Side.SALESFORCE and field.type is T.BOOLEAN)
    return known if never_null or known == "object" else f"{known} | None"
