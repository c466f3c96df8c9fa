"""Lock files as modem programs write them, and who has a line open, with real processes."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from edge.modem.device import lock
from edge.modem.device.usb import Places
from edge.modem.port import Port, PortUnavailable
from tests.contract.usb_tree import UsbTree

HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "rb")
if sys.argv[2] == "locked":
    fcntl.flock(file, fcntl.LOCK_EX)
print("open", flush=True)
time.sleep(60)"""


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    """A stick's line that a pty plays, beside this machine's own processes."""
    tree = UsbTree(tmp_path)
    master, slave = pty.openpty()
    tree.plug("1-1", "12d1:1001", lines={0: ("ttyUSB0", Path(os.ttyname(slave)))})
    yield replace(tree.places, proc=Path("/proc"))
    os.close(master)
    os.close(slave)


@contextmanager
def holding(file: str, how: str) -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", HOLD, file, how], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        yield process.pid
        process.kill()


@pytest.fixture
def other(places: Places) -> Iterator[int]:
    """A process that has the line open."""
    with holding(device(places), "open") as pid:
        yield pid


@pytest.fixture
def locker(places: Places) -> Iterator[int]:
    """A process that has locked the open line."""
    with holding(device(places), "locked") as pid:
        yield pid


@pytest.fixture
def stranger() -> Iterator[int]:
    """A process that has nothing to do with the line."""
    with holding(os.devnull, "open") as pid:
        yield pid


def device(places: Places) -> str:
    return str(places.dev / "ttyUSB0")


def itself(places: Places) -> str:
    return str(Path(device(places)).readlink())


def written(places: Places, content: bytes) -> Path:
    file = places.locks / "LCK..ttyUSB0"
    file.write_bytes(content)
    return file


async def opened(places: Places) -> Port:
    return await Port.open(device(places), 115_200, lambda _data: None, lambda _reason: None, places=places)


@pytest.mark.parametrize("form", [b"%10d\n", b"%d minicom root\n", b""])
async def test_a_line_locked_by_another_is_refused_and_the_holder_named(
    places: Places, other: int, form: bytes
) -> None:
    """Two programs would each get half of the modem's answers."""
    written(places, form % other if form else other.to_bytes(4, "little"))
    with pytest.raises(PortUnavailable, match=rf"ttyUSB0 is locked by python.* \(process {other}\): stop it") as told:
        await opened(places)
    assert told.value.held


@pytest.mark.parametrize("content", [b"rubbish\n", b"", b"%10d\n" % 2_000_000_000, b"%10d\n" % os.getpid()])
async def test_a_dead_lock_keeps_nobody_out(places: Places, content: bytes) -> None:
    """After a crash the modem would stay locked until somebody drives there."""
    written(places, content)
    port = await opened(places)
    port.close()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
async def test_what_is_no_lock_file_keeps_nobody_out(places: Places, make: Callable[[Path], None]) -> None:
    """Any user of the box could stop the modem for good with a pipe in /var/lock."""
    make(places.locks / "LCK..ttyUSB0")
    async with asyncio.timeout(30):
        port = await opened(places)
    port.close()


def test_the_number_of_a_dead_holder_given_to_another_process_is_no_lock(places: Places, stranger: int) -> None:
    """A daemon started anew would wait for ever for a process that has nothing to do with the modem."""
    written(places, b"%10d\n" % stranger)
    assert lock.locked_by(device(places), places) is None


async def test_our_lock_tells_others_and_goes_with_us(places: Places) -> None:
    """minicom would open the modem under the daemon's hands, or nobody could after the daemon has ended."""
    file = places.locks / "LCK..ttyUSB0"
    port = await opened(places)
    assert file.read_text() == f"{os.getpid():10d}\n"
    assert file.stat().st_mode & 0o777 == 0o644
    port.close()
    assert not file.exists()
    await port.closed()


async def test_a_folder_that_may_not_be_written_to_is_no_hindrance(places: Places) -> None:
    """A hardened service could not open its modem."""
    port = await opened(replace(places, locks=places.locks / "absent"))
    port.close()


async def test_who_holds_an_exclusive_line_is_named(places: Places, locker: int) -> None:
    """An engineer would have to guess what to stop."""
    with pytest.raises(PortUnavailable, match=rf"used by another program: stop python.* \(process {locker}\)"):
        await opened(places)


def test_holders_are_seen_and_known_culprits_named(places: Places, other: int) -> None:
    """ModemManager would steal answers without anybody knowing."""
    assert other in [holder.pid for holder in lock.holders(device(places), places)]
    tree_proc = places.dev.parent / "proc"
    (tree_proc / "812").mkdir()
    (tree_proc / "812" / "comm").write_text("ModemManager\n")
    seen = lock.running(lock.GREEDY, replace(places, proc=tree_proc))
    assert [str(holder) for holder in seen] == ["ModemManager (process 812)"]


def test_who_plays_the_line_is_no_rival(places: Places, other: int) -> None:
    """At every practice with the simulated modem the doctor would say that somebody steals its answers."""
    proc = places.dev.parent / "proc"
    for pid, more in ((700, ("/dev/ptmx",)), (701, ())):
        (proc / str(pid) / "fd").mkdir(parents=True)
        (proc / str(pid) / "comm").write_text("python\n")
        for number, file in enumerate((itself(places), *more)):
            (proc / str(pid) / "fd" / str(number)).symlink_to(file)
    assert [holder.pid for holder in lock.holders(device(places), replace(places, proc=proc))] == [701]
    assert other in [holder.pid for holder in lock.holders(device(places), places)]


async def test_a_pty_of_no_stick_has_no_lock_file(places: Places) -> None:
    """The lock of a simulated modem would stand in the machine's own folder."""
    pts = itself(places)
    assert lock.lock_file(pts, places) is None
    before = list(places.locks.iterdir())
    port = await Port.open(pts, 115_200, lambda _data: None, lambda _reason: None, places=places)
    assert list(places.locks.iterdir()) == before
    port.close()
