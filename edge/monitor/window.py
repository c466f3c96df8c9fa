"""A rolling record of one uplink's probes: sent, answered, lost. Pure: every method takes `now`.

Three things a plain list of losses gets wrong are settled here. A late reply corrects a loss. A target that fails
alone is set aside and its misses are refunded, so that it cannot blame the uplink. A silence that was long enough
to be an outage ends the record: loss is counted afresh from the first answer after it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

MOST_RECORDS = 4_096
LEAST_TRIED = 3  # unanswered probes without which silence proves nothing
FAULT_MISSES = 6  # misses in a row of one target, while others answer, that make it a faulty target
GATEWAY_PATIENCE_S = 0.2  # the gateway is one hop away: an answer that takes longer is not coming


@dataclass(frozen=True, slots=True)
class Summary:
    """What the record says at one moment; the gateway's probes count only in `gateway`.

    `decided` probes were answered or lost; `loss` is their lost share, 0 to 1; `rtt_ms` the median round trip.
    `silent`: no target answered for the outage time although enough were tried. `answering_s`: seconds since targets
    began to answer (None: none has). `gateway`: it answers, is silent, or (None) has never been known to answer.
    """

    decided: int
    loss: float
    rtt_ms: float | None
    silent: bool
    answering_s: float | None
    gateway: bool | None


@dataclass(slots=True)
class _Record:
    target: str
    sent_at: float
    rtt_ms: float | None = None
    lost: bool = False

    @property
    def decided(self) -> bool:
        return self.lost or self.rtt_ms is not None


@dataclass(slots=True)
class _Target:
    counts_from: float
    misses: int = 0
    answers: int = 0
    missing_since: float = math.inf

    @property
    def faulty(self) -> bool:
        return self.counts_from == math.inf


@dataclass(slots=True)
class Window:
    """The probes of the last `span_s` seconds to `targets` and to `gateway` ("" or one not in `targets`).

    A probe is lost `timeout_s` seconds after it was sent; a reply until the record leaves the window corrects it.
    All times are seconds of one monotonic clock; memory is bounded by `MOST_RECORDS`.
    """

    targets: tuple[str, ...]
    gateway: str
    span_s: float
    timeout_s: float
    outage_s: float
    started_at: float
    _records: dict[int, _Record] = field(init=False, default_factory=dict)
    _waiting: deque[int] = field(init=False, default_factory=lambda: deque(maxlen=MOST_RECORDS))
    _states: dict[str, _Target] = field(init=False, default_factory=dict)
    _answered_at: float | None = field(init=False, default=None)
    _answering_from: float | None = field(init=False, default=None)
    _gateway_known: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        """Begin with every target trusted."""
        self.restart(now=self.started_at)

    def restart(self, *, now: float) -> None:
        """Forget every probe: the link itself changed, so nothing of before says anything of after."""
        self.started_at = now
        self._records.clear()
        self._waiting.clear()
        self._states = {target: _Target(now) for target in self.targets}
        self._answered_at = self._answering_from = None

    @property
    def faulty(self) -> frozenset[str]:
        """Targets set aside because they alone do not answer."""
        return frozenset(target for target, state in self._states.items() if state.faulty)

    def sent(self, serial: int, target: str, *, now: float) -> None:
        """Note that probe `serial` (increasing) left for `target`."""
        self._trim(now)
        self._records[serial] = _Record(target, now)
        self._waiting.append(serial)

    def answered(self, serial: int, rtt_ms: float, *, now: float) -> bool:
        """Note a reply. False when the probe is unknown, too old or answered already: then nothing changed."""
        record = self._records.get(serial)
        if record is None or record.rtt_ms is not None:
            return False
        if record.target == self.gateway:
            self._gateway_known = True
        else:
            self._revive(record, now)
        record.rtt_ms, record.lost = rtt_ms, False
        return True

    def failed(self, serial: int) -> bool:
        """Note that a probe could not leave or was refused; False when it is unknown or decided already."""
        record = self._records.get(serial)
        if record is None or record.decided:
            return False
        self._miss(record)
        return True

    def expire(self, *, now: float) -> list[str]:
        """Count as lost what was not answered in time; returns the targets of those probes."""
        lost = []
        while self._waiting:
            record = self._records.get(self._waiting[0])
            if record is not None and now - record.sent_at < self.timeout_s:
                break
            self._waiting.popleft()
            if record is not None and not record.decided:
                self._miss(record)
                lost.append(record.target)
        return lost

    def summary(self, *, now: float) -> Summary:
        """Weigh the record as it stands at `now`."""
        self._trim(now)
        since = -math.inf if self._answering_from is None else self._answering_from
        counts_from = {target: max(state.counts_from, since) for target, state in self._states.items()}
        trips, lost = [], 0
        for record in self._records.values():
            if record.sent_at >= counts_from.get(record.target, math.inf):
                if record.rtt_ms is not None:
                    trips.append(record.rtt_ms)
                else:
                    lost += record.lost
        decided = len(trips) + lost
        return Summary(
            decided=decided,
            loss=lost / decided if decided else 0.0,
            rtt_ms=median(trips) if trips else None,
            silent=self._silent(now),
            answering_s=None if self._answering_from is None else now - self._answering_from,
            gateway=self._gateway_answers(now),
        )

    def _trim(self, now: float) -> None:
        oldest = now - self.span_s - self.timeout_s
        while self._records:
            serial = next(iter(self._records))
            if self._records[serial].sent_at >= oldest and len(self._records) <= MOST_RECORDS:
                return
            del self._records[serial]

    def _revive(self, record: _Record, now: float) -> None:
        if self._answering_from is None or self._silent(now):
            self._answering_from = now if record.lost else record.sent_at
        self._answered_at = now
        state = self._states[record.target]
        state.misses = 0
        state.answers += 1
        if state.faulty and state.answers >= FAULT_MISSES:
            state.counts_from = now

    def _miss(self, record: _Record) -> None:
        record.lost = True
        state = self._states.get(record.target)
        if state is None:
            return
        state.answers = 0
        state.misses += 1
        if state.misses == 1:
            state.missing_since = record.sent_at
        if state.misses >= FAULT_MISSES and not state.faulty and self._others_answer(record.target, state):
            state.counts_from = math.inf

    def _others_answer(self, target: str, state: _Target) -> bool:
        """Most probes to other targets of the same time were answered: the fault lies with `target`."""
        others = [
            record.rtt_ms is not None
            for record in self._records.values()
            if record.decided
            and record.sent_at >= state.missing_since
            and record.target not in (target, self.gateway)
            and not self._states[record.target].faulty
        ]
        return sum(others) * 2 > len(others)

    def _silent(self, now: float) -> bool:
        last = self.started_at if self._answered_at is None else self._answered_at
        if now - last < self.outage_s:
            return False
        patience = min(self.timeout_s, self.outage_s / 2)
        tried = 0
        for record in self._latest():
            if record.sent_at < last or tried >= LEAST_TRIED:
                break
            state = self._states.get(record.target)
            tried += state is not None and not state.faulty and (record.lost or now - record.sent_at >= patience)
        return tried >= LEAST_TRIED

    def _gateway_answers(self, now: float) -> bool | None:
        for record in self._latest():
            if record.target == self.gateway and (record.decided or now - record.sent_at >= GATEWAY_PATIENCE_S):
                return True if record.rtt_ms is not None else (False if self._gateway_known else None)
        return None

    def _latest(self) -> Iterable[_Record]:
        return reversed(self._records.values())
