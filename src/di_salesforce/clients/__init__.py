"""The clients of both services, blocking and async.

What may not go in here: code of a client.  Each is imported when it is asked for, so that using one costs nothing of
the other.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from di_salesforce.clients._dialog_insight import DialogInsightClient
    from di_salesforce.clients._dialog_insight_async import AsyncDialogInsightClient
    from di_salesforce.clients._salesforce import SalesforceClient
    from di_salesforce.clients._salesforce_async import AsyncSalesforceClient

__all__ = ["AsyncDialogInsightClient", "AsyncSalesforceClient", "DialogInsightClient", "SalesforceClient"]

_HOMES = {
    "AsyncDialogInsightClient": "_dialog_insight_async",
    "AsyncSalesforceClient": "_salesforce_async",
    "DialogInsightClient": "_dialog_insight",
    "SalesforceClient": "_salesforce",
}

if not TYPE_CHECKING:  # a module-level __getattr__ would hide misspelt names from type checkers

    def __getattr__(name: str) -> object:
        if name in _HOMES:
            return getattr(importlib.import_module(f"di_salesforce.clients.{_HOMES[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
