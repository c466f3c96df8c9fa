"""Backups by the command on a real store: made while it is written, sealed to the regency, read back."""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from pathlib import Path

import pytest

from edge.queue.store.database import Store
from edge.queue.store.migrate import migrate
from tests.contract.backup_box import Box, make_box, make_regency


@pytest.fixture
def regency(tmp_path: Path) -> Path:
    return make_regency(tmp_path)


@pytest.fixture
def box(tmp_path: Path, regency: Path) -> Box:
    return make_box(tmp_path / "box", regency)


def test_backups_while_the_store_is_written(box: Box, tmp_path: Path) -> None:
    """A backup could only be made of a box that stands still, or would hold half a transaction."""

    async def write_on(stop: asyncio.Event, under_way: asyncio.Event) -> int:
        store, written = await Store.open(box.store, max_mbyte=64, group_commit_ms=2), 0
        while not stop.is_set():
            await store.write(partial(pair, number=written))
            written += 1
            under_way.set()
        await store.close()
        return written

    def pair(conn: sqlite3.Connection, number: int) -> None:
        for half in ("a", "b"):
            conn.execute("INSERT INTO audit (kind, subject, detail, at) VALUES ('t', ?, ?, 0)", (half, str(number)))

    async def both() -> int:
        stop, under_way = asyncio.Event(), asyncio.Event()
        writing = asyncio.create_task(write_on(stop, under_way))
        await under_way.wait()
        for number in range(3):
            await asyncio.to_thread(box.good, "backup", tmp_path / f"{number}.kampung-edge")
        stop.set()
        return await writing

    written = asyncio.run(both())
    counts = []
    for number in range(3):
        with sqlite3.connect(tmp_path / f"{number}.kampung-edge") as conn:
            a, b = (
                conn.execute("SELECT count(*) FROM audit WHERE subject = ?", (half,)).fetchone()[0] for half in "ab"
            )
        assert a == b
        counts.append(a)
    assert counts == sorted(counts)
    assert written >= counts[-1] > counts[0] > 0


def test_a_folder_keeps_the_newest(box: Box, tmp_path: Path) -> None:
    """A stick in the box fills up, or loses the newest backup."""
    folder = tmp_path / "stick"
    folder.mkdir()
    for day in ("20261101T000000Z", "20261102T000000Z", "20261103T000000Z"):
        (folder / f"3510052001-{day}.kampung-edge").write_text("old")
    (folder / "letter.txt").write_text("mine")
    made = box.good("backup", folder, "--keep", 2)
    assert len(made["removed"]) == 2
    left = sorted(file.name for file in folder.iterdir())
    assert left == ["3510052001-20261103T000000Z.kampung-edge", Path(made["file"]).name, "letter.txt"]


def test_no_key_of_the_regency_is_told(tmp_path: Path) -> None:
    """Backups would be made for years that nobody can read."""
    box = Box(tmp_path / "box", None)
    migrate(box.store)
    refused = box.call("backup", tmp_path / "a.kampung-edge")
    assert refused.returncode == 2
    assert "set store.regency_key_file, or say --without-key" in refused.stderr
    assert box.good("backup", tmp_path / "a.kampung-edge", "--without-key")["with_key"] is False
    assert "there already" in box.call("backup", tmp_path / "a.kampung-edge", "--without-key").stderr


def test_a_damaged_row_makes_no_backup(box: Box, tmp_path: Path) -> None:
    """Damage is copied night after night until the last sound backup is gone."""
    with sqlite3.connect(box.store) as conn:
        conn.execute("PRAGMA writable_schema = 1")
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = bytearray(box.store.read_bytes())
    place = raw.index(b"K02-M2")
    raw[place] ^= 0x01
    box.store.write_bytes(raw)
    done = box.call("backup", tmp_path / "a.kampung-edge")
    assert done.returncode == 1
    assert "run `kampung-edge store check`" in done.stderr
    assert not (tmp_path / "a.kampung-edge").exists()
    assert [file.name for file in tmp_path.glob(".a*")] == []


def test_a_wrong_clock_throws_no_new_backup_away(box: Box, tmp_path: Path) -> None:
    """A box whose clock once ran ahead, or stands in 1970, says that it made a backup and keeps none."""
    folder = tmp_path / "stick"
    folder.mkdir()
    (folder / "3510052001-20990101T000000Z.kampung-edge").write_text("of a clock that ran ahead")
    made = box.good("backup", folder, "--keep", 1)
    assert [file.name for file in folder.iterdir()] == [Path(made["file"]).name]
