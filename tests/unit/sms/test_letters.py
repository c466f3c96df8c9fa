from __future__ import annotations

import pytest

from edge.sms import letters, replies


def test_no_word_names_two_letters() -> None:
    """A citizen's word would be read as another letter."""
    words = [word for letter in letters.LETTERS.values() for word in (*letter.words, *letter.weak)]
    assert len(words) == len(set(words))


@pytest.mark.parametrize("letter", letters.LETTERS.values(), ids=lambda letter: letter.key)
def test_every_letter_is_complete(letter: letters.LetterType) -> None:
    """A letter could be asked for by no word, or be shown with text that operators block."""
    assert letter.key.lower() in (*letter.words, *letter.weak)
    assert letter.slug.startswith("surat-")
    assert letter.days > 0
    assert replies.clean(letter.label) == letter.label
    assert replies.clean(letter.needs) == letter.needs
    assert len(letter.label) <= 20
    assert set(letter.slots) <= set(replies.SLOTS)


def test_the_list_that_replies_offer_is_real() -> None:
    """A citizen would be offered a letter that is not understood."""
    assert set(replies.LETTER_LIST.split()) <= set(letters.LETTERS)


def test_only_what_is_not_said_is_missing() -> None:
    """The RT would be asked for what the citizen wrote."""
    assert letters.missing("SKTM", "") == ("purpose",)
    assert letters.missing("SKTM", "beasiswa") == ()
    assert letters.missing("USAHA", "") == ("business", "purpose")
    assert letters.missing("SKCK", "") == ()


def test_an_unknown_key_is_shown_as_it_is() -> None:
    """A row of another version would crash its notification."""
    assert letters.label("LAMA") == "LAMA"
    assert letters.telling("LAMA") == ()
