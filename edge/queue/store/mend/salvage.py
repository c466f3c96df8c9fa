"""Build a new store from what a damaged one still holds: `python -m edge.queue.store.mend.salvage DAMAGED NEW`.

Runs as a child process, since it needs memory for it. DAMAGED and its log are only read. NEW gets the schema that
DAMAGED had, every row whose check sum is right, and in its table `damage` the name of whatever is lost. It is durable
when the process ends well. Standard output gets a line ``SHARE ROWS`` every few seconds and at last a report as JSON.

What refers to a row that is lost: rows of the outbox and of outgoing messages stay, since they hold all that is needed
to send them; others are moved into `damage` with their content. An outbox row found in an older state than it had is
sent again: the upstream knows it by its event id and does nothing twice.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from edge.queue.store import files, migrate
from edge.queue.store.mend import damage
from edge.queue.store.mend.carve import Carver, Found, Hole
from edge.queue.store.mend.images import Images
from edge.queue.store.mend.record import Value
from edge.queue.store.mend.repair import Report, alike
from edge.queue.store.mend.tables import Table, described, shown

_SELF_CONTAINED = ("outbox", "outgoing")
_COMMIT_EVERY = 10_000
_BATCH = 250
TOLD_EVERY_S = 5.0
_UNTOLD_MOST = 10_000
_GAPS_MOST = 100
_ROOM_FOR_LOST = 10_000
_SEQUENCE_MOST = 1 << 48

Progress = Callable[[int, Callable[[], float]], None]  # rows found, the share of the pages that were looked at


class Salvage:
    """Carries rows from `images` into the empty store `conn`; says how far it is to `progress`."""

    def __init__(
        self, images: Images, conn: sqlite3.Connection, source: Path, *, why: str, now: float, progress: Progress
    ) -> None:
        self._images, self._conn, self._source, self._why, self._now = images, conn, source, why, now
        self._progress = progress
        conn.execute("CREATE TEMP TABLE note (found_at REAL, file TEXT, place TEXT, lost TEXT, detail TEXT)")
        self.untold: list[damage.Damage] = []  # what the store's schema has no place for
        self._tables = described(conn)
        self._carver = Carver(images, self._tables, looked=self._tell_progress)
        self._rows = 0
        self._beside: dict[str, set[int]] = {}
        self.kept: dict[str, int] = dict.fromkeys(self._tables, 0)
        self.lost: list[str] = []
        self._named: set[str] = set()

    def run(self) -> None:
        """Do all of it."""
        conn = self._conn
        conn.execute("BEGIN")
        later = self._put_off()
        self._keep_all()
        for statement in later:
            conn.execute(statement)
        if conn.execute("SELECT 1 FROM sqlite_schema WHERE name = 'outbox_depth'").fetchone():
            damage.count_depths(conn)
        self._continue_sequences()
        for bad in self._carver.bad:
            table = self._tables[bad.table]
            self._note(f"page {bad.page}", "", f"a damaged row of {bad.table}: {damage.content(table, bad.values)}")
        for hole in self._carver.holes:
            for name in self._missing(hole):
                self._note(f"table {hole.table}", name, "it stood where the file does not read")
        self._part_from_parents()
        self._tell_of_log()
        if "outbox" in self._tables and "stream" in self._tables["outbox"].columns:
            for statement in damage.ORDER_STREAMS:
                conn.execute(statement)
        for fault in self._carver.faults[:_GAPS_MOST]:
            self._note("pages", "", fault)
        rows = sum(self.kept.values())
        self._note(damage.REPLACED, "", f"{self._why}; {rows} rows were taken over, and what was damaged is set aside")
        self._write_notes()
        conn.execute("COMMIT")

    def _write_notes(self) -> None:
        """Put the notes, of which there may be as many as rows, behind what was known of earlier damage."""
        notes = "SELECT found_at, file, place, lost, detail FROM temp.note ORDER BY rowid"
        if "damage" in self._tables:
            self._conn.execute(f"INSERT INTO damage (found_at, file, place, lost, detail) {notes}")
        else:
            self.untold = [damage.Damage(*row) for row in self._conn.execute(f"{notes} LIMIT ?", (_UNTOLD_MOST,))]

    # ---- rows

    def _put_off(self) -> list[str]:
        """Drop what costs time at each row, the indexes that are not unique and the triggers; how they are made."""
        made = self._conn.execute(
            "SELECT type, name, sql FROM sqlite_schema WHERE type = 'trigger' "
            "OR (type = 'index' AND sql NOT LIKE 'CREATE UNIQUE %') ORDER BY type"
        ).fetchall()
        for kind, name, _ in made:
            self._conn.execute(f'DROP {kind} "{name}"')
        return [sql for _, _, sql in made]

    def _keep_all(self) -> None:
        """Take over every row found; those that a tree leads to in batches, as they are rarely there already."""
        batch: list[Found] = []
        for found in self._carver.rows():
            self._rows += 1
            if batch and (len(batch) == _BATCH or batch[0].table is not found.table or not found.reached):
                self._keep_batch(batch)
                batch = []
            if found.reached:
                batch.append(found)
            else:
                self._keep(found)
            if self._rows % _COMMIT_EVERY == 0:
                self._conn.execute("COMMIT")
                self._conn.execute("BEGIN")
                self._tell_progress()
        if batch:
            self._keep_batch(batch)

    def _tell_progress(self) -> None:
        self._progress(self._rows, lambda: self._carver.share)

    def _keep_batch(self, batch: Sequence[Found]) -> None:
        """Insert rows of one table; when that fails for one of them, one by one."""
        table = batch[0].table
        self._conn.execute("SAVEPOINT batch")
        try:
            self._conn.executemany(_insertion(table, "ABORT"), [found.values for found in batch])
        except sqlite3.IntegrityError:
            self._conn.execute("ROLLBACK TO batch")
            for found in batch:
                self._keep(found)
        else:
            self.kept[table.name] += len(batch)
        self._conn.execute("RELEASE batch")

    def _keep(self, found: Found) -> None:
        table = found.table
        inserted = self._conn.execute(_insertion(table, "IGNORE"), found.values).rowcount
        if not found.reached and found.rowid is not None:
            self._beside.setdefault(table.name, set()).add(found.rowid)
        name = f"{table.name} {table.name_of(found.values)}"
        if inserted:
            self.kept[table.name] += 1
            if found.older:
                self._note("an older page", "", f"{name} is of an older state than it may have had")
        elif found.reached:
            self._note("two rows of one key", "", f"{name}: {damage.content(table, found.values)}")

    def _note(self, place: str, lost: str, detail: str) -> None:
        if lost and lost not in self._named:
            self._named.add(lost)
            self.lost.append(lost)
        damage.record(self._conn, damage.Damage(self._now, str(self._source), place, lost, detail), into="temp.note")

    def _continue_sequences(self) -> None:
        """Number on after the last number given, with room for those that are lost, so that none is given twice."""
        before = {
            name: last
            for name, last in Carver(self._images, {}).plain("sqlite_sequence", 2)
            if isinstance(name, str) and isinstance(last, int) and last < _SEQUENCE_MOST
        }
        open_ended = {hole.table for hole in self._carver.holes if hole.before is None}
        for (name,) in self._conn.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"
        ).fetchall():
            key = self._tables[name].alias
            (there,) = self._conn.execute(f'SELECT max("{key}") FROM "{name}"').fetchone()
            last = max(there or 0, before.get(name, 0))
            if name in open_ended or self._tail_lost():
                last += _ROOM_FOR_LOST
            self._conn.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
            self._conn.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, last))

    # ---- what is lost

    def _missing(self, hole: Hole) -> Iterator[str]:
        table = self._tables[hole.table]
        if table.alias:
            yield from self._missing_numbers(table, hole)
        elif table.rowid:
            yield from self._missing_rowids(table, hole)
        else:
            after, before = (
                " ".join(shown(part) for part in bound) if bound is not None else ""
                for bound in (hole.after, hole.before)
            )
            yield f"{table.name} between {after or 'the first'} and {before or 'the last'}"

    def _missing_numbers(self, table: Table, hole: Hole) -> Iterator[str]:
        first, last = _bounds(hole)
        there = self._conn.execute(
            f'SELECT "{table.alias}" FROM "{table.name}" WHERE "{table.alias}" > ? AND "{table.alias}" < ? ORDER BY 1',
            (first, last if last is not None else 1 << 62),
        )
        yield from _gaps(table.name, first, (row[0] for row in there), last)

    def _missing_rowids(self, table: Table, hole: Hole) -> Iterator[str]:
        first, last = _bounds(hole)
        beside = sorted(
            rowid for rowid in self._beside.get(table.name, ()) if rowid > first and (last is None or rowid < last)
        )
        yield from _gaps(f"{table.name} rowid", first, beside, last)

    def _part_from_parents(self) -> None:
        """Name the rows that others refer to and that are lost; move out those that mean nothing without them."""
        for name, table in self._tables.items():
            for column, parent, key in self._references(name):
                columns = ", ".join(f'"{part}"' for part in table.columns)
                where = f'"{column}" IS NOT NULL AND "{column}" NOT IN (SELECT "{key}" FROM "{parent}")'
                rows = self._conn.execute(f'SELECT {columns} FROM "{name}" WHERE {where}').fetchall()
                for row in rows:
                    values = list(row)
                    label = f"{name} {table.name_of(values)}"
                    self._note(label, f"{parent} {shown(values[table.columns.index(column)])}", f"{label} refers to it")
                    if name not in _SELF_CONTAINED:
                        self._note("a row without its parent", label, damage.content(table, values))
                if rows and name not in _SELF_CONTAINED:
                    self._conn.execute(f'DELETE FROM "{name}" WHERE {where}')
                    self.kept[name] -= len(rows)

    def _references(self, name: str) -> list[tuple[str, str, str]]:
        rows = self._conn.execute('SELECT "from", "table", "to" FROM pragma_foreign_key_list(?)', (name,))
        return [(row[0], row[1], row[2]) for row in rows]

    def _tail_lost(self) -> bool:
        return self._images.missing_frames > 0

    def _tell_of_log(self) -> None:
        scan = self._images.scan
        if self._tail_lost():
            first, last = scan.committed + 1, scan.committed + self._images.missing_frames
            self._note(f"log frames {first}-{last}", "*", "the last commits before the damage are cut off the log")
            for name, table in self._tables.items():
                if table.alias:
                    (there,) = self._conn.execute(f'SELECT max("{table.alias}") FROM "{name}"').fetchone()
                    self._note(f"log frames {first}-{last}", f"{name} {(there or 0) + 1}-", "any of these may be lost")
        if not scan.header_right and not all(frame.right for frame in scan.frames):
            self._note("log header", "*", "the log does not read from its beginning: commits in it may be lost")
        if self._images.lost_frames:
            numbers = ", ".join(map(str, self._images.lost_frames))
            self._note(
                f"log frames {numbers}", "*", "which pages these held is not known: rows may be of an older state"
            )


def _insertion(table: Table, conflict: str) -> str:
    columns = ", ".join(f'"{column}"' for column in table.columns)
    marks = ", ".join("?" for _ in table.columns)
    return f'INSERT OR {conflict} INTO "{table.name}" ({columns}) VALUES ({marks})'


def _bounds(hole: Hole) -> tuple[int, int | None]:
    first = hole.after[0] if hole.after else 0
    last = hole.before[0] if hole.before else None
    return (first if isinstance(first, int) else 0), (last if isinstance(last, int) else None)


def _gaps(label: str, first: int, there: Iterable[int], last: int | None) -> Iterator[str]:
    """The numbers between `first` and `last` that are not there, as ranges; "N-" for all after N - 1."""
    told = 0
    for number in there:
        if number > first + 1 and told < _GAPS_MOST:
            told += 1
            yield f"{label} {first + 1}" if number == first + 2 else f"{label} {first + 1}-{number - 1}"
        first = number
    if last is None:
        yield f"{label} {first + 1}-"
    elif last > first + 1:
        yield f"{label} {first + 1}" if last == first + 2 else f"{label} {first + 1}-{last - 1}"


def salvage(
    source: Path,
    new: Path,
    *,
    why: str = "it was damaged",
    missing_frames: int = 0,
    now: float,
    progress: Progress = lambda _rows, _share: None,
) -> Report:
    """Build `new` from the damaged store `source`; the report. `missing_frames` are known to be cut off its log."""
    descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        log = source.with_name(f"{source.name}-wal")
        images = Images(descriptor, log.read_bytes() if log.exists() else b"", missing_frames=missing_frames)
        _build_schema(images, new)
        with closing(_connect(new)) as conn:
            work = Salvage(images, conn, source, why=why, now=now, progress=progress)
            work.run()
    finally:
        os.close(descriptor)
    if work.untold:
        _tell_in_newer_schema(new, work.untold)
    _sync(new)
    return Report(work.kept, work.lost)


def _connect(new: Path) -> sqlite3.Connection:
    """A connection that is fast and not durable: the file is synchronised as a whole."""
    conn = files.connect(new)
    conn.row_factory = None
    for pragma in ("journal_mode = DELETE", "journal_mode = MEMORY", "synchronous = OFF", "foreign_keys = OFF"):
        conn.execute(f"PRAGMA {pragma}")
    conn.execute("PRAGMA cache_size = -16384")
    return conn


def _tell_in_newer_schema(new: Path, found: Iterable[damage.Damage]) -> None:
    """Bring the schema up to date, which has a place for it; should that fail, the daemon's own attempt tells why."""
    with contextlib.suppress(migrate.MigrationRefused):
        migrate.migrate(new)
        with closing(_connect(new)) as conn:
            conn.execute("BEGIN")
            for one in found:
                damage.record(conn, one)
            conn.execute("COMMIT")


