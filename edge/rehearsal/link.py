"""A link as its conditions describe it: loses, delays and queues, by a random generator of its own.

Loss without `burst_s` strikes each probe alone. With it, everything is lost in episodes: their lengths are uniform
from 0.6 to 1.4 times `burst_s`, and so are the pauses around the mean that gives `loss` as the share of time. The
queue is the provider's: a fluid of `offered_mbit` into `rate_mbit`, with room for `BUFFER_KBIT`; what does not fit is
lost. It delays and drops what passes it, so not what the gateway answers.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from edge.monitor.sources import Source
from edge.rehearsal.conditions import Condition
from edge.rehearsal.scene import ANYONE, Line

SPREAD = (0.6, 1.4)  # of a mean length
BUFFER_KBIT = 2_048.0  # 256 kB
ACKNOWLEDGED = 0.03  # sent bytes for each received one
_NORMALS = 4_096


class Episodes:
    """All-lost episodes of mean length `burst_s` that take the share `loss` of time."""

    def __init__(self, loss: float, burst_s: float, draw: random.Random, now: float) -> None:
        self._draw = draw
        self._means = (burst_s * (1 - loss) / loss, burst_s)
        self.lost = False
        self._until = now + self._means[0] * draw.uniform(0.0, SPREAD[1])

    def at(self, now: float) -> bool:
        """Is it one at `now`? Ask in the order of time."""
        while now >= self._until:
            self.lost = not self.lost
            self._until += max(self._means[self.lost] * self._draw.uniform(*SPREAD), 1e-3)
        return self.lost


class _Way:
    """What a probe to one target meets now."""

    __slots__ = ("condition", "episodes", "jitter_ms", "loss", "queued", "rtt_ms")

    def __init__(self, condition: Condition, episodes: Episodes | None, *, queued: bool) -> None:
        self.condition = condition
        self.episodes = episodes
        self.loss = condition.loss if episodes is None else 0.0
        self.rtt_ms, self.jitter_ms = condition.rtt_ms, condition.jitter_ms
        self.queued = queued


class Link:
    """The link `line` under `conditions` (its own, by start); every call's `now` is at or after the last one's."""

    def __init__(self, line: Line, conditions: Sequence[Condition], seed: str) -> None:
        self._draw = random.Random(seed)  # noqa: S311 - a rehearsal must be repeatable, nothing is secret
        self._random = self._draw.random
        self._normals = [abs(self._draw.gauss(0, 1)) for _ in range(_NORMALS)]
        self._rows = sorted(conditions, key=lambda row: (row.start_s, row.target != ANYONE))
        self._next = 0
        self._contract = line.contract_mbit[0]
        keys = dict.fromkeys(_key(source) for source in line.sources)
        self._keys = tuple(dict.fromkeys((ANYONE, *keys)))
        self._key_of = {source.name: _key(source) for source in line.sources}
        self._ways: dict[str, _Way] = {}
        self._queue_kbit = 0.0
        self._received = 0.0
        self._flowed_at = 0.0
        self._apply(Condition(0.0, line.name, ANYONE))
        self.changes_at = self._rows[0].start_s if self._rows else math.inf

    def probe(self, source: Source, now: float) -> float | None:
        """The round trip in ms of a probe to `source` that leaves now, None when it is lost."""
        if now >= self.changes_at:
            self._advance(now)
        way = self._ways[self._key_of[source.name]]
        if way.loss and (way.loss >= 1.0 or self._random() < way.loss):
            return None
        if way.episodes is not None and way.episodes.at(now):
            return None
        rtt = way.rtt_ms + way.jitter_ms * self._normals[int(self._random() * _NORMALS)]
        if self._offered and way.queued:
            return self._through_queue(rtt, now)
        return rtt

    def received(self, now: float) -> int:
        """Bytes received since the last call."""
        if now >= self.changes_at:
            self._advance(now)
        self._flow(now)
        received, self._received = self._received, 0.0
        return int(received)

    def spare_mbit(self, now: float) -> float:
        """What a fetch would get now."""
        if now >= self.changes_at:
            self._advance(now)
        way = self._ways[ANYONE]
        lost = 1.0 if way.episodes is not None and way.episodes.at(now) else way.loss
        return max(self._rate - self._offered, self._rate / 10) * (1 - lost)

    def _through_queue(self, rtt: float, now: float) -> float | None:
        self._flow(now)
        if self._rate <= 0:
            return None
        full = self._queue_kbit >= BUFFER_KBIT - 1 and self._offered > self._rate
        if full and self._random() < 1 - self._rate / self._offered:
            return None
        return rtt + self._queue_kbit / self._rate

    def _advance(self, now: float) -> None:
        while self._next < len(self._rows) and self._rows[self._next].start_s <= now:
            row = self._rows[self._next]
            self._next += 1
            self._flow(max(row.start_s, self._flowed_at))
            self._apply(row)
        self.changes_at = self._rows[self._next].start_s if self._next < len(self._rows) else math.inf

    def _apply(self, row: Condition) -> None:
        episodes = self._episodes(row)
        for key in self._keys if row.target == ANYONE else (row.target,):
            self._ways[key] = _Way(row, episodes, queued=key != "gateway")
        if row.target == ANYONE:
            self._rate = self._contract if row.rate_mbit is None else row.rate_mbit
            self._offered = row.offered_mbit

    def _episodes(self, row: Condition) -> Episodes | None:
        """The episodes of `row`; those that go on already where it changes only other things."""
        if not (row.burst_s > 0 and 0 < row.loss < 1):
            return None
        way = self._ways.get(row.target)
        if way is not None and (way.condition.loss, way.condition.burst_s) == (row.loss, row.burst_s):
            return way.episodes
        return Episodes(row.loss, row.burst_s, self._draw, row.start_s)

    def _flow(self, now: float) -> None:
        seconds, self._flowed_at = now - self._flowed_at, now
        if seconds <= 0 or not (self._offered or self._queue_kbit):
            return
        in_kbit = self._offered * 1_000 * seconds
        out_kbit = min(self._rate * 1_000 * seconds, self._queue_kbit + in_kbit)
        self._queue_kbit = min(BUFFER_KBIT, self._queue_kbit + in_kbit - out_kbit)
        way = self._ways[ANYONE]
        lost = way.loss if way.episodes is None else float(way.episodes.at(now))
        self._received += out_kbit * 125 * (1 - lost)


def _key(source: Source) -> str:
    return source.role if source.role in ("gateway", "dns", "http") else source.name
