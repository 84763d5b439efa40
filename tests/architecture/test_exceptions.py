"""Guards of the errors: one tree, in one file, that travels between processes unharmed."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import di_salesforce
from di_salesforce import exceptions
from di_salesforce.exceptions import DISalesforceError, Problem
from di_salesforce.records import Side

SAMPLES: dict[str, object] = {
    "code": "value.too_long",
    "exhausted": True,
    "extra": "toml",
    "field": "LastName",
    "fields": ("Email", "LastName"),
    "holder": "nightly on host-1",
    "matches": ("/services/data/v65.0/sobjects/Contact/003D000000IRFma",),
    "may_have_applied": True,
    "message": "a sentence",
    "problems": (Problem("fields[1]", "is written twice"), Problem("", "has no key", "key.missing")),
    "purpose": "Integration.to_toml",
    "request_id": "r-1",
    "retry_after": 2.5,
    "retryable": False,
    "sentence": "a sentence",
    "side": Side.SALESFORCE,
    "since": "2026-01-02T03:04:05+00:00",
    "status": 400,
    "what": "transfer 'contacts'",
}
"""A value for every parameter of every error class, by the parameter's name."""


def error_classes() -> list[type[DISalesforceError]]:
    """List the error classes that the file exports."""
    exported = [getattr(exceptions, name) for name in exceptions.__all__]
    return [value for value in exported if issubclass(value, DISalesforceError)]


def parameters(kind: type[DISalesforceError]) -> Iterator[inspect.Parameter]:
    """List the parameters of a class, with those that it passes on to its parent (`**rest`)."""
    for parameter in list(inspect.signature(kind.__init__).parameters.values())[1:]:
        if parameter.kind is parameter.VAR_KEYWORD:
            own = set(inspect.signature(kind.__init__).parameters)
            parent = next(base for base in kind.__mro__[1:] if issubclass(base, DISalesforceError))
            yield from (inherited for inherited in parameters(parent) if inherited.name not in own)
        else:
            yield parameter


def full(kind: type[DISalesforceError]) -> DISalesforceError:
    """Make an error with every attribute that the class has."""
    if kind.__init__ is Exception.__init__:
        return kind("a sentence")
    positional: list[object] = []
    named: dict[str, object] = {}
    for parameter in parameters(kind):
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            positional.append(SAMPLES[parameter.name])
        else:
            named[parameter.name] = SAMPLES[parameter.name]
    return kind(*positional, **named)


WAYS: dict[str, Callable[[DISalesforceError], DISalesforceError]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.__name__)
def test_an_error_survives_the_journey(kind: type[DISalesforceError], way: str) -> None:
    """An error that is pickled or copied comes back of the same class, with the same sentence, attributes and notes."""
    error = full(kind)
    error.add_note("while planning transfer 'contacts'")
    back = WAYS[way](error)
    assert type(back) is kind
    assert back is not error
    assert str(back) == str(error)
    assert back.args == error.args
    assert back.__dict__ == error.__dict__
    assert back.retryable == error.retryable


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.__name__)
def test_an_error_says_something(kind: type[DISalesforceError]) -> None:
    """The text of an error is never empty, and never another type's leftover."""
    assert str(full(kind)).strip()
    assert kind.__doc__
    assert kind.__doc__ != DISalesforceError.__doc__ or kind is DISalesforceError


def test_every_error_stands_in_the_tree() -> None:
    """Every error class of the package is defined, exported and drawn in exceptions.py."""
    package = Path(di_salesforce.__file__).parent
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if parts[-1] not in ("__init__", "__main__") and parts[0] != "testing":
            importlib.import_module(".".join(("di_salesforce", *parts)))

    def below(kind: type[DISalesforceError]) -> set[type[DISalesforceError]]:
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    ours = {kind for kind in below(DISalesforceError) if kind.__module__.startswith("di_salesforce.")}
    assert ours == set(error_classes())
    assert [kind.__name__ for kind in ours if kind.__name__ not in str(exceptions.__doc__)] == []
