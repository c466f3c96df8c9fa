"""The usual round trip of each source, learned by the hour of the week. Pure.

A floor that falls quickly and rises over days, so that a bad evening is not learned as usual; and over it, for each
hour of the week, how much that hour is usually above the floor, at most `MOST_RISE` of the rise that degrades: a
village may know that its mornings are slow, but no habit hides a rise of a quarter more.
"""

from __future__ import annotations

from typing import Any

HOURS = 168
MOST_SOURCES = 64
MOST_RISE = 0.25
MOST_MS = 60_000.0
EVERY_S = 10.0  # one median in so many seconds is learned
_FALL, _RISE, _RISE_AT_FIRST = 0.2, 0.0001, 0.05
_AT_FIRST = 60  # medians, 10 minutes, in which the floor is still sought
_HOUR_SHARE = 0.0025  # of one median in an hour already known: a week's 360 of them count for six tenths


class _Usual:
    __slots__ = ("floor", "hours", "seen")

    def __init__(self, floor: float, seen: int) -> None:
        self.floor, self.seen = floor, seen
        self.hours: dict[int, float] = {}


class Baseline:
    """Usual round trips in ms by source; bounded, and tolerant of rubbish where it is read back."""

    def __init__(self) -> None:
        self._usual: dict[str, _Usual] = {}

    @classmethod
    def load(cls, dumped: object) -> Baseline:
        """The baseline that `dump` gave; whatever of it makes no sense is left out."""
        baseline = cls()
        sources = dumped.get("sources") if isinstance(dumped, dict) else None
        for name, found in list(sources.items())[:MOST_SOURCES] if isinstance(sources, dict) else ():
            if not isinstance(name, str) or not isinstance(found, dict) or not _is_ms(found.get("floor_ms")):
                continue
            seen = found.get("seen")
            usual = _Usual(float(found["floor_ms"]), min(seen, _AT_FIRST) if type(seen) is int and seen > 0 else 1)
            hours = found.get("hours_ms")
            for hour, value in list(hours.items())[:HOURS] if isinstance(hours, dict) else ():
                if isinstance(hour, str) and hour.isdecimal() and int(hour) < HOURS and _is_ms(value):
                    usual.hours[int(hour)] = float(value)
            baseline._usual[name] = usual
        return baseline

    @property
    def known(self) -> bool:
        """Has anything been learned?"""
        return bool(self._usual)

    def dump(self) -> dict[str, Any]:
        """All of it, as JSON can carry it."""
        return {
            "sources": {
                name: {
                    "floor_ms": round(usual.floor, 2),
                    "seen": usual.seen,
                    "hours_ms": {str(hour): round(value, 2) for hour, value in sorted(usual.hours.items())},
                }
                for name, usual in self._usual.items()
            }
        }

    def usual(self, source: str, hour_of_week: int | None, most_rise_ms: float) -> float | None:
        """The usual round trip of `source` in ms, at most `most_rise_ms` over its floor; None while unknown."""
        usual = self._usual.get(source)
        if usual is None:
            return None
        hour = usual.hours.get(hour_of_week, 0.0) if hour_of_week is not None else 0.0
        return min(max(usual.floor, hour), usual.floor + most_rise_ms)

    def learn(self, source: str, rtt_ms: float, hour_of_week: int | None) -> None:
        """Take a median round trip of `EVERY_S` seconds in which the uplink was well."""
        usual = self._usual.get(source)
        if usual is None:
            if len(self._usual) >= MOST_SOURCES:
                del self._usual[next(iter(self._usual))]
            usual = self._usual[source] = _Usual(rtt_ms, 0)
        rise = _RISE_AT_FIRST if usual.seen < _AT_FIRST else _RISE
        usual.floor += (rtt_ms - usual.floor) * (_FALL if rtt_ms < usual.floor else rise)
        usual.seen = min(usual.seen + 1, _AT_FIRST)
        if hour_of_week is not None:
            known = usual.hours.get(hour_of_week)
            usual.hours[hour_of_week] = rtt_ms if known is None else known + (rtt_ms - known) * _HOUR_SHARE


def _is_ms(value: object) -> bool:
    return isinstance(value, (int, float)) and 0 <= value <= MOST_MS  # no comparison holds for NaN
