from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem import gsm7
from edge.sms import letters, replies
from edge.sms.replies import TEMPLATES, Catalogue

OFFICES = (
    Catalogue("Sumberberas", "desa"),
    Catalogue("Tamanbaru", "kelurahan"),
    Catalogue("Wringinagung Lor Kulon X", "desa"),
)
LONGEST: dict[str, object] = {
    "name": "R. NGT. HJ. KANJENG RADEN AYU SITI NUR AMINAH KUSUMANINGTYAS, S.PD.",
    "letter": "Ket Domisili Usaha",
    "key": "PENGANTAR",
    "key2": "DOMISILI",
    "ticket": "K47-M2",
    "tickets": ", ".join(["K47-M2"] * 15),
    "n": 120,
    "state": max(replies.STATES.values(), key=len),
    "needs": "KTP, KK lama, surat bidan",
    "days": 14,
    "hours": "Sen-Kam 07.30-15.30, Jum 07.00-14.30 WI",
    "why": "foto KTP buram dan alamat pada kartu keluarga tidak sama dengan yang tertulis di permohonan ini",
    "what": "jenis usaha dan keperluan serta acara yang akan diadakan di rumah mempelai perempuan",
    "word": "SEMANGKA",
    "rt": 103,
    "rw": 101,
    "district": "Purwoharjo Kulon Progo X",
    "a": 120,
    "b": 120,
    "c": 120,
    "d": 120,
    "time": "22/11 07.30",
    "kind": "Darurat",
    "phone": "HP 812xxxx001",
}


@pytest.mark.parametrize("office", OFFICES, ids=lambda office: office.office)
@pytest.mark.parametrize("code", TEMPLATES)
def test_every_message_fits_one_sms_at_its_longest(code: str, office: Catalogue) -> None:
    """A long name would make two SMS of one, or a character would double its price."""
    text = office.text(code, **LONGEST)
    assert len(gsm7.encode(text)) <= replies.MOST_SEPTETS
    assert "{" not in text


@pytest.mark.parametrize("office", OFFICES[:2], ids=lambda office: office.office)
@pytest.mark.parametrize("code", TEMPLATES)
def test_an_office_of_usual_length_keeps_its_signature(code: str, office: Catalogue) -> None:
    """A reply would not say who it is from."""
    assert office.text(code, **LONGEST).endswith(office.signature) != (code in replies.UNSIGNED)


@pytest.mark.parametrize("code", TEMPLATES)
def test_no_message_holds_what_operators_filter(code: str) -> None:
    """A reply would be blocked on its way."""
    bad: dict[str, object] = {
        **LONGEST,
        "name": "Dana Selamat 35102312",
        "why": "buka http://desa.id/x atau www.desa.id, nomor PIN 123456 juta",
        "what": "akun 3510 otp token kode verifikasi 3510231203859901 password",
    }
    for fill in (LONGEST, bad):
        text = OFFICES[0].text(code, **fill)
        assert not re.search(rf"\b({'|'.join(replies.FILTERED)})\b", text, re.IGNORECASE)
        assert not re.search(r"\d{4}", text)
        assert "http" not in text
        assert "www" not in text


def test_a_town_office_is_called_so() -> None:
    """A kelurahan would call itself a desa."""
    text = OFFICES[1].text("COMPLETED", **LONGEST)
    assert "kantor kelurahan" in text
    assert text.endswith(" -Kel Tamanbaru")
    assert "desa" not in text.lower()


def test_the_name_is_shortened_before_the_label() -> None:
    """A message would lose what letter it is about."""
    text = OFFICES[0].text("RT_COMPLETED", **LONGEST)
    assert "Ket Domisili Usaha" in text
    assert "K47-M2" in text
    assert "a.n. R. NGT" in text


def test_a_short_fill_is_left_alone() -> None:
    """The plain confirmation would not read as the office wrote it."""
    text = OFFICES[0].text("RECEIVED", name="SITI AMINAH", letter="Ket Kurang Mampu", ticket="K47-M2")
    assert text == (
        "Terima kasih SITI AMINAH. Permohonan Ket Kurang Mampu diterima, tiket K47-M2. Cek: STATUS K47-M2. "
        "Batal: BATAL K47-M2. -Desa Sumberberas"
    )


def test_a_name_of_filtered_words_becomes_a_polite_address() -> None:
    """Somebody called Dana would be thanked with a hole in the sentence."""
    assert "Terima kasih Bapak/Ibu." in OFFICES[0].text("RECEIVED", name="DANA", letter="Ket Usaha", ticket="K47-M2")


@pytest.mark.parametrize("key", letters.LETTERS)
def test_the_answer_about_every_letter_keeps_its_command(key: str) -> None:
    """INFO would tell what to bring but not how to ask."""
    letter = letters.LETTERS[key]
    hours = "Sen-Kam 07.30-15.30, Jum 07.00-14.30"
    text = OFFICES[0].text("INFO", **replies.letter_fill(key), needs=letter.needs, days=letter.days, hours=hours)
    assert f"{key} spasi NIK spasi NAMA. -Desa Sumberberas" in text
    assert len(text) <= replies.MOST_SEPTETS


@given(st.text(max_size=300))
def test_whatever_is_cleaned_can_be_sent(text: str) -> None:
    """A name with strange characters would turn a message into UCS-2 or crash it."""
    cleaned = replies.clean(text)
    assert len(gsm7.encode(cleaned)) == len(cleaned)
    assert not re.search(r"[0-9]{4}", cleaned)


@given(name=st.text(max_size=80), why=st.text(max_size=300))
def test_any_fill_fits(name: str, why: str) -> None:
    """A portal's long explanation would not fit the modem's single SMS."""
    fill: dict[str, object] = {**LONGEST, "name": name, "why": why, "what": why}
    for code in ("REJECTED", "RETURNED", "RT_MISSING", "RECEIVED"):
        assert len(OFFICES[0].text(code, **fill)) <= replies.MOST_SEPTETS
