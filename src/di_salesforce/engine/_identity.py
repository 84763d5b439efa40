"""Records that became others: links that move with a merged record, or with a lead that was converted.

What may not go in here: comparing fields (`_fields.py`), links whose records are what they were (`_links.py`).  Only
Salesforce merges and converts.  Where two links would meet in one record, the one that holds it stays; a Dialog Insight
record is never deleted for it, and a refusal that was given to it is not lost with its link.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from di_salesforce.engine._actions import Link, Unlink
from di_salesforce.engine._creates import new_link
from di_salesforce.engine._fields import decide_fields
from di_salesforce.engine._lines import BoundLine, Undefined
from di_salesforce.engine._links import about_link, observe_link
from di_salesforce.engine._memory import FieldState, Life, LinkRecord, digest
from di_salesforce.engine._observe import CONVERTED_INTO, MERGED_INTO, Observation, Presence, RowRef, became
from di_salesforce.engine._pair import noticed
from di_salesforce.engine._policies import is_consent
from di_salesforce.engine._workspace import Workspace, display_key
from di_salesforce.mapping import OptIn
from di_salesforce.records import Side, UnsetType

__all__ = ["converted", "followed"]

_S, _D = Side.SALESFORCE, Side.DIALOG_INSIGHT


def followed(work: Workspace, links: Iterable[LinkRecord]) -> list[LinkRecord]:
    """Give the links to decide: those of merged records moved to the winner, or ended where another link holds it."""
    staying: dict[str, LinkRecord] = {}
    losers: dict[str, list[LinkRecord]] = {}
    for link in links:
        winner = _winner(work, link)
        if winner is None:
            staying[link.id] = link
        else:
            losers.setdefault(winner, []).append(link)
    into: dict[str, LinkRecord] = {}  # by a link that ends: the one that holds the winner
    for winner, merged in sorted(losers.items()):
        holder = work.baseline.find(_S, winner)
        if holder is None or holder.life is Life.ENDED:
            staying |= {link.id: link for link in _moved(work, winner, merged)}
            continue
        into |= {link.id: holder for link in merged}
        if all(holder.id != link.id for each in losers.values() for link in each):
            staying.setdefault(holder.id, holder)
    for link in (link for merged in losers.values() for link in merged if link.id in into):
        _end(work, link, _last(into, link))
    return list(staying.values())


def _last(into: dict[str, LinkRecord], link: LinkRecord) -> LinkRecord:
    """Give the link that is left of a row of merged records: the holder of a winner may have lost to another one."""
    passed: set[str] = set()
    while link.id in into and link.id not in passed:
        passed.add(link.id)
        link = into[link.id]
    return link


def _winner(work: Workspace, link: LinkRecord) -> str | None:
    """Give the record into which a link's record was merged, as far as the memory knows nobody on the way there."""
    view = work.views[_S]
    if link.life is Life.LIVE and not view.merged:
        return None
    seen, winner = view.of_link(link).presence, None
    if seen is Presence.MERGED:
        winner = view.merged.get(link.salesforce_id or "")
    elif seen in (Presence.NOT_READ, Presence.TOO_OLD, Presence.ABSENT):
        winner = became(link, MERGED_INTO)
    passed: set[str] = set()
    while winner is not None and winner not in passed and work.baseline.find(_S, winner) is None:
        passed.add(winner)
        winner = view.merged.get(winner, winner)
    return None if winner == link.salesforce_id else winner


def _moved(work: Workspace, winner: str, merged: list[LinkRecord]) -> Iterator[LinkRecord]:
    """Move the one link of records that were merged into a record without a link; of several nobody says which."""
    view = work.views[_S]
    if len(merged) > 1 or view.row_of(winner) is None:
        if len(merged) == 1:
            work.need(_S, record_id=winner)
        yield from merged  # held by `_links.py`, which remembers the winner
        return
    (link,) = merged
    if _has_a_nameless_link(work, winner):
        yield link  # held likewise, until the other link has taken the winner's id
        return
    # What the link remembers is carried: whatever the winner holds otherwise, the person who merged chose.  So is when
    # the loser was last looked at: a row of the winner that is older than the merge does not show what was chosen.
    moved = attrs.evolve(link, salesforce_id=winner)
    if link.life is Life.DORMANT and link.gone is _S:
        moved = attrs.evolve(moved, life=Life.LIVE, gone=None, cause="")
    loser = link.salesforce_id or ""
    work.actions.append(Link(**about_link(work, moved, "link"), reason="link.merged", moved_from=loser))
    yield moved


def _has_a_nameless_link(work: Workspace, winner: str) -> bool:
    """Tell whether the winner is the record of a link that was never told its id, and knows it by its key."""
    row = work.views[_S].row_of(winner)
    key = row.key if row is not None else None
    holder = work.baseline.find_key(_S, key) if isinstance(key, tuple) else None
    return holder is not None and holder.salesforce_id is None and holder.life is not Life.ENDED


