"""Whether a scan gets on, as a table of answers."""

from __future__ import annotations

import pytest

from edge.queue.headway import ANSWERS_MOST, LEAST, Headway

KB = 1 << 10


@pytest.mark.parametrize(
    ("answers", "stuck"),
    [
        ([64 * KB * n for n in range(1, 400)], False),
        ([LEAST // 4 * n for n in range(1, 400)], False),
        (list(range(1, ANSWERS_MOST)), False),
        (list(range(1, ANSWERS_MOST + 1)), True),
        ([0] * (ANSWERS_MOST - 1), False),
        ([0] * ANSWERS_MOST, True),
        ([1 << 20, 0, *(64 * KB * n for n in range(1, 17))], False),
        ([1 << 20, 0] * 8, True),
    ],
)
def test_answers(answers: list[int], stuck: bool) -> None:
    """A portal that keeps nothing is fed without end, or one that is merely slow is called stuck."""
    headway = Headway(0)
    assert [headway.stuck(sent) for sent in answers][-1] is stuck
