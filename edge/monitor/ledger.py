"""The probes of one uplink in the order they left: answered, lost, and how long it has been silent. Pure.

Silence is measured by when probes were *sent*: from the first one lost after the last one that proved life to the
last one whose patience ran out. So an answer that dawdles is no silence, and a short interruption never looks longer
than it was. A resolver's or the gateway's answer does not end a silence beyond the gateway.

Losses that follow each other without an answer between them are one event: packets are lost in company.
"""

from __future__ import annotations

import math
from collections import deque

from edge.monitor.track import ANSWERED, LOST, PENDING, VOID, Probe, Track

KEPT_S = 15.0  # an answer later than this corrects nothing
MOST_PROBES = 4_096
LEAST_TRIED = 3  # sources, while there are so many, without which silence proves nothing
LEAST_MOMENTS = 4  # at which probes beyond the gateway were lost: those of one short break are one moment
MOMENT_S = 0.5
FEW_MOMENTS, MUTE_GATEWAY = 2, 10  # or these, where the gateway itself missed so many in a row
DARK_S = 1.0  # losses further apart say nothing of the time between them
ALONE_MISSES = 2  # in a row, before another's answer: a source fell silent, and not the uplink with it
LEAST_MISSES = 3  # in a row, of a source that may be asked at any pace: it was asked often enough
MANY_LOST = 8  # probes of life lost in a silence that a resolver's answer does not interrupt
PATIENCE_S = 0.2  # the usual patience: a silence of the outage time is told so long after its last probe
_USUAL = 15 / 16  # a resolver's usual loss is that of its last sixteen queries or so

_RANK = {"gateway": 0, "dns": 1}  # an answer ends a run of losses among its own rank and nearer


