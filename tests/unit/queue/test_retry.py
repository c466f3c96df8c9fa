"""Waits between tries, as tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.queue import retry

NOW = 1_795_305_600.0  # Sun, 22 Nov 2026 00:00:00 GMT


@pytest.mark.parametrize(
    ("attempt", "random", "retry_after_s", "wanted"),
    [
        (1, 1.0, None, 1.0),
        (1, 0.0, None, 0.0),
        (2, 1.0, None, 2.0),
        (4, 0.5, None, 4.0),
        (9, 1.0, None, 256.0),
        (10, 1.0, None, 300.0),
        (10_000, 1.0, None, 300.0),
        (0, 1.0, None, 1.0),
        (1, 0.0, 20.0, 20.0),
        (1, 1.0, 20.0, 21.0),
        (1, 0.0, 86_400.0, 300.0),
        (1, 0.0, -5.0, 0.0),
    ],
)
def test_delay(attempt: int, random: float, retry_after_s: float | None, wanted: float) -> None:
    """The ceiling does not double, is not bounded, or Retry-After is not honoured."""
    assert retry.delay(attempt, first_s=1, most_s=300, random=random, retry_after_s=retry_after_s) == wanted


@given(st.integers(0, 10**9), st.floats(0, 1), st.none() | st.floats(0, 1e9))
def test_delay_is_bounded(attempt: int, random: float, after: float | None) -> None:
    """Some wait is negative, or longer than the peer's wish and the jitter together can be."""
    assert 0 <= retry.delay(attempt, first_s=1, most_s=300, random=random, retry_after_s=after) <= 600


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (None, None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("Sun, 22 Nov 2026 00:02:00 GMT", 120.0),
        ("Sat, 21 Nov 2026 00:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2026 00:02:00", 120.0),
        ("Sun, 22 Nov 2026 00:02:00 +99999999999999", None),
        ("Sun, 22 Nov 2026 99999999999999999999:00:00 GMT", None),
        ("soon", None),
        ("-5", None),
        ("9" * 40, None),
        ("", None),
        ("\u0661\u0662", None),
        ("Sun, 99 Nov 2026 00:02:00 GMT", None),
    ],
)
def test_retry_after(header: str | None, wanted: float | None) -> None:
    """A Retry-After of RFC 9110 is misread, or nonsense crashes the box."""
    assert retry.retry_after(header, now=NOW) == wanted
