"""The store on disks that fill up at every page, fail at every call, or turn read-only.

The failing disk is a shim under the store (`tests/crash/shim/failing_io.c`), the full one a real small file system.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edge.queue.store.database import Store, StoreReadOnly
from tests.crash.store_failing import opened, write

SHIM = Path(__file__).parent / "shim" / "failing_io.c"
PAGE = 4_096
ROOM_MOST = 90


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("shim") / "failing_io.so"
    subprocess.run(["gcc", "-Wall", "-Werror", "-shared", "-fPIC", "-o", built, SHIM, "-ldl"], check=True)
    return built


def points(shim: Path, directory: Path, *, step: int, error: int) -> list[dict[str, Any]]:
    """One run for every `step`-th call that fails with `error`, and the last one without."""
    return told(shim, "tests.crash.store_failing", directory, step, error)


def told(shim: Path, module: str, *arguments: object) -> list[dict[str, Any]]:
    """What a program under the shim tells, a line of JSON at a time."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        env={**os.environ, "LD_PRELOAD": str(shim)},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def hold(point: dict[str, Any]) -> None:
    """What was answered is what is in the file."""
    told, stored = point["told"], point["stored"]
    kept = {name for name, answer in told.items() if answer == "ok"}
    assert point["well"] == "ok"
    assert not point["set_aside"], "a healthy file was put aside"
    assert len(stored) == len(set(stored)), "something was stored twice"
    assert kept <= set(stored), "an acknowledged row is gone"
    assert not {name for name, answer in told.items() if answer == "failed"} & set(stored), "a refused row is there"


def check_failing(found: list[dict[str, Any]]) -> None:
    *failing, whole = found
    assert whole["failed"] == 0
    assert set(whole["told"].values()) == {"ok"}
    for point in found:
        hold(point)
    running = [point for point in failing if not point["refused"]]
    for point in running:
        # What fails without a loss (a log that is shortened later, say) need not be told.
        untold = not point["health"] and set(point["told"].values()) == {"ok"}
        assert untold or point["health"] == ["+store-failing", "-store-failing"], point
    assert {answer for point in running for answer in point["told"].values()} == {"ok", "failed", "uncertain"}
    print(f"{len(failing)} of {whole['seen']} calls failed, each in a run of its own")


def test_an_input_output_error_anywhere_loses_nothing(shim: Path, tmp_path: Path) -> None:
    """A disk that fails once loses what was acknowledged, keeps what was refused, or stops the store for good."""
    check_failing(points(shim, tmp_path, step=97, error=errno.EIO))


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_an_input_output_error_everywhere_loses_nothing(shim: Path, tmp_path: Path) -> None:
    """As above, at each single call."""
    check_failing(points(shim, tmp_path, step=1, error=errno.EIO))


def test_a_disk_that_turns_read_only_is_named_and_still_read(shim: Path, tmp_path: Path) -> None:
    """A card that turned read-only crashes the store, is called otherwise, or needs a restart once mended."""
    *turned, whole = points(shim, tmp_path, step=151, error=errno.EROFS)
    hold(whole)
    for point in turned:
        hold(point)
        assert point["health"] == ["+store-readonly", "-store-readonly"]
        assert point["read"] <= len(point["stored"])
        assert point["read"] >= sum(answer == "ok" for answer in point["told"].values()) - 1
    assert len(turned) > 4


def test_sms_stay_on_the_sim_while_nothing_can_be_written(shim: Path, tmp_path: Path) -> None:
    """A read-only card crashes the modem's part, or an SMS is deleted from the SIM and stored nowhere."""
    (said,) = told(shim, "tests.crash.mailbox_failing", tmp_path)
    refused = "not stored: True"
    assert said == {
        "before": 1,
        "during": refused,
        "recover": refused,
        "remember": refused,
        "choose": True,
        "after": 1,
        "inbound": 2,
    }


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "disk"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", directory], check=True)
    yield directory
    subprocess.run(["umount", directory], check=True)


def fill(disk: Path, pages: int) -> None:
    """Leave so many free pages on the disk."""
    state = os.statvfs(disk)
    left = max(0, state.f_bavail * state.f_frsize - pages * PAGE)
    with (disk / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, left))


def empty(disk: Path) -> None:
    for file in disk.iterdir():
        file.unlink()


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)


def settle(conn: sqlite3.Connection) -> int:
    """What drains: one row is settled and grows a little by it."""
    return conn.execute(
        "UPDATE audit SET subject = 'settled ' || hex(zeroblob(200)) "
        "WHERE seq = (SELECT min(seq) FROM audit WHERE subject = 's')"
    ).rowcount


async def test_a_disk_that_is_full_at_any_page_drains_and_comes_back(disk: Path, tmp_path: Path) -> None:
    """At some page of the disk's end a write half fails: what was acknowledged is lost, or the queue stands still."""
    whole = tmp_path / "box.db"
    store, _ = await opened(whole)
    await store.close()
    for pages in range(0, ROOM_MOST, 3):
        shutil.copy(whole, disk / "box.db")
        answers: dict[str, str] = {}
        store, _ = await opened(disk / "box.db")
        fill(disk, pages)
        number = 0
        while "failed" not in answers.values():
            await write(store, f"new {number}", answers, size=3_000)
            number += 1
        waiting = number - 1
        while waiting:
            waiting -= await store.write(settle, draining=True)
        await write(store, "too large", answers, size=4_000_000)
        assert answers["too large"] == "failed"
        (disk / "filler").unlink()
        await write(store, "after", answers, size=3_000)
        await store.close()
        with closing(sqlite3.connect(disk / "box.db")) as connection:
            stored = [str(row[0]) for row in connection.execute("SELECT kind FROM audit")]
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert sorted(stored) == sorted(name for name, answer in answers.items() if answer == "ok")
        assert answers["after"] == "ok"
        empty(disk)


async def test_a_start_on_a_read_only_disk_is_a_clear_sentence(disk: Path) -> None:
    """The operator is told to look for another program while the file system is read-only."""
    store = await Store.open(disk / "box.db", max_mbyte=8, group_commit_ms=0)
    await store.close()
    remount(disk, "ro")
    with pytest.raises(StoreReadOnly, match="read-only"):
        await Store.open(disk / "box.db", max_mbyte=8, group_commit_ms=0)
    remount(disk, "rw")
    store = await Store.open(disk / "box.db", max_mbyte=8, group_commit_ms=0)
    await store.close()
