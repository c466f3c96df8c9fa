from __future__ import annotations

import pytest

from edge.sms import claims
from edge.sms.fields import Fields
from edge.sms.normalise import tokens

MAN, WOMAN, CARD = "3510231203859901", "3510064508909902", "3510061203139901"


@pytest.mark.parametrize(
    ("text", "letter", "nik", "kk"),
    [
        (f"{MAN}", "SKCK", MAN, ""),
        (f"{CARD} {WOMAN}", "SKTM", WOMAN, CARD),
        (f"{WOMAN} {CARD}", "KK", WOMAN, CARD),
        (f"{CARD} {MAN}", "KK", MAN, CARD),
        (f"{MAN} {CARD}", "SKTM", MAN, CARD),
        (f"no kk {CARD} {MAN}", "SKTM", MAN, CARD),
        (f"{CARD} nik {MAN}", "SKTM", MAN, CARD),
        (f"hilang kk {MAN}", "HILANG", MAN, ""),
        ("", "SKTM", "", ""),
    ],
)
def test_nik_and_card_are_told_apart(text: str, letter: str, nik: str, kk: str) -> None:
    """A request would go up with the family card's number as its NIK."""
    person = claims.person(Fields(tokens(text)), letter)
    assert (person.nik, person.kk) == (nik, kk)


def test_a_parents_number_is_the_parents_only_for_a_birth() -> None:
    """A mother who asks for herself would be taken for a child without a number."""
    fields = Fields(tokens(f"nik ibu {WOMAN}"))
    assert claims.person(fields, "LAHIR") == claims.Person(kin=(("ibu", WOMAN),))
    assert claims.person(fields, "SKTM").nik == WOMAN


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("sktm", ["SKTM"]),
        ("surat keterangan tidak mampu", ["SKTM"]),
        ("suket", ["PENGANTAR"]),
        ("surat pengantar jalan", ["JALAN"]),
        ("sktm jalan melati", ["SKTM"]),
        ("ktp hilang", ["HILANG"]),
        ("hilang ktp", ["HILANG"]),
        ("sktm skck", ["SKTM", "SKCK"]),
        ("stkm", ["SKTM"]),
        ("tolong stkm", ["SKTM"]),
        ("apa itu stkm", []),
        ("", []),
    ],
)
def test_which_letters_are_named(text: str, named: list[str]) -> None:
    """A citizen would get another letter than the one asked for."""
    assert claims.letters(Fields(tokens(text))) == named
