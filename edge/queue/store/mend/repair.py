"""Look a store over before it is opened, and make a whole one of a damaged one.

Theory of operation. SQLite checks no page and no row by itself, and drops a damaged log's end without a word, so before
it may touch the file the log is read through (and a single flipped bit in it put right). Then SQLite's own check and
the check sums of the rows run for a bounded time: a small store is checked whole, the rest of a large one is the
scrubber's. A row whose sum is wrong is put right or moved out by itself. For anything worse a child process builds a
new store from what reads; then the damaged files are set aside and the new one takes their place. Its name says how far
that came: a file NAME.salvaged is complete, so that a power cut between the renames is finished by the next start.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge.queue.store import files, rowsum
from edge.queue.store.errors import StoreUnavailable, is_corrupt
from edge.queue.store.mend import damage, logs
from edge.queue.store.mend.damage import BadRow
from edge.queue.store.mend.examine import bad_rows, on_one_line
from edge.queue.store.mend.images import PAGE_SIZE
from edge.queue.store.mend.tables import summed
from edge.queue.store.volume import ballast

log = logging.getLogger("edge.queue.store")

_CHECK_S = 0.7
_WHOLE_BYTES = 24_000_000  # SQLite's own check cannot be interrupted (before 3.42) and reads every page
_STEPS = 20_000
_FAILED_REST_S = 3_600.0
_MORE_ROOM_BYTES = 1_000_000
_BAD_MOST = 200
_LOST_SHOWN = 5
_FAULT_MOST = 500
_PARTS = ("-wal", "-shm", "")  # in this order set aside: a main file at its place without its log would look whole
_MAGIC = b"SQLite format 3\0"


class Report(msgspec.Struct):
    """What a salvage says: rows kept by table, names of what is lost."""

    kept: dict[str, int]
    lost: list[str]


@dataclass(frozen=True, slots=True)
class _Failure:
    """A salvage that failed: why, when (monotonic), and the bytes that were free."""

    why: str
    at: float
    free: int


_failed: dict[Path, _Failure] = {}  # by the store's path


def check(path: Path, *, check_s: float = _CHECK_S) -> Path | None:
    """Make the file at `path` fit to be opened; where a damaged one was set aside to, or None.

    Raises `sqlite3.DatabaseError` when it cannot be looked at for another reason than damage, and `StoreUnavailable`
    when it is damaged and cannot be replaced (the disk is full).
    """
    _finish(path)
    missing, fault = logs.look_at(path)
    fault = _file_fault(path) or fault or (f"{missing} pages are cut off its log" if missing else None)
    aside = repair(path, fault, missing_frames=missing) if fault else _check_rows(path, check_s)
    logs.name_mended(path)
    return aside


def repair(path: Path, fault: str = "SQLite found damage in it", *, missing_frames: int = 0) -> Path:
    """Replace the damaged store at `path` by one with all rows that still read; where the damaged one is now.

    No connection may be open. A million rows take most of a minute; the log tells how far it is. After
    `StoreUnavailable` all is as it was.
    """
    _rest_after_failure(path)
    log.error("%s is damaged (%s): what still reads is being salvaged", path, fault)
    try:
        report = _salvage(path, fault, missing_frames)
    except StoreUnavailable as error:
        _failed[path] = _Failure(str(error), time.monotonic(), shutil.disk_usage(path.parent).free)
        raise
    _failed.pop(path, None)
    aside = _set_aside(path)
    _take_over(path)
    rows, lost = sum(report.kept.values()), report.lost
    shown = ", ".join(lost[:_LOST_SHOWN]) + (f" and {len(lost) - _LOST_SHOWN} more" if len(lost) > _LOST_SHOWN else "")
    log.error("%s was salvaged: %d rows kept, lost: %s; the damaged file is %s", path, rows, shown or "nothing", aside)
    return aside


# ---- what SQLite would not notice


def _file_fault(path: Path) -> str | None:
    """What SQLite would misunderstand: a file cut off, or a header that is not a store's (fileformat2.html, 1.3)."""
    size = path.stat().st_size
    if size == 0:
        # SQLite would take an empty file for a new store, and delete its log.
        held = path.with_name(f"{path.name}-wal")
        was = ballast(path).exists() or (held.exists() and held.stat().st_size > 0)
        return "it is empty, though there was a store" if was else None
    with path.open("rb") as file:
        head = file.read(100)
    if size % PAGE_SIZE or len(head) < 100:
        return f"it ends within a page, after {size} bytes"
    versions, rest = head[18:20], head[20:24]
    if head[:16] != _MAGIC or int.from_bytes(head[16:18], "big") != PAGE_SIZE or rest != b"\0\x40\x20\x20":
        return "its header is no store's"
    if versions not in (b"\1\1", b"\2\2") or head[56:60] not in (b"\0\0\0\0", b"\0\0\0\1"):
        return "its header has values that no store has"
    return None


# ---- what SQLite and the sums notice


def _check_rows(path: Path, check_s: float) -> Path | None:
    deadline = time.monotonic() + check_s
    wrong: list[BadRow] = []
    try:
        with closing(damage.connect(path)) as connection:
            connection.set_progress_handler(lambda: int(time.monotonic() > deadline), _STEPS)
            fault = _fault(connection, path.stat().st_size, wrong)
    except sqlite3.DatabaseError as error:
        if not is_corrupt(error) and not _is_schema(error):
            raise
        fault = str(error)
    except UnicodeDecodeError:  # from the sqlite3 module, whose message quotes a damaged schema
        fault = "its schema does not read"
    if fault is not None:
        return repair(path, fault)
    if wrong:
        damage.set_right(path, wrong, now=time.time())
    return None


