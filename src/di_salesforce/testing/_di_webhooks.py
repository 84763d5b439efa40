"""Webhooks of the simulator: what happened to contacts, told to addresses by real HTTP posts from a thread of its own.

What may not go in here: how rows change (the desk does that), and how a body is read (`parse_webhook` does).
Deletes and relational rows are told to nobody: the service has no event for them [seen].
"""

from __future__ import annotations

import contextlib
import threading
import urllib.error
import urllib.request
from collections.abc import Generator, Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

import attrs

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing._di_model import ID_CONTACT
from di_salesforce.testing._di_routes import Desk, encoded
from di_salesforce.testing._di_store import Shelf, StoredRow, local_now
from di_salesforce.testing._di_values import Json

__all__ = ["SentWebhook", "Webhook", "Webhooks"]

_COMPANY: Final = 12  # as in the fact sheet's example
_SECONDS: Final = 5.0  # for a receiver to answer; the service's own patience is unknown
_TRIES: Final = 3  # of a body; the service's number is unknown
_FAILURES: Final = 3  # bodies running until an address is switched off; likewise
_MARK: Final = b"\xef\xbb\xbf"
_DATES: Final = {"dots": "%Y.%m.%d %H:%M:%S", "iso": "%Y-%m-%d %H:%M:%S", "iso_t": "%Y-%m-%dT%H:%M:%S"}

Event = dict[str, Json]


@attrs.define(eq=False)
class Webhook:
    """An address that wants to be told, and of which types of events (None: all)."""

    url: str
    events: frozenset[str] | None = None
    failures: int = attrs.field(default=0, init=False)
    """Bodies running that were not confirmed, however often they came."""
    switched_off: bool = attrs.field(default=False, init=False)

    def wants(self, type_: str) -> bool:
        """Tell whether the address is told of events of this type."""
        return not self.switched_off and (self.events is None or type_ in self.events)


@attrs.frozen
class SentWebhook:
    """One post: to whom, the `EventUniqueID`s and types in it, and the receiver's status (0: no answer)."""

    number: int
    url: str
    event_ids: tuple[str, ...]
    types: tuple[str, ...]
    status: int
    repeated: bool = False

    @property
    def confirmed(self) -> bool:
        """Tell whether the receiver answered with 2xx."""
        return 200 <= self.status < 300


@attrs.frozen
class _Post:
    hook: Webhook
    event_ids: tuple[str, ...]
    types: tuple[str, ...]
    body: bytes = attrs.field(repr=False)
    repeated: bool = False
    tries: int = 1


