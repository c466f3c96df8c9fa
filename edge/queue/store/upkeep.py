"""Upkeep, once a day: what nobody can ask for any more is deleted, in small batches that let everybody else through.

Each table is walked from its oldest row on in the reader; only what is found there is deleted in the writer, as work
that drains. What is deleted leaves pages that are used again; the file itself shrinks by `kampung-edge store compact`.
Nothing is deleted by its age while the clock is not trusted, nor what bears the time of a clock that stood at its
beginning.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from dataclasses import dataclass
from functools import partial

from edge.clock import Clock
from edge.queue.lifecycle import CLOSED
from edge.queue.store.database import Store
from edge.queue.store.errors import StoreError

log = logging.getLogger("edge.queue.store")

DAY_S = 86_400.0
SETTLED_DAYS = 30
IDEMPOTENCY_DAYS = 90  # what the desk API promises
AUDIT_MOST = 100_000
EARLIEST = 1_704_067_200.0  # 2024: an earlier time was written by a clock that nobody had set
_FIRST_S = 600.0
_WINDOW = 1_000
_BATCH = 50
_REST_S = 0.02


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of `table` whose `at` lies before `:before` go, if also `when`; `key` orders them as they were written."""

    table: str
    at: str
    when: str = "1"
    key: str = "rowid"
    days: int | None = None  # None: as long as the configuration says
    least_days: int = 0  # whatever the configuration says
    children: str = ""  # deleted first, by the key
    ordered: bool = True  # whether `at` grows with the key, so that a window without old rows ends the walk


def _closed() -> str:
    return ", ".join(f"'{state}'" for state in sorted(CLOSED))


RULES = (
    Rule("idempotency", "created_at", least_days=IDEMPOTENCY_DAYS),
    Rule("outbox", "settled_at", "state IN ('delivered', 'withdrawn', 'expired', 'discarded')", days=SETTLED_DAYS),
    Rule("change", "at", days=SETTLED_DAYS),
    Rule("staff_message", "read_at", "read_at IS NOT NULL"),
    Rule(
        "outgoing",
        "created_at",
        "state IN ('sent', 'failed', 'expired', 'discarded')",
        children="DELETE FROM outgoing_part WHERE message = ?",
    ),
    Rule("inbound_part", "received_at", "inbound IS NOT NULL", key="digest", ordered=False),
    Rule(
        "inbound",
        "handled_at",
        "handled_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM inbound_part AS p WHERE p.inbound = inbound.id) "
        "AND NOT EXISTS (SELECT 1 FROM outgoing AS o WHERE o.inbound = inbound.id) "
        "AND NOT EXISTS (SELECT 1 FROM staff_message AS s WHERE s.inbound = inbound.id)",
    ),
    Rule(
        "transition",
        "at",
        f"EXISTS (SELECT 1 FROM request AS r WHERE r.id = transition.request AND r.state IN ({_closed()}))",
    ),
)


@dataclass(frozen=True, slots=True)
class Window:
    """What one look at a table found: the keys that may go, the last key looked at, whether the walk is over."""

    keys: tuple[int | bytes, ...]
    last: int | bytes
    over: bool


class Upkeep:
    """Runs beside everything else; `keep_days` bounds what a village may still ask for."""

    def __init__(self, store: Store, *, keep_days: int, clock: Clock, first_s: float = _FIRST_S) -> None:
        self._store, self._keep_days, self._clock, self._first_s = store, keep_days, clock, first_s

    async def run(self) -> None:
        """Tidy up some minutes after the start and then once a day, until cancelled."""
        await asyncio.sleep(self._first_s)
        while True:
            try:
                gone = await self.once()
            except StoreError as refused:
                log.debug("upkeep waits for another day: %s", refused)
            else:
                if any(gone.values()):
                    told = ", ".join(f"{rows} of {table}" for table, rows in gone.items() if rows)
                    log.info("upkeep: old rows were deleted: %s", told)
            await asyncio.sleep(DAY_S)

    async def once(self) -> dict[str, int]:
        """Delete what is too old, and more audit rows than fit; how many rows went, by table."""
        gone = {"audit": await self._shorten_audit()}
        if self._clock.trusted():
            now = self._clock.wall()
            for rule in RULES:
                days = max(rule.least_days, self._keep_days if rule.days is None else rule.days)
                gone[rule.table] = await self._walk(rule, before=now - days * DAY_S)
        await self._store.write(_optimise, draining=True)
        return gone

    async def _walk(self, rule: Rule, *, before: float) -> int:
        gone, after = 0, _first(rule)
        while True:
            window = await self._store.read(partial(look, rule=rule, after=after, before=before))
            for start in range(0, len(window.keys), _BATCH):
                keys = window.keys[start : start + _BATCH]
                gone += await self._store.write(partial(delete, rule=rule, keys=keys, before=before), draining=True)
                await asyncio.sleep(_REST_S)
            if window.over:
                return gone
            if not window.keys:
                await asyncio.sleep(_REST_S)
            after = window.last

    async def _shorten_audit(self) -> int:
        """The audit keeps its newest rows whatever the clock says: it is bounded by their number."""
        gone = 0
        while deleted := await self._store.write(_delete_audit, draining=True):
            gone += deleted
            await asyncio.sleep(_REST_S)
        return gone


def look(conn: sqlite3.Connection, *, rule: Rule, after: int | bytes, before: float) -> Window:
    """The next rows of a table, and which of them may go."""
    rows = conn.execute(
        f"SELECT {rule.key} AS key, {rule.at} BETWEEN :earliest AND :before AS old, "
        f"{rule.at} BETWEEN :earliest AND :before AND {rule.when} AS due "
        f"FROM {rule.table} WHERE {rule.key} > :after ORDER BY {rule.key} LIMIT :window",
        {"earliest": EARLIEST, "before": before, "after": after, "window": _WINDOW},
    ).fetchall()
    keys = tuple(row["key"] for row in rows if row["due"])
    over = len(rows) < _WINDOW or (rule.ordered and not any(row["old"] for row in rows))
    return Window(keys, rows[-1]["key"] if rows else after, over)


def delete(conn: sqlite3.Connection, *, rule: Rule, keys: tuple[int | bytes, ...], before: float) -> int:
    """Delete these rows, where they may still go."""
    gone = 0
    for key in keys:
        found = conn.execute(
            f"DELETE FROM {rule.table} WHERE {rule.key} = :key AND {rule.at} BETWEEN :earliest AND :before "
            f"AND {rule.when}",
            {"key": key, "earliest": EARLIEST, "before": before},
        ).rowcount
        if found and rule.children:
            conn.execute(rule.children, (key,))
        gone += found
    return gone


def _first(rule: Rule) -> int | bytes:
    return 0 if rule.key == "rowid" else b""


def _delete_audit(conn: sqlite3.Connection) -> int:
    return conn.execute(
        "DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE seq <= (SELECT max(seq) FROM audit) - ? "
        "ORDER BY seq LIMIT ?)",
        (AUDIT_MOST, _BATCH),
    ).rowcount


def _optimise(conn: sqlite3.Connection) -> None:
    """Let SQLite renew what it knows of its tables, from samples (https://sqlite.org/lang_analyze.html)."""
    conn.execute("PRAGMA analysis_limit = 400")
    conn.execute("PRAGMA optimize")
