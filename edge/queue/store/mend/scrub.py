"""The scrubber: walks through every table in the background and finds what rots unread.

Theory of operation. A few rows at a time, each row's check sum is verified, and that every index that should hold the
row does. The work takes a fixed share of the processor, whatever the store's size, and nothing is written while all is
well but the place in a small file beside the store, so that a restart goes on there. A row that is wrong is put right
or moved into `damage`, an index that lacks a row is built anew, and what SQLite itself cannot read is shown to the
writer, which has the store repaired. After whatever was found, `edge.queue.store.mend.alarm` says so.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge.clock import Clock
from edge.queue.store import errors
from edge.queue.store.database import Store
from edge.queue.store.errors import StoreCorrupt, StoreError
from edge.queue.store.mend import damage
from edge.queue.store.mend.alarm import Alarm
from edge.queue.store.mend.damage import BadRow, Damage
from edge.queue.store.mend.examine import read_step, wrong_in
from edge.queue.store.mend.record import Value
from edge.queue.store.mend.tables import Table, summed

log = logging.getLogger("edge.queue.store")

_STEP = 64
_SHARE = 0.001
_LEAST_REST_S = 1.0
_ROUND_REST_S = 3600.0
_TROUBLE_REST_S = 60.0
_SAVE_EVERY_S = 3600.0
_COUNTED_MOST = 50_000
_KEY_MOST = 2**63 - 1  # what SQLite takes


@dataclass(frozen=True, slots=True)
class Place:
    """Where the walk stands: rows of `table` after the key `after`; None before the first."""

    table: str = ""
    after: tuple[Value, ...] | None = None


class _Saved(msgspec.Struct):
    """A place as it is written: each part of the key as its type's name and text."""

    table: str
    after: list[tuple[str, str]] | None


@dataclass(frozen=True, slots=True)
class _Step:
    """What one step found."""

    place: Place
    bad: list[BadRow]
    lacking: list[str]
    took_s: float


class Scrub:
    """Scrubs `store`; `share` of one processor's time is what it takes, `round_rest_s` its pause after each round."""

    def __init__(
        self, store: Store, *, clock: Clock, alarm: Alarm, share: float = _SHARE, round_rest_s: float = _ROUND_REST_S
    ) -> None:
        self._store, self._clock, self._alarm = store, clock, alarm
        self._share, self._round_rest_s = share, round_rest_s
        self._file = store.path.with_name(f"{store.path.name}.scrub")
        self.place = _recall(self._file)
        self._saved_at = clock.monotonic()
        self._tables: dict[str, Table] = {}
        self.rounds = 0

    async def run(self) -> None:
        """Scrub until cancelled."""
        await self._alarm.tell()
        try:
            rest = 0.0
            while True:
                await asyncio.sleep(rest)
                rest = await self._try_to_advance()
        finally:
            self._save()

    async def _try_to_advance(self) -> float:
        """One step; how long to rest after it."""
        try:
            return await self._advance()
        except StoreCorrupt:
            return await self._show_writer()
        except StoreError as error:
            log.debug("the scrubber waits: %s", error)
            return _TROUBLE_REST_S

    async def _advance(self) -> float:
        step = await self._store.read(self._look)
        if step is None:
            return await self._end_round()
        if step.bad:
            await asyncio.to_thread(self._set_right, step.bad, self._clock.wall())
        for table in step.lacking:
            await self._build_anew(table)
        if step.bad or step.lacking:
            await self._alarm.tell()
        self.place = step.place
        if self._clock.monotonic() - self._saved_at > _SAVE_EVERY_S:
            self._save()
        return max(_LEAST_REST_S if self._share < 1 else 0.0, step.took_s / self._share)

    async def _end_round(self) -> float:
        if await self._store.read(_miscounted):
            log.error("the depths of the outbox were wrong: they are counted anew")
            await self._store.write(damage.count_depths, draining=True)
        self.rounds += 1
        self.place = Place()
        self._save()
        await self._alarm.tell()
        return self._round_rest_s

    async def _show_writer(self) -> float:
        """Let the writer meet what cannot be read: it repairs the store and goes on."""
        try:
            await self._store.write(self._look, draining=True)
        except StoreError as error:
            log.error("the scrubber found damage that could not be repaired: %s", error)
        await self._alarm.tell()
        return _TROUBLE_REST_S

    async def _build_anew(self, index: str) -> None:
        def build(conn: sqlite3.Connection) -> None:
            conn.execute(f'REINDEX "{index}"')
            found = Damage(self._clock.wall(), str(self._store.path), f"index {index}", "", "rows were not in it")
            damage.record(conn, found)

        log.error("the index %s lacked rows: it is built anew", index)
        await self._store.write(build, draining=True)

    def _set_right(self, bad: list[BadRow], now: float) -> None:
        """Blocking. What a full or failing disk does not take is a `StoreError`: it is found again."""
        try:
            damage.set_right(self._store.path, bad, now=now)
        except (sqlite3.OperationalError, OSError) as error:
            named = errors.named(error, self._store.path)
            raise (named if isinstance(named, StoreError) else errors.failing(error, self._store.path)) from error

    # ---- in the reader's thread

    def _look(self, conn: sqlite3.Connection) -> _Step | None:
        """Verify the next rows; None at the end of the last table."""
        started = time.perf_counter()
        texts = conn.text_factory
        conn.text_factory = damage.lenient
        try:
            tables = self._tables = self._tables or summed(conn)
            for name in tables:
                if name < self.place.table:
                    continue
                after = self.place.after if name == self.place.table else None
                if after is not None and len(after) != len(tables[name].place):
                    after = None  # a damaged place, or one of an older schema
                rows = read_step(conn, tables[name], after, _STEP)
                if rows:
                    return self._judged(conn, tables[name], rows, started)
        finally:
            conn.text_factory = texts
        return None

    def _judged(self, conn: sqlite3.Connection, table: Table, rows: list[tuple[Value, ...]], started: float) -> _Step:
        bad = wrong_in(table, rows)
        first, last = rows[0][: len(table.place)], rows[-1][: len(table.place)]
        # What an index should hold of a row is known only where the row is right.
        lacking = [] if bad else list(_lacking(conn, table, first, last))
        return _Step(Place(table.name, last), bad, lacking, time.perf_counter() - started)

    # ---- the place

    def _save(self) -> None:
        """Remember the place; losing it in a power cut costs a walk, so nothing is synchronised."""
        self._saved_at = self._clock.monotonic()
        new = self._file.with_name(f"{self._file.name}.new")
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.msgpack.encode(_saved(self.place)))
            new.replace(self._file)
        except (OSError, UnicodeEncodeError) as error:
            log.debug("the scrubber's place is not kept: %s", error)


