"""Whom to probe when. Pure.

Calm: one probe every `interval_ms`, in a fixed round that gives the gateway and the resolvers their share, the public
targets their rare turn, and the regency's anchors the rest. On suspicion: one every `burst_interval_ms` to whoever
may be asked at any pace, and one after the other to each of the reserve that was not asked for its spacing.
"""

from __future__ import annotations

import math

from edge.config import Monitor
from edge.monitor.sources import host
from edge.monitor.track import Track

BURST_S = 1.0
ROUND_S = 10.0
SET_ASIDE_EVERY_S = 5.0
RESERVE_EVERY_S = 0.5  # in a burst: asked all at once they would all see the same moment, and none for long after
MANY_PUBLIC = 4  # public targets without anchors: with so many, half of them are kept in reserve
_GATEWAY_TURNS, _DNS_TURNS = 10, 5  # in a round, where anchors carry the pace


class Pace:
    """The schedule of one uplink's probes over `tracks`."""

    def __init__(self, tracks: tuple[Track, ...], settings: Monitor, *, now: float) -> None:
        self._tracks = tracks
        self._settings = settings
        self._interval_s = settings.interval_ms / 1_000
        self._burst_interval_s = min(settings.burst_interval_ms / 1_000, self._interval_s)
        self._check = next((track for track in tracks if track.role == "http"), None)
        self._turn = self._burst_turn = 0
        self._same_host = _same_host(tracks)
        self._many_public = sum(track.role == "public" for track in tracks) >= MANY_PUBLIC
        self.rearrange()
        self.restart(now=now)

    def restart(self, *, now: float) -> None:
        """Begin at once."""
        self._due = now
        self._check_at = now
        self._burst_until = self._reserve_at = -math.inf
        self._owed: list[Track] = []  # whose turn came before its spacing was over

    def rearrange(self) -> None:
        """Build the rounds anew: who is trusted has changed."""
        tracks = [track for track in self._tracks if track.role != "http"]
        free = [track for track in tracks if _free(track)]
        self._fast = tuple(free)
        self._reserve = tuple(track for track in tracks if track.source.spacing_s and track.trusted)
        length = max(round(ROUND_S / self._interval_s), 1)
        turns = {
            track.name: self._turns(track, anchored=any(other.role == "anchor" for other in free)) for track in tracks
        }
        rest = length - sum(turns.values())
        pacers = [track for track in free if track.role == "anchor"] or free
        for place, track in enumerate(pacers):
            turns[track.name] += max(1 if track.role == "anchor" else 0, (rest + place) // len(pacers))
        placed = [
            ((turn + 0.5 + 0.01 * place) / turns[track.name], place, track)
            for place, track in enumerate(tracks)
            for turn in range(turns[track.name])
        ]
        self._round: tuple[Track | None, ...] = tuple(track for _, _, track in sorted(placed, key=lambda p: p[:2]))
        self._round += (None,) * (length - len(self._round))

    def _turns(self, track: Track, *, anchored: bool) -> int:
        if track.role == "gateway":
            return _GATEWAY_TURNS if track.trusted else int(ROUND_S / SET_ASIDE_EVERY_S)
        if track.role == "dns":
            wanted = _DNS_TURNS if anchored else 2 * _DNS_TURNS
        elif track.role == "public":
            wanted = 1 if anchored or self._many_public else int(ROUND_S / track.source.spacing_s)
        else:
            wanted = 0
        if not track.trusted:
            wanted = max(wanted, int(ROUND_S / SET_ASIDE_EVERY_S))
        return max(1, min(wanted, int(ROUND_S / track.source.spacing_s))) if track.source.spacing_s else wanted

    @property
    def pacing(self) -> int:
        """How many sources may be asked at any pace."""
        return len(self._fast)

    def suspect(self, *, now: float) -> None:
        """Something was missed: probe fast for a while."""
        if now >= self._burst_until:
            self._check_at = min(self._check_at, now)
        self._burst_until = now + BURST_S
        self._due = min(self._due, now + self._burst_interval_s)

    def check_soon(self, *, now: float) -> None:
        """Ask the check page again at once."""
        self._check_at = min(self._check_at, now)

    def next(self, *, now: float) -> tuple[Track | None, float]:
        """Who is to be probed now (or nobody), and when to ask again."""
        check = self._check
        if check is not None and now >= self._check_at and now - check.asked_at >= check.source.spacing_s:
            self._check_at = now + self._settings.check_every_s
            return check, now if now >= self._due else self._due
        if now < self._due:
            return None, self._due
        if now < self._burst_until:
            return self._fast_turn(now)
        self._due = due = self._due + self._interval_s if now - self._due < self._interval_s else now + self._interval_s
        return self._calm_turn(now), due

    def _calm_turn(self, now: float) -> Track | None:
        if self._owed and self._ready(self._owed[0], now):
            return self._owed.pop(0)
        for _ in self._tracks:
            self._turn += 1
            if self._turn >= len(self._round):
                self._turn = 0
            track = self._round[self._turn]
            if track is None or self._ready(track, now):
                return track
            if track not in self._owed:
                self._owed.append(track)  # too early by less than a slot, as a rule
        return None

    def _ready(self, track: Track, now: float) -> bool:
        """Has its host not been asked for its spacing?"""
        spacing_s = track.source.spacing_s
        if not spacing_s:
            return True
        return all(now - other.asked_at >= spacing_s for other in self._same_host[track.name])

    def _fast_turn(self, now: float) -> tuple[Track | None, float]:
        self._due = due = now + self._burst_interval_s
        if now >= self._reserve_at:
            for track in self._reserve:
                if self._ready(track, now):
                    self._reserve_at = now + RESERVE_EVERY_S
                    return track, due
        if not self._fast:
            return None, due
        self._burst_turn += 1
        return self._fast[self._burst_turn % len(self._fast)], due


def _same_host(tracks: tuple[Track, ...]) -> dict[str, tuple[Track, ...]]:
    """For every source with a spacing, all that ask its host: a resolver may be a target, too."""
    hosts: dict[str, list[Track]] = {}
    for track in tracks:
        hosts.setdefault(host(track.source), []).append(track)
    return {track.name: tuple(hosts[host(track.source)]) for track in tracks if track.source.spacing_s}


def _free(track: Track) -> bool:
    """May it be asked at any pace?"""
    return track.trusted and not track.source.spacing_s and track.role != "http"
