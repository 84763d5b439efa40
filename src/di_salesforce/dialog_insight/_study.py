"""A study of a test project: what is known so far, the throw-away records, and the calls that every step uses.

What may not go in here: the questions themselves (`_discovering.py`).  A record is written only after it was named to
the caller, and every record that may have been written is deleted in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, TypeVar

import attrs

from di_salesforce.dialog_insight import _calls as calls
from di_salesforce.dialog_insight._calls import FieldClause
from di_salesforce.dialog_insight._discovery import Found, Probe, Question
from di_salesforce.dialog_insight._errors import open_envelope
from di_salesforce.dialog_insight._merge import MergeOptions, MergeResult, merge_call, prepare
from di_salesforce.dialog_insight._names import CONTACT_ID, ContactList, Target
from di_salesforce.dialog_insight._settings import Capabilities, Settings
from di_salesforce.dialog_insight._values import is_list, is_object
from di_salesforce.exceptions import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    DISalesforceError,
    Problem,
    RateLimitError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
)
from di_salesforce.records import Row, Value
from di_salesforce.retry import with_retry
from di_salesforce.schema import FieldType, TableSchema
from di_salesforce.wire import Call, Flow, HttpResponse

__all__ = ["STOPPING", "UNCLEAR", "Study", "Told", "is_refusal", "merge_one"]

T = TypeVar("T")

STOPPING: Final = (AuthenticationError, RateLimitError, TransportError)
"""What every further step would meet as well."""

UNCLEAR: Final = (ServerError, UnexpectedResponseError)
"""What is no answer to a question."""

_FRESH_NAMES: Final = 50  # as many leftovers of former times are passed over
_NOBODY: Final = "@di-salesforce.invalid"  # `.invalid` is reserved for addresses that reach nobody


def is_refusal(error: ApiError) -> bool:
    """Tell whether the service said no to this very call, which is an answer."""
    return not isinstance(error, (*STOPPING, *UNCLEAR))


@attrs.frozen
class Told:
    """What a Merge of one record told: our judgement, the counters, the words: status, validation, message."""

    result: MergeResult
    words: tuple[str, str, str]
    created: bool
    updated: bool

    @property
    def written(self) -> bool:
        """Tell whether the record was stored, by our judgement or by the counters alone."""
        return self.result.written or self.created or self.updated

    @property
    def shown(self) -> str:
        """The server's words as one text."""
        return ", ".join(filter(None, self.words)) or "without a word"