class Webhooks:
    """The addresses that a `FakeDialogInsight` posts to, as its attribute `webhooks`.

    Contacts that are created or changed by an edit (`edit_contact`) or a Merge are told; loaded and deleted ones are
    not.  The switches whose names begin with `webhook` say how.  A body that a
    receiver does not confirm comes again at once; the service's own pauses are unknown.
    """

    def __init__(self, desk: Desk, lock: contextlib.AbstractContextManager[object]) -> None:
        self._desk = desk
        self._lock = lock  # the façade's own, which guards the desk
        self._hooks: list[Webhook] = []
        self._log: list[SentWebhook] = []
        self._waiting: list[_Post] = []
        self._events = 0
        self._busy = False
        self._stopped = False
        self._flushing = False
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        # No proxy: receivers live on this machine, whatever the environment says.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    # addresses ------------------------------------------------------------------------------------------------------
    def add(self, url: str, *, events: Iterable[str] | None = None) -> Webhook:
        """Tell an address of what happens from now on.

        Args:
            url: an http or https address; people put a secret into its path, since how the service signs is unknown.
            events: types such as `contact_modified`; None: all.

        Returns:
            The webhook, for `remove()`.

        Raises:
            ConfigurationError: no http address.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError("a webhook needs an address that begins with http:// or https://")
        hook = Webhook(url, None if events is None else frozenset(events))
        with self._changed:
            self._hooks.append(hook)
        return hook

    def remove(self, *hooks: Webhook) -> None:
        """Tell the given addresses nothing more; all of them where none is given."""
        with self._changed:
            self._hooks = [hook for hook in self._hooks if hooks and hook not in hooks]

    # events ---------------------------------------------------------------------------------------------------------
    def send(self, type: str, id_project: int, id_contact: int, *, test: bool = False) -> None:
        """Tell of an event that no write causes: a bounce, a complaint, or the test of the application's button.

        Args:
            type: as on the wire, for instance `sending_Bounce`.
            id_project: the project.
            id_contact: one of its contacts.
            test: marks it with `isTest`.

        Raises:
            ConfigurationError: no such project or contact.
        """
        with self._lock:
            shelf = self._desk.account.shelf(id_project)
            if id_project not in self._desk.account.projects or id_contact not in shelf.rows:
                raise ConfigurationError(f"there is no contact {id_contact} in a project {id_project}")
            self._post([self._event(type, shelf, shelf.rows[id_contact], test=test)])

    @contextlib.contextmanager
    def watching(self, *, by_api: bool) -> Generator[None]:
        """Tell of what the work inside does to contacts; the façade holds its lock around it."""
        if not self._hooks or (by_api and self._desk.account.switches.webhooks_of_api_writes == "none"):
            yield
            return
        before = {number: dict(self._desk.account.shelves[number].rows) for number in self._desk.account.projects}
        yield
        for number, rows in before.items():
            shelf = self._desk.account.shelves[number]
            for id_contact, row in shelf.rows.items():
                if row is not rows.get(id_contact):
                    events = [self._event(type_, shelf, row) for type_ in self._types(shelf, rows.get(id_contact), row)]
                    together = self._desk.account.switches.webhook_body == "all_events"
                    for batch in [events] if together else [[event] for event in events]:
                        self._post(batch)

    def _types(self, shelf: Shelf, before: StoredRow | None, after: StoredRow) -> list[str]:
        optins = [slot.name for slot in shelf.layout.slots if slot.name.startswith("optin_")]
        changed = {name for name, value in after.items() if before is None or before.get(name) != value}
        turned = [name for name in optins if name in changed]
        types = [
            kind
            for kind, value in (("contact_optin", True), ("contact_optout", False))
            if any(after[name] is value for name in turned)
        ]
        if before is None:
            return ["contact_created", *types]
        alone = self._desk.account.switches.webhook_optin_change == "alone"
        dates = {slot.name for slot in shelf.layout.slots if slot.date_of is not None}
        counted = changed - set(optins) - dates if alone and types else changed
        return ["contact_modified", *types] if counted else types

    def _event(self, type_: str, shelf: Shelf, row: StoredRow, *, test: bool = False) -> Event:
        self._events += 1
        switches = self._desk.account.switches
        values = shelf.renderer.render(row)
        own_id = values.pop(ID_CONTACT)
        now = local_now(self._desk.clock(), shelf.time_zone)
        event: Event = {
            switches.webhook_type_member: type_,
            "EventUniqueID": f"{self._events:032x}",
            "dtExecution": now.strftime(_DATES[switches.date_rendering]),
            "idCompany": _COMPANY,
            "idProject": shelf.layout.number,
            "ContactID": {ID_CONTACT: own_id, **{slot.wire: values[slot.wire] for slot in shelf.layout.key}},
            "ContactData": values,
        }
        return event | ({"isTest": True} if test else {})

    # posting --------------------------------------------------------------------------------------------------------
    def _post(self, events: list[Event]) -> None:
        switches = self._desk.account.switches
        with self._changed:
            for hook in self._hooks:
                wanted = [event for event in events if hook.wants(_type(event))]
                if not wanted:
                    continue
                mark = _MARK if switches.webhook_byte_order_mark == "present" else b""
                ids = tuple(str(event["EventUniqueID"]) for event in wanted)
                post = _Post(hook, ids, tuple(map(_type, wanted)), mark + encoded(wanted, switches))
                again = [attrs.evolve(post, repeated=True)] if switches.webhook_delivery == "twice" else []
                self._waiting += [post, *again]
            self._start()
            self._changed.notify_all()

    def _start(self) -> None:
        if self._waiting and (self._thread is None or not self._thread.is_alive()):
            self._stopped = False
            self._thread = threading.Thread(target=self._work, name="fake-dialog-insight-webhooks", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while (post := self._next()) is not None:
            status = self._delivered(post)
            with self._changed:
                number = len(self._log) + 1
                sent = SentWebhook(number, post.hook.url, post.event_ids, post.types, status, post.repeated)
                self._log.append(sent)
                self._count(post, confirmed=sent.confirmed)
                self._busy = False
                self._changed.notify_all()

    def _count(self, post: _Post, *, confirmed: bool) -> None:
        """Let a body come again that was not confirmed, or count it as failed and perhaps switch its address off."""
        hook, switches = post.hook, self._desk.account.switches
        if confirmed:
            hook.failures = 0
        elif switches.webhook_on_failure == "retry" and post.tries < _TRIES and not self._stopped:
            place = len(self._waiting) if self._backwards() else 0
            self._waiting.insert(place, attrs.evolve(post, repeated=True, tries=post.tries + 1))
        else:
            hook.failures += 1
            if switches.webhook_after_failures == "switched_off" and hook.failures >= _FAILURES:
                hook.switched_off = True
                self._waiting = [waiting for waiting in self._waiting if waiting.hook is not hook]

    def _next(self) -> _Post | None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or (self._waiting and not self._held()))
            if self._stopped:
                return None
            self._busy = True
            return self._waiting.pop(-1 if self._backwards() else 0)

    def _backwards(self) -> bool:
        return self._desk.account.switches.webhook_order == "newest_first"

    def _held(self) -> bool:
        return self._backwards() and not self._flushing

    def _delivered(self, post: _Post) -> int:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        request = urllib.request.Request(  # noqa: S310 - `add` has made sure of the scheme
            post.hook.url, post.body, headers, method="POST"
        )
        try:
            with self._opener.open(request, timeout=_SECONDS) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:  # no connection, or no answer in time
            return 0

    def flush(self, timeout: float = 10.0) -> tuple[SentWebhook, ...]:
        """Wait until all that has happened so far was posted, and give the log; call it before asserting.

        Raises:
            ConfigurationError: it took longer than `timeout` seconds.
        """
        with self._changed:
            self._flushing = True
            self._changed.notify_all()
            try:
                if not self._changed.wait_for(lambda: not (self._waiting or self._busy), timeout):
                    raise ConfigurationError(f"{len(self._waiting)} webhooks are still waiting after {timeout:g} s")
            finally:
                self._flushing = False
            return tuple(self._log)

    @property
    def log(self) -> tuple[SentWebhook, ...]:
        """All posts so far, numbered from 1; `flush()` waits for those under way."""
        with self._changed:
            return tuple(self._log)

    def reset(self) -> None:
        """Forget addresses, log and what is waiting."""
        with self._changed:
            self._hooks, self._waiting, self._log, self._events = [], [], [], 0

    def close(self) -> None:
        """End the thread; what is still waiting is not posted; may be called twice."""
        with self._changed:
            self._stopped, thread = True, self._thread
            self._waiting.clear()
            self._changed.notify_all()
        if thread is not None:
            thread.join(timeout=_SECONDS)


def _type(event: Mapping[str, Json]) -> str:
    return str(event.get("type") or event.get("Type"))
