"""Laws of the simulator's webhooks: what happens to contacts is told to addresses, by real posts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from di_salesforce.dialog_insight import WebhookEvent, parse_webhook
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing import FakeDialogInsight, OptinField, Project, ProjectField, Switches
from di_salesforce.testing._loopback import LoopbackServer, SimRequest, SimResponse

PROJECT = 4321
ADA = "ada@test.example"
NOW = datetime(2025, 3, 4, 15, 20, 30, tzinfo=UTC)  # 10:20:30 in Montreal
MARK = b"\xef\xbb\xbf"


class Receiver:
    """An address that keeps what it is sent, and answers with a status."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.status = 200
        self._server = LoopbackServer(self._take, name="webhook-receiver")
        self.url = f"{self._server.url}/hooks/a-secret-path"

    def _take(self, request: SimRequest) -> SimResponse:
        self.bodies.append(request.body)
        return SimResponse(self.status)

    @property
    def events(self) -> list[WebhookEvent]:
        return [event for body in self.bodies for event in parse_webhook(body)]

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    opened = Receiver()
    yield opened
    opened.close()


@pytest.fixture
def fake() -> Iterator[FakeDialogInsight]:
    made = FakeDialogInsight(clock=lambda: NOW)
    fields = [ProjectField("EMail", "email", key=True), ProjectField("City")]
    optins = [OptinField("news", date_code="nws")]
    made.add_project(Project(PROJECT, fields=fields, optins=optins, time_zone="America/Toronto"))
    made.load_contacts(PROJECT, [{"EMail": ADA, "City": "Paris", "optin_news": True}])
    yield made
    made.close()


def merge(fake: FakeDialogInsight, email: str, **data: object) -> None:
    records = [{"ID": {"key_f_EMail": email}, "Data": data}]
    options = {"AllowInsert": True, "AllowUpdate": True}
    assert fake.call("contacts", "Merge", idProject=PROJECT, Records=records, MergeOptions=options)["Success"]


def test_an_edit_is_told_with_the_whole_contact(fake: FakeDialogInsight, receiver: Receiver) -> None:
    """[seen] An edit arrives as an event with the contact's number, its key, and all project fields as they are now."""
    fake.webhooks.add(receiver.url)
    fake.edit_contact(PROJECT, 900001, City="Metz")
    [sent] = fake.webhooks.flush()
    [event] = receiver.events
    assert sent.confirmed
    assert (sent.event_ids, sent.types) == ((event.event_id,), (event.type,))
    assert event == WebhookEvent(
        "contact_modified",
        event_id=event.event_id,
        executed="2025.03.04 10:20:30",
        id_company=12,
        id_project=PROJECT,
        id_contact=900001,
        contact={"EMail": ADA},
        values={
            "EMail": ADA,
            "City": "Metz",
            "FirstName": None,
            "LastName": None,
            "optin_news": True,
            "dtOptin_nws": None,
        },
    )


def test_each_kind_of_change_has_its_type(fake: FakeDialogInsight, receiver: Receiver) -> None:
    """[seen] A new contact, a changed field and a turned opt-in are told apart; loading and deleting are silent."""
    fake.webhooks.add(receiver.url)
    fake.load_contacts(PROJECT, [{"EMail": "bob@test.example"}])  # as an import, which is not told [seen]
    merge(fake, "cyd@test.example", f_City="Oslo")
    merge(fake, "dan@test.example", optin_news="1")
    fake.edit_contact(PROJECT, 900001, City="Paris")
    fake.edit_contact(PROJECT, 900001, optin_news=False)
    fake.delete_contact(PROJECT, 900001)
    fake.webhooks.flush()
    assert receiver.types == [
        "contact_created",
        *("contact_created", "contact_optin"),
        *("contact_modified", "contact_optout"),
    ]


