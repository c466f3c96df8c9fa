"""Pure: what the lines mean that a modem says unasked (TS 27.007 annex A.2, TS 27.005 clause 3.4, makers' manuals)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["stored", "something", "brought", "registration", "sim", "call", "time", "ussd", ""]

_STORED = re.compile(r'\+CMTI: ?"(\w+)", ?(\d{1,5})$')
_SIM_GONE = re.compile(r"\+CPIN:(?! ?READY)|\+SIMCARD: ?NOT|\^SIMST: ?(0|255)\b|\+QUSIM: ?0")


@dataclass(frozen=True, slots=True)
class Notice:
    """One unasked line: its kind, and the index of a message where it names one in the storage that we read."""

    kind: Kind
    index: int | None = None


def read(line: str, pdu: str, storage: str) -> Notice:
    """What `line` is about; kind "" for what does not concern us. `storage` is where we read messages."""
    if pdu:
        return Notice("brought")
    stored = _STORED.match(line)
    if stored and stored[1] == storage:
        return Notice("stored", int(stored[2]))
    if line.startswith(("+CMTI", "+CDSI", "+CDS:", "+CMT:")):
        return Notice("something")
    if _SIM_GONE.match(line):
        return Notice("sim")
    return Notice(next((kind for prefixes, kind in _PREFIXES if line.startswith(prefixes)), ""))


_PREFIXES: tuple[tuple[tuple[str, ...], Kind], ...] = (
    (("+CREG:", "+CEREG:", "+CGREG:"), "registration"),
    (("RING", "+CRING:", "+CLIP:"), "call"),
    (("+CTZ", "*PSUTTZ", "^NWTIME"), "time"),
    (("+CUSD:",), "ussd"),
)
