"""A serial port on the event loop: pyserial's settings on a tty or pty, our own non-blocking reads and writes.

The port is held exclusively (flock), so a second program is refused instead of stealing half of the answers.
"""

from __future__ import annotations

import asyncio
import errno
import os
import termios
from collections.abc import Callable

import serial

_CHUNK = 4096
_MOST_UNSENT = 65_536


class PortUnavailable(Exception):
    """The device cannot be opened now; the text says why and what would help."""


class Port:
    """An open port; `received` is called with bytes, `lost` once with a reason when the device is gone."""

    def __init__(self, line: serial.Serial, received: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        self._line = line
        self._fd: int = line.fileno()
        self._received, self._lost = received, lost
        self._unsent = bytearray()
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._loop.add_reader(self._fd, self._read)

    @classmethod
    async def open(cls, device: str, baud: int, received: Callable[[bytes], None], lost: Callable[[str], None]) -> Port:
        """Open `device` at `baud` without blocking the loop; raises `PortUnavailable`."""
        line = await asyncio.to_thread(_open, device, baud)
        return cls(line, received, lost)

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
        """Give the device back; no callback follows."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self._line.close()

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


def _open(device: str, baud: int) -> serial.Serial:
    try:
        return serial.Serial(device, baud, timeout=0, write_timeout=0, exclusive=True)
    except serial.SerialException as error:
        raise PortUnavailable(_explain(device, error)) from error
    except (OSError, ValueError, termios.error) as error:
        raise PortUnavailable(f"{device}: {error}") from error


def _explain(device: str, error: serial.SerialException) -> str:
    if error.errno == errno.ENOENT:
        return f"{device} does not exist: plug the modem in, or correct [modem] device"
    if error.errno == errno.EACCES:
        return f"{device} may not be opened: the daemon's user must be in its group (dialout)"
    if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK) or "exclusively lock" in str(error):
        return f"{device} is used by another program: stop ModemManager or whichever holds it"
    return f"{device}: {os.strerror(error.errno) if error.errno else 'is no usable serial port'}"


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENODEV, errno.EIO, errno.ENXIO):
        return "the device was unplugged"
    return f"the device failed: {os.strerror(error.errno or 0)}"
