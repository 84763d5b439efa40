"""Merge: what becomes of each record of a call.

The order of work follows what the server's own trace shows: take the whole batch in, match on key, find duplicates,
then store [inferred].  What may not go in here: envelopes, permissions, answers' outer shape.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, TypeGuard

import attrs

from di_salesforce.records import UnsetType, Value, is_blank
from di_salesforce.testing._di_clauses import CallRefusal, is_object
from di_salesforce.testing._di_model import ID_CONTACT
from di_salesforce.testing._di_store import Account, Identity, Shelf, local_now
from di_salesforce.testing._di_switches import CallCause, RecordCause
from di_salesforce.testing._di_values import Json, JsonObject, Refusal, accept_value, read_value

__all__ = ["MergeOptions", "Merged", "merge", "read_options"]


# options ------------------------------------------------------------------------------------------------------------
@attrs.frozen
class MergeOptions:
    """The flags of a Merge; one left out is false [inferred]."""

    allow_insert: bool = False
    allow_update: bool = False
    skip_duplicates: bool = False
    skip_unmatched: bool = False
    return_on_success: bool = False
    return_on_error: bool = False


_FLAGS: Final[Mapping[str, str]] = {
    "AllowInsert": "allow_insert",
    "AllowUpdate": "allow_update",
    "SkipDuplicateRecords": "skip_duplicates",
    "SkipUnmatchedRecords": "skip_unmatched",
    "ReturnRecordsOnSuccess": "return_on_success",
    "ReturnRecordsOnError": "return_on_error",
}


def read_options(raw: Json, *, folds: bool) -> MergeOptions | CallRefusal:
    """Read `MergeOptions`; `folds`: member names count without their case."""
    if not is_object(raw):
        return CallRefusal(CallCause.BAD_PARAMETER, "MergeOptions.")
    members = {name.lower() if folds else name: value for name, value in raw.items()}
    flags: dict[str, bool] = {}
    for wire, name in _FLAGS.items():
        value = members.get(wire.lower() if folds else wire, False)
        if not isinstance(value, bool):
            return CallRefusal(CallCause.BAD_PARAMETER, f"MergeOptions.{wire}.")
        flags[name] = value
    if members.get("fieldoptions" if folds else "FieldOptions") is not None:  # its shape is unknown, only null is seen
        return CallRefusal(CallCause.BAD_PARAMETER, "MergeOptions.FieldOptions.")
    return MergeOptions(**flags)


# outcomes -----------------------------------------------------------------------------------------------------------
@attrs.frozen
class Merged:
    """The outcome of a Merge: the answer's `Records`, counts, and per record its cause, message and row number."""

    records: list[Json]
    created: int
    updated: int
    duplicates: int
    outcomes: tuple[tuple[RecordCause, str], ...]
    numbers: tuple[int, ...]


@attrs.frozen
class _Staged:
    """A record as taken in: whom it names, what it wants stored, or why it cannot be."""

    id: JsonObject
    data: JsonObject
    asked: int | None = None
    key: Mapping[str, Value] = attrs.field(factory=dict[str, Value])
    values: Mapping[str, Value] = attrs.field(factory=dict[str, Value])
    refusal: Refusal | None = None


_NO_DATA: Final[dict[str, Json]] = {}
_SKIPPED: Final = frozenset({RecordCause.KNOWN_SKIPPED, RecordCause.UNMATCHED_SKIPPED, RecordCause.DUPLICATE_SKIPPED})
_SENTENCES: Final[Mapping[RecordCause, str]] = {
    RecordCause.KNOWN_SKIPPED: "The record exists and updates are not allowed.",
    RecordCause.KNOWN_REFUSED: "The record exists and updates are not allowed.",
    RecordCause.UNMATCHED_REFUSED: "No record matches and inserts are not allowed.",
    RecordCause.DUPLICATE_REFUSED: "The record occurs more than once in the call.",
    RecordCause.KEY_INCOMPLETE: "The ID does not hold the key.",
    RecordCause.KEY_TAKEN: "Another record has this key.",
    RecordCause.KEY_FIXED: "The key of a record cannot be changed.",
}


def _refusal(cause: RecordCause, field: str = "") -> Refusal:
    return Refusal(cause, _SENTENCES.get(cause, ""), field)


# the work -----------------------------------------------------------------------------------------------------------
def merge(
    account: Account, number: int, records: Sequence[Json], options: MergeOptions, now: datetime
) -> Merged | CallRefusal:
    """Carry out a Merge on the contact list or table with that number."""
    return _Batch(account, number, options, now).run(records)


