"""The law of the two worlds: a client and its async twin have the same names, parameters and docstrings."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

TWINS = [
    ("di_salesforce.clients", "SalesforceClient", "AsyncSalesforceClient"),
    ("di_salesforce.clients", "DialogInsightClient", "AsyncDialogInsightClient"),
    ("di_salesforce.clients._dialog_insight", "Project", "di_salesforce.clients._dialog_insight_async:AsyncProject"),
    ("di_salesforce.clients._dialog_insight", "Records", "di_salesforce.clients._dialog_insight_async:AsyncRecords"),
    ("di_salesforce.transports._httpx", "HttpxConnection", "AsyncHttpxConnection"),
    ("di_salesforce.runners", "SyncRunner", "AsyncRunner"),
    ("di_salesforce.runners", "PacedConnection", "AsyncPacedConnection"),
]
"""Module, blocking class, async class (of the same module, or `module:class`)."""

WORDS = {
    "whose calls block": "whose calls are awaited",
    "`httpx.Client`": "`httpx.AsyncClient`",
    "for all threads": "for all tasks",
    "by several threads": "by several tasks",
}
"""Where the docstrings of the classes themselves may differ."""


@pytest.fixture(params=TWINS, ids=lambda twins: twins[1])
def twins(request: pytest.FixtureRequest) -> tuple[type, type]:
    module, blocking, awaited = request.param
    home, _, name = awaited.rpartition(":")
    return getattr(importlib.import_module(module), blocking), getattr(importlib.import_module(home or module), name)


def members(kind: type) -> dict[str, Any]:
    return {name: value for name, value in inspect.getmembers_static(kind) if not name.startswith("_")}


def plain(value: Any) -> Any:
    """Give the function inside a class method or a property."""
    if isinstance(value, property):
        return value.fget
    return value.__func__ if isinstance(value, classmethod | staticmethod) else value


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    found = inspect.signature(function).parameters.values()
    # The other world's clients, connections and ways to sleep are of another type by nature.
    typed = {"client", "connection", "connections", "http_client", "sleep"}
    return [(one.name, one.kind, None if one.name in typed else (one.default, str(one.annotation))) for one in found]


def test_the_names_are_the_same(twins: tuple[type, type]) -> None:
    """What one can do, the other can."""
    blocking, awaited = twins
    assert members(blocking).keys() == members(awaited).keys()


def test_the_parameters_are_the_same(twins: tuple[type, type]) -> None:
    """Each method takes the same arguments, in the same order, with the same defaults and types."""
    blocking, awaited = twins
    assert parameters(blocking.__init__)[1:] == parameters(awaited.__init__)[1:]  # type: ignore[misc]  # a class's own
    for name, member in members(blocking).items():
        twin = members(awaited)[name]
        assert type(member) is type(twin), name
        if callable(plain(member)):
            assert parameters(plain(member))[1:] == parameters(plain(twin))[1:], name


def test_the_docstrings_are_the_same(twins: tuple[type, type]) -> None:
    """Each method says the same of itself in both worlds."""
    blocking, awaited = twins
    for name, member in members(blocking).items():
        assert inspect.getdoc(plain(member)) == inspect.getdoc(plain(members(awaited)[name])), name
        assert inspect.getdoc(plain(member)), f"{name} says nothing"


@pytest.mark.parametrize(("module", "blocking", "awaited"), TWINS[:2], ids=lambda name: name)
def test_the_clients_say_the_same_of_themselves(module: str, blocking: str, awaited: str) -> None:
    """The clients' own docstrings differ in a few words alone."""
    home = importlib.import_module(module)
    text, twin = (inspect.getdoc(getattr(home, name)) or "" for name in (blocking, awaited))
    for ours, theirs in WORDS.items():
        text, twin = text.replace(ours, theirs), twin.replace(ours, theirs)
    assert text.split() == twin.split()


def test_what_sends_is_awaited(twins: tuple[type, type]) -> None:
    """Whatever gives an iterator in one world gives an async one in the other; nothing that blocks is a coroutine."""
    blocking, awaited = twins
    for name, member in members(blocking).items():
        given = str(inspect.signature(plain(member)).return_annotation) if callable(plain(member)) else ""
        twin = plain(members(awaited)[name])
        assert not inspect.iscoroutinefunction(plain(member)), name
        if given.startswith("Iterator"):
            assert inspect.signature(twin).return_annotation.startswith("AsyncIterator"), name
