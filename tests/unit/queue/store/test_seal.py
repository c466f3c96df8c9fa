"""Sealing and digests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.queue.store.seal import Seal, SealBroken

SEAL = Seal(bytes(range(32)))
OTHER = Seal(bytes(32))


@given(st.text(), st.text())
def test_round_trip(text: str, context: str) -> None:
    """Some text does not come back."""
    assert SEAL.open(SEAL.seal(text, context), context) == text


def test_sealed_text_shows_nothing_and_never_repeats() -> None:
    """The file shows a NIK, or that two rows hold the same one."""
    first, second = SEAL.seal("3510152306089909", "row"), SEAL.seal("3510152306089909", "row")
    assert b"3510" not in first
    assert first != second


@pytest.mark.parametrize("where", [0, 5, 15, -1])
def test_damage_is_noticed(where: int) -> None:
    """A flipped bit gives a villager another name."""
    blob = bytearray(SEAL.seal("SITI", "row"))
    blob[where] ^= 1
    with pytest.raises(SealBroken):
        SEAL.open(bytes(blob), "row")


def test_another_row_or_key_does_not_open() -> None:
    """A sealed value moved to another row passes for that row's own."""
    blob = SEAL.seal("SITI", "row one")
    with pytest.raises(SealBroken, match="row two"):
        SEAL.open(blob, "row two")
    with pytest.raises(SealBroken, match="wrong store-key"):
        OTHER.open(blob, "row one")
    with pytest.raises(SealBroken):
        SEAL.open(b"", "row one")


def test_digest_finds_equals_of_one_context_only() -> None:
    """A look-up misses, or a phone number is found as a NIK, or without the key."""
    digest = SEAL.digest("1", "nik")
    assert digest == SEAL.digest("1", "nik")
    assert len({digest, SEAL.digest("2", "nik"), SEAL.digest("1", "phone"), OTHER.digest("1", "nik")}) == 4
    assert len(digest) == 16


def test_a_short_key_is_a_clear_sentence() -> None:
    """A truncated credential weakens every row in silence."""
    with pytest.raises(ValueError, match="store-key is 16 bytes: 32 are needed"):
        Seal(bytes(16))


def test_a_number_is_found_by_one_digest_and_never_by_a_niks() -> None:
    """A limit would not see the replies that another table holds, or a NIK be taken for a number."""
    assert SEAL.phone("+6281234567001") == SEAL.phone("+6281234567001") != SEAL.phone("+6281234567002")
    assert SEAL.phone("3510152306089909") != SEAL.digest("3510152306089909", "nik")
    assert SEAL.phone("+6281234567001") != OTHER.phone("+6281234567001")
