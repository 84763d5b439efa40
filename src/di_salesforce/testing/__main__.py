"""`python -m di_salesforce.testing`: both simulators on ports of this machine, for clients in any language.

What may not go in here: behaviour of either service, and data of its own (the files are read by `_seed.py`).
"""

from __future__ import annotations

import argparse
import functools
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Final

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing._seed import Seed, read_seed, shipped_seed
from di_salesforce.testing.sandbox import ORDERS_ID, Sandbox

__all__ = ["main"]

_EMPTY: Final = Seed((), (), (), (), (), ())
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_TICK: Final = 0.5  # seconds; on Windows a signal is noticed only between two waits

_print: Final = functools.partial(print, flush=True)  # whoever reads it through a pipe waits for the addresses

_DESCRIPTION: Final = """\
Start a simulated Salesforce org, a simulated Dialog Insight account, or both, on this machine.
With neither --salesforce nor --dialog-insight, both are started on free ports.
The org has the standard objects; the account has two projects and a relational table, as printed."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m di_salesforce.testing",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--salesforce", type=_port, metavar="PORT", help="start the org; 0: on a free port")
    parser.add_argument("--dialog-insight", type=_port, metavar="PORT", help="start the account; 0: on a free port")
    data = parser.add_mutually_exclusive_group()
    data.add_argument("--seed", metavar="FOLDER", help="load the six CSV files of a folder")
    data.add_argument("--example", action="store_true", help="load the invented people that come with the package")
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port < 65536:  # ports have 16 bits
        raise ValueError(text)
    return port


def main(
    arguments: Sequence[str] | None = None,
    *,
    say: Callable[[str], object] = _print,
    stop: threading.Event | None = None,
) -> int:
    """Serve until Ctrl-C or SIGTERM; exit status 0: stopped so, 2: could not start.

    Args:
        arguments: instead of the command line's.
        say: called with each line that a person reads.
        stop: ends it as a signal does; where one is given, signals are left alone.
    """
    chosen = _parser().parse_args(arguments)
    if chosen.salesforce is None and chosen.dialog_insight is None:
        chosen.salesforce = chosen.dialog_insight = 0
    try:
        seed = read_seed(shipped_seed() if chosen.example else chosen.seed) if chosen.example or chosen.seed else _EMPTY
    except ConfigurationError as error:
        say(str(error))
        return 2
    sandbox = Sandbox(seed, salesforce_port=chosen.salesforce or 0, dialog_insight_port=chosen.dialog_insight or 0)
    event = stop or threading.Event()
    with ExitStack() as running:
        if stop is None:
            _listen(event, running)
        try:
            _start(sandbox, chosen, running)
        except OSError as error:
            say(f"cannot listen there: {error.strerror or type(error).__name__}; choose another port, or 0")
            return 2
        _introduce(sandbox, chosen, seed, say)
        while not event.wait(_TICK):
            pass
    say("stopped")
    return 0


def _listen(event: threading.Event, running: ExitStack) -> None:
    """Let signals set the event, and give them back to who had them in the end."""

    def set_event(number: int, frame: object) -> None:
        event.set()

    for number in _SIGNALS:
        before = signal.signal(number, set_event)
        running.callback(signal.signal, number, before)


def _start(sandbox: Sandbox, chosen: argparse.Namespace, running: ExitStack) -> None:
    for fake, port in ((sandbox.salesforce, chosen.salesforce), (sandbox.dialog_insight, chosen.dialog_insight)):
        if port is not None:
            running.enter_context(fake)


def _introduce(sandbox: Sandbox, chosen: argparse.Namespace, seed: Seed, say: Callable[[str], object]) -> None:
    if chosen.salesforce is not None:
        org = sandbox.salesforce
        say(f"Salesforce: {org.url}")
        say(f"  client id {org.client_id}, client secret {org.client_secret}")
        say(f"  user name {org.username}, password {org.password}, security token {org.security_token}")
        say(f"  access token {org.access_token()}")
        say(f"  {len(seed.accounts)} accounts, {len(seed.contacts)} contacts, {len(seed.orders)} orders")
    if chosen.dialog_insight is not None:
        account = sandbox.dialog_insight
        say(f"Dialog Insight: {account.url}")
        say(f"  idKey {account.id_key}, Key {account.key}")
        for project in account.call("Projects", "List")["Records"]:
            contacts = len(account.contacts(project["idProject"]))
            say(f"  project {project['idProject']} ({project['ProjectName']}): {contacts} contacts")
        say(f"  relational table {ORDERS_ID}: {len(account.rows(ORDERS_ID))} rows")
    for row in seed.unloadable:
        say(f"  left out: {row}")
    say("Ctrl-C stops")


if __name__ == "__main__":
    sys.exit(main())