class Ledger:
    """The account of one uplink's probes to `tracks`; memory is bounded by `KEPT_S` and `MOST_PROBES`."""

    def __init__(self, tracks: tuple[Track, ...], *, timeout_s: float, now: float) -> None:
        self._tracks = tracks
        self._timeout_s = timeout_s
        beyond = any(track.life for track in tracks)
        self._only_gateway = not beyond
        self._ranks = {track.name: _RANK.get(track.role, 2) for track in tracks}
        self._life = {track.name: track.life or (not beyond and track.role == "gateway") for track in tracks}
        self.restart(now=now)

    def restart(self, *, now: float) -> None:
        """Forget every probe: the link itself changed."""
        self._open: dict[int, Probe] = {}
        self._queue: deque[Probe] = deque()
        for track in self._tracks:
            track.forget()
        self.alive_sent: float | None = None  # when the latest probe that proved life was sent
        self.alive_since: float | None = None  # since when probes prove life, without a silence told
        self.silent_from: float | None = None  # when the first probe lost since then was sent
        self._silent_to = now
        self._silent_then: frozenset[str] = frozenset()  # the sources that were silent when life began
        self._alone: dict[str, float] = {}  # the sources that were silent when another answered, and when it was asked
        self._moments = self._lost_life = 0
        self._moment_at = -math.inf
        self._mute_from: float | None = None  # as silent_from, but a resolver's answer ends it, too
        self._run_from: float | None = None
        self._run_rank = 0
        self._dark: Probe | None = None  # the latest loss beyond the gateway since the latest answer from there
        self._dark_shared = False
        self.blackout_s = 0.0  # time lost in breaks that more than one source shared, since it was last taken
        self.gateway_answers: bool | None = None

    def sent(self, serial: int, track: Track, *, now: float) -> None:
        """Note that probe `serial` left."""
        track.asked_at = now
        probe = Probe(track, now)
        self._open[serial] = probe
        self._queue.append(probe)

    def answered(self, serial: int, rtt_ms: float, *, now: float) -> Track | None:
        """Note an answer; None when the probe is unknown, too old or answered already."""
        probe = self._open.pop(serial, None)
        if probe is None:
            return None
        if not rtt_ms >= 0:  # negative or not a number: what a jumping clock makes of a time stamp
            rtt_ms = max(0.0, now - probe.sent_at) * 1_000
        track = probe.track
        counted = self.alive_since is not None and probe.sent_at >= self.alive_since
        if self._life[track.name]:
            self._lives(probe.sent_at)
        track.took(probe.sent_at, rtt_ms, self._timeout_s)
        if probe.state == PENDING:
            probe.state = ANSWERED
        elif counted:
            self._correct(probe)
        if track.role == "gateway":
            self.gateway_answers = True
        elif track.role == "dns":
            if self._mute_from is not None and probe.sent_at >= self._mute_from:
                self._mute_from = None
            track.usual_loss = 1 - (1 - track.usual_loss) * _USUAL**track.misses
            track.usual_loss *= _USUAL
        track.misses = 0
        return track

    def refused(self, track: Track, *, now: float) -> None:
        """Note that a resolver answered with an error: it failed, though no packet was lost."""
        self._count_miss(track, now)

    def fell_silent(self) -> None:
        """The uplink was told down: what answers from now on is a return."""
        self.alive_since = None

    def failed(self, serial: int, *, lost: bool) -> Track | None:
        """Note a probe that failed: `lost` when it is as good as unanswered, else it says nothing of the link.

        Whoever answers in another's name may be slower than the patience: also a late answer of that kind is heard.
        """
        probe = self._open.get(serial)
        if probe is None or (lost and probe.state != PENDING):
            return None
        del self._open[serial]
        track = probe.track
        if lost:
            probe.state = LOST
            self._missed(probe)
            return track
        if probe.state == PENDING:
            probe.state = VOID
        elif self.alive_since is not None and probe.sent_at >= self.alive_since:
            self._take_back(probe)
        if track.role != "dns":
            track.misses = 0
        return track

    def settle(self, *, now: float) -> Track | None:
        """Account every probe that is decided by now; returns a trusted source that missed one, if any did."""
        queue = self._queue
        missed = None
        while queue:
            probe = queue[0]
            state = probe.state
            if state == PENDING:
                if now - probe.sent_at < probe.track.patience_s:
                    break
                probe.state = state = LOST
                self._missed(probe)
            queue.popleft()
            if state == ANSWERED:
                probe.track.answers += 1
                if self._run_from is not None and probe.track.trusted and self._end_run(probe):
                    probe.track.ends += 1
            elif state == LOST and (self.alive_since is None or probe.sent_at >= self.alive_since):
                probe.track.losses += 1
                if probe.track.trusted:
                    self._run(probe)
                    missed = probe.track
        return missed

    def turn(self, *, now: float) -> None:
        """A second ended: forget what is too old to be corrected."""
        opened = self._open
        while opened:
            serial = next(iter(opened))
            if opened[serial].sent_at >= now - KEPT_S and len(opened) <= MOST_PROBES:
                break
            del opened[serial]

    def due(self) -> float:
        """When the next probe's patience runs out."""
        if not self._queue:
            return math.inf
        probe = self._queue[0]
        return probe.sent_at + probe.track.patience_s if probe.state == PENDING else probe.sent_at

    def silence_s(self) -> float:
        """Seconds of silence that probes have proved, by when they were sent.

        A resolver's answer interrupts it, unless so many probes of life were lost that it proves only itself.
        """
        if self.silent_from is None:
            return 0.0
        since = self.silent_from if self._lost_life >= MANY_LOST else self._mute_from
        return 0.0 if since is None else self._silent_to - since

    def tried(self) -> list[Track]:
        """The trusted sources that were asked since the silence began and did not answer; a gateway that never
        answered proves nothing."""
        since = self.silent_from
        return [
            track
            for track in self._tracks
            if since is not None
            and track.trusted
            and track.misses >= (1 if track.source.spacing_s else LEAST_MISSES)
            and track.asked_at >= since
            and (track.role != "gateway" or self._only_gateway or track.srtt_ms is not None)
            and not self._was_silent(track)
        ]

    def enough_tried(self) -> bool:
        """Were so many asked in this silence that it is the uplink's, and not theirs?"""
        tried = self.tried()
        if not any(self._life[track.name] for track in tried):
            return False
        mute = any(track.role == "gateway" and track.misses >= MUTE_GATEWAY for track in tried)
        if self._moments < (FEW_MOMENTS if mute else LEAST_MOMENTS):
            return False
        there = [track for track in self._tracks if track.trusted and (track.role != "gateway" or self._only_gateway)]
        return len(tried) >= min(LEAST_TRIED, sum(not self._was_silent(track) for track in there))

    def _was_silent(self, track: Track) -> bool:
        """Was it silent already while the uplink lived? Then it does not fall silent with it.

        Hosts that are gone together would else tell of an outage whenever those that answer, but may be asked seldom,
        are not being asked: when it comes back, too.
        """
        alone = track.misses >= ALONE_MISSES and track.missed_from < self._alone.get(track.name, -math.inf)
        return alone or (track.name in self._silent_then and not track.recent)

    def _missed(self, probe: Probe) -> None:
        track = probe.track
        self._count_miss(track, probe.sent_at)
        if track.role == "gateway":
            self.gateway_answers = False if track.srtt_ms is not None and track.trusted else None
        if self.alive_sent is None or probe.sent_at > self.alive_sent:
            self._silence(probe)

    def _silence(self, probe: Probe) -> None:
        if not probe.track.trusted:
            return
        if self.silent_from is None:
            self.silent_from = self._silent_to = probe.sent_at
            self._moments = self._lost_life = 0
            self._moment_at = -math.inf
        elif probe.sent_at > self._silent_to:
            self._silent_to = probe.sent_at
        if self._mute_from is None:
            self._mute_from = probe.sent_at
        beyond = self._ranks[probe.track.name] or self._only_gateway
        if beyond and probe.sent_at - self._moment_at >= MOMENT_S:
            self._moments += 1
            self._moment_at = probe.sent_at
        self._lost_life += self._life[probe.track.name]

    def _count_miss(self, track: Track, sent_at: float) -> None:
        if not track.misses:
            track.missed_from = sent_at
        track.misses += 1
        track.streak = 0

    def _lives(self, sent_at: float) -> None:
        if self.alive_sent is None or sent_at > self.alive_sent:
            self.alive_sent = sent_at
        if self.alive_since is None:
            self.alive_since = sent_at
            self._run_from = self._dark = None
            self._silent_then = frozenset(track.name for track in self._tracks if track.misses)
            for track in self._tracks:
                track.forget()
        if self.silent_from is not None and sent_at >= self.silent_from:
            self._alone = {track.name: sent_at for track in self._tracks if track.misses >= ALONE_MISSES}
            self.silent_from = self._mute_from = None
            if self._silent_to > sent_at:
                self._listen_anew(sent_at)

    def _listen_anew(self, alive_sent: float) -> None:
        """A late answer ends the silence when its probe was sent: what was lost after that is silence still."""
        for probe in self._open.values():
            if probe.state == LOST and probe.sent_at > alive_sent:
                self._silence(probe)

    def _run(self, probe: Probe) -> None:
        rank = self._ranks[probe.track.name]
        if rank:
            self._darken(probe)
        if self._run_from is None:
            self._run_from, self._run_rank = probe.sent_at, rank
            probe.began = True
            probe.track.runs += 1
        elif rank > self._run_rank:
            self._run_rank = rank

    def _end_run(self, probe: Probe) -> bool:
        rank = self._ranks[probe.track.name]
        ended = self._run_from is not None and rank >= self._run_rank
        if ended:
            self._run_from = None
        if rank:
            self._dark = None
        return ended

    def _darken(self, probe: Probe) -> None:
        """Count the time between two losses that no answer interrupted, once two sources share them."""
        before = self._dark
        self._dark_shared = before is not None and (self._dark_shared or before.track is not probe.track)
        if before is not None and self._dark_shared and probe.sent_at - before.sent_at <= DARK_S:
            self.blackout_s += probe.sent_at - before.sent_at
        self._dark = probe

    def _correct(self, probe: Probe) -> None:
        self._take_back(probe)
        probe.track.answers += 1

    def _take_back(self, probe: Probe) -> None:
        probe.track.losses -= 1
        if probe.began:
            probe.track.runs -= 1
