"""The questions of `discover_table`: try with one row of a relational table what the documents do not say.

What may not go in here: contact lists (`_discovering.py`), what a finding looks like (`_discovery.py`).  The row is the
caller's, since nothing describes a relational table; the first field of its key holds a value that no row has, so that
one clause finds and deletes this row alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

import attrs

from di_salesforce._telling import Tally
from di_salesforce.dialog_insight import _calls as calls
from di_salesforce.dialog_insight._calls import FieldClause
from di_salesforce.dialog_insight._discovery import ConfirmRow, Discovery, Found, Question, ThrowAwayRow
from di_salesforce.dialog_insight._merge import MergeOptions
from di_salesforce.dialog_insight._names import RelationalTable, key_fields
from di_salesforce.dialog_insight._settings import Capabilities, Settings
from di_salesforce.dialog_insight._study import STOPPING, UNCLEAR, Told, is_refusal, merge_one
from di_salesforce.exceptions import ApiError, ConfigurationError, DISalesforceError, Problem, TransportError
from di_salesforce.protocols import Progress
from di_salesforce.records import Row, Value, is_blank
from di_salesforce.retry import with_retry
from di_salesforce.wire import Flow

__all__ = ["discover_table"]

_INSERT: Final = MergeOptions(allow_update=False)
_UPDATE: Final = MergeOptions(allow_insert=False)

_QUESTIONS: Final = (
    *(Question.CLAUSELESS_GET, Question.CLAUSE_LISTS, Question.NULL_IN_DATA, Question.BLANK_IN_DATA),
    Question.DELETING,
)


def discover_table(
    settings: Settings,
    connection: str,
    id_table: int,
    row: Row,
    *,
    key: str | Sequence[str],
    confirm: ConfirmRow,
    clean_up: bool = True,
    progress: Progress | None = None,
) -> Flow[Discovery]:
    """Find out with one throw-away row how a relational table is read, cleared and deleted from.

    Args:
        settings: of the client.
        connection: of the client.
        id_table: a table of a project for tests.
        row: the throw-away row.
        key: the field, or the fields, that name it; no row of the table has the first one's value.
        confirm: asked before the row is written.
        clean_up: delete the row in the end.
        progress: told how many questions have been gone into.

    Raises:
        ConfigurationError: the key is not whole, or its first value is in use; nothing was written.
        ApiError, TransportError: the table cannot be read; nothing was written.
    """
    names = key_fields(key)
    if lacking := [name for name in names if is_blank(row.get(name))]:
        raise ConfigurationError([Problem(f"row.{name}", "is part of the key: give a value") for name in lacking])
    target = RelationalTable(id_table)
    course = _TableCourse(settings, connection, target, names, row, settings.capabilities)
    if (yield from course.mine()):
        raise ConfigurationError(
            [Problem(f"row.{names[0]}", "a row has this value; choose one that no row has")], what=f"trying {target}"
        )
    tally = Tally(progress, f"discover {target}", len(_QUESTIONS))
    return (yield from course.carried_out(confirm, tally, clean_up=clean_up))


@attrs.define(eq=False)
class _TableCourse:
    settings: Settings
    connection: str
    target: RelationalTable
    names: tuple[str, ...]
    row: Row = attrs.field(repr=False)  # of the caller's
    able: Capabilities
    found: list[Found] = attrs.field(factory=list[Found])
    nulls: dict[str, str] = attrs.field(factory=dict[str, str])  # what null did, by field

    def carried_out(self, confirm: ConfirmRow, tally: Tally, *, clean_up: bool) -> Flow[Discovery]:
        stopped, there = "", False
        yield from tally.begin()
        before = yield from self._everything()
        named = ThrowAwayRow(self.target.id_table, {name: self.row[name] for name in self.names})
        agreed = confirm(named)
        try:
            trouble = (yield from self._create()) if agreed else "you refused to have the throw-away row written"
            there = agreed and not trouble
            yield from self._clauseless_get(before, there=there)
            for question, step in (
                (Question.CLAUSE_LISTS, self._clause_lists()),
                (Question.NULL_IN_DATA, self._clearing(Question.NULL_IN_DATA, null=True)),
                (Question.BLANK_IN_DATA, self._clearing(Question.BLANK_IN_DATA, null=False)),
            ):
                if there:
                    yield from self._attempt(question, step)
                else:
                    self._tell(question, "", f"not tried: {trouble}")
                yield from tally.reach(len(self.found))
        except DISalesforceError as error:  # whatever it is, what was written is deleted
            stopped = str(error)
        if agreed and clean_up:
            left = yield from self._still_there()
        else:
            left = agreed
            self._tell(Question.DELETING, "", "not tried")
        yield from tally.finish()
        return Discovery(self.able, self.found, [str(named)] if left else [], stopped)

    def _attempt(self, question: Question, step: Flow[None]) -> Flow[None]:
        try:
            yield from step
        except STOPPING:
            raise
        except DISalesforceError as error:
            self._tell(question, "", f"not found out: {error}")

    def _tell(self, question: Question, answer: str, sentence: str) -> None:
        self.found.append(Found(question, answer, sentence))

    def _deny(self, **denied: Any) -> None:  # fields of Capabilities
        """Take back what the client's capabilities claim and this table does not do."""
        self.able = attrs.evolve(self.able, **denied)

    # calls ----------------------------------------------------------------------------------------------------------
    def _get(self, *clauses: FieldClause) -> Flow[list[Row]]:
        able = attrs.evolve(self.able, clauseless_get=True, clause_lists=True, max_rows_per_get=None)
        call = calls.get_call(self.target, clauses, capabilities=able)
        return with_retry(call, self.connection, self.settings.retry)

    @property
    def _first(self) -> FieldClause:
        return FieldClause(self.names[0], self.row[self.names[0]])

    def mine(self) -> Flow[list[Row]]:
        """Read what has the first key field's value: the throw-away row, or nothing."""
        return self._get(self._first)

    def _held(self, name: str) -> Flow[Value]:
        """Read a field of the throw-away row."""
        rows = yield from self.mine()
        if len(rows) != 1:
            raise ConfigurationError(f"the throw-away row was found {len(rows)} times: somebody else is writing")
        return rows[0].get(name)

    def _merge(self, row: Row, options: MergeOptions, able: Capabilities) -> Flow[Told]:
        return merge_one(self.settings, self.connection, self.target, row, self.names, options, able)

    def _create(self) -> Flow[str]:
        """Write the row; give the reason where it is not there afterwards."""
        try:
            told = yield from self._merge(self.row, _INSERT, self.able)
            rows = yield from self.mine()
        except STOPPING:
            raise
        except DISalesforceError as error:
            return f"the throw-away row could not be written and read: {error}"
        return "" if len(rows) == 1 else f"the throw-away row was not found after it was written ({told.shown})"

    # questions ------------------------------------------------------------------------------------------------------
    def _everything(self) -> Flow[int | ApiError]:
        try:
            return len((yield from self._get()))
        except STOPPING:
            raise
        except ApiError as error:
            return error

    def _clauseless_get(self, before: int | ApiError, *, there: bool) -> Flow[None]:
        question = Question.CLAUSELESS_GET
        after = before if isinstance(before, ApiError) else (yield from self._everything())
        if isinstance(before, ApiError) or isinstance(after, ApiError):
            error = before if isinstance(before, ApiError) else after
            if isinstance(error, UNCLEAR):
                self._tell(question, "", f"not found out: {error}")
            else:
                self._tell(question, "refused", f"a Get without a clause is refused: {error}")
                self._deny(clauseless_get=False)
            return
        said = f"a Get without a clause gave {before} rows, and {after} {'with' if there else 'without'} the new one"
        if not there:
            self._tell(question, "", f"{said}; whether that is all cannot be told without writing")
        elif after == before + 1:
            self._tell(question, "every_row", f"{said}: every row, as far as that many rows can show")
        elif after == before:
            self._tell(question, "cut", f"{said}: it is cut short there")
            known = self.able.max_rows_per_get
            self._deny(clauseless_get=False, max_rows_per_get=max(1, after if known is None else min(known, after)))
        else:
            self._tell(question, "", f"{said}: somebody else is writing. Try again")
            self._deny(clauseless_get=False)

    def _clause_lists(self) -> Flow[None]:
        question, other = Question.CLAUSE_LISTS, _another(self._first.value)
        if other is None:
            self._tell(question, "", f"not tried: no other value is known that {self.names[0]} could have")
            return
        fitting = [FieldClause(name, self.row[name]) for name in (*self.names, self.names[0])]
        opposed = FieldClause(self.names[0], other)
        try:
            ours = yield from self._get(*fitting)
            neither = yield from self._get(self._first, opposed)
            neither += yield from self._get(opposed, self._first)
        except ApiError as error:
            if not is_refusal(error):
                raise
            self._tell(question, "refused", f"a list of clauses is refused: {error}")
            self._deny(clause_lists=False)
            return
        if len(ours) == 1 and not neither:
            self._tell(question, "all_must_hold", "of a list of clauses all must hold")
        else:
            self._tell(question, "other", "a list of clauses is taken, but not so that all of them must hold")
            self._deny(clause_lists=False)

    def _clearing(self, question: Question, *, null: bool) -> Flow[None]:
        """Clear one field after the other; what null did is held against what the empty text does."""
        sent, told = ("null", self.nulls) if null else ("an empty text", dict[str, str]())
        for name, value in self.row.items():
            if name not in self.names and not is_blank(value):
                told[name] = yield from self._cleared(name, value, null=null)
        answers = set(told.values()) - {""}
        if not told:
            self._tell(question, "", "not tried: the row has no filled field besides its key")
        else:
            shown = ", ".join(f"{name}: {answer or 'not found out'}" for name, answer in told.items())
            self._tell(question, "differs" if len(answers) > 1 else "".join(answers), f"{sent} sent to {shown}")
        if not null and any(
            answer == "ignore" or (answer == "refuse" and told.get(name) == "clear")  # else no blank is taken there
            for name, answer in self.nulls.items()
        ):
            self._deny(null_clears=False)

    def _cleared(self, name: str, value: Value, *, null: bool) -> Flow[str]:
        able = attrs.evolve(self.able, null_clears=null)
        own: Row = {each: self.row[each] for each in self.names}
        if is_blank((yield from self._held(name))):
            yield from self._merge({**own, name: value}, _UPDATE, able)  # cleared by an earlier question
            if is_blank((yield from self._held(name))):
                return ""
        try:
            told = yield from self._merge({**own, name: None}, _UPDATE, able)
        except ApiError as error:
            if not is_refusal(error):
                raise
            return "refuse"
        if is_blank((yield from self._held(name))):
            return "clear"
        return "ignore" if told.written else "refuse"

    # cleaning up ----------------------------------------------------------------------------------------------------
    def _still_there(self) -> Flow[bool]:
        """Delete the row, once more where that failed: no other row has its value."""
        able = attrs.evolve(self.able, delete=True)
        asked, failure = False, None
        for turn in range(3):  # the answer to the first delete may be lost; the last turn only looks
            try:
                if not (yield from self.mine()):
                    said = ("works", "the throw-away row was deleted") if asked else ("", "not tried: no row is there")
                    self._tell(Question.DELETING, *said)
                    return False
                if turn < 2:
                    asked = True
                    call = calls.delete_call(self.target, self._first, 1, capabilities=able)
                    yield from with_retry(call, self.connection, self.settings.retry)
            except DISalesforceError as error:
                failure = error
        if isinstance(failure, TransportError):
            self._tell(Question.DELETING, "", f"not found out: {failure}")
        else:
            self._tell(Question.DELETING, "refused", f"deleting did not work: {failure or 'no effect'}")
        return True


def _another(value: Value) -> Value:
    """Give a value of the same type that is not this one; None: none is known."""
    if isinstance(value, str):
        return value[:-1] + ("y" if value.endswith("x") else "x")
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return value + 1
    return value + timedelta(days=1) if isinstance(value, date) else None
