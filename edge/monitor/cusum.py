"""Brownout by loss: a cumulative sum of evidence, and whose fault a loss is. Pure.

Page's CUSUM (Biometrika 41, 1954) of each second's log-likelihood ratio of "lossy" against "healthy", a sum for each
source, none of which may count for more than its share: a single source, however bad, is no evidence against the
uplink. A run of losses counts once (see `edge.monitor.ledger`). Sources that lose while the others answer are told
apart by a likelihood ratio of their own.

A second sum takes the time lost in interruptions that several sources shared: a line that comes and goes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from edge.monitor.track import Track

HEALTHY_SHARE = 2 / 15  # healthy loss, as a share of the loss that degrades: 2 % against 15 %
MOST_A_SOURCE = 6.0  # the most that one source may count, in nats
MOST_A_SECOND = 4.0  # and all of them in one second
ENOUGH = 13.0  # the sum at which the uplink is lossy
ENOUGH_OF_FEW = {2: 11.0, 1: 10.0}  # where so few sources may be asked at any pace
BLACKOUT_S = 5.0  # time lost in shared interruptions, beyond what is tolerated, at which it is lossy
FADE = 0.04  # nats a second by which evidence fades at least, also of a source that is asked seldom
RISEN = 3.0  # nats above which a source is among the accused
FAULT = -3.5  # log-likelihood of "the uplink" against "these sources": below it, they are at fault
_DNS_DEFENDS = -2.0  # a resolver may be the provider's own, this side of the fault: its answers weigh little


class LossEvidence:
    """The evidence that an uplink loses `degraded` (a share from 0 to 1) of its packets or more."""

    def __init__(self, degraded: float) -> None:
        degraded = min(max(degraded, 0.01), 0.9)
        healthy = degraded * HEALTHY_SHARE
        self._healthy, self._degraded = healthy, degraded
        self._lost = math.log(degraded / healthy)
        self._answered = math.log((1 - degraded) / (1 - healthy))
        self.sum = 0.0
        self.blackout_s = 0.0

    def clear(self, tracks: Iterable[Track]) -> None:
        """Begin anew."""
        self.sum = self.blackout_s = 0.0
        for track in tracks:
            track.score = 0.0
            track.rose_turns = 0

    def weigh(self, tracks: Iterable[Track], blackout_s: float, *, weight: float) -> None:
        """Take one second's tallies; losses count by `weight` (1 in full, 0 while own load explains them)."""
        gains, rising = 0.0, []
        total = 0.0
        for track in tracks:
            if not track.trusted:
                continue
            if track.runs or track.score:
                gain = track.runs * self._lost + (track.answers - track.ends) * self._answered
                if gain > 0:
                    gains += min(gain, self._lost)
                    rising.append((track, min(gain, self._lost)))
                else:
                    track.score = max(0.0, track.score + min(gain, -FADE))
                    track.rose_turns = track.rose_turns + 1 if track.score else 0
                    total += track.score
        scale = weight * min(1.0, MOST_A_SECOND / gains) if gains else 0.0
        for track, gain in rising:
            track.score = min(MOST_A_SOURCE, track.score + gain * scale)
            track.rose_turns += 1
            total += track.score
        self.sum = total
        self.blackout_s = max(0.0, self.blackout_s + blackout_s * weight - self._degraded)

    def refund(self, track: Track) -> None:
        """Take back what `track` counted: the fault is its own."""
        self.sum -= track.score
        track.score = 0.0

    def lossy(self, *, pacing: int) -> bool:
        """Is it enough? `pacing` sources may be asked at any pace."""
        return self.sum >= ENOUGH_OF_FEW.get(pacing, ENOUGH) or self.blackout_s >= BLACKOUT_S

    def at_fault(self, tracks: tuple[Track, ...], enough: float = FAULT) -> list[Track]:
        """The sources that lose alone: full of evidence, while what the others answer speaks against the uplink."""
        accused = [track for track in tracks if track.trusted and track.score >= RISEN]
        full = [track for track in accused if track.score >= MOST_A_SOURCE]
        if not full:
            return []
        turns = max(track.rose_turns for track in accused)
        answers, losses = _lately(accused, turns)
        share = min(0.95, max(2 * self._degraded / 3, losses / max(1, answers + losses)))
        likely = 0.0
        for track in tracks:
            if track.trusted and track.role != "gateway" and track not in accused:
                answers, losses = track.lately(turns)
                here = losses * math.log(share / self._healthy)
                here += answers * math.log((1 - share) / (1 - self._healthy))
                likely += max(here, _DNS_DEFENDS) if track.role == "dns" else here
        return full if likely <= enough else []


def _lately(tracks: list[Track], turns: int) -> tuple[int, int]:
    tallies = [track.lately(turns) for track in tracks]
    return sum(answers for answers, _ in tallies), sum(losses for _, losses in tallies)
