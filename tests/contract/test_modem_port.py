"""The serial port on real ptys and on what is none."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import grp
import os
import pty
import subprocess
import sys
import termios
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.modem.port import Port, PortUnavailable
from tests.contract.modem_rig import until


class Ends:
    """What a port told."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.reasons: list[str] = []

    async def open(self, device: str) -> Port:
        return await Port.open(device, 115_200, self.data.extend, self.reasons.append)


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(slave)
    with contextlib.suppress(OSError):  # a test may have closed it to hang up
        os.close(master)


async def test_bytes_pass_unchanged(line: tuple[int, str]) -> None:
    """Terminal settings would change CR, LF, SUB or 8-bit bytes."""
    master, device = line
    ends = Ends()
    port = await ends.open(device)
    every = bytes(range(256))
    port.write(every)
    assert await asyncio.to_thread(os.read, master, 1024) == every
    os.write(master, every)
    await until(lambda: bytes(ends.data) == every)
    port.close()


async def test_more_than_the_line_takes_at_once_is_written_in_order(line: tuple[int, str]) -> None:
    """A slow line would lose the end of a long write, or block the loop."""
    master, device = line
    port = await Ends().open(device)
    wanted = bytes(range(256)) * 100
    port.write(wanted)
    got = b""
    while len(got) < len(wanted):
        got += await asyncio.to_thread(os.read, master, 4096)
    assert got == wanted
    port.close()


async def test_a_line_that_takes_nothing_is_lost(line: tuple[int, str]) -> None:
    """A dead line would gather bytes without bound."""
    _, device = line
    ends = Ends()
    port = await ends.open(device)
    for _ in range(100):
        port.write(b"x" * 4096)
    assert ends.reasons == ["the device takes no more bytes"]


async def test_a_hang_up_is_told_once(line: tuple[int, str]) -> None:
    """An unplugged device would spin the loop or stay unnoticed."""
    master, device = line
    ends = Ends()
    port = await ends.open(device)
    os.close(master)
    await until(lambda: ends.reasons != [])
    port.write(b"AT\r")
    await asyncio.sleep(0)
    assert len(ends.reasons) == 1
    port.close()


async def test_the_port_can_be_opened_again_after_close(line: tuple[int, str]) -> None:
    """The exclusive lock would outlive the port."""
    _, device = line
    first = await Ends().open(device)
    with pytest.raises(PortUnavailable, match="used by another program"):
        await Ends().open(device)
    first.close()
    (await Ends().open(device)).close()


@pytest.mark.parametrize(
    ("name", "sentence"), [("absent", "does not exist: plug the modem in"), ("file", "Inappropriate|usable")]
)
async def test_what_is_no_serial_port_is_refused(tmp_path: Path, name: str, sentence: str) -> None:
    """A wrong path would raise a riddle instead of a sentence."""
    (tmp_path / "file").write_text("no device")
    with pytest.raises(PortUnavailable, match=sentence):
        await Ends().open(str(tmp_path / name))


async def test_dtr_stays_when_the_port_is_closed(line: tuple[int, str]) -> None:
    """A modem that heeds DTR would reset itself at every restart of the daemon (HUPCL)."""
    _, device = line
    port = await Ends().open(device)
    other = os.open(device, os.O_RDWR | os.O_NOCTTY)
    assert not termios.tcgetattr(other)[2] & termios.HUPCL
    os.close(other)
    port.close()
    await port.closed()


async def test_an_opening_that_nobody_waits_for_leaves_nothing_open(line: tuple[int, str]) -> None:
    """A daemon stopped while it opens the modem would hold it until its process ends."""
    _, device = line
    opening = asyncio.ensure_future(Ends().open(device))
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    assert opening.cancelled()

    def free() -> bool:
        file = os.open(device, os.O_RDWR | os.O_NOCTTY)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(file)
        return True

    await until(lambda: _open_files(device) == 0 and free())


def _open_files(device: str) -> int:
    """How often this process has `device` open, but for the fixture's own."""
    own = [entry for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    return sum(os.path.realpath(entry) == device for entry in own) - 1


OPEN = """
import asyncio, sys
from edge.modem.port import Port, PortUnavailable
async def main():
    try:
        await Port.open(sys.argv[1], 115200, print, print)
    except PortUnavailable as error:
        print(error)
asyncio.run(main())"""


def refused(device: str) -> str:
    """What a process without any capability is told of a line whose mode lets nobody in."""
    Path(device).chmod(0o000)
    stripped = ("setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs")
    command = [*stripped, sys.executable, "-c", OPEN, device]
    root = Path(__file__).parents[2]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=root).stdout


@pytest.mark.parametrize("group", ["root", "dialout"])
def test_a_line_that_may_not_be_opened_names_its_group_and_the_remedy(line: tuple[int, str], group: str) -> None:
    """An engineer would search for a broken stick where a group is missing, or join the group root."""
    _, device = line
    with contextlib.suppress(OSError):  # an ordinary user's sandbox knows one group, which a pty has already
        os.chown(device, -1, grp.getgrnam(group).gr_gid)
    group = grp.getgrgid(Path(device).stat().st_gid).gr_name
    named = f"it belongs to the group {group}; add the daemon's user to it (usermod -aG {group} kampung-edge)"
    alone = "belongs to root alone: install 60-kampung-edge-modem.rules and plug the modem in again"
    assert (alone if group == "root" else named) in refused(device)
