"""Every error of the package, in one tree.

    DISalesforceError                       .retryable
    ├── ConfigurationError (ValueError)     yours: found before anything is sent; .problems, all at once
    │   ├── FirstRunError                   nothing is remembered yet, and creating en masse was not asked for
    │   └── SchemaChangedError              a table is not what it was at the last run, and nobody accepted that yet
    ├── ConversionError (ValueError)        a value that the other side's type cannot hold; .side .field .code
    ├── GuardError                          a plan goes past a stated limit; .code
    │   └── EmptySideError                  a side that held records answers with none
    ├── TransportError                      the road's: no answer; .may_have_applied
    │   └── TimedOutError
    ├── ApiError                            theirs: an answer that says no; .side .status .code .message .request_id
    │   │                                   .may_have_applied
    │   ├── AuthenticationError             who are you
    │   ├── PermissionDeniedError           not you
    │   ├── NotFoundError
    │   ├── InvalidRequestError             the request as a whole was refused
    │   ├── AmbiguousKeyError               an external id that several records hold; .matches
    │   ├── StaleRecordError                the record changed since it was read; nothing was written
    │   ├── RecordLockedError               retryable
    │   ├── RateLimitError                  .retry_after; retryable unless the day's allowance is gone (.exhausted)
    │   ├── ServerError                     retryable
    │   └── UnexpectedResponseError         an answer that cannot be read
    ├── StoreError                          the store is damaged, of another format, or cannot be written
    │   └── ForeignStoreError               it remembers another org or other projects
    ├── AlreadyRunningError                 another run holds the lease; .holder .since
    └── MissingExtraError (ImportError)     names the extra to install

What may not go in here: third-party types, secrets, and the data of people.  `str(error)` is a sentence of ours; the
server's own words stay verbatim in `.message`.  All of them survive `pickle` and `copy`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from di_salesforce.records import Side

__all__ = [
    "AlreadyRunningError",
    "AmbiguousKeyError",
    "ApiError",
    "AuthenticationError",
    "ConfigurationError",
    "ConversionError",
    "DISalesforceError",
    "EmptySideError",
    "FirstRunError",
    "ForeignStoreError",
    "GuardError",
    "InvalidRequestError",
    "MissingExtraError",
    "NotFoundError",
    "PermissionDeniedError",
    "Problem",
    "RateLimitError",
    "RecordLockedError",
    "SchemaChangedError",
    "ServerError",
    "StaleRecordError",
    "StoreError",
    "TimedOutError",
    "TransportError",
    "UnexpectedResponseError",
]


class DISalesforceError(Exception):
    """The root: catch it to catch everything that this package raises on purpose."""

    retryable: bool = False

    def __reduce__(self) -> tuple[Any, ...]:  # pickle's protocol is untyped
        """Rebuild from the attributes, since `Exception` would call `__init__` with the finished sentence."""
        return (_rebuild, (type(self), self.args, dict(self.__dict__)))


def _rebuild(kind: type[DISalesforceError], args: tuple[object, ...], state: dict[str, object]) -> DISalesforceError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


@attrs.frozen(order=True)
class Problem:
    """One thing that is wrong, where it is (`fields[2].converter`), and its stable dotted code."""

    path: str
    message: str
    code: str = "declaration.invalid"

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ConfigurationError(DISalesforceError, ValueError):
    """What you declared or passed cannot work; `.problems` lists all of it, with paths."""

    def __init__(self, problems: str | Iterable[Problem], *, what: str = "") -> None:
        listed = (Problem("", problems),) if isinstance(problems, str) else tuple(problems)
        self.problems: tuple[Problem, ...] = listed
        head = f"{what}: " if what else ""
        if len(listed) == 1:
            super().__init__(f"{head}{listed[0]}")
        else:
            super().__init__(f"{head}{len(listed)} problems\n" + "\n".join(f"  - {problem}" for problem in listed))


class FirstRunError(ConfigurationError):
    """The store is empty and the run would create records that nobody has looked at."""


class SchemaChangedError(ConfigurationError):
    """A table changed since the last run so that something could be lost or refused; nothing was read or written."""


class ConversionError(DISalesforceError, ValueError):
    """A value that has no form on the other side; the sentence names the field and the rule, never the value."""

    def __init__(self, message: str, *, code: str, side: Side | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.side = side
        self.field = field


class GuardError(DISalesforceError):
    """A plan goes past a limit that was set for it; nothing of it was written."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class EmptySideError(GuardError):
    """A side that is remembered as holding records answers with none: a lost permission rather than a mass delete."""


