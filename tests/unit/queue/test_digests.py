"""Digests: every hour of every uplink reaches the outbox exactly once, with the hour itself."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime

import pytest

from edge.events import ProbeAnswered
from edge.monitor.history_rows import Row
from edge.monitor.rollup import COLUMNS, Figures
from edge.queue.digests import KEPT_S, Digests
from edge.queue.lane import Lane
from edge.queue.store import outbox, outbox_view
from edge.queue.store.seal import Seal
from tests.unit.monitor.history_box import NOON, Box, Refusal, judged

SEAL = Seal(bytes(32))


def begin() -> Box:
    box = Box(uplinks=("pde", "telkom"))
    box.store.connection.row_factory = sqlite3.Row
    attach(box)
    return box


def attach(box: Box) -> None:
    box.history.attach(box.store, refused=Refusal, hours=Digests(SEAL).write)
    for uplink in box.uplinks:
        box.history.observe(judged("up", uplink=uplink))
        box.history.observe(ProbeAnswered(uplink, "9.9.9.9", 20.0))


def told(box: Box) -> list[dict[str, object]]:
    conn = box.store.connection
    rows = conn.execute("SELECT seq FROM outbox WHERE kind = 'uplink_hour' ORDER BY seq").fetchall()
    return [json.loads(outbox_view.content(conn, SEAL, row["seq"]) or "") for row in rows]


async def test_every_hour_of_a_week_is_told_once_though_the_box_restarts() -> None:
    """The regency's history would have gaps, or hours that count twice."""
    box = begin()
    for day in range(7):
        await box.minutes(24 * 12, step=300.0)
        if day % 2:
            await box.history.close()
            box.start()
            attach(box)
    await box.minutes(13, step=300.0)
    found = [(str(each["uplink"]), datetime.fromisoformat(str(each["hour"])).timestamp()) for each in told(box)]
    wanted = [(uplink, NOON + 3_600 * hour) for uplink in box.uplinks for hour in range(7 * 24 + 1)]
    assert sorted(set(found)) == sorted(wanted)
    sums = {key: each["up_ms"] for key, each in zip(found, told(box), strict=True)}
    assert sum(int(str(each)) for each in sums.values()) == 2 * (7 * 24 + 1) * 3_600_000
    lanes = {lane for lane, _ in outbox_view.depths(box.store.connection)}
    assert lanes == {Lane.DIGEST}


async def test_an_hour_tells_its_figures() -> None:
    """The regency would know less than the village."""
    box = begin()
    for rtt in (10.0, 20.0, 30.0, None):
        box.history.observe(ProbeAnswered("pde", "9.9.9.9", rtt))
    await box.minutes(61)
    first = next(each for each in told(box) if each["uplink"] == "pde")
    assert set(first) == {*COLUMNS, "uplink", "hour", "rtt_ms", "rtt_buckets"} - {"latency"}
    assert (first["probes"], first["lost"]) == (5, 1)
    rtt_ms, buckets = first["rtt_ms"], first["rtt_buckets"]
    assert isinstance(rtt_ms, dict)
    assert isinstance(buckets, dict)
    assert rtt_ms["p50"] == pytest.approx(20, rel=0.1)
    assert sum(buckets.values()) == 4
    size = len(json.dumps(first))
    assert size < 1_500


async def test_an_hour_that_minutes_come_late_to_is_told_again_as_a_whole() -> None:
    """What was counted before the clock was set right would be missing upstream."""
    box = begin()
    await box.minutes(61)
    before = len(told(box))
    box.clock.unix -= 1_800
    await box.minutes(31)
    again = told(box)[before:]
    assert {each["hour"] for each in again} == {told(box)[0]["hour"]}
    assert all(int(str(each["up_ms"])) > 3_600_000 for each in again)


async def test_what_the_store_refuses_is_told_when_it_takes_again() -> None:
    """A full store would leave an hour in the history that the regency never hears of."""
    box = begin()
    await box.minutes(59)
    box.store.refusing = True
    await box.minutes(10)
    assert told(box) == []
    box.store.refusing = False
    await box.minutes(1)
    assert len(told(box)) == 2


def test_a_digest_expires_and_an_old_hour_is_not_told() -> None:
    """Years without a portal would fill the store with digests."""
    box = begin()
    conn, row = box.store.connection, Row(NOON, "pde", Figures())
    Digests(SEAL).write(conn, [row], NOON + KEPT_S + 7_200)
    assert told(box) == []
    Digests(SEAL).write(conn, [row], NOON + 3_600)
    assert outbox.expire(conn, now=NOON + KEPT_S) == 0
    assert outbox.expire(conn, now=NOON + KEPT_S + 3_600) == 1
