r"""Pure: what one line from a modem is, by itself: a final result code, an unsolicited code, an echo, a restart.

ITU-T V.250 clause 5.7 names the final codes, 3GPP TS 27.005 and TS 27.007 the unsolicited ones; those in capitals after
``^``, ``*``, ``%``, ``$``, ``#`` or ``_`` are makers' own. CONNECT, NO CARRIER and their like end no command here:
nothing is dialled, so they speak of somebody else's call.
"""

from __future__ import annotations

import re

_SPOILT = bytes(set(range(256)) - set(range(0x20, 0x7F)) - set(b"\t\x1a\x1b"))
_UNPRINTABLE = bytes(set(range(256)) - set(range(0x20, 0x7F)))
_FINAL = re.compile(r"OK|ERROR|COMMAND NOT SUPPORT|TOO MANY PARAMETERS|\+CM[ES] ERROR:.*")
_CALL_FINAL = re.compile(r"NO CARRIER|NO ANSWER|NO DIALTONE|BUSY|CONNECT.*")
_RESTART = re.compile(
    r"(?:APP )?RDY|\*ATREADY: ?\d|\^?SYSSTART.*|\^SHUTDOWN|MODEM:STARTUP|(?:[A-Z]+[- ])*POWER(?:ED)? DOWN"
)
_UNSOLICITED = re.compile(
    r"\+(?:CMTI|CDSI|CDS|CMT|CBMI?|C5?G?E?REG|CUSD|CPIN|CRING|CLIP|CCWA|CIEV|CTZ[VEDU]|CGEV|CSSU|COLP|QIND|QUSIM"
    r"|STIN|SIMCARD|PBREADY|CMWI|CCINFO|CLTS|NITZ)\b"
    r"|RING$|NO CARRIER$|NO ANSWER$|NO DIALTONE$|BUSY$|(?:Call|SMS) Ready$|(?:PB|SMS) DONE$|MISSED_CALL|VOICE CALL"
    r"|[\^*%$#_][A-Z]{2}|DST:"
)
_REGISTRATION = re.compile(r"\+C5?[GE]?REG: ?\d+(?:, ?\"|$)")
_WITH_PDU = re.compile(r"\+(CDS|CMT|CBM):.*?(\d{1,3})?$")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_ECHO = re.compile(r"AT(?:$|[+^&%*$#])")
_QUESTION = re.compile(r"AT([+^%*$#_][A-Z0-9]+)(?:\?|=\?|$)")


def clean(raw: bytes) -> str:
    """The printable ASCII of a line, without spaces around."""
    return raw.translate(None, _UNPRINTABLE).decode("ascii").strip()


def is_spoilt(raw: bytes) -> bool:
    """Whether a line holds bytes that no modem sends: noise, another baud rate, a dying modem."""
    return len(raw.translate(None, _SPOILT)) != len(raw)


def is_final(line: str, command: str) -> bool:
    """Whether `line` may end `command`, the command line it would answer."""
    return bool(_FINAL.fullmatch(line) or (command.startswith(("ATD", "ATA", "ATO")) and _CALL_FINAL.fullmatch(line)))


def is_restart(line: str) -> bool:
    """Whether a modem says so when it starts or goes down; ^BOOT is none, sticks repeat it while they are at rest."""
    return bool(_RESTART.fullmatch(line))


def is_unsolicited(line: str, prefix: str) -> bool:
    """Whether `line`, come while an answer with `prefix` ("" for none) is awaited, does not belong to that answer."""
    if prefix and line.startswith(prefix):
        return bool(_REGISTRATION.match(line))
    return bool(_UNSOLICITED.match(line))


def is_echo(line: str) -> bool:
    """Whether `line` is a command line sent back, perhaps of an earlier command."""
    return bool(_ECHO.match(line))


def announces_pdu(line: str) -> bool:
    """Whether the next line is a PDU (+CDS, +CMT, +CBM)."""
    return bool(_WITH_PDU.match(line))


def in_text_mode(header: str) -> bool:
    """Whether a +CMT or +CDS was sent in text mode (TS 27.005 clause 3.4.1): its next line may be any text."""
    return header.startswith("+CMT:") and header.count('"') > 2


def belongs(header: str, line: str) -> bool:
    """Whether `line` is the PDU that `header` announced: hexadecimal, and as long as the header says.

    The length counts the TPDU alone; before it stands the service centre's address, but not before a +CBM's page.
    """
    if not _HEX.fullmatch(line):
        return False
    found = _WITH_PDU.match(header)
    if found is None or found[2] is None:
        return True
    centre = 0 if found[1] == "CBM" else 1 + int(line[:2], 16)
    return len(line) // 2 == centre + int(found[2])


def is_open(line: str) -> bool:
    """Whether a quotation was begun and not ended: a USSD text goes on in the next line."""
    return line.startswith("+CUSD:") and line.count('"') % 2 == 1


def prefix_of(line: str) -> str:
    """What the answer to the question `line` begins with: ``+CSQ:`` for ``AT+CSQ``; "" for anything else."""
    found = _QUESTION.match(line)
    return f"{found[1]}:" if found else ""
