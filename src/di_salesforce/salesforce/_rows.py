"""Records between JSON and plain rows: exact numbers, parents under dotted names, and objects of a class.

What may not go in here: requests.  Reading leaves date-times as the texts that Salesforce sends
(`2026-05-01T07:25:37.000+0000`), since only a schema tells a date-time from a text; `into=` turns them into aware ones.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, Final, TypeVar

from di_salesforce._json_text import written_fast
from di_salesforce.exceptions import ConversionError
from di_salesforce.records import UNSET, Side
from di_salesforce.salesforce._json import is_object
from di_salesforce.salesforce._settings import Page

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = [
    "as_object",
    "flat",
    "is_child_result",
    "parent_paths",
    "plain_rows",
    "record_reader",
    "record_text",
    "without_attributes",
]

T = TypeVar("T")

# From rows to JSON ------------------------------------------------------------------------------------------------


def _exact(value: Decimal | float) -> str:
    if not math.isfinite(value):
        raise ValueError("is not a finite number")
    return f"{value:f}" if isinstance(value, Decimal) else repr(value)


def _utc_text(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError("is a date-time without a time zone (as in datetime.now(UTC))")
    try:
        return f'"{value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")}Z"'
    except OverflowError:
        raise ValueError("is a date-time at the edge of the calendar") from None


# By exact type, so that a bool is no int and a datetime no date.  json.dumps would make a float of a Decimal.
_TEXT_OF: Mapping[type, Callable[[Any], str]] = {  # each takes values of its own type
    str: encode_basestring,
    type(None): lambda _: "null",
    bool: lambda value: "true" if value else "false",
    int: str,
    float: _exact,
    Decimal: _exact,
    datetime: _utc_text,
    date: lambda value: f'"{value.isoformat()}"',
}


def _as_it_is(value: Any) -> Any:  # any value of a kind below
    return value


# Subclasses, as of StrEnum and pandas.Timestamp: by their kind, and those made plain whose own text may be another.
_PLAIN: Mapping[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int,
    float: float,
    Decimal: _as_it_is,
    datetime: _as_it_is,
    date: _as_it_is,
}


def _text_of(value: object) -> str:
    text_of = _TEXT_OF.get(type(value))
    if text_of is not None:
        return text_of(value)
    if is_object(value):
        return _members(value)
    for kind, plain in _PLAIN.items():
        if isinstance(value, kind):
            return _TEXT_OF[kind](plain(value))
    raise ValueError(f"is a {type(value).__name__}, which JSON records have no form for")


@functools.lru_cache(maxsize=4096)  # the field names of a few dozen objects
def _name_text(name: str) -> str:
    return f"{encode_basestring(name)}:"


def _members(values: Mapping[str, object]) -> str:
    return "{" + ",".join([_name_text(name) + _text_of(value) for name, value in values.items()]) + "}"


def _nested(values: Mapping[str, object]) -> dict[str, object]:
    """Turn `Account.Ext__c` into `Account: {Ext__c}`: a lookup by the parent's external id."""
    row: dict[str, object] = {}
    parents: dict[str, dict[str, object]] = {}
    for name, value in values.items():
        parent, dot, field = name.partition(".")
        if not dot:
            row[name] = value
        elif value is None:
            raise _refused(name, "is null, but a lookup by external id cannot be cleared; write null to its Id field")
        else:
            row[parent] = parents.setdefault(parent, {})
            parents[parent][field] = value
    return row


def record_text(values: Mapping[str, object], *, sobject: str = "") -> bytes:
    """Write a record as JSON with exact numbers; `UNSET` values are left out, `None` clears the field.

    Args:
        values: by API name; `Account.Ext__c` sets a lookup by the parent's external id.
        sobject: adds the `attributes` that a record in a collection needs.

    Raises:
        ConversionError: a value has no form in JSON; names the field.

    Example:
        >>> record_text({"LastName": "Tremblay", "Points__c": Decimal("1.10"), "Phone": None}).decode()
        '{"LastName":"Tremblay","Points__c":1.10,"Phone":null}'
    """
    paths = "." in "".join(values)
    if not paths and (fast := written_fast(values)) is not None:
        return _with_type(fast, sobject)
    row = {name: value for name, value in values.items() if value is not UNSET}
    if paths:
        row = _nested(row)
    try:
        return _with_type(_members(row).encode(), sobject)
    except ValueError:
        pass  # again, field by field, to name the one at fault
    for name, value in row.items():
        try:
            _members({name: value}).encode()
        except UnicodeEncodeError:
            raise _refused(name, "holds half a character (a lone surrogate)") from None
        except ValueError as error:
            raise _refused(name, str(error)) from None
    raise AssertionError("a record is refused only for one of its fields")


def _with_type(record: bytes, sobject: str) -> bytes:
    """Put the `attributes` before the members, where the service's reader looks for them [R]."""
    if not sobject:
        return record
    return _type_head(sobject) + record[1:] if len(record) > 2 else _type_head(sobject)[:-1] + b"}"


@functools.lru_cache(maxsize=256)  # as many objects as a program is likely to write
def _type_head(sobject: str) -> bytes:
    return f'{{"attributes":{{"type":"{sobject}"}},'.encode("ascii")  # checked: letters, digits and underscores


def _refused(field: str, why: str) -> ConversionError:
    return ConversionError(f"{field} {why}", code="value.not_sendable", side=Side.SALESFORCE, field=field)