def _build_schema(images: Images, new: Path) -> None:
    """Make `new` with those migrations that the damaged store had."""
    had = {row[0] for row in Carver(images, {}).plain("migration", 2)}
    known = files.known_migrations()
    last = max((number for number, file in enumerate(known) if _among(file.stem, had)), default=len(known) - 1)
    os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
    with tempfile.TemporaryDirectory(prefix="kampung-edge-") as folder:
        for file in known[: last + 1]:
            Path(folder, file.name).symlink_to(file)
        migrate.migrate(new, Path(folder))


def _among(name: str, had: Iterable[Value]) -> bool:
    return any(isinstance(other, str) and alike(name, other) for other in had)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    files.sync_directory(path.parent)


class _Told:
    """Prints how far a salvage is, every few seconds: ``SHARE ROWS``."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def __call__(self, rows: int, share: Callable[[], float]) -> None:
        if time.monotonic() - self._at >= TOLD_EVERY_S:
            self._at = time.monotonic()
            print(f"{share():.3f} {rows}", flush=True)


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 done, 1 not possible (why is on standard error), 2 wrong usage."""
    if not 2 <= len(arguments) <= 4:
        print("usage: python -m edge.queue.store.mend.salvage DAMAGED NEW [FRAMES-CUT-OFF [WHY]]", file=sys.stderr)
        return 2
    source, new = Path(arguments[0]), Path(arguments[1])
    missing = int(arguments[2]) if len(arguments) > 2 else 0
    why = arguments[3] if len(arguments) > 3 else "it was damaged"
    try:
        report = salvage(source, new, why=why, missing_frames=missing, now=time.time(), progress=_Told())
    except (OSError, sqlite3.DatabaseError, migrate.MigrationRefused) as error:
        print(f"{source} cannot be salvaged into {new}: {error}", file=sys.stderr)
        return 1
    print(msgspec.json.encode(report).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
