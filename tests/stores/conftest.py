"""A private PostgreSQL server for the tests of one session, in a folder of its own, without a network port."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_NOBODY_ROOT = "postgres"  # the server refuses to run as root; the Debian package makes this user


def _program(name: str) -> str | None:
    """Find one of the server's programs: Debian keeps them out of the way, by version."""
    beside = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return str(beside[-1]) if beside else shutil.which(name)


def _command(*words: str) -> list[str]:
    """Give a command line that runs as somebody who is not root."""
    return (
        ["setpriv", "--reuid", _NOBODY_ROOT, "--regid", _NOBODY_ROOT, "--clear-groups", *words] if _root() else [*words]
    )


def _run(command: list[str], folder: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)


def _root() -> bool:
    return os.geteuid() == 0


def _user() -> str:
    return _NOBODY_ROOT if _root() else pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Give the address of an empty database on a real server, which lives as long as the session."""
    pytest.importorskip("psycopg", reason="PostgresStore is not tested: psycopg, the extra `postgres`, is missing")
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    if initdb is None or pg_ctl is None:
        pytest.skip("PostgresStore is not tested: no PostgreSQL server here (Debian: apt-get install postgresql)")
    with tempfile.TemporaryDirectory(prefix="di-pg-") as folder:
        home = Path(folder)
        if _root():
            shutil.chown(home, _NOBODY_ROOT, _NOBODY_ROOT)
        data = str(home / "data")
        _run(_command(initdb, "-D", data, "-A", "trust", "-U", _user(), "-N", "-E", "UTF8"), folder)
        options = f"-c listen_addresses='' -k {folder} -c fsync=off"  # no port; it need not survive a power cut
        start = _command(pg_ctl, "-D", data, "-w", "-l", str(home / "log"), "-o", options, "start")
        _run(start, folder)
        try:
            yield f"host={folder} dbname=postgres user={_user()}"
        finally:
            _run(_command(pg_ctl, "-D", data, "-m", "immediate", "stop"), folder)
