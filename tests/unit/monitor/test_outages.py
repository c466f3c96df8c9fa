"""Outages: how verdicts become episodes with a begin, an end and a cause."""

from __future__ import annotations

import pytest

from edge.events import Level
from edge.monitor.outages import Outage, Outages

Step = tuple[float, Level | None, str]
Told = tuple[str, float, float, str, str]


def play(*steps: Step) -> tuple[list[Told], Outages]:
    outages = Outages()
    ended: list[Outage] = []
    for now, level, cause in steps:
        changed = outages.judged("pde", level, cause, now=now, wall=1_000 + now)
        ended += [each for each in changed if each.ended is not None]
    return [(o.level, o.began, o.ended or 0, o.cause(now=99), o.ended_by) for o in ended], outages


CASES: list[tuple[tuple[Step, ...], list[Told]]] = [
    (((0, "up", ""), (10, "up", "no-targets")), []),
    (((5, "down", "gateway"), (9, "up", "")), [("down", 5, 9, "gateway", "recovered")]),
    (
        ((5, "down", "carrier"), (6, "down", "gateway"), (20, "down", "carrier"), (22, "up", "")),
        [("down", 5, 22, "gateway", "recovered")],
    ),
    (
        ((5, "degraded", "lossy"), (8, "down", "no-reply"), (20, "degraded", "lossy"), (30, "up", "")),
        [
            ("degraded", 5, 8, "lossy", "down"),
            ("down", 8, 20, "no-reply", "degraded"),
            ("degraded", 20, 30, "lossy", "recovered"),
        ],
    ),
    (((5, "down", "carrier"), (7, None, "no-device")), [("down", 5, 7, "carrier", "no-device")]),
]


@pytest.mark.parametrize(("steps", "wanted"), CASES)
def test_verdicts_become_episodes(steps: tuple[Step, ...], wanted: list[Told]) -> None:
    """An outage would be split, doubled, or told with a cause that held for a second."""
    assert play(*steps)[0] == wanted


def test_one_that_lasts_stays_open() -> None:
    """The page and the report would not know what is broken now."""
    _, outages = play((5, "down", "gateway"), (6, "down", "beyond-gateway"))
    current = outages.open["pde"]
    assert current.ended is None
    assert current.cause(now=6.5) == "gateway"
    assert current.cause(now=60) == "beyond-gateway"
