from __future__ import annotations

import pytest

from edge.modem.conversation import notices
from edge.modem.conversation.notices import Notice


@pytest.mark.parametrize(
    ("line", "pdu", "notice"),
    [
        ('+CMTI: "SM",0', "", Notice("stored", 0)),
        ('+CMTI: "SM", 12', "", Notice("stored", 12)),
        ('+CMTI: "ME",3', "", Notice("something")),
        ("+CMTI: ,-1", "", Notice("something")),
        ('+CDSI: "SR",2', "", Notice("something")),
        ("+CDS: 25", "0006", Notice("brought")),
        ("+CDS: 25", "", Notice("something")),
        ('+CREG: 5,"1A2B","3C4D"', "", Notice("registration")),
        ("+CEREG: 1", "", Notice("registration")),
        ("+CPIN: READY", "", Notice("")),
        ("+CPIN: NOT INSERTED", "", Notice("sim")),
        ("+CPIN: SIM PIN", "", Notice("sim")),
        ("+SIMCARD: NOT AVAILABLE", "", Notice("sim")),
        ("^SIMST:255,1", "", Notice("sim")),
        ("^SIMST: 1", "", Notice("")),
        ("RING", "", Notice("call")),
        ('+CLIP: "+628123",145', "", Notice("call")),
        ("+CRING: VOICE", "", Notice("call")),
        ('+CTZV: +28,"26/11/22,14:00:00"', "", Notice("time")),
        ('*PSUTTZ: 2026,11,22,7,0,0,"+28",0', "", Notice("time")),
        ("^NWTIME: 26/11/22,14:00:00+28,0", "", Notice("time")),
        ('+CUSD: 0,"Pulsa",15', "", Notice("ussd")),
        ("^BOOT:1234,0,0,0,20", "", Notice("")),
        ("^RSSI:18", "", Notice("")),
        ("anything", "", Notice("")),
    ],
)
def test_unasked_lines(line: str, pdu: str, notice: Notice) -> None:
    """A message, a call or a removed SIM would go unnoticed until the next survey."""
    assert notices.read(line, pdu, "SM") == notice
