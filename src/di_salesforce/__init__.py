"""Keep Salesforce and Dialog Insight records in agreement, in both directions: plan first, look, apply.

The pure names are imported at once; names that open connections or files are imported when they are first used, so that
an application that embeds only the engine pays for nothing else.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from di_salesforce import converters, exceptions
from di_salesforce._check import check
from di_salesforce._drift import schema_changes
from di_salesforce._findings import Finding, Findings, Severity
from di_salesforce._suggest import suggest_transfer
from di_salesforce._typed_module import typed_module
from di_salesforce.engine import Baseline, Outcome, Plan, Settlement, Snapshot, SyncReport, reconcile, settle
from di_salesforce.exceptions import DISalesforceError
from di_salesforce.mapping import (
    Constant,
    DestinationProject,
    FieldMapping,
    Integration,
    ObjectTransfer,
    OptIn,
    OptInDate,
)
from di_salesforce.protocols import named
from di_salesforce.records import UNSET, Side
from di_salesforce.schema import FieldSchema, FieldType, TableSchema, infer_schema
from di_salesforce.triggers import ConflictPolicy, Deletes, Direction, Drift, ProjectType, Rewritten, Trigger

if TYPE_CHECKING:
    from di_salesforce.clients import (
        AsyncDialogInsightClient,
        AsyncSalesforceClient,
        DialogInsightClient,
        SalesforceClient,
    )
    from di_salesforce.progress import progress_bar
    from di_salesforce.retry import RetryPolicy
    from di_salesforce.stores import MemoryStore, PostgresStore, SQLiteStore
    from di_salesforce.synchronizer import AsyncSynchronizer, Synchronizer

    __version__: str

__all__ = [
    "UNSET",
    "AsyncDialogInsightClient",
    "AsyncSalesforceClient",
    "AsyncSynchronizer",
    "Baseline",
    "ConflictPolicy",
    "Constant",
    "DISalesforceError",
    "Deletes",
    "DestinationProject",
    "DialogInsightClient",
    "Direction",
    "Drift",
    "FieldMapping",
    "FieldSchema",
    "FieldType",
    "Finding",
    "Findings",
    "Integration",
    "MemoryStore",
    "ObjectTransfer",
    "OptIn",
    "OptInDate",
    "Outcome",
    "Plan",
    "PostgresStore",
    "ProjectType",
    "RetryPolicy",
    "Rewritten",
    "SQLiteStore",
    "SalesforceClient",
    "Settlement",
    "Severity",
    "Side",
    "Snapshot",
    "SyncReport",
    "Synchronizer",
    "TableSchema",
    "Trigger",
    "__version__",
    "check",
    "converters",
    "exceptions",
    "infer_schema",
    "named",
    "progress_bar",
    "reconcile",
    "schema_changes",
    "settle",
    "suggest_transfer",
    "typed_module",
]

_LAZY: Final = {
    "AsyncDialogInsightClient": "clients",
    "AsyncSalesforceClient": "clients",
    "AsyncSynchronizer": "synchronizer",
    "DialogInsightClient": "clients",
    "MemoryStore": "stores",
    "PostgresStore": "stores",
    "RetryPolicy": "retry",
    "SQLiteStore": "stores",
    "SalesforceClient": "clients",
    "Synchronizer": "synchronizer",
    "progress_bar": "progress",
}

if not TYPE_CHECKING:  # a module-level __getattr__ would hide misspelt names from type checkers

    def __getattr__(name: str) -> Any:  # any public name
        if name == "__version__":
            from importlib.metadata import version

            return version("di-salesforce")
        if name in _LAZY:
            return getattr(importlib.import_module(f"di_salesforce.{_LAZY[name]}"), name)
        raise AttributeError(f"module 'di_salesforce' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
