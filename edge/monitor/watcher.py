"""The shell of the monitor: probes one uplink, follows its device, and tells every change of its verdict.

One probe leaves every interval, to the targets and the gateway in turn; a miss of an uplink that is up makes them
leave faster for a second, to tell a lost packet from a lost link. Whoever must act reads health; metrics read events;
traffic is called with the verdict.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable

from edge import config, marks
from edge.clock import Clock
from edge.events import Announce, ProbeAnswered, UplinkJudged
from edge.health import Health
from edge.monitor.carrier import Link, LinkNews, LinkReader
from edge.monitor.probe import KINDS, NoDevice, NoPrivilege, ProbeResult, Way
from edge.monitor.verdict import Judge, Obstacle, Verdict
from edge.monitor.window import Window

log = logging.getLogger("edge.monitor")

LINK_EVERY_S = 0.25  # the kernel holds back a second link change for a second, so it is read as well
BURST_S = 1.0
FAULTY_EVERY_S = 5.0  # pace towards a target that was set aside
PRIVILEGE_EVERY_S = 10.0
LEAST_PROBES = 20  # a slow pace widens the window until it holds these


class Watcher:
    """Judges `uplink`, the one at place `number` (1-based) of the configuration.

    `judged` is called on every change of level or cause, never for the first "starting". Raises ValueError when a
    target or the gateway is not an IPv4 address.
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
    ) -> None:
        self._uplink = uplink
        self._settings = settings
        self._clock = clock
        self._announce = announce
        self._health = health
        self._judged = judged
        now = clock.monotonic()
        gateway = _ipv4(uplink, "gateway", uplink.gateway)
        targets = tuple(dict.fromkeys(t for t in (_ipv4(uplink, "target", t) for t in uplink.targets) if t != gateway))
        self._window = Window(
            targets=targets or (gateway,),
            gateway=gateway if targets else "",
            span_s=max(settings.window_s, LEAST_PROBES * settings.interval_ms / 1_000),
            timeout_s=settings.timeout_ms / 1_000,
            outage_s=settings.outage_s,
            started_at=now,
        )
        self._judge = Judge(uplink.name, settings, well="" if targets else "no-targets", now=now)
        self._told = (self.verdict.level, self.verdict.cause)
        self._probe = KINDS["icmp"]()(
            Way(uplink.device, marks.probe_mark(number)), settings, clock=clock, report=self._report
        )
        self._turns = (*targets, gateway)
        self._turn = 0
        self._probed_at: dict[str, float] = {}
        self._serial = 0
        self._link: Link | None = None
        self._obstacle: Obstacle = "no-device"
        self._next_open_at = self._next_probe_at = self._burst_until = now
        self._wake: asyncio.Future[None] | None = None

    @property
    def verdict(self) -> Verdict:
        """What is believed now, with fresh figures."""
        return self._judge.verdict

    @property
    def faulty(self) -> frozenset[str]:
        """Targets that are set aside because they alone do not answer."""
        return self._window.faulty

    async def run(self) -> None:
        """Probe and judge until cancelled; may be run again."""
        reader = LinkReader()
        news = LinkNews(self._hurry)
        self._link = None
        try:
            news.open()
            while True:
                await self._pause(self._step(reader.read(self._uplink.device), self._clock.monotonic()))
        finally:
            self._close_probe()
            news.close()
            reader.close()

    async def _pause(self, seconds: float) -> None:
        self._wake = asyncio.get_running_loop().create_future()
        timer = self._wake.get_loop().call_later(seconds, self._hurry)
        try:
            await self._wake
        finally:
            timer.cancel()
            self._wake = None

    def _hurry(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _step(self, link: Link, now: float) -> float:
        """Do what is due; returns the seconds until something is due again."""
        obstacle = self._follow(link, now)
        if not obstacle and now >= self._next_probe_at:
            self._send(now)
        for target in self._window.expire(now=now):
            self._missed(target, now)
        self._settle(obstacle, now)
        return LINK_EVERY_S if obstacle else max(0.0, min(LINK_EVERY_S, self._next_probe_at - now))

    def _follow(self, link: Link, now: float) -> Obstacle:
        """Keep the socket bound to the device that is there now; returns what hinders probing."""
        if link != self._link:
            self._link = link
            self._close_probe()
            self._window.restart(now=now)
            self._next_open_at = self._next_probe_at = now
            self._tell_device(link)
        if link.state == "absent":
            return "no-device"
        if link.state == "no-carrier":
            return "carrier"
        if self._obstacle and now >= self._next_open_at:
            self._obstacle = self._open_probe(now)
        return self._obstacle

    def _tell_device(self, link: Link) -> None:
        name, device = self._uplink.name, self._uplink.device
        if link.state == "absent":
            self._health.raise_("device-missing", f"network device {device} does not exist", subject=name)
        else:
            self._health.clear("device-missing", subject=name)

    def _open_probe(self, now: float) -> Obstacle:
        try:
            self._probe.open()
        except NoPrivilege as error:
            self._next_open_at = now + PRIVILEGE_EVERY_S
            self._health.raise_("probe-privilege", str(error), subject=self._uplink.name)
            return "no-privilege"
        except NoDevice:
            return "no-device"  # gone between reading and opening
        self._window.restart(now=now)
        self._health.clear("probe-privilege", subject=self._uplink.name)
        return ""

    def _close_probe(self) -> None:
        self._obstacle = "no-device"
        self._probe.close()

    def _send(self, now: float) -> None:
        interval = self._settings.interval_ms
        if now < self._burst_until:
            interval = min(interval, self._settings.burst_interval_ms)
        due = self._next_probe_at + interval / 1_000
        self._next_probe_at = due if due > now else now + interval / 1_000
        target = self._next_target(now)
        self._probed_at[target] = now
        self._serial += 1
        self._window.sent(self._serial, target, now=now)
        self._probe.send(self._serial, target)

    def _next_target(self, now: float) -> str:
        faulty = self._window.faulty
        for _ in self._turns:
            target = self._turns[self._turn % len(self._turns)]
            self._turn += 1
            if target not in faulty or now - self._probed_at.get(target, 0.0) >= FAULTY_EVERY_S:
                break
        return target

    def _report(self, result: ProbeResult) -> None:
        """Take a probe's result; the verdict follows at the next step, at most a quarter of a second later."""
        now = self._clock.monotonic()
        if result.rtt_ms is None:
            if self._window.failed(result.serial):
                self._missed(result.target, now)
        elif self._window.answered(result.serial, result.rtt_ms, now=now):
            self._announce(ProbeAnswered(self._uplink.name, result.target, result.rtt_ms))

    def _missed(self, target: str, now: float) -> None:
        self._announce(ProbeAnswered(self._uplink.name, target, None))
        judged = target in self._window.targets and target not in self._window.faulty
        if judged and self.verdict.level == "up" and now >= self._burst_until:
            self._burst_until = now + BURST_S
            self._next_probe_at = min(self._next_probe_at, now + self._settings.burst_interval_ms / 1_000)

    def _settle(self, obstacle: Obstacle, now: float) -> None:
        verdict = self._judge.judge(self._window.summary(now=now), obstacle, now=now)
        if (verdict.level, verdict.cause) == self._told:
            return
        self._tell_health(verdict)
        self._announce(UplinkJudged(verdict.uplink, verdict.level, verdict.cause, verdict.loss, verdict.rtt_ms))
        self._judged(verdict)
        self._told = (verdict.level, verdict.cause)

    def _tell_health(self, verdict: Verdict) -> None:
        degraded = verdict.level == "degraded" and verdict.cause != "no-privilege"
        for code, holds in (("uplink-down", verdict.level == "down"), ("uplink-degraded", degraded)):
            if holds:
                self._health.raise_(code, verdict.cause, subject=verdict.uplink)
            else:
                self._health.clear(code, subject=verdict.uplink)


def _ipv4(uplink: config.Uplink, what: str, text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise ValueError(f"uplink {uplink.name}: {what} {text!r} is not an IPv4 address") from None
