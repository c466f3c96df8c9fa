"""Upkeep on a real store: what is too old goes, what is open or young stays, no clock that jumped deletes anything."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.queue.store import upkeep
from edge.queue.store.database import Store
from edge.queue.store.upkeep import DAY_S, Upkeep

NOW = 1_790_000_000.0
KEEP = 90
TABLES = (
    "request",
    "idempotency",
    "outbox",
    "change",
    "staff_message",
    "outgoing",
    "outgoing_part",
    "inbound_part",
    "inbound",
    "transition",
)


class Clock:
    """A clock that stands still."""

    def __init__(self, wall: float = NOW, *, trusted: bool = True) -> None:
        self._wall, self._trusted = wall, trusted

    def monotonic(self) -> float:
        return 0.0

    def wall(self) -> float:
        return self._wall

    def trusted(self) -> bool:
        return self._trusted


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "box.db", max_mbyte=16, group_commit_ms=0)
    yield opened
    await opened.close()


def village(conn: sqlite3.Connection, name: str, at: float, *, over: bool) -> None:
    """One request with all that hangs on it, written at `at`; `over` when nothing of it is open any more."""
    conn.execute(
        "INSERT INTO request (id, ticket, letter, source, state, version, person, created_at, updated_at) "
        "VALUES (?1, ?1, 'SKTM', 'sms', ?2, 1, x'00', ?3, ?3)",
        (name, "completed" if over else "forwarded", at),
    )
    conn.execute("INSERT INTO idempotency VALUES (?, x'00', ?, ?)", (name.encode(), name, at))
    conn.execute(
        "INSERT INTO outbox (event, request, kind, lane, state, created_at, settled_at) "
        "VALUES (?, ?, 'request', 0, ?, ?, ?)",
        (name, name, "delivered" if over else "dead", at, at),
    )
    conn.execute("INSERT INTO change VALUES (?1, ?1, 'forwarded', 1, 'applied', ?2)", (name, at))
    inbound = conn.execute(
        "INSERT INTO inbound (modem, sender, sender_digest, alphanumeric, text, text_digest, timestamp, received_at, "
        "handled_at) VALUES ('m', x'00', x'00', 0, x'00', x'00', '', ?, ?)",
        (at, at if over else None),
    ).lastrowid
    conn.execute(
        "INSERT INTO inbound_part (digest, inbound, series, sequence, total, received_at) "
        "VALUES (?, ?, x'00', 1, 1, ?)",
        (name.encode(), inbound if over else None, at),
    )
    conn.execute(
        "INSERT INTO staff_message (inbound, kind, created_at, read_at) VALUES (?, 'complaint', ?, ?)",
        (inbound, at, at if over else None),
    )
    outgoing = conn.execute(
        "INSERT INTO outgoing (kind, code, priority, number, number_digest, text, request, inbound, state, created_at) "
        "VALUES ('reply', 'HELP', 0, x'00', x'00', x'00', ?, ?, ?, ?)",
        (name, inbound, "sent" if over else "pending", at),
    ).lastrowid
    conn.execute("INSERT INTO outgoing_part VALUES (?, 1, 1, 1, 'taken', 'm', ?, ?, 1, NULL, NULL)", (outgoing, at, at))
    conn.execute(
        "INSERT INTO transition (request, from_state, to_state, actor, at) "
        "VALUES (?, 'received', 'forwarded', 'box', ?)",
        (name, at),
    )


async def fill(store: Store, at: float, *, over: bool, many: int = 1) -> None:
    def work(conn: sqlite3.Connection) -> None:
        for number in range(many):
            village(conn, f"{at}-{over}-{number}", at, over=over)

    await store.write(work)


async def rows(store: Store) -> dict[str, int]:
    return await store.read(
        lambda conn: {name: conn.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in TABLES}
    )


async def test_what_is_over_and_old_goes_and_the_request_stays(store: Store) -> None:
    """The file grows for ever, or a villager's request is gone."""
    await fill(store, NOW - (KEEP + 1) * DAY_S, over=True, many=120)
    gone = await Upkeep(store, keep_days=KEEP, clock=Clock()).once()
    assert gone == {name: 120 for name in TABLES if name not in ("request", "outgoing_part")} | {"audit": 0}
    assert await rows(store) == {name: 120 if name == "request" else 0 for name in TABLES}


