"""Everything that judges one uplink, behind one door without a clock: facts and `now` in, a verdict out. Pure.

The shell (the watcher, or the rehearsal in virtual time) asks `next` whom to probe, tells what happened by `sent`,
`answered`, `failed`, `carried` and `fetched`, and reads `judge`. It decides nothing itself.

Silence is looked at whenever the shell asks; everything that is counted is weighed once a second.
"""

from __future__ import annotations

from edge import config
from edge.monitor import resolvers
from edge.monitor.baseline import Baseline
from edge.monitor.cusum import FAULT, LossEvidence
from edge.monitor.delay import Delay
from edge.monitor.evidence import sentences
from edge.monitor.facts import LinkFacts
from edge.monitor.judge import Judge, Signs
from edge.monitor.ledger import PATIENCE_S, Ledger
from edge.monitor.load import Load
from edge.monitor.pace import Pace
from edge.monitor.sources import Source
from edge.monitor.track import Track
from edge.monitor.trust import Trust
from edge.monitor.verdict import Cause, Obstacle, Verdict

UNSEEN_S = 0.1  # a silence has begun so long, in the mean, before the first probe is lost in it
SUSPECT_S = 0.5  # silence of a lossy uplink from which on it may be an outage
SUSPECT_MOST_S = 15.0  # then a burst finds nothing new: bytes prove that the uplink lives
BYTES_MOST_S = 60.0  # bytes prove life for so long: who sends them need not have heard anything from us
RECENT_S, LESS_RECENT_S, ENOUGH_ASKED = 3, 10, 4  # a longer look back where fewer were asked
RTT_SPAN_S = 10.0
FIGURES_EVERY = 5  # seconds between two refreshed figures of a verdict that stands
LAG_S = 30.0  # a shell that slept longer begins to count anew
CAPTIVE_EVERY_S = 5.0
CAPTIVE_SILENT = 3  # checks in a row that nobody answers: the portal is not there any more, or cannot be told

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
        tracks = self._tracks = tuple(Track(source, span_s=settings.window_s) for source in sources)
        self._by_name = {track.name: track for track in tracks}
        self._beyond = tuple(track for track in tracks if track.role in ("anchor", "public"))
        self._resolvers = tuple(track for track in tracks if track.role == "dns")
        self._ledger = Ledger(tracks, timeout_s=settings.timeout_ms / 1_000, now=now)
        self._pace = Pace(tracks, settings, now=now)
        self._trust = Trust(tracks)
        self._loss = LossEvidence(settings.loss_degraded_percent / 100)
        self._delay = Delay(self._beyond, self._resolvers or tracks, self.baseline, settings, now=now)
        self._load = Load(contract_mbit, settings)
        self._judge = Judge(settings)
        self._loss_recovered = min(settings.loss_recovered_percent, settings.loss_degraded_percent) / 100
        self._silence_s = max(settings.outage_s - PATIENCE_S - UNSEEN_S, 0.1)
        self.verdict = Verdict(uplink, "down", "starting", 0.0, None, now)
        self._begin(now)

    def _begin(self, now: float) -> None:
        self._turn_at = now + 1.0
        self._turns = self._captive = 0
        self._captive_at = now
        self._held: tuple[Cause, ...] = ()
        self._doubts: tuple[Cause, ...] = ()

    @property
    def faulty(self) -> frozenset[str]:
        """Names of the sources that are set aside because they alone do not answer."""
        return self._trust.faulty

    def restart(self, *, now: float) -> None:
        """Forget every probe: the link itself changed (another device, the carrier came back)."""
        self._ledger.restart(now=now)
        self._pace.restart(now=now)
        self._delay.restart(now=now)
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
        if not track.trusted and self._trust.answered(track):
            self._pace.rearrange()
        if track.role == "http":
            self._captive = 0
        return True

    def failed(self, serial: int, reason: str, *, now: float) -> bool:
        """Note a probe that failed for `reason`; False when it is unknown or decided already.

        "captive" (somebody else answered the check), "status" and "dns-error" (a resolver's refusal) are no lost
        packets; every other reason, such as "not-sent" or "no-route", is.
        """
        track = self._ledger.failed(serial, lost=reason not in _NEUTRAL)
        if track is None:
            return False
        if reason == "dns-error":
            self._ledger.refused(track, now=now)
        elif reason == "captive":
            self._captive += 1
            self._captive_at = now
            if self._captive == 1:
                self._pace.check_soon(now=now)
        elif track.role == "http":
            self._captive = max(0, self._captive - 1)
        return True

    def carried(self, facts: LinkFacts, *, now: float) -> None:
        """Take what the device carried; once a second."""
        self._load.carried(facts, self._delay.rise_ms, self._lately_lost(), now=now)

    def fetched(self, mbit: float, *, now: float) -> None:
        """Take the rate of a timed fetch that ended."""
        self._load.fetched(mbit, now=now)

    def judge(self, obstacle: Obstacle = "", *, now: float, hour_of_week: int | None) -> Verdict:
        """The verdict now; cheap, to be asked at every step.

        `obstacle` keeps probes from being sent at all; `hour_of_week` is 0 to 167, Monday 00 h being 0, and None while
        the clock is not trusted.
        """
        ledger = self._ledger
        if (ledger.settle(now=now) is not None or ledger.silent_from is not None) and self._suspicious(now):
            self._pace.suspect(now=now)
        turned = now >= self._turn_at
        if turned:
            self._turn(now, hour_of_week)
        if turned or obstacle or self._captive or self._may_change():
            self._settle(obstacle, now)
        return self.verdict

    def _may_change(self) -> bool:
        """Can the level change between two turns: by a silence while it answers, by answers while it is down?"""
        ledger = self._ledger
        return (ledger.alive_since if self._judge.level == "down" else ledger.silent_from) is not None

    def _suspicious(self, now: float) -> bool:
        """Is a miss worth a burst? Not while the uplink is known to be down, nor for every loss of a lossy one, nor
        for ever."""
        level, since = self._judge.level, self._ledger.silent_from
        if since is not None and now - since > SUSPECT_MOST_S:
            return False
        if level == "degraded":
            return self._ledger.silence_s() >= SUSPECT_S and not self._load.carrying
        return level == "up"

    def _settle(self, obstacle: Obstacle, now: float) -> None:
        ledger, before = self._ledger, self._judge.level
        signs = Signs(
            silence=self._silence(),
            answering_s=None if ledger.alive_since is None else now - ledger.alive_since,
            captive=self._captive >= 2,
            bad=self._held,
            doubts=self._doubts,
            well="target-fault" if self._trust.faulty else "" if self._beyond else "no-targets",
        )
        changed = self._judge.judge(signs, obstacle, now=now)
        if changed or self._turns >= FIGURES_EVERY:
            self._turns = 0
            self._tell(now, changed=changed, same_level=before == self._judge.level)
        if self._judge.level != before:
            if self._judge.level == "down":
                ledger.fell_silent()
            if self._judge.level != "degraded":
                self._loss.clear(self._tracks)
                self._held = ()

    def _silence(self) -> Cause:
        ledger = self._ledger
        since = ledger.silent_from
        if since is None or ledger.silence_s() < self._silence_s or not ledger.enough_tried():
            return ""
        if ledger.silence_s() < BYTES_MOST_S and self._load.lives(since):
            return ""
        if not self._beyond:
            return "gateway"
        answers = ledger.gateway_answers
        return "no-reply" if answers is None else "beyond-gateway" if answers else "gateway"

    def _turn(self, now: float, hour_of_week: int | None) -> None:
        """A second ended: weigh its tallies."""
        ledger = self._ledger
        self._turn_at = self._turn_at + 1.0 if now - self._turn_at < LAG_S else now + 1.0
        self._turns += 1
        ledger.turn(now=now)
        self._delay.measure(now=now)
        weight = self._load.weight
        if self._judge.level != "down":
            self._loss.weigh(self._tracks, ledger.blackout_s, weight=weight)
            self._accuse()
        ledger.blackout_s = 0.0
        self._delay.hold(weight)
        for track in self._tracks:
            track.turn()
        self._collect(weight)
        self._check_captive(now)
        well = self._judge.level == "up" and now - self.verdict.since >= self._delay.settled_s and not self._load.busy
        self._delay.learn(self._tracks, hour_of_week, well=well, now=now)

    def _check_captive(self, now: float) -> None:
        """Ask again while a portal is believed in; a silent check page is no proof of one."""
        if self._captive and any(track.role == "http" and track.misses >= CAPTIVE_SILENT for track in self._tracks):
            self._captive = 0
        if self._captive and now - self._captive_at >= CAPTIVE_EVERY_S:
            self._captive_at = now
            self._pace.check_soon(now=now)

    def _accuse(self) -> None:
        """Set aside the sources that lose alone; in a lossy uplink only on twice the evidence."""
        if self._loss.sum:
            at_fault = self._loss.at_fault(self._tracks, 2 * FAULT if self._judge.cause == "lossy" else FAULT)
            for track in at_fault:
                self._loss.refund(track)
                self._trust.set_aside(track)
            if at_fault:
                self._pace.rearrange()

    def _collect(self, weight: float) -> None:
        """What speaks for degraded, and what against being up again."""
        held: list[Cause] = []
        doubts: list[Cause] = []
        if self._load.slow:
            held.append("slow")
            doubts.append("slow")
        if self._loss.lossy(pacing=self._pace.pacing):
            held.append("lossy")
        if self._delay.held:
            held.append("delayed")
        if self._judge.level != "up" and weight:
            answers, losses = self._span()
            if losses > max(1.0, self._loss_recovered * (answers + losses)):
                doubts.append("lossy")
            if self._delay.doubtful:
                doubts.append("delayed")
        failing = resolvers.failed_in_row(self._resolvers)
        if failing and not self._load.congested and resolvers.dead(self._resolvers, self._beyond):
            held.append("dns")
        if failing >= resolvers.DOUBTED and (self._judge.cause == "dns" or "dns" in held):
            doubts.append("dns")
        self._held, self._doubts = tuple(held), tuple(doubts)

    def _span(self) -> tuple[int, int]:
        """Answers and losses of all trusted sources but the gateway in the last `window_s`."""
        answers = losses = 0
        for track in self._tracks:
            if track.trusted and (track.role != "gateway" or not self._beyond):
                answers += track.span_answers
                losses += track.span_losses
        return answers, losses

    def _lately_lost(self) -> float:
        """The share of probes beyond the gateway lost in the last seconds."""
        if not any(track.span_losses > 0 for track in self._beyond):
            return 0.0
        for seconds in (RECENT_S, LESS_RECENT_S):
            tallies = [track.lately(seconds) for track in (*self._beyond, *self._resolvers)]
            lost = sum(losses for _, losses in tallies)
            asked = lost + sum(answers for answers, _ in tallies)
            if asked >= ENOUGH_ASKED:
                break
        return lost / asked if lost > 0 else 0.0

    def _tell(self, now: float, *, changed: bool, same_level: bool) -> None:
        judge, before = self._judge, self.verdict
        gone = judge.level == "down" and judge.cause != "starting"
        answers, losses = self._span()
        middle, jitter = (None, None) if gone else self._trips(now)
        facts = before.evidence
        if changed:
            facts = sentences(judge.cause, self._tracks, self._ledger, self._delay, self._load, now=now)
        self.verdict = Verdict(
            before.uplink,
            judge.level,
            judge.cause,
            1.0 if gone else max(0.0, losses / (answers + losses)) if answers + losses else 0.0,
            middle,
            before.since if same_level else now,
            jitter,
            facts,
        )

    def _trips(self, now: float) -> tuple[float | None, float | None]:
        """The median round trip, and the mean deviation from it."""
        since = now - RTT_SPAN_S
        trips = sorted(rtt for track in self._beyond or self._tracks for at, rtt in track.recent if at >= since)
        if not trips:
            return None, None
        middle = trips[len(trips) // 2]
        return middle, sum(abs(rtt - middle) for rtt in trips) / len(trips)
