"""The check at start: rows that are wrong, a repair that a power cut ended, damage that only the log's index tells."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.queue.store import files
from edge.queue.store.errors import StoreUnavailable
from edge.queue.store.mend import repair
from edge.queue.store.mend.damage import listed
from edge.queue.store.mend.guard import Guard
from tests.contract.resting_store import details, filled


def overwrite(path: Path, wanted: bytes, better: bytes) -> None:
    content = path.read_bytes()
    assert content.count(wanted) == 1
    assert len(wanted) == len(better)
    path.write_bytes(content.replace(wanted, better))


def test_a_damaged_row_alone_is_moved_out(tmp_path: Path) -> None:
    """One wrong row costs the whole file, or is passed on as right."""
    path = tmp_path / "box.db"
    filled(path)
    overwrite(path, b"the mark of row 0011", b"the work of tow 0011")
    assert repair.check(path) is None
    assert "the work of tow 0011" not in details(path)
    assert len(details(path)) == 39
    with closing(files.connect(path)) as conn:
        (found,) = listed(conn)
    assert found.lost == "audit 12"
    assert "the work of tow 0011" in found.detail
    assert repair.check(path) is None
    assert len(details(path)) == 39


def test_updates_stop_at_a_damaged_row(tmp_path: Path) -> None:
    """An update reckons a damaged row's sum anew, and what is wrong is right from then on."""
    path = tmp_path / "box.db"
    filled(path)
    overwrite(path, b"the mark of row 0011", b"\xff\xfe\xfd mark of tow 0011")
    with closing(files.connect(path)) as conn:
        guard = Guard(conn)
        assert conn.execute("UPDATE audit SET at = 5 WHERE seq = 3").rowcount == 1
        assert guard.found == []
        with pytest.raises(sqlite3.DatabaseError):
            conn.execute("UPDATE audit SET at = 5")
        assert [(row.table, row.place) for row in guard.found] == [("audit", (12,))]
        assert [damage.lost for damage in guard.heal(path)] == ["audit 12"]
        assert conn.execute("UPDATE audit SET at = 5").rowcount == 39


def test_the_next_of_a_stream_goes_when_the_first_is_lost(tmp_path: Path) -> None:
    """Everything behind a lost row of its stream is held for ever."""
    path = tmp_path / "box.db"
    filled(path)
    content = path.read_bytes()
    last = content.rindex(b"uplink_hour", 0, content.rindex(b"uplink_hour", 0, content.rindex(b"uplink_hour")))
    # Rows fill a page from its end, so that the last in the file is the first of the stream.
    first = content.rindex(b"uplink_hour")
    assert last < first
    path.write_bytes(content[:first] + b"uplonk_huor" + content[first + 11 :])
    assert repair.check(path) is None
    with closing(files.connect(path)) as conn:
        states = [(row[0], row[1]) for row in conn.execute("SELECT seq, state FROM outbox ORDER BY seq")]
        kept = conn.execute("SELECT sum(rows) FROM outbox_depth").fetchone()[0]
    assert states == [(2, "pending"), (3, "held")]
    assert kept == 2


@pytest.mark.parametrize("step", ["salvaged", "log aside", "all aside"])
def test_a_repair_that_a_power_cut_ended_is_finished(tmp_path: Path, step: str) -> None:
    """A power cut between the renames leaves an empty store, or the damaged one in use."""
    path = tmp_path / "box.db"
    filled(path)
    good = path.read_bytes()
    path.write_bytes(b"?" * 100 + good[100:])
    path.with_name("box.db-wal").write_bytes(b"an old log")
    path.with_name("box.db.salvaged").write_bytes(good)
    if step != "salvaged":
        path.with_name("box.db-wal").rename(tmp_path / "box.db.corrupt-1-wal")
    if step == "all aside":
        path.rename(tmp_path / "box.db.corrupt-1")
    path.with_name("box.db.salvaging").write_bytes(b"half")
    assert files.check(path) is None
    assert len(details(path)) == 40
    assert not list(tmp_path.glob("*.salvag*"))
    assert [file.stat().st_size for file in tmp_path.glob("*.corrupt-?")] == [len(good)]


def test_a_repair_that_cannot_be_done_leaves_the_damaged_store_as_it_is(tmp_path: Path) -> None:
    """A repair without room for the new file destroys the old one."""
    path = tmp_path / "box.db"
    filled(path)
    path.write_bytes(b"?" * 100 + path.read_bytes()[100:])
    before = path.read_bytes()
    (tmp_path / "box.db.salvaging").mkdir()  # where the new one would be built
    with pytest.raises(OSError, match="salvaging"):
        repair.check(path)
    assert path.read_bytes() == before
    shutil.rmtree(tmp_path / "box.db.salvaging")
    assert repair.check(path) is not None
    assert len(details(path)) == 40


def test_a_damaged_name_of_a_migration_is_no_newer_version(tmp_path: Path) -> None:
    """One wrong letter, and the box refuses its own store as that of a newer version."""
    path = tmp_path / "box.db"
    filled(path)
    with closing(files.connect(path)) as conn:
        conn.execute("UPDATE migration SET name = '0003_histoxy' WHERE name LIKE '0003%'")
    assert repair.check(path) is not None
    assert not files.pending(path)
    assert len(details(path)) == 40


def test_a_changed_schema_is_not_believed(tmp_path: Path) -> None:
    """A letter of a trigger or an index rots, and the outbox's depths or claims go wrong from then on."""
    path = tmp_path / "box.db"
    filled(path)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"WHERE state = 'dead'", b"WHERE state = 'deaf'"))
    assert repair.check(path) is not None
    assert len(details(path)) == 40


def test_what_is_set_aside_does_not_fill_the_card(tmp_path: Path) -> None:
    """A card that rots every hour fills itself with copies of its damaged store."""
    path = tmp_path / "box.db"
    filled(path)
    for number in range(1, 6):
        content = path.read_bytes()
        path.write_bytes(b"?" * 100 + content[100:])
        assert repair.check(path) == tmp_path / f"box.db.corrupt-{number}"
    assert sorted(file.name for file in tmp_path.glob("*.corrupt-*")) == [f"box.db.corrupt-{n}" for n in (3, 4, 5)]
    assert len(details(path)) == 40


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes."""
    directory = tmp_path / "disk"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", directory], check=True)
    yield directory
    subprocess.run(["umount", directory], check=True)


def test_a_disk_without_room_for_a_repair_is_not_written_to_for_ever(
    disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The daemon asks every five seconds: a card is worn out by salvages that all end for want of room."""
    path = disk / "box.db"
    filled(path, rows=2_000)
    with path.open("r+b") as file:
        file.seek(6 * 4096)
        file.write(bytes(range(256)) * 32)
    filler = disk / "log"
    filler.write_bytes(bytes(shutil.disk_usage(disk).free - 200_000))
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="free space beside it"):
            repair.check(path)
    assert sum("is being salvaged" in record.message for record in caplog.records) == 1
    filler.unlink()
    assert repair.check(path) == disk / "box.db.corrupt-1"
    assert repair.check(path) is None
