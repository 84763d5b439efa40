"""The methods of the blocking Salesforce client that follow changes: by stamps, and by the replication calls.

What may not go in here: decisions of any kind.  `_salesforce_changes_async.py` has the same names, parameters and
docstrings, which a test compares; the two differ by `await` alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from di_salesforce.clients._salesforce_bulk import SalesforceBulk
from di_salesforce.protocols import Progress
from di_salesforce.salesforce import _change_flows as flows
from di_salesforce.salesforce._change_flows import OVERLAP
from di_salesforce.salesforce._changes import ChangeCursor, Changes, Deletions, Updates
from di_salesforce.salesforce._soql import Soql

__all__ = ["SalesforceChanges"]


class SalesforceChanges(SalesforceBulk):
    """What a Salesforce client tells of changes."""

    def changed_since(
        self,
        sobject: str,
        fields: Iterable[str],
        since: datetime | ChangeCursor,
        *,
        where: Iterable[Soql] = (),
        overlap: timedelta = OVERLAP,
        page_rows: int = 2000,
        progress: Progress | None = None,
    ) -> Changes:
        """Read the records that changed since a moment or an earlier reading, and what is known of those that left.

        Changes of formulas and of parents' fields move no stamp, and are not found.  A record that ceases to meet
        `where` is not found either: leave the condition out where that matters.

        Args:
            sobject: the object's API name.
            fields: API names; `Id` and `SystemModstamp` come along.
            since: an aware moment, or the `cursor` of the reading before.
            where: conditions that rows must meet (made by `soql`); evidence is told of all records.
            overlap: how far behind `since` reading begins, for records that become visible after their stamp; their
                neighbours come twice, so compare with what is remembered.
            page_rows: rows of one query, each of which goes on exactly where the one before ended.
            progress: told how many rows have been read; how many there are is not known before the end.

        Returns:
            Rows, evidence, and the cursor for the next time.

        Raises:
            ConfigurationError: a moment without a zone, a name that is none; nothing was sent.
            ApiError, TransportError: the service refused, or did not answer.
        """
        return self.run(
            flows.changed_since(
                *self.context,
                sobject,
                fields,
                since,
                where=where,
                overlap=overlap,
                page_rows=page_rows,
                progress=progress,
            )
        )

    def updated(self, sobject: str, start: datetime, end: datetime | None = None) -> Updates:
        """Ask for the ids of records that were created or changed in a window; at most 30 days back.

        Args:
            sobject: the object's API name.
            start: aware; seconds count for nothing.  Begin the next window at `covered`, never at `end`.
            end: aware; None: now.

        Returns:
            Ids, and until when they are all there; none, and `start`, where the window is too short to be asked for.

        Raises:
            InvalidRequestError: the window begins too long ago, or the object keeps no such log.
            ApiError, TransportError: the service refused, or did not answer.
        """
        return self.run(flows.updated(*self.context, sobject, start, end))

    def deleted_since(self, sobject: str, start: datetime, end: datetime | None = None) -> Deletions:
        """Ask for the ids of records that were deleted in a window, also those that left the bin; at most 15 days back.

        Args:
            sobject: the object's API name.
            start: aware; seconds count for nothing.  Begin the next window at `covered`, never at `end`.
            end: aware; None: now.

        Returns:
            Ids with their moments, until when they are all there, and from when on the service knows any.

        Raises:
            InvalidRequestError: the window begins too long ago, or the object keeps no such log.
            ApiError, TransportError: the service refused, or did not answer.
        """
        return self.run(flows.deleted_since(*self.context, sobject, start, end))
