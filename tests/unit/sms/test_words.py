from __future__ import annotations

from edge.sms import letters, words


def test_no_letter_is_noise() -> None:
    """A letter's own word would be skipped as a greeting."""
    names = {phrase[0] for phrase in letters.phrases() if len(phrase) == 1}
    assert not names & words.NOISE


def test_every_phrase_is_lower_case_and_short() -> None:
    """A phrase of the vocabulary could never match."""
    assert all(word == word.lower() for phrase in words.ROLES for word in phrase)
    assert words.LONGEST_PHRASE <= 4


def test_a_label_wins_over_the_letter_in_it() -> None:
    """'tgl lahir' would ask for a birth letter, 'no ktp' for a card."""
    assert words.ROLES[("tgl", "lahir")][0] == "ignore"
    assert words.ROLES[("no", "ktp")][0] == "nik"
    assert words.ROLES[("beda", "nama")] == ("letter", "BEDA")
