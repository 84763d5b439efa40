"""The shapes of decoded JSON: small checks that make typed values of it, for the readers of answers.

What may not go in here: anything that knows an endpoint.  A wrong shape is a `ValueError`, as JSON that does not parse
is: the reader of an answer makes one error of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

__all__ = ["WrongShapeError", "array_of", "int_of", "is_array", "is_object", "object_of", "objects_of", "text_of"]


class WrongShapeError(ValueError):
    """An answer has another shape than the service documents."""


def is_object(value: object) -> TypeGuard[dict[str, Any]]:  # a JSON object holds any JSON values
    """Tell whether a decoded value is a JSON object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:  # a JSON array holds any JSON values
    """Tell whether a decoded value is a JSON array."""
    return isinstance(value, list)


def object_of(value: object) -> dict[str, Any]:  # see `is_object`
    """Give a JSON object, or raise."""
    if not is_object(value):
        raise WrongShapeError("a JSON object was expected")
    return value


def array_of(value: object) -> list[Any]:  # see `is_array`
    """Give a JSON array, or raise."""
    if not is_array(value):
        raise WrongShapeError("a JSON array was expected")
    return value


def objects_of(value: object) -> list[dict[str, Any]]:  # see `is_object`
    """Give a JSON array of objects, or raise."""
    items = array_of(value)
    if set(map(type, items)) - {dict}:  # decoded JSON has no dict of another class
        raise WrongShapeError("a JSON array of objects was expected")
    return items


def text_of(value: Mapping[str, object], name: str) -> str:
    """Give a member that must be a text, or raise."""
    text = value.get(name)
    if not isinstance(text, str):
        raise WrongShapeError(f"`{name}` is missing or is no text")
    return text


def int_of(value: Mapping[str, object], name: str) -> int:
    """Give a member that must be a whole number, or raise."""
    number = value.get(name)
    if not isinstance(number, int):
        raise WrongShapeError(f"`{name}` is missing or is no whole number")
    return number