def _recall(file: Path) -> Place:
    try:
        saved = msgspec.msgpack.decode(file.read_bytes(), type=_Saved)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):  # nothing is synchronised, and cards rot
        return Place()
    return Place(saved.table, None if saved.after is None else tuple(_part(kind, text) for kind, text in saved.after))


def _part(kind: str, text: str) -> Value:
    try:
        if kind == "int":
            return max(-_KEY_MOST, min(int(text), _KEY_MOST))
        return bytes.fromhex(text) if kind == "bytes" else text
    except ValueError:
        return None  # a damaged place: the walk goes on from the table's beginning


def _saved(place: Place) -> _Saved:
    if place.after is None:
        return _Saved(place.table, None)
    parts = [(type(part).__name__, part.hex() if isinstance(part, bytes) else str(part)) for part in place.after]
    return _Saved(place.table, parts)


def _lacking(
    conn: sqlite3.Connection, table: Table, first: tuple[Value, ...], last: tuple[Value, ...]
) -> Iterator[str]:
    """Indexes that lack one of the rows from `first` to `last`."""
    place = ", ".join(f'there."{column}"' for column in table.place)
    marks = ", ".join("?" for _ in table.place)
    for index in table.indexes:
        same = " AND ".join(f'held."{column}" IS there."{column}"' for column in (*index.columns, *table.place))
        condition = f"AND ({index.where})" if index.where else ""
        row = conn.execute(
            f'SELECT 1 FROM "{table.name}" AS there NOT INDEXED WHERE ({place}) BETWEEN ({marks}) AND ({marks}) '
            f'{condition} AND NOT EXISTS (SELECT 1 FROM "{table.name}" AS held INDEXED BY "{index.name}" '
            f"WHERE {same} {condition}) LIMIT 1",
            (*first, *last),
        ).fetchone()
        if row is not None:
            yield index.name


def _miscounted(conn: sqlite3.Connection) -> bool:
    """Whether the depths kept by triggers, which have no sum, are wrong; a large outbox is not counted."""
    (rows,) = conn.execute("SELECT ifnull(sum(rows), 0) FROM outbox_depth").fetchone()
    if rows > _COUNTED_MOST:
        return False
    kept = set(map(tuple, conn.execute("SELECT lane, state, rows, bytes FROM outbox_depth WHERE rows <> 0")))
    return kept != set(map(tuple, conn.execute(damage.COUNTED_DEPTHS)))
