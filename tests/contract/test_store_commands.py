"""`kampung-edge store check` and `compact` on a real store."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from edge.queue.store import files
from tests.contract.backup_box import Box, dump, make_box, make_regency


@pytest.fixture
def regency(tmp_path: Path) -> Path:
    return make_regency(tmp_path)


@pytest.fixture
def box(tmp_path: Path, regency: Path) -> Box:
    return make_box(tmp_path / "box", regency)


def test_a_check_finds_what_sqlite_does_not_see(box: Box) -> None:
    """A flipped byte is read as a villager's wish until somebody complains."""
    well = box.good("check")
    assert (well["well"], well["bad_rows"], well["rows"] > 8) == (True, [], True)
    assert (well["written_bytes"], well["written_day_bytes"]) == (0, 0)
    raw = bytearray(box.store.read_bytes())
    for place in re.finditer(b"SKTM", bytes(raw)):
        raw[place.start()] ^= 0x01
    box.store.write_bytes(raw)
    done = box.call("check", "--json")
    assert done.returncode == 1
    assert [bad["table"] for bad in json.loads(done.stdout)["bad_rows"]] == ["request"] * 3
    assert "row 1 of request does not have its check sum" in box.call("check").stdout


@pytest.mark.parametrize("command", ["check", "seen", "compact"])
def test_where_no_store_is_the_remedy_is_said(box: Box, command: str) -> None:
    """Whoever forgot --config would take the store for lost."""
    box.store.unlink()
    done = box.call(command)
    assert done.returncode == 1
    assert f"there is no store at {box.store}: is this the right configuration?" in done.stderr


def test_compacting_gives_room_back(box: Box) -> None:
    """A store that was once full stays large on a small card."""
    conn = files.connect(box.store)
    conn.execute("BEGIN")
    conn.executemany("INSERT INTO audit (kind, subject, detail, at) VALUES ('t', 's', ?, 0)", [("x" * 500,)] * 4_000)
    conn.execute("DELETE FROM audit")
    conn.execute("COMMIT")
    conn.close()
    done = box.good("compact")
    assert done["after_bytes"] < done["before_bytes"] / 4
    assert dump(box.store)
