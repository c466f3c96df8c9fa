from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sms import identity


@pytest.mark.parametrize(
    "nik",
    [
        "3510231203859901",
        "3510064508909902",  # a woman: day 45
        "3510237112859901",  # day 71
        "3510232902889901",  # 29 February 1988
        "3510232902009901",  # 29 February 2000
        "3510236902049901",  # a woman of 29 February 2004
        "9999233112999999",
    ],
)
def test_a_good_nik_is_read(nik: str) -> None:
    """A citizen with a correct card would be turned away."""
    assert identity.read_nik(nik) == identity.Nik(nik, "", 16, corrected=False, temporary=False)


@pytest.mark.parametrize(
    "nik",
    [
        "3510230003859901",  # day 0
        "3510233203859901",  # day 32
        "3510234003859901",  # day 40
        "3510237203859901",  # day 72
        "3510231213859901",  # month 13
        "3510231200859901",  # month 0
        "3510233104859901",  # 31 April
        "3510233002859901",  # 30 February
        "3510232902019901",  # 29 February of no leap year in 1901 or 2001
        "3510231203850000",  # serial 0000
        "0000231203859901",  # no region
    ],
)
def test_a_number_of_the_wrong_form_is_refused(nik: str) -> None:
    """A mistyped number would go upstream as somebody else's."""
    read = identity.read_nik(nik)
    assert (read.value, read.problem, read.digits) == ("", "form", 16)


@pytest.mark.parametrize(("text", "digits"), [("351023120385990", 15), ("35102312038599011", 17), ("", 0), ("abc", 0)])
def test_a_number_of_the_wrong_length_tells_its_length(text: str, digits: int) -> None:
    """The citizen would not be told what is wrong."""
    read = identity.read_nik(text)
    assert (read.value, read.problem, read.digits) == ("", "length", digits)


@pytest.mark.parametrize("text", ["3510 2312 0385 9901", "35.10.23.120385.9901", "3510-2312-0385-9901"])
def test_grouped_digits_are_one_number(text: str) -> None:
    """A number written as on the card would not be understood."""
    assert identity.read_nik(text) == identity.Nik("3510231203859901", "", 16, corrected=False, temporary=False)


def test_letters_stand_for_digits_and_the_office_is_told() -> None:
    """A phone's keyboard would cost the citizen another SMS."""
    read = identity.read_nik("351O23I2O3859901")
    assert (read.value, read.flags) == ("3510231203859901", ("nik_corrected",))


def test_a_temporary_number_is_flagged_not_refused() -> None:
    """A person without a NIK could ask for nothing."""
    assert identity.read_nik("0351005200100001").flags == ("nik_temporary",)


@pytest.mark.parametrize(
    ("number", "good"),
    [
        ("3510061203139901", True),
        ("3510065203139901", False),  # no +40 in a registration date
        ("3510061203130000", False),
        ("351006120313990", False),
        ("351006120313990x", False),
    ],
)
def test_a_family_cards_number_has_a_plain_date(number: str, good: bool) -> None:
    """A woman's NIK would be taken for a family card."""
    assert identity.is_kk(number) is good


@pytest.mark.parametrize(
    "text",
    [
        "+6281234567001",
        "6281234567001",
        "081234567001",
        "81234567001",
        "0812-3456-7001",
        "0812.3456.7001",
        "+62 812 34567001",
    ],
)
def test_a_mobile_number_is_read_in_every_spelling(text: str) -> None:
    """A head's number from the register would match no sender."""
    assert identity.read_phone(text) == "+6281234567001"


@pytest.mark.parametrize("text", ["3636", "TELKOMSEL", "+60123456789", "0333123456", "08123", "0812345678901234", ""])
def test_what_is_no_mobile_number_of_the_country_is_none(text: str) -> None:
    """The office would answer a short code or pay for an SMS abroad."""
    assert identity.read_phone(text) is None


def test_masks_leave_what_may_be_shown() -> None:
    """A page or a log would show who somebody is."""
    assert identity.mask_nik("3510231203859901") == "3510••••••••9901"
    assert identity.mask_phone("+6281234567001") == "+62812••••001"
    assert identity.mask_name("SITI AMINAH") == "S••• A•••"
    assert identity.mask_nik("") == identity.mask_phone("") == identity.mask_name("") == ""
    assert identity.mask_nik("123") == identity.mask_phone("123") == "••••"


@given(st.text(max_size=60))
def test_reading_never_fails(text: str) -> None:
    """A strange text would crash the reading of a number."""
    read = identity.read_nik(text)
    assert read.value == "" or re.fullmatch(r"[0-9]{16}", read.value)
    phone = identity.read_phone(text)
    assert phone is None or re.fullmatch(r"\+628[0-9]{8,11}", phone)
