"""An SMS by hand: what is taken as asked for, and what is refused with a sentence that helps."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import Sms
from edge.sms import wishes
from edge.sms.wishes import MOST_AHEAD_S, Unfit, Wish

NOW = 1_795_000_000.0
GOOD = {"number": "081234567001", "text": "Rapat pukul 9."}
HOUR_S = 3_600.0


def read(**question: Any) -> Wish:
    return wishes.read(GOOD | question, Sms(), now=NOW)


def test_the_usual_wish() -> None:
    """A message would leave with another priority, or be tried for ever."""
    wish = read()
    assert (wish.number, wish.text, wish.kind) == ("+6281234567001", "Rapat pukul 9.", "reply")
    assert (wish.not_before, wish.expires_at) == (0.0, NOW + 24 * HOUR_S)
    assert (len(wish.pieces), wish.encoding) == (1, "gsm7")


@pytest.mark.parametrize(("kind", "hours"), [("reply", 24), ("notification", 72), ("digest", 24)])
def test_each_kind_has_its_time(kind: str, hours: float) -> None:
    """A notification would be dropped while the modem waits for a new SIM."""
    assert read(kind=kind).expires_at == NOW + hours * HOUR_S


def test_waiting_does_not_shorten_the_time_it_is_tried() -> None:
    """A message for tomorrow evening would be dead before it may leave."""
    wish = read(wait_s=36 * HOUR_S)
    assert (wish.not_before, wish.expires_at) == (NOW + 36 * HOUR_S, NOW + 60 * HOUR_S)
    assert read(wait_s=MOST_AHEAD_S - 60).expires_at == NOW + MOST_AHEAD_S
    assert read(expires_s=120).expires_at == NOW + 120


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+62 812-3456-7001", "+6281234567001"),
        ("6281234567001", "+6281234567001"),
        ("+60123456789", "+60123456789"),
        ("4444", "4444"),
        ("(0333) 421-001", "0333421001"),
    ],
)
def test_numbers_in_any_writing(written: str, number: str) -> None:
    """An SMS to register the SIM (4444) could not be sent, or one go to somebody else."""
    assert read(number=written).number == number


@pytest.mark.parametrize("text", ["halo\nbaris dua", "€" * 80, "Sampun 🎉", "a" * 1530, "ā" * 670])
def test_texts_of_any_kind(text: str) -> None:
    """A text would be changed on its way."""
    wish = read(text=text)
    assert "".join(piece.text for piece in wish.pieces) == text
    assert wish.encoding == ("ucs2" if any(sign in text for sign in "🎉ā") else "gsm7")


def test_signs_are_written_plainly_only_when_the_caller_allows() -> None:
    """One quotation mark from an office program would cost three SMS in place of one, or be changed unasked."""
    text = "“Rapat” – pukul 9" + "a" * 100
    assert (read(text=text).text, read(text=text).encoding) == (text, "ucs2")
    plain = read(text=text, transliterate=True)
    assert (plain.text, plain.encoding, len(plain.pieces)) == ('"Rapat" - pukul 9' + "a" * 100, "gsm7", 1)


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ({"number": ""}, "the number is not one; write it as"),
        ({"number": "SITI"}, "the number is not one; write it as"),
        ({"number": "12"}, "the number is not one"),
        ({"number": "0812"}, "the number is not one"),
        ({"number": "0812345"}, "the number is not one"),
        ({"number": "0000"}, "the number is not one"),
        ({"number": "+" + "1" * 16}, "the number is not one"),
        ({"number": "٠٨١٢٣٤٥٦٧٨٩٠"}, "the number is not one"),
        ({"number": 4444}, "the number is not one"),
        ({"text": ""}, "the text is empty"),
        ({"text": " \n"}, "the text is empty"),
        ({"text": None}, "the text is empty"),
        ({"text": "a" * 1601}, "the text has 1601 characters; 10 parts hold at most 1600"),
        ({"text": "a" * 1531}, "the text needs 11 parts; at most 10 are sent"),
        ({"text": "ā" * 671}, "the text needs 11 parts"),
        ({"text": "a\x00b"}, "control characters"),
        ({"text": "a\x1bb"}, "control characters"),
        ({"text": "a\x1ab"}, "control characters"),
        ({"text": "\ud83c"}, "not valid Unicode"),
        ({"kind": "advert"}, "the kind is reply or notification or digest"),
        ({"kind": ["reply"]}, "the kind is reply"),
        ({"wait_s": -1}, "the wait before it may leave is from 0 seconds to 30 days"),
        ({"wait_s": "soon"}, "the wait before it may leave"),
        ({"wait_s": float("nan")}, "the wait before it may leave"),
        ({"wait_s": True}, "the wait before it may leave"),
        ({"expires_s": 0}, "the time it is tried is from 60 seconds to 30 days"),
        ({"expires_s": float("inf")}, "the time it is tried"),
        ({"wait_s": 600, "expires_s": 600}, "it would expire before it may leave"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_a_remedy(question: dict[str, Any], sentence: str) -> None:
    """Somebody would wait for an SMS that can never leave."""
    with pytest.raises(Unfit, match=sentence):
        read(**question)


@given(st.dictionaries(st.sampled_from(["number", "text", "kind", "wait_s", "expires_s"]), st.text() | st.floats()))
def test_whatever_is_asked_nothing_else_is_raised(question: dict[str, Any]) -> None:
    """A question from a faulty program would be a bug of the daemon."""
    try:
        wish = read(**question)
    except Unfit:
        return
    assert 1 <= len(wish.pieces) <= wishes.MOST_PARTS
    assert wish.not_before < wish.expires_at


def test_a_wish_hides_number_and_text() -> None:
    """A log line or a traceback would hold a citizen's number."""
    assert repr(read()) == "Wish(reply, 1 parts)"
