"""Match tiers: unlinked rows of both sides that agree in the lines of a tier, and what a person said about them.

A hit is never linked by itself: it keeps both rows from being created until a person has looked.  What may not go in
here: pairing by key and creating (`_rows.py`), the form in which a person is asked (`_answers.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from di_salesforce.engine._actions import Skip
from di_salesforce.engine._answers import Hit
from di_salesforce.engine._besides import OpenItem, Tombstone
from di_salesforce.engine._creates import about_row, reject_row
from di_salesforce.engine._lines import BoundLine
from di_salesforce.engine._memory import SIDES, KeyText, digest, fingerprint
from di_salesforce.engine._observe import RowRef
from di_salesforce.engine._workspace import Workspace
from di_salesforce.records import Side

__all__ = [
    "claimant",
    "decided_pairs",
    "find_hits",
    "hold_hit",
    "is_match_to_look_at",
    "is_unproven",
    "partners",
    "tombstone",
]

_S, _D = Side.SALESFORCE, Side.DIALOG_INSIGHT
_DIFFERENT = "match.different"


def claimant(work: Workspace, key: KeyText, dialog_insight: RowRef) -> str | None:
    """Name the transfer that holds a record of Dialog Insight, if another one does."""
    return work.context.claimant(dialog_insight.record_id, key)


def tombstone(work: Workspace, ref: RowRef) -> Tombstone | None:
    """Give the memory of a record that is not to be created again."""
    stones = work.baseline.tombstones
    if not stones:
        return None
    name = ref.record_id or digest(work.key_text(ref))
    return stones.get(f"{work.name}/{ref.side.value}/{name}")


def decided_pairs(work: Workspace, refs: Iterable[RowRef]) -> Iterator[tuple[RowRef, RowRef]]:
    """Give the pairs that a person linked, and note those that the person called different."""
    answers = work.answers
    if not answers:
        return
    by_name = {(ref.side, ref.name): ref for ref in refs}
    for one, other in sorted(answers.different):
        salesforce, dialog_insight = by_name.get((_S, one)), by_name.get((_D, other))
        if salesforce is not None and dialog_insight is not None:
            work.actions.append(
                Skip(
                    **about_row(work, salesforce, "skip", _group(dialog_insight)),
                    reason=_DIFFERENT,
                    group=_group(dialog_insight),
                    fingerprint=_compared(work, salesforce, dialog_insight),
                )
            )
    for one, other in sorted(answers.links):
        salesforce, dialog_insight = by_name.get((_S, one)), by_name.get((_D, other))
        if salesforce is not None and dialog_insight is not None:
            yield salesforce, dialog_insight


def _group(dialog_insight: RowRef) -> str:
    """Name what an answer is about, so that one row may have several."""
    return f"match:{dialog_insight.name}"


def _compared(work: Workspace, salesforce: RowRef, dialog_insight: RowRef) -> str:
    """Name what two rows were compared by: while it stays, an answer about them holds."""
    names = dict.fromkeys(name for tier in work.bound.transfer.match for name in tier)
    lines = [*work.bound.key_lines, *(work.bound.lines[name] for name in names)]
    return fingerprint(*(ref.value(line.field(ref.side)) for ref in (salesforce, dialog_insight) for line in lines))


def partners(work: Workspace, ref: RowRef, others: Iterable[RowRef]) -> tuple[str, ...]:
    """Give the names of the rows that may belong to a row: those that no person has called different from it."""
    return tuple(sorted(other.name for other in others if not _differ(work, ref, other)))


def _differ(work: Workspace, one: RowRef, other: RowRef) -> bool:
    salesforce, dialog_insight = (one, other) if one.side is _S else (other, one)
    if (salesforce.name, dialog_insight.name) in work.answers.different:
        return True
    return any(
        item.reason == _DIFFERENT
        and item.group == _group(dialog_insight)
        and item.fingerprint == _compared(work, salesforce, dialog_insight)
        for item in work.items.get(salesforce.subject, ())
    )


def find_hits(work: Workspace, refs: Iterable[RowRef]) -> dict[str, Hit]:
    """Compare unlinked rows tier by tier; give, by subject, the first tier in which a row agrees with any.

    Args:
        work: The table.
        refs: The rows without a link and without a partner by key.
    """
    free = [ref for ref in refs if _is_candidate(work, ref)]
    found: dict[str, Hit] = {}
    for number, tier in enumerate(work.bound.transfer.match, 1):
        lines = tuple(work.bound.lines[name] for name in tier)
        for block in _blocks(work, lines, free):
            names = {side: tuple(sorted(ref.name for ref in block[side])) for side in SIDES}
            is_answered = any(_has_answers(work, ref) for ref in block[_S])
            for side in SIDES:
                for ref in block[side]:
                    others = partners(work, ref, block[side.other]) if is_answered else names[side.other]
                    if others and ref.subject not in found:
                        found[ref.subject] = Hit(number, lines, others)
    return {subject: _told(subject, hit, found) for subject, hit in found.items()}


def _has_answers(work: Workspace, salesforce: RowRef) -> bool:
    return bool(work.answers.different) or any(i.reason == _DIFFERENT for i in work.items.get(salesforce.subject, ()))


def _told(subject: str, hit: Hit, found: dict[str, Hit]) -> Hit:
    """Call a hit a proposal where either row hits nothing but the other."""
    _, side, name = subject.split(":", 2)
    back = found.get(f"row:{Side(side).other.value}:{hit.names[0]}")
    is_mutual = len(hit.names) == 1 and back is not None and back.names == (name,)
    return Hit(hit.tier, hit.lines, hit.names, "match.proposed") if is_mutual else hit


def _blocks(
    work: Workspace, lines: tuple[BoundLine, ...], free: Iterable[RowRef]
) -> Iterator[dict[Side, list[RowRef]]]:
    """Give the rows that agree in all lines of a tier, where both sides have some."""
    blocks: dict[KeyText, dict[Side, list[RowRef]]] = {}
    for ref in free:
        if any(line.field(ref.side) in ref.unclear for line in lines):
            continue
        form = work.bound.normal_form(lines, ref.side, ref.row)
        if form is None and any(line.field(ref.side) not in ref.row for line in lines):
            work.unread_tiers.add(ref.side)
        if isinstance(form, tuple) and all(part.strip() for part in form):
            blocks.setdefault(form, {side: [] for side in SIDES})[ref.side].append(ref)
    return (block for block in blocks.values() if all(block.values()))


def _is_candidate(work: Workspace, ref: RowRef) -> bool:
    if ref.is_old or (ref.record_id is None and not isinstance(ref.key, tuple)):
        return False
    if ref.side is _D and claimant(work, work.key_text(ref), ref) is not None:
        return False
    return tombstone(work, ref) is None


def hold_hit(work: Workspace, ref: RowRef) -> bool:
    """Hold a row that may be one of the other side already; tell whether it is."""
    hit = work.hits.get(ref.subject)
    if hit is None:
        return False
    key, target = work.key_text(ref), ref.side.other
    if key and not work.views[target].key_is_settled(key):
        # Whatever the answer is, it may need this: a plan that is decided in has all that it was made of.
        work.need(target, key=work.bound.key_for(target, work.row_key(ref)))
    causes = tuple((line.field(ref.side), hit.reason) for line in hit.lines)
    reject_row(work, ref, hit.reason, causes, candidates=hit.names, tier=hit.tier)
    return True


def is_unproven(work: Workspace, ref: RowRef) -> bool:
    """Tell whether the other side may hold a row that a tier would find, and no person said that it does not."""
    other = ref.side.other
    if not work.bound.transfer.match or (work.views[other].covers_scope and other not in work.unread_tiers):
        return False
    at = 0 if ref.side is _S else 1
    is_answered = any(pair[at] == ref.name for pair in work.answers.different)
    return not is_answered and (ref.side, ref.name) not in work.answers.alone


def is_match_to_look_at(work: Workspace, side: Side, item: OpenItem) -> bool:
    """Tell whether a row that waits for a match is to be read again: the other side was read as a whole."""
    return item.reason.startswith("match.") and work.views[side.other].covers_scope
