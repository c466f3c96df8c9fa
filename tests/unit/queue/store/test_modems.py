from __future__ import annotations

from edge.queue.store import modems
from tests.unit.queue.store.rows import database


def test_each_modem_remembers_its_own() -> None:
    """A SIM would be given another SIM's service centre, or an old one."""
    conn = database()
    modems.remember(conn, "modem", "smsc", "+62811", now=1.0)
    modems.remember(conn, "modem", "smsc", "+62812", now=2.0)
    modems.remember(conn, "second", "smsc", "+62813", now=3.0)
    assert [modems.recall(conn, name, "smsc") for name in ("modem", "second", "third")] == ["+62812", "+62813", ""]
    assert modems.recall(conn, "modem", "balance") == ""
