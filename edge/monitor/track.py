"""What one source has answered, and how long to wait for it. Pure.

Probes are accounted in the order they were sent, each once it was answered or its patience ran out, so that an
unbroken run of losses is seen as the one event it is. A late answer takes its loss back.
"""

from __future__ import annotations

import math
from collections import deque

from edge.monitor.median import median
from edge.monitor.sources import Source

RECENT = 24  # round trips kept
LEAST_PATIENCE_S = 0.2  # below this the scheduling of a busy box looks like loss

PENDING, ANSWERED, LOST, VOID = range(4)


class Probe:
    """One probe: to whom, when it left, what became of it; `began` a run of losses."""

    __slots__ = ("began", "sent_at", "state", "track")

    def __init__(self, track: Track, sent_at: float) -> None:
        self.track = track
        self.sent_at = sent_at
        self.state = PENDING
        self.began = False


class Track:
    """The record of one source; tallies are of the current second until `turn` moves them into the span."""

    __slots__ = (
        "_most",
        "_past",
        "answers",
        "asked_at",
        "ends",
        "life",
        "losses",
        "missed_from",
        "misses",
        "name",
        "patience_s",
        "recent",
        "role",
        "rose_turns",
        "rttvar_ms",
        "runs",
        "score",
        "source",
        "span_answers",
        "span_losses",
        "srtt_ms",
        "streak",
        "trusted",
        "usual_loss",
        "usual_ms",
    )

    def __init__(self, source: Source, *, span_s: float) -> None:
        self.source = source
        self._most = max(1, round(span_s))
        self.name, self.role = source.name, source.role
        self.life = source.role in ("anchor", "public", "http")
        self.asked_at = -math.inf
        self.srtt_ms: float | None = None
        self.rttvar_ms = 0.0
        self.trusted = True
        self.usual_ms: float | None = None
        self.usual_loss = 0.1
        self.patience_s = LEAST_PATIENCE_S
        self.forget()

    def forget(self) -> None:
        """The link changed: no probe of before says anything; who is trusted stays."""
        self.answers = self.losses = self.runs = self.ends = 0
        self.span_answers = self.span_losses = 0
        self.misses = self.streak = 0
        self.missed_from = -math.inf  # when the first probe of its misses in a row was sent
        self.score = 0.0
        self.rose_turns = 0
        self._past: deque[tuple[int, int]] = deque()
        self.recent: deque[tuple[float, float]] = deque(maxlen=RECENT)

    def took(self, sent_at: float, rtt_ms: float, most_s: float) -> None:
        """Note a round trip and what to expect of the next (RFC 6298 section 2), waiting at most `most_s`."""
        srtt = self.srtt_ms
        if srtt is None:
            srtt, self.rttvar_ms = rtt_ms, rtt_ms / 2
        else:
            self.rttvar_ms += (abs(srtt - rtt_ms) - self.rttvar_ms) / 4
            srtt += (rtt_ms - srtt) / 8
        self.srtt_ms = srtt
        patience = (srtt + 4 * self.rttvar_ms) / 1_000
        self.patience_s = most_s if patience > most_s else max(patience, LEAST_PATIENCE_S)
        self.recent.append((sent_at, rtt_ms))

    def turn(self) -> None:
        """A second ended: move its tallies into the span."""
        past = self._past
        past.append((self.answers, self.losses))
        self.span_answers += self.answers
        self.span_losses += self.losses
        if len(past) > self._most:
            answers, losses = past.popleft()
            self.span_answers -= answers
            self.span_losses -= losses
        self.answers = self.losses = self.runs = self.ends = 0

    def lately(self, turns: int) -> tuple[int, int]:
        """Answers and losses of the last `turns` whole seconds."""
        answers = losses = 0
        for place in range(-1, -1 - min(turns, len(self._past)), -1):
            answered, lost = self._past[place]
            answers += answered
            losses += lost
        return answers, losses

    def rtt_ms(self, since: float) -> float | None:
        """The median round trip of answers that came after `since`, None without any."""
        trips = [rtt for sent_at, rtt in self.recent if sent_at + rtt / 1_000 >= since]
        return median(trips) if trips else None
