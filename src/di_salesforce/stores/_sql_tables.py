"""The tables of a store in SQL, format by format, and the statements that fill them.

What may not go in here: carrying anything out (`_sql.py`).  The format is a promise: `meta` holds its number; an older
one is migrated when the store is opened, a newer one is refused.  Statements are written for both databases, with
`?` in their places.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = [
    "APPLICATION",
    "FORMAT",
    "PUT_INTENT",
    "PUT_LINK",
    "PUT_META",
    "PUT_ROW",
    "SELECT_APPLIED",
    "TABLES",
    "migration",
]

FORMAT: Final = 3

APPLICATION: Final = "di-salesforce"


# What each format added to the one before.  Native ids and keys stand in columns of their own, so that a record can be
# found and forgotten without reading bodies.  `{serial}`, `{integer}` and `{strict}` are each database's own words.
_MIGRATIONS: Final[Mapping[int, str]] = {
    1: """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) {strict};
CREATE TABLE links (
    transfer TEXT NOT NULL, id TEXT NOT NULL, salesforce_id TEXT, dialog_insight_id TEXT,
    salesforce_key TEXT, dialog_insight_key TEXT, body TEXT NOT NULL, PRIMARY KEY (transfer, id)
) {strict};
CREATE INDEX links_salesforce ON links (transfer, salesforce_id);
CREATE INDEX links_dialog_insight ON links (transfer, dialog_insight_id);
CREATE TABLE rows (
    id TEXT PRIMARY KEY, transfer TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL
) {strict};
CREATE INDEX rows_transfer ON rows (transfer);
CREATE TABLE runs (number {serial}, body TEXT NOT NULL) {strict}
""",
    2: """
ALTER TABLE runs ADD COLUMN run_id TEXT;
CREATE INDEX runs_run_id ON runs (run_id);
CREATE TABLE journal (
    number {serial}, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL
) {strict};
CREATE TABLE noted (number {serial}, intent TEXT NOT NULL, body TEXT NOT NULL) {strict};
CREATE INDEX noted_intent ON noted (intent);
CREATE TABLE hints (number {serial}, transfer TEXT NOT NULL, record_id TEXT NOT NULL) {strict};
CREATE INDEX hints_transfer ON hints (transfer);
CREATE TABLE applied (number {serial}, run_id TEXT NOT NULL, body TEXT NOT NULL) {strict};
CREATE INDEX applied_run_id ON applied (run_id);
CREATE TABLE applied_names (name TEXT NOT NULL, number {integer} NOT NULL) {strict};
CREATE INDEX applied_names_name ON applied_names (name)
""",
    3: """
CREATE INDEX IF NOT EXISTS links_salesforce_key ON links (transfer, salesforce_key);
CREATE INDEX IF NOT EXISTS links_dialog_insight_key ON links (transfer, dialog_insight_key)
""",
}

TABLES: Final = frozenset({"meta", "links", "rows", "runs"})
"""The tables of every format."""


def migration(format_: int, *, serial: str, integer: str, strict: str) -> list[str]:
    """Give the statements that make a format out of the one before it."""
    return [text.format(serial=serial, integer=integer, strict=strict) for text in _MIGRATIONS[format_].split(";")]


PUT_META: Final = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
PUT_LINK: Final = """
INSERT INTO links (transfer, id, salesforce_id, dialog_insight_id, salesforce_key, dialog_insight_key, body)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (transfer, id) DO UPDATE SET
    salesforce_id = excluded.salesforce_id, dialog_insight_id = excluded.dialog_insight_id,
    salesforce_key = excluded.salesforce_key, dialog_insight_key = excluded.dialog_insight_key, body = excluded.body
"""
PUT_ROW: Final = """
INSERT INTO rows (id, transfer, kind, body) VALUES (?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET transfer = excluded.transfer, kind = excluded.kind, body = excluded.body
"""
# The casts tell PostgreSQL of what type a NULL is.
SELECT_APPLIED: Final = """
SELECT body FROM applied WHERE (CAST(? AS TEXT) IS NULL OR run_id = ?)
AND (CAST(? AS TEXT) IS NULL OR number IN (SELECT number FROM applied_names WHERE name = ?)) ORDER BY number
"""
PUT_INTENT: Final = """
INSERT INTO journal (id, body) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body
"""