@attrs.define(eq=False)
class Study:
    """The state of one `discover`: `records` and `numbers` name the two throw-away contacts, "1" and "2"."""

    settings: Settings
    connection: str
    target: ContactList
    schema: TableSchema
    probe: Probe
    capabilities: Capabilities
    found: list[Found] = attrs.field(factory=list[Found])
    records: dict[str, str] = attrs.field(factory=dict[str, str])  # their keys
    numbers: dict[str, int] = attrs.field(factory=dict[str, int])  # their idContact, once they are written
    written: list[str] = attrs.field(factory=list[str])  # keys of contacts that may exist because of us
    trouble: str = ""  # why the throw-away contacts could not be written
    unwritten_words: set[str] = attrs.field(factory=set[str])  # statuses of records that were not stored
    other_refusal: frozenset[str] = frozenset()  # the words of a record that was refused for its value

    # telling --------------------------------------------------------------------------------------------------------
    def tell(self, question: Question, answer: str, sentence: str) -> None:
        """Note a finding, in place of an earlier one on the same question."""
        self.found = [found for found in self.found if found.question is not question]
        self.found.append(Found(question, answer, sentence))

    def learn(self, question: Question, answer: str, sentence: str, **known: Any) -> None:  # fields of Capabilities
        """Note a finding, and what it says of the capabilities."""
        self.tell(question, answer, sentence)
        self.capabilities = attrs.evolve(self.capabilities, **known)

    def learn_words(self, what: str, told: Told) -> None:
        """Take the words of a record that the counters prove to be stored for words of success."""
        status, validation, _ = (word.casefold() for word in told.words)
        able = self.capabilities
        known = {what: getattr(able, what) | ({status} - {""}), "valid": able.valid | ({validation} - {""})}
        self.capabilities = attrs.evolve(able, **known)

    # before anything is written -------------------------------------------------------------------------------------
    def check(self) -> None:
        """Compare the probe with the project.

        Raises:
            ConfigurationError: fields that there are not, or values that the project requires.
        """
        given = {self.probe.key_field, "EMail", *self.probe.values}
        problems = [
            Problem(f"probe.values.{field.name}", "is required by the project: give a value for it")
            for field in self.schema
            if field.required and field.name not in given
        ]
        problems += [
            Problem(f"probe.{name}", "the project has no such field")
            for name in (self.probe.key_field, *self.probe.values, *self.probe.fields.values())
            if name not in self.schema
        ]
        if problems:
            raise ConfigurationError(problems, what=f"discovering on project {self.target.id_project}")

    def name(self, number: int | str) -> str:
        """Give the key of a throw-away contact."""
        text = f"{self.probe.label}-{number:02}" if isinstance(number, int) else f"{self.probe.label}-{number}"
        addressed = self.probe.key_field == "EMail" or self.schema[self.probe.key_field].type is FieldType.EMAIL
        return text + _NOBODY if addressed else text

    def choose_names(self) -> Flow[None]:
        """Find two names that no contact has."""
        fresh: list[str] = []
        for number in range(1, _FRESH_NAMES + 1):
            value = self.name(number)
            if not (yield from self.get(self.by_key(value))):
                fresh.append(value)
            if len(fresh) == 2:  # the two that tell each other apart
                self.records = {"1": fresh[0], "2": fresh[1]}
                return
        raise ConfigurationError(
            f"contacts called {self.name(1)} and on are left from former times in project {self.target.id_project}: "
            f"delete them in the application, or choose another Probe(label=...)"
        )

    # calls ----------------------------------------------------------------------------------------------------------
    def perform(self, call: Call[T]) -> Flow[T]:
        """Carry out a call with the client's retries."""
        return with_retry(call, self.connection, self.settings.retry)

    def get(self, *clauses: FieldClause) -> Flow[list[Row]]:
        """Read, whatever the capabilities claim so far."""
        able = attrs.evolve(
            self.capabilities,
            clauseless_get=True,
            clause_lists=True,
            max_rows_per_get=None,  # a ceiling that was found turns answers that are wanted here into errors
            operators=self.capabilities.operators | {clause.operator for clause in clauses},
        )
        return (yield from self.perform(calls.get_call(self.target, clauses, capabilities=able)))

    def by_key(self, value: str) -> FieldClause:
        """Give the clause that finds a contact by its key."""
        return FieldClause(self.probe.key_field, value)

    def read(self, name: str) -> Flow[Row]:
        """Read one of the throw-away contacts."""
        rows = yield from self.get(FieldClause(CONTACT_ID, self.numbers[name]))
        if len(rows) != 1:
            raise ConfigurationError(f"the throw-away contact {self.records[name]} was not found by its {CONTACT_ID}")
        return rows[0]

    def present(self, rows: Iterable[Row]) -> set[str]:
        """Name the throw-away contacts that are among rows."""
        numbers = {row.get(CONTACT_ID) for row in rows}
        return {name for name, number in self.numbers.items() if number in numbers}

    def whole(self, value: str, **values: Value) -> Row:
        """Give the row of a new contact: its key, an address, what the project requires."""
        row: dict[str, Value] = {"EMail": value if "@" in value else value + _NOBODY} if "EMail" in self.schema else {}
        return {**row, **self.probe.values, self.probe.key_field: value, **values}

    def merge(self, row: Row, options: MergeOptions, *, null_clears: bool = False) -> Flow[Told]:
        """Merge one record, and keep all that is told about it."""
        able = attrs.evolve(self.capabilities, null_clears=null_clears)
        key = self.probe.key_field
        told = yield from merge_one(self.settings, self.connection, self.target, row, key, options, able)
        if not told.written:
            self.unwritten_words.add(told.words[0].casefold())
        return told

    # writing and cleaning up ----------------------------------------------------------------------------------------
    def create(self) -> Flow[None]:
        """Write the two throw-away contacts, and learn their numbers."""
        for name, value in self.records.items():
            self.written.append(value)  # before it is sent: a lost answer leaves it in doubt
            try:
                told = yield from self.merge(self.whole(value), MergeOptions())
                rows = yield from self.get(self.by_key(value))
            except STOPPING:
                raise
            except DISalesforceError as error:
                self.trouble = f"a throw-away contact could not be written and read: {error}"
                return
            number = rows[0].get(CONTACT_ID) if len(rows) == 1 else None
            if not isinstance(number, int):
                self.trouble = f"the throw-away contact {value} was not found after it was written ({told.shown})"
                return
            self.numbers[name] = number
            if told.created:
                self.learn_words("created", told)

    def settle_words(self) -> None:
        """Forget words of success that were also said of a record that was not stored: they prove nothing."""
        for what in ("created", "updated"):
            before: frozenset[str] = getattr(self.settings.capabilities, what)
            learned: frozenset[str] = getattr(self.capabilities, what)
            known: dict[str, Any] = {what: before | (learned - self.unwritten_words)}  # fields of Capabilities
            self.capabilities = attrs.evolve(self.capabilities, **known)

    def clean_up(self) -> Flow[list[str]]:
        """Delete what was written, and name what is still there."""
        if not (self.probe.clean_up and self.written):
            self.tell(Question.DELETING, "", "not tried")
            return list(self.written)
        failures: dict[str, DISalesforceError | None] = {}
        for value in self.written:
            left = yield from self._still_there(value)
            if left is not False:
                left = yield from self._still_there(value)  # once more: nobody else's contact is called so
            if left is not False:
                failures[value] = left
        errors = [error for error in failures.values() if error is not None]
        if not failures:
            self.tell(Question.DELETING, "works", "the throw-away contacts were deleted")
        elif any(isinstance(error, TransportError) for error in errors):
            self.tell(Question.DELETING, "", f"not found out: {errors[0]}")
        else:
            self.tell(Question.DELETING, "refused", f"deleting did not work: {errors[0] if errors else 'no effect'}")
        return list(failures)

    def _still_there(self, value: str) -> Flow[DISalesforceError | Literal[False] | None]:
        """Delete a contact; False: it is gone, None: it is there all the same, an error: nobody knows."""
        able = attrs.evolve(self.capabilities, delete=True)
        try:
            yield from self.perform(calls.delete_call(self.target, self.by_key(value), 1, capabilities=able))
            return None if (yield from self.get(self.by_key(value))) else False
        except DISalesforceError as error:
            return error


