"""The command line: `python -m di_salesforce demo|check|plan|apply|run|status`.

What may not go in here: logic of its own.  Each command is one or two calls of the public names, which do the same for
a program; the exit statuses stand in `docs/reference/codes.md`.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

from di_salesforce.exceptions import ConfigurationError, DISalesforceError
from di_salesforce.progress import ProgressBar, progress_bar

Arguments = argparse.Namespace
OK, NEEDS_A_PERSON, COULD_NOT_RUN = 0, 1, 2


def _job(arguments: Arguments) -> Any:  # a Job, imported here: it brings the clients, which the demo starts without
    from di_salesforce.jobs import Job

    return Job.from_file(arguments.file)


def _bar() -> ProgressBar:
    try:
        return progress_bar()
    except ImportError:  # bars are a comfort: the command works without
        return ProgressBar(None)


@contextmanager
def _ended_clean(sync: Any) -> Generator[None]:  # a Synchronizer, see `_job`
    """Let SIGTERM, as at a shutdown, end a run once what it has sent is settled; Ctrl-C still breaks it off."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        sync.stop()

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _demo(arguments: Arguments) -> int:
    from di_salesforce.testing import demo  # here: it starts servers, which no other command should pay for

    return demo.main()


def _check(arguments: Arguments) -> int:
    with _job(arguments).connect() as sync:
        findings = sync.check()
    print(findings)
    return NEEDS_A_PERSON if findings.errors else OK


def _plan(arguments: Arguments) -> int:
    with _job(arguments).connect() as sync, _bar() as bar:
        plan = sync.plan(*arguments.transfer, progress=bar)
    if arguments.save is not None:
        _write(Path(arguments.save), json.dumps(plan.to_dict(), indent=1))
    print(plan)
    print(f"digest: {plan.digest}")
    return NEEDS_A_PERSON if plan.guards else OK


def _apply(arguments: Arguments) -> int:
    from di_salesforce.engine import Plan

    plan = Plan.from_dict(_read(Path(arguments.plan)))
    if arguments.digest is not None and plan.digest != arguments.digest:
        raise ConfigurationError("the plan's digest is another than the approved one: this is not the plan")
    with _job(arguments).connect() as sync, _bar() as bar, _ended_clean(sync):
        report = sync.apply(plan, progress=bar)
    print(report)
    return OK if report.ok else NEEDS_A_PERSON


def _run(arguments: Arguments) -> int:
    job = _job(arguments)
    most = job.max_writes if arguments.max_writes is None else arguments.max_writes
    with job.connect() as sync, _bar() as bar, _ended_clean(sync):
        report = sync.run(*arguments.transfer, max_writes=most, first_run=arguments.first_run, progress=bar)
    print(report)
    return OK if report.ok else NEEDS_A_PERSON


def _status(arguments: Arguments) -> int:
    with _job(arguments).connect() as sync:
        status = sync.status()
    print(json.dumps(status.to_dict()) if arguments.json else status)
    return OK if status.last_good is not None and status.last_good == status.last_run else NEEDS_A_PERSON


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error


def _read(path: Path) -> Any:  # plain data of a file
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError:
        raise ConfigurationError(f"{path} is no saved plan") from None


_COMMANDS: Final[Mapping[str, tuple[Callable[[Arguments], int], str]]] = {
    "demo": (_demo, "synchronise two simulated services and show every step; needs no account"),
    "check": (_check, "compare the integration with both live schemas; writes nothing"),
    "plan": (_plan, "show what would be written, and save it for approval; writes nothing"),
    "apply": (_apply, "carry out a saved plan, exactly it"),
    "run": (_run, "plan and apply until all is quiet"),
    "status": (_status, "tell when the last good run was and what waits; status 1 unless the last run was good"),
}


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m di_salesforce",
        description="Keep Salesforce and Dialog Insight records in agreement, in both directions.",
        epilog="Exit status: 0: all is well; 1: something needs a person; 2: it could not run.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, (_, told) in _COMMANDS.items():
        command = commands.add_parser(name, help=told, description=told)
        if name == "demo":
            continue
        command.add_argument("file", help="the integration, as TOML; its log-ins stand in the environment")
        if name == "apply":
            command.add_argument("plan", help="the saved plan")
            command.add_argument("--digest", help="the digest that was approved")
        if name in ("plan", "run"):
            command.add_argument("transfer", nargs="*", default=[], help="names of transfers; none: all")
        if name == "status":
            command.add_argument("--json", action="store_true", help="as plain data, for a health page")
        if name == "plan":
            command.add_argument("--save", metavar="PLAN", help="write the plan to this file; it holds people's data")
        if name == "run":
            command.add_argument("--max-writes", type=_count, metavar="N", help="stop before more writes than this")
            command.add_argument("--first-run", action="store_true", help="allow a store that remembers nothing")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Carry out one command; exit status 0: all is well, 1: something needs a person, 2: could not run."""
    given = _parser().parse_args(arguments)
    try:
        return _COMMANDS[given.command][0](given)
    except DISalesforceError as error:
        print(error, file=sys.stderr)
        return COULD_NOT_RUN


if __name__ == "__main__":
    sys.exit(main())
