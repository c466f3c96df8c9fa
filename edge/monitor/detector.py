"""Everything that judges one uplink, behind one door without a clock: facts and `now` in, a verdict out. Pure.

The shell (the watcher, or the rehearsal in virtual time) asks `next` whom to probe, tells what happened by `sent`,
`answered`, `failed`, `carried` and `fetched`, and reads `judge`. It decides nothing itself.
"""

from __future__ import annotations

import math

from edge import config
from edge.monitor.baseline import EVERY_S, MOST_RISE, Baseline
from edge.monitor.cusum import FAULT, LossEvidence
from edge.monitor.facts import LinkFacts
from edge.monitor.judge import Judge, Signs
from edge.monitor.ledger import PATIENCE_S, Ledger
from edge.monitor.load import Load
from edge.monitor.pace import Pace
from edge.monitor.sources import Source
from edge.monitor.track import Track
from edge.monitor.verdict import Cause, Obstacle, Verdict

TRUST_AFTER, TRUST_AFTER_MOST = 12, 96  # answers in a row of a source set aside: doubled at every relapse
DNS_S, DNS_LEAST, DNS_CHANCE = 5.0, 6, math.log(1e-6)  # silence, failures and the chance of them in a working resolver
SUSPECT_S = 0.5  # silence of a lossy uplink from which on it may be an outage
RTT_SPAN_S = 3.0
FIGURES_EVERY = 5  # seconds between two refreshed figures of a verdict that stands
LAG_S = 30.0  # a shell that slept longer begins to count anew

_NEUTRAL = frozenset({"captive", "status", "dns-error"})  # somebody answered: no packet was lost


