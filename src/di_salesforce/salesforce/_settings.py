"""How Salesforce is called, and the small values that its answers become.

What may not go in here: requests and their readers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import attrs

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.retry import RetryPolicy

__all__ = [
    "Budget",
    "Identity",
    "Limit",
    "Operation",
    "Page",
    "RowError",
    "RowResult",
    "Settings",
    "Usage",
    "Writing",
    "usage_of",
]

MOST_WRITTEN: Final = 200  # records in one sObject Collections write [D]


def _version(value: str) -> str:
    text = value.removeprefix("v")
    if not re.fullmatch(r"\d{2,3}\.0", text):
        raise ConfigurationError(f"api_version {value!r} is not a version such as '60.0'")
    return text


_BULK_FROM: Final[int | None] = 10_000  # fifty calls of collections: about where a job's own overhead is made up for


def _at_least_one(_: object, attribute: attrs.Attribute[int | None], value: int | None) -> None:
    if value is not None and value < 1:
        raise ConfigurationError(f"{attribute.name} must be at least 1, not {value}")


@attrs.frozen(kw_only=True)
class Settings:
    """How calls are made: the API version, what is repeated, and how many slices travel at once.

    Args:
        api_version: as in "60.0"; sObject Collections upserts need 46.0 [D].
        retry: when requests are repeated.
        parallel: requests in flight at once for work on many records; an org bears 25 long ones, a trial org 5 [D].
        slice_size: records in one write, at most 200.
        prefetch: pages of a query that are asked for at once; 1: one after the other.  More than one guesses the names
            of pages, whose form is recorded but not documented [R]; a wrong guess costs a call, never a row.
        ranges: ranges of ids in which a query that allows it (`reading_way`) is read side by side; 1: none.  Its rows
            come in no certain order then, and it costs a call or two more.
        bulk_from: records from which on `write` makes bulk jobs of them; 10,000 are 50 calls of collections.  None: in
            no case.
        allow_duplicates: save records one by one and in collections although a duplicate rule of the org warns of them;
            a rule that blocks still does [D].
    """

    api_version: str = attrs.field(default="60.0", converter=_version)
    retry: RetryPolicy = attrs.field(factory=RetryPolicy)
    parallel: int = attrs.field(default=8, validator=attrs.validators.ge(1))
    slice_size: int = attrs.field(
        default=MOST_WRITTEN, validator=[attrs.validators.ge(1), attrs.validators.le(MOST_WRITTEN)]
    )

    prefetch: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    ranges: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    bulk_from: int | None = attrs.field(default=_BULK_FROM, validator=_at_least_one)
    allow_duplicates: bool = False

    def path(self, below: str) -> str:
        """Give the path of a resource of this API version."""
        return f"/services/data/v{self.api_version}/{below}"


@attrs.frozen
class Identity:
    """Who is logged in, and where; the user is not known where the session may not ask for it."""

    organization_id: str
    user_id: str | None = None
    username: str | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Limit:
    """One allowance of the org."""

    allowed: int
    remaining: int


@attrs.frozen
class Usage:
    """API calls of the last 24 hours, as the latest answer told."""

    used: int
    allowed: int


@attrs.frozen(kw_only=True)
class Budget:
    """What a client may use up before it stops by itself: with a `RateLimitError` whose `exhausted` is true.

    Nothing of a call that would go past it is sent.  Calls under way at that moment still come to their end, so a share
    may be passed by as many calls as run side by side.

    Args:
        calls: the most calls of this client; None: any number.
        share: the share of the org's daily allowance, 0 to 1, past which nothing is sent, whoever used it; None: all.

    Example:
        >>> Budget(share=0.8).refusal(1, Usage(12_000, 15_000))
        "0.8 of the org's daily calls are used up (12000 of 15000)"
    """

    calls: int | None = attrs.field(default=None, validator=attrs.validators.optional(attrs.validators.ge(0)))
    share: float | None = attrs.field(
        default=None, validator=attrs.validators.optional([attrs.validators.ge(0), attrs.validators.le(1)])
    )

    def refusal(self, number: int, usage: Usage | None) -> str | None:
        """Say why the client's call of this number may not be made, or None.

        Args:
            number: 1 for the first call.
            usage: what the latest answer told; None: not known yet.
        """
        if self.calls is not None and number > self.calls:
            return f"the budget of {self.calls} calls is used up"
        if self.share is not None and usage is not None and usage.used >= self.share * usage.allowed:
            return f"{self.share:g} of the org's daily calls are used up ({usage.used} of {usage.allowed})"
        return None


@attrs.frozen
class Page:
    """One page of a query: the records as they came, how many the query has in all, and where it goes on.

    `nested` tells whether a record holds a parent or a child query's result; without one it is a plain row already.
    """

    records: list[dict[str, Any]] = attrs.field(repr=False)  # JSON objects
    total: int
    next_path: str | None = None
    nested: bool = True


@attrs.frozen
class RowError:
    """Why a record was refused; `message` is the server's own text and may quote the record."""

    code: str
    message: str = attrs.field(default="", repr=False)
    fields: tuple[str, ...] = ()


@attrs.frozen
class RowResult:
    """What came of one record of many.

    `unknown` means that the answer was lost: the record may or may not have been written, so look before writing again.
    """

    success: bool
    record_id: str | None = None
    created: bool = False
    errors: tuple[RowError, ...] = ()
    unknown: bool = False


Operation: TypeAlias = Literal["create", "update", "upsert", "delete"]
"""What may be done to many records."""


@attrs.frozen
class Writing:
    """What to do to many records of one object; an upsert finds them by `external_id`."""

    operation: Operation
    sobject: str
    external_id: str = ""
    all_or_none: bool = False


def usage_of(headers: Mapping[str, str]) -> Usage | None:
    """Read `Sforce-Limit-Info`, where an answer has it (not all do [R]).

    Example:
        >>> usage_of({"sforce-limit-info": "api-usage=25/15000; per-app-api-usage=17/250(appName=sync)"})
        Usage(used=25, allowed=15000)
    """
    found = re.search(r"(?<![\w-])api-usage=(\d{1,18})/(\d{1,18})(?!\d)", headers.get("sforce-limit-info", ""))
    return Usage(int(found[1]), int(found[2])) if found else None