class TransportError(DISalesforceError):
    """No answer came; `.may_have_applied` tells whether the request may have been carried out all the same."""

    def __init__(
        self, message: str, *, side: Side | None = None, may_have_applied: bool, retryable: bool = True
    ) -> None:
        super().__init__(message)
        self.side = side
        self.may_have_applied = may_have_applied
        self.retryable = retryable


class TimedOutError(TransportError):
    """The answer did not come in time."""


class ApiError(DISalesforceError):
    """A service answered no; its own words are in `.message`, its code in `.code`.

    `.may_have_applied` is true where the answer does not say whether a write was carried out: a failing server, an
    answer that cannot be read.
    """

    may_have_applied: bool = False

    def __init__(
        self,
        sentence: str,
        *,
        side: Side,
        status: int = 0,
        code: str = "",
        message: str = "",
        request_id: str = "",
        fields: Iterable[str] = (),
    ) -> None:
        super().__init__(sentence)
        self.side = side
        self.status = status
        self.code = code
        self.message = message
        self.request_id = request_id
        self.fields = tuple(fields)


class AuthenticationError(ApiError):
    """The credentials were refused, or the session has ended and could not be renewed."""


class PermissionDeniedError(ApiError):
    """The credentials are good but may not do this."""


class NotFoundError(ApiError):
    """There is no such object, table, project or record."""


class InvalidRequestError(ApiError):
    """The request as a whole was refused: a wrong field name, a query that does not parse, a body too large."""


class AmbiguousKeyError(ApiError):
    """Several records hold the external id; `.matches` lists their paths."""

    def __init__(self, sentence: str, *, matches: Iterable[str] = (), **rest: Any) -> None:  # passed on to ApiError
        super().__init__(sentence, **rest)
        self.matches = tuple(matches)


class StaleRecordError(ApiError):
    """A conditional write came too late: the record was changed since it was read, and nothing was written."""


class RecordLockedError(ApiError):
    """Another transaction holds the row or its parent; trying again later is right."""

    retryable = True


class RateLimitError(ApiError):
    """Too many calls; `.exhausted` means that the day's allowance is gone and that waiting a moment will not help."""

    def __init__(
        self, sentence: str, *, retry_after: float | None = None, exhausted: bool = False, **rest: Any
    ) -> None:  # passed on to ApiError
        super().__init__(sentence, **rest)
        self.retry_after = retry_after
        self.exhausted = exhausted
        self.retryable = not exhausted


class ServerError(ApiError):
    """The service failed on its own account (5xx); a write may or may not have been carried out."""

    retryable = True


class UnexpectedResponseError(ApiError):
    """An answer that cannot be read: not JSON, cut short, or of another shape than the service documents."""


class StoreError(DISalesforceError):
    """The store is damaged, of a newer format, locked, or cannot be written."""


class ForeignStoreError(StoreError):
    """The store remembers another Salesforce org or other Dialog Insight projects than it is used with."""


class AlreadyRunningError(DISalesforceError):
    """Another run holds the lease of this store."""

    def __init__(self, message: str, *, holder: str, since: str) -> None:
        super().__init__(message)
        self.holder = holder
        self.since = since


class MissingExtraError(DISalesforceError, ImportError):
    """A function needs a package that is not installed; the sentence names the extra."""

    def __init__(self, *, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs an extra: pip install 'di-salesforce[{extra}]'")
        self.extra = extra
