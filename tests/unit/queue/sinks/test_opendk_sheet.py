"""A request as OpenDK's form and page."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.queue.sinks import opendk_sheet as sheet

ID = "019abcde-0000-7000-8000-000000000001"


def content(**more: Any) -> dict[str, Any]:
    applicant = {"nik": "3510152306089909", "kk": "", "name": "SITI AMINAH", "phone": "", "rt": 3, "rw": None}
    given_ = {"id": ID, "ticket": "K47-M2", "letter": "SKCK", "purpose": "melamar"}
    return {**given_, "applicant": applicant, "created_at": "2026-11-22T03:04:05.000+00:00", **more}


def test_the_form_names_the_request() -> None:
    """A resend cannot be told from a second request."""
    assert sheet.fields(content(), village="35.10.05.2001") == {
        "desa_id": "35.10.05.2001",
        "nik": "3510152306089909",
        "tanggal": "2026-11-22",
        "nomor": f"K47-M2/{ID}",
        "nama": "Permohonan SKCK K47-M2",
    }


@pytest.mark.parametrize(
    ("letter", "wanted"),
    [
        ({"nomor": f"K47-M2/{ID}"}, ID),
        ({"file": f"1764000000_{ID}.pdf"}, ID),
        ({"nomor": None, "file": f"1764000000_{ID}.pdf"}, ID),
        ({"nomor": "470/12/2026", "file": "1764000000_surat.pdf"}, None),
        ({}, None),
    ],
)
def test_a_letter_in_the_list_is_known_again(letter: dict[str, Any], wanted: str | None) -> None:
    """A letter of the village's own office is taken for one of the box's, or the box's is not found."""
    assert sheet.request_of(letter) == wanted


def test_the_page_says_who_asks_for_what() -> None:
    """The kecamatan gets an empty page."""
    page = sheet.page(content()).decode("cp1252")
    for said in ("K47-M2", "SKCK", "SITI AMINAH", "3510152306089909", "melamar", "2026-11-22 03:04 UTC", "3 / -"):
        assert said in page


@given(st.text(max_size=300), st.text(max_size=50))
def test_the_page_is_a_pdf_whatever_people_write(name: str, purpose: str) -> None:
    """A bracket or an emoji in a name makes a file that no reader opens."""
    page = sheet.page(content(purpose=purpose, applicant={"nik": "", "name": name}))
    assert page.startswith(b"%PDF-1.4\n")
    assert page.endswith(b"%%EOF\n")
    table = int(re.findall(rb"startxref\n(\d+)\n", page)[-1])
    assert page[table:].startswith(b"xref\n0 6\n")
    places = [int(found) for found in re.findall(rb"(\d{10}) 00000 n \n", page[table:])]
    assert [page[place:].startswith(b"%d 0 obj" % number) for number, place in enumerate(places, 1)] == [True] * 5
    stream = re.search(rb"/Length (\d+) >>\nstream\n(.*)\nendstream", page, re.S)
    assert stream is not None
    assert int(stream[1]) == len(stream[2])
    drawn = stream[2].removeprefix(b"BT /F1 11 Tf 16 TL 60 780 Td\n").removesuffix(b"ET")
    assert re.fullmatch(rb"(\((?:[^\\()\r\n]|\\[\\()])*\) Tj T\*\n)+", drawn)
