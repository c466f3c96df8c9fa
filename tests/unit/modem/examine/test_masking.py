from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem import concat, gsm7
from edge.modem.examine.masking import Mask
from edge.modem.pdu import Address, Deliver, Submit, decode, encode_deliver, encode_status_report, encode_submit

KEY = b"a key of this recording"
MOMENT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
TEXT = "Yth Bpk Budi, SKTM a.n. Siti €5 {1}"


def deliver(text: str, number: str = "+6281234567890") -> str:
    return encode_deliver(Address(number), concat.split(text, 7)[0], MOMENT, smsc="+6281100000")[0]


@pytest.mark.parametrize("text", [TEXT, "Surat – siap “besok” 😀", "x" * 400, "", "é à ü Ñ"])
def test_a_masked_pdu_differs_in_number_and_letters_alone(text: str) -> None:
    """A recording would show a citizen's letter, or no longer be what the modem said."""
    line = deliver(text)
    before, after = decode(line), decode(Mask(KEY).pdu(line))
    assert isinstance(before, Deliver)
    assert isinstance(after, Deliver)
    assert after == replace(before, sender=after.sender, text=after.text)
    assert after.sender != before.sender
    assert len(after.sender.text) == len(before.sender.text)
    assert re.sub(r"\w", "x", after.text) == re.sub(r"\w", "x", before.text)
    letters = re.sub(r"[\W\d]", "", before.text)
    assert not letters or letters != re.sub(r"[\W\d]", "", after.text)


@given(st.text(max_size=300), st.sampled_from(["+6281234567890", "081234567890", "123", "+1"]))
def test_any_message_stays_one_of_its_length(text: str, number: str) -> None:
    """A masked recording could not be replayed."""
    text = text.encode("utf-8", "replace").decode()
    for piece in concat.split(text, 9):
        line, _ = encode_submit(Address(number), piece)
        masked = Mask(KEY).pdu(line)
        before, after = decode(line), decode(masked)
        assert len(masked) == len(line)
        assert isinstance(before, Submit)
        assert isinstance(after, Submit)
        assert (after.concat, after.coding, len(after.text)) == (before.concat, before.coding, len(before.text))


@pytest.mark.parametrize("address", ["0B912618325476F8", "0C912618325476F8", "0B810A18325476F8", "0C810A18325476B8"])
def test_a_number_is_replaced_however_a_modem_counts_its_digits(address: str) -> None:
    """The number of whoever writes through a modem that counts the filler, or with a star, would leave the box."""
    line = f"0004{address}00006211223141808200"
    masked = Mask(KEY).pdu(line)
    assert (len(masked), masked[:8], masked[20:]) == (len(line), line[:8], line[20:])
    assert masked[12:18] != line[12:18]


def test_a_masked_report_belongs_to_the_masked_message() -> None:
    """A replayed report would not find its message."""
    mask = Mask(KEY)
    submit = decode(mask.pdu(encode_submit(Address("081234567890"), concat.split("x", 0)[0])[0]))
    report = decode(mask.pdu(encode_status_report(Address("+6281234567890"), 9, 0, MOMENT, MOMENT)[0]))
    assert not isinstance(submit, Deliver)
    assert not isinstance(report, Deliver)
    assert submit.recipient.text.removeprefix("0") == report.recipient.text.removeprefix("+62")
    assert submit.recipient.text != "081234567890"


KEPT = [
    "AT+CMGL=4",
    '+CPMS: "SM",3,20,"SM",3,20,"SM",3,20',
    '+CSCA: "+6281100000000",145',
    "+CMGL: 12,1,,140",
    '+CMGL: 12,1,"",140',
    '+COPS: 0,0,"Telkomsel",7',
    '+CREG: 2,1,"00C3","01A2B3C4"',
    '+CTZV: "26/11/22,10:00:00+28"',
    '+CUSD: 0,"Pulsa Rp 12500000 aktif s.d. 31/12/2026",15',
    'AT+CUSD=1,"*888#",15',
    "Quectel EC25",
    "+CMS ERROR: 38",
]


@pytest.mark.parametrize("line", KEPT)
def test_what_is_nobodys_stays(line: str) -> None:
    """A recording would not show what the modem is and does."""
    assert Mask(KEY).line(line) == line


