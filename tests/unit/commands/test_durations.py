"""Spans of time on the command line."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.commands.durations import Duration, spoken

DAY = 86_400
SPAN = Duration(1, 7 * DAY)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("2h", 7200), ("1h30m", 5400), ("7d", 7 * DAY), ("1d1h1m1s", DAY + 3661), ("1s", 1)],
)
def test_what_is_read(text: str, seconds: float) -> None:
    """A choice for two hours would hold for two minutes."""
    assert SPAN.convert(text, None, None) == seconds


@pytest.mark.parametrize(
    "text", ["", "2", "h", "2 h", "-2h", "2.5h", "2h!", "2jam", "0s", "8d", "9999999s", "٢h", "1h\n"]
)
def test_what_is_refused(text: str) -> None:
    """A slip of the pen would be guessed at."""
    with pytest.raises(click.BadParameter):
        SPAN.convert(text, None, None)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (-5, "0 s"),
        (59.9, "59 s"),
        (60, "1 m"),
        (7200, "2 h"),
        (7265, "2 h 1 m"),
        (DAY + 59, "1 d"),
        (3 * DAY + 7200, "3 d 2 h"),
    ],
)
def test_what_is_said(seconds: float, text: str) -> None:
    """Nobody reads 7265 seconds."""
    assert spoken(seconds) == text


@given(st.integers(1, 7 * DAY))
def test_what_is_said_is_no_more_than_a_unit_off(seconds: int) -> None:
    """A span would be told longer than it is, or shorter by more than its last word leaves out."""
    told = SPAN.convert(spoken(seconds).replace(" ", ""), None, None)
    assert told <= seconds
    assert seconds - told < (3600 if seconds >= DAY else 60)
