from __future__ import annotations

import pytest

from edge.sms.fields import Fields
from edge.sms.normalise import tokens

NIK = "3510231203859901"


def fields(text: str) -> Fields:
    return Fields(tokens(text))


@pytest.mark.parametrize(
    ("text", "purpose"),
    [
        ("untuk beasiswa", "beasiswa"),
        ("utk anak saya a.n. siti buat beasiswa. mksh", "beasiswa"),
        ("keperluan: lamar kerja\nalamat: krajan", "lamar kerja"),
        (f"kanggo berobat nik {NIK}", "berobat"),
        ("untuk sekolah, kuliah ya pak", "sekolah, kuliah"),
        ("untuk", ""),
    ],
)
def test_a_purpose_lasts_to_the_next_field(text: str, purpose: str) -> None:
    """A purpose would swallow the name or be cut short."""
    assert fields(text).purpose == purpose


@pytest.mark.parametrize(
    "text", ["tgl lahir: nikah", "status: kawin", "alamat: jalan mati", "untuk nikah", "pekerjaan: usaha"]
)
def test_words_in_other_fields_name_no_letter(text: str) -> None:
    """A pasted form would ask for two letters."""
    assert (fields(text).letters, fields(text).weak) == ([], [])


def test_a_number_keeps_its_label() -> None:
    """A family card's number would be taken for the NIK."""
    read = fields(f"sktm no kk 3510061203139901 nik {NIK}")
    assert [number.label for number in read.numbers] == ["kk", "nik"]


def test_each_run_knows_what_stood_before_it() -> None:
    """The words after the NIK would be no better a name than any others."""
    read = fields(f"sktm dwi {NIK} siti aminah")
    assert [(run.lead, run.before_number) for run in read.runs] == [("letter", True), ("number", False)]


@pytest.mark.parametrize("text", ["bud1 santoso", "budi=1", "http://x.id budi"])
def test_words_that_touch_a_strange_one_are_spoiled(text: str) -> None:
    """A password or an address of the web would be somebody's name."""
    assert all(run.spoiled for run in fields(text).runs)


def test_a_complaint_is_no_letter() -> None:
    """A broken lamp would be registered as a death."""
    read = fields("lampu jalan mati")
    assert read.complaint
    assert read.letters == read.weak == []
