"""Where the memory is kept between runs.

What may not go in here: deciding.  `Store` says what a store must do; `MemoryStore`, `SQLiteStore` and
`PostgresStore` do it.
"""

from di_salesforce.stores._journal import Intent, IntentJob
from di_salesforce.stores._memory import MemoryStore
from di_salesforce.stores._postgres import PostgresStore
from di_salesforce.stores._protocol import (
    AppliedWrite,
    Lease,
    Owner,
    RunRecord,
    Store,
    StoreContents,
)
from di_salesforce.stores._sqlite import SQLiteStore

__all__ = [
    "AppliedWrite",
    "Intent",
    "IntentJob",
    "Lease",
    "MemoryStore",
    "Owner",
    "PostgresStore",
    "RunRecord",
    "SQLiteStore",
    "Store",
    "StoreContents",
]
