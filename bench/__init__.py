"""Benchmarks: each module measures one promise and says whether it is kept. Run one with ``script/bench NAME``."""

import math
from typing import TypedDict


class Figure(TypedDict):
    """One measured value, what was wanted of it in words, and whether it is good enough."""

    value: object
    wanted: str
    ok: bool


Figures = dict[str, Figure]
Result = tuple[Figures, list[str]]


def at_most(value: float, limit: float) -> Figure:
    """A figure that is good up to `limit`; infinity, for what did not happen at all, has no value."""
    return Figure(value=_number(value), wanted=f"<= {limit:g}", ok=value <= limit)


def at_least(value: float, limit: float) -> Figure:
    """A figure that is good from `limit` on."""
    return Figure(value=_number(value), wanted=f">= {limit:g}", ok=value >= limit)


def exactly(value: object, wanted: object) -> Figure:
    """A figure that is good when it is `wanted`."""
    return Figure(value=value, wanted=f"= {wanted}", ok=value == wanted)


def _number(value: float) -> float | None:
    """What JSON can carry (RFC 8259, 6: neither infinity nor NaN)."""
    return round(value, 3) if math.isfinite(value) else None
