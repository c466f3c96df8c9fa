from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sms import normalise


def kinds(text: str) -> list[tuple[str, str]]:
    return [(token.kind, token.key) for token in normalise.tokens(text)]


@pytest.mark.parametrize("mark", list("#*;|\n\t"))
def test_field_marks_separate(mark: str) -> None:
    """The grammars people know from SIM registration would not be understood."""
    assert kinds(f"sktm{mark}siti") == [("word", "sktm"), ("break", "#"), ("word", "siti")]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Hj. Sri", ["Hj.", "Sri"]),
        ("Moh. Ridwan", ["Moh.", "Ridwan"]),
        ("S.Pd", ["S.Pd"]),
        ("M.Si.", ["M.Si."]),
        ("R.A. Kartini", ["R.A.", "Kartini"]),
        ("Nur'aini Al-Amin", ["Nur'aini", "Al-Amin"]),
        ("Nur\u2019aini", ["Nur'aini"]),
    ],
)
def test_marks_inside_names_and_titles_stay(text: str, written: list[str]) -> None:
    """A name would be cut at its title."""
    assert [token.text for token in normalise.tokens(text)] == written


@pytest.mark.parametrize(
    ("text", "kind", "key"),
    [
        ("3510231203859901", "number", "3510231203859901"),
        ("3510 2312 0385 9901", "number", "3510231203859901"),
        ("35.10.23.120385.9901", "number", "3510231203859901"),
        ("351O 23I2 O385 99Ol", "number", "3510231203859901"),
        ("351023120385990", "number", "351023120385990"),
        ("081234567001", "phone", "phone"),
        ("0812 3456 7001", "phone", "phone"),
        ("12", "short", "12"),
        ("k47m2", "ticket", "K47-M2"),
        ("K47-M2", "ticket", "K47-M2"),
        ("K47-M3", "ticket", ""),
        ("https://desa.id/x?y=1", "url", "https://desa.id/x?y=1"),
        ("desa.id", "url", "desa.id"),
        ("10GB", "mixed", "10gb"),
    ],
)
def test_each_kind_is_told(text: str, kind: str, key: str) -> None:
    """A number would be taken for a phone, a ticket for a word."""
    assert kinds(text) == [(kind, key)]


@pytest.mark.parametrize(
    ("text", "rt", "rw"),
    [
        ("RT 03 RW 01", 3, 1),
        ("rt3/1", 3, 1),
        ("03/01", 3, 1),
        ("003/001", 3, 1),
        ("RT.003/RW.001", 3, 1),
        ("RT/RW: 03/01", 3, 1),
        ("rt 3", 3, None),
        ("rw 1", None, 1),
    ],
)
def test_rt_and_rw_in_every_spelling(text: str, rt: int | None, rw: int | None) -> None:
    """A request would not be known to its RT."""
    (token,) = normalise.tokens(text)
    assert (token.kind, token.rt, token.rw) == ("place", rt, rw)


@pytest.mark.parametrize("text", ["12/03/1985", "12-03-1985", "2026/11/22"])
def test_a_date_is_no_rt(text: str) -> None:
    """A birthday would send the request to another RT."""
    assert all(kind != "place" for kind, _ in kinds(text))


def test_two_numbers_in_a_row_stay_two() -> None:
    """A family card's number and a NIK would melt into one."""
    assert kinds("3510 0612 0313 9901 3510 0645 0890 9902") == [
        ("number", "3510061203139901"),
        ("number", "3510064508909902"),
    ]


def test_an_emoji_is_noise() -> None:
    """A friendly hand would become part of a name."""
    assert kinds("siti\U0001f64f\U0001f64f aminah\u200d") == [("word", "siti"), ("word", "aminah")]


def test_copies_of_a_message_are_alike() -> None:
    """An echo of our own message with other spacing would be answered."""
    assert normalise.squeeze("Halo,  -Desa SUMBERBERAS") == normalise.squeeze("halo -desa sumberberas")


@given(st.text(max_size=3_000))
def test_work_is_bounded(text: str) -> None:
    """A hostile text would make thousands of tokens or grow when it is normalised."""
    assert len(normalise.simplify(text)) <= normalise.MOST_CHARACTERS
    assert len(normalise.tokens(text)) <= 3 * normalise.MOST_CHARACTERS
