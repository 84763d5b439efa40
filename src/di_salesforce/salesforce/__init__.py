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
from di_salesforce.salesforce._settings import Identity, Limit, Operation, RowError, RowResult, Settings, Usage
from di_salesforce.salesforce._soql import Identifier, Soql, chunked_in, select, soql

__all__ = [
    "AccessToken",
    "Auth",
    "ClientCredentials",
    "Identifier",
    "Identity",
    "JWTBearer",
    "Limit",
    "Operation",
    "RefreshToken",
    "RowError",
    "RowResult",
    "Settings",
    "Soql",
    "Usage",
    "UsernamePassword",
    "chunked_in",
    "select",
    "soql",
]
