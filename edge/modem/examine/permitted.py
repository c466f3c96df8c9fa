"""Pure: which AT lines a person may give to a modem that works (3GPP TS 27.005, TS 27.007; ITU-T V.250).

Questions change nothing and are free. Of the rest some can lose messages or settings, and must be meant; what opens a
prompt, tries a PIN or turns the line over to something else is refused, as nothing good can come of it here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

LONGEST = 400
_HARMLESS = re.compile(
    r"AT|ATI\d*|AT[+^*%$#][A-Z0-9]+(?:\?|=\?)"
    r"|AT\+(?:CSQ|CGM[IMR]|CGSN|GSN|GM[IMR]|CIMI|Q?CCID|CNUM|CPAS|CEER|CBC|CESQ|QCSQ|QNWINFO|CMGR=\d+|CMGL(?:=[0-4])?"
    r"|CUSD=[12](?:,\"?[0-9A-F*#]+\"?(?:,\d+)?)?|CREG|CEREG)"
    r"|AT\^(?:SYSINFO|SYSINFOEX|HCSQ|HWVER|VERSION|ICCID|RSSI|CSNR)",
    re.IGNORECASE,
)
_NEVER = (
    (re.compile(r"\+CMG[SWC]\b(?!\?|=\?)|\+CMSS|\+CMGW", re.IGNORECASE), "send with: kampung-edge sms send"),
    (
        re.compile(r"[+^*%$#]CPIN2?=(?!\?)", re.IGNORECASE),
        "put the PIN into the credential sim-pin; a wrong one locks the SIM",
    ),
    (
        # V.250 clause 5.2: basic commands may stand in one line, and behind a semicolon.
        re.compile(
            r"^AT[DAO]|^AT(?:&?[A-Z]\d*)+?(?:D[TP]?[0-9*#+>]|[AO]$)|;[DAO]"
            r"|\+(?:CMUX|IPR|ICF|IFC)=(?!\?)|\^U2DIAG=|\^SETPORT=",
            re.IGNORECASE,
        ),
        "it takes the line away",
    ),
)
_WHY = (
    (re.compile(r"\+CMGD", re.IGNORECASE), "it deletes messages that may not be stored yet"),
    (
        re.compile(r"\+CFUN=|\+CPOF|RESET|\+CRESET|\+QPOWD|&F|ATZ", re.IGNORECASE),
        "it resets the modem or switches it off",
    ),
    (re.compile(r"\+C(?:LCK|PWD)=", re.IGNORECASE), "it can lock the SIM"),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a line may be given: `free`, `dangerous` (must be meant) or `refused`; `why` is for the person."""

    kind: Literal["free", "dangerous", "refused"]
    why: str = ""


def judge(line: str) -> Verdict:
    """What may be done with `line`, without its CR."""
    if not re.fullmatch(r"[\x20-\x7e]+", line):
        return Verdict("refused", "a command is one line of ASCII")
    if len(line) > LONGEST:
        return Verdict("refused", f"a command has at most {LONGEST} characters")
    if not line.upper().startswith("AT"):
        return Verdict("refused", "a command begins with AT")
    close = re.sub(r"\s", "", line)  # a modem does not heed spaces (V.250 clause 5.2.1)
    for pattern, why in _NEVER:
        if pattern.search(close):
            return Verdict("refused", why)
    if _HARMLESS.fullmatch(line):
        return Verdict("free")
    return Verdict(
        "dangerous", next((why for pattern, why in _WHY if pattern.search(close)), "it may change a setting")
    )


def refusal(line: str, *, dangerous: bool) -> str:
    """The sentence for a person whose `line` is not given to the modem, "" for one that may be."""
    verdict = judge(line)
    if verdict.kind == "refused":
        return f"{line[:40]} is not given to the modem: {verdict.why}"
    if verdict.kind == "dangerous" and not dangerous:
        return f"{line[:40]} needs --dangerous: {verdict.why}"
    return ""
