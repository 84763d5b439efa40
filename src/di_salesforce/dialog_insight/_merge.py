"""Merge: how rows are sent.

What may not go in here: several slices (`_flows.py`), what became of each row (`_merge_answers.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

from di_salesforce._json_text import are_plain
from di_salesforce.dialog_insight._calls import raw_call, read_objects
from di_salesforce.dialog_insight._errors import open_envelope
from di_salesforce.dialog_insight._merge_answers import Counters, MergeAnswer
from di_salesforce.dialog_insight._merge_values import MergeOptions, MergeResult, MergeStatus, Prepared
from di_salesforce.dialog_insight._names import CONTACT_ID, Target, key_fields
from di_salesforce.dialog_insight._settings import Capabilities
from di_salesforce.dialog_insight._values import AS_THEY_ARE, wire_value
from di_salesforce.exceptions import ConfigurationError, ConversionError, Problem
from di_salesforce.records import Row, is_blank
from di_salesforce.wire import Call, HttpResponse

__all__ = ["MergeOptions", "MergeResult", "MergeStatus", "Prepared", "merge_call", "prepare"]


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
        return MergeAnswer(target, prepared, options, capabilities).judge(answers, Counters.read(members))

    ids, data = (map(dict[str, Any].values, map(attrgetter(part), prepared)) for part in ("id", "data"))
    plain = are_plain(chain.from_iterable(chain(ids, data)))
    request = raw_call(target.service, "Merge", body, name=what, writes=True, repeatable=True, plain=plain)
    return Call(request, decode)