class Detector:
    """The judge of `uplink` by its `sources`; `contract_mbit` is what comes down and goes up by contract."""

    def __init__(
        self,
        uplink: str,
        sources: tuple[Source, ...],
        settings: config.Monitor,
        *,
        contract_mbit: tuple[float, float],
        now: float,
        baseline: Baseline | None = None,
    ) -> None:
        self.baseline = baseline or Baseline()
        self._settings = settings
        self._tracks = tuple(Track(source) for source in sources)
        self._by_name = {track.name: track for track in self._tracks}
        self._beyond = tuple(track for track in self._tracks if track.role in ("anchor", "public"))
        self._resolvers = tuple(track for track in self._tracks if track.role == "dns")
        self._ledger = Ledger(self._tracks, timeout_s=settings.timeout_ms / 1_000, now=now)
        self._pace = Pace(self._tracks, settings, now=now)
        self._loss = LossEvidence(settings.loss_degraded_percent / 100)
        self._load = Load(contract_mbit, settings)
        self._judge = Judge(settings)
        self._loss_recovered = min(settings.loss_recovered_percent, settings.loss_degraded_percent) / 100
        self._rtt_recovered = min(settings.rtt_recovered_ms, settings.rtt_degraded_ms)
        self._silence_s = max(settings.outage_s - PATIENCE_S, 0.1)
        self._faulty: frozenset[str] = frozenset()
        self._held: tuple[Cause, ...] = ()
        self._doubts: tuple[Cause, ...] = ()
        self.verdict = Verdict(uplink, "down", "starting", 0.0, None, now)
        self._begin(now)

    def _begin(self, now: float) -> None:
        self._turn_at = now + 1.0
        self._turns = 0
        self._learn_at = now + EVERY_S
        self._rise_ms: float | None = None
        self._loss_now = 0.0
        self._delayed_s = 0.0
        self._captive = 0
        self._held = self._doubts = ()

    @property
    def faulty(self) -> frozenset[str]:
        """Names of the sources that are set aside because they alone do not answer."""
        return self._faulty

    def restart(self, *, now: float) -> None:
        """Forget every probe: the link itself changed (another device, the carrier came back)."""
        self._ledger.restart(now=now)
        self._pace.restart(now=now)
        self._loss.clear(self._tracks)
        self._load.restart()
        self._begin(now)

    def next(self, *, now: float) -> tuple[Source | None, float]:
        """A source to probe now (tell it by `sent`), or None, and the monotonic time to ask again at the latest."""
        track, due = self._pace.next(now=now)
        waits = self._ledger.due()
        if track is None:
            return None, waits if now < waits < due else due
        waits = min(waits, now + track.patience_s)
        return track.source, waits if now < waits < due else due

    def sent(self, serial: int, source: Source, *, now: float) -> None:
        """Note that probe `serial` (increasing) left for `source`."""
        self._ledger.sent(serial, self._by_name[source.name], now=now)

    def answered(self, serial: int, rtt_ms: float, *, now: float) -> bool:
        """Note an answer. False when the probe is unknown, too old or answered already: then nothing changed."""
        track = self._ledger.answered(serial, rtt_ms, now=now)
        if track is None:
            return False
        if not track.trusted:
            self._trust(track, now)
        if track.role == "http":
            self._captive = 0
        return True

    def failed(self, serial: int, reason: str, *, now: float) -> bool:
        """Note a probe that failed for `reason`; False when it is unknown or decided already.

        "captive" (somebody else answered the check), "status" and "dns-error" (a resolver's refusal) are no lost
        packets; every other reason, such as "not-sent" or "no-route", is.
        """
        track = self._ledger.failed(serial, lost=reason not in _NEUTRAL, now=now)
        if track is None:
            return False
        if reason == "dns-error":
            self._ledger.refused(track, now=now)
        if reason == "captive":
            self._captive += 1
            if self._captive == 1:
                self._pace.check_soon(now=now)
        elif track.role == "http" and self._captive:
            self._captive -= 1
        return True

    def carried(self, facts: LinkFacts, *, now: float) -> None:
        """Take what the device carried; once a second."""
        self._load.carried(facts, self._rise_ms, self._loss_now, now=now)

    def fetched(self, mbit: float, *, now: float) -> None:
        """Take the rate of a timed fetch that ended."""
        self._load.fetched(mbit, now=now)

    def judge(self, obstacle: Obstacle = "", *, now: float, hour_of_week: int | None) -> Verdict:
        """The verdict now; cheap, to be asked at every step.

        `obstacle` keeps probes from being sent at all; `hour_of_week` is 0 to 167, Monday 00 h being 0, and None while
        the clock is not trusted.
        """
        ledger = self._ledger
        if ledger.settle(now=now) is not None and self._suspicious():
            self._pace.suspect(now=now)
        turned = now >= self._turn_at
        if turned:
            self._turn(now, hour_of_week)
        level = self._judge.level
        if turned or obstacle or level == "down" or ledger.silent_from is not None or self._captive >= 2:
            self._weigh(obstacle, now)
        return self.verdict

    def _suspicious(self) -> bool:
        """Is a miss worth a burst? Not while the uplink is known to be down, nor for every loss of a lossy one."""
        level = self._judge.level
        return level == "up" or (level == "degraded" and self._ledger.silence_s() >= SUSPECT_S)

    def _weigh(self, obstacle: Obstacle, now: float) -> None:
        ledger, before = self._ledger, self._judge.level
        signs = Signs(
            silence=self._silence(now),
            answering_s=None if ledger.alive_since is None else now - ledger.alive_since,
            captive=self._captive >= 2,
            bad=self._held,
            doubts=self._doubts,
            well="target-fault" if self._faulty else "" if self._beyond else "no-targets",
        )
        changed = self._judge.judge(signs, obstacle, now=now)
        if self._judge.level != before:
            if self._judge.level == "down":
                ledger.fell_silent()
            if self._judge.level != "degraded":
                self._loss.clear(self._tracks)
                self._held = ()
        if changed or self._turns >= FIGURES_EVERY:
            self._turns = 0
            self._tell(now, same_level=before == self._judge.level)

    def _silence(self, now: float) -> Cause:
        ledger = self._ledger
        since = ledger.silent_from
        if since is None or ledger.silence_s() < self._silence_s or not ledger.enough_tried():
            return ""
        if self._load.lives(since):
            return ""
        if not self._beyond:
            return "gateway"
        answers = ledger.gateway_answers
        return "no-reply" if answers is None else "beyond-gateway" if answers else "gateway"

    def _turn(self, now: float, hour_of_week: int | None) -> None:
        """A second ended: weigh its tallies."""
        ledger, load = self._ledger, self._load
        self._turn_at = self._turn_at + 1.0 if now - self._turn_at < LAG_S else now + 1.0
        self._turns += 1
        ledger.turn(now=now)
        self._rise_ms = rise = self._rise(now)
        self._loss_now = self._lately_lost()
        weight = 1.0
        if load.full:
            weight = 0.0
        elif load.congested:
            weight = 0.0 if load.slowing else 0.2
        if self._judge.level != "down":
            self._loss.weigh(self._tracks, ledger.blackout_s, weight=weight)
            self._set_aside(now)
        ledger.blackout_s = 0.0
        late = rise is not None and rise > self._settings.rtt_degraded_ms
        self._delayed_s = self._delayed_s + weight if late else 0.0
        for track in self._tracks:
            track.turn()
        self._collect(weight)
        if now >= self._learn_at:
            self._learn(now, hour_of_week)

    def _collect(self, weight: float) -> None:
        settings, load, rise = self._settings, self._load, self._rise_ms
        held: list[Cause] = []
        doubts: list[Cause] = []
        if load.slow:
            held.append("slow")
            doubts.append("slow")
        if self._loss.sum or self._loss.blackout_s:
            if self._loss.lossy(pacing=self._pace.pacing):
                held.append("lossy")
        if self._delayed_s and self._delayed_s >= settings.fall_s:
            held.append("delayed")
        if self._judge.level != "up" and weight:
            answers, losses = self._span()
            if losses > max(1.0, self._loss_recovered * (answers + losses)):
                doubts.append("lossy")
            if rise is not None and rise > self._rtt_recovered:
                doubts.append("delayed")
        if self._resolvers:
            worst = min(track.misses for track in self._resolvers)
            if worst >= DNS_LEAST and not load.congested and self._dns_dead():
                held.append("dns")
            if worst >= 2 and (held or self._judge.cause == "dns"):
                doubts.append("dns")
        self._held = tuple(held)
        self._doubts = tuple(doubts)

    def _dns_dead(self) -> bool:
        """Have all resolvers failed more often in a row than working ones with their usual loss ever would?"""
        chance = sum(track.misses * math.log(max(0.1, track.usual_loss)) for track in self._resolvers)
        answers = sum(track.lately(int(DNS_S))[0] for track in self._beyond)
        losses = sum(track.lately(int(DNS_S))[1] for track in self._beyond)
        if losses > answers:
            return False  # the uplink itself loses
        silent_s = min(track.asked_at - track.missed_from for track in self._resolvers)
        return chance <= DNS_CHANCE and silent_s >= DNS_S

    def _span(self) -> tuple[int, int]:
        answers = losses = 0
        for track in self._tracks:
            if track.trusted and (track.role != "gateway" or not self._beyond):
                answers += track.span_answers
                losses += track.span_losses
        return answers, losses

    def _lately_lost(self) -> float:
        """The share of probes beyond the gateway lost in the last seconds."""
        if not any(track.losses or track.span_losses for track in self._beyond):
            return 0.0
        answers = losses = 0
        for track in self._beyond:
            answered, lost = track.lately(int(RTT_SPAN_S))
            answers += answered
            losses += lost
        return losses / (answers + losses) if losses > 0 else 0.0

    def _rise(self, now: float) -> float | None:
        """How far round trips are above the usual: the lower median over the sources."""
        tracks = [track for track in self._beyond if track.trusted and track.usual_ms is not None]
        if len(tracks) < 2:
            tracks += [track for track in self._resolvers or self._tracks if track.usual_ms is not None]
        smoothed = [track.srtt_ms - track.usual_ms for track in tracks]  # type: ignore[operator]
        if smoothed and max(smoothed) < self._rtt_recovered / 4:
            return max(smoothed)
        rises = []
        for track in tracks:
            rtt = track.rtt_ms(now - RTT_SPAN_S)
            if rtt is not None:
                rises.append(rtt - track.usual_ms)  # type: ignore[operator]
        rises.sort()
        return rises[(len(rises) - 1) // 2] if rises else None

    def _learn(self, now: float, hour_of_week: int | None) -> None:
        self._learn_at = now + EVERY_S
        well = self._judge.level == "up" and now - self.verdict.since >= EVERY_S and not self._load.busy
        if well and not self._delayed_s:
            for track in self._tracks:
                rtt = track.rtt_ms(now - EVERY_S)
                if rtt is not None:
                    self.baseline.learn(track.name, rtt, hour_of_week)
        most = MOST_RISE * self._settings.rtt_degraded_ms
        for track in self._tracks:
            track.usual_ms = self.baseline.usual(track.name, hour_of_week, most)

    def _set_aside(self, now: float) -> None:
        if self._loss.sum < 6.0:
            return
        likely = FAULT if self._judge.cause != "lossy" else 2 * FAULT
        for track in self._loss.at_fault(self._tracks, likely):
            track.trusted = False
            track.score = 0.0
            track.streak = 0
            track.wanted = min(max(TRUST_AFTER, 2 * track.wanted), TRUST_AFTER_MOST)
            self._trust_changed()

    def _trust(self, track: Track, now: float) -> None:
        track.streak += 1
        if track.streak >= track.wanted:
            track.trusted = True
            self._trust_changed()

    def _trust_changed(self) -> None:
        self._faulty = frozenset(track.name for track in self._tracks if not track.trusted and track.role != "dns")
        self._pace.rearrange()

    def _tell(self, now: float, *, same_level: bool) -> None:
        judge, before = self._judge, self.verdict
        gone = judge.level == "down" and judge.cause != "starting"
        answers, losses = self._span()
        trips = sorted(rtt for track in self._beyond or self._tracks for at, rtt in track.recent if at >= now - 10)
        middle = trips[len(trips) // 2] if trips and not gone else None
        jitter = sum(abs(rtt - middle) for rtt in trips) / len(trips) if middle is not None else None
        self.verdict = Verdict(
            before.uplink,
            judge.level,
            judge.cause,
            1.0 if gone else losses / (answers + losses) if answers + losses else 0.0,
            middle,
            before.since if same_level else now,
            jitter,
            before.evidence if same_level and before.cause == judge.cause else self._evidence(now),
        )

    def _evidence(self, now: float) -> tuple[str, ...]:
        return ()
