"""The demonstration: a two-way synchronisation of invented people, told step by step.

What may not go in here: anything that the public API does not offer to everybody.  It prints what a person wants to
read, and ends with a proof: both sides read afresh.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.resources import files
from typing import Final, TextIO

import attrs

from di_salesforce._check import Findings
from di_salesforce.engine import Plan, SyncReport
from di_salesforce.engine._actions import Key, key_parts
from di_salesforce.engine._reasons import sentence
from di_salesforce.exceptions import ConfigurationError, DISalesforceError
from di_salesforce.mapping import Integration
from di_salesforce.protocols import Progress
from di_salesforce.records import Side
from di_salesforce.stores import MemoryStore, Store
from di_salesforce.synchronizer import Synchronizer
from di_salesforce.testing._seed import Seed, read_seed, shipped_seed
from di_salesforce.testing.sandbox import ACQUISITION_ID, COMMUNICATIONS_ID, Sandbox

__all__ = ["main", "play", "progress_line"]

_NAMED: Final = 5  # of each kind of trouble, so many are named; the rest are counted
Say = Callable[[str], None]


def progress_line(stream: TextIO | None = None) -> Progress:
    """Show progress as one line that is written over; silent where the stream is no terminal.

    Example:
        >>> progress_line()("read contacts", 10, 20)  # standard error is no terminal here
    """
    out = stream or sys.stderr

    def show(phase: str, done: int, total: int) -> None:
        if out.isatty():
            share = f"{done:,} of {total:,}" if total else "..."
            end = "\r" if done < total or not total else "\x1b[K\r"
            out.write(f"\x1b[K  {phase}: {share}{end}")
            out.flush()

    return show


def play(
    integration: Integration, seed: Seed, *, store: Store, say: Say = print, progress: Progress | None = None
) -> bool:
    """Tell the whole story on simulators that hold `seed`; give whether both sides agree at the end.

    Args:
        integration: The transfers `subscribers`, `contacts` and `orders` of the example.
        seed: The example's people and orders.
        store: An empty one.
        say: Called with each paragraph.
        progress: Told of the long steps.
    """
    with Sandbox(seed) as sandbox:
        salesforce, dialog_insight = sandbox.clients()
        with (
            salesforce,
            dialog_insight,
            Synchronizer(integration, salesforce=salesforce, dialog_insight=dialog_insight, store=store) as sync,
        ):
            return _Story(sandbox, sync, say, progress or progress_line()).tell(seed)


@attrs.frozen
class _Story:
    sandbox: Sandbox
    sync: Synchronizer
    say: Say
    progress: Progress

    def tell(self, seed: Seed) -> bool:
        """Go through all steps in their order."""
        self._scene(seed)
        self._check()
        self._first_look_and_load()
        self._edit_both_sides()
        self._sync_again()
        self._decide()
        agrees = self._prove()
        return self._rest() and agrees

    def _scene(self, seed: Seed) -> None:
        self.say("1. Two services on this machine, loaded from files")
        self.say(
            f"   Salesforce: {len(seed.contacts):,} contacts, {len(seed.orders):,} orders.  Dialog Insight: "
            f"{len(seed.acquisition):,} people in 'acquisition' (type B), {len(seed.communications):,} in "
            f"'communications' (type A), {len(seed.transactions):,} rows in the relational table Orders."
        )
        for row in seed.unloadable:
            self.say(f"   not loaded: {row}")

    def _check(self) -> None:
        self.say("\n2. Check the mapping against both live schemas")
        findings: Findings = self.sync.check()
        findings.raise_for_errors()
        counted = f"{len(findings.errors)} errors, {len(findings.warnings)} warnings"
        self.say(f"   {counted}")
        for finding in findings.warnings[:_NAMED]:
            self.say(f"   warning: {finding.path}: {finding.message}")

    def _first_look_and_load(self) -> None:
        self.say("\n3. Plan, and look: nothing is written yet")
        plan = self.sync.plan(progress=self.progress)
        self.say(_indented(plan.summary()))
        self._name(plan)
        self.say("\n4. Apply exactly this plan, then run until quiet")
        report = SyncReport.joined([self.sync.apply(plan, self.progress), self.sync.run(progress=self.progress)])
        self._report(report)

    def _report(self, report: SyncReport) -> None:
        """Tell a report in short; `print(report)` is the whole page."""
        self.say(f"   {len(report.written):,} writes done, {report.agreed:,} pairs agree, by {_calls(report)}")
        for title, lines in (
            ("refused by a service", report.refused),
            ("answer lost", report.unknown),
            ("held for a person", report.conflicts),
        ):
            for line in lines[:_NAMED]:
                why = f"{line.code}" if line.code else sentence(line.reason)
                self.say(f"   {title}: {line.transfer}: {_shown(line.key)} ({', '.join(line.fields)}): {why}")
            if len(lines) > _NAMED:
                self.say(f"   {title}: ... and {len(lines) - _NAMED:,} more")

    def _name(self, plan: Plan) -> None:
        self.say("   Cannot be synchronised as they are:")
        for reject in plan.rejects[:_NAMED]:
            fields = ", ".join(field for field, _ in reject.causes)
            self.say(
                f"     {reject.transfer}: {_shown(reject.key)} in {reject.side.label} ({fields}): {reject.sentence}"
            )
        if len(plan.rejects) > _NAMED:
            self.say(f"     ... and {len(plan.rejects) - _NAMED:,} more")

    def _edit_both_sides(self) -> None:
        self.say("\n5. People edit records on both sides")
        contacts = [row for row in self.sandbox.salesforce.rows("Contact") if row.get("Email") and row.get("FirstName")]
        emails = [str(row["Email"]).lower() for row in contacts]
        known = {
            str(row["EMail"]).lower(): row
            for row in self.sandbox.dialog_insight.contacts(ACQUISITION_ID)
            if row.get("FirstName")
        }
        # People whom both sides know under one address each, so that the edits say something about the same person.
        people = [
            (row, known[email]) for row, email in zip(contacts, emails, strict=True)
            if email in known and emails.count(email) == 1
            and all(known[email].get(name) == row.get(name) for name in ("FirstName", "LastName"))
        ]  # fmt: skip
        if len(people) < 3:
            raise ConfigurationError(
                f"the story needs three people whom both sides know alike; the data has {len(people)}"
            )
        (one, _), (_, two), (three, same), *_ = people
        self.sandbox.salesforce.edit("Contact", str(one["Id"]), LastName="Lafontaine-Roy")
        self.say(f"   Salesforce: {one['Email']} is now called Lafontaine-Roy")
        self.sandbox.dialog_insight.edit_contact(ACQUISITION_ID, _number(two["idContact"]), FirstName="Maxime")
        self.say(f"   Dialog Insight: {two['EMail']} is now called Maxime")
        self.sandbox.salesforce.edit("Contact", str(three["Id"]), FirstName="Camille")
        self.sandbox.dialog_insight.edit_contact(ACQUISITION_ID, _number(same["idContact"]), FirstName="Dominique")
        self.say(f"   both: {three['Email']} is Camille in Salesforce and Dominique in Dialog Insight")
        points = next(
            row
            for row in self.sandbox.dialog_insight.contacts(COMMUNICATIONS_ID)
            if row.get("ClientNo") and row.get("Points")
        )
        self.sandbox.dialog_insight.edit_contact(COMMUNICATIONS_ID, _number(points["idContact"]), Points=7777)
        self.say(f"   Dialog Insight: {points['EMail']} has 7,777 points")

    def _sync_again(self) -> None:
        self.say("\n6. Synchronise again")
        self._report(self.sync.run(progress=self.progress))

    def _decide(self) -> None:
        self.say("\n7. Decide what is held: the same field was edited on both sides")
        plan = self.sync.plan("subscribers", progress=self.progress)
        conflict = next(c for c in plan.conflicts if c.reason == "conflict.both_changed")
        self.say(_indented(plan.explain(conflict.key)))
        decided = plan.resolve(conflict.key, keep=Side.DIALOG_INSIGHT, fields=["FirstName"])
        report = self.sync.apply(decided.only(key=conflict.key), self.progress)
        self.say(f"   a person keeps Dialog Insight's value; writes done: {len(report.written)}")
        self.sync.run(progress=self.progress)

    def _prove(self) -> bool:
        self.say("\n8. Proof: both sides read again, compared pair by pair")
        comparison = self.sync.compare(progress=self.progress)
        self.say(_indented(str(comparison)))
        self.say(
            f"   {comparison.agree:,} pairs agree; every difference has a reason"
            if comparison.ok
            else "   NOT IN AGREEMENT: differences without a reason are named above"
        )
        return comparison.ok

    def _rest(self) -> bool:
        before = self.sandbox.writes
        self.sync.run(progress=self.progress)
        after = self.sandbox.writes
        written = {name: after[name] - before[name] for name in after}
        told = ", ".join(f"{count} write calls to {name}" for name, count in written.items())
        self.say(f"\n9. One more run, with nothing changed: {told} (by the servers' own logs)")
        return not any(written.values())


def _indented(text: str) -> str:
    return "\n".join(f"   {line}" for line in text.splitlines())


def _shown(key: Key) -> str:
    return " / ".join(map(str, key_parts(key)))


def _calls(report: SyncReport) -> str:
    return " and ".join(f"{count:,} calls to {Side(name).label}" for name, count in sorted(report.calls.items()))


def _number(value: object) -> int:
    return int(str(value))


def main(say: Say = print) -> int:
    """Play the demonstration on the small data set of the package; the exit status says whether all is well."""
    try:
        integration = Integration.from_file(str(files("di_salesforce.testing") / "data" / "integration.toml"))
        agrees = play(integration, read_seed(shipped_seed()), store=MemoryStore(), say=say)
    except DISalesforceError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0 if agrees else 1
