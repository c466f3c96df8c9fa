"""Link conditions with seeds: a healthy month with everything that healthy lines do, and one fault after a calm start.

A healthy line loses 0.5 to 2 % of its packets, now each alone, now in bursts of up to 1.5 s; its round trip grows by
up to 150 ms every working day; and now and then a host limits its answers, so that it alone loses 30 to 70 %.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from heapq import merge

from edge.rehearsal.conditions import Condition
from edge.rehearsal.link import SPREAD
from edge.rehearsal.scene import ANYONE, Line

HOUR_S, DAY_S = 3_600.0, 86_400.0
MONDAY = "2026-10-05T00:00+07:00"
CONGESTION_MS = 150.0
LONGEST_BURST_S = 1.5
_BURSTS_A_DAY = 30
_LIMITED_A_DAY = 3
_LIMITED_HOSTS = (1, 1, 1, 2)


def healthy(line: Line, seed: int, days: float) -> list[Condition]:
    """The conditions of a healthy `line` for `days`, from Monday 00 h on."""
    draw = random.Random(f"healthy:{seed}:{line.name}")
    rtt_ms, worst_ms = draw.uniform(8, 40), draw.uniform(60, CONGESTION_MS)
    states = merge(_weather(line, draw, days, rtt_ms, worst_ms), key=_start)
    limits = sorted(_limits(line, draw, days), key=lambda limit: limit[0])
    bursts = sorted(draw.uniform(0, days * DAY_S) for _ in range(int(_BURSTS_A_DAY * days)))
    return _woven(line, list(states), limits, [(at, draw.uniform(0.1, LONGEST_BURST_S)) for at in bursts])


def _start(row: Condition) -> float:
    return row.start_s


def _weather(line: Line, draw: random.Random, days: float, rtt_ms: float, worst_ms: float) -> Iterator[Condition]:
    """A row for every ten minutes or so: loss of the hour, congestion of the time of day."""
    now, loss, burst_s = 0.0, 0.01, 0.0
    change_at = 0.0
    while now < days * DAY_S:
        if now >= change_at:
            loss = draw.uniform(0.005, 0.02)
            burst_s = draw.choice((0.0, 0.0, draw.uniform(0.2, LONGEST_BURST_S / SPREAD[1])))
            change_at = now + draw.uniform(1, 8) * HOUR_S
        busy = _busy(now)
        yield Condition(
            now,
            line.name,
            ANYONE,
            loss=loss,
            burst_s=burst_s,
            rtt_ms=rtt_ms + worst_ms * busy,
            jitter_ms=2 + 25 * busy * draw.uniform(0.5, 1.0),
        )
        now += draw.uniform(300, 900)


def _busy(now: float) -> float:
    """How congested the line is, 0 to 1: in the hours of work, Monday to Friday."""
    hour, weekday = now % DAY_S / HOUR_S, int(now // DAY_S) % 7
    if weekday >= 5 or not 8 <= hour <= 15:
        return 0.0
    return math.sqrt(math.sin(math.pi * (hour - 8) / 7))


def _limits(line: Line, draw: random.Random, days: float) -> Iterator[tuple[float, float, str, float]]:
    """From when to when which host limits its answers, and the share it leaves out."""
    hosts = [target for target in line.targets() if target not in (ANYONE, "http", "dns")]
    for _ in range(int(_LIMITED_A_DAY * days)):
        begins = draw.uniform(0, days * DAY_S)
        for host in draw.sample(hosts, draw.choice(_LIMITED_HOSTS)):
            yield begins, begins + draw.uniform(0.5, 6) * HOUR_S, host, draw.uniform(0.3, 0.7)


def _woven(
    line: Line,
    states: list[Condition],
    limits: list[tuple[float, float, str, float]],
    bursts: list[tuple[float, float]],
) -> list[Condition]:
    """One list of rows: a later row for all ends what was said of one host, so that is said again after each."""
    moments: list[tuple[float, int, Condition | float | None]] = [(row.start_s, 0, row) for row in states]
    moments += [(at, 1, None) for begins, ends, _, _ in limits for at in (begins, ends)]
    moments += [(at, 2, seconds) for at, seconds in bursts]
    rows: list[Condition] = []
    state, dead_until = Condition(0.0, line.name, ANYONE), 0.0
    moments.sort(key=lambda moment: moment[:2])
    for at, _, what in moments:
        if isinstance(what, Condition):
            state = what
        if isinstance(what, float) and not state.burst_s:
            dead_until = at + what
            rows.append(replace(state, start_s=at, loss=1.0, burst_s=0.0))
            rows += _now(state, line, limits, dead_until)
        elif what is None or isinstance(what, Condition):
            at = max(at, dead_until)
            rows += _now(state, line, limits, at)
    return sorted(rows, key=_start)


def _now(state: Condition, line: Line, limits: list[tuple[float, float, str, float]], at: float) -> Iterator[Condition]:
    yield replace(state, start_s=at)
    for begins, ends, host, loss in limits:
        if begins <= at < ends:
            yield replace(state, start_s=at, uplink=line.name, target=host, loss=loss, burst_s=0.0)


Fault = Callable[[Condition, Line], list[Condition]]


def with_fault(line: Line, seed: int, fault: Fault, *, demand: float = 0.0) -> tuple[float, list[Condition]]:
    """When the fault begins, and the rows: 15 to 20 healthy minutes, then the fault. `demand`: of the contract."""
    draw = random.Random(f"fault:{seed}:{line.name}")
    state = Condition(
        0.0,
        line.name,
        ANYONE,
        loss=draw.uniform(0.005, 0.02),
        rtt_ms=draw.uniform(8, 60),
        jitter_ms=draw.uniform(1, 8),
        offered_mbit=demand * draw.uniform(0.5, 0.9) * line.contract_mbit[0],
    )
    begins = draw.uniform(900, 1_200)
    return begins, [state, *fault(replace(state, start_s=begins), line)]


def dead(state: Condition, _: Line) -> list[Condition]:
    """Nothing passes any more, not even to the gateway."""
    return [replace(state, loss=1.0)]


def beyond(state: Condition, _: Line) -> list[Condition]:
    """Nothing passes beyond the gateway, which still answers."""
    return [replace(state, loss=1.0), replace(state, target="gateway", loss=0.0)]


def lossy(share: float) -> Fault:
    """Each packet is lost by that chance."""
    return lambda state, _: [replace(state, loss=share)]


def delayed(more_ms: float) -> Fault:
    """Every round trip takes so much longer."""
    return lambda state, _: [replace(state, rtt_ms=state.rtt_ms + more_ms)]


def slow(share: float) -> Fault:
    """The rate falls to that share of the contract."""
    return lambda state, line: [replace(state, rate_mbit=share * line.contract_mbit[0])]


def silent_target(state: Condition, line: Line) -> list[Condition]:
    """One of the targets dies for good."""
    hosts = [source.name for source in line.sources if source.role in ("anchor", "public")]
    return [replace(state, target=hosts[int(state.start_s * 1_000) % len(hosts)], loss=1.0)]