def merge_one(
    settings: Settings,
    connection: str,
    target: Target,
    row: Row,
    key: str | Sequence[str],
    options: MergeOptions,
    capabilities: Capabilities,
) -> Flow[Told]:
    """Merge one record, and keep all that is told about it."""
    [prepared] = prepare(target, [row], key, options, capabilities)
    if isinstance(prepared, MergeResult):
        raise ConfigurationError(f"the values of the throw-away record cannot be sent: {prepared.message}")
    call = merge_call(target, [prepared], options, capabilities=capabilities)
    told = Call(call.request, lambda answer: _told(call, answer, capabilities))
    return (yield from with_retry(told, connection, settings.retry))


def _told(call: Call[list[MergeResult]], response: HttpResponse, capabilities: Capabilities) -> Told:
    """Read the answer to a Merge of one record twice: as the client judges it, and as it stands."""
    [result] = call.decode(response)
    members = open_envelope(response, capabilities, call.request.shown)
    answers: object = members.get("Records")
    answer: object = answers[0] if is_list(answers) and answers else None
    words = [answer.get(name) if is_object(answer) else None for name in ("Status", "ValidationResult", "Message")]
    status, validation, message = ("" if word is None else str(word) for word in words)
    created, updated = (str(members.get(name)) == "1" for name in ("CreatedRecords", "UpdatedRecords"))
    return Told(result, (status, validation, message), created, updated)
