"""An erasure request: nothing of the person is left in the store, and neither side brings them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from di_salesforce.stores import SQLiteStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sync.conftest import World

PROJECT = 4400


@pytest.mark.parametrize("by", ["key", "salesforce", "dialog_insight"])
def test_a_forgotten_person_stays_forgotten(settled: World, by: str) -> None:
    """After their record is deleted on one side only, no run brings them back, and no run takes it for a fault."""
    key = {
        "key": " ANN@example.com ",
        "salesforce": settled.contact_id("ann@example.com"),
        "dialog_insight": str(settled.person_id("ann@example.com")),
    }[by]
    settled.salesforce.edit("Contact", settled.contact_id("ann@example.com"), LastName="Lee")
    settled.sync().run()
    sync = settled.sync()
    assert len(sync.history("ann@example.com")) == 1
    assert sync.forget(key) == 1
    settled.salesforce.delete("Contact", settled.contact_id("ann@example.com"))
    before = settled.write_calls
    report = sync.run()
    assert report.ok
    assert settled.write_calls == before
    assert sync.history("ann@example.com") == ()
    assert len(settled.store.baseline("people")) == 2
    assert sync.compare().ok


def test_others_go_on(settled: World) -> None:
    """Whoever was not forgotten is synchronised as before."""
    sync = settled.sync()
    sync.forget("ann@example.com")
    settled.salesforce.edit("Contact", settled.contact_id("bob@example.com"), LastName="Lee")
    assert [line.key for line in sync.run().written] == ["bob@example.com"]


def test_not_a_byte_of_them_is_in_the_file(make_world: Callable[..., World], tmp_path: Path) -> None:
    """Neither the address nor a name can be read in the store's file, before or after it is packed."""
    path = tmp_path / "memory.db"
    with SQLiteStore(path) as store:
        world = make_world(store=store)
        world.contact("secretive@example.com", last="Whisper")
        world.pair("bob@example.com")
        world.sync().run(first_run=True)
        world.sync().forget("secretive@example.com")
        store._db.execute("VACUUM")
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"secretive" not in content
    assert b"Whisper" not in content
    assert b"bob@example.com" in content
