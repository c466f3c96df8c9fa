"""Who uses a serial line: lock files as modem programs write them, and whom /proc shows with the device open.

A lock file is ``LCK..ttyUSB0`` with the holder's process number in ten ASCII columns (Filesystem Hierarchy Standard,
clause 5.9); minicom, gammu, pppd and others keep to it. Ours is a courtesy to them: what protects the line is the
kernel's own mark. All of it blocks shortly: call it from a thread.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.modem.device.usb import Places, names_on_the_way

_MOST_BYTES = 64
_BINARY_BYTES = 4  # some programs write the number as an int
_PTY_MASTERS = ("/dev/ptmx", "/dev/pts/ptmx")
GREEDY = ("ModemManager", "gammu-smsd", "smsd", "brltty", "wvdial", "pppd", "minicom", "picocom", "kannel", "smstools")


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that uses the line."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name or 'a process'} (process {self.pid})"


def lock_file(device: str, places: Places) -> Path | None:
    """Where programs lock `device`; None for what is no tty of its own, such as a pty."""
    names = [name for name in names_on_the_way(device) if name.startswith("tty")]
    return places.locks / f"LCK..{names[-1]}" if names else None


def locked_by(device: str, places: Places) -> Holder | None:
    """The living process that has locked `device` by its lock file, other than this one."""
    file = lock_file(device, places)
    if file is None:
        return None
    try:  # anybody may put anything into this folder: a pipe or a link must neither stop nor mislead us
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as opened:
            pid = _number(opened.read(_MOST_BYTES) or b"")
            owner = os.fstat(opened.fileno()).st_uid
    except OSError:  # there is none, or it is nobody's business to read it
        return None
    if pid is None or pid == os.getpid() or not _is_meant(pid, owner, device, places):
        return None
    return Holder(pid, _name(pid, places))


def lock(device: str, places: Places) -> Path | None:
    """Tell other programs that the line is ours, where this process may write; returns what `unlock` takes."""
    file = lock_file(device, places)
    if file is None:
        return None
    with contextlib.suppress(OSError):  # a courtesy: a folder that may not be written to harms nothing
        file.unlink(missing_ok=True)  # left by a dead process: `locked_by` was asked before
        with file.open("x") as opened:
            opened.write(f"{os.getpid():10d}\n")
        file.chmod(0o644)  # whoever asks must be able to read who it is
        return file
    return None


def unlock(file: Path | None) -> None:
    """Take our lock file away."""
    if file is not None:
        with contextlib.suppress(OSError):
            file.unlink()


def holders(device: str, places: Places) -> tuple[Holder, ...]:
    """The other processes that have `device` open, as far as this process may see them (root sees all).

    Who plays a pty, as a simulated modem does, keeps both of its ends open and is none of them.
    """
    real = os.path.realpath(device)
    found = [pid for pid in _others(places) if _has_open(pid, real, places)]
    if real.startswith("/dev/pts/"):
        found = [pid for pid in found if not any(_has_open(pid, end, places) for end in _PTY_MASTERS)]
    return tuple(Holder(pid, _name(pid, places)) for pid in found)


def running(names: tuple[str, ...], places: Places) -> tuple[Holder, ...]:
    """The processes with one of these names, whatever they have open."""
    found = (Holder(pid, _name(pid, places)) for pid in _others(places))
    return tuple(holder for holder in found if holder.name in names)


def _is_meant(pid: int, owner: int, device: str, places: Places) -> bool:
    """Whether the living process `pid` is the one that wrote the lock, not one that got a dead one's number."""
    process = places.proc / str(pid)
    try:
        return _has_open(pid, os.path.realpath(device), places, careful=True)
    except (FileNotFoundError, ProcessLookupError):
        return False
    except PermissionError:
        try:
            return process.stat().st_uid == owner
        except OSError:
            return False


def _has_open(pid: int, real: str, places: Places, *, careful: bool = False) -> bool:
    try:
        for entry in (places.proc / str(pid) / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                if str(entry.readlink()) == real:
                    return True
    except OSError:
        if careful:
            raise
    return False


def _others(places: Places) -> Iterator[int]:
    for entry in places.proc.iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            yield int(entry.name)


def _name(pid: int, places: Places) -> str:
    try:
        return (places.proc / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""


def _number(content: bytes) -> int | None:
    words = content.split()
    if words and words[0].isdigit():
        return int(words[0])
    return int.from_bytes(content, "little") if len(content) == _BINARY_BYTES else None
