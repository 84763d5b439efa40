"""How the simulated Salesforce says no: one exception, the statuses of its codes, and the two shapes on the wire.

What may not go in here: decisions about what is refused; those stand where the rule stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

# Facts 3.3; a code that is not listed is answered with 400, as nearly all of them are.
STATUS_OF_CODE: Final[Mapping[str, int]] = {
    "API_CURRENTLY_DISABLED": 403,
    "API_DISABLED_FOR_ORG": 403,
    "ENTITY_IS_DELETED": 404,
    "INSUFFICIENT_ACCESS_OR_READONLY": 403,
    "INVALID_SESSION_ID": 401,
    "METHOD_NOT_ALLOWED": 405,
    "NOT_FOUND": 404,
    "PRECONDITION_FAILED": 412,
    "REQUEST_LIMIT_EXCEEDED": 403,
    "SERVER_UNAVAILABLE": 503,
    "UNKNOWN_EXCEPTION": 500,
}


class Refusal(Exception):  # noqa: N818 - an answer of the org, no error of ours
    """A "no" of the simulated org; raise it from a hook (`on_save`, `validation_rule`) to refuse a row with any code.

    It never leaves the simulator as an exception: it becomes an error array, or the errors of one collection row.

    Args:
        code: Salesforce's error code, for instance `UNABLE_TO_LOCK_ROW`.
        message: the server's text.
        fields: the fields concerned; None leaves the key out, as query and session errors do [seen].
        status: the HTTP status of a single-record call; None takes it from the code.
        extra: further keys of the error object, for instance the duplicate-rule result.
        key: the JSON key that the request should not have had, or not with such a value: such a refusal is about the
            request's form and may refuse a collection call as a whole.
    """

    def __init__(
        self,
        code: str,
        message: str,
        fields: Sequence[str] | None = None,
        *,
        status: int | None = None,
        extra: Mapping[str, object] | None = None,
        key: str | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.fields = None if fields is None else list(fields)
        self.status = STATUS_OF_CODE.get(code, 400) if status is None else status
        self.extra = dict(extra or {})
        self.key = key

    def body(self) -> list[dict[str, object]]:
        """Give the error array of a single-record, query or session error [seen]."""
        error: dict[str, object] = {"message": self.message, "errorCode": self.code, **self.extra}
        if self.fields is not None:
            error["fields"] = self.fields
        return [error]

    def row(self) -> dict[str, object]:
        """Give the error of one collection row: the code's key is `statusCode` there [seen]."""
        return {"statusCode": self.code, "message": self.message, **self.extra, "fields": self.fields or []}


@attrs.frozen
class Answer:
    """What a route answers before it becomes bytes; `sobject` and `rows` are for the request log."""

    status: int = 200
    body: Any = attrs.field(default=None, repr=False)  # any JSON value, or bytes; None: an empty body
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    sobject: str | None = None
    rows: int = 0


def not_found(message: str = "The requested resource does not exist") -> Refusal:
    """Build the 404 of an unknown address; the default text is that of an unknown route or row [seen]."""
    return Refusal("NOT_FOUND", message)


def bad_reference(*, status: int = 400) -> Refusal:
    """Build the refusal of an id that names no row: 400 for a value, 404 for an address [seen]."""
    return Refusal("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", (), status=status)


def is_deleted() -> Refusal:
    """Build the refusal of a row in the recycle bin; `fields` is there and empty [seen]."""
    return Refusal("ENTITY_IS_DELETED", "entity is deleted", ())