def test_an_address_is_told_what_it_wants(fake: FakeDialogInsight, receiver: Receiver) -> None:
    """[inferred] `events` narrows an address; a removed one is told nothing more; ids are alike for all addresses."""
    fake.webhooks.add(receiver.url, events=["contact_optout"])
    every = fake.webhooks.add(receiver.url)
    fake.edit_contact(PROJECT, 900001, City="Metz", optin_news=False)
    assert [sent.types for sent in fake.webhooks.flush()] == [
        ("contact_modified",),
        ("contact_optout",),
        ("contact_optout",),
    ]
    first, second = (event for event in receiver.events if event.type == "contact_optout")
    assert first == second
    fake.webhooks.remove(every)
    fake.edit_contact(PROJECT, 900001, City="Oslo")
    assert len(fake.webhooks.flush()) == 3


def test_events_without_a_write_and_tests_are_sent(fake: FakeDialogInsight, receiver: Receiver) -> None:
    """[seen] A bounce, a complaint and the test button need no change of a contact; a test is marked."""
    fake.webhooks.add(receiver.url)
    fake.webhooks.send("sending_Bounce", PROJECT, 900001)
    fake.webhooks.send("contact_modified", PROJECT, 900001, test=True)
    fake.webhooks.flush()
    assert [(event.type, event.is_test) for event in receiver.events] == [
        ("sending_Bounce", False),
        ("contact_modified", True),
    ]
    with pytest.raises(ConfigurationError, match="no contact 5"):
        fake.webhooks.send("sending_Bounce", PROJECT, 5)


def test_a_receiver_that_fails_is_logged(fake: FakeDialogInsight, receiver: Receiver) -> None:
    """The log tells who confirmed: a failing receiver has its status, one that is not there has 0."""
    fake.switches = Switches(webhook_on_failure="give_up")
    fake.webhooks.add(receiver.url)
    receiver.status = 500
    fake.edit_contact(PROJECT, 900001, City="Metz")
    assert [(sent.status, sent.confirmed) for sent in fake.webhooks.flush()] == [(500, False)]
    receiver.close()
    fake.edit_contact(PROJECT, 900001, City="Oslo")
    assert fake.webhooks.flush()[-1].status == 0
    assert fake.webhooks.log[-1].number == 2


@pytest.mark.parametrize("url", ["ftp://test.example", "test.example/hook", "http://", "file:///etc/passwd"])
def test_only_web_addresses_are_told(fake: FakeDialogInsight, url: str) -> None:
    """An address of another kind is refused when it is added."""
    with pytest.raises(ConfigurationError, match="http"):
        fake.webhooks.add(url)


def test_reset_and_close_leave_nothing_behind(fake: FakeDialogInsight, receiver: Receiver) -> None:
    """After a reset nobody is told, after a close no thread is left; it may be used again."""
    fake.webhooks.add(receiver.url)
    fake.edit_contact(PROJECT, 900001, City="Metz")
    fake.webhooks.flush()
    fake.reset()
    merge(fake, ADA, f_City="Rome")
    assert fake.webhooks.flush() == ()
    fake.close()
    assert "fake-dialog-insight-webhooks" not in [thread.name for thread in threading.enumerate()]
    fake.webhooks.add(receiver.url)
    merge(fake, ADA, f_City="Bern")
    assert [sent.types for sent in fake.webhooks.flush()] == [("contact_modified",)]


# switches -----------------------------------------------------------------------------------------------------------
Told = Callable[[Receiver], Any]


def items(receiver: Receiver) -> list[int]:
    return [len(parse_webhook(body)) for body in receiver.bodies]


LAWS: dict[str, tuple[Told, dict[str, Any]]] = {
    # The change in question: a Merge that turns an opt-in off and leaves the rest alone.
    "webhooks_of_api_writes": (lambda got: len(got.bodies), {"sent": 2, "none": 0}),
    "webhook_optin_change": (
        lambda got: got.types,
        {"also_modified": ["contact_modified", "contact_optout"], "alone": ["contact_optout"]},
    ),
    "webhook_body": (items, {"one_event": [1, 1], "all_events": [2]}),
    "webhook_type_member": (lambda got: b'"Type"' in got.bodies[0], {"type": False, "Type": True}),
    "webhook_byte_order_mark": (lambda got: got.bodies[0].startswith(MARK), {"present": True, "absent": False}),
    "webhook_delivery": (items, {"once": [1, 1], "twice": [1, 1, 1, 1]}),
    "webhook_order": (
        lambda got: got.types,
        {
            "as_happened": ["contact_modified", "contact_optout"],
            "newest_first": ["contact_optout", "contact_modified"],
        },
    ),
}


