"""Whether a scan gets on at an upstream that says it takes its pieces. Pure.

A portal may say yes to every piece and keep a byte of each, or forget all of it time and again: the month's traffic
would go there. So several answers together must bring it on by what a single piece has, and it may not fall back often.
"""

from __future__ import annotations

LEAST = 64 << 10
ANSWERS_MOST = 8
FALLS_MOST = 8


class Headway:
    """Follows how many bytes the upstream says it has, from `start` on."""

    def __init__(self, start: int) -> None:
        self._mark = start
        self._answers = 0
        self._falls = 0

    def stuck(self, sent: int) -> bool:
        """Take an answer in; whether it is time to stop."""
        self._answers += 1
        if sent >= self._mark + LEAST:
            self._mark, self._answers = sent, 0
        elif sent < self._mark:
            self._mark = sent
            self._falls += 1
        return self._answers >= ANSWERS_MOST or self._falls >= FALLS_MOST