HIDDEN = [
    ('+CLIP: "081234567890",129,,,"Budi"', ["081234567890", "Budi"]),
    ("ATD081234567890;", ["081234567890"]),
    ("867962041234567", ["1234567"]),
    ("89620112345678901234", ["12345678901234"]),
    ("+ICCID: 89620112345678901234", ["12345678901234"]),
    ('AT+CPIN="4711"', ["4711"]),
    ('+CUSD: 0,"Nomor Anda 081234567890",15', ["081234567890"]),
    ("AT+CUSD=1,*133*1234567890123456#,15", ["1234567890123456"]),
    ('+CMGL: 1,"REC READ","+6281234567890",,"26/11/22,10:00:00+28"', ["81234567890"]),
    ('+CUSD: 0,"Nomor Anda 0812-3456-7890 atau +62 812 3456 7890",15', ["3456-7890", "3456 7890"]),
    ('+CLIP: "002B0036003200380031003200330034003500360037003800390030",145', ["3200330034003500360037"]),
    ("+CMGL: 0,1,,24 " + deliver(TEXT), [deliver(TEXT)[40:60]]),
    (deliver(TEXT)[:-3] + "~~", [deliver(TEXT)[40:60]]),
    (deliver(TEXT)[31:], [deliver(TEXT)[40:60]]),
    (deliver(TEXT)[:40] + "\xff" + deliver(TEXT)[41:], [deliver(TEXT)[44:60]]),
]


@pytest.mark.parametrize(("line", "secrets"), HIDDEN)
def test_what_is_somebodys_is_replaced(line: str, secrets: list[str]) -> None:
    """A number, a name or a letter would leave the box in a recording."""
    masked = Mask(KEY).line(line)
    assert len(masked) == len(line)
    assert not any(secret in masked for secret in secrets)
    assert masked != Mask(b"another key").line(line) or "CPIN" in line


def test_texts_of_text_mode_and_of_many_lines_are_replaced() -> None:
    """A modem still in text mode would show what was written."""
    mask = Mask(KEY)
    lines = [
        '+CMT: "+6281234567890","","26/11/22,10:00:00+28"',
        "Surat saya",
        "kapan siap",
        '+CUSD: 0,"Nomor',
        '081234567890"',
        "OK",
    ]
    masked = [mask.line(line) for line in lines]
    assert "Surat" not in masked[1]
    assert "kapan" not in masked[2]
    assert masked[3] == lines[3]
    assert "81234567890" not in masked[4]
    assert masked[5] == "OK"


@pytest.mark.parametrize("coding", [72, 15])
def test_a_number_in_a_packed_ussd_answer_is_replaced(coding: int) -> None:
    """The SIM's own number would leave the box."""
    text = "Nomor 081234567890 aktif"
    octets = text.encode("utf-16-be") if coding == 72 else gsm7.pack(gsm7.encode(text))
    masked = Mask(KEY).line(f'+CUSD: 0,"{octets.hex().upper()}",{coding}')
    told = bytes.fromhex(masked.split('"')[1])
    shown = told.decode("utf-16-be") if coding == 72 else gsm7.decode(gsm7.unpack(told, len(text)))
    assert re.fullmatch(r"Nomor 08\d{10} aktif", shown)
    assert shown != text


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=200), max_size=10))
def test_any_lines_keep_their_lengths(lines: list[str]) -> None:
    """A recording of noise could not be masked."""
    mask = Mask(KEY)
    for line in lines:
        assert len(mask.line(line)) == len(line)


@given(st.binary(max_size=180))
def test_what_is_no_pdu_is_a_value_error(octets: bytes) -> None:
    """The recorder would crash on a strange message."""
    try:
        masked = Mask(KEY).pdu(octets.hex())
    except ValueError:
        return
    assert len(masked) == 2 * len(octets)


def test_a_ussd_answer_that_never_ends_uncovers_no_message() -> None:
    """After one lost quotation mark a recording would show every citizen's words that follow."""
    mask, pdu = Mask(KEY), deliver("Budi")
    assert mask.line('+CUSD: 1,"Pulsa Anda') == '+CUSD: 1,"Pulsa Anda'
    assert mask.line("aktif sd 01.01.27") == "aktif sd 01.01.27"
    assert mask.line("+CMGL: 1,1,,24") == "+CMGL: 1,1,,24"
    masked = decode(mask.line(pdu))
    assert isinstance(masked, Deliver)
    assert masked.text != "Budi"
    mask.line('+CUSD: 1,"Pulsa Anda')
    assert mask.line(pdu) != pdu
    assert mask.line(pdu)[-8:] != pdu[-8:]


@pytest.mark.parametrize("line", ['A+CPIN="4711"', 'AT+CPIN ="4711"', 'AT+CMEE=1;+CPIN="4711"', '@PIN="4711"'])
def test_a_pin_is_hidden_however_it_is_written(line: str) -> None:
    """The echo of a disturbed line would show the SIM's PIN."""
    assert "4711" not in Mask(KEY).line(line)


@pytest.mark.parametrize("text", ["ATAS NAMA BUDI", "#SKTM SITI AMINAH, binti Budi", "*KTP budi", "#SKTM SITI: Budi"])
def test_words_that_begin_like_a_command_are_words(text: str) -> None:
    """In text mode such a message would be recorded as it is."""
    mask = Mask(KEY)
    mask.line('+CMGR: "REC READ","+6281234567890",,"26/11/22,10:00:00+28"')
    assert mask.line(text) != text
    assert mask.line("OK") == "OK"