@pytest.mark.parametrize(
    ("switch", "answer"), [(switch, answer) for switch, (_, shown) in LAWS.items() for answer in shown]
)
def test_every_answer_of_a_webhook_switch_shows(
    switch: str, answer: Any, fake: FakeDialogInsight, receiver: Receiver
) -> None:
    """[unknown] How the service tells of a change is a switch, and each of its answers reaches the receiver."""
    fake.switches = Switches(**{switch: answer})
    fake.webhooks.add(receiver.url)
    merge(fake, ADA, optin_news="0")
    fake.webhooks.flush()
    told, shown = LAWS[switch]
    assert told(receiver) == shown[answer]


@pytest.mark.parametrize(("answer", "repeated"), [("retry", [False, True, True]), ("give_up", [False])])
def test_a_body_that_is_not_confirmed_comes_again(
    fake: FakeDialogInsight, receiver: Receiver, answer: Any, repeated: list[bool]
) -> None:
    """[seen] A receiver that does not confirm is told again, under the same ids; how often is `webhook_on_failure`."""
    fake.switches = Switches(webhook_on_failure=answer)
    receiver.status = 500
    fake.webhooks.add(receiver.url, events=["contact_modified"])
    fake.edit(PROJECT, 900001, City="Metz")
    assert [sent.repeated for sent in fake.webhooks.flush()] == repeated
    assert len({sent.event_ids for sent in fake.webhooks.log}) == 1
    receiver.status = 200
    fake.edit(PROJECT, 900001, City="Oslo")
    assert [sent.confirmed for sent in fake.webhooks.flush()][len(repeated) :] == [True]


@pytest.mark.parametrize(("answer", "bodies"), [("stays_on", 5), ("switched_off", 3)])
def test_an_address_that_goes_on_failing_may_be_switched_off(
    fake: FakeDialogInsight, receiver: Receiver, answer: Any, bodies: int
) -> None:
    """[seen] After failures an address may be told no more; when is `webhook_after_failures`; a success counts anew."""
    fake.switches = Switches(webhook_on_failure="give_up", webhook_after_failures=answer)
    hook = fake.webhooks.add(receiver.url, events=["contact_modified"])
    for status, city in ((500, "A"), (500, "B"), (200, "C")):
        receiver.status = status
        fake.edit(PROJECT, 900001, City=city)
        fake.webhooks.flush()
    receiver.status = 500
    for city in "DEFGH":
        fake.edit(PROJECT, 900001, City=city)
        fake.webhooks.flush()
    assert len(receiver.bodies) == 3 + bodies
    assert hook.switched_off is (answer == "switched_off")


def test_every_webhook_switch_is_tested() -> None:
    """No switch about webhooks without a law, and each of its answers is tried."""
    apart = ("webhook_on_failure", "webhook_after_failures")  # they need a receiver that fails: above
    answers = {
        name: set(given)
        for name, given in Switches.answers().items()
        if name.startswith("webhook") and name not in apart
    }
    assert {name: set(shown) for name, (_, shown) in LAWS.items()} == answers


def test_a_delivery_that_comes_again_has_the_same_ids(fake: FakeDialogInsight, receiver: Receiver) -> None:
    """[inferred] A repeated body is the same to the byte: a receiver can tell it by its ids; the log marks it."""
    fake.switches = Switches(webhook_delivery="twice")
    fake.webhooks.add(receiver.url)
    fake.edit_contact(PROJECT, 900001, City="Metz")
    assert [sent.repeated for sent in fake.webhooks.flush()] == [False, True]
    assert receiver.bodies[0] == receiver.bodies[1]
