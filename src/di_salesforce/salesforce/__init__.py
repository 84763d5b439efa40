"""Salesforce's vocabulary: log-ins, queries, results of rows; the clients themselves are in `di_salesforce`.

What may not go in here: code.
"""

from di_salesforce.salesforce._auth import (
    AccessToken,
    Auth,
    ClientCredentials,
    JWTBearer,
    RefreshToken,
    UsernamePassword,
)
from di_salesforce.salesforce._bulk import Bulk, BulkJob, BulkResults
from di_salesforce.salesforce._bulk_csv import CsvForm
from di_salesforce.salesforce._changes import ChangeCursor, Changes, Deletions, Updates
from di_salesforce.salesforce._events import ChangeEvent, ChangeKind, change_event
from di_salesforce.salesforce._ranges import ReadingWay, reading_way
from di_salesforce.salesforce._settings import Budget, Identity, Limit, Operation, RowError, RowResult, Settings, Usage
from di_salesforce.salesforce._soql import Identifier, Soql, chunked_in, select, soql
from di_salesforce.salesforce._write_flows import WriteReport, WriteWay

__all__ = [
    "AccessToken",
    "Auth",
    "Budget",
    "Bulk",
    "BulkJob",
    "BulkResults",
    "ChangeCursor",
    "ChangeEvent",
    "ChangeKind",
    "Changes",
    "ClientCredentials",
    "CsvForm",
    "Deletions",
    "Identifier",
    "Identity",
    "JWTBearer",
    "Limit",
    "Operation",
    "ReadingWay",
    "RefreshToken",
    "RowError",
    "RowResult",
    "Settings",
    "Soql",
    "Updates",
    "Usage",
    "UsernamePassword",
    "WriteReport",
    "WriteWay",
    "change_event",
    "chunked_in",
    "reading_way",
    "select",
    "soql",
]
