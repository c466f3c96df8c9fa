"""A damaged log of a killed store: bits put right and named, commits missed, other logs and indexes not believed."""

from __future__ import annotations

import shutil
import struct
import sys
from contextlib import closing
from pathlib import Path

import pytest

from edge.queue.store import files
from edge.queue.store.mend import repair, walscan
from edge.queue.store.mend.damage import listed
from edge.queue.store.mend.examine import examine
from edge.queue.store.mend.salvage import salvage
from tests.contract.resting_store import NOW, ROWS, details, filled, killed, late
from tests.unit.queue.store.old_stores import build

FRAME = 24 + 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of 40 rows at rest."""
    file = tmp_path / "box.db"
    filled(file)
    return file


def test_commits_cut_off_the_log_are_missed(path: Path) -> None:
    """The log loses its end to a damaged file system, and nobody learns that commits are gone."""
    log = killed(path)
    with log.open("r+b") as file:
        file.truncate(log.stat().st_size - 2 * FRAME)
    aside = repair.check(path)
    assert aside == path.with_name("box.db.corrupt-1")
    found = examine(path)
    assert found.well
    assert "*" in {damage.lost for damage in found.damage}
    assert late(path) < 5
    assert f"audit {ROWS + late(path) + 1}-" in {damage.lost for damage in found.damage}


@pytest.mark.parametrize("sealed", [True, False], ids=["its sum is right", "its sum is wrong"])
def test_an_index_of_the_log_that_lies_is_not_believed(path: Path, sealed: bool) -> None:
    """A bad page of the index, which has sums too, has a whole store salvaged and commits told as lost."""
    log = killed(path)
    index = path.with_name("box.db-shm")
    content = bytearray(index.read_bytes())
    (frames,) = struct.unpack_from("=I", content, 16)
    for copy in (0, 48):
        struct.pack_into("=I", content, copy + 16, frames + 1_000)
        if sealed:
            counted = walscan.sums(walscan.words(content[copy : copy + 40], sys.byteorder == "big"), (0, 0))
            struct.pack_into("=2I", content, copy + 40, *counted)
    index.write_bytes(content)
    assert log.stat().st_size > 0
    assert (repair.check(path) is None) is not sealed
    assert late(path) == 5


def test_a_wrong_bit_in_the_log_is_put_right_in_place_and_named_once(path: Path) -> None:
    """One wrong bit in the log, and all commits behind it are gone; or nobody learns that the card rots."""
    log = killed(path)
    content = bytearray(log.read_bytes())
    content[32 + 24 + 300] ^= 1
    log.write_bytes(content)
    for _ in range(2):
        assert repair.check(path) is None
        assert late(path) == 5
        with closing(files.connect(path)) as conn:
            (found,) = listed(conn)
    assert (found.place, found.lost) == ("log box.db.log-1", "")
    assert "wrong bits in box.db-wal were put right" in found.detail
    assert path.with_name("box.db.log-1").read_bytes() == content


def test_a_log_of_another_store_is_not_folded_in(path: Path, tmp_path: Path) -> None:
    """A log that came with another file (a copy by hand, a mended directory) is mixed into this one."""
    other = tmp_path / "other" / "box.db"
    other.parent.mkdir()
    filled(other, rows=400)
    foreign = killed(other)
    shutil.copy(foreign, path.with_name("box.db-wal"))
    repair.check(path)
    found = examine(path)
    assert found.well
    assert len([mark for mark in details(path) if mark.startswith("the mark")]) == ROWS


def test_a_schema_without_a_place_for_damage_gets_one(tmp_path: Path) -> None:
    """What an update of a damaged box found lost is told in the log alone."""
    path, new = tmp_path / "box.db", tmp_path / "new.db"
    build(path, 4)
    content = path.read_bytes()
    page = content.rindex(b"K02-M2") // 4096
    path.write_bytes(content[: page * 4096] + bytes(4096) + content[(page + 1) * 4096 :])
    report = salvage(path, new, why="a page is gone", now=NOW)
    assert report.lost
    assert not files.pending(new)
    with closing(files.connect(new)) as conn:
        told = listed(conn)
    assert {found.lost for found in told} >= set(report.lost)
    assert "a page is gone" in told[0].detail
