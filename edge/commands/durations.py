"""How the commands read and say spans of time: ``90s``, ``5m``, ``2h``, ``1h30m``, ``3d``."""

from __future__ import annotations

import re
from typing import Any

import click

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_WRITTEN = re.compile(r"(?:[0-9]{1,6}[dhms])+")
_PART = re.compile(r"([0-9]+)([dhms])")


class Duration(click.ParamType[float]):
    """A span of time in seconds from `least` to `most`."""

    name = "duration"

    def __init__(self, least: float, most: float) -> None:
        self._least = least
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds that `value` says; a usage error otherwise."""
        if not isinstance(value, str):
            return float(value)
        if not _WRITTEN.fullmatch(value):
            self.fail(f"{value!r} is no span of time; write 90s, 5m, 2h, 1h30m or 3d", param, ctx)
        seconds = sum(int(count) * _UNITS[unit] for count, unit in _PART.findall(value))
        if not self._least <= seconds <= self._most:
            self.fail(f"{value!r} is not from {spoken(self._least)} to {spoken(self._most)}", param, ctx)
        return float(seconds)


def spoken(seconds: float) -> str:
    """A span of time in its two largest units: ``2 h 5 m``, ``40 s``."""
    left = int(max(0.0, seconds))
    words: list[str] = []
    for unit, size in _UNITS.items():
        if left >= size or words:
            words.append(f"{left // size} {unit}")
            left %= size
    return " ".join(word for word in words[:2] if not word.startswith("0 ")) or "0 s"
