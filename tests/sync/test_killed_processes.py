"""Real processes, real sockets, `kill -9`: whatever moment a run dies at, later ones finish it and double nobody.

The long form (`nox -s killed`) kills a run of 20,000 records twenty times; here a smaller one is killed three times.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from di_salesforce.stores import SQLiteStore

if TYPE_CHECKING:
    from tests.sync.conftest import World

PROJECT = 4400
RECORDS = int(os.environ.get("KILLED_RECORDS", "600"))
KILLS = int(os.environ.get("KILLS", "3"))
SEED = int(os.environ.get("KILLED_SEED", "7"))
TRIES = 40  # runs after the last kill: each needs the dead one's lease to end, and then the quarantine

RUN = """
import os, sys
from datetime import timedelta
sys.path.insert(0, sys.argv[1])
from tests.sync.conftest import PROJECT, make_people_transfer
from di_salesforce import (
    DialogInsightClient, Integration, SalesforceClient, Side, SQLiteStore, Synchronizer,
)
from di_salesforce.dialog_insight import Capabilities
from di_salesforce.exceptions import AlreadyRunningError
from di_salesforce.salesforce import AccessToken

_, _, url, token, host, id_key, key, path, bulk_from = sys.argv
with (
    SalesforceClient(auth=AccessToken(url, token), bulk_from=int(bulk_from)) as salesforce,
    DialogInsightClient(id_key=id_key, key=key, host=host, capabilities=Capabilities(clauseless_get=True)) as di,
    Synchronizer(
        Integration([make_people_transfer()]), salesforce=salesforce, dialog_insight=di, store=SQLiteStore(path),
        lease=timedelta(seconds=2), quarantine={side: timedelta(seconds=1) for side in Side},
    ) as sync,
):
    print("open", flush=True)
    try:
        report = sync.run(first_run=True)
    except AlreadyRunningError:
        sys.exit(3)
    print(len(report.written), flush=True)
    sys.exit(0 if report.ok and not report.written and not sync.status().in_doubt else 4)
"""


def command(world: World, path: Path) -> list[str]:
    root = str(Path(__file__).parents[2])
    token, fake = world.salesforce.access_token(), world.dialog_insight
    many = RECORDS // 4  # half of all are created in Salesforce: at first in bulk, what deaths leave of them otherwise
    arguments = [root, world.salesforce.url, token, fake.url, str(fake.id_key), str(fake.key), str(path), str(many)]
    return [sys.executable, "-c", RUN, *arguments]


def test_killed_at_random_moments(make_world: object, tmp_path: Path) -> None:
    """Killed again and again while it creates people on both sides, the synchronisation ends with each of them once."""
    world: World = make_world(sockets=True)  # type: ignore[operator]  # a fixture
    chance = random.Random(SEED)
    half = RECORDS // 2
    names = [f"p{number}@example.com" for number in range(RECORDS)]
    world.salesforce.load("Contact", [{"Email": name, "FirstName": "Ada", "LastName": "Roy"} for name in names[:half]])
    world.dialog_insight.load_contacts(
        PROJECT, [{"EMail": name, "FirstName": "Ada", "LastName": "Roy"} for name in names[half:]]
    )
    path = tmp_path / "memory.db"
    SQLiteStore(path).close()
    took, deaths = _undisturbed_seconds(world), 0
    while deaths < KILLS:
        with subprocess.Popen(command(world, path), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                process.wait(chance.uniform(0, took))
            except subprocess.TimeoutExpired:
                process.kill()
                deaths += 1
            else:
                assert process.returncode in (0, 3, 4), "it failed otherwise than by a signal"
                if process.returncode == 0:
                    break  # there was nothing left to do: it was quicker than its deaths
                time.sleep(0.2)
    for _ in range(TRIES):
        if subprocess.run(command(world, path), stdout=subprocess.DEVNULL, check=False).returncode == 0:
            break
        time.sleep(0.5)
    else:
        raise AssertionError("no run came to rest")
    assert any(not job.is_query for job in world.salesforce._service.jobs.values())
    here, there = world.truth()
    assert [row[0] for row in here] == sorted(names)
    assert [row[0] for row in there] == sorted(names)
    with SQLiteStore(path) as store:
        assert store.intents() == ()
        assert world.sync(store=store).compare().ok


def _undisturbed_seconds(world: World) -> float:
    """Guess how long the writing takes, so that deaths fall into it: by the number of records, not by a clock."""
    return 0.5 + len(world.salesforce.rows("Contact")) / 400