@pytest.mark.parametrize(
    ("age_days", "over", "clock", "stays"),
    [
        pytest.param(KEEP - 1, True, Clock(), {"outbox": 0, "change": 0}, id="young"),
        pytest.param(KEEP + 1, False, Clock(), {"idempotency": 0, "change": 0}, id="open"),
        pytest.param(KEEP + 1, True, Clock(trusted=False), {}, id="the clock is not set"),
        pytest.param(KEEP + 1, True, Clock(NOW + 3_650 * DAY_S, trusted=False), {}, id="the clock is ten years ahead"),
        pytest.param(KEEP + 1, True, Clock(0.0), {}, id="the clock stands in 1970"),
        pytest.param(NOW / DAY_S, True, Clock(), {}, id="written in 1970"),
    ],
)
async def test_what_is_young_open_or_of_a_wrong_clock_stays(
    store: Store, age_days: float, over: bool, clock: Clock, stays: dict[str, int]
) -> None:
    """Something that waits is deleted, or a clock that jumped takes everything."""
    await fill(store, NOW - age_days * DAY_S, over=over)
    await Upkeep(store, keep_days=KEEP, clock=clock).once()
    assert await rows(store) == dict.fromkeys(TABLES, 1) | stays


async def test_a_short_memory_keeps_the_keys_of_the_desk(store: Store) -> None:
    """A desk that sends again within its 90 days files a second request."""
    await fill(store, NOW - 60 * DAY_S, over=True)
    gone = await Upkeep(store, keep_days=30, clock=Clock()).once()
    assert (gone["idempotency"], gone["staff_message"]) == (0, 1)


async def test_young_rows_are_not_walked_through(store: Store) -> None:
    """A million waiting rows are read through each day."""
    await fill(store, NOW - DAY_S, over=True, many=1_100)
    rule = next(rule for rule in upkeep.RULES if rule.table == "outbox")
    window = await store.read(lambda conn: upkeep.look(conn, rule=rule, after=0, before=NOW - 30 * DAY_S))
    assert window.over
    assert window.keys == ()


async def test_what_refers_to_a_message_is_found_by_an_index(store: Store) -> None:
    """For each message upkeep reads through every other one, and everybody who writes waits for it."""
    asked: list[str] = []

    def work(conn: sqlite3.Connection) -> list[str]:
        conn.set_trace_callback(asked.append)
        for rule in upkeep.RULES:
            upkeep.look(conn, rule=rule, after=b"" if rule.key == "digest" else 0, before=NOW)
            upkeep.delete(conn, rule=rule, keys=(b"x",) if rule.key == "digest" else (1,), before=NOW)
        conn.set_trace_callback(None)
        questions = {each for each in asked if each.startswith(("SELECT", "DELETE"))}
        return [step[3] for each in questions for step in conn.execute(f"EXPLAIN QUERY PLAN {each}")]

    steps = await store.write(work)
    assert len(steps) > 2 * len(upkeep.RULES)
    assert not [step for step in steps if step.startswith("SCAN")]


async def test_the_audit_is_bounded_by_its_rows(store: Store) -> None:
    """A fault that repeats fills the store with its traces."""

    def trace(conn: sqlite3.Connection) -> None:
        for _ in range(100):
            conn.execute("INSERT INTO audit (kind, subject, detail, at) VALUES ('t', 's', '', 0)")
        conn.execute("UPDATE audit SET seq = seq + ? WHERE seq > 40", (upkeep.AUDIT_MOST,))

    await store.write(trace)
    gone = await Upkeep(store, keep_days=KEEP, clock=Clock(trusted=False)).once()
    assert gone == {"audit": 40}
