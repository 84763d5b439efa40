"""The Protocols that other code may implement, and the small values they are given.

What may not go in here: implementations.  Functions that take part in a decision are plain and pure; a function that is
to be named in a declaration file carries its registered name (`named`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import attrs

from di_salesforce.records import Row, Side, UnsetType, Value

__all__ = ["ConflictResolver", "Converter", "FieldCase", "NamedFunction", "Progress", "RowFilter", "named"]


@runtime_checkable
class Converter(Protocol):
    """A two-way value conversion: how one field's value reads on each side.

    `normal` gives a side's own normal form: two values of one side are the same value exactly when their normal forms
    are equal.  `convert` gives the other side's native value, or raises `ConversionError` where there is none.
    `version` is a text that changes whenever either function would answer differently.
    """

    @property
    def version(self) -> str: ...

    def normal(self, side: Side, value: Value) -> Hashable: ...

    def convert(self, value: Value, *, to: Side) -> Value: ...


@attrs.frozen
class FieldCase:
    """What a conflict resolver is given: both values now, and at the last agreement (`UNSET` at a first meeting)."""

    transfer: str
    field: str
    salesforce: Value = attrs.field(repr=False)
    dialog_insight: Value = attrs.field(repr=False)
    salesforce_before: Value | UnsetType = attrs.field(repr=False)
    dialog_insight_before: Value | UnsetType = attrs.field(repr=False)


class ConflictResolver(Protocol):
    """A pure function that names the side that wins, or None to hold the conflict for a person."""

    def __call__(self, case: FieldCase, /) -> Side | None: ...


class RowFilter(Protocol):
    """A pure function of a row that tells whether the row takes part."""

    def __call__(self, row: Row, /) -> bool: ...


class Progress(Protocol):
    """A callback for long work: the phase's name, how much is done, how much there is (0: not known)."""

    def __call__(self, phase: str, done: int, total: int, /) -> None: ...


F = TypeVar("F", bound=Callable[..., Any])  # any signature: the wrapper passes everything on


@attrs.frozen
class NamedFunction(Generic[F]):
    """A function under its registered name: two are equal when their names are, and a file can hold the name."""

    name: str
    function: F = attrs.field(eq=False, repr=False)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # the signature is the wrapped function's
        return self.function(*args, **kwargs)


def named(name: str) -> Callable[[F], NamedFunction[F]]:
    """Register a function under a name, so that a declaration that uses it can be saved.

    Example:
        >>> @named("has_consent")
        ... def has_consent(row):
        ...     return row.get("optin_news") == "1"
        >>> has_consent.name, has_consent({"optin_news": "1"})
        ('has_consent', True)
    """
    return lambda function: NamedFunction(name, function)
