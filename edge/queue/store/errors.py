"""What the store has to say, by who must act. Every one means for the caller: nothing of the work counts as stored.

::

    StoreError
    ├── StoreFull           the disk or the size bound is reached (the operator frees space; the queue still drains)
    ├── StoreReadOnly       the file system takes no writes (the operator; reads go on; tried again now and then)
    ├── StoreFailing        the disk answers with errors or another program holds the file (tried again by itself)
    │   └── StoreUncertain  it failed at the commit: the work may show up later (repeat it, as after a power cut)
    ├── StoreSlow           a read took too long and was ended (a bug, or a question too large)
    ├── StoreCorrupt        SQLite found damage while running
    └── StoreUnavailable    the file cannot be opened or was written by a newer version (the operator)
"""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

_PRIMARY = 0xFF  # extended result codes keep the primary one in the low byte
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_FAILING = (
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_NOMEM,
)


_REMEDIES = {
    errno.EISDIR: "a folder stands where a file of the store belongs: move it away",
    errno.ENOTDIR: "a file stands where a folder belongs: move it away, or correct state_dir",
    errno.EACCES: "the daemon's user may not: give it the store and its folder (chown)",
    errno.EPERM: "the daemon's user may not: give it the store and its folder (chown)",
    errno.ENOSPC: "the disk has no room, or no inodes, left: free some",
    errno.EDQUOT: "the quota of the daemon's user is used up: raise it",
    errno.EIO: "the disk fails: look at the kernel's log, and replace the card",
    errno.ELOOP: "a link stands where a file of the store belongs: move it away",
}


class StoreError(Exception):
    """Anything the store itself has to say."""


class StoreFull(StoreError):
    """New work is refused: the disk or the configured bound is reached."""


class StoreReadOnly(StoreError):
    """Nothing can be written: the file system is read-only."""


class StoreFailing(StoreError):
    """Nothing can be written: the disk fails, or another program holds the file."""


class StoreUncertain(StoreFailing):
    """The disk failed at the commit: whether the work is kept shows only later."""


class StoreSlow(StoreError):
    """A read was ended, since it took too long."""


class StoreCorrupt(StoreError):
    """The file is damaged."""


class StoreSpoiled(StoreError):
    """A value does not read any more: its row is looked for now and moved out of the way."""


class StoreUnavailable(StoreError):
    """The file cannot be used at all; the message says why and what to do."""


def primary(error: BaseException) -> int | None:
    """SQLite's primary result code of an error, None where there is none."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else int(code) & _PRIMARY


def is_corrupt(error: BaseException) -> bool:
    """Whether SQLite's error means a damaged file (SQLITE_CORRUPT, SQLITE_NOTADB)."""
    return primary(error) in _CORRUPT


def is_full(error: BaseException) -> bool:
    """Whether the size bound or the disk is reached (SQLITE_FULL)."""
    return primary(error) == sqlite3.SQLITE_FULL


def is_spoiled(error: BaseException) -> bool:
    """Whether a text was no UTF-8, which the sqlite3 module tells by its words alone (its message quotes the text)."""
    return isinstance(error, sqlite3.OperationalError) and str(error).startswith("Could not decode to UTF-8")


def is_failing(error: BaseException) -> bool:
    """Whether the file could not be read, written or locked, whatever the work was."""
    return primary(error) in _FAILING


def is_read_only(path: Path, error: BaseException) -> bool:
    """Whether a failed write is the whole file system's: SQLite tells EROFS as any other input/output error."""
    if isinstance(error, OSError):
        return error.errno == errno.EROFS
    refused = _refusal(path, error)
    return refused is not None and refused.errno == errno.EROFS


def _refusal(path: Path, error: BaseException) -> OSError | None:
    """What the system itself says where SQLite only says that a file could not be opened or written."""
    if primary(error) not in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        return None
    probe = path.with_name(f"{path.name}.probe")
    try:
        os.close(os.open(probe, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        probe.unlink()
    except OSError as refused:
        return refused
    return None


def named(error: BaseException, path: Path) -> BaseException:
    """The store's own error for what SQLite said of the file at `path`, or the error itself."""
    if isinstance(error, StopIteration):  # a future cannot carry it
        return RuntimeError("a work asked for a next row where there is none")
    if not isinstance(error, sqlite3.DatabaseError):
        return error
    if is_spoiled(error):
        return StoreSpoiled(f"a row of {path} is damaged: it is looked for now and moved out of the way")
    if is_full(error):
        return StoreFull(f"{path} has reached its bound or its disk is full: raise max_mbyte or free space")
    if is_corrupt(error):
        return StoreCorrupt(f"{path} is damaged ({error}): it is being repaired; if this stays, look at the log")
    if primary(error) == sqlite3.SQLITE_INTERRUPT:
        return StoreSlow(f"reading {path} took too long and was ended")
    if is_failing(error):
        return failing(error, path)
    return error


def failing(error: BaseException, path: Path, *, uncertain: bool = False) -> StoreError:
    """What to tell of a write that failed; `uncertain` when it failed at the commit."""
    if is_read_only(path, error):
        return StoreReadOnly(f"the file system of {path} is read-only: look at the kernel's log, the disk may be dying")
    if uncertain:
        return StoreUncertain(f"{path} failed while it was committed ({error}): it may be kept or not, repeat it")
    return StoreFailing(f"{path} cannot be written ({error}): is its disk failing, does another program hold it?")


def opening(error: BaseException, path: Path) -> BaseException:
    """What to tell of a file that could not be opened at start."""
    if not isinstance(error, (OSError, sqlite3.DatabaseError)) or is_corrupt(error):
        return named(error, path)
    if is_read_only(path, error):
        return failing(error, path)
    told = error if isinstance(error, OSError) else _refusal(path, error)
    if told is not None:
        remedy = _REMEDIES.get(told.errno or 0, "check state_dir, store.path and who owns them")
        return StoreUnavailable(f"cannot open {told.filename or path}: {told.strerror or told}; {remedy}")
    return StoreUnavailable(f"cannot use {path}: {error}; is its disk full or failing, or does another hold it?")
