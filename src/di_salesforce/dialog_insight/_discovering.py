"""The questions of `discover`, one flow each: try on a test project what the documents do not say.

What may not go in here: what a finding looks like (`_discovery.py`), records and calls (`_study.py`).  Refusals are
answers; only what would meet every further step ends the work early.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Final

import attrs

from di_salesforce._telling import Tally
from di_salesforce.dialog_insight import _calls as calls
from di_salesforce.dialog_insight._calls import FieldClause
from di_salesforce.dialog_insight._discovery import Confirm, Discovery, Probe, Question, Relation, ThrowAway
from di_salesforce.dialog_insight._merge import MergeOptions, MergeStatus, Prepared, merge_call, prepare
from di_salesforce.dialog_insight._names import CONTACT_ID, ContactList
from di_salesforce.dialog_insight._schema import contact_schema
from di_salesforce.dialog_insight._settings import Settings, TextPattern
from di_salesforce.dialog_insight._study import STOPPING, UNCLEAR, Study, is_refusal
from di_salesforce.dialog_insight._values import JsonObject, is_list, is_object
from di_salesforce.exceptions import ApiError, ConfigurationError, DISalesforceError
from di_salesforce.protocols import Progress
from di_salesforce.records import Row, Value, is_blank
from di_salesforce.retry import with_retry
from di_salesforce.schema import FieldType
from di_salesforce.wire import Flow

__all__ = ["discover"]

_INSERT: Final = MergeOptions(allow_update=False)
_UPDATE: Final = MergeOptions(allow_insert=False)
_NOTHING: Final = MergeOptions(allow_insert=False, skip_unmatched=True, return_on_success=False)

_DAY: Final = date(2031, 12, 25)  # day and month cannot be taken for each other
_MOMENT: Final = datetime(2031, 12, 25, 13, 14, 15)  # noqa: DTZ001 - the service knows no zones
_DAYS: Final = ("%Y.%m.%d", "%Y-%m-%d", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y%m%d")
_CLOCKS: Final = (" %H:%M:%S", "T%H:%M:%S", "T%H:%M:%SZ", " %H:%M", " %I:%M:%S %p")

_RENDERED: Final[tuple[tuple[Question, tuple[FieldType, ...], Value], ...]] = (
    (Question.BOOLEANS, (FieldType.BOOLEAN, FieldType.OPT_IN), True),
    (Question.NUMBERS, (FieldType.INTEGER, FieldType.DECIMAL), 12345),
    (Question.DATES, (FieldType.DATE,), _DAY),
    (Question.DATETIMES, (FieldType.DATETIME,), _MOMENT),
)
"""What is written to a field of which type, to see how it comes back."""

_TYPED: Final = (FieldType.DATE, FieldType.DATETIME, FieldType.INTEGER, FieldType.DECIMAL)
"""Types that a word is no value of."""

# Who must be found where the number of one of two contacts is asked for: "1" has the lower number, "2" the higher one.
_BY_NUMBER: Final[Mapping[Relation, Mapping[str, str]]] = {
    Relation.NOT_EQUAL: {"1": "2", "2": "1"},
    Relation.GREATER: {"1": "2", "2": ""},
    Relation.GREATER_OR_EQUAL: {"1": "12", "2": "2"},
    Relation.LESS: {"1": "", "2": "1"},
    Relation.LESS_OR_EQUAL: {"1": "1", "2": "12"},
}


def discover(
    settings: Settings,
    connection: str,
    id_project: int,
    *,
    confirm: Confirm,
    probe: Probe,
    progress: Progress | None = None,
) -> Flow[Discovery]:
    """Find out on a test project what the documents do not say.

    Args:
        settings: of the client.
        connection: of the client.
        id_project: a project for tests.
        confirm: asked before each record is written.
        probe: how to go about it.
        progress: told how many questions have been gone into.

    Raises:
        ConfigurationError: the project has not the fields that the probe names, or requires others.
        ApiError, TransportError: the project cannot be read; nothing was written.
    """
    # The ceiling that is known so far would turn the answers that are wanted here into errors.
    able = attrs.evolve(settings.capabilities, max_rows_per_get=None)
    call = calls.project_call(id_project, capabilities=able)
    info = yield from with_retry(call, connection, settings.retry)
    schema = contact_schema(info, id_project=id_project, capabilities=able)
    course = _Course(settings, connection, ContactList(id_project), schema, probe, able)
    course.check()
    course.key_member(info)
    return (yield from course.carried_out(confirm, Tally(progress, f"discover project {id_project}", len(Question))))


class _Course(Study):
    """All questions, in an order in which each finds what it needs."""

    def carried_out(self, confirm: Confirm, tally: Tally) -> Flow[Discovery]:
        """Go through all questions, then clean up."""
        stopped = ""
        yield from tally.begin()
        yield from self.choose_names()
        before = yield from self._everything()
        if not all(
            confirm(ThrowAway(self.target.id_project, self.probe.key_field, self.records[name], purpose))
            for name, purpose in (("1", "changed and read several times"), ("2", "to be told from the first"))
        ):
            self.trouble = "you refused to have a throw-away contact written"
        try:
            if not self.trouble:
                yield from self.create()
            yield from self._clauseless_get(before)
            for questions, step in self._steps():
                yield from self._attempt(questions, step)
                yield from tally.reach(len(self.found))
        except DISalesforceError as error:  # whatever it is, what was written is deleted
            stopped = str(error)
        leftovers = yield from self.clean_up()
        self.settle_words()
        if self.capabilities.max_rows_per_get is None:
            known = self.settings.capabilities.max_rows_per_get
            self.capabilities = attrs.evolve(self.capabilities, max_rows_per_get=known)
        yield from tally.finish()
        return Discovery(self.capabilities, self.found, leftovers, stopped)

    def _steps(self) -> Iterator[tuple[tuple[Question, ...], Flow[None]]]:
        needing: tuple[tuple[tuple[Question, ...], Flow[None]], ...] = (
            ((Question.CLAUSE_LISTS,), self._clause_lists()),
            ((Question.OPERATORS,), self._operators()),
            (tuple(question for question, _, _ in _RENDERED), self._renderings()),
            ((Question.NULLS,), self._nulls()),
            ((Question.NULL_IN_DATA,), self._clearing(Question.NULL_IN_DATA, null=True)),
            ((Question.BLANK_IN_DATA,), self._clearing(Question.BLANK_IN_DATA, null=False)),
            ((Question.UNKNOWN_FIELD,), self._unknown_field()),
            ((Question.INSERT_ONLY_HIT,), self._insert_only_hit()),
        )
        if self.trouble:
            for questions, _ in needing:
                for question in questions:
                    self.tell(question, "", f"not tried: {self.trouble}")
        else:
            yield from needing
        yield (Question.UPDATE_ONLY_MISS,), self._update_only_miss()
        yield (Question.MERGE_CEILING,), self._merge_ceiling()

    def _attempt(self, questions: Iterable[Question], step: Flow[None]) -> Flow[None]:
        told = len(self.found)
        try:
            yield from step
        except STOPPING:
            raise
        except DISalesforceError as error:
            answered = {found.question for found in self.found[told:]}
            for question in questions:
                if question not in answered:
                    self.tell(question, "", f"not found out: {error}")

    # reading --------------------------------------------------------------------------------------------------------
    def key_member(self, info: JsonObject) -> None:
        """Look for the member of the project's fields that marks the key."""
        listed: object = info.get("ProjectFields")
        fields = [field for field in listed if is_object(field)] if is_list(listed) else []
        names = {name for field in fields for name in field} - {"Code", "DataType", "isRequired", "Labels"}
        marks = [
            name
            for name in sorted(names)
            if all((field.get(name) is True) == (field.get("Code") == self.probe.key_field) for field in fields)
        ]
        if len(marks) == 1:
            self.learn(Question.KEY_MEMBER, marks[0], f"{marks[0]} is true for the key alone", key_member=marks[0])
        else:
            self.tell(Question.KEY_MEMBER, "", "no member of the project's fields marks the key alone")

    def _everything(self) -> Flow[list[Row] | ApiError]:
        try:
            return (yield from self.get())
        except STOPPING:
            raise
        except ApiError as error:
            return error

    def _clauseless_get(self, before: list[Row] | ApiError) -> Flow[None]:
        question = Question.CLAUSELESS_GET
        after = before if isinstance(before, ApiError) else (yield from self._everything())
        if isinstance(before, ApiError) or isinstance(after, ApiError):
            refused = not isinstance(after, UNCLEAR)
            sentence = f"a Get without a clause is refused: {after}" if refused else f"not found out: {after}"
            self.learn(question, "refused" if refused else "", sentence, clauseless_get=False)
            return
        grown, expected = len(after) - len(before), len(self.numbers)
        said = f"a Get without a clause gave {len(before)} rows, and {len(after)} after {expected} new ones"
        if not expected:
            self.tell(question, "", f"{said}; whether that is all cannot be told without writing")
        elif grown == expected and len(self.present(after)) == expected:
            sentence = (
                f"{said}: every row. Compare the number with the application's; a ceiling above it would not have shown"
            )
            self.learn(question, "every_row", sentence, clauseless_get=True)
        elif 0 <= grown < expected:
            known = {"clauseless_get": False, "max_rows_per_get": max(1, len(after))}
            self.learn(question, "cut", f"{said}: it is cut short there", **known)
        else:
            self.learn(question, "", f"{said}: somebody else is writing. Try again", clauseless_get=False)

    def _clause_lists(self) -> Flow[None]:
        question, first = Question.CLAUSE_LISTS, self.by_key(self.records["1"])
        try:
            both = yield from self.get(first, FieldClause(CONTACT_ID, self.numbers["1"]))
            neither = yield from self.get(first, FieldClause(CONTACT_ID, self.numbers["2"]))
        except ApiError as error:
            if not is_refusal(error):
                raise
            self.learn(question, "refused", f"a list of clauses is refused: {error}", clause_lists=False)
            return
        if self.present(both) == {"1"} and not neither:
            self.learn(question, "all_must_hold", "of a list of clauses all must hold", clause_lists=True)
        else:
            sentence = "a list of clauses is taken, but not so that all of them must hold"
            self.learn(question, "other", sentence, clause_lists=False)

    def _operators(self) -> Flow[None]:
        working: list[str] = []
        for operator, relation in self.probe.operators.items():
            if (yield from self._means(operator, relation)):
                working.append(operator)
        tried = set(self.probe.operators)
        sentence = f"besides Equal these work: {', '.join(working)}" if working else "of those tried only Equal works"
        operators = (self.capabilities.operators - tried) | set(working)
        self.learn(Question.OPERATORS, ", ".join(working), f"{sentence} ({len(tried)} tried)", operators=operators)

    def _means(self, operator: str, relation: Relation) -> Flow[bool]:
        """Tell whether an operator finds exactly those of our two contacts that it should."""
        for clause, expected in self._expected(operator, relation):
            try:
                rows = yield from self.get(clause)
            except STOPPING:
                raise
            except ApiError:
                return False  # refused, or it fails: not to be relied on
            if self.present(rows) != expected:
                return False
        return True

    def _expected(self, operator: str, relation: Relation) -> list[tuple[FieldClause, set[str]]]:
        if relation in _BY_NUMBER:
            ordered = dict(zip("12", sorted(self.numbers, key=self.numbers.__getitem__), strict=True))
            return [
                (
                    FieldClause(CONTACT_ID, self.numbers[ordered[asked]], operator),
                    {ordered[place] for place in expected},
                )
                for asked, expected in _BY_NUMBER[relation].items()
            ]
        own_end = self.records["1"].removeprefix(self.probe.label)
        inside = {"1"} if relation is Relation.CONTAINS else set[str]()
        return [
            (FieldClause(self.probe.key_field, f"{self.probe.label}-", operator), {"1", "2"}),
            (FieldClause(self.probe.key_field, own_end, operator), inside),
        ]

    # renderings -----------------------------------------------------------------------------------------------------
    def _renderings(self) -> Flow[None]:
        for question, types, value in _RENDERED:
            names = [name for type_ in types if (name := self.probe.field_for(type_, self.schema)) is not None]
            if not names:
                self.tell(question, "", "not tried: no field of the project is known to be of that type")
                continue
            told = yield from self.merge({self.probe.key_field: self.records["1"], names[0]: value}, _UPDATE)
            if told.updated:
                self.learn_words("updated", told)
            read = (yield from self.read("1")).get(names[0])
            if told.written and not is_blank(read):
                self.tell(question, _rendering(question, read, value), f"{value} in {names[0]} came back as {read!r}")
            else:
                self.tell(question, "", f"not found out: {value} was not stored in {names[0]} ({told.shown})")

    def _nulls(self) -> Flow[None]:
        blanks = [value for value in (yield from self.read("2")).values() if is_blank(value)]
        if not blanks:
            self.tell(Question.NULLS, "", "not found out: every field holds something")
        elif None in blanks:
            self.tell(Question.NULLS, "null", "what is missing comes as null")
        else:
            self.tell(Question.NULLS, "empty", "what is missing comes as an empty text")

    # writing --------------------------------------------------------------------------------------------------------
    def _text_field(self) -> str:
        name = self.probe.field_for(FieldType.TEXT, self.schema)
        if name is None:
            raise ConfigurationError("no field of the project is known to hold text; name one in Probe(fields=...)")
        return name

    def _clearing(self, question: Question, *, null: bool) -> Flow[None]:
        field, sent = self._text_field(), "null in Data" if null else "an empty text in Data"
        own = {self.probe.key_field: self.records["1"]}
        told = yield from self.merge({**own, field: "aa"}, _UPDATE)
        if told.updated:
            self.learn_words("updated", told)
        if (yield from self.read("1")).get(field) != "aa":
            raise ConfigurationError(f"a text was not stored in {field} ({told.shown})")
        try:
            told = yield from self.merge({**own, field: None}, _UPDATE, null_clears=null)
        except ApiError as error:
            if not is_refusal(error):
                raise
            answer, sentence = "refuse", f"{sent} refuses the call: {error}"
        else:
            if is_blank((yield from self.read("1")).get(field)):
                answer, sentence = "clear", f"{sent} clears a field"
            elif told.written:
                answer, sentence = "ignore", f"{sent} leaves a field as it is"
            else:
                answer, sentence = "refuse", f"{sent} refuses the record ({told.shown})"
        known = {"null_clears": answer == "clear"} if null else {}
        self.learn(question, answer, sentence, **known)

    def _unknown_field(self) -> Flow[None]:
        question, field = Question.UNKNOWN_FIELD, self._text_field()
        unknown = next(name for n in range(len(self.schema.names) + 1) if (name := f"zzUnknown{n}") not in self.schema)
        row = {self.probe.key_field: self.records["1"], field: "bb", unknown: "x"}
        try:
            told = yield from self.merge(row, _UPDATE)
        except ApiError as error:
            if not is_refusal(error):
                raise
            self.tell(question, "fail_call", f"a field that the project does not have fails the whole call: {error}")
            return
        if (yield from self.read("1")).get(field) == "bb":
            self.tell(question, "ignore", "a field that the project does not have is ignored, the others are stored")
        else:
            self.tell(question, "fail_record", f"a field that is not there fails its record ({told.shown})")

    def _insert_only_hit(self) -> Flow[None]:
        question, field = Question.INSERT_ONLY_HIT, self._text_field()
        yield from self._learn_another_refusal()
        row = self.whole(self.records["1"], **{field: "cc"})
        yield from self._left_alone(question, MergeStatus.EXISTS, row, _INSERT, "a known key, insert-only,")
        if (yield from self.read("1")).get(field) == "cc":
            self.tell(question, "changed", "a known key is changed although AllowUpdate was off")

    def _learn_another_refusal(self) -> Flow[None]:
        """Have a record refused for its value, so that its words are not taken for those of a known key."""
        name = next((name for type_ in _TYPED if (name := self.probe.field_for(type_, self.schema))), None)
        if name is not None:
            told = yield from self.merge({self.probe.key_field: self.records["1"], name: "word"}, _UPDATE)
            self.other_refusal = frozenset() if told.written else frozenset(told.words)

    def _update_only_miss(self) -> Flow[None]:
        question, value = Question.UPDATE_ONLY_MISS, self.name("none")
        row = {self.probe.key_field: value}
        yield from self._left_alone(question, MergeStatus.UNMATCHED, row, _UPDATE, "an unknown key, update-only,")
        if (yield from self.get(self.by_key(value))):
            self.written.append(value)
            self.tell(question, "created", "an unknown key is created although AllowInsert was off")

    def _left_alone(
        self, question: Question, status: MergeStatus, row: Row, options: MergeOptions, what: str
    ) -> Flow[None]:
        """Merge what must be left alone, and learn the words that say so."""
        try:
            told = yield from self.merge(row, options)
        except ApiError as error:
            if not is_refusal(error):
                raise
            self.tell(question, "fail_call", f"{what} fails the whole call: {error}")
            return
        self.tell(question, "left_alone", f"{what} is left alone ({told.shown})")
        telling = [text for text in told.words[1:] if text and text not in self.other_refusal]
        if told.result.status is MergeStatus.REFUSED and telling:
            own = re.escape(str(row[self.probe.key_field]))
            pattern = TextPattern(status.value, f"^{re.escape(telling[0]).replace(own, '.*')}$")
            patterns = (*self.capabilities.record_patterns, pattern)
            self.capabilities = attrs.evolve(self.capabilities, record_patterns=patterns)

    def _merge_ceiling(self) -> Flow[None]:
        most, question = self.probe.most_records, Question.MERGE_CEILING
        refused = yield from self._refused(most)
        if refused is None:
            sentence = f"a Merge takes {most} records, the most that were tried; none of them was written"
            self.learn(question, f"at least {most}", sentence, max_records_per_merge=most)
            return
        if most == 1 or (yield from self._refused(1)) is not None:
            self.tell(question, "", f"not found out: change-only merges are refused ({refused})")
            return
        taken, too_many = 1, most
        while too_many - taken > 1:
            middle = (taken + too_many) // 2
            if (yield from self._refused(middle)) is None:
                taken = middle
            else:
                too_many = middle
        sentence = f"a Merge takes {taken} records and refuses {too_many}: {refused}"
        self.learn(question, str(taken), sentence, max_records_per_merge=taken)

    def _refused(self, count: int) -> Flow[ApiError | None]:
        """Send a Merge that can write nothing: change only, and nobody is called so."""
        rows: list[Row] = [{self.probe.key_field: self.name(f"none-{number}")} for number in range(count)]
        prepared = prepare(self.target, rows, self.probe.key_field, _NOTHING, self.capabilities)
        sendable = [row for row in prepared if isinstance(row, Prepared)]
        try:
            yield from self.perform(merge_call(self.target, sendable, _NOTHING, capabilities=self.capabilities))
        except ApiError as error:
            if not is_refusal(error):
                raise
            return error
        return None


def _rendering(question: Question, read: Value, written: Value) -> str:
    if question is Question.BOOLEANS:
        return "json" if isinstance(read, bool) else "text" if isinstance(read, str) else "number"
    if question is Question.NUMBERS:
        return "text" if isinstance(read, str) else "number" if isinstance(read, (int, Decimal)) else ""
    patterns = (*_DAYS, *(day + clock for day in _DAYS for clock in _CLOCKS))
    moment = written if isinstance(written, datetime) else datetime.combine(_DAY, time())
    return next((pattern for pattern in patterns if moment.strftime(pattern) == read), "")
