"""What a client is told about the service: what it can do, how answers are to be read, how calls are repeated.

What may not go in here: requests, answers, credentials.  Everything that the public documents leave open is a field of
`Capabilities`; its default is the answer with which nothing goes wrong, not the likeliest one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, Self, TypeAlias

import attrs

from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.retry import RetryPolicy
from di_salesforce.schema import FieldType

__all__ = ["Capabilities", "ErrorKind", "Settings", "TextPattern"]

ErrorKind: TypeAlias = str
"""One of `ERROR_KINDS`, or of a merge's outcomes: what a pattern says about a text."""


@attrs.frozen
class TextPattern:
    """A kind, and the regular expression that recognises it in a code or a sentence of the server's, case ignored."""

    kind: ErrorKind
    pattern: str

    def __attrs_post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ConfigurationError(f"the pattern for {self.kind} is no regular expression: {error}") from None

    def matches(self, *texts: str) -> bool:
        """Tell whether one of the texts holds the pattern."""
        return any(re.search(self.pattern, text, re.IGNORECASE) for text in texts)


# Real codes and texts of refused calls are unknown; these words are guesses, tried in this order against the code and
# then the text.  A blank or nothing may stand where `\W*` stands, since codes tend to run words together.
ERROR_PATTERNS: Final = (
    TextPattern(
        "quota",
        r"quota|(limit|number|maximum)\W*(of\W*\w*\W*)?calls|calls.*used\W*up|rate\W*limit|too\W*many\W*(calls|requests)",
    ),
    TextPattern(
        "permission",
        r"permission|forbidden|access\W*(is\W*)?denied|not\W*(allowed|permitted)|no\W*right|unauthori[sz]ed",
    ),
    TextPattern("address", r"\bIP\b|IP\W*address|from\W*this\W*address"),
    TextPattern(
        "key", r"auth\W*key|authent|credential|\bkey\W*(is\W*)?(not\W*valid|invalid|expired|inactive|unknown)|expired"
    ),
    TextPattern(
        "missing", r"unknown\W*(project|table)|no\W*such\W*(project|\w*\W*table)|(project|table)\W*(was\W*)?not\W*found"
    ),
    TextPattern(
        "request",
        r"unknown|invalid|not\W*valid|missing|required|malformed|no\W*such|json|too\W*many|more\b.*\bthan|duplicate",
    ),
)
ERROR_KINDS: Final = tuple(dict.fromkeys(pattern.kind for pattern in ERROR_PATTERNS))

# Texts for a record of a Merge that was left alone because of the flags; unknown likewise, and never taken for success.
# Words for "not found" are bound to the record, or a missing foreign key would look like a record that is gone.
RECORD_PATTERNS: Final = (
    TextPattern("exists", r"already|\bexists\b|duplicate"),
    TextPattern(
        "unmatched",
        r"unmatched|^\W*not\W*found\W*$|no\W*(record|contact|row)s?\W*match|(record|contact|row)\W*(was\W*)?not\W*found",
    ),
)
RECORD_KINDS: Final = ("exists", "unmatched")

_DICT_VERSION: Final = 1


def _flag(_: object, field: attrs.Attribute[Any], value: object) -> None:  # attrs types attributes by their own value
    if not isinstance(value, bool):
        raise ConfigurationError([Problem(field.name, "must be true or false")], what="Capabilities")


def _count(_: object, field: attrs.Attribute[Any], value: object) -> None:  # likewise
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError([Problem(field.name, "must be a whole number of at least 1")], what="Capabilities")


def _count_or_none(_: object, field: attrs.Attribute[Any], value: object) -> None:  # likewise
    if value is not None:
        _count(_, field, value)


def _words(given: Iterable[str]) -> frozenset[str]:
    return frozenset(given)


def _lower_words(given: Iterable[str]) -> frozenset[str]:
    return frozenset(word.casefold() for word in given)


def _kinds(*kinds: str) -> Callable[[object, attrs.Attribute[Any], tuple[TextPattern, ...]], None]:  # as above
    def check(_: object, field: attrs.Attribute[Any], value: tuple[TextPattern, ...]) -> None:
        if unknown := sorted({pattern.kind for pattern in value} - set(kinds)):
            known = ", ".join(kinds)
            raise ConfigurationError(
                [Problem(field.name, f"no such kind: {', '.join(unknown)} (there are: {known})")], what="Capabilities"
            )

    return check


def _a_text(_: object, field: attrs.Attribute[Any], value: object) -> None:  # as above
    if not isinstance(value, str):
        raise ConfigurationError([Problem(field.name, "must be a text")], what="Capabilities")


def _field_types(given: Mapping[str, str]) -> Mapping[str, FieldType]:
    try:
        return MappingProxyType({text.casefold(): FieldType(type_) for text, type_ in given.items()})
    except ValueError:
        known = ", ".join(FieldType)
        raise ConfigurationError(
            [Problem("data_types", f"names a type that there is not (there are: {known})")], what="Capabilities"
        ) from None


def _patterns(given: Iterable[TextPattern]) -> tuple[TextPattern, ...]:
    return tuple(given)


