"""Level and cause as tables of steps: (time, signs) -> what is said."""

from __future__ import annotations

import pytest

from edge.config import Monitor
from edge.monitor.judge import MOST_RISES, Judge, Signs
from edge.monitor.verdict import Obstacle

SETTINGS = Monitor(outage_s=2.5, rise_s=10)
WELL = Signs(answering_s=100.0)
SILENT = Signs("beyond-gateway")
LOSSY = Signs(answering_s=100.0, bad=("lossy",), doubts=("lossy",))
DOUBTFUL = Signs(answering_s=100.0, doubts=("lossy",))
BOTH = Signs(answering_s=100.0, bad=("slow", "lossy"), doubts=("slow", "lossy"))
CAPTIVE = Signs("gateway", captive=True)
FAULT = Signs(answering_s=100.0, well="target-fault")
NONE: Obstacle = ""

Step = tuple[float, Signs | Obstacle, str]
TABLES: dict[str, list[Step]] = {
    "unknown before the first answer, then up at once": [
        (0, Signs(), "down starting"),
        (1, Signs(answering_s=0.0), "up"),
    ],
    "never answered": [(0, Signs(), "down starting"), (3, Signs("no-reply"), "down no-reply")],
    "silence is told at once, the return is held": [
        (0, WELL, "up"),
        (5, SILENT, "down beyond-gateway"),
        (8, Signs(answering_s=0.1), "down beyond-gateway"),
        (10, Signs(answering_s=2.4), "down beyond-gateway"),
        (10.2, Signs(answering_s=2.5), "up"),
    ],
    "a doubtful return is degraded": [
        (0, WELL, "up"),
        (5, SILENT, "down beyond-gateway"),
        (10, Signs(answering_s=3.0, doubts=("delayed",)), "degraded delayed"),
    ],
    "degraded ends after good seconds without a doubt": [
        (0, WELL, "up"),
        (1, LOSSY, "degraded lossy"),
        (2, WELL, "degraded lossy"),
        (8, DOUBTFUL, "degraded lossy"),
        (9, WELL, "degraded lossy"),
        (18.9, WELL, "degraded lossy"),
        (19, WELL, "up"),
    ],
    "a relapse doubles the rise, and is forgotten": [
        (0, WELL, "up"),
        (1, LOSSY, "degraded lossy"),
        (2, WELL, "degraded lossy"),
        (12, WELL, "up"),
        (611, LOSSY, "degraded lossy"),
        (612, WELL, "degraded lossy"),
        (631, WELL, "degraded lossy"),
        (632, WELL, "up"),
        (1_231, SILENT, "down beyond-gateway"),
        (1_240, Signs(answering_s=3.0), "up"),
        (1_241, LOSSY, "degraded lossy"),
        (1_242, WELL, "degraded lossy"),
        (1_252, WELL, "up"),
    ],
    "the cause stays while its own figure is bad": [
        (0, WELL, "up"),
        (1, LOSSY, "degraded lossy"),
        (2, BOTH, "degraded lossy"),
        (3, Signs(answering_s=9.0, doubts=("slow",)), "degraded slow"),
    ],
    "doubts alone do not degrade": [(0, WELL, "up"), (1, DOUBTFUL, "up")],
    "a captive portal explains a silence": [(0, WELL, "up"), (1, CAPTIVE, "down captive-portal")],
    "a target's own fault is up": [(0, WELL, "up"), (1, FAULT, "up target-fault"), (2, WELL, "up")],
    "obstacles come first": [
        (0, WELL, "up"),
        (1, "carrier", "down carrier"),
        (2, "no-privilege", "degraded no-privilege"),
        (3, "no-device", "down no-device"),
        (4, Signs(), "down no-device"),
    ],
}


def test_the_rise_is_bounded() -> None:
    """A line that was restless all day would be called degraded all night."""
    judge = Judge(SETTINGS)
    now = 0.0
    for _ in range(50):
        judge.judge(WELL, now=now)
        judge.judge(LOSSY, now=now + 1)
        judge.judge(WELL, now=now + 2)
        now += 2 + MOST_RISES * SETTINGS.rise_s
        judge.judge(WELL, now=now)
        assert judge.level == "up"


@pytest.mark.parametrize("steps", TABLES.values(), ids=TABLES)
def test_steps(steps: list[Step]) -> None:
    """A verdict would come too early, too late, or with another cause."""
    judge = Judge(SETTINGS)
    before = "down starting"
    for now, signs, said in steps:
        told, obstacle = (WELL, signs) if isinstance(signs, str) else (signs, NONE)
        changed = judge.judge(told, obstacle, now=now)
        assert f"{judge.level} {judge.cause}".strip() == said, now
        assert changed == (said != before)
        before = said
