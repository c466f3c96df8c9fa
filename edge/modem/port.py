"""A serial port on the event loop: pyserial's settings on a tty or pty, our own non-blocking reads and writes.

The port is held exclusively: flock(2) keeps out a second program that asks the same way, TIOCEXCL every one that is
not root, and a lock file those that keep to such files. So none steals half of the answers. DTR and RTS are raised, and
stay so at the end (no HUPCL): a modem told to heed DTR would otherwise reset itself whenever the daemon restarts.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import grp
import os
import termios
import time
from collections.abc import Callable
from pathlib import Path

import serial

from edge.modem.device import lock
from edge.modem.device.usb import Places

_CHUNK = 4096
_MOST_UNSENT = 65_536
_HANG_UP_S = 0.2
_HELD = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EBUSY)


class PortUnavailable(Exception):
    """The device cannot be opened now; the text says why and what would help. `held` where another program has it."""

    def __init__(self, sentence: str, *, held: bool = False) -> None:
        super().__init__(sentence)
        self.held = held


class Port:
    """An open port; `received` is called with bytes, `lost` once with a reason when the device is gone."""

    def __init__(
        self,
        line: serial.Serial,
        received: Callable[[bytes], None],
        lost: Callable[[str], None],
        locked: Path | None = None,
    ) -> None:
        self._line, self._locked = line, locked
        self._fd: int = line.fileno()
        self._received, self._lost = received, lost
        self._unsent = bytearray()
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._closing: asyncio.Future[None] | None = None
        self._loop.add_reader(self._fd, self._read)

    @classmethod
    async def open(
        cls,
        device: str,
        baud: int,
        received: Callable[[bytes], None],
        lost: Callable[[str], None],
        *,
        places: Places | None = None,
        hang_up: bool = False,
    ) -> Port:
        """Open `device` at `baud` without blocking the loop; raises `PortUnavailable`.

        With `hang_up`, DTR is dropped for a moment first, which many a modem takes as a reset of its line.
        """
        opening = asyncio.get_running_loop().run_in_executor(None, _open, device, baud, places or Places(), hang_up)
        try:
            line, locked = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_give_back)
            raise
        return cls(line, received, lost, locked)

    def write(self, data: bytes) -> None:
        """Send `data` as the line takes it; a line that takes nothing for long is lost."""
        if not self._open or not data:
            return
        waiting = bool(self._unsent)
        self._unsent += data
        if len(self._unsent) > _MOST_UNSENT:
            self._fail("the device takes no more bytes")
        elif not waiting:
            self._flush()

    def close(self) -> None:
        """Give the device back; no callback follows.

        The kernel's close waits up to 30 s for bytes that a hung modem does not take, so it runs in a thread; the locks
        are gone at once.
        """
        if self._open:
            self._open = False
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            _release(self._fd, self._locked)
            self._closing = self._loop.run_in_executor(None, self._line.close)

    async def closed(self, *, within_s: float | None = None) -> None:
        """Wait until the kernel has let the device go, or `within_s` seconds at most."""
        if self._closing is not None:
            await asyncio.wait([self._closing], timeout=within_s)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(_reason(error))
            return
        if data:
            self._received(data)
        else:
            self._fail("the device hung up")

    def _flush(self) -> None:
        try:
            written = os.write(self._fd, self._unsent)
        except BlockingIOError:
            written = 0
        except OSError as error:
            self._fail(_reason(error))
            return
        del self._unsent[:written]
        if self._unsent:
            self._loop.add_writer(self._fd, self._flush)
        else:
            self._loop.remove_writer(self._fd)

    def _fail(self, reason: str) -> None:
        self.close()
        self._lost(reason)


def _open(device: str, baud: int, places: Places, hang_up: bool) -> tuple[serial.Serial, Path | None]:
    holder = lock.locked_by(device, places)
    if holder is not None:
        raise PortUnavailable(f"{device} is locked by {holder}: stop it ({lock.lock_file(device, places)})", held=True)
    try:
        line = serial.Serial(device, baud, timeout=0, write_timeout=0, exclusive=True)
    except serial.SerialException as error:
        raise _explained(device, error, places) from error
    except (OSError, ValueError, termios.error) as error:
        raise PortUnavailable(f"{device}: {error}") from error
    try:
        _settle(line, hang_up)
    except (OSError, termios.error) as error:
        line.close()
        raise PortUnavailable(f"{device} was lost while it was opened: {error}") from error
    return line, lock.lock(device, places)


def _settle(line: serial.Serial, hang_up: bool) -> None:
    fd = line.fileno()
    settings = termios.tcgetattr(fd)
    settings[2] &= ~termios.HUPCL
    termios.tcsetattr(fd, termios.TCSANOW, settings)
    if _is_pty(fd):
        return  # its other end keeps the tty alive, and with it the mark, also after a crash of ours
    fcntl.ioctl(fd, termios.TIOCEXCL)
    if hang_up:
        line.dtr = False
        time.sleep(_HANG_UP_S)
        line.dtr = True


def _release(fd: int, locked: Path | None) -> None:
    lock.unlock(locked)
    with contextlib.suppress(OSError, termios.error):  # the device may be gone, and its locks with it
        termios.tcflush(fd, termios.TCIOFLUSH)
        if not _is_pty(fd):
            fcntl.ioctl(fd, termios.TIOCNXCL)
    with contextlib.suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_UN)


def _is_pty(fd: int) -> bool:
    first, last = 136, 143  # Documentation/admin-guide/devices.txt: UNIX98 PTY slaves
    return first <= os.major(os.fstat(fd).st_rdev) <= last


def _give_back(opening: asyncio.Future[tuple[serial.Serial, Path | None]]) -> None:
    """Nobody waits any more for what a thread has opened."""
    if not opening.cancelled() and opening.exception() is None:
        line, locked = opening.result()
        lock.unlock(locked)
        line.close()


def _explained(device: str, error: serial.SerialException, places: Places) -> PortUnavailable:
    if error.errno == errno.ENOENT:
        return PortUnavailable(f"{device} does not exist: plug the modem in, or correct [modem] device")
    if error.errno == errno.EACCES:
        return PortUnavailable(_denied(device))
    if error.errno in _HELD or "exclusively lock" in str(error):
        return PortUnavailable(f"{device} is used by another program: {_stop_whom(device, places)}", held=True)
    what = os.strerror(error.errno) if error.errno else "is no usable serial port"
    return PortUnavailable(f"{device}: {what}")


def _denied(device: str) -> str:
    try:
        status = Path(device).stat()
        group = grp.getgrgid(status.st_gid).gr_name
    except (OSError, KeyError):
        return f"{device} may not be opened by this user"
    if group == "root":
        return f"{device} belongs to root alone: install 60-kampung-edge-modem.rules and plug the modem in again"
    return (
        f"{device} may not be opened: it belongs to the group {group}; add the daemon's user to it "
        f"(usermod -aG {group} kampung-edge) and restart the daemon"
    )


def _stop_whom(device: str, places: Places) -> str:
    seen = lock.holders(device, places)
    if seen:
        return f"stop {', '.join(map(str, seen))}"
    likely = lock.running(lock.GREEDY, places)
    if likely:
        return f"probably {', '.join(map(str, likely))}; stop it"
    return "stop ModemManager or whichever holds it (fuser -v tells root which)"


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENODEV, errno.EIO, errno.ENXIO):
        return "the device was unplugged"
    return f"the device failed: {os.strerror(error.errno or 0)}"
