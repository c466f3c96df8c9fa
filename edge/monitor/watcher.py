"""The shell of the monitor: probes one uplink, follows its device, and tells every change of its verdict.

Whom to probe when, and what the answers mean, is the detector's; here are the sockets, the carrier, the counters and
the clock. Nothing wakes unless a probe is due, an answer comes or the kernel tells of a link; the carrier is read at
least four times a second besides. Whoever must act reads health; metrics and the history read events; traffic is
called with the verdict.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from pathlib import Path

from edge import config, marks
from edge.clock import Clock
from edge.events import Announce, ProbeAnswered
from edge.health import Health
from edge.monitor import sources
from edge.monitor.baseline import Baseline
from edge.monitor.carrier import Link, LinkNews, LinkReader
from edge.monitor.detector import Detector
from edge.monitor.facts import LinkFacts
from edge.monitor.fetches import Fetches
from edge.monitor.gateway import AUTO, GatewayReader
from edge.monitor.herald import Herald
from edge.monitor.memory import Keeper
from edge.monitor.meter import DeviceMeter, Meter
from edge.monitor.probe import NoDevice, NoPrivilege, ProbeResult, Way
from edge.monitor.prober import Prober
from edge.monitor.probes.bound import place
from edge.monitor.sources import Source
from edge.monitor.tally import Row, Tally
from edge.monitor.verdict import Obstacle, Verdict

LINK_EVERY_S = 0.25  # the kernel holds back a second link change for a second, so it is read as well, or oftener
LINK_LEAST_S = 0.125  # but not at each probe of a burst
CHORES_EVERY_S = 1.0  # counters, gateway, fetches, and whether news of links still come
PRIVILEGE_EVERY_S = 10.0
MOST_PER_STEP = 16  # probes at once; a detector that wants more gets them at the next step


def unknown_hour() -> int | None:
    """The hour of the week while nobody tells it."""
    return None


def nobody(_uplink: str, _facts: LinkFacts) -> None:
    """Nobody counts the bytes."""


class Watcher:
    """Judges `uplink`, the one at place `number` (1-based) of the configuration.

    `judged` is called on every change of level or cause, never for the first "starting"; `carried` about once a second
    with what the device carried. `hour_of_week` is 0 to 167, or None while the clock is not trusted. In `state_dir`
    what round trips usually are survives restarts. Raises ValueError when a target or the gateway is no address.
    """

    def __init__(
        self,
        uplink: config.Uplink,
        number: int,
        settings: config.Monitor,
        *,
        clock: Clock,
        announce: Announce,
        health: Health,
        judged: Callable[[Verdict], None],
        carried: Callable[[str, LinkFacts], None] = nobody,
        hour_of_week: Callable[[], int | None] = unknown_hour,
        state_dir: Path | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._uplink = uplink
        self._clock = clock
        self._announce = announce
        self._carried = carried
        self._hour_of_week = hour_of_week
        now = clock.monotonic()
        way = Way(uplink.device, marks.probe_mark(number), uplink.resolvers)
        asked = sources.sources(uplink, settings, uplink.gateway)
        contract = (uplink.download_mbit, uplink.upload_mbit)
        self._keeper = Keeper(state_dir, uplink.name, now=now)
        self._detector = Detector(
            uplink.name, asked, settings, contract_mbit=contract, now=now, baseline=self._keeper.recall()
        )
        self._tally = Tally(asked, settings.timeout_ms / 1_000)
        self._prober = Prober((source.kind for source in asked), way, settings, clock=clock, report=self._report)
        self._fetches = Fetches(way, settings, contract, clock=clock)
        self._meter = DeviceMeter(uplink.device, meter or Meter())
        self._herald = Herald(uplink.name, announce=announce, health=health, judged=judged)
        self._serial = 0
        self._link: Link | None = None
        self._obstacle: Obstacle = "no-device"
        self._auto = uplink.gateway == AUTO
        self._gateway = None if self._auto else place(uplink.gateway).address
        self._hour: int | None = None
        self._next_open_at = self._next_chores_at = self._next_link_at = now
        self._wake: asyncio.Future[None] | None = None

    @property
    def verdict(self) -> Verdict:
        """What is believed now."""
        return self._detector.verdict

    @property
    def faulty(self) -> frozenset[str]:
        """Names of the sources that are set aside because they alone do not answer."""
        return self._detector.faulty

    @property
    def baseline(self) -> Baseline:
        """What its round trips usually are, as learned so far."""
        return self._detector.baseline

    def table(self) -> list[Row]:
        """The figures of every source, for people."""
        return self._tally.rows(self._detector.faulty)

    async def run(self) -> None:
        """Probe and judge until cancelled; may be run again."""
        reader, gateways, news = LinkReader(), GatewayReader(), LinkNews(self._link_changed)
        self._link = None
        self._next_link_at = self._clock.monotonic()
        try:
            news.open()
            while True:
                now = self._clock.monotonic()
                if now >= self._next_link_at:
                    self._next_link_at = now + LINK_LEAST_S
                    self._follow(reader.read(self._uplink.device), now)
                if now >= self._next_chores_at:
                    self._next_chores_at = now + CHORES_EVERY_S
                    news.check()
                    self._chores(gateways, now)
                due = math.inf if self._obstacle else self._probe(now)
                self._settle(now)
                await self._pause(min(now + LINK_EVERY_S, due))
        finally:
            self._close()
            for each in (news, gateways, reader):
                each.close()
            await self._keeper.finish(self._detector.baseline)

    async def _pause(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        self._wake = loop.create_future()
        timer = loop.call_later(max(0.0, until - self._clock.monotonic()), self._hurry)
        try:
            await self._wake
        finally:
            timer.cancel()
            self._wake = None

    def _hurry(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    # ---- the device

    def _link_changed(self) -> None:
        self._next_link_at = -math.inf
        self._hurry()

    def _follow(self, link: Link, now: float) -> None:
        """Keep the sockets bound to the device that is there now, and know what hinders probing."""
        if link != self._link:
            self._link = link
            self._close()
            self._meter.restart()
            self._restart(now)
            self._next_open_at = now
            self._herald.device(self._uplink.device, missing=link.state == "absent")
        if link.state == "absent":
            self._obstacle = "no-device"
        elif link.state == "no-carrier":
            self._obstacle = "carrier"
        elif self._obstacle and now >= self._next_open_at:
            self._obstacle = self._open(now)

    def _open(self, now: float) -> Obstacle:
        try:
            self._prober.open()
        except NoPrivilege as error:
            self._next_open_at = now + PRIVILEGE_EVERY_S
            self._herald.privilege(str(error))
            return "no-privilege"
        except NoDevice:
            return "no-device"  # gone between reading and opening
        self._restart(now)
        self._herald.privilege("")
        return ""

    def _close(self) -> None:
        self._obstacle = "no-device"
        self._prober.close()
        self._fetches.stop()

    def _restart(self, now: float) -> None:
        self._detector.restart(now=now)
        self._tally.restart()

    # ---- once a second

    def _chores(self, gateways: GatewayReader, now: float) -> None:
        self._hour = self._hour_of_week()
        if self._auto:
            self._follow_gateway(gateways.read(self._uplink.device), now)
        facts = self._meter.carried(now=now)
        if facts is not None:
            self._detector.carried(facts, now=now)
            self._carried(self._uplink.name, facts)
        mbit = self._fetches.step(facts, well=not self._obstacle and self.verdict.level != "down", now=now)
        if mbit is not None:
            self._detector.fetched(mbit, now=now)
        self._keeper.step(self._detector.baseline, now=now)

    def _follow_gateway(self, gateway: str | None, now: float) -> None:
        """Another gateway is another link behind the same device; none for a while is a failure like any other."""
        if gateway != self._gateway and gateway and self._gateway:
            self._restart(now)
        self._gateway = gateway or self._gateway

    # ---- probes

    def _probe(self, now: float) -> float:
        """Send what is due; returns when something is due again."""
        for _ in range(MOST_PER_STEP):
            source, again = self._detector.next(now=now)
            if source is None:
                return again
            self._send(source, now)
        return again

    def _send(self, source: Source, now: float) -> None:
        self._serial += 1
        self._detector.sent(self._serial, source, now=now)
        self._tally.sent(self._serial, source.name, now=now)
        target = self._gateway if source.role == "gateway" else source.target
        if target is None:
            self._report(ProbeResult(self._serial, source.target, None, "no-route"))
        else:
            self._prober.send(self._serial, source.kind, target)

    def _report(self, result: ProbeResult) -> None:
        """Take a probe's result; the verdict follows at the next step, which is at once where it may change."""
        now = self._clock.monotonic()
        if result.rtt_ms is None:
            self._detector.failed(result.serial, result.reason, now=now)
            if name := self._tally.failed(result.serial):
                self._announce(ProbeAnswered(self._uplink.name, name, None))
            self._hurry()
            return
        self._detector.answered(result.serial, result.rtt_ms, now=now)
        if told := self._tally.answered(result.serial, result.rtt_ms):
            self._announce(ProbeAnswered(self._uplink.name, told[0], result.rtt_ms, late=told[1]))
        if self.verdict.level == "down":
            self._hurry()

    def _settle(self, now: float) -> None:
        for name in self._tally.expire(now=now):
            self._announce(ProbeAnswered(self._uplink.name, name, None))
        verdict = self._detector.judge(self._obstacle, now=now, hour_of_week=self._hour)
        self._herald.tell(verdict, self._detector.faulty)