class _Batch:
    """One Merge at work."""

    def __init__(self, account: Account, number: int, options: MergeOptions, now: datetime) -> None:
        self._account = account
        self._switches = account.switches
        self._options = options
        self._shelf: Shelf = account.shelves[number]
        self._contacts = account.contacts_of(number)
        self._now = now
        self._counts = {RecordCause.CREATED: 0, RecordCause.UPDATED: 0}
        self._outcomes: list[tuple[RecordCause, str]] = []
        self._numbers: list[int] = []

    def run(self, records: Sequence[Json]) -> Merged | CallRefusal:
        batch: list[_Staged] = []
        for index, record in enumerate(records):
            staged = self._take_in(record)
            if staged is None:
                return CallRefusal(CallCause.BAD_PARAMETER, f"Records[{index}].")
            if self._switches.unknown_field == "fail_call" and _cause(staged) is RecordCause.UNKNOWN_FIELD:
                return CallRefusal(CallCause.UNKNOWN_FIELD, f"Records[{index}].")
            batch.append(staged)
        repeated = self._repeated(batch)
        if any(repeated) and self._switches.duplicate_in_call == "fail_call" and not self._options.skip_duplicates:
            return CallRefusal(CallCause.DUPLICATES)
        answers: list[Json] = [
            self._carry_out(staged, twice=twice) for staged, twice in zip(batch, repeated, strict=True)
        ]
        created, updated = self._counts[RecordCause.CREATED], self._counts[RecordCause.UPDATED]
        if self._switches.merge_answer_order == "shuffled":
            random.Random(len(answers)).shuffle(answers)  # noqa: S311 - repeatable on purpose, no secret
        return Merged(answers, created, updated, sum(repeated), tuple(self._outcomes), tuple(self._numbers))

    # taking in
    def _take_in(self, record: Json) -> _Staged | None:
        if not is_object(record):
            return None
        if not self._switches.members_case_sensitive:
            names = {"id": "ID", "data": "Data"}
            record = {names.get(name.lower(), name): value for name, value in record.items()}
        id_, data = record.get("ID"), record.get("Data")
        if data is None:
            data = _NO_DATA
        if not _is_flat(id_) or not _is_flat(data):
            return None
        asked, key, refusal = self._whom(id_)
        if refusal is not None:
            return _Staged(id_, data, refusal=refusal)
        values: dict[str, Value] = {}
        for wire, raw in data.items():
            slot = self._shelf.layout.slot(wire)
            if slot is None:
                if self._switches.unknown_field != "ignore":
                    unknown = Refusal(RecordCause.UNKNOWN_FIELD, f"{wire}: there is no such field.", wire)
                    return _Staged(id_, data, asked, key, refusal=unknown)
                continue
            if raw is None and self._switches.null_in_data != "clear":
                if self._switches.null_in_data == "refuse":
                    null = Refusal(RecordCause.BAD_VALUE, f"{wire}: null is not a value.", wire)
                    return _Staged(id_, data, asked, key, refusal=null)
                continue
            value = accept_value(slot, raw, self._switches)
            if isinstance(value, Refusal):
                return _Staged(id_, data, asked, key, refusal=value)
            values[slot.name] = value
        return _Staged(id_, data, asked, key, values)

    def _whom(self, id_: JsonObject) -> tuple[int | None, dict[str, Value], Refusal | None]:
        layout = self._shelf.layout
        if layout.id_slot is not None and ID_CONTACT in id_:
            asked = read_value(layout.id_slot, id_[ID_CONTACT], self._switches)
            return (asked, {}, None) if isinstance(asked, int) else (None, {}, _refusal(RecordCause.KEY_INCOMPLETE))
        key: dict[str, Value] = {}
        for wire, raw in id_.items():
            slot = layout.key_slot(wire)
            value = None if slot is None else read_value(slot, raw, self._switches)
            if slot is None or isinstance(value, UnsetType):
                return None, {}, _refusal(RecordCause.KEY_INCOMPLETE, wire)
            key[slot.name] = value
        complete = self._shelf.identity(key) is not None
        return None, key, None if complete else _refusal(RecordCause.KEY_INCOMPLETE)

    # matching
    def _match(self, staged: _Staged) -> int | None:
        if staged.asked is not None:
            return staged.asked if staged.asked in self._shelf.rows else None
        identity = self._shelf.identity(staged.key)
        return None if identity is None else self._shelf.find(identity)

    def _repeated(self, batch: Sequence[_Staged]) -> list[bool]:
        """Tell which records are about one that stands earlier in the batch."""
        seen: set[int | Identity] = set()
        repeated: list[bool] = []
        for staged in batch:
            number = self._match(staged)
            asked = staged.asked if number is None else number
            subject = self._shelf.identity(staged.key) if asked is None else asked
            repeated.append(subject in seen)
            if subject is not None:  # a record without a key is like no other
                seen.add(subject)
        return repeated

    # storing
    def _carry_out(self, staged: _Staged, *, twice: bool) -> dict[str, Json]:
        number = self._match(staged)
        done = self._decide(staged, number, twice=twice)
        if isinstance(done, Refusal):
            self._outcomes.append((done.cause, done.message))
            return self._answer(staged, number, done)
        cause, number = done
        self._outcomes.append((cause, ""))
        self._numbers.append(number)
        self._counts[cause] += 1
        return self._answer(staged, number, _refusal(cause))

    def _decide(self, staged: _Staged, number: int | None, *, twice: bool) -> tuple[RecordCause, int] | Refusal:
        if twice and self._options.skip_duplicates:
            return _refusal(RecordCause.DUPLICATE_SKIPPED)
        if twice and self._switches.duplicate_in_call == "first_wins":
            return _refusal(RecordCause.DUPLICATE_REFUSED)
        if staged.refusal is not None:
            return staged.refusal
        if number is not None and not self._options.allow_update:
            skips = self._switches.insert_only_hit == "skip"
            return _refusal(RecordCause.KNOWN_SKIPPED if skips else RecordCause.KNOWN_REFUSED)
        if number is None and (staged.asked is not None or not self._options.allow_insert):
            skips = self._options.skip_unmatched or self._switches.update_only_miss == "skip"
            return _refusal(RecordCause.UNMATCHED_SKIPPED if skips else RecordCause.UNMATCHED_REFUSED)
        return self._store(staged, number)

    def _store(self, staged: _Staged, number: int | None) -> tuple[RecordCause, int] | Refusal:
        shelf = self._shelf
        row = self._ground(staged, number)
        if isinstance(row, Refusal):
            return row
        before = shelf.identity(row)
        old = dict(row)
        row.update(self._wanted(staged))
        if shelf.identity(row) != before and self._switches.key_change_through_data == "refuse":
            return _refusal(RecordCause.KEY_FIXED)
        refusal = self._broken_rule(row, staged.values if number is not None else row)
        if refusal is not None:
            return refusal
        self._date_optins(staged, old, row)
        row = self._account.rewritten(shelf, row)
        if not shelf.accepts_key(row, number):
            return _refusal(RecordCause.KEY_TAKEN)
        cause = RecordCause.CREATED if number is None else RecordCause.UPDATED
        return cause, shelf.put(row, number)

    def _ground(self, staged: _Staged, number: int | None) -> dict[str, Value] | Refusal:
        """Give the row to write on: the stored one, or a new one with its defaults and its key."""
        if number is not None:
            return dict(self._shelf.rows[number])
        row = self._shelf.blank_row()
        for name, value in staged.key.items():
            accepted = accept_value(self._shelf.layout.by_name[name], value, self._switches)
            if isinstance(accepted, Refusal):
                return accepted
            row[name] = accepted
        return row

    def _wanted(self, staged: _Staged) -> Mapping[str, Value]:
        if self._switches.key_change_through_data != "ignore":
            return staged.values
        fixed = {slot.name for slot in self._shelf.layout.key}
        return {name: value for name, value in staged.values.items() if name not in fixed}

    def _broken_rule(self, row: Mapping[str, Value], touched: Mapping[str, Value]) -> Refusal | None:
        for slot in self._shelf.layout.ruled:
            if slot.name not in touched:
                continue
            value = row[slot.name]
            if slot.required and is_blank(value):
                return Refusal(RecordCause.REQUIRED, f"{slot.wire}: a value is required.", slot.wire)
            if slot.references is None or is_blank(value) or self._switches.orphan_foreign_key == "accept":
                continue
            if self._contacts is not None and not self._contacts.holds(slot.references, value):
                return Refusal(RecordCause.ORPHAN, f"{slot.wire}: there is no such contact.", slot.wire)
        return None

    def _date_optins(self, staged: _Staged, old: Mapping[str, Value], row: dict[str, Value]) -> None:
        if self._switches.optin_date_on_change == "leave":
            return
        for name, slot in self._shelf.layout.date_of.items():
            if row[name] != old[name] and slot.name not in staged.values:
                now = local_now(self._now, self._shelf.time_zone)
                row[slot.name] = now if slot.kind == "datetime" else now.date()

    # answering
    def _answer(self, staged: _Staged, number: int | None, outcome: Refusal) -> dict[str, Json]:
        result = self._switches.record_result(outcome.cause)
        good = outcome.cause in self._counts or outcome.cause in _SKIPPED
        shown = self._options.return_on_success if good else self._options.return_on_error
        numbered = self._shelf.layout.id_slot is not None or self._switches.relational_id_record == "number"
        stored = self._shelf.rows.get(number) if shown and number is not None else None
        return {
            "IdRecord": number if numbered else None,
            "Status": result.status,
            "ValidationResult": result.validation,
            "Message": result.message if result.message is not None else outcome.message or None,
            "ID": staged.id,
            "Data": staged.data if shown else None,
            "Record": None if stored is None else self._shelf.renderer.render(stored),
        }


def _is_flat(value: Json) -> TypeGuard[JsonObject]:
    return is_object(value) and not any(isinstance(item, (dict, list)) for item in value.values())


def _cause(staged: _Staged) -> RecordCause | None:
    return None if staged.refusal is None else staged.refusal.cause
