"""The ballast on a real small disk."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.queue.store.volume import Ballast, ballast

SIZE = 1_000_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "disk"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", directory], check=True)
    yield directory
    subprocess.run(["umount", directory], check=True)


def fill(disk: Path) -> Path:
    state = os.statvfs(disk)
    filler = disk / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, state.f_bavail * state.f_frsize - 100_000)
    return filler


def test_the_ballast_is_of_real_blocks_and_given_back_once(disk: Path) -> None:
    """A file with holes is no room kept, and a full disk stops the queue from draining."""
    kept = Ballast(disk / "box.db", SIZE)
    assert kept.keep()
    assert ballast(disk / "box.db").stat().st_blocks * 512 >= SIZE
    fill(disk)
    before = os.statvfs(disk).f_bavail
    assert kept.release()
    assert os.statvfs(disk).f_bavail - before >= SIZE // 4096
    assert not kept.release()


def test_a_disk_without_room_has_no_ballast_until_it_has(disk: Path) -> None:
    """Half a ballast is left on a full disk, or it is never made once there is room."""
    filler = fill(disk)
    kept = Ballast(disk / "box.db", SIZE)
    assert not kept.keep()
    assert not kept.path.exists()
    assert kept.room() == 0
    filler.unlink()
    assert kept.keep()


def test_another_size_is_made_the_wanted_one(disk: Path) -> None:
    """After max_mbyte was lowered, the old ballast keeps the room for ever."""
    assert Ballast(disk / "box.db", 2 * SIZE).keep()
    assert Ballast(disk / "box.db", SIZE).keep()
    assert ballast(disk / "box.db").stat().st_size == SIZE


def test_room_for_others_leaves_the_database_its_own(disk: Path) -> None:
    """Scans take the last block, and the next request is refused."""
    kept = Ballast(disk / "box.db", SIZE)
    assert kept.keep()
    state = os.statvfs(disk)
    assert kept.room() == state.f_bavail * state.f_frsize - 2 * SIZE
    fill(disk)
    assert kept.room() == 0
