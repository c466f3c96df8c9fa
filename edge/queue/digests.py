"""Roll-ups up: every hour's figures of every uplink go into the outbox, in the transaction that writes the hour.

So the regency's history has no gap, whatever happens to the line or to the box. An hour to which minutes come late is
told again as a whole: of several with the same uplink and hour the one with the highest `seq` holds.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from edge.monitor.history_rows import Row
from edge.monitor.rollup import COLUMNS, Figures, percentile
from edge.queue.store import outbox
from edge.queue.store.seal import Seal

KIND = "uplink_hour"
KEPT_S = 35 * 86_400.0
"""A digest that could not be handed over for so long after its hour expires: the outbox stays bounded."""
_HOUR_S = 3_600
_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class Digests:
    """Writes hours into the outbox, sealed with `seal`."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def write(self, conn: sqlite3.Connection, hours: Sequence[Row], now: float) -> None:
        """One row for each hour of an uplink, as it stands now. For `edge.monitor.history.History.attach`."""
        for hour in hours:
            expires_at = hour.start + _HOUR_S + KEPT_S
            if expires_at > now:
                outbox.put(conn, self._seal, None, KIND, content(hour), now=now, expires_at=expires_at)


def content(hour: Row) -> str:
    """The figures of an hour as JSON: sums as the history has them, round trips as percentiles and counted buckets."""
    figures = hour.figures
    told: dict[str, Any] = {name: getattr(figures, name) for name in COLUMNS if name != "latency"}
    told |= {
        "uplink": hour.uplink,
        "hour": datetime.fromtimestamp(hour.start, UTC).isoformat(timespec="seconds"),
        "rtt_ms": {name: _rounded(figures, share) for name, share in _SHARES.items()},
        "rtt_buckets": {str(place): count for place, count in sorted(figures.latency.items())},
    }
    return json.dumps(told, separators=(",", ":"))


def _rounded(figures: Figures, share: float) -> float | None:
    found = percentile(figures.latency, share)
    return None if found is None else round(found, 1)
