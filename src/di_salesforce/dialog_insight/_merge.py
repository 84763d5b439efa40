"""Merge: how rows are sent, and what became of each.

What may not go in here: several slices (`_flows.py`).

Only `Updated` with `OK` was ever seen in an answer; success is therefore recognised, never guessed.  A record without a
recognised success is judged by the call's own counters: once they are accounted for by recognised records, it was not
written, and with only one of the two flags on, a record that is in order can only have met a key that exists (insert
only) or that is unknown (update only).  Where the counters do not add up, it may have been written: unknown.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from di_salesforce.dialog_insight._calls import raw_call, read_objects
from di_salesforce.dialog_insight._errors import open_envelope
from di_salesforce.dialog_insight._names import CONTACT_ID, Target, key_fields
from di_salesforce.dialog_insight._settings import Capabilities
from di_salesforce.dialog_insight._values import JsonObject, dump_json, is_object, read_id, rows_from_wire, wire_value
from di_salesforce.exceptions import ConfigurationError, ConversionError, Problem
from di_salesforce.records import Row, is_blank
from di_salesforce.wire import Call, HttpResponse

__all__ = ["MergeOptions", "MergeResult", "MergeStatus", "Prepared", "merge_call", "prepare"]


@attrs.frozen(kw_only=True)
class MergeOptions:
    """What a Merge may do: both flags are an upsert, one alone is insert-only or update-only [seen].

    Args:
        allow_insert: create records whose key is unknown.
        allow_update: change records whose key is known.
        skip_duplicates: a key that occurs twice in one call is tolerated instead of reported [inferred].
        skip_unmatched: without `allow_insert`, an unknown key is tolerated instead of reported [inferred].
        return_on_success: results hold the row as it was stored.
        return_on_error: the same for refused records [inferred].

    Raises:
        ConfigurationError: neither flag is on.
    """

    allow_insert: bool = True
    allow_update: bool = True
    skip_duplicates: bool = False
    skip_unmatched: bool = False
    return_on_success: bool = True
    return_on_error: bool = False

    def __attrs_post_init__(self) -> None:
        if not (self.allow_insert or self.allow_update):
            raise ConfigurationError(
                [Problem("allow_insert", "with allow_update off as well, nothing could be written")],
                what="MergeOptions",
            )

    def to_wire(self) -> JsonObject:
        """Give the options as they are sent; `FieldOptions` is always null, since its shape is unknown."""
        return {
            "AllowInsert": self.allow_insert,
            "AllowUpdate": self.allow_update,
            "SkipDuplicateRecords": self.skip_duplicates,
            "SkipUnmatchedRecords": self.skip_unmatched,
            "ReturnRecordsOnSuccess": self.return_on_success,
            "ReturnRecordsOnError": self.return_on_error,
            "FieldOptions": None,
        }


class MergeStatus(enum.StrEnum):
    """What became of one row."""

    CREATED = "created"
    UPDATED = "updated"
    EXISTS = "exists"
    """Insert-only, and the key exists: nothing was written; read it again."""
    UNMATCHED = "unmatched"
    """Update-only, and no record has the key: nothing was written; read it again."""
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """It may have been written or not: the answer was lost or cannot be told; read it again before repeating."""


@attrs.frozen
class MergeResult:
    """What became of one row of a Merge.

    `record_id` is a contact's `idContact` (what it means for a relational row is unknown); `code` and `message` are the
    server's words, or ours where the row never left; `stored` is the row as the server holds it now, where asked for.
    """

    status: MergeStatus
    record_id: int | None = None
    code: str = ""
    message: str = attrs.field(default="", repr=False)  # the server's words, which may hold a person's data
    stored: Row | None = attrs.field(default=None, repr=False)

    @property
    def written(self) -> bool:
        """Tell whether the row was stored."""
        return self.status in (MergeStatus.CREATED, MergeStatus.UPDATED)

    @property
    def stale(self) -> bool:
        """Tell whether the row was left alone since the server holds another state than was thought."""
        return self.status in (MergeStatus.EXISTS, MergeStatus.UNMATCHED)

    @property
    def unknown(self) -> bool:
        """Tell whether the row may have been written or not."""
        return self.status is MergeStatus.UNKNOWN


# sending ------------------------------------------------------------------------------------------------------------


@attrs.frozen
class Prepared:
    """A row ready to be sent: `ID` and `Data` as they stand on the wire."""

    id: Mapping[str, Any] = attrs.field(repr=False)  # JSON values, of people
    data: Mapping[str, Any] = attrs.field(repr=False)  # likewise


def prepare(
    target: Target, rows: Sequence[Row], key: str | Sequence[str], options: MergeOptions, capabilities: Capabilities
) -> list[Prepared | MergeResult]:
    """Turn rows into what is sent; a row that cannot be sent becomes its own refusal, and the others go on.

    The key stands in `ID`.  It is repeated in `Data` where the call may insert, as the only seen insert into a
    relational table does, and left out of updates, as the only seen update does.

    Args:
        target: where to write.
        rows: names without wire prefixes; fields that are left out stay as they are [inferred].
        key: the field, or the fields, that name a record; `idContact` for a contact that exists.
        options: what the call may do.
        capabilities: how blanks are sent.

    Raises:
        ConfigurationError: the key cannot work with these options.
    """
    names = key_fields(key)
    if CONTACT_ID in names and target.record_id_field == CONTACT_ID:
        problems: list[Problem] = []
        if len(names) > 1:
            problems.append(Problem("key", "idContact alone names a contact; leave the other fields out of the key"))
        if options.allow_insert:
            problems.append(
                Problem(
                    "options.allow_insert",
                    "Dialog Insight itself gives idContact, so with it as key contacts can only be updated: "
                    "use MergeOptions(allow_insert=False)",
                )
            )
        if problems:
            raise ConfigurationError(problems, what=f"{target.service}.Merge")
    wire = _WireNames(target)
    return [_prepare_row(target, wire, row, names, options, capabilities) for row in rows]


class _WireNames(dict[str, str]):
    """Wire names by names in rows: thousands of rows share a few."""

    def __init__(self, target: Target) -> None:
        super().__init__()
        self._target = target

    def __missing__(self, name: str) -> str:
        return self.setdefault(name, self._target.wire_name(name))


def _prepare_row(
    target: Target,
    wire: Mapping[str, str],
    row: Row,
    names: tuple[str, ...],
    options: MergeOptions,
    capabilities: Capabilities,
) -> Prepared | MergeResult:
    missing = [name for name in names if is_blank(row.get(name))]
    if missing:
        return MergeResult(
            MergeStatus.REFUSED, code="key.missing", message=f"not sent: the key field {', '.join(missing)} is blank"
        )
    own_id = target.record_id_field
    if own_id is not None and own_id in row and own_id not in names:
        return MergeResult(
            MergeStatus.REFUSED,
            code="field.read_only",
            message=f"not sent: {own_id} is given by Dialog Insight; leave it out of the row, or make it the key",
        )
    clears = capabilities.null_clears
    try:
        return Prepared(
            id={target.key_name(name): wire_value(row[name], field=name) for name in names},
            data={
                wire[name]: wire_value(value, field=name, null_clears=clears)
                for name, value in row.items()
                if options.allow_insert or name not in names
            },
        )
    except ConversionError as error:
        return MergeResult(MergeStatus.REFUSED, code=error.code, message=f"not sent: {error}")


def merge_call(
    target: Target, prepared: Sequence[Prepared], options: MergeOptions, *, capabilities: Capabilities
) -> Call[list[MergeResult]]:
    """Make a Merge of one slice, whose answer is what became of each row, in the order of the rows.

    Every combination of flags addresses records by key or id, so that carrying it out twice leaves the same state as
    once [inferred from the key match that the server's trace shows]; a repetition can turn `created` into `exists`.
    """
    what = f"{target.service}.Merge for {target}"
    body = {
        **target.address,
        "Records": [{"ID": item.id, "Data": item.data} for item in prepared],
        "MergeOptions": options.to_wire(),
    }

    def decode(response: HttpResponse) -> list[MergeResult]:
        members = open_envelope(response, capabilities, what)
        answers = read_objects(members, "Records", response, what)
        return _Slice(target, prepared, options, capabilities).judge(answers, _Counters.read(members))

    return Call(raw_call(target.service, "Merge", body, name=what, writes=True, repeatable=True), decode)


# reading ------------------------------------------------------------------------------------------------------------


@attrs.frozen
class _Counters:
    """`CreatedRecords` and `UpdatedRecords` of a call; None where the answer does not say."""

    created: int | None
    updated: int | None

    @classmethod
    def read(cls, members: JsonObject) -> _Counters:
        return cls(_count(members.get("CreatedRecords")), _count(members.get("UpdatedRecords")))

    def allow(self, found: _Counters) -> bool:
        """Tell whether so many recognised successes can be true; an absent counter contradicts nothing."""
        pairs = ((self.created, found.created), (self.updated, found.updated))
        return all(count is None or (claimed or 0) <= count for count, claimed in pairs)


def _count(value: object) -> int | None:
    return 0 if value in (0, "0") else read_id(value)


@attrs.frozen
class _Slice:
    """One call: where, what was sent, and how its answer is read."""

    target: Target
    prepared: Sequence[Prepared]
    options: MergeOptions
    capabilities: Capabilities

    def judge(self, answers: Sequence[JsonObject], counters: _Counters) -> list[MergeResult]:
        """Say what became of each row."""
        matched = _match(self.prepared, answers)
        recognised = [self._recognise(answer) for answer in matched]
        found = _Counters(recognised.count(MergeStatus.CREATED), recognised.count(MergeStatus.UPDATED))
        if not counters.allow(found):
            return [self._result(answer, MergeStatus.UNKNOWN) for answer in matched]
        if found == _Counters(0, 0) and all(answer and self._is_valid(answer) for answer in matched):
            # The counters alone prove that all were written alike, whatever the status is called.
            for status, proof in (
                (MergeStatus.CREATED, _Counters(len(matched), 0)),
                (MergeStatus.UPDATED, _Counters(0, len(matched))),
            ):
                if counters == proof:
                    return [self._result(answer, status) for answer in matched]
        unrecognised = self._certainly_refused if counters == found else self._perhaps_written
        if counters == _Counters(None, None):
            unrecognised = self._by_its_own_words
        return [
            self._result(answer, status or unrecognised(answer))
            for answer, status in zip(matched, recognised, strict=True)
        ]

    def _is_valid(self, answer: JsonObject) -> bool:
        return _texts(answer)[1].casefold() in self.capabilities.valid

    def _recognise(self, answer: JsonObject | None) -> MergeStatus | None:
        """Give the success that an answer states in words that are known; None for everything else."""
        if answer is None or not self._is_valid(answer):
            return None
        status = _texts(answer)[0].casefold()
        if status in self.capabilities.created:
            return MergeStatus.CREATED
        return MergeStatus.UPDATED if status in self.capabilities.updated else None

    def _perhaps_written(self, _: JsonObject | None) -> MergeStatus:
        """Judge a record of a call that wrote more than is recognised."""
        return MergeStatus.UNKNOWN

    def _by_its_own_words(self, answer: JsonObject | None) -> MergeStatus:
        """Judge a record of a call without counters: what is not in order was refused, the rest is in doubt."""
        return self._certainly_refused(answer) if answer and self._is_invalid(answer) else MergeStatus.UNKNOWN

    def _certainly_refused(self, answer: JsonObject | None) -> MergeStatus:
        """Say why a record was not written: left alone for its key, or refused."""
        if self.options.allow_insert and self.options.allow_update:
            return MergeStatus.REFUSED
        left_alone = MergeStatus.EXISTS if self.options.allow_insert else MergeStatus.UNMATCHED
        if answer is None or not self._is_invalid(answer):
            return left_alone
        patterns = [known for known in self.capabilities.record_patterns if known.kind == left_alone.value]
        return left_alone if any(known.matches(*_texts(answer)) for known in patterns) else MergeStatus.REFUSED

    def _is_invalid(self, answer: JsonObject) -> bool:
        """Tell whether a record is said not to be in order (which saying nothing does not)."""
        return _texts(answer)[1] != "" and not self._is_valid(answer)

    def _result(self, answer: JsonObject | None, status: MergeStatus) -> MergeResult:
        if answer is None:
            return MergeResult(status, code="answer.missing", message="the answer does not mention this row")
        record = answer.get("Record")
        stored = rows_from_wire(self.target, [record])[0] if is_object(record) else None
        own_id = stored.get(self.target.record_id_field or "") if stored is not None else None
        word, validation, message = _texts(answer)
        succeeded = status in (MergeStatus.CREATED, MergeStatus.UPDATED)
        return MergeResult(
            status,
            record_id=read_id(answer.get("IdRecord")) or read_id(own_id),
            code="" if succeeded else ".".join(filter(None, (word, validation))),
            message=message,
            stored=stored,
        )


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


def _texts(answer: JsonObject) -> tuple[str, str, str]:
    return _word(answer.get("Status")), _word(answer.get("ValidationResult")), _word(answer.get("Message"))


def _word(value: object) -> str:
    return "" if value is None else str(value)
