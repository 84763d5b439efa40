"""Where the memory is kept between runs.

What may not go in here: deciding.  `Store` says what a store must do; `MemoryStore` and `SQLiteStore` do it.
"""

from di_salesforce.stores._memory import MemoryStore, Owner, RunRecord, Store
from di_salesforce.stores._sqlite import SQLiteStore

__all__ = ["MemoryStore", "Owner", "RunRecord", "SQLiteStore", "Store"]
