"""What stands where the store's files belong, and disks without room: an opening says what, where and the remedy."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.queue.store import files
from edge.queue.store.errors import StoreUnavailable
from edge.queue.store.mend import repair
from edge.queue.store.mend.examine import examine
from tests.contract.resting_store import ROWS, details, filled, killed, late


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of 40 rows, and five more in the log that a kill left."""
    file = tmp_path / "box.db"
    filled(file)
    killed(file)
    return file


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", ".salvaging", ".salvaged"])
def test_a_folder_in_a_files_place_is_said_and_nothing_is_moved(path: Path, suffix: str) -> None:
    """A folder there crashes the daemon until it is in safe mode, or takes the store's own place."""
    place, away = path.with_name(f"box.db{suffix}"), path.with_name("away")
    there = place.exists()
    if there:
        place.rename(away)
    place.mkdir()
    with pytest.raises(StoreUnavailable, match=f"{place}: Is a directory; a folder stands where .* move it away"):
        files.check(path)
    place.rmdir()
    if there:
        away.rename(place)
    assert files.check(path) is None
    assert (len(details(path)), late(path)) == (ROWS + 5, 5)


@pytest.mark.parametrize(
    "lose",
    [lambda log: log.write_bytes(bytes(log.stat().st_size)), lambda log: log.write_bytes(b""), Path.unlink],
    ids=["zeros", "empty", "gone"],
)
def test_a_log_that_is_gone_is_missed(path: Path, lose: Callable[[Path], object]) -> None:
    """The card gives zeros for the log, or fsck took it away, and five acknowledged rows are lost in silence."""
    lose(path.with_name("box.db-wal"))
    assert repair.check(path) is not None
    assert late(path) == 0
    found = examine(path)
    assert found.well
    assert {damage.lost for damage in found.damage} >= {"*", f"audit {ROWS + 1}-"}


def test_a_log_without_a_head_is_told_though_its_index_is_lost(path: Path) -> None:
    """The log's first page rots, its index is gone, and SQLite takes the log for one that was never begun."""
    log = path.with_name("box.db-wal")
    log.write_bytes(b"\x07" * 5_000 + log.read_bytes()[5_000:])
    path.with_name("box.db-shm").unlink()
    assert repair.check(path) is not None
    assert "*" in {damage.lost for damage in examine(path).damage}


@pytest.mark.parametrize("rest", [b"", bytes(8_192), b"no store at all"])
def test_what_is_no_repairs_result_takes_no_stores_place(path: Path, rest: bytes) -> None:
    """A file that a failing card emptied replaces the whole store at the next start."""
    path.with_name("box.db.salvaged").write_bytes(rest)
    assert files.check(path) is None
    assert late(path) == 5


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with room for eight files."""
    directory = tmp_path / "disk"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=30m,nr_inodes=9", "tmpfs", directory], check=True)
    yield directory
    subprocess.run(["umount", directory], check=True)


def fill(disk: Path) -> Iterator[Path]:
    """Make empty files until the disk takes no more."""
    for number in range(100):
        file = disk / f"small-{number}"
        try:
            file.touch()
        except OSError:
            return
        yield file


def test_a_disk_without_inodes_is_said(disk: Path) -> None:
    """A million small files of something else fill the disk's table, and SQLite says that it cannot open a file."""
    path = disk / "box.db"
    filled(path)
    small = list(fill(disk))
    with pytest.raises(StoreUnavailable, match="the disk has no room, or no inodes, left: free some"):
        files.check(path)
    for file in small:
        file.unlink()
    assert files.check(path) is None
    assert len(details(path)) == ROWS
