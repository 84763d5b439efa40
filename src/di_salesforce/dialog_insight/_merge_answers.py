"""What became of each row of a Merge, as far as its answer tells.

What may not go in here: how rows are sent (`_merge.py`).

Only `Updated` with `OK` was ever seen in an answer; success is therefore recognised, never guessed.  A record without a
recognised success is judged by the call's own counters: once they are accounted for by recognised records, it was not
written, and with only one of the two flags on, a record that is in order can only have met a key that exists (insert
only) or that is unknown (update only).  Where the counters do not add up, it may have been written: unknown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from di_salesforce.dialog_insight._merge_values import WRITTEN, MergeOptions, MergeResult, MergeStatus, Prepared
from di_salesforce.dialog_insight._names import Target
from di_salesforce.dialog_insight._settings import Capabilities
from di_salesforce.dialog_insight._values import JsonObject, dump_json, is_object, read_id, rows_from_wire

__all__ = ["Counters", "MergeAnswer"]


@attrs.frozen
class _Words:
    """What an answer says of a record by `Status` and `ValidationResult`, and what is known of these words."""

    status: str
    validation: str
    recognised: MergeStatus | None
    """The success that they state in words that are known; None for everything else."""
    valid: bool

    @property
    def invalid(self) -> bool:
        """Whether the record is said not to be in order (which saying nothing does not)."""
        return self.validation != "" and not self.valid

    @property
    def code(self) -> str:
        """Both words, as far as there are any."""
        return ".".join(filter(None, (self.status, self.validation)))


class _Vocabulary(dict[tuple[str, str], _Words]):
    """What is known of the words of one call: thousands of records share a few."""

    def __init__(self, capabilities: Capabilities) -> None:
        super().__init__()
        self._capabilities = capabilities

    def words(self, answer: JsonObject | None) -> _Words | None:
        """Look an answer's words up; None where there is no answer."""
        if answer is None:
            return None
        status, validation = answer.get("Status"), answer.get("ValidationResult")
        return self[
            status if type(status) is str else _word(status),
            validation if type(validation) is str else _word(validation),
        ]

    def __missing__(self, said: tuple[str, str]) -> _Words:
        status, validation = said
        valid = validation.casefold() in self._capabilities.valid
        recognised = None
        if valid and status.casefold() in self._capabilities.created:
            recognised = MergeStatus.CREATED
        elif valid and status.casefold() in self._capabilities.updated:
            recognised = MergeStatus.UPDATED
        return self.setdefault(said, _Words(status, validation, recognised, valid))


@attrs.frozen
class Counters:
    """`CreatedRecords` and `UpdatedRecords` of a call; None where the answer does not say."""

    created: int | None
    updated: int | None

    @classmethod
    def read(cls, members: JsonObject) -> Counters:
        return cls(_count(members.get("CreatedRecords")), _count(members.get("UpdatedRecords")))

    def allow(self, found: Counters) -> bool:
        """Tell whether so many recognised successes can be true; an absent counter contradicts nothing."""
        pairs = ((self.created, found.created), (self.updated, found.updated))
        return all(count is None or (claimed or 0) <= count for count, claimed in pairs)


def _count(value: object) -> int | None:
    return 0 if value in (0, "0") else read_id(value)


