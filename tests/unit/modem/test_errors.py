from __future__ import annotations

import pytest

from edge.modem import errors


@pytest.mark.parametrize("code", [1, 8, 21, 28])
def test_permanent_errors_stay(code: int) -> None:
    """A bad number would be retried for ever."""
    assert errors.is_permanent(code)


@pytest.mark.parametrize("code", [38, 500, 513, 331, 9999, None])
def test_passing_and_unknown_errors_are_retried(code: int | None) -> None:
    """A reply would be lost because the network was busy for a moment."""
    assert not errors.is_permanent(code)


def test_no_code_is_both() -> None:
    """The table would contradict itself."""
    assert not errors.PERMANENT.keys() & errors.TRANSIENT.keys()


@pytest.mark.parametrize(
    ("code", "sentence"),
    [(38, "+CMS ERROR 38: network out of order"), (4711, "+CMS ERROR 4711: a code of this modem")],
)
def test_errors_are_described(code: int, sentence: str) -> None:
    """An engineer would have to look the number up."""
    assert errors.describe(code) == sentence
