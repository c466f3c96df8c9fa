"""The history's tables on real SQLite: rows that add up, pass on, and keep within their bounds."""

from __future__ import annotations

import random
import sqlite3
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from edge.monitor import history_rows as rows
from edge.monitor.rollup import COLUMNS, Figures, total
from edge.queue.store import rowsum
from tests.unit.monitor.history_box import NOON, tables

JAKARTA = ZoneInfo("Asia/Jakarta")
HOUR = 3_600
DAY = 86_400


@pytest.fixture
def conn() -> sqlite3.Connection:
    return tables()


def wall(text: str, zone: ZoneInfo = JAKARTA) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())


def figures(seed: int = 0, seconds: int = 60) -> Figures:
    chance = random.Random(seed)
    latency = {place: chance.randint(1, 60) for place in chance.sample(range(25, 70), 12)}
    down = chance.choice((0, 0, 0, 4_000))
    return Figures(
        up_ms=seconds * 1_000 - down,
        down_ms=down,
        probes=240,
        lost=chance.randint(0, 9),
        jitter_us=chance.randint(10**5, 10**6),
        jitter_count=230,
        received_bytes=chance.randint(10**6, 10**8),
        sent_bytes=chance.randint(10**5, 10**7),
        metered_ms=seconds * 1_000,
        peak_received_kbit=chance.randint(100, 20_000),
        peak_sent_kbit=chance.randint(100, 20_000),
        latency=latency,
    )


def count(conn: sqlite3.Connection, grain: str) -> int:
    return int(conn.execute("SELECT count(*) FROM rollup WHERE grain = ?", (grain,)).fetchone()[0])


def pass_all(conn: sqlite3.Connection, now: float) -> None:
    for grain in rows.COARSER:
        while rows.pass_on(conn, grain, now=now, zone=JAKARTA):
            pass


def test_the_columns_are_those_of_the_figures(conn: sqlite3.Connection) -> None:
    """A value would be written into its neighbour's column."""
    names = [row[1] for row in conn.execute("PRAGMA table_info(rollup)")]
    assert tuple(names[5:]) == COLUMNS
    each = Figures(*range(1, 16))
    each.latency = {3: 4}
    rows.add(conn, "minute", [rows.Row(0, "pde", each)])
    written = conn.execute("SELECT * FROM rollup").fetchone()[:-1]
    assert dict(zip(names[5:-1], written[5:-1], strict=True)) == {
        name: getattr(each, name) for name in COLUMNS if name != "latency"
    }
    assert rows.span(conn, "minute", 0, 60, JAKARTA) == [rows.Row(0, "pde", each)]


@pytest.mark.parametrize(
    ("grain", "moment", "wanted"),
    [
        ("minute", "2026-10-08T12:34:56", "2026-10-08T12:34:00"),
        ("hour", "2026-10-08T12:34:56", "2026-10-08T12:00:00"),
        ("day", "2026-10-08T00:00:00", "2026-10-08T00:00:00"),
        ("day", "2026-10-08T06:59:59", "2026-10-08T00:00:00"),
        ("day", "2026-10-08T23:59:59", "2026-10-08T00:00:00"),
        ("month", "2026-10-31T23:59:59", "2026-10-01T00:00:00"),
        ("month", "2026-11-01T00:00:00", "2026-11-01T00:00:00"),
    ],
)
@pytest.mark.parametrize("zone", ["Asia/Jakarta", "Asia/Jayapura", "UTC"])
def test_spans_begin_by_the_village_clock(grain: str, moment: str, wanted: str, zone: str) -> None:
    """The first hours of a month would stand in the month before."""
    there = ZoneInfo(zone)
    assert rows.begin(grain, wall(moment, there) + 0.25, there) == wall(wanted, there)


