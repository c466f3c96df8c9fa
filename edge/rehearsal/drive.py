"""Drives the real detector of one uplink through virtual time. One process can do this for each uplink: verdicts do
not depend on each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush

from edge.config import Monitor
from edge.monitor.detector import Detector
from edge.monitor.facts import LinkFacts
from edge.monitor.verdict import Verdict
from edge.rehearsal.link import ACKNOWLEDGED, Link
from edge.rehearsal.scene import Line

IDLE_MBIT = 0.5  # below this an uplink is idle enough for a timed fetch


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict whose level or cause is new, `at` seconds after the beginning."""

    at: float
    verdict: Verdict


def drive(
    line: Line, settings: Monitor, link: Link, *, until: float, hour_of_week: Callable[[float], int | None]
) -> Iterator[Judged]:
    """Every change of verdict from 0 to `until` seconds. `hour_of_week` is asked once a minute."""
    detector = Detector(line.name, line.sources, settings, contract_mbit=line.contract_mbit, now=0.0)
    next_, sent, answered, judge, probe = detector.next, detector.sent, detector.answered, detector.judge, link.probe
    flights: list[tuple[float, int, float]] = []
    now, serial, second, minute, hour = 0.0, 0, 1.0, 60.0, hour_of_week(0.0)
    fetch_at = settings.fetch_every_s if settings.fetch_url else math.inf
    verdict = detector.verdict
    told = (verdict.level, verdict.cause)
    yield Judged(0.0, verdict)
    while now < until:
        source, wake = next_(now=now)
        if source is not None:
            serial += 1
            sent(serial, source, now=now)
            rtt = probe(source, now)
            if rtt is not None:
                heappush(flights, (now + rtt / 1_000, serial, rtt))
        if flights and flights[0][0] < wake:
            wake = flights[0][0]
        now = wake if wake < second else second
        while flights and flights[0][0] <= now:
            _, number, rtt = heappop(flights)
            answered(number, rtt, now=now)
        if now >= second:
            second += 1.0
            received = link.received(now)
            detector.carried(LinkFacts(1.0, received, int(received * ACKNOWLEDGED)), now=now)
            if now >= minute:
                minute += 60.0
                hour = hour_of_week(now)
            if now >= fetch_at:
                fetch_at += settings.fetch_every_s
                if received < IDLE_MBIT * 125_000:
                    detector.fetched(link.spare_mbit(now), now=now)
        latest = judge(now=now, hour_of_week=hour)
        if latest is not verdict:
            verdict = latest
            if (verdict.level, verdict.cause) != told:
                told = (verdict.level, verdict.cause)
                yield Judged(now, verdict)
