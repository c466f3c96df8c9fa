"""Roll-ups: what a minute, an hour or a month of an uplink comes to. Pure sums, so that minutes add up to months.

Round trips are counted in fixed logarithmic buckets: eight to the octave from 1 ms to 16 s, so that a percentile read
from merged counts is at most 9% off. Jitter is the mean difference of successive round trips to the same target
(RFC 3550 section 6.4.1, without its smoothing). Peak rates are means over ten seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

from edge.events import Level

UNMEASURED = frozenset({"starting", "no-privilege", "no-device"})
PEAK_OVER_S = 10.0
_PER_OCTAVE = 8
_LAST = 14 * _PER_OCTAVE + 1


def measured(level: Level, cause: str) -> Level | None:
    """What a verdict says of the provider; None where the box itself could not look."""
    return None if cause in UNMEASURED else level


def counted(target: str) -> bool:
    """Whether a probe's target says something of the way through the provider's network: no gateway, no service."""
    return target not in ("gateway", "http") and not target.startswith("dns:")


def bucket(rtt_ms: float) -> int:
    """The number of the bucket that holds a round trip: 0 under 1 ms, then eight to the octave."""
    return 0 if rtt_ms < 1 else min(_LAST, 1 + int(math.log2(rtt_ms) * _PER_OCTAVE))


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """The round trip in ms that `share` (0 to 1) of the counted ones do not exceed; None without any."""
    rank = share * sum(counts.values())
    passed = 0
    for place in sorted(counts):
        if passed + counts[place] >= rank and counts[place]:
            within = (rank - passed) / counts[place]
            low: float = 2 ** ((place - 1) / _PER_OCTAVE)
            return low * 2 ** (within / _PER_OCTAVE) if place else within
        passed += counts[place]
    return None


def pack(counts: Mapping[int, int]) -> bytes:
    """Bucket counts as bytes: number of the bucket, then its count in groups of seven bits (LEB128)."""
    packed = bytearray()
    for place in sorted(counts):
        packed.append(place)
        count = counts[place]
        while count > 0x7F:
            packed.append(count & 0x7F | 0x80)
            count >>= 7
        packed.append(count)
    return bytes(packed)


def unpack(packed: bytes) -> dict[int, int]:
    """The bucket counts in `packed`; what is cut off or no bucket is left out."""
    counts: dict[int, int] = {}
    place, count, shift = -1, 0, 0
    for byte in packed:
        if place < 0:
            place, count, shift = byte, 0, 0
            continue
        count |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if place <= _LAST:
                counts[place] = counts.get(place, 0) + count
            place = -1
    return counts


@dataclass(slots=True)
class Figures:
    """Sums over a span of time. Times in ms, jitter in µs, peaks in kbit/s; the service's times are part of the whole.

    `lost` of a single minute may be negative: an answer came late to a probe counted as lost in the minute before.
    """

    up_ms: int = 0
    degraded_ms: int = 0
    down_ms: int = 0
    service_up_ms: int = 0
    service_degraded_ms: int = 0
    service_down_ms: int = 0
    probes: int = 0
    lost: int = 0
    jitter_us: int = 0
    jitter_count: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0
    metered_ms: int = 0
    peak_received_kbit: int = 0
    peak_sent_kbit: int = 0
    latency: dict[int, int] = field(default_factory=dict)

    @property
    def measured_ms(self) -> int:
        """How long the uplink was judged at all."""
        return self.up_ms + self.degraded_ms + self.down_ms

    @property
    def service_ms(self) -> int:
        """How long of that was in service hours."""
        return self.service_up_ms + self.service_degraded_ms + self.service_down_ms

    @property
    def loss(self) -> float | None:
        """Share of probes lost, 0 to 1; None without probes."""
        return min(1.0, max(0, self.lost) / self.probes) if self.probes > 0 else None

    @property
    def jitter_ms(self) -> float | None:
        """Mean difference of successive round trips; None without two."""
        return self.jitter_us / self.jitter_count / 1_000 if self.jitter_count else None

    def add(self, other: Figures) -> None:
        """Take in another span: sums add up, peaks take the higher."""
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in PEAKS:
            setattr(self, name, max(getattr(self, name), getattr(other, name)))
        for place, count in other.latency.items():
            self.latency[place] = self.latency.get(place, 0) + count

    def in_service(self) -> Figures:
        """The same span, all of it in service hours."""
        self.service_up_ms, self.service_degraded_ms = self.up_ms, self.degraded_ms
        self.service_down_ms = self.down_ms
        return self

    def values(self) -> tuple[int | bytes, ...]:
        """The values of `COLUMNS`, in their order."""
        return (*(getattr(self, name) for name in COLUMNS[:-1]), pack(self.latency))

    @classmethod
    def load(cls, values: Sequence[Any]) -> Self:
        """The figures of values in the order of `COLUMNS`."""
        figures = cls(*values)
        figures.latency = unpack(values[-1])
        return figures


COLUMNS = tuple(each.name for each in fields(Figures))
PEAKS = ("peak_received_kbit", "peak_sent_kbit")
SUMS = tuple(name for name in COLUMNS if name not in PEAKS and name != "latency")


def total(spans: Iterable[Figures]) -> Figures:
    """All of them as one."""
    whole = Figures()
    for span in spans:
        whole.add(span)
    return whole


class Ledger:
    """Counts one uplink's present minute, by monotonic time alone."""

    def __init__(self, *, now: float) -> None:
        self.level: Level | None = None
        self._since = now
        self._seconds = {"up": 0.0, "degraded": 0.0, "down": 0.0}
        self._figures = Figures()
        self._jitter_ms = self._metered_s = 0.0
        self._latest: dict[str, float] = {}
        self._span = [0.0, 0, 0]

    def judged(self, level: Level | None, *, now: float) -> None:
        """From now on the uplink is at `level`; None: nobody knows."""
        if self.level is not None:
            self._seconds[self.level] += max(0.0, now - self._since)
        self.level, self._since = level, now

    def probed(self, target: str, rtt_ms: float | None, *, late: bool = False) -> None:
        """A probe ended; `rtt_ms` is None when it was lost, `late` when it had been counted as lost."""
        figures = self._figures
        if late:
            figures.lost -= 1
        else:
            figures.probes += 1
        if rtt_ms is None:
            figures.lost += 1
            return
        place = bucket(rtt_ms)
        figures.latency[place] = figures.latency.get(place, 0) + 1
        before = self._latest.get(target)
        self._latest[target] = rtt_ms
        if before is not None:
            self._jitter_ms += abs(rtt_ms - before)
            figures.jitter_count += 1

    def carried(self, received_bytes: int, sent_bytes: int, seconds: float) -> None:
        """What the device carried in the last `seconds`; counters that went back say nothing."""
        if seconds <= 0 or received_bytes < 0 or sent_bytes < 0:
            return
        figures, span = self._figures, self._span
        figures.received_bytes += received_bytes
        figures.sent_bytes += sent_bytes
        self._metered_s += seconds
        span[0] += seconds
        span[1] += received_bytes
        span[2] += sent_bytes
        if span[0] >= PEAK_OVER_S:
            figures.peak_received_kbit = max(figures.peak_received_kbit, round(span[1] / span[0] / 125))
            figures.peak_sent_kbit = max(figures.peak_sent_kbit, round(span[2] / span[0] / 125))
            self._span = [0.0, 0, 0]

    def close(self, *, now: float) -> Figures:
        """End the present minute and begin the next."""
        self.judged(self.level, now=now)
        figures = self._figures
        figures.up_ms, figures.degraded_ms, figures.down_ms = (int(s * 1_000) for s in self._seconds.values())
        figures.jitter_us, figures.metered_ms = round(self._jitter_ms * 1_000), int(self._metered_s * 1_000)
        self._figures, self._latest = Figures(), {}
        self._seconds = dict.fromkeys(self._seconds, 0.0)
        self._jitter_ms = self._metered_s = 0.0
        return figures