@attrs.frozen
class MergeAnswer:
    """The answer to one call: where it went, what was sent, and what is known of words."""

    target: Target
    prepared: Sequence[Prepared]
    options: MergeOptions
    capabilities: Capabilities

    def judge(self, answers: Sequence[JsonObject], counters: Counters) -> list[MergeResult]:
        """Say what became of each row."""
        matched = _match(self.prepared, answers)
        said = list(map(_Vocabulary(self.capabilities).words, matched))
        return self._results(matched, said, self._statuses(matched, said, counters))

    def _statuses(
        self, matched: Sequence[JsonObject | None], said: Sequence[_Words | None], counters: Counters
    ) -> list[MergeStatus]:
        recognised = [None if words is None else words.recognised for words in said]
        found = Counters(recognised.count(MergeStatus.CREATED), recognised.count(MergeStatus.UPDATED))
        if not counters.allow(found):
            return [MergeStatus.UNKNOWN] * len(said)
        if found == Counters(0, 0) and all(words is not None and words.valid for words in said):
            # The counters alone prove that all were written alike, whatever the status is called.
            for status, proof in (
                (MergeStatus.CREATED, Counters(len(said), 0)),
                (MergeStatus.UPDATED, Counters(0, len(said))),
            ):
                if counters == proof:
                    return [status] * len(said)
        unrecognised = self._certainly_refused if counters == found else self._perhaps_written
        if counters == Counters(None, None):
            unrecognised = self._by_its_own_words
        return [
            status or unrecognised(answer, words)
            for answer, words, status in zip(matched, said, recognised, strict=True)
        ]

    def _perhaps_written(self, _: JsonObject | None, __: _Words | None) -> MergeStatus:
        """Judge a record of a call that wrote more than is recognised."""
        return MergeStatus.UNKNOWN

    def _by_its_own_words(self, answer: JsonObject | None, words: _Words | None) -> MergeStatus:
        """Judge a record of a call without counters: what is not in order was refused, the rest is in doubt."""
        return self._certainly_refused(answer, words) if words and words.invalid else MergeStatus.UNKNOWN

    def _certainly_refused(self, answer: JsonObject | None, words: _Words | None) -> MergeStatus:
        """Say why a record was not written: left alone for its key, or refused."""
        if self.options.allow_insert and self.options.allow_update:
            return MergeStatus.REFUSED
        left_alone = MergeStatus.EXISTS if self.options.allow_insert else MergeStatus.UNMATCHED
        if answer is None or words is None or not words.invalid:
            return left_alone
        texts = (words.status, words.validation, _word(answer.get("Message")))
        patterns = [known for known in self.capabilities.record_patterns if known.kind == left_alone.value]
        return left_alone if any(known.matches(*texts) for known in patterns) else MergeStatus.REFUSED

    def _results(
        self,
        matched: Sequence[JsonObject | None],
        said: Sequence[_Words | None],
        statuses: Sequence[MergeStatus],
    ) -> list[MergeResult]:
        records = [None if answer is None else answer.get("Record") for answer in matched]
        stored = iter(rows_from_wire(self.target, filter(is_object, records)))
        own_id = self.target.record_id_field or ""
        results: list[MergeResult] = []
        for answer, words, status, record in zip(matched, said, statuses, records, strict=True):
            if answer is None or words is None:
                missing = MergeResult(status, code="answer.missing", message="the answer does not mention this row")
                results.append(missing)
                continue
            row = None if record is None or not is_object(record) else next(stored)
            record_id = read_id(answer.get("IdRecord"))
            if record_id is None and row is not None:
                record_id = read_id(row.get(own_id))
            code = "" if status in WRITTEN else words.code
            results.append(MergeResult(status, record_id, code, _word(answer.get("Message")), row))
        return results


def _match(prepared: Sequence[Prepared], answers: Sequence[JsonObject]) -> list[JsonObject | None]:
    """Give each row its answer: by position while the echoed `ID`s agree, else by `ID`; None where there is none.

    The order of the answers is [inferred]; with the flags that tolerate records, some may be left out.
    """
    if len(prepared) == len(answers) and all(map(_echoes, answers, prepared)):
        return list(answers)
    waiting: defaultdict[str, list[JsonObject]] = defaultdict(list)
    for answer in reversed(answers):
        if is_object(answer.get("ID")):
            waiting[_identity(answer["ID"])].append(answer)
    sent = [_identity(item.id) for item in prepared]
    return [waiting[own].pop() if waiting[own] else None for own in sent]


def _echoes(answer: JsonObject, item: Prepared) -> bool:
    """Tell whether an answer's `ID` is the row's own; one without an `ID` contradicts nothing."""
    echo: object = answer.get("ID")
    return not is_object(echo) or echo == item.id or _identity(echo) == _identity(item.id)


def _identity(id_: Mapping[str, Any]) -> str:  # JSON values
    """Give an `ID` in a form in which an echo equals what was sent: numbers may come as texts, case may differ."""
    return dump_json(sorted((name.casefold(), str(value).casefold()) for name, value in id_.items()))


def _word(value: object) -> str:
    return "" if value is None else str(value)
