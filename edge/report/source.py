"""Opens the store for looking only, beside a running daemon or without one."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

_BUSY_MS = 5_000


class Unreadable(OSError):
    """The store cannot be read; the message says why and what helps. `errno` tells a missing privilege."""

    def __str__(self) -> str:
        return str(self.args[1])


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """One consistent snapshot of the store at `path`. Raises `Unreadable`.

    On a file system that cannot be written, SQLite may not be able to share the log with anybody; nobody writes there
    either, so the file is read as it stands (https://sqlite.org/uri.html, immutable).
    """
    if not os.access(path, os.F_OK):
        raise Unreadable(errno.ENOENT, f"{path} does not exist; has the daemon run here with this configuration?")
    if not os.access(path, os.R_OK):
        raise Unreadable(errno.EACCES, f"{path} may not be read by this user")
    connection = _connect(path)
    try:
        yield connection
    except sqlite3.DatabaseError as error:
        raise _unreadable(path, error) from error
    finally:
        connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    address = path.absolute().as_uri()
    last: sqlite3.DatabaseError | None = None
    for options in ("mode=ro", "mode=ro&immutable=1"):
        connection = sqlite3.connect(f"{address}?{options}", uri=True, isolation_level=None, timeout=_BUSY_MS / 1_000)
        try:
            connection.execute("BEGIN")
            connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
        except sqlite3.OperationalError as error:
            connection.close()
            last = error
            if os.access(path.parent, os.W_OK):
                break
        except sqlite3.DatabaseError as error:
            connection.close()
            raise _unreadable(path, error) from error
        else:
            return connection
    raise _unreadable(path, last or sqlite3.OperationalError("unknown"))


def _unreadable(path: Path, error: sqlite3.DatabaseError) -> Unreadable:
    if "no such table" in str(error) or "no such column" in str(error):
        return Unreadable(errno.ENODATA, f"{path} holds no history yet; start the daemon of this version once")
    return Unreadable(errno.EIO, f"{path} cannot be read ({error}); a damaged file is set aside at the daemon's start")
