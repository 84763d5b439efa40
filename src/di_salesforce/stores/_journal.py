"""The journal: writes that are about to be sent, the bulk jobs that carry them, and what is known of them so far.

What may not go in here: keeping anything, deciding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Self

import attrs

from di_salesforce.engine import Outcome, OutcomeKind
from di_salesforce.exceptions import ConfigurationError

__all__ = ["Intent", "IntentJob", "outcomes_from_plain", "outcomes_to_plain", "unknown_intent"]


@attrs.frozen
class IntentJob:
    """A bulk job that carries writes of an intent: whoever knows its id can ask what came of them, days later.

    Args:
        id: the job's id in Salesforce.
        key: the column whose cells tie its results to writes.
        actions: the ids of the writes that it carries.
    """

    id: str
    key: str
    actions: tuple[str, ...] = attrs.field(converter=tuple[str, ...], repr=False)

    def to_plain(self) -> list[Any]:  # JSON-safe data
        """Give the job as plain data."""
        return [self.id, self.key, list(self.actions)]

    @classmethod
    def from_plain(cls, data: Any) -> Self:  # plain data of a store
        """Read what `to_plain` gave."""
        job_id, key, actions = data
        return cls(str(job_id), str(key), actions)


_INTENT_FORMAT: Final = 2  # the first had no jobs


@attrs.frozen(repr=False)
class Intent:
    """Writes that are about to be sent, recorded first; it stays open until what came of them is settled.

    Args:
        id: its name, of the run and its place in it.
        run_id: the run that sends them.
        transfer: whose writes they are.
        at: when it was recorded.
        plan: the piece of the plan, as `Plan.to_dict` gives it.
        outcomes: what is known of the writes so far, by action id; a write without one may or may not have been done.
        jobs: the bulk jobs that were made for them, in that order.
    """

    id: str
    run_id: str
    transfer: str
    at: datetime
    plan: Mapping[str, Any]  # JSON-safe data
    outcomes: Mapping[str, Outcome] = attrs.field(factory=dict[str, Outcome])
    jobs: tuple[IntentJob, ...] = ()

    def noting(self, outcomes: Mapping[str, Outcome], jobs: Iterable[IntentJob] = ()) -> Intent:
        """Give the intent with further outcomes and jobs."""
        return attrs.evolve(self, outcomes={**self.outcomes, **outcomes}, jobs=(*self.jobs, *jobs))

    def __repr__(self) -> str:
        return f"<Intent {self.id} of {self.transfer}>"

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the intent as plain data."""
        return {
            "format": _INTENT_FORMAT,
            "id": self.id,
            "run_id": self.run_id,
            "transfer": self.transfer,
            "at": self.at.isoformat(),
            "plan": self.plan,
            "outcomes": outcomes_to_plain(self.outcomes),
            "jobs": [job.to_plain() for job in self.jobs],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:  # plain data of a store
        """Read what `to_dict` gave."""
        if data["format"] > _INTENT_FORMAT:
            raise ValueError(f"an intent of format {data['format']}; this version reads up to {_INTENT_FORMAT}")
        return cls(
            data["id"],
            data["run_id"],
            data["transfer"],
            datetime.fromisoformat(data["at"]),
            data["plan"],
            outcomes_from_plain(data["outcomes"]),
            tuple(map(IntentJob.from_plain, data.get("jobs", ()))),
        )


def outcomes_to_plain(outcomes: Mapping[str, Outcome]) -> dict[str, Any]:  # JSON-safe data
    """Give outcomes as plain data; rows that a service told us are left out, and read again where they are needed."""
    return {action: [o.kind.value, o.record_id, o.code, o.message, list(o.fields)] for action, o in outcomes.items()}


def outcomes_from_plain(data: Mapping[str, Any]) -> dict[str, Outcome]:  # plain data of a store
    """Read what `outcomes_to_plain` gave."""
    return {
        action: Outcome(OutcomeKind(kind), record_id, None, code, message, tuple(fields))
        for action, (kind, record_id, code, message, fields) in data.items()
    }


def unknown_intent(intent_id: str) -> ConfigurationError:
    """Make the error for outcomes of an intent that is not open."""
    return ConfigurationError(f"there is no open intent {intent_id!r}: it was settled, or never recorded")
