"""SOQL whose values are parameters: quoting, checking of names, and queries short enough for a URL.

What may not go in here: requests.  A query's text is a literal of the program (`LiteralString`: an f-string of
somebody's data fails type checking); values go in by name and are quoted by their type.  Sources: fact sheet, 3.5.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, LiteralString, Self
from urllib.parse import quote

import attrs

from di_salesforce.exceptions import ConfigurationError, Problem

__all__ = ["Identifier", "Soql", "chunked_in", "field_path", "identifier", "quoted", "select", "soql"]

_IDENTIFIER: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

# A text in quotes (left alone) or a placeholder; a colon inside a date-time or after a date function is neither.
_PLACEHOLDER: Final = re.compile(r"'(?:\\.|[^'\\])*'|(?<![\w:]):([A-Za-z_]\w*)", re.DOTALL)

_ESCAPES: Final = str.maketrans(
    {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
)

# URI and headers may take 16,384 bytes together [D]; we stay below 16,000 and leave this much of it to the headers and
# the host (access tokens of some hundred bytes are common, of 2,000 possible).
_URI_ROOM: Final = 16_000 - 4_000


@attrs.frozen(repr=False)
class Soql:
    """A query or a condition with its values in it; made by `soql`, `select` and `chunked_in`."""

    text: str

    @classmethod
    def trusted(cls, text: str) -> Self:
        """Take a text as it is: for SOQL of your own that is no literal, as in a configuration file.

        Never for text that holds what somebody typed: use parameters for that.
        """
        return cls(text)

    def __repr__(self) -> str:
        """Leave the text out: it holds people's data."""
        return f"<Soql of {len(self.text)} characters>"


@attrs.frozen
class Identifier:
    """The name of an object or a field (or a path, `Account.Name`) as a parameter: checked, not quoted."""

    name: str = attrs.field()

    def __attrs_post_init__(self) -> None:
        field_path(self.name)


def identifier(name: str, what: str = "name") -> str:
    """Give an API name back, checked: letters, digits and underscores, beginning with a letter.

    Raises:
        ConfigurationError: it is no such name; `what` says of what.
    """
    if not _IDENTIFIER.fullmatch(name):
        raise ConfigurationError(f"{what} {name!r} is not an API name (letters, digits and _, beginning with a letter)")
    return name


def field_path(path: str) -> str:
    """Give a field's name or a path to a parent's field (`Account.Owner.Name`) back, checked."""
    for part in path.split("."):
        identifier(part, "field")
    return path