def test_minutes_pass_into_hours_days_and_months_once(conn: sqlite3.Connection) -> None:
    """A month would not be the sum of its minutes."""
    start = wall("2026-10-30T20:00:00")
    minutes = [rows.Row(start + 60 * n, uplink, figures(n)) for n in range(30 * 60) for uplink in ("pde", "telkom")]
    rows.add(conn, "minute", minutes)
    for now in (start + 29 * HOUR, start + 35 * HOUR, start + 35 * HOUR):
        pass_all(conn, now)
        for grain in rows.KEPT:
            found = rows.span(conn, grain, start - 31 * DAY, start + 31 * DAY, JAKARTA)
            assert total(row.figures for row in found) == total(row.figures for row in minutes), (grain, now)
    assert count(conn, "hour") == 2 * 30
    assert count(conn, "day") == 2 * 2
    months = rows.span(conn, "month", 0, start + 31 * DAY, JAKARTA)
    assert [(row.start, row.uplink) for row in months] == [
        (wall(text), uplink) for text in ("2026-10-01T00:00:00", "2026-11-01T00:00:00") for uplink in ("pde", "telkom")
    ]


def test_a_minute_that_comes_late_is_added(conn: sqlite3.Connection) -> None:
    """What was held while the clock was wrong would be missing in the month."""
    first, late = figures(1), figures(2)
    rows.add(conn, "minute", [rows.Row(NOON, "pde", first)])
    pass_all(conn, NOON + HOUR)
    rows.add(conn, "minute", [rows.Row(NOON, "pde", late)])
    assert total(row.figures for row in rows.span(conn, "hour", NOON, NOON + 1, JAKARTA)) == total([first, late])
    pass_all(conn, NOON + HOUR)
    pass_all(conn, NOON + 40 * DAY)
    for grain in rows.KEPT:
        found = rows.span(conn, grain, NOON - 31 * DAY, NOON + DAY, JAKARTA)
        assert [row.figures for row in found] == [total([first, late])], grain
    assert count(conn, "hour") == 1


def test_a_clock_that_jumps_ahead_does_not_empty_the_tables(conn: sqlite3.Connection) -> None:
    """One wrong answer of a time server would erase three years."""
    rows.add(conn, "hour", [rows.Row(NOON + HOUR * n, "pde", figures(n)) for n in range(2_000)])
    far = NOON + 14 * 365 * DAY
    rows.add(conn, "hour", [rows.Row(far + HOUR * n, "pde", figures(n)) for n in range(200)])
    assert not rows.trim(conn, "hour", 1, now=far + 200 * HOUR)
    assert count(conn, "hour") == 2_160
    assert len(rows.span(conn, "hour", NOON, NOON + 2_000 * HOUR, JAKARTA)) == 1_960
    rows.add(conn, "hour", [rows.Row(NOON + HOUR * n, "pde", figures(n)) for n in range(2_000, 2_100)])
    assert not rows.trim(conn, "hour", 1, now=NOON + 2_100 * HOUR)
    assert len(rows.span(conn, "hour", NOON, NOON + 2_100 * HOUR, JAKARTA)) == 2_060, "the future goes first"


def test_a_damaged_row_stops_nothing(conn: sqlite3.Connection) -> None:
    """One bad byte on the flash would stop every report."""
    rows.add(conn, "minute", [rows.Row(NOON, "pde", figures())])
    conn.execute("UPDATE rollup SET latency = x'FF80'")
    pass_all(conn, NOON + 40 * DAY)
    (month,) = rows.span(conn, "month", NOON - 31 * DAY, NOON, JAKARTA)
    assert month.figures.probes == 240


