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
from pathlib import Path
from typing import Final

import attrs

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing._dialog_insight import FakeDialogInsight
from di_salesforce.testing._own_files import is_own_folder, load_dialog_insight_folder, load_salesforce_folder
from di_salesforce.testing._salesforce import FakeSalesforce
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
Without --seed, or with the example's files, the account has two projects and a relational table, as printed.

A folder of your own CSV files is loaded as its headers say:
  salesforce/Contact.csv         API names; `Account.Ext__c` names a parent; new fields and objects end in __c
  dialog_insight/4321.csv        contacts of project 4321: key_f_EMail, f_City, optin_news, dtOptin_news
  dialog_insight/4321-8765.csv   rows of its table 8765: key_idOrder, idContact, Revenue"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m di_salesforce.testing",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--salesforce", type=_port, metavar="PORT", help="start the org; 0: on a free port")
    parser.add_argument("--dialog-insight", type=_port, metavar="PORT", help="start the account; 0: on a free port")
    data = parser.add_mutually_exclusive_group()
    data.add_argument(
        "--seed",
        metavar="FOLDER",
        help="load the CSV files of a folder: your own (see above), or the six of the example",
    )
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
        loaded = _loaded(chosen)
    except ConfigurationError as error:
        say(str(error))
        return 2
    event = stop or threading.Event()
    with ExitStack() as running:
        if stop is None:
            _listen(event, running)
        try:
            _start(loaded, chosen, running)
        except OSError as error:
            say(f"cannot listen there: {error.strerror or type(error).__name__}; choose another port, or 0")
            return 2
        _introduce(loaded, chosen, say)
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


@attrs.frozen
class _Loaded:
    """Both simulators with their rows, and what is to be said of each."""

    salesforce: FakeSalesforce
    dialog_insight: FakeDialogInsight
    org_holds: Sequence[str]
    account_holds: Sequence[str]
    left_out: Sequence[str] = ()


def _loaded(chosen: argparse.Namespace) -> _Loaded:
    ports = chosen.salesforce or 0, chosen.dialog_insight or 0
    if chosen.seed is not None and is_own_folder(Path(chosen.seed)):
        org, account = FakeSalesforce(ports[0]), FakeDialogInsight(ports[1])
        objects = load_salesforce_folder(org, Path(chosen.seed))
        lists = load_dialog_insight_folder(account, Path(chosen.seed))
        return _Loaded(
            org, account, *([f"{name}: {rows} rows" for name, rows in held.items()] for held in (objects, lists))
        )
    given = shipped_seed() if chosen.example else chosen.seed
    seed = _EMPTY if given is None else read_seed(given)
    sandbox = Sandbox(seed, salesforce_port=ports[0], dialog_insight_port=ports[1])
    account = sandbox.dialog_insight
    listed = account.call("Projects", "List")["Records"]
    projects = [
        f"project {project['idProject']} ({project['ProjectName']}): "
        f"{len(account.contacts(project['idProject']))} contacts"
        for project in listed
    ]
    return _Loaded(
        sandbox.salesforce,
        account,
        [f"{len(seed.accounts)} accounts, {len(seed.contacts)} contacts, {len(seed.orders)} orders"],
        [*projects, f"relational table {ORDERS_ID}: {len(account.rows(ORDERS_ID))} rows"],
        [f"left out: {row}" for row in seed.unloadable],
    )


def _start(loaded: _Loaded, chosen: argparse.Namespace, running: ExitStack) -> None:
    for fake, port in ((loaded.salesforce, chosen.salesforce), (loaded.dialog_insight, chosen.dialog_insight)):
        if port is not None:
            running.enter_context(fake)


def _introduce(loaded: _Loaded, chosen: argparse.Namespace, say: Callable[[str], object]) -> None:
    lines: list[str] = []
    if chosen.salesforce is not None:
        org = loaded.salesforce
        lines += [
            f"Salesforce: {org.url}",
            f"  client id {org.client_id}, client secret {org.client_secret}",
            f"  user name {org.username}, password {org.password}, security token {org.security_token}",
            f"  access token {org.access_token()}",
            *(f"  {line}" for line in loaded.org_holds),
        ]
    if chosen.dialog_insight is not None:
        account = loaded.dialog_insight
        lines += [
            f"Dialog Insight: {account.url}",
            f"  idKey {account.id_key}, Key {account.key}",
            *(f"  {line}" for line in loaded.account_holds),
        ]
    for line in (*lines, *(f"  {row}" for row in loaded.left_out), "Ctrl-C stops"):
        say(line)


if __name__ == "__main__":
    sys.exit(main())
