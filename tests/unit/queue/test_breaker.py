"""The breaker as a table of steps."""

from __future__ import annotations

import pytest

from edge.queue.breaker import HASTE_GAP_S, Breaker, State

Step = tuple[float, str, State, float]


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(
            [(0, "look", "closed", 0), (0, "fail", "closed", 8), (8, "look", "closed", 0), (8, "answer", "closed", 0)],
            id="a single failure waits, and says nothing yet",
        ),
        pytest.param(
            [
                (0, "fail", "closed", 8),
                (8, "fail", "closed", 8),
                (16, "fail", "open", 8),
                (23, "look", "open", 1),
                (24, "look", "half-open", 0),
                (24, "fail", "open", 8),
                (32, "answer", "closed", 0),
                (33, "fail", "closed", 8),
            ],
            id="open after three, half-open when its wait is over, closed by one answer",
        ),
        pytest.param(
            [(0, "fail", "closed", 8), (1, "hasten", "closed", HASTE_GAP_S - 1), (6, "hasten", "closed", 0)],
            id="a reason to try sooner does not hammer",
        ),
        pytest.param([(0, "hasten", "closed", 0)], id="nothing to hasten"),
        pytest.param([(0, "fail", "closed", 8), (1, "answer", "closed", 0)], id="an answer ends the wait"),
    ],
)
def test_steps(steps: list[Step]) -> None:
    """A dead way would be hammered, or one that came back be left alone."""
    breaker = Breaker()
    for at, what, state, left_s in steps:
        if what == "fail":
            breaker.failed(now=at, wait_s=8)
        elif what == "answer":
            breaker.answered()
        elif what == "hasten":
            breaker.hasten(now=at)
        assert (breaker.state(now=at), breaker.left_s(now=at)) == (state, left_s), (at, what)
