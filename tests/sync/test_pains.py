"""Pains of users of such systems (by number in the fact sheet) that only a run shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sync.conftest import World


def test_22_a_duplicate_rule_refuses_one_record_and_says_so(world: World) -> None:
    """A rule that blocks a create is a refusal with the service's code for that record alone; it is not tried again."""
    world.salesforce.duplicate_rule("Contact", ["LastName"], allow_save=False)
    world.contact("ann@example.com", last="Roy")
    world.person("ann.roy@example.com", last="Roy")
    world.person("bob@example.com", last="Low")
    report = world.sync().run(first_run=True)
    assert [(line.key, line.code) for line in report.refused] == [("ann.roy@example.com", "DUPLICATES_DETECTED")]
    assert "bob@example.com" in {row["Email"] for row in world.salesforce.rows("Contact")}
    writes = world.salesforce.writes
    again = world.sync().run()
    assert [line.key for line in again.set_aside] == ["ann.roy@example.com"]
    assert world.salesforce.writes == writes