def test_a_year_stays_within_its_bounds(tmp_path: Path) -> None:
    """The flash of a box would fill, or a late commit would make a villager's request wait."""
    memory = tables()
    conn = sqlite3.connect(tmp_path / "box.db", isolation_level=None)
    rowsum.register(conn)
    memory.backup(conn)
    conn.execute("PRAGMA synchronous = OFF")
    uplinks = ("pde", "telkom")
    end = NOON + 400 * DAY
    conn.execute("BEGIN")
    hours = [rows.Row(NOON + HOUR * n, uplink, figures(n % 97, HOUR)) for n in range(398 * 24) for uplink in uplinks]
    rows.add(conn, "hour", hours)
    two_days = [rows.Row(end - 60 * n, uplink, figures(n % 97)) for n in range(1, 3 * 1_440) for uplink in uplinks]
    rows.add(conn, "minute", two_days)
    conn.execute("COMMIT")
    slowest = 0.0
    for grain in rows.COARSER:
        more = True
        while more:
            began = time.process_time()
            more = rows.pass_on(conn, grain, now=end, zone=JAKARTA)
            slowest = max(slowest, time.process_time() - began)
    for grain in rows.KEPT:
        while rows.trim(conn, grain, len(uplinks), now=end):
            pass
        assert count(conn, grain) <= rows.KEPT[grain] * len(uplinks)
    kept = rows.span(conn, "month", NOON - 31 * DAY, end, JAKARTA)
    assert sum(row.figures.measured_ms for row in kept) == sum(
        row.figures.measured_ms for row in (*hours, *two_days)
    ), "whatever fine rows went, the months hold every second"
    assert slowest < 5.0, "seconds of the processor a transaction"
    conn.execute("VACUUM")
    assert conn.execute("PRAGMA page_count").fetchone()[0] * 4_096 < 4_000_000


def test_outages_are_bounded(conn: sqlite3.Connection) -> None:
    """A line that flaps for months would fill the flash."""
    for number in range(rows.OUTAGES_KEPT + 700):
        rows.keep_outage(conn, rows.OutageRow(None, "pde", "down", "lossy", number, number, number + 1, "recovered"))
    rows.keep_outage(conn, rows.OutageRow(None, "pde", "degraded", "slow", 0, 0, 1, "recovered"))
    assert rows.trim_outages(conn, "down")
    assert not rows.trim_outages(conn, "down")
    left = [row.began for row in rows.outages(conn, 0, 10**6)]
    assert len(left) == rows.OUTAGES_KEPT + 1
    assert min(left[1:]) == 700


def test_outages_are_those_that_touch_the_time_asked_for(conn: sqlite3.Connection) -> None:
    """An outage over midnight of the first would be missing in both months."""
    for began, ended in ((0, 10), (5, 25), (30, 40), (35, None), (50, 60)):
        rows.keep_outage(conn, rows.OutageRow(None, "pde", "down", "lossy", began, ended or 45, ended, ""))
    assert [row.began for row in rows.outages(conn, 20, 50)] == [5, 30, 35]


def test_the_last_thousand_decisions_stay(conn: sqlite3.Connection) -> None:
    """They would fill the flash, or the newest would go."""
    rows.keep_decisions(conn, [(float(number), {"because": "é"}) for number in range(1_500)])
    found = rows.decisions(conn, 5_000)
    assert [row["at"] for row in found] == [float(number) for number in range(500, 1_500)]
    assert found[0]["because"] == "é"
    assert [row["at"] for row in rows.decisions(conn, 2)] == [1_498.0, 1_499.0]


def test_a_restless_uplink_does_not_push_out_who_chose_what(conn: sqlite3.Connection) -> None:
    """In the month's report nobody would have sent the office by the other line; and choices too are bounded."""
    choice = {"event": "choice", "classes": ["service"], "uplink": "telkom", "for_s": 60.0, "by": "siti"}
    verdict = {"event": "verdict", "uplink": "pde", "verdict": "degraded"}
    rows.keep_decisions(conn, [(1.0, choice), *((2.0 + number, verdict) for number in range(5_000))])
    assert len(rows.decisions(conn, 9_000)) == 1_001
    assert rows.choices(conn, 2.0) == [{"at": 1.0} | choice]
    assert rows.choices(conn, 1.0) == []
    rows.keep_decisions(conn, [(10.0 + number, choice) for number in range(1_000)])
    assert [row["at"] for row in rows.choices(conn, 9_000.0)] == [10.0 + number for number in range(500, 1_000)]
    assert len(rows.decisions(conn, 9_000)) == 1_500
