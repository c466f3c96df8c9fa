"""What others would have said of the same link: models of mwan3, of pfSense's gateway monitor and of BFD.

Each is the peer's own rule with its defaults, driven by probes through the same model of the link. They tell only up
and down, and so does `alarms`: the moments at which they would have left the link.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from edge.rehearsal.link import Link
from edge.rehearsal.scene import Line

MWAN3_INTERVAL_S, MWAN3_TIMEOUT_S, MWAN3_DOWN, MWAN3_UP = 10.0, 4.0, 5, 5
DPINGER_EVERY_S, DPINGER_LOST_S, DPINGER_PERIOD_S, DPINGER_ALERT_S = 0.5, 2.0, 60.0, 1.0
DPINGER_LOSS, DPINGER_LATENCY_MS = 0.20, 500.0
BFD_EVERY_S, BFD_MULTIPLIER = 0.3, 3


def mwan3(line: Line, link: Link, until: float) -> Iterator[float]:
    """mwan3track of OpenWrt: the targets in turn, one ping of 4 s each, every 10 s, until one answers; 5 rounds without
    any are down, 5 with one are up again."""
    hosts = [source for source in line.sources if source.role in ("anchor", "public")]
    now, failed, answered, up = 0.0, 0, 0, True
    while now < until:
        well = False
        for host in hosts:
            rtt = link.probe(host, now)
            if rtt is not None and rtt < MWAN3_TIMEOUT_S * 1_000:
                now += rtt / 1_000
                well = True
                break
            now += MWAN3_TIMEOUT_S
        failed, answered = (0, answered + 1) if well else (failed + 1, 0)
        if up and failed >= MWAN3_DOWN:
            up = False
            yield now
        elif not up and answered >= MWAN3_UP:
            up = True
        now += MWAN3_INTERVAL_S


def pfsense(line: Line, link: Link, until: float) -> Iterator[float]:
    """dpinger with pfSense's defaults: one target, a probe every 500 ms, alarm at 20 % loss or 500 ms over a minute."""
    host = next(source for source in line.sources if source.role in ("anchor", "public"))
    period = int(DPINGER_PERIOD_S / DPINGER_EVERY_S)
    slots: deque[float | None] = deque()  # in the order of sending; None is lost
    lost, total, alarm = 0, 0.0, False
    step, waits = 0, int(DPINGER_LOST_S / DPINGER_EVERY_S)
    fresh: deque[float | None] = deque()  # not old enough to be called lost
    while step * DPINGER_EVERY_S < until:
        now = step * DPINGER_EVERY_S
        fresh.append(link.probe(host, now))
        if len(fresh) > waits:
            rtt = fresh.popleft()
            slots.append(rtt)
            lost, total = lost + (rtt is None), total + (rtt or 0.0)
            if len(slots) > period:
                old = slots.popleft()
                lost, total = lost - (old is None), total - (old or 0.0)
        if step % int(DPINGER_ALERT_S / DPINGER_EVERY_S) == 0 and slots:
            mean = total / max(1, len(slots) - lost)
            ill = lost / len(slots) >= DPINGER_LOSS or mean >= DPINGER_LATENCY_MS
            if ill and not alarm and len(slots) >= waits:
                yield now
            alarm = ill
        step += 1


def bfd(line: Line, link: Link, until: float) -> Iterator[float]:
    """BFD (RFC 5880) at 300 ms with a multiplier of 3; up again after 3 answers.

    Its peer stands where the resolver does: a router that speaks BFD never limits its answers, as targets here may.
    """
    host = next(source for source in line.sources if source.role == "dns")
    now, missed, heard, up = 0.0, 0, 0, True
    while now < until:
        if link.probe(host, now) is None:
            missed, heard = missed + 1, 0
            if up and missed >= BFD_MULTIPLIER:
                up = False
                yield now + BFD_EVERY_S
        else:
            missed, heard = 0, heard + 1
            up = up or heard >= BFD_MULTIPLIER
        now += BFD_EVERY_S


PEERS = {"mwan3": mwan3, "pfsense": pfsense, "bfd": bfd}
