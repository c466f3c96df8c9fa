"""A store as a village's first weeks leave it, its files as a kill leaves them, and what must be told of a loss."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from edge.clock import SystemClock
from edge.queue.desk import Desk, NewRequest
from edge.queue.sink import Change
from edge.queue.store import audit, changes, files, installation, outbox
from edge.queue.store.database import Store
from edge.queue.store.mend import walscan
from edge.queue.store.mend.damage import Damage
from edge.queue.store.mend.tables import Table, described
from edge.queue.store.messages import Messages
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
from edge.sms import letters
from tests.unit.queue.store.rows import joined, part

SEAL = Seal(bytes(range(32)))
NOW = 1_795_000_000.0
PARTS = ("", "-wal", "-shm")
Row = tuple[object, ...]
Place = tuple[object, ...]


@dataclass
class Village:
    """What was acknowledged: each row as it is at last (by table and place), and all that each ever was."""

    path: Path
    last: dict[str, dict[Place, Row]] = field(default_factory=dict)
    ever: dict[str, set[Row]] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)

    def copy(self, folder: Path) -> Path:
        """The files of the killed store, once more."""
        for suffix in PARTS:
            source = self.path.with_name(self.path.name + suffix)
            if source.exists():
                shutil.copyfile(source, folder / (self.path.name + suffix))
        return folder / self.path.name

    def look(self) -> None:
        """Remember what is stored now."""
        with closing(files.connect(self.path)) as conn:
            self.tables = described(conn)
            self.last = {name: read(conn, table) for name, table in self.tables.items()}
        for name, rows in self.last.items():
            self.ever.setdefault(name, set()).update(rows.values())


def read(conn: sqlite3.Connection, table: Table) -> dict[Place, Row]:
    place = ", ".join(f'"{column}"' for column in table.place)
    columns = ", ".join(f'"{column}"' for column in table.columns)
    width = len(table.place)
    rows = [tuple(row) for row in conn.execute(f'SELECT {place}, {columns} FROM "{table.name}"')]
    return {row[:width]: row[width:] for row in rows}


async def build(folder: Path, *, requests: int = 60) -> Village:
    """Requests, messages both ways, status changes, history, all in some state; half of it is still in the log."""
    village = Village(folder / "box.db")
    store = await Store.open(village.path, max_mbyte=64, group_commit_ms=2)
    book, messages = Requests(SEAL), Messages(SEAL)
    desk = Desk(store, book, missing=letters.missing, clock=SystemClock(), announce=lambda _event: None)
    await store.write(installation.identify)
    for number in range(requests):
        new = NewRequest(
            letter="SKTM", nik=f"35101523060{number:05}", name="SITI AMINAH", phone=f"+62812345{number:05}"
        )
        request = (await desk.submit(new, idempotency_key=f"key {number}")).request

        def more(conn: sqlite3.Connection, number: int = number, identifier: str = request.id) -> None:
            now = NOW + number
            messages.add_part(conn, part(f"STATUS {number}", f"07{number:04}"), now=now, assemble=joined)
            inbound = messages.waiting(conn, limit=1)
            for waiting in inbound if number % 3 else ():
                messages.handled(conn, waiting, "STATUS", now=now)
            messages.outgoing.queue(
                conn,
                kind="notification",
                code="STATUS",
                number="+6281234567001",
                text=f"Surat {number} selesai. " * 9,
                now=now,
                request=identifier,
            )
            messages.tell_staff(conn, number + 1, "complaint", now=now)
            audit.record(conn, "desk", identifier, "filed", now=now)
            changes.record(conn, Change(f"event-{number}", identifier, "received", 1, ""), "stale", now=now)
            changes.set_cursor(conn, f"cursor-{number}")
            conn.execute("INSERT INTO decision (at, content) VALUES (?, ?)", (now, "x" * 300))

        await store.write(more)
        if number % 2:
            await store.write(lambda conn: _forward(conn, now=NOW + requests))
        if number == requests // 2:
            village.look()
            await store.write(lambda conn: audit.record(conn, "long", "s", "an overflowing text " * 900, now=NOW))
            with closing(files.connect(village.path)) as conn:
                conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if number > requests // 2:
            village.look()
    village.look()
    aside = folder / "killed"
    aside.mkdir()
    killed = village.copy(aside)
    await store.close()
    with killed.with_name(f"{killed.name}-wal").open("r+b") as log:
        # What an earlier turn of the log left behind its end may be damaged without any effect.
        found = walscan.scan(log.read())
        assert found.taken == found.committed > 50
        log.truncate(found.frames[-1].at + walscan.FRAME_HEADER + found.page_size)
    village.path = killed
    return village


def _forward(conn: sqlite3.Connection, *, now: float) -> None:
    for row in outbox.claim(conn, SEAL, limit=1, now=now, most_wait_s=600):
        outbox.settle(conn, row, "delivered", now=now)


def named(told: list[Damage], table: Table, place: Place, row: Row) -> bool:
    """Whether the loss of a row is named, or that it is of an older state."""
    name = f"{table.name} {table.name_of(row)}"  # type: ignore[arg-type]  # rows as read from SQLite
    if any(damage.lost in ("*", name) or damage.detail.startswith(f"{name} is of an older state") for damage in told):
        return True
    numbers = f"{table.name} " if table.alias else f"{table.name} rowid "
    number = place[0]
    for damage in told:
        if damage.lost.startswith(f"{table.name} between "):
            return True
        found = re.fullmatch(r"(\d+)(-)?(\d+)?", damage.lost.removeprefix(numbers))
        if found and damage.lost.startswith(numbers) and isinstance(number, int):
            first = int(found[1])
            last = int(found[3]) if found[3] else None if found[2] else first
            if first <= number and (last is None or number <= last):
                return True
    return False