def _quoted_datetime(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError("a date-time needs a time zone (as in datetime.now(UTC))")
    try:
        moment = value.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise ValueError("a date-time at the edge of the calendar has no form in SOQL") from None
    return moment.isoformat(timespec="milliseconds" if value.microsecond else "seconds") + "Z"


def _quoted_number(value: float | Decimal) -> str:
    if not math.isfinite(value):
        raise ValueError("a number must be finite")
    return f"{Decimal(str(value)):f}"  # SOQL has no exponents


def _quoted_list(values: Iterable[object]) -> str:
    items = [quoted(value) for value in values]
    if not items:
        raise ValueError("an empty list has no form in SOQL; leave the query out, since nothing can match")
    return f"({','.join(items)})"


# The first whose types fit is taken: a bool is an int, and a datetime a date.
_QUOTING: Sequence[tuple[tuple[type, ...], Callable[[Any], str]]] = (  # each takes values of its types
    ((str,), lambda value: f"'{value.translate(_ESCAPES)}'"),
    ((type(None),), lambda _: "null"),
    ((bool,), lambda value: "true" if value else "false"),
    ((int,), str),
    ((float, Decimal), _quoted_number),
    ((datetime,), _quoted_datetime),
    ((date,), lambda value: value.isoformat()),
    ((Identifier,), lambda value: value.name),
    ((list, tuple, set, frozenset), _quoted_list),
)


def quoted(value: object) -> str:
    r"""Give a value as SOQL text, by its type.

    Raises:
        ValueError: it has no form in SOQL; the text does not repeat it.

    Example:
        >>> quoted("O'Brien"), quoted(None), quoted([1, Decimal("2.50")])
        ("'O\\'Brien'", 'null', '(1,2.50)')
    """
    for types, quote_one in _QUOTING:
        if isinstance(value, types):
            return quote_one(value)
    raise ValueError(f"a {type(value).__name__} has no form in SOQL")


def soql(text: LiteralString | Soql, /, **values: object) -> Soql:
    r"""Make a query or a condition of a literal text and values for its `:name` places.

    Args:
        text: the SOQL; placeholders inside quotes are left alone.
        values: texts, numbers, booleans, None, dates, aware date-times, `Identifier`s, and lists of them for `IN`.

    Raises:
        ConfigurationError: a place without a value, a value without a place, a value that SOQL has no form for; all of
            them at once.

    Example:
        >>> soql("SELECT Id FROM Contact WHERE Email = :email", email="o'brien@example.com").text
        "SELECT Id FROM Contact WHERE Email = 'o\\'brien@example.com'"
    """
    return Soql(_filled_in(text.text if isinstance(text, Soql) else text, values))


def _filled_in(text: str, values: Mapping[str, object]) -> str:
    problems: list[Problem] = []
    rendered: dict[str, str] = {}
    places = {found[1] for found in _PLACEHOLDER.finditer(text) if found[1]}
    problems += [Problem(name, "the query has this place, but no value is given") for name in places - values.keys()]
    problems += [Problem(name, "the query has no such place") for name in values.keys() - places]
    for name in places & values.keys():
        try:
            rendered[name] = quoted(values[name])
        except ValueError as error:
            problems.append(Problem(name, str(error)))
    if problems:
        raise ConfigurationError(sorted(problems), what="SOQL parameters")
    return _PLACEHOLDER.sub(lambda found: rendered[found[1]] if found[1] else found[0], text)


def select(
    sobject: str,
    fields: Iterable[str],
    *,
    where: Iterable[Soql] = (),
    order_by: Iterable[str] = (),
    limit: int | None = None,
) -> Soql:
    """Make a query from names that a program holds, all of them checked; the conditions must all hold.

    Example:
        >>> select("Contact", ["Id", "Account.Name"], where=[soql("Email != null")], order_by=["Id"], limit=5).text
        'SELECT Id, Account.Name FROM Contact WHERE (Email != null) ORDER BY Id LIMIT 5'
    """
    columns = ", ".join(map(field_path, dict.fromkeys(fields)))
    if not columns:
        raise ConfigurationError(f"a query of {sobject} needs at least one field")
    parts = [f"SELECT {columns} FROM {identifier(sobject, 'sObject')}"]  # noqa: S608 - every name in it is checked
    if conditions := " AND ".join(f"({condition.text})" for condition in where):
        parts.append(f"WHERE {conditions}")
    if order := ", ".join(map(field_path, order_by)):
        parts.append(f"ORDER BY {order}")
    if limit is not None:
        parts.append(f"LIMIT {int(limit)}")
    return Soql(" ".join(parts))


def chunked_in(
    text: LiteralString | Soql, name: str, values: Iterable[object], /, *, room: int = _URI_ROOM, **others: object
) -> Iterator[Soql]:
    """Make as many queries of a text with `IN :name` as it takes to keep each short enough for a URL.

    Args:
        text: the query, with the place `:name`.
        name: the place that takes the list.
        values: the list; doubles are left out, and no values make no queries.
        room: bytes that one encoded query may take.
        others: values for the other places.

    Raises:
        ConfigurationError: as for `soql`, and where even one value leaves no room.

    Example:
        >>> [q.text for q in chunked_in("SELECT Id FROM Contact WHERE Email IN :emails", "emails", ["a", "b"])]
        ["SELECT Id FROM Contact WHERE Email IN ('a','b')"]
    """
    whole = text.text if isinstance(text, Soql) else text
    fixed = len(quote(_filled_in(whole, {**others, name: [""]}), safe=""))
    chunk: list[object] = []
    size = fixed
    for value in dict.fromkeys(values):
        try:
            length = len(quote(quoted(value) + ",", safe=""))
        except ValueError as error:
            raise ConfigurationError([Problem(name, str(error))], what="SOQL parameters") from None
        if fixed + length > room:
            raise ConfigurationError(f"a query with one value for :{name} takes more than {room} bytes already")
        if chunk and size + length > room:
            yield Soql(_filled_in(whole, {**others, name: chunk}))
            chunk, size = [], fixed
        chunk.append(value)
        size += length
    if chunk:
        yield Soql(_filled_in(whole, {**others, name: chunk}))
