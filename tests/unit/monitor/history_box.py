"""A history with a real SQLite in memory and clocks that the test turns."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from edge.events import Level, UplinkJudged
from edge.monitor.history import History, nobody
from edge.queue.store import files, rowsum
from edge.queue.store.migrate import statements

T = TypeVar("T")
NOON = 1_791_435_600  # Thursday 8 October 2026, 12.00 in Banyuwangi


class Refusal(Exception):
    """The store takes nothing."""


def tables() -> sqlite3.Connection:
    """The store's schema, in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    rowsum.register(connection)
    for file in files.known_migrations():
        for statement in statements(file.read_text()):
            connection.execute(statement)
    return connection


@dataclass
class Store:
    """One connection, one work at a time; `works` counts transactions; while `gate` is shut they wait."""

    connection: sqlite3.Connection = field(default_factory=tables)
    refusing: bool = False
    works: int = 0
    gate: asyncio.Event | None = None
    waiting: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self.refusing:
            raise Refusal("full")
        if self.gate is not None:
            self.waiting.set()
            await self.gate.wait()
        self.connection.execute("BEGIN")
        result = work(self.connection)
        self.connection.execute("COMMIT")
        self.works += 1
        return result

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return work(self.connection)


@dataclass
class Clock:
    """Both clocks; `pass_time` moves them together, `jump` the wall alone."""

    now: float = 1_000.0
    unix: float = NOON
    sure: bool = True

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.unix

    def trusted(self) -> bool:
        return self.sure

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.unix += seconds


def judged(level: Level, cause: str = "", uplink: str = "telkom") -> UplinkJudged:
    return UplinkJudged(uplink, level, cause, 0.0, 20.0, 1.0, ("4 of 4 targets answer",))


@dataclass
class Box:
    """A box that is switched on: its history, store and clock."""

    store: Store = field(default_factory=Store)
    clock: Clock = field(default_factory=Clock)
    uplinks: tuple[str, ...] = ("telkom",)
    in_hours: Callable[[float], bool] = lambda _wall: True
    faulty: Callable[[str], frozenset[str]] = nobody

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Switch on (again): what was in memory is gone."""
        self.history = History(self.uplinks, clock=self.clock, service_hours=self.in_hours, faulty=self.faulty)
        self.history.attach(self.store, refused=Refusal)

    async def minutes(self, count: int, *, step: float = 60.0) -> None:
        """Let minutes pass, each written when it ends."""
        for _ in range(count):
            self.clock.pass_time(step)
            self.history.turn()
            await self.history.flush()

    def rows(self, grain: str = "minute") -> list[tuple[int, str, int, int, int, int]]:
        """Start, uplink, passed and the milliseconds up, degraded and down."""
        return self.store.connection.execute(
            "SELECT start, uplink, passed, up_ms, degraded_ms, down_ms FROM rollup WHERE grain = ? "
            "ORDER BY start, uplink, passed",
            (grain,),
        ).fetchall()

    def accounted_s(self, uplink: str = "telkom") -> float:
        """Seconds that stand in the tables, each once."""
        (total,) = self.store.connection.execute(
            "SELECT coalesce(sum(up_ms + degraded_ms + down_ms), 0) FROM rollup WHERE passed = 0 AND uplink = ?",
            (uplink,),
        ).fetchone()
        return float(total) / 1_000

    def outages(self) -> list[tuple[str, str, str, float, float | None, str]]:
        """Uplink, level, cause, begin, end (Unix s) and what ended it."""
        return self.store.connection.execute(
            "SELECT uplink, level, cause, began, ended, ended_by FROM outage ORDER BY id"
        ).fetchall()
