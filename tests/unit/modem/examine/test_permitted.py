from __future__ import annotations

import pytest

from edge.modem.examine.permitted import judge, refusal

FREE = [
    "AT",
    "ATI",
    "at+csq",
    "AT+CREG?",
    "AT+CPMS=?",
    "AT+CMGL=4",
    "AT+CMGR=0",
    'AT+CUSD=1,"*888#",15',
    "AT+CUSD=2",
    'AT+CUSD=1,"2A1C0E3702",15',
    "AT^SYSINFOEX",
    "AT+CPIN?",
    "AT+CMGS=?",
    "AT+CGSN",
    "AT+CNMI?",
    "AT^CURC?",
    "AT+CCLK?",
]
DANGEROUS = [
    "AT+CMGD=1",
    "AT+CMGD=1,4",
    "AT+CFUN=1,1",
    "AT+CFUN=0",
    "ATZ",
    "AT&F",
    'AT+CPMS="ME"',
    "AT+CNMI=0",
    "ATE1",
    "ATQ0V1E1",
    "ATE0;+COPS=0",
    "AT+CMGF=1",
    "AT^RESET",
    "AT+CSQ;+CMGD=1,4",
    "AT+CSQ?;+CFUN=0",
    'AT+CSCA="+62"',
    'AT+CLCK="SC",1,"1"',
    'AT+CUSD=1,"*123*1#",15;+CMGD=1',
]
REFUSED = [
    "",
    "hello",
    "AT+CSQ\r",
    "AT+CSQ\x1a",
    "AT+\x1bCSQ",
    "AT+CSQ é",
    "AT" + "+" * 400,
    "AT+CMGS=20",
    'at+cmgs="+62"',
    "AT+CMGW=20",
    "AT+CMSS=1",
    "AT+CMGC=9",
    'AT+CPIN="1234"',
    "AT+CPIN=1234,5678",
    'AT+CPIN ="1234"',
    "AT+C PIN = 1234",
    'AT^CPIN="1234"',
    "AT+CMG S=20",
    "AT+CSQ;+CPIN=1234",
    "AT+CSQ;+CMGS=20",
    "ATD*99#",
    "ATA",
    "ATO",
    "ATDT081234567890;",
    "ATE0D081234567890;",
    "AT&FE1DT*99#",
    "ATE0;D081234567890;",
    "ATE0A",
    "AT+CMUX=0",
    "AT+IPR=9600",
    'AT^SETPORT="A1"',
    "AT^U2DIAG=0",
]


@pytest.mark.parametrize("line", FREE)
def test_questions_are_free(line: str) -> None:
    """An engineer would need a dangerous switch for looking."""
    assert judge(line).kind == "free"
    assert refusal(line, dangerous=False) == ""


@pytest.mark.parametrize("line", DANGEROUS)
def test_what_changes_something_must_be_meant(line: str) -> None:
    """A typing error would cost messages or settings."""
    assert judge(line).kind == "dangerous"
    assert "--dangerous" in refusal(line, dangerous=False)
    assert refusal(line, dangerous=True) == ""


@pytest.mark.parametrize("line", REFUSED)
def test_what_can_only_do_harm_is_refused(line: str) -> None:
    """A prompt would swallow the daemon's commands; a PIN tried by hand would lock the SIM."""
    assert judge(line).kind == "refused"
    assert refusal(line, dangerous=True)
