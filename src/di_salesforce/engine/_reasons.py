"""The reasons of all actions: stable dotted codes, each with its sentence.

What may not go in here: anything computed.  The reference page is made from this table, and a test finds every code
that the engine uses in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["REASONS", "sentence"]

REASONS: Final[Mapping[str, str]] = {
    # writes
    "create.new": "the record exists on one side only",
    "update.changed": "one side changed, the other did not",
    "update.overruled": "both sides changed; the field flows one way, so its source decides",
    "update.enforced": "the receiving side of a one-way field changed it; the field's truth is enforced",
    "update.policy": "both sides changed; the field's conflict policy decides",
    "update.first_match": "the two met for the first time and differ; the field's first-match rule decides",
    "update.merged": "a person refused in the counterpart of a record that was merged into this one",
    "update.person": "a person decided",
    "update.several": "several fields, each by its own rule",
    "delete.proven": "its counterpart is proven deleted, and the transfer deletes",
    # links
    "link.key": "one record on each side has this key",
    "link.person": "a person said that the two belong together",
    "link.merged": "the record was merged into this one, and the link moved with it",
    "link.converted": "the lead was converted to this record, and the link moved with it",
    "link.revived": "the missing record is back",
    "unlink.deleted": "its counterpart is proven deleted, and the transfer unlinks",
    "unlink.merged": "the record was merged into one that has a link of its own: its counterpart is a duplicate",
    "unlink.converted": "the lead was converted, and the transfer of the contacts has taken its link over",
    "unlink.both_deleted": "both records are deleted",
    # held for a person
    "conflict.both_changed": "both sides changed the field",
    "conflict.first_match": "the two met for the first time and differ",
    "conflict.consent": "the consent differs, and writing would loosen it",
    "conflict.mapping_changed": "neither side changed, yet they differ under the present mapping",
    "conflict.unsettled": "both sides kept rewriting the field for three rounds",
    "conflict.key_changed": "the key changed, and the new one is not proven to be free on the other side",
    "conflict.key_not_writable": "the key changed, and it cannot be written on the other side",
    "conflict.delete_edited": "the counterpart is deleted, and the record was edited since",
    "conflict.merged": "the record was merged into another one",
    "conflict.converted": "the lead was converted",
    # left as it is
    "merge.refusal": "a refusal of a merged record's counterpart is to be passed on to this record",
    "trigger.off": "the transfer's triggers do not allow this write",
    "direction.one_way": "the field flows one way, and the receiving side changed it",
    "reference.waiting": "the record that it refers to is not linked yet",
    "scope.left": "the record left the transfer's filter",
    "scope.out": "a record with this key exists, outside the transfer's filter",
    "deleted.reported": "its counterpart is deleted; the transfer only reports that",
    "match.different": "a person said that the two are not the same",
    "match.unproven": "not all that a match tier compares was read on the other side: the record may be there already",
    "tombstone": "its counterpart was deleted, so it is not created again",
    "claimed": "another transfer holds this record",
    "outcome.quarantine": "an earlier write's answer was lost; it may still land",
    "refused.unchanged": "the service did not take this write before, and nothing of it changed since",
    # cannot be synchronised as it is
    "key.missing": "the key is blank",
    "key.invalid": "the key has no form on the other side",
    "key.not_creatable": "the key cannot be given to a new record there: no record has it",
    "key.ambiguous": "several unlinked records have this key",
    "match.proposed": "an unlinked record of the other side agrees in all fields of a match tier: is it the same?",
    "match.ambiguous": "several unlinked records agree in all fields of a match tier: which belong together?",
    "key.duplicate": "a linked record has this key already",
    "value.not_convertible": "a value has no form on the other side",
    "value.not_scalar": "an object or a list stands where one value is expected",
    "value.not_number": "the value is no number, or not a finite one",
    "value.not_integer": "the number has a fraction, and the line is mapped as a whole number",
    "value.too_large": "the number has more digits than can be kept exactly",
    "value.not_text": "a truth value stands where text is expected",
    "value.not_boolean": "the value is none of true, false, 1 and 0",
    "value.not_date": "the value is no day of the calendar in the form that the line expects",
    "value.not_datetime": "the value is no date and time in the form that the line expects",
    "value.not_mapped": "the value is not in the line's map of choices, or holds the sign that separates them",
    "value.not_record_id": "the text is no Salesforce record id, or its checksum is wrong",
    "value.not_converted": "the line's own function failed on the value",
    "value.unclear": "the record was read twice, with different values",
    "value.not_read": "the record was looked up and came without a field that is mapped",
    # taken back, and what stands against it
    "undo.write": "an earlier write is taken back",
    "undo.moved": "the value is no longer what the write left there",
    "undo.create": "the write created the record; taking that back would delete it, and was not asked for",
    "undo.deleted": "the write deleted the record: it cannot be brought back from here",
    "undo.not_deletable": "records of that service are not to be deleted",
    "undo.unsure": "an undo's answer was lost; where it turns out to have been carried out, that is no edit",
    "undo.lost": "a later write's answer was lost; it may still land",
    "undo.gone": "one of the two records is gone",
    "undo.unlinked": "the record is not linked any more",
    "undo.not_mapped": "the field is not mapped any more",
    "undo.not_read": "what the field held before, or holds now, is not known",
    "undo.direction": "the field does not flow that way any more",
    "undo.trigger": "the transfer's triggers do not allow this write",
    "undo.key": "the write changed the key: whether the old one is free is for a person to find out",
    "undo.consent": "taking it back would lift a refusal",
    # what became of a write
    "rewritten.adopt": "the service kept another value than it was sent; that counts as its own change",
    "outcome.refused": "the service refused the write",
    "outcome.stale": "the record moved since the plan was made",
    "outcome.unknown": "the answer was lost; the write may or may not have been carried out",
    "outcome.not_tried": "the write was left out or not reached",
}


def sentence(code: str) -> str:
    """Give the sentence of a code; a server's own code is given as it is."""
    return REASONS.get(code, code)
