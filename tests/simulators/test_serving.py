"""Laws of `python -m di_salesforce.testing`: it serves what it prints, and stops when it is told to."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from di_salesforce.clients import DialogInsightClient, SalesforceClient
from di_salesforce.dialog_insight import Capabilities
from di_salesforce.salesforce import AccessToken
from di_salesforce.testing import shipped_seed
from di_salesforce.testing.__main__ import main
from di_salesforce.testing.sandbox import COMMUNICATIONS_ID


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """Run the command in a thread of its own, and give what it has printed once it serves."""
    lines: list[str] = []
    ready, stop = threading.Event(), threading.Event()
    status: list[int] = []

    def say(line: str) -> None:
        lines.append(line)
        if line == "Ctrl-C stops":
            ready.set()

    thread = threading.Thread(target=lambda: status.append(main(arguments, say=say, stop=stop)))
    thread.start()
    assert ready.wait(20)
    yield "\n".join(lines)
    stop.set()
    thread.join(20)
    assert status == [0]


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, text
    return match[1]


def test_both_serve_with_what_is_printed() -> None:
    """The printed addresses, keys and tokens work; the example's people are there."""
    with serving("--example") as said:
        auth = AccessToken(found(r"Salesforce: (\S+)", said), found(r"access token (\S+)", said))
        with SalesforceClient(auth=auth) as org:
            people = len(list(org.query("SELECT Id FROM Contact")))
        with DialogInsightClient(
            id_key=found(r"idKey (\d+)", said),
            key=found(r"Key (\w{32})", said),
            host=found(r"Dialog Insight: (\S+)", said),
            capabilities=Capabilities(clauseless_get=True),
        ) as account:
            contacts = len(account.project(COMMUNICATIONS_ID).contacts.get())
    assert f" {people} contacts" in said
    assert f"project {COMMUNICATIONS_ID} (communications): {contacts} contacts" in said
    assert people > 0
    assert contacts > 0


def test_one_alone_serves_on_the_port_that_was_asked_for() -> None:
    """Only what was asked for is started, where it was asked to be, without rows."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with serving("--dialog-insight", str(port)) as said:
        assert f"Dialog Insight: http://127.0.0.1:{port}" in said
        assert "Salesforce" not in said
        assert "(communications): 0 contacts" in said
        answer = httpx.post(f"http://127.0.0.1:{port}/webservices/ofc4/projects.ashx?method=List", json={})
        assert answer.json()["ErrorCode"] == "AuthKeyMissing"
    with serving("--salesforce", "0") as said:
        assert "Dialog Insight" not in said


def test_a_folder_is_loaded(tmp_path: Path) -> None:
    """A folder with the six files is loaded; rows that a strict service would refuse are named and left out."""
    for file in shipped_seed().iterdir():
        if file.name.endswith(".csv"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with serving("--seed", str(tmp_path), "--salesforce", "0") as said:
        loaded = said.splitlines()[-3:]
    with serving("--example", "--salesforce", "0") as said:
        assert said.splitlines()[-3:] == loaded


def test_what_cannot_be_started_is_said(tmp_path: Path) -> None:
    """An empty folder and a taken port end with status 2 and a sentence."""
    said: list[str] = []
    assert main(["--seed", str(tmp_path)], say=said.append, stop=threading.Event()) == 2
    assert "cannot be read" in said[0]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["--salesforce", port], say=said.append, stop=threading.Event()) == 2
    assert "choose another port" in said[-1]


@pytest.mark.parametrize("arguments", [["--salesforce", "70000"], ["--seed", "x", "--example"], ["--what"]])
def test_wrong_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Arguments that cannot be end with the usage and status 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage" in capsys.readouterr().err


def stopped_by(send: Callable[[subprocess.Popen[str]], None]) -> tuple[int, str]:
    program = [sys.executable, "-W", "error", "-m", "di_salesforce.testing"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        assert running.stdout is not None
        said: list[str] = []
        for line in running.stdout:
            said.append(line)
            if line.startswith("Ctrl-C"):
                send(running)
                break
        said.append(running.stdout.read())
        return running.wait(20), "".join(said)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of that kind do not reach a process on Windows")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_with_status_0(number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM end it in order, without a stack trace."""
    status, said = stopped_by(lambda running: running.send_signal(number))
    assert status == 0
    assert said.endswith("stopped\n")
    assert "Traceback" not in said
