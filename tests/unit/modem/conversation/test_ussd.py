from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem import gsm7
from edge.modem.conversation import ussd
from edge.modem.conversation.ussd import Answer, Balance

TEXTS = [
    # Telkomsel, with and without its menu
    ("Sisa Pulsa Anda Rp.5600. Masa berlaku sampai dengan 05/11/2026.", 5600, "2026-11-05"),
    ("Sisa pulsa Anda Rp 50.000. Aktif s.d. 21/03/2027\n1.YA\n2.Info Kartu", 50_000, "2027-03-21"),
    ("Pulsa Rp12.345 aktif s.d 31.01.27\n1.Paket Rp25.000\n2.Info Kartu", 12_345, "2027-01-31"),
    ("Sisa Pulsa Anda Rp 150.000. Aktif s/d 31-12-2026.\n0. Home", 150_000, "2026-12-31"),
    # Indosat
    ("Pulsa Anda Rp.10.000,00 aktif sd 01-02-27. Beli paket? 1.5GB/Rp25rb", 10_000, "2027-02-01"),
    ("Pulsamu Rp 7.250 berlaku hingga 09 Feb 2027", 7_250, "2027-02-09"),
    # XL
    ("Pulsa 19350 s/d 18Aug27.", 19_350, "2027-08-18"),
    ("Sisa pulsa Rp 1,234.50, aktif sampai 2027-04-30", 1_234, "2027-04-30"),
    # Tri
    ("Saldo utama: Rp 0. Masa aktif 03 Mei 2027", 0, "2027-05-03"),
    # Smartfren
    ("Saldo Rp3.500, Exp: 15/12/2026", 3_500, "2026-12-15"),
    # only one of the two
    ("Pulsa Rp 5.000", 5_000, None),
    ("Masa aktif kartu s.d 01/01/2027", None, "2027-01-01"),
    ("Rp 8.800", 8_800, None),
    # nothing that is certain
    ("1.Paket 1GB Rp25.000\n2.Paket 2GB Rp40.000", None, None),
    ("Promo! 1. 5GB/Rp25rb", None, None),
    ("Pulsa Rp 25rb", None, None),
    ("Maaf, sistem sedang sibuk", None, None),
    ("Pulsa Rp 99999999999", None, None),
    ("Pulsa Rp 1.23.4", None, None),
    ("aktif s.d 45/13/2027", None, None),
    ("", None, None),
]


@pytest.mark.parametrize(("text", "rp", "expires"), TEXTS)
def test_what_operators_answer(text: str, rp: int | None, expires: str | None) -> None:
    """A full SIM would be called empty, or an expiring one be forgotten."""
    assert ussd.read_balance(text) == Balance(rp, expires)


ANSWERS = [
    # line, packed, what it says
    ('+CUSD: 0,"Pulsa Rp 5.000",15', False, Answer("Pulsa Rp 5.000", False)),
    ('+CUSD: 1,"Pulsa Rp 5.000\n1.YA",15', False, Answer("Pulsa Rp 5.000\n1.YA", True)),
    ('+CUSD: 0,"kata "baru" ini",15', False, Answer('kata "baru" ini', False)),
    ('+CUSD: 0,"005200700035",72', False, Answer("Rp5", False)),
    ('+CUSD: 0,"00520070",15', False, Answer("Rp", False)),
    ('+CUSD: 0,"D2B80B",15', True, Answer("Rq.", False)),
    ('+CUSD: 0,"Pulsa",15', True, Answer("Pulsa", False)),
    ("+CUSD: 4", False, Answer("", False)),
    ("+CUSD: 2", True, Answer("", False)),
    ('+CUSD: 1,"cut off', False, Answer("cut off", True)),
    ("+CUSD: x", False, None),
]


@pytest.mark.parametrize(("line", "packed", "wanted"), ANSWERS)
def test_answers_in_every_form(line: str, packed: bool, wanted: Answer | None) -> None:
    """The balance of some modems would never be known."""
    assert ussd.read_answer(line, packed=packed) == wanted


def test_a_packed_question_is_the_one_that_huawei_documents() -> None:
    """A Huawei stick would refuse the question."""
    assert ussd.request("*888#", packed=True) == 'AT+CUSD=1,"2A1C0E3702",15'
    assert ussd.request("*888#", packed=False) == 'AT+CUSD=1,"*888#",15'


@given(st.text(alphabet="Pulsa Rp.0123456789sd/\n", min_size=1, max_size=80))
def test_a_packed_text_comes_back(text: str) -> None:
    """A letter of the operator's answer would be wrong, and with it the balance."""
    packed = gsm7.pack(gsm7.encode(text)).hex().upper()
    answer = ussd.read_answer(f'+CUSD: 0,"{packed}",15', packed=True)
    assert answer is not None
    assert answer.text == text


@given(st.text(max_size=300), st.booleans())
def test_no_answer_raises(text: str, packed: bool) -> None:
    """A strange text of an operator would stop the modem's session."""
    answer = ussd.read_answer(f'+CUSD: 1,"{text}",72', packed=packed)
    assert answer is not None
    balance = ussd.read_balance(text)
    assert balance.rp is None or 0 <= balance.rp < 1_000_000_000
