"""Run the collected tests against one mutant after the other; a pytest plugin, for `mutants.py`.

Every mutant gets a fork of one session that has collected and imported everything, so that it costs no more than its
tests: those that reach its function, the ones that killed its neighbours first, then from the quickest to the slowest,
until one fails.  The properties come last by that order.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import resource
import signal
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from mutmut.mutation import trampoline
from mutmut.state import state

WANTED, FATES, STATS = Path("wanted.json"), Path("fates.json"), Path("reached.json")
WORKERS = int(os.environ.get("MUTATION_WORKERS", str(os.cpu_count() or 1)))
PATIENCE = 10.0  # times what a test takes unchanged: a mutant may loop for ever
LEAST = 5.0  # seconds of processor time, on top of it
MEMORY = 4 << 30  # bytes: a mutant may also ask for more and more
CONTROL = "di_salesforce.engine._control.x_nothing__mutmut_1"  # no function: with it the tests run as they are
SAVE_EVERY = 20  # mutants: a session can be stopped at any time and goes on where it was


def _caches() -> list[Any]:  # functions with a cache, of any signature
    """Give what remembers answers of the unchanged code."""
    return [
        each
        for each in gc.get_objects()
        if isinstance(each, functools._lru_cache_wrapper) and str(each.__module__).startswith("di_salesforce")
    ]


def _failed(item: Any) -> bool:  # a pytest.Function
    """Run one test; a plain function without fixtures is called, which spares the protocol."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    if set(item.fixturenames) - {"request"} - set(params):
        return any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))
    try:
        item.obj(**{name: params[name] for name in item._fixtureinfo.argnames})
    except pytest.skip.Exception:
        return False
    except Exception:  # noqa: BLE001 - whatever a mutant raises, it was noticed
        return True
    except pytest.fail.Exception:  # no Exception, so that tests do not catch it
        return True
    return False


def _measure(items: Iterable[Any]) -> None:
    """Run every test once unchanged; write down which functions each reaches, and how long it takes."""
    trampoline.set_mutant_under_test("stats")
    reached: dict[str, list[str]] = defaultdict(list)
    took: dict[str, float] = {}
    for item in items:
        state()._stats.clear()
        start = time.process_time()
        if _failed(item):
            sys.__stderr__.write(f"{item.nodeid} fails without a mutant\n")
            os._exit(1)
        took[item.nodeid] = time.process_time() - start
        for function in state()._stats:
            reached[function].append(item.nodeid)
    STATS.write_text(json.dumps({"reached": reached, "took": took}), "utf-8")
    os._exit(0)


def _killer(mutant: str, items: Iterable[tuple[Any, float]]) -> str:
    """Name the first test, of those with their seconds, that fails with a mutant; empty where none does."""
    trampoline.set_mutant_under_test(mutant)
    trampoline.get_mutant_under_test = lambda: mutant  # asked at every call of every function
    warnings.simplefilter("error")
    for item, seconds in items:
        signal.setitimer(signal.ITIMER_PROF, seconds * PATIENCE + LEAST)  # its signal ends the process
        if _failed(item):
            return str(item.nodeid)
    return ""


class Session:
    """The mutants that are being tried, and what became of the others."""

    def __init__(self, items: Iterable[Any]) -> None:  # pytest's
        self.items = {item.nodeid: item for item in items}
        self.caches = _caches()
        self.fates: dict[str, list[str]] = json.loads(FATES.read_text("utf-8"))
        self.running: dict[int, tuple[str, str, int]] = {}  # by process: the mutant, its version, where it answers
        self.killers: dict[str, list[str]] = defaultdict(list)  # by function, the latest first
        gc.collect()
        gc.freeze()  # the forks share what is here, and leave it alone

    def try_all(self, wanted: dict[str, str]) -> None:
        """Try each mutant, several at a time."""
        if self._fork(lambda: _measure(self.items.values())) != 0:
            raise pytest.UsageError("the tests do not pass without a mutant")
        stats = json.loads(STATS.read_text("utf-8"))
        self._start(CONTROL, "", list(self.items), stats["took"])
        self._wait()
        if (told := self.fates.pop(CONTROL)[1]) != "survived":
            raise pytest.UsageError(f"a change of nothing was {told}: a session like this proves nothing")
        for mutant, version in wanted.items():
            function = mutant.partition("__mutmut_")[0]
            tests: list[str] = stats["reached"].get(function, [])
            rank = {name: place for place, name in enumerate(self.killers[function])}
            tests.sort(key=lambda name: (rank.get(name, len(rank)), stats["took"][name]))
            while len(self.running) >= WORKERS:
                self._wait()
            self._start(mutant, version, tests, stats["took"])
        while self.running:
            self._wait()
        self._save()

    def _fork(self, work: Any) -> int:  # a function that ends its process
        pid = os.fork()
        if pid == 0:
            for cache in self.caches:
                cache.cache_clear()
            work()
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def _start(self, mutant: str, version: str, tests: list[str], took: dict[str, float]) -> None:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid != 0:
            os.close(writer)
            self.running[pid] = (mutant, version, reader)
            return
        for cache in self.caches:
            cache.cache_clear()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:  # kept open: a file left to the collector warns
            sys.stdout = sys.stderr = nowhere
            try:
                answer = _killer(mutant, ((self.items[name], took[name]) for name in tests))
            except BaseException as error:  # noqa: BLE001 - as above
                answer = type(error).__name__
        os.write(writer, answer.encode())
        os._exit(0)

    def _wait(self) -> None:
        """Take one answer down; who gave none was ended by a limit, which is noticed as well."""
        pid, status = os.wait()
        mutant, version, reader = self.running.pop(pid)
        answer = os.read(reader, 1 << 16).decode() or ("a limit" if status else "")
        os.close(reader)
        self.fates[mutant] = [version, f"killed: {answer}" if answer else "survived"]
        killers = self.killers[mutant.partition("__mutmut_")[0]]
        if answer in self.items:
            killers[:] = [answer, *(name for name in killers if name != answer)]
        if len(self.fates) % SAVE_EVERY == 0:
            self._save()

    def _save(self) -> None:
        FATES.write_text(json.dumps(self.fates), "utf-8")
        told = [fate.partition(":")[0] for _, fate in self.fates.values()]
        sys.__stderr__.write(f"{len(told):,} tried, {told.count('killed'):,} killed\n")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Try the wanted mutants instead of running the tests."""
    Session(session.items).try_all(json.loads(WANTED.read_text("utf-8")))
    return True
