"""Benchmarks: each module measures one promise and says whether it is kept. Run one with ``script/bench NAME``."""

from typing import TypedDict


class Figure(TypedDict):
    """One measured value, what was wanted of it in words, and whether it is good enough."""

    value: object
    wanted: str
    ok: bool


Figures = dict[str, Figure]
Result = tuple[Figures, list[str]]


def at_most(value: float, limit: float) -> Figure:
    """A figure that is good up to `limit`."""
    return Figure(value=round(value, 3), wanted=f"<= {limit:g}", ok=value <= limit)


def at_least(value: float, limit: float) -> Figure:
    """A figure that is good from `limit` on."""
    return Figure(value=round(value, 3), wanted=f">= {limit:g}", ok=value >= limit)


def exactly(value: object, wanted: object) -> Figure:
    """A figure that is good when it is `wanted`."""
    return Figure(value=value, wanted=f"= {wanted}", ok=value == wanted)
