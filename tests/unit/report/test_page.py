"""The report's page as text: what it says, and what it can never hold."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from edge.report.figures import Month, Report
from edge.report.page import as_html
from tests.unit.report.month import report


@pytest.fixture(scope="module")
def october(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return report(tmp_path_factory.mktemp("box"))


def text(html: str) -> str:
    body = re.sub(r"<(style|svg).*?</\1>", " ", html, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def test_the_page_says_what_a_provider_asks(october: Report) -> None:
    """The complaint would come back with a question."""
    said = text(as_html(october))
    for words in (
        "Desa Sumberberas , Kecamatan Muncar (3510052001)",
        "Jalur Telkom , kontrak unduh 30 dan unggah 10 Mbit/s",
        "1 Oktober 2026 sampai 31 Oktober 2026",
        "Waktu dalam WIB",
        "11 kali 3 jam 8 menit",
        "3 Okt 07.42.10 3 Okt 10.05.40 2 jam 23 menit router penyedia tidak menjawab",
        "(sampai kotak mati)",
        "Lambat: kecepatan jauh di bawah kontrak 1 kali, 7 jam 30 menit",
        "Bulan sebelumnya",
        "98,7% dari masa laporan",
        "Cara mengukur.",
    ):
        assert words in said, words
    assert "None" not in said
    assert "nan" not in said.lower().split()


def test_the_page_lives_alone(october: Report) -> None:
    """An attached page would call home, or lack its style in the provider's office."""
    html = as_html(october)
    assert not re.findall(r"<script|<link|<img|@import|src=|href=|url\((?!#)", html)
    assert html.count("<svg") == 4 * len(october.lines)
    assert "default-src 'none'" in html


def test_the_page_says_who_chose_the_line_by_hand(october: Report) -> None:
    """The provider would ask why its line was idle; many choices would push the charts off the sheet."""
    said = text(as_html(october))
    row = "20 Okt 08.30.00 20 Okt 10.30.00 PDE layanan kantor, kotak layanan siti"
    assert f"Jalur yang dipilih petugas secara manual Mulai Sampai Jalur Untuk Oleh {row}" in said
    many = tuple(replace(october.choices[0], by=f"petugas{number}") for number in range(9))
    said = text(as_html(replace(october, choices=many)))
    assert "secara manual, 3 yang terakhir dari 9" in said
    assert "petugas5" not in said
    assert said.count("petugas6") == len(october.lines)
    assert "secara manual" not in text(as_html(replace(october, choices=())))


def test_names_are_text(october: Report) -> None:
    """A village's name could run in the browser of whoever opens the page."""
    nasty = "<img src=x onerror=1>"
    village = replace_village(october, name=nasty)
    line = replace(october.lines[0], name=nasty)
    html = as_html(replace(village, lines=(line,)))
    assert "<img" not in html
    assert "&lt;img src=x onerror=1&gt;" in html


def replace_village(found: Report, **fields: str) -> Report:
    import msgspec

    return replace(found, village=msgspec.structs.replace(found.village, **fields))


def test_a_month_without_trouble_says_so(october: Report) -> None:
    """An empty table would look like something forgotten."""
    line = replace(october.lines[0], troubles=(), earlier=())
    said = text(as_html(replace(october, lines=(line,))))
    assert "Tidak ada gangguan dalam masa ini." in said
    assert "terlama" not in said
    assert "Bulan sebelumnya" not in said


def test_a_running_month_and_an_uplink_without_contract(tmp_path: Path) -> None:
    """The report of this month, or of a provider that was left, would fail."""
    found = report(tmp_path, Month(2026, 11))
    line = replace(found.lines[1], download_mbit=None, upload_mbit=None)
    said = text(as_html(replace(found, lines=(line,))))
    assert "1 November 2026 sampai 3 November 2026" in said
    assert "kontrak" not in said.replace("di bawah kontrak", "")
