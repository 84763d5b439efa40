"""Guards of the secrets: no credential in anything that the package shows, prints or logs."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import logging
import pprint
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest

import di_salesforce
from di_salesforce.exceptions import DISalesforceError

SECRET = "s3cr3t-of-nobody"
HOST = "example.my.salesforce.com"

CREDENTIALS: dict[str, dict[str, str]] = {
    "salesforce.AccessToken": {"instance_url": HOST, "token": SECRET},
    "salesforce.ClientCredentials": {"domain": HOST, "client_id": SECRET, "client_secret": SECRET},
    "salesforce.JWTBearer": {"username": SECRET, "client_id": SECRET, "private_key": SECRET},
    "salesforce.RefreshToken": {"domain": HOST, "client_id": SECRET, "client_secret": SECRET, "refresh_token": SECRET},
    "salesforce.UsernamePassword": {"username": SECRET, "password": SECRET, "security_token": SECRET},
    "dialog_insight.KeyPair": {"id_key": "12", "key": SECRET},
}
"""Every value that holds a credential, by its public name, with the arguments that are secret."""

SECRET_NAMES = frozenset(
    """
    access_token client_secret credential password private_key refresh_token secret security_token session_id token
    """.split()
)
KEY_IS_SECRET = tuple(f"di_salesforce.{name}" for name in ("clients", "dialog_insight", "session", "transports"))
"""Where a field called `key` is a credential; elsewhere it is the key of a record or a table."""


def secret_fields(kind: type) -> set[str]:
    """Name the fields of an attrs class that are called like secrets."""
    names = SECRET_NAMES | ({"key"} if kind.__module__.startswith(KEY_IS_SECRET) else set())
    return {field.name for field in attrs.fields(kind) if field.name in names}


SHOWN: dict[str, Callable[[Any], str]] = {
    "repr": repr,
    "str": str,
    "format": "{}".format,
    "inside a list": lambda value: repr([value]),
    "inside an error": lambda value: repr(ValueError(value)),
    "pprint": pprint.pformat,
}


def modules() -> Iterator[Any]:  # modules
    """Import and list every module of the package that runs nothing by being imported."""
    package = Path(di_salesforce.__file__).parent
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        if parts[-1] != "__main__":
            yield importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))


def credential(name: str) -> Any:  # one of several classes
    """Make one of the values that hold a credential."""
    module, _, kind = name.rpartition(".")
    return getattr(importlib.import_module(f"di_salesforce.{module}"), kind)(**CREDENTIALS[name])


@pytest.mark.parametrize("way", SHOWN)
@pytest.mark.parametrize("name", CREDENTIALS)
def test_a_credential_is_never_shown(name: str, way: str) -> None:
    """However a credential is displayed, its secret is not in the text, not even in part."""
    shown = SHOWN[way](credential(name))
    assert name.rpartition(".")[2] in shown
    assert SECRET not in shown
    assert SECRET[:6] not in shown


def echo(request: httpx.Request) -> httpx.Response:
    """Answer as the worst of services: refuse, and repeat everything that was sent."""
    sent = {"headers": dict(request.headers), "body": request.content.decode()}
    return httpx.Response(401, json={"Success": False, "ErrorMessage": json.dumps(sent), "errorCode": json.dumps(sent)})


def blocking(name: str) -> Iterator[str]:
    """Collect what a blocking client shows of itself, before and after a call that is refused."""
    with httpx.Client(transport=httpx.MockTransport(echo)) as http:
        kind = getattr(importlib.import_module("di_salesforce.clients"), name)
        with kind(**ARGUMENTS[name](), http_client=http) as client:
            yield from (show(value) for show in SHOWN.values() for value in (client, client.connection))
            with pytest.raises(DISalesforceError) as caught:
                client.limits() if name == "SalesforceClient" else client.projects()
            yield from (str(caught.value), repr(caught.value), repr(client), repr(client.connection))


async def awaited(name: str) -> list[str]:
    """Collect the same from an async client."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(echo)) as http:
        kind = getattr(importlib.import_module("di_salesforce.clients"), name)
        async with kind(**ARGUMENTS[name](), http_client=http) as client:
            texts = [show(value) for show in SHOWN.values() for value in (client, client.connection)]
            with pytest.raises(DISalesforceError) as caught:
                await (client.limits() if name == "AsyncSalesforceClient" else client.projects())
            return [*texts, str(caught.value), repr(caught.value), repr(client), repr(client.connection)]


ARGUMENTS: dict[str, Callable[[], dict[str, Any]]] = {  # arguments of several classes
    "SalesforceClient": lambda: {"auth": credential("salesforce.AccessToken")},
    "AsyncSalesforceClient": lambda: {"auth": credential("salesforce.AccessToken")},
    "DialogInsightClient": lambda: CREDENTIALS["dialog_insight.KeyPair"],
    "AsyncDialogInsightClient": lambda: CREDENTIALS["dialog_insight.KeyPair"],
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_client_never_tells_its_credential(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not in its repr, not in the error of a refused call, not in the log: not even when the service repeats it."""
    with caplog.at_level(logging.DEBUG):
        texts = asyncio.run(awaited(name)) if name.startswith("Async") else list(blocking(name))
    assert texts
    assert [text for text in (*texts, caplog.text) if SECRET in text] == []


def test_every_secret_field_is_hidden() -> None:
    """No field of any value that is named like a secret takes part in the value's repr."""
    open_fields = {
        f"{kind.__module__}.{kind.__qualname__}.{name}"
        for module in modules()
        for kind in vars(module).values()
        if inspect.isclass(kind) and attrs.has(kind) and kind.__module__.startswith("di_salesforce.")
        for name in secret_fields(kind)
        if getattr(attrs.fields(kind), name).repr is not False
    }
    assert open_fields == set()


def test_every_credential_is_tested_here() -> None:
    """Each public value with a secret field stands in the table of this file."""
    public = {
        f"{vendor}.{name}"
        for vendor in ("salesforce", "dialog_insight")
        for module in [importlib.import_module(f"di_salesforce.{vendor}")]
        for name in module.__all__
        for kind in [getattr(module, name)]
        if inspect.isclass(kind) and attrs.has(kind) and secret_fields(kind)
    }
    assert public - CREDENTIALS.keys() == set()
    assert public