# From JSON to rows ------------------------------------------------------------------------------------------------


def is_child_result(value: Mapping[str, Any]) -> bool:  # a JSON object
    """Tell a child query's result from a parent."""
    return "records" in value and "done" in value


def flat(record: Mapping[str, Any]) -> dict[str, Any]:  # Value, or a list of rows for a child query
    """Make a plain row of a record: no `attributes`, parents under dotted names, child queries as lists of rows.

    Example:
        >>> flat({"attributes": {"type": "Contact"}, "Id": "003", "Account": {"attributes": {}, "Name": "Acme"}})
        {'Id': '003', 'Account.Name': 'Acme'}
    """
    row: dict[str, Any] = {}  # see above
    for name, value in record.items():
        if not is_object(value):
            row[name] = value
        elif name == "attributes":
            continue
        elif is_child_result(value):
            row[name] = [flat(child) for child in value["records"]]
        else:
            row.update((f"{name}.{inner}", content) for inner, content in flat(value).items())
    return row


def parent_paths(query: str) -> tuple[str, ...]:
    """List the paths to parents' fields that a query selects (`Account.Name`), outside its child queries.

    Example:
        >>> parent_paths("SELECT Id, Account.Owner.Name, (SELECT Id FROM Cases) FROM Contact WHERE Account.Name != ''")
        ('Account.Owner.Name',)
    """
    depth, columns = 0, ""
    for word in query.replace("(", " ( ").replace(")", " ) ").replace(",", " ").split():
        depth += (word == "(") - (word == ")")
        if depth == 0 and word.lower() == "from":
            break
        columns += f" {word}" if depth == 0 else ""
    return tuple(word for word in columns.split() if "." in word)


def plain_rows(page: Page, paths: Sequence[str] = ()) -> list[dict[str, Any]]:  # see `flat`
    """Make plain rows of a page; a parent that is null gives null to each of its fields that were selected."""
    rows = [flat(record) for record in page.records] if page.nested else page.records
    for row in rows if paths else ():
        missing = {path: parent for path in paths if path not in row and (parent := _null_parent(row, path))}
        for parent in set(missing.values()):
            del row[parent]
        row.update(dict.fromkeys(missing))
    return rows


def _null_parent(row: Mapping[str, Any], path: str) -> str | None:  # see `flat`
    parents = path.split(".")[:-1]
    prefixes = (".".join(parents[:end]) for end in range(1, len(parents) + 1))
    return next((prefix for prefix in prefixes if prefix in row and row[prefix] is None), None)


# From JSON to objects ---------------------------------------------------------------------------------------------


def without_attributes(value: Any) -> Any:  # any JSON value
    """Strip the `attributes` of a record and of all records in it; a child query becomes the list of its records."""
    if is_object(value):
        if is_child_result(value):
            return [without_attributes(child) for child in value["records"]]
        return {name: without_attributes(inner) for name, inner in value.items() if name != "attributes"}
    return value


def _read_datetime(value: object) -> datetime:
    moment = datetime.fromisoformat(_read_text(value))  # reads `+0000`, too, from Python 3.11 on
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment


def _read_date(value: object) -> date:
    return date.fromisoformat(_read_text(value))


def _read_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _read_decimal(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (Decimal, int)):
        raise TypeError("not a number")
    return Decimal(value)


def _read_int(value: object) -> int:
    number = _read_decimal(value)
    if number != number.to_integral_value():
        raise ValueError("not a whole number")
    return int(number)


def _read_bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("not a boolean")
    return value


# cattrs' own readers are lenient: they would make the text "None" of a null.
_READERS: Final[Mapping[type, Callable[[object], object]]] = {
    datetime: _read_datetime,
    date: _read_date,
    str: _read_text,
    Decimal: _read_decimal,
    int: _read_int,
    float: lambda value: float(_read_decimal(value)),
    bool: _read_bool,
}


@functools.cache
def _converter() -> Converter:
    from cattrs import Converter

    converter = Converter()
    for kind, read in _READERS.items():
        converter.register_structure_hook(kind, _hook(read))
    return converter


def _hook(read: Callable[[object], object]) -> Callable[[Any, Any], Any]:  # the form that cattrs asks for
    return lambda value, _: read(value)


def as_object(record: Mapping[str, Any], into: type[T]) -> T:  # a JSON object
    """Make an object of a record by its class's fields: parents are objects in it, child queries lists of objects.

    Args:
        record: as Salesforce sends it.
        into: an attrs class, a dataclass or a TypedDict whose fields have the API names (other fields are left out).

    Raises:
        ConversionError: the record does not fit the class; names the fields, never the values.
    """
    from cattrs import transform_error

    try:
        return _converter().structure(without_attributes(record), into)
    except Exception as error:  # noqa: BLE001 - cattrs raises whatever the class's own constructor does
        lines = transform_error(error, format_exception=lambda raised, _: type(raised).__name__)
    raise ConversionError(
        f"a record does not fit {into.__name__}: {'; '.join(lines)}", code="row.misfit", side=Side.SALESFORCE
    )


def record_reader(query: str, into: type[Any] | None) -> Callable[[Page], list[Any]]:
    """Give what makes of a page's records what was asked for: plain rows, or objects of a class."""
    if into is not None:
        return lambda page: [as_object(record, into) for record in page.records]
    paths = parent_paths(query)
    return lambda page: plain_rows(page, paths)