@attrs.frozen(kw_only=True)
class Capabilities:
    """What an account's service can do, as far as somebody has found out; the defaults claim nothing.

    Give one to the client after trying things on a test project, and keep it: `to_dict()` and `from_dict()`.

    Args:
        clauseless_get: a Get without a clause returns every row [unknown].  Reading a side in full needs it.
        clause_lists: a clause may be a list, all of whose members must hold [seen once, for a relational table].
        operators: the operators of clauses; only `Equal` was ever seen.
        max_records_per_merge: records in one call [unknown]; larger merges are sliced.
        max_rows_per_get: the ceiling of one Get, where it is known: an answer of that many rows is taken as cut short.
        gets_at_once: how many Gets may be under way together.
        merges_at_once: how many slices of a Merge may be under way together; how the service matches two at a time is
            unknown.
        null_clears: null in `Data` clears a field [unknown]; without it blanks are sent as empty strings, which do.
        writes_key: another key value in `Data` re-keys the record [unknown]; the engine asks, the client does not.
        delete: records may be deleted through the API.  Deleting takes a contact's history along, for good [seen].
        created: statuses, in any case, that say that a record was created; `Created` is [inferred].
        updated: the same for updated; `Updated` is [seen].
        valid: validation results of a record that is in order; `OK` is [seen].
        record_patterns: recognise a record that was left alone because its key `exists` or is `unmatched`.
        error_patterns: recognise why a call was refused.
        key_member: the member of a project's fields that marks the key [unknown]; empty: none is read.
        length_member: the member that gives a text's length [unknown]; empty: none is read.
        data_types: Dialog Insight's `DataType` texts, in any case, and the `FieldType` (or its name) that each means.

    Raises:
        ConfigurationError: a value that its field cannot have.
    """

    clauseless_get: bool = attrs.field(default=False, validator=_flag)
    clause_lists: bool = attrs.field(default=False, validator=_flag)
    operators: frozenset[str] = attrs.field(default=frozenset({"Equal"}), converter=_words)
    max_records_per_merge: int = attrs.field(default=1000, validator=_count)
    max_rows_per_get: int | None = attrs.field(default=None, validator=_count_or_none)
    gets_at_once: int = attrs.field(default=4, validator=_count)
    merges_at_once: int = attrs.field(default=1, validator=_count)
    null_clears: bool = attrs.field(default=False, validator=_flag)
    writes_key: bool = attrs.field(default=False, validator=_flag)
    delete: bool = attrs.field(default=False, validator=_flag)
    created: frozenset[str] = attrs.field(default=frozenset({"created"}), converter=_lower_words)
    updated: frozenset[str] = attrs.field(default=frozenset({"updated"}), converter=_lower_words)
    valid: frozenset[str] = attrs.field(default=frozenset({"ok"}), converter=_lower_words)
    record_patterns: tuple[TextPattern, ...] = attrs.field(
        default=RECORD_PATTERNS, converter=_patterns, validator=_kinds(*RECORD_KINDS)
    )
    error_patterns: tuple[TextPattern, ...] = attrs.field(
        default=ERROR_PATTERNS, converter=_patterns, validator=_kinds(*ERROR_KINDS)
    )
    key_member: str = attrs.field(default="", validator=_a_text)
    length_member: str = attrs.field(default="", validator=_a_text)
    data_types: Mapping[str, FieldType] = attrs.field(factory=dict[str, FieldType], converter=_field_types)

    def to_dict(self) -> dict[str, object]:
        """Give plain data that JSON and TOML can hold: the format's version, and what differs from the defaults."""
        default = type(self)()
        changed = {name: getattr(self, name) for name in _names() if getattr(self, name) != getattr(default, name)}
        return {"version": _DICT_VERSION} | {name: _plain(name, value) for name, value in changed.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:  # outside data: each value is checked by its field
        """Read what `to_dict` gave; raises `ConfigurationError` for what is not known or not of its kind."""
        given = dict(data)
        if given.pop("version", _DICT_VERSION) != _DICT_VERSION:
            raise ConfigurationError("of a later version of di-salesforce than this one", what="Capabilities")
        if unknown := sorted(set(given) - set(_names())):
            raise ConfigurationError([Problem(name, "no such capability") for name in unknown], what="Capabilities")
        problems: list[Problem] = []
        read: dict[str, Any] = {}
        for name, value in given.items():
            try:
                read[name] = _from_plain(name, value)
            except (TypeError, ValueError):
                problems.append(Problem(name, "is not of the kind that to_dict() gives"))
        if problems:
            raise ConfigurationError(problems, what="Capabilities")
        return cls(**read)


def _names() -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(Capabilities))


_WORDS: Final = frozenset({"operators", "created", "updated", "valid"})
_PATTERNS: Final = frozenset({"record_patterns", "error_patterns"})


def _plain(name: str, value: Any) -> object:  # of the field's own type
    if name in _WORDS:
        return sorted(value)
    if name in _PATTERNS:
        return [[pattern.kind, pattern.pattern] for pattern in value]
    if name == "data_types":
        return {text: type_.value for text, type_ in value.items()}
    return value


def _from_plain(name: str, value: Any) -> Any:  # outside data
    if name in _WORDS:
        if isinstance(value, str):  # whose letters would pass for words
            raise TypeError(name)
        return [_text(word) for word in value]
    if name in _PATTERNS:
        return [TextPattern(*map(_text, pair)) for pair in value]
    if name == "data_types":
        return {_text(text): _text(type_) for text, type_ in dict(value).items()}
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


@attrs.frozen
class Settings:
    """What every flow of one client is given: what the service can do, and how calls are repeated."""

    capabilities: Capabilities = attrs.field(factory=Capabilities)
    retry: RetryPolicy = attrs.field(factory=RetryPolicy)
