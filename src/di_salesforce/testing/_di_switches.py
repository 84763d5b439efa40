"""Every open question about Dialog Insight as a named switch with its answers, and every invented text.

What may not go in here: behaviour (the other rooms of the simulator read these values), and facts: what public material
shows is built in, only what it leaves open stands here.  The evidence tags are those of the project's fact sheet:
[seen] shown by a public source, [inferred] deduced from one, [unknown] nowhere to be found.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, get_args, get_origin, get_type_hints

import attrs

from di_salesforce.exceptions import ConfigurationError, Problem

__all__ = [
    "CALL_ERRORS",
    "RECORD_RESULTS",
    "CallCause",
    "CallError",
    "RecordCause",
    "RecordResult",
    "Switches",
]


class CallCause(enum.StrEnum):
    """Why a whole call is refused (`Success: false`)."""

    BAD_JSON = "bad_json"
    MISSING_KEY = "missing_key"
    BAD_KEY = "bad_key"
    INACTIVE_KEY = "inactive_key"
    EXPIRED_KEY = "expired_key"
    FOREIGN_IP = "foreign_ip"
    NO_RIGHT = "no_right"
    QUOTA = "quota"
    UNKNOWN_METHOD = "unknown_method"
    BAD_PARAMETER = "bad_parameter"
    UNKNOWN_PROJECT = "unknown_project"
    UNKNOWN_TABLE = "unknown_table"
    UNKNOWN_FIELD = "unknown_field"
    BAD_CLAUSE = "bad_clause"
    CLAUSE_REQUIRED = "clause_required"
    TOO_MANY_RECORDS = "too_many_records"
    TOO_MANY_ROWS = "too_many_rows"
    DUPLICATES = "duplicates"


class RecordCause(enum.StrEnum):
    """What became of one record of a Merge."""

    CREATED = "created"
    UPDATED = "updated"
    KNOWN_SKIPPED = "known_skipped"
    KNOWN_REFUSED = "known_refused"
    UNMATCHED_SKIPPED = "unmatched_skipped"
    UNMATCHED_REFUSED = "unmatched_refused"
    DUPLICATE_SKIPPED = "duplicate_skipped"
    DUPLICATE_REFUSED = "duplicate_refused"
    KEY_INCOMPLETE = "key_incomplete"
    KEY_TAKEN = "key_taken"
    KEY_FIXED = "key_fixed"
    REQUIRED = "required"
    BAD_VALUE = "bad_value"
    TOO_LONG = "too_long"
    UNKNOWN_FIELD = "unknown_field"
    ORPHAN = "orphan"


@attrs.frozen
class CallError:
    """The `ErrorCode` and `ErrorMessage` of a refused call.

    All of them are invented: no real value is public [unknown]; that the code is a text is [seen] in a vendor's SDK.
    """

    code: str
    message: str | None


@attrs.frozen
class RecordResult:
    """The `Status` and `ValidationResult` of one record, and a fixed `Message` in place of the one that is composed.

    `Updated`, `OK` and a null message on success are [seen], `Created` is [inferred], all the rest is invented.
    """

    status: str
    validation: str
    message: str | None = None


CALL_ERRORS: Final[Mapping[CallCause, CallError]] = MappingProxyType(
    {
        CallCause.BAD_JSON: CallError("InvalidJson", "The request body is not a JSON object."),
        CallCause.MISSING_KEY: CallError("AuthKeyMissing", "The AuthKey is missing or incomplete."),
        CallCause.BAD_KEY: CallError("AuthKeyInvalid", "The AuthKey is not valid."),
        CallCause.INACTIVE_KEY: CallError("AuthKeyInactive", "The AuthKey is not active."),
        CallCause.EXPIRED_KEY: CallError("AuthKeyExpired", "The AuthKey has expired."),
        CallCause.FOREIGN_IP: CallError("IPAddressRefused", "The AuthKey may not be used from this address."),
        CallCause.NO_RIGHT: CallError("PermissionDenied", "The AuthKey has no right to this operation."),
        CallCause.QUOTA: CallError("QuotaExceeded", "The number of permitted calls is used up."),
        CallCause.UNKNOWN_METHOD: CallError("UnknownMethod", "The service has no such method."),
        CallCause.BAD_PARAMETER: CallError("InvalidParameter", "A parameter is missing or not valid."),
        CallCause.UNKNOWN_PROJECT: CallError("UnknownProject", "There is no such project."),
        CallCause.UNKNOWN_TABLE: CallError("UnknownTable", "There is no such relational table."),
        CallCause.UNKNOWN_FIELD: CallError("UnknownField", "There is no such field."),
        CallCause.BAD_CLAUSE: CallError("InvalidClause", "The clause is not valid."),
        CallCause.CLAUSE_REQUIRED: CallError("ClauseRequired", "A clause is required."),
        CallCause.TOO_MANY_RECORDS: CallError("TooManyRecords", "There are too many records in one call."),
        CallCause.TOO_MANY_ROWS: CallError("TooManyRows", "More rows match than are allowed."),
        CallCause.DUPLICATES: CallError("DuplicateRecords", "A key occurs more than once in the call."),
    }
)

RECORD_RESULTS: Final[Mapping[RecordCause, RecordResult]] = MappingProxyType(
    {
        RecordCause.CREATED: RecordResult("Created", "OK"),
        RecordCause.UPDATED: RecordResult("Updated", "OK"),
        RecordCause.KNOWN_SKIPPED: RecordResult("Skipped", "OK"),
        RecordCause.KNOWN_REFUSED: RecordResult("Error", "AlreadyExists"),
        RecordCause.UNMATCHED_SKIPPED: RecordResult("Skipped", "OK"),
        RecordCause.UNMATCHED_REFUSED: RecordResult("Error", "NotFound"),
        RecordCause.DUPLICATE_SKIPPED: RecordResult("Skipped", "OK"),
        RecordCause.DUPLICATE_REFUSED: RecordResult("Error", "Duplicate"),
        RecordCause.KEY_INCOMPLETE: RecordResult("Error", "InvalidKey"),
        RecordCause.KEY_TAKEN: RecordResult("Error", "Duplicate"),
        RecordCause.KEY_FIXED: RecordResult("Error", "KeyIsFixed"),
        RecordCause.REQUIRED: RecordResult("Error", "RequiredFieldMissing"),
        RecordCause.BAD_VALUE: RecordResult("Error", "InvalidValue"),
        RecordCause.TOO_LONG: RecordResult("Error", "ValueTooLong"),
        RecordCause.UNKNOWN_FIELD: RecordResult("Error", "UnknownField"),
        RecordCause.ORPHAN: RecordResult("Error", "ForeignKeyNotFound"),
    }
)


@attrs.frozen(kw_only=True)
class Switches:
    """How the simulator answers where nobody outside knows; the defaults are the answers that a client must stand.

    Use `attrs.evolve(Switches(), name=answer)` or `Switches(name=answer)`, and test your client with both answers of
    every switch that it depends on.

    Raises:
        ConfigurationError: an answer that its switch does not have, or a limit below one.
    """

    # reading --------------------------------------------------------------------------------------------------------
    clauseless_get: Literal["allow", "refuse"] = "allow"
    """Whether a Get without `Clause` reads every row. [unknown], fact sheet 3.1 and 4.4"""
    clause_list: Literal["accept", "refuse"] = "accept"
    """Whether `Clause` may be a list, read as AND. One client sends one for a table [seen]; by luck or not [unknown]"""
    clause_type_first: Literal["demand", "ignore"] = "demand"
    """Whether `$type` must be the first member of a clause. [inferred] from the habits of the .NET reader"""
    operators: Literal["equal_only", "also_guessed"] = "equal_only"
    """`Equal` is the only operator [seen]; all other names are [unknown], those of `GUESSED_OPERATORS` invented."""
    unknown_clause_field: Literal["refuse", "no_rows"] = "refuse"
    """Whether a clause about a field that does not exist is refused, or finds nothing. [unknown]"""
    null_comparison: Literal["matches_null", "matches_nothing"] = "matches_nothing"
    """Whether `Equal` with null finds rows without a value. [unknown]; SQL's own rule is the default"""
    clause_value_case_sensitive: bool = False
    """Whether text in a clause is compared by case. [unknown]; SQL Server usually does not [inferred]"""
    max_rows_on_get: Literal["honour", "ignore"] = "honour"
    """Whether Get obeys `MaxRows`, which is [seen] on Delete only. [inferred]"""
    max_rows_per_get: int | None = None
    """The server's own ceiling of rows per Get; None: no ceiling. [unknown]"""
    past_max_rows_per_get: Literal["cut", "refuse"] = "cut"
    """Whether the ceiling cuts the answer silently or refuses the call. [unknown]"""
    row_order: Literal["by_number", "shuffled"] = "by_number"
    """The order of the rows of a Get; no sorting is documented. [unknown]"""
    inactive_contacts: Literal["shown", "hidden"] = "shown"
    """Whether Get shows contacts that a replacing import deactivated. That it deactivates is [seen], this [unknown]"""
    optin_dates_in_answers: Literal["present", "absent"] = "present"
    """Whether answers hold `dtOptin_` members; only `f_` and `optin_` are [seen]. [unknown]"""

    # rendering ------------------------------------------------------------------------------------------------------
    boolean_rendering: Literal["json", "number", "text"] = "json"
    """Booleans and opt-ins in answers: true/false, 1/0, or "1"/"0". [unknown], fact sheet 6"""
    number_rendering: Literal["number", "text"] = "number"
    """Numbers in rows of answers as JSON numbers or as text. [unknown]"""
    date_rendering: Literal["dots", "iso", "iso_t"] = "dots"
    """Dates in answers: 2025.03.04 10:20:30, 2025-03-04 10:20:30, 2025-03-04T10:20:30. [unknown]; dots are DI's"""
    null_rendering: Literal["null", "empty"] = "null"
    """A missing value in answers: null or the empty string. [unknown]"""
    system_columns: Literal["absent", "present"] = "absent"
    """Whether rows of contacts hold columns of the system, too; one client hints at some. [unknown], fact sheet 3.1"""
    body_layout: Literal["compact", "indented"] = "compact"
    """Answers in one line, or indented with CRLF as [seen] in 2014; today [unknown]."""
    byte_order_mark: Literal["absent", "present"] = "absent"
    """Whether answers begin with a byte-order mark, as webhooks do [seen]; for answers [unknown], fact sheet 1.2"""
    compression: Literal["none", "gzip"] = "none"
    """Whether answers are compressed for who takes gzip. Small ones were not [seen]; large ones [unknown]"""
    keep_alive: Literal["kept", "closed"] = "kept"
    """Whether a connection serves a second call. [unknown], fact sheet 1.2"""
    trace: Literal["present", "absent"] = "present"
    """Whether the envelope holds `Trace`; always in 2014 [seen], today [unknown]."""
    relational_id_record: Literal["number", "null"] = "number"
    """`IdRecord` of a relational row: an internal number, or null. [unknown]"""
    key_member: str = ""
    """The member that marks the key in `ProjectFields`; empty: none does. Its name is [unknown]"""
    length_member: str = ""
    """The member that gives the length in `ProjectFields`; empty: none does. Its name is [unknown]"""

    # writing --------------------------------------------------------------------------------------------------------
    max_records_per_merge: int | None = 1000
    """The most records of one Merge; None: no limit. [unknown]; 1,000 is the fact sheet's proposal"""
    max_body_bytes: int | None = None
    """The largest body, in bytes; None: no limit. Above it the answer is HTTP 413. [unknown]"""
    unknown_field: Literal["ignore", "fail_record", "fail_call"] = "fail_record"
    """What a member of `Data` that names no field does. [unknown], fact sheet 11, E17"""
    codes_case_sensitive: bool = True
    """Whether field codes are compared by case; DI's own example mixes cases. [unknown], fact sheet 3.4"""
    members_case_sensitive: bool = True
    """Whether request members are; clients differ in casing, so binding may be lax [inferred]. AuthKey always is."""
    over_length: Literal["refuse", "truncate"] = "refuse"
    """Whether a text longer than its field is refused or cut silently. [unknown], fact sheet 6"""
    null_in_data: Literal["clear", "ignore", "refuse"] = "clear"
    """What null in `Data` does. [unknown]; clearing is the fact sheet's proposal"""
    blank_text: Literal["keep", "null"] = "keep"
    """Whether a text set to "" stays one or becomes null. That it overwrites is [inferred], the rest [unknown]"""
    email_syntax: Literal["check", "ignore"] = "check"
    """Whether a text that is no e-mail address is refused in an e-mail field. [unknown]"""
    email_lower_casing: Literal["keep", "lower"] = "keep"
    """Whether the server stores e-mail addresses in lower case. [unknown], fact sheet 6"""
    unknown_choice: Literal["refuse", "accept"] = "refuse"
    """Whether a choice outside the declared options is refused. [unknown]"""
    date_with_t: Literal["refuse", "accept"] = "refuse"
    """Whether a date-time with T between date and time is read. [unknown]; blanks with dots or dashes are [seen]"""
    decimal_comma: Literal["refuse", "accept"] = "refuse"
    """Whether a decimal in text may have a comma. [unknown], fact sheet 6"""
    orphan_foreign_key: Literal["refuse", "accept"] = "refuse"
    """A foreign key that names no contact. [unknown]; one client gives up without a contact [seen]"""
    optin_date_on_change: Literal["leave", "set"] = "leave"
    """Whether a changed opt-in without its date is dated by the server. [unknown]"""

    # matching -------------------------------------------------------------------------------------------------------
    email_key_case_sensitive: bool = False
    """Whether two e-mail keys that differ by case are two contacts. [unknown]"""
    text_key_case_sensitive: bool = False
    """The same for keys of other text types. [unknown]; SQL Server usually does not [inferred]"""
    key_change_through_data: Literal["allow", "refuse", "ignore"] = "allow"
    """What a key value in `Data` other than the record's own does. [unknown]; the Trace counts changed addresses"""
    insert_only_hit: Literal["skip", "refuse"] = "skip"
    """A known key without `AllowUpdate`: skipped, or an error of the record. [unknown], fact sheet 3.2"""
    update_only_miss: Literal["skip", "refuse"] = "refuse"
    """An unknown key without `AllowInsert` or `SkipUnmatchedRecords`: skipped, or an error of the record. [unknown]"""
    merge_answer_order: Literal["as_sent", "shuffled"] = "as_sent"
    """Whether the items of a Merge's answer stand in the order of its records. [inferred], fact sheet 3.2"""
    duplicate_in_call: Literal["first_wins", "apply_each", "fail_call"] = "first_wins"
    """A key twice in one Merge without `SkipDuplicateRecords`. [unknown]; the first wins in imports [seen]"""

    # importing ------------------------------------------------------------------------------------------------------
    import_blank: Literal["clear", "keep"] = "clear"
    """What a blank cell of an imported file does to a field. For opt-ins it is no status [seen], else [unknown]"""

    # deleting -------------------------------------------------------------------------------------------------------
    clauseless_delete: Literal["refuse", "allow"] = "refuse"
    """Whether a Delete without `Clause` deletes every row. [unknown]"""
    delete_without_max_rows: Literal["allow", "refuse"] = "allow"
    """Whether Delete needs `MaxRows`. [unknown]"""
    delete_past_max_rows: Literal["refuse", "stop"] = "refuse"
    """More rows than `MaxRows` match: delete none, or stop there. [unknown], fact sheet 3.3"""

    # webhooks -------------------------------------------------------------------------------------------------------
    webhooks_of_api_writes: Literal["sent", "none"] = "sent"
    """Whether a Merge is told to webhooks as an edit in the application is. [unknown]; imports are not told [seen]"""
    webhook_optin_change: Literal["also_modified", "alone"] = "also_modified"
    """Whether a changed opt-in is told as `contact_modified` too. [unknown]"""
    webhook_body: Literal["one_event", "all_events"] = "one_event"
    """Whether the events of one change come in a body each. The array is [seen], more than one item in it [unknown]"""
    webhook_type_member: Literal["type", "Type"] = "type"
    """How the type is spelt: a receiver reads one, the vendor's article the other, both [seen]"""
    webhook_byte_order_mark: Literal["present", "absent"] = "present"
    """Whether a body begins with a byte-order mark. A receiver removes one [seen]; always there [unknown]"""
    webhook_delivery: Literal["once", "twice"] = "once"
    """Whether each body comes again. That a slow receiver gets it again is [seen], when and how often [unknown]"""
    webhook_order: Literal["as_happened", "newest_first"] = "as_happened"
    """Whether bodies come in the order of events; newest first they wait for `webhooks.flush()`. [unknown]"""

    webhook_on_failure: Literal["retry", "give_up"] = "retry"
    """Whether a body that is not confirmed comes again, twice more here. That it does is [seen], how often [unknown]"""
    webhook_after_failures: Literal["stays_on", "switched_off"] = "stays_on"
    """Whether an address that fails three bodies running is told no more. It may be [seen]; when is [unknown]"""

    # the call -------------------------------------------------------------------------------------------------------
    id_project_on_relational: Literal["error", "ignore"] = "error"
    """`idProject` in a call to a relational table. [unknown]; a client takes care to leave it out [seen]"""
    error_http_status: Literal[200, 400] = 200
    """The HTTP status of a refused call. [unknown]; clients are written for 200 [seen]"""
    quota_status: Literal[200, 429] = 200
    """The HTTP status of a call past the quota; 429 brings a `Retry-After`. [unknown], fact sheet 1.5"""
    call_errors: Mapping[CallCause, CallError] = attrs.field(factory=dict[CallCause, CallError])
    """Codes and texts in place of the invented `CALL_ERRORS`. [unknown]"""
    record_results: Mapping[RecordCause, RecordResult] = attrs.field(factory=dict[RecordCause, RecordResult])
    """Statuses and texts in place of the mostly invented `RECORD_RESULTS`. [unknown]"""

    def __attrs_post_init__(self) -> None:
        problems = [
            Problem(name, f"has no answer {value!r}; its answers: {', '.join(map(repr, answers))}", "switch.answer")
            for name, answers in self.answers().items()
            if (value := getattr(self, name)) not in answers
        ]
        for name in ("max_rows_per_get", "max_records_per_merge", "max_body_bytes"):
            limit: int | None = getattr(self, name)
            if limit is not None and limit < 1:
                problems.append(Problem(name, "must be at least 1, or None for no limit", "switch.limit"))
        if problems:
            raise ConfigurationError(problems, what="Switches")

    @classmethod
    def answers(cls) -> dict[str, tuple[object, ...]]:
        """List the switches that have a closed set of answers, each with its answers."""
        hints = get_type_hints(cls)
        words = {name: hint for name, hint in hints.items() if hint is bool or get_origin(hint) is Literal}
        return {name: (True, False) if hint is bool else get_args(hint) for name, hint in words.items()}

    def call_error(self, cause: CallCause) -> CallError:
        """Give the code and text of a refused call."""
        return self.call_errors.get(cause) or CALL_ERRORS[cause]

    def record_result(self, cause: RecordCause) -> RecordResult:
        """Give the status texts of one record."""
        return self.record_results.get(cause) or RECORD_RESULTS[cause]
