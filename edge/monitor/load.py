"""What the bytes on an uplink say: that it lives, that our own load explains its state, or that it has become slow.

Pure. Idle pings cannot see a rate collapse, so carried bytes are held against the contract while a queue shows that
more is wanted.
"""

from __future__ import annotations

from collections import deque

from edge.config import Monitor
from edge.monitor.facts import LinkFacts

LIFE_BYTES = 8_000.0  # a second: more than keep-alives and neighbours' chatter
LIFE_SHARE = 0.01  # of the contract
FULL = 0.7  # of the contract: from here on our own traffic explains loss and delay
QUEUE_KBIT = 524.0  # 64 kB: the queue that must stand before the link for it to count as congested
DROPPED = 0.6  # loss under which nothing could flow: while bytes do, it is a queue that is full
CONGESTED_WEIGHT = 0.2  # a queue stands though we carry less than a full link: time for the shaper to follow it down
FLOWING = 0.05  # of the contract
SLOW_DOUBT_S = 300.0  # so long a slow uplink stays in doubt while nobody tries it
_SPANS = 3


class Load:
    """The load of an uplink; `contract_mbit` is what it was bought to carry, down and up."""

    def __init__(self, contract_mbit: tuple[float, float], settings: Monitor) -> None:
        self._down, self._up = contract_mbit
        self._slow = settings.slow_percent / 100
        self._slow_s = settings.slow_s
        self._life = max(LIFE_BYTES, LIFE_SHARE * self._down * 125_000)
        self.restart()

    def restart(self) -> None:
        """Forget what was carried: the link itself changed."""
        self._spans: deque[tuple[float, float, float]] = deque(maxlen=_SPANS)
        self._slow_for = 0.0
        self._slow_at: float | None = None
        self._poor_fetches = 0
        self._poor_mbit = 0.0
        self.full = self.congested = self.busy = self.slowing = False
        self.received_mbit = 0.0
        self.poor_fetch_mbit: float | None = None

    @property
    def contract_mbit(self) -> float:
        """What comes down by contract."""
        return self._down

    @property
    def weight(self) -> float:
        """How much loss and delay count: in full, not while our own load fills the link or a slow one is timed."""
        if self.full or self.slowing:
            return 0.0
        return CONGESTED_WEIGHT if self.congested else 1.0

    @property
    def slow(self) -> bool:
        """Has it carried too little for too long although more was wanted?"""
        return self._slow_at is not None

    def carried(self, facts: LinkFacts, rise_ms: float | None, loss: float, *, now: float) -> None:
        """Take a span's bytes; `rise_ms` is how far round trips are above the usual, `loss` the share lost of late."""
        if facts.seconds <= 0:
            return
        down = max(0, facts.received_bytes) * 8e-6 / facts.seconds
        up = max(0, facts.sent_bytes) * 8e-6 / facts.seconds
        self._spans.append((now - facts.seconds, down, up))
        self.received_mbit = down
        self.full = any(down >= FULL * self._down or up >= FULL * self._up for _, down, up in self._spans)
        self.busy = self.full or down >= self._slow * self._down or up >= self._slow * self._up
        queued = rise_ms is not None and rise_ms * down >= QUEUE_KBIT
        dropped = loss >= DROPPED and down >= FLOWING * self._down
        self.congested = (queued or dropped) and down * 125_000 > self._life
        self.slowing = self.congested and down < self._slow * self._down
        self._judge_rate(down, facts.seconds, now)

    def fetched(self, mbit: float, *, now: float) -> None:
        """Take a timed fetch: two poor ones in a row are slow, a good one is not."""
        if mbit >= self._slow * self._down:
            self._poor_fetches, self._slow_at, self._slow_for = 0, None, 0.0
            self.poor_fetch_mbit = None
            return
        self._poor_fetches += 1
        if self._poor_fetches >= 2:
            self._slow_at = now
            self.poor_fetch_mbit = max(mbit, self._poor_mbit)
        self._poor_mbit = mbit

    @property
    def carrying(self) -> bool:
        """Did it carry more than chatter in its latest span?"""
        return self.received_mbit * 125_000 > self._life

    def lives(self, since: float) -> bool:
        """Did it carry more than chatter in its latest span, begun after `since`?"""
        if not self._spans:
            return False
        began, down, _ = self._spans[-1]
        return began >= since and down * 125_000 > self._life

    def _judge_rate(self, down: float, seconds: float, now: float) -> None:
        if self.slowing:
            self._slow_for = min(self._slow_for + seconds, self._slow_s)
            if self._slow_for >= self._slow_s:
                self._slow_at = now
            return
        if self._slow_at is None:
            self._slow_for = max(0.0, self._slow_for - 2 * seconds)
        elif down >= self._slow * self._down or now - self._slow_at >= SLOW_DOUBT_S:
            self._slow_at, self._slow_for = None, 0.0
