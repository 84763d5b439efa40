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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, Final

import attrs

from di_salesforce._json_text import are_plain
from di_salesforce.dialog_insight._calls import raw_call, read_objects
from di_salesforce.dialog_insight._errors import open_envelope
from di_salesforce.dialog_insight._names import CONTACT_ID, Target, key_fields
from di_salesforce.dialog_insight._settings import Capabilities
from di_salesforce.dialog_insight._values import (
    AS_THEY_ARE,
    JsonObject,
    dump_json,
    is_object,
    read_id,
    rows_from_wire,
    wire_value,
)
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


_WRITTEN: Final = frozenset({MergeStatus.CREATED, MergeStatus.UPDATED})


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
        return self.status in _WRITTEN

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

    id: dict[str, Any] = attrs.field(repr=False)  # JSON values, of people
    data: dict[str, Any] = attrs.field(repr=False)  # likewise


def prepare(
    target: Target, rows: Iterable[Row], key: str | Sequence[str], options: MergeOptions, capabilities: Capabilities
) -> Iterator[Prepared | MergeResult]:
    """Turn rows into what is sent; a row that cannot be sent becomes its own refusal, and the others go on.

    What cannot work for any row is raised at once; each row is turned when it is asked for.

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
    return map(_Preparing(target, names, options, capabilities).row, rows)


class _WireNames(dict[str, str]):
    """Wire names by names in rows: thousands of rows share a few."""

    def __init__(self, target: Target) -> None:
        super().__init__()
        self._target = target

    def __missing__(self, name: str) -> str:
        return self.setdefault(name, self._target.wire_name(name))


class _Preparing:
    """How the rows of one Merge are sent; what all of them share is looked up once."""

    def __init__(
        self, target: Target, names: tuple[str, ...], options: MergeOptions, capabilities: Capabilities
    ) -> None:
        self._key = [(name, target.key_name(name)) for name in names]
        self._left_out = frozenset[str]() if options.allow_insert else frozenset(names)
        self._read_only = None if target.record_id_field in names else target.record_id_field
        self._wire = _WireNames(target)
        self._null_clears = capabilities.null_clears

    def row(self, row: Row) -> Prepared | MergeResult:
        """Give a row as it is sent, or say why it cannot be."""
        wire, left_out, clears = self._wire, self._left_out, self._null_clears
        id_: dict[str, Any] = {}  # JSON values
        try:
            for name, key_name in self._key:
                value = row.get(name)
                if value is None or value == "":
                    return self._without_key(row)
                id_[key_name] = value if type(value) in AS_THEY_ARE else wire_value(value, field=name)
            if self._read_only in row:
                return _not_sent(
                    "field.read_only",
                    f"{self._read_only} is given by Dialog Insight; leave it out of the row, or make it the key",
                )
            data = {
                # Most values are sent as they are, without a call for each.
                wire[name]: value if type(value) in AS_THEY_ARE else wire_value(value, field=name, null_clears=clears)
                for name, value in row.items()
                if name not in left_out
            }
        except ConversionError as error:
            return _not_sent(error.code, str(error))
        except Exception as error:  # noqa: BLE001 - no row at all; rows before it are on their way, and have outcomes
            return _not_sent("row.unreadable", f"the row cannot be read ({type(error).__name__})")
        return Prepared(id_, data)

    def _without_key(self, row: Row) -> MergeResult:
        missing = [name for name, _ in self._key if is_blank(row.get(name))]
        return _not_sent("key.missing", f"the key field {', '.join(missing)} is blank")


def _not_sent(code: str, why: str) -> MergeResult:
    return MergeResult(MergeStatus.REFUSED, code=code, message=f"not sent: {why}")


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

    ids, data = (map(dict[str, Any].values, map(attrgetter(part), prepared)) for part in ("id", "data"))
    plain = are_plain(chain.from_iterable(chain(ids, data)))
    request = raw_call(target.service, "Merge", body, name=what, writes=True, repeatable=True, plain=plain)
    return Call(request, decode)


# reading ------------------------------------------------------------------------------------------------------------


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
        said = list(map(_Vocabulary(self.capabilities).words, matched))
        return self._results(matched, said, self._statuses(matched, said, counters))

    def _statuses(
        self, matched: Sequence[JsonObject | None], said: Sequence[_Words | None], counters: _Counters
    ) -> list[MergeStatus]:
        recognised = [None if words is None else words.recognised for words in said]
        found = _Counters(recognised.count(MergeStatus.CREATED), recognised.count(MergeStatus.UPDATED))
        if not counters.allow(found):
            return [MergeStatus.UNKNOWN] * len(said)
        if found == _Counters(0, 0) and all(words is not None and words.valid for words in said):
            # The counters alone prove that all were written alike, whatever the status is called.
            for status, proof in (
                (MergeStatus.CREATED, _Counters(len(said), 0)),
                (MergeStatus.UPDATED, _Counters(0, len(said))),
            ):
                if counters == proof:
                    return [status] * len(said)
        unrecognised = self._certainly_refused if counters == found else self._perhaps_written
        if counters == _Counters(None, None):
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
            code = "" if status in _WRITTEN else words.code
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
