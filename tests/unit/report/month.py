"""A made-up October of two uplinks in a store on disk, written as the daemon writes it."""

from __future__ import annotations

import functools
import math
import random
import sqlite3
import tempfile
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from edge import config
from edge.config_check import load
from edge.monitor import history_rows as rows
from edge.monitor.rollup import Figures, bucket
from edge.queue.store import files, rowsum
from edge.queue.store.migrate import migrate
from edge.report.figures import Month, Report, gather

ZONE = ZoneInfo("Asia/Jakarta")
OCTOBER = Month(2026, 10)
HOUR = 3_600
EXAMPLE = Path(__file__).parents[3] / "config" / "kampung-edge.toml"


def wall(text: str) -> float:
    """Unix time of a moment in the village."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()


START, END = wall("2026-10-01T00:00:00"), wall("2026-11-01T00:00:00")
NOW = wall("2026-11-03T08:00:00")
OFF = (wall("2026-10-12T20:00:00"), wall("2026-10-13T05:00:00"))


def _trouble(uplink: str, level: str, cause: str, began: float, ended: float, by: str = "recovered") -> rows.OutageRow:
    return rows.OutageRow(None, uplink, level, cause, began, ended, ended, by)


OUTAGES = (
    _trouble("telkom", "down", "gateway", wall("2026-10-03T07:42:10"), wall("2026-10-03T10:05:40")),
    _trouble("telkom", "down", "beyond-gateway", START - 1_800, START + 1_800),
    _trouble("telkom", "down", "carrier", OFF[0] - 600, OFF[0], "box-off"),
    _trouble("telkom", "degraded", "slow", wall("2026-10-20T08:00:00"), wall("2026-10-20T15:30:00")),
    _trouble("telkom", "degraded", "lossy", wall("2026-10-21T09:00:00"), wall("2026-10-21T09:20:00")),
    _trouble("pde", "degraded", "delayed", wall("2026-10-05T10:00:00"), wall("2026-10-05T11:00:00")),
    *(
        _trouble("telkom", "down", "no-reply", START + day * 86_400 + 31_000, START + day * 86_400 + 31_040)
        for day in range(14, 30, 2)
    ),
)

BY_HAND = ({"classes": ["service", "control"], "uplink": "pde", "for_s": 7_200.0, "by": "siti"},)


def settings(state_dir: Path) -> config.Config:
    """The example's village, with its store in `state_dir`."""
    file = state_dir / "box.toml"
    text = EXAMPLE.read_text().replace('state_dir = "/var/lib/kampung-edge"', f'state_dir = "{state_dir}"')
    file.write_text(text)
    return load(file)


def in_service(moment: float) -> bool:
    there = datetime.fromtimestamp(moment, ZONE)
    return there.weekday() < 5 and 7.5 <= there.hour + there.minute / 60 < 15


def lost(uplink: str, level: str, since: float, until: float) -> float:
    """Seconds of `level` between two moments."""
    mine = [row for row in OUTAGES if row.uplink == uplink and row.level == level and row.ended]
    return sum(max(0.0, min(until, row.ended or 0) - max(since, row.began)) for row in mine)


def hour(uplink: str, start: float) -> Figures:
    chance = random.Random(f"{uplink} {start}")
    down, degraded = (round(lost(uplink, level, start, start + HOUR) * 1_000) for level in ("down", "degraded"))
    busy = 1 + math.sin((datetime.fromtimestamp(start, ZONE).hour - 6) / 24 * 2 * math.pi)
    figures = Figures(up_ms=HOUR * 1_000 - down - degraded, degraded_ms=degraded, down_ms=down, probes=14_400)
    figures.lost = int(14_400 * (0.004 + chance.random() * 0.01 + down / HOUR / 1_000))
    for _ in range(200):
        place = bucket((18 + 30 * busy) * chance.lognormvariate(0, 0.35))
        figures.latency[place] = figures.latency.get(place, 0) + 72
    figures.jitter_count, figures.jitter_us = 14_000, int(14_000 * 3_500 * busy)
    figures.metered_ms = HOUR * 1_000
    figures.received_bytes = int(chance.uniform(0.2, 1) * busy * 10**9)
    figures.sent_bytes = figures.received_bytes // 9
    figures.peak_received_kbit = int(chance.uniform(4_000, 17_500))
    figures.peak_sent_kbit = figures.peak_received_kbit // 5
    return figures.in_service() if in_service(start) else figures


def build(state_dir: Path) -> Path:
    """The store at its place below `state_dir`."""
    path = state_dir / "kampung-edge.db"
    path.write_bytes(_made())
    return path


@functools.cache
def _made() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "box.db"
        files.check(path)
        migrate(path)
        conn = files.connect(path)
        conn.execute("BEGIN")
        hours = [START - 86_400 * 40 + HOUR * number for number in range(24 * 74)]
        kept = [moment for moment in hours if moment < NOW and not OFF[0] <= moment < OFF[1]]
        uplinks = ("pde", "telkom")
        rows.add(conn, "hour", [rows.Row(int(moment), name, hour(name, moment)) for moment in kept for name in uplinks])
        for row in OUTAGES:
            rows.keep_outage(conn, row)
        rows.keep_decisions(conn, [(wall("2026-10-20T08:30:00"), {"event": "choice"} | choice) for choice in BY_HAND])
        for grain in rows.COARSER:
            while rows.pass_on(conn, grain, now=NOW, zone=ZONE):
                pass
        conn.execute("COMMIT")
        conn.close()
        return path.read_bytes()


def report(state_dir: Path, month: Month = OCTOBER, *, now: float = NOW) -> Report:
    """The report of the made-up month."""
    conn = sqlite3.connect(build(state_dir))
    rowsum.register(conn)
    found = gather(conn, settings(state_dir), month, now=now)
    conn.close()
    return found