def _end(work: Workspace, link: LinkRecord, holder: LinkRecord) -> None:
    """End a link whose record was merged into one that another link holds; its counterpart stays, as a duplicate."""
    seen = observe_link(work, link)
    work.decided(f"link:{link.id}")
    duplicate = holder.dialog_insight_id or " / ".join(holder.dialog_insight_key or ())
    about = about_link(work, link, "unlink")
    work.actions.append(Unlink(**about, reason="unlink.merged", survivor=_D, duplicate_of=duplicate))
    refused = [group for group, lines in work.bound.groups.items() if _is_open_refusal(link, lines, seen[_D])]
    if refused:
        work.refusals.setdefault(holder.id, set()).update(refused)
    cause = f"{MERGED_INTO}{holder.salesforce_id}"  # which it sleeps for, where a person does not let it end
    work.links[link.id] = attrs.evolve(link, life=Life.ENDED, gone=_S, cause=cause, rev=link.rev + 1)


def _is_open_refusal(link: LinkRecord, lines: tuple[BoundLine, ...], seen: Observation) -> bool:
    """Tell whether a person refused in Dialog Insight, and Salesforce did not hold that yet."""
    line = next((line for line in lines if isinstance(line.mapping.dialog_insight, OptIn)), None)
    if line is None or not is_consent(lines):
        return False
    state = link.fields.get(line.name) or FieldState()
    value = seen.ref.value(line.field(_D)) if seen.ref is not None else state.seen_of(_D)
    now = state.of(_D) if isinstance(value, UnsetType) else value
    if isinstance(now, UnsetType) or line.opted_in(_D, now) is not False:
        return False
    there = state.seen_of(_S) if not isinstance(state.seen_of(_S), UnsetType) else state.of(_S)
    return isinstance(there, UnsetType) or line.opted_in(_S, there) is not False


# ------------------------------------------------------------------------------------------------ converted leads


def converted(work: Workspace) -> None:
    """Take over the links of leads that were converted to records of this transfer, where it says so.

    Such a lead is held, hence an open item of its own transfer: no other of its links need be asked for.
    """
    source = work.bound.transfer.converted_from
    leads = work.context.links.get(source) if source is not None else None
    if leads is None:
        return
    held = sorted(item.subject for item in leads.open_items.values() if item.reason == "conflict.converted")
    for subject in held:
        lead = leads.link(subject.removeprefix("link:"))
        record_id = became(lead, CONVERTED_INTO) if lead is not None and lead.life is Life.DORMANT else None
        if lead is not None and record_id is not None and not _is_held(work, lead, record_id):
            _take_over(work, lead, record_id)


def _is_held(work: Workspace, lead: LinkRecord, record_id: str) -> bool:
    """Tell whether either record has a link in this transfer already."""
    name = lead.dialog_insight_id
    by_key = lead.dialog_insight_key is not None and work.baseline.find_key(_D, lead.dialog_insight_key) is not None
    return (
        work.baseline.find(_S, record_id) is not None
        or (work.baseline.find(_D, name) is not None if name is not None else by_key)
        or record_id in work.linked[_S]
    )


def _take_over(work: Workspace, lead: LinkRecord, record_id: str) -> None:
    contact = work.views[_S].row_of(record_id)
    name = lead.dialog_insight_id or digest(lead.dialog_insight_key or ())
    person = work.views[_D].row_of(name)
    if contact is None or contact.is_old:
        work.need(_S, record_id=record_id)
        contact = None  # a row of an old export is a hint to look, not a value to write
    if person is None or _is_older(work, person, lead):
        work.need_row(_D, lead)
        person = None
    if contact is None or person is None or person.name in work.linked[_D]:
        return
    if not (work.views[_S].takes_part(contact) and work.views[_D].takes_part(person)):
        return
    for ref in (contact, person):
        work.linked[ref.side].add(ref.name)
        work.decided(ref.subject)
        if isinstance(ref.key, tuple):
            work.touched.add(ref.key)
    key = work.key_text(contact) or work.key_text(person)
    link = new_link(work, {_S: contact, _D: person}, {_S: key, _D: key}).with_fields(_carried(work, lead))
    seen = {ref.side: Observation(Presence.HERE, ref) for ref in (contact, person)}
    link = noticed(work, link, seen, work.bound.lines)
    members = about_link(work, link, "link")
    members["key"] = display_key(work.row_key(contact if work.key_text(contact) else person))
    work.actions.append(Link(**members, reason="link.converted"))
    link = decide_fields(work, link, seen, work.bound.lines)
    for ref in (contact, person):
        link = link.with_side(ref.side, as_of=ref.as_of)
        work.held_keys[ref.side].setdefault(link.key(ref.side) or (), []).append(link)
    work.links[link.id] = link


def _is_older(work: Workspace, person: RowRef, lead: LinkRecord) -> bool:
    """Tell whether a person was read before what the lead's link remembers; a look-up never was."""
    moment = lead.as_of(_D)
    is_found = person.name in work.views[_D].found
    return person.is_old or (moment is not None and person.as_of < moment and not is_found)


def _carried(work: Workspace, lead: LinkRecord) -> dict[str, FieldState]:
    """Give what the lead's link remembers of each Dialog Insight field, as if a contact had held its counterpart.

    The one place where a base holds a converted value: what the lead held is no value of the contact's.
    """
    by_field = {name.rpartition(":")[2]: state for name, state in lead.fields.items()}
    carried: dict[str, FieldState] = {}
    for name, line in work.bound.lines.items():
        state = by_field.get(line.field(_D))
        value = state.of(_D) if state is not None else None
        if state is None or isinstance(value, UnsetType):
            continue
        there = line.convert(value, to=_S)
        if not isinstance(there, Undefined):
            carried[name] = FieldState((there, value), version=line.version)
    return carried
