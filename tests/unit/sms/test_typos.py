from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sms import typos

LETTERS = st.text("abcdklmstu", max_size=12)


@pytest.mark.parametrize(
    ("word", "key"),
    [
        ("sktm", "SKTM"),
        ("stkm", "SKTM"),
        ("skkm", "SKTM"),
        ("sktmm", "SKTM"),
        ("skcks", "SKCK"),
        ("domisli", "DOMISILI"),
        ("kehilngn", "HILANG"),
        ("keramean", "RAMAI"),
        ("indah", ""),
        ("cair", ""),
        ("air", ""),
        ("wati", ""),
        ("rani", ""),
        ("rabu", ""),
        ("kkk", ""),
        ("usha", ""),
        ("sekolah", ""),
        ("", ""),
        ("x" * 1_000, ""),
    ],
)
def test_only_likely_mistakes_are_forgiven(word: str, key: str) -> None:
    """A name would become a letter, or a slip of the thumb cost another SMS."""
    assert typos.forgive(word) == key


@pytest.mark.parametrize(
    ("one", "other", "edits"), [("sktm", "stkm", 1), ("abc", "abc", 0), ("abc", "", 3), ("ab", "ba", 1)]
)
def test_a_swap_is_one_edit(one: str, other: str, edits: int) -> None:
    """Neighbouring keys pressed in the wrong order would not be forgiven."""
    assert typos.distance(one, other) == edits


@given(LETTERS, LETTERS)
def test_distance_is_symmetric_and_bounded(one: str, other: str) -> None:
    """Edits would be counted wrongly."""
    edits = typos.distance(one, other)
    assert edits == typos.distance(other, one)
    assert abs(len(one) - len(other)) <= edits <= max(len(one), len(other))
    assert (edits == 0) == (one == other)
