"""The reconcile engine: pure, explainable, made to be embedded in other applications.

`reconcile` compares what was observed on both sides with what is remembered and gives a `Plan`; somebody's code carries
the plan's writes out; `settle` turns the outcomes into what is to be remembered.  Nothing in this package opens a
socket or a file, reads a clock, or makes a random number.
"""

from di_salesforce.engine._actions import (
    Action,
    Change,
    Conflict,
    ConflictField,
    Create,
    Delete,
    Link,
    Proposal,
    Reject,
    Skip,
    Unlink,
    Update,
    Write,
)
from di_salesforce.engine._applied import Applied
from di_salesforce.engine._baseline import Baseline, BaselineLike
from di_salesforce.engine._besides import CoverageRecord, OpenItem, Tombstone
from di_salesforce.engine._context import Claims, Context, EngineCapabilities, Limits
from di_salesforce.engine._decision import FIELD_TABLE, GATES
from di_salesforce.engine._lines import BoundLine, BoundTransfer
from di_salesforce.engine._memory import FieldState, Life, LinkRecord, Relation
from di_salesforce.engine._needs import Need, Needs
from di_salesforce.engine._part import Part
from di_salesforce.engine._plan import Plan
from di_salesforce.engine._reasons import REASONS
from di_salesforce.engine._reconcile import mapping_version, reconcile
from di_salesforce.engine._report import ReportLine, SyncReport
from di_salesforce.engine._settle import Outcome, OutcomeKind, Settlement, settle
from di_salesforce.engine._snapshot import Coverage, Snapshot
from di_salesforce.engine._undo import undo
from di_salesforce.engine._workspace import display_key

__all__ = [
    "FIELD_TABLE",
    "GATES",
    "REASONS",
    "Action",
    "Applied",
    "Baseline",
    "BaselineLike",
    "BoundLine",
    "BoundTransfer",
    "Change",
    "Claims",
    "Conflict",
    "ConflictField",
    "Context",
    "Coverage",
    "CoverageRecord",
    "Create",
    "Delete",
    "EngineCapabilities",
    "FieldState",
    "Life",
    "Limits",
    "Link",
    "LinkRecord",
    "Need",
    "Needs",
    "OpenItem",
    "Outcome",
    "OutcomeKind",
    "Part",
    "Plan",
    "Proposal",
    "Reject",
    "Relation",
    "ReportLine",
    "Settlement",
    "Skip",
    "Snapshot",
    "SyncReport",
    "Tombstone",
    "Unlink",
    "Update",
    "Write",
    "display_key",
    "mapping_version",
    "reconcile",
    "settle",
    "undo",
]