def _fault(connection: sqlite3.Connection, size: int, wrong: list[BadRow]) -> str | None:
    """What is wrong with the structure, as far as time permits; rows with wrong sums are added to `wrong`."""
    try:
        fault = _schema_fault(connection)
        if fault is not None:
            return fault
        if size <= _WHOLE_BYTES:
            (told,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if told != "ok":
                return on_one_line(str(told))
        # Some rows of each table in turn, so that a large one does not keep all others from being looked at.
        walks = [bad_rows(connection, table) for table in summed(connection).values()]
        while walks:
            steps = [next(walk, None) for walk in walks]
            walks = [walk for walk, step in zip(walks, steps, strict=True) if step is not None]
            wrong += [bad for step in steps if step is not None for bad in step[1]]
            if len(wrong) > _BAD_MOST:
                return f"more than {_BAD_MOST} of its rows are damaged"
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
    return None


def _schema_fault(connection: sqlite3.Connection) -> str | None:
    """A schema other than that of the recorded migrations; a damaged name of one would pass for a newer version's."""
    known = {file.stem: file for file in files.known_migrations()}
    had = files.applied(connection)
    for strange in had - known.keys():
        if any(alike(name, strange) for name in known.keys() - had):
            return f"there is no migration {strange!r}"
    if had - known.keys():
        return None  # a newer version's
    with closing(sqlite3.connect(":memory:")) as model:
        rowsum.register(model)
        for name in sorted(had):
            model.executescript(known[name].read_text(encoding="utf-8"))
        asked = "SELECT type, name, tbl_name, sql FROM sqlite_schema"
        there = set(map(tuple, connection.execute(asked)))
        lacking = sorted(row[1] for row in model.execute(asked) if tuple(row) not in there)
    return f"the schema of {lacking[0]} is not what it was" if lacking else None


def alike(name: str, other: str) -> bool:
    """Whether two names of migrations may be one: they differ in two characters at most."""
    return len(name) == len(other) and sum(a != b for a, b in zip(name, other, strict=True)) <= 2


def _is_schema(error: sqlite3.DatabaseError) -> bool:
    """Whether the schema itself does not read: SQLite says so as a plain error."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR


# ---- replacing


def _rest_after_failure(path: Path) -> None:
    """Raises what the last salvage failed by: each writes as much as the store holds, and the daemon asks for ever.

    Once there is more room, or an hour later, it is worth another try.
    """
    failed = _failed.get(path)
    more = failed is not None and shutil.disk_usage(path.parent).free > failed.free + _MORE_ROOM_BYTES
    if failed is not None and not more and time.monotonic() - failed.at < _FAILED_REST_S:
        raise StoreUnavailable(failed.why)


def _salvage(path: Path, fault: str, missing_frames: int) -> Report:
    new = _beside(path, "salvaging")
    _remove(new)
    words = (str(path), str(new), str(missing_frames), fault[:_FAULT_MOST])
    command = [sys.executable, "-m", "edge.queue.store.mend.salvage", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        told, complaint = _followed(path, child)
    if child.returncode != 0:
        _remove(new)
        why = complaint.strip().splitlines()[-1:] or ["its salvage ended without a word"]
        said = f"{why[0]}; free space beside it"
        if child.returncode < 0:
            said = f"signal {-child.returncode} ended its salvage (want of memory?); it is tried again"
        raise StoreUnavailable(f"{path} is damaged and was left as it is: {said}")
    new.replace(_beside(path, "salvaged"))
    files.sync_directory(path.parent)
    return msgspec.json.decode(told, type=Report)


def _followed(path: Path, child: subprocess.Popen[str]) -> tuple[str, str]:
    """Log how far a salvage is; the last thing it says, and its complaint, which is short."""
    line = ""
    for line in child.stdout or ():
        if not line.startswith("{"):
            share, rows = line.split()
            log.warning("%s is being salvaged: %.0f %% looked at, %s rows taken over", path, 100 * float(share), rows)
    return line, child.stderr.read() if child.stderr else ""


def _finish(path: Path) -> None:
    """Go on where a power cut ended a repair."""
    _remove(_beside(path, "salvaging"))
    done = _beside(path, "salvaged")
    if not done.exists():
        return
    if _file_fault(done) or not done.stat().st_size:
        log.error("%s does not read: it is no repair's result", done)
        done.unlink()
        return
    parts = [part for suffix in _PARTS if (part := path.with_name(path.name + suffix)).exists()]
    if any(part.stat().st_size for part in parts):
        _set_aside(path)
    _take_over(path)


def _remove(new: Path) -> None:
    """Take away what a salvage began, with its logs: they would keep the last free bytes from the store itself."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        new.with_name(new.name + suffix).unlink(missing_ok=True)


def _take_over(path: Path) -> None:
    _beside(path, "salvaged").replace(path)
    files.sync_directory(path.parent)


def _set_aside(path: Path) -> Path:
    # A power cut between the renames leaves a log alone: its number is taken too, or the next log would replace it.
    aside = logs.numbered(path, "corrupt")
    for suffix in _PARTS:
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    files.sync_directory(path.parent)
    return aside


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f"{path.name}.{what}")
