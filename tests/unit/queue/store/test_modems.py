from __future__ import annotations

import sqlite3

import pytest

from edge.queue.store import modems, rowsum
from tests.unit.queue.store.rows import database


def test_each_modem_remembers_its_own() -> None:
    """A SIM would be given another SIM's service centre, or an old one."""
    conn = database()
    modems.remember(conn, "modem", "smsc", "+62811", now=1.0)
    modems.remember(conn, "modem", "smsc", "+62812", now=2.0)
    modems.remember(conn, "second", "smsc", "+62813", now=3.0)
    assert [modems.recall(conn, name, "smsc") for name in ("modem", "second", "third")] == ["+62812", "+62813", ""]
    assert modems.recall(conn, "modem", "balance") == ""


@pytest.mark.parametrize("rotten", [b'{"rp": 52', b'{"rp": \xffP'])
def test_what_has_rotted_is_not_remembered(rotten: bytes) -> None:
    """One wrong bit would have a driver, or every SMS, fail until somebody finds the row."""
    conn = database()
    modems.remember(conn, "modem", "balance", '{"rp": 50}', now=1.0)
    sound = conn.serialize()
    assert sound.count(b'{"rp": 50') == 1
    with sqlite3.connect(":memory:") as other:
        rowsum.register(other)
        other.deserialize(sound.replace(b'{"rp": 50', rotten))
        assert modems.recall(other, "modem", "balance") == ""
    other.close()
