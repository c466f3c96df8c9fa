"""The usual round trip of each source, learned by the hour of the week. Pure.

Skeleton: one slow average a source; the slots by hour of week follow.
"""

from __future__ import annotations

import math
from typing import Any


class Baseline:
    """Usual round trips in ms by source; bounded, and tolerant of rubbish where it is read back."""

    def __init__(self) -> None:
        self._usual: dict[str, float] = {}

    @classmethod
    def load(cls, dumped: object) -> Baseline:
        """The baseline that `dump` gave; whatever of it makes no sense is left out."""
        baseline = cls()
        usual = dumped.get("usual") if isinstance(dumped, dict) else None
        for name, value in list(usual.items())[:64] if isinstance(usual, dict) else ():
            if isinstance(name, str) and isinstance(value, (int, float)) and math.isfinite(value) and value >= 0:
                baseline._usual[name] = float(value)
        return baseline

    def dump(self) -> dict[str, Any]:
        """All of it, as JSON can carry it."""
        return {"usual": {name: round(value, 2) for name, value in self._usual.items()}}

    def usual(self, source: str) -> float | None:
        """The usual round trip of `source` in ms, None while it is not known."""
        return self._usual.get(source)
