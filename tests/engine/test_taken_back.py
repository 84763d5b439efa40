"""What exactly is taken back of a write: what was sent where nothing was told, and what stands beside a consent."""

from __future__ import annotations

import pytest

from di_salesforce import FieldMapping, ObjectTransfer, OptIn, converters
from di_salesforce.records import Side
from di_salesforce.testing._pairs import LinkedPair, linked
from di_salesforce.testing._served import Fate
from di_salesforce.triggers import Direction

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
FIELD = {S: "A", D: "a"}


@pytest.mark.parametrize("side", Side)
def test_a_write_of_which_nothing_was_told_left_what_was_sent(side: Side) -> None:
    """The service did not say what it keeps: the value that was sent is what may stand there and be taken back."""
    one = linked()
    one.edit(side.other, **{FIELD[side.other]: "y"})
    settlement = one.world.apply(one.world.plan(), lambda write: Fate.SILENT)
    assert settlement is not None and not settlement.applied[0].kept
    one.world.apply(one.world.undo(settlement.applied))
    assert one.row(side)[FIELD[side]] == "x"


def test_what_stands_beside_a_consent_is_no_consent() -> None:
    """Taking an opt-in back may set another flag of its group again: only what the person consented to is looked at."""
    status = FieldMapping("News__c", OptIn("news"), group="g", converter=converters.boolean())
    flag = FieldMapping("Flag__c", "flag", group="g", converter=converters.boolean(), direction=Direction.TO_SALESFORCE)
    transfer = ObjectTransfer("t", sobject="T", fields=[FieldMapping("Email", "EMail", key=True), status, flag])
    one = LinkedPair.of(
        transfer, {"Email": "k", "News__c": False, "Flag__c": True}, {"EMail": "k", "optin_news": "0", "flag": "1"}
    )
    one.edit(D, optin_news="1", flag="0")
    settlement = one.world.apply(one.world.plan())
    assert settlement is not None
    one.world.apply(one.world.undo(settlement.applied))
    assert (one.row(S)["News__c"], one.row(S)["Flag__c"]) == (False, True)
