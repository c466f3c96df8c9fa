"""Conversations with an AT modem: commands, what the line says, and what is made of it."""

from __future__ import annotations

from edge.modem.at import (
    RESTARTED,
    Answer,
    Channel,
    Command,
    Event,
    Unsolicited,
)

CSQ = Command("AT+CSQ", 5, "+CSQ:", needed=True)
LIST = Command("AT+CMGL=4", 5, "+CMGL:")
GREETING = Command("AT", 5)
MODE = Command("AT+CMGF=0", 5)
SEND = Command("AT+CMGS=20", 5, "+CMGS:", payload="00AABB", payload_timeout=60)


def drain(channel: Channel) -> list[Event]:
    events = []
    while (event := channel.next_event()) is not None:
        events.append(event)
    return events


def converse(command: Command | None, *chunks: bytes) -> tuple[list[Event], bytes]:
    """What comes of `chunks` after `command` was issued, and what was sent."""
    channel = Channel()
    sent = b""
    if command is not None:
        channel.issue(command, now=0)
        sent += channel.to_send()
    for chunk in chunks:
        channel.receive(chunk, now=0)
        sent += channel.to_send()
    return drain(channel), sent


GOLDEN = [
    # command, bytes from the modem, events
    (CSQ, b"\r\n+CSQ: 18,99\r\n\r\nOK\r\n", [Answer(CSQ, ("+CSQ: 18,99",), "OK")]),
    (CSQ, b"AT+CSQ\r\r\n+CSQ: 18,99\r\n\r\nOK\r\n", [Answer(CSQ, ("+CSQ: 18,99",), "OK")]),  # echo
    (CSQ, b"\r\nOK\r\n+CSQ: 1,9\r\nOK\r\n", [Answer(CSQ, ("+CSQ: 1,9",), "OK")]),  # a late OK comes first
    (CSQ, b"\r\nERROR\r\n", [Answer(CSQ, (), "ERROR")]),
    (CSQ, b"\r\n+CME ERROR: 14\r\n", [Answer(CSQ, (), "+CME ERROR: 14")]),
    (
        LIST,
        b'\r\n+CMGL: 0,1,,24\r\n+CMTI: "SM",3\r\n07AA\r\nRING\r\n\r\nOK\r\n',  # indications in the middle
        [Unsolicited('+CMTI: "SM",3'), Unsolicited("RING"), Answer(LIST, ("+CMGL: 0,1,,24", "07AA"), "OK")],
    ),
    (
        LIST,
        b"\r\n+CDS: 2\r\n0006AA\r\n\r\nOK\r\n",
        [Unsolicited("+CDS: 2", "0006AA"), Answer(LIST, (), "OK")],
    ),
    (
        LIST,
        b"\r\n^RSSI:18\r\n*PSUTTZ: 26\r\nOK\r\n",
        [Unsolicited("^RSSI:18"), Unsolicited("*PSUTTZ: 26"), Answer(LIST, (), "OK")],
    ),
    (None, b'\r\n+CMTI: "ME",0\r\n', [Unsolicited('+CMTI: "ME",0')]),
    (None, b"\r\nOK\r\n", []),  # a late answer to what timed out
    (
        Command("AT+CREG?", 5, "+CREG:", needed=True),
        b"\r\n+CREG: 5\r\n+CREG: 1,1\r\nOK\r\n",  # a change is announced while it is asked
        [Unsolicited("+CREG: 5"), Answer(Command("AT+CREG?", 5, "+CREG:", needed=True), ("+CREG: 1,1",), "OK")],
    ),
    (
        Command("AT+CPIN?", 5, "+CPIN:", needed=True),
        b"\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n",
        [Answer(Command("AT+CPIN?", 5, "+CPIN:", needed=True), ("+CPIN: SIM PIN",), "OK")],
    ),
    (SEND, b"\r\n> \r\n+CMGS: 7\r\n\r\nOK\r\n", [Answer(SEND, ("+CMGS: 7",), "OK", True)]),
    (SEND, b"\r\n> 00AABB\x1a\r\n+CMGS: 7\r\n\r\nOK\r\n", [Answer(SEND, ("+CMGS: 7",), "OK", True)]),  # payload echoed
    (
        SEND,
        b'\r\n+CMTI: "SM",1\r\n\r\n> \r\n+CMS ERROR: 38\r\n',
        [Unsolicited('+CMTI: "SM",1'), Answer(SEND, (), "+CMS ERROR: 38", True)],
    ),
    (SEND, b"\r\n+CMS ERROR: 500\r\n", [Answer(SEND, (), "+CMS ERROR: 500", False)]),
    (SEND, b"\r\nOK\r\n\xfe\x81> \r\n+CMGS: 9\r\nOK\r\n", [Answer(SEND, ("+CMGS: 9",), "OK", True)]),
    (CSQ, b"\xff\x00\x80\x9f\r\n+CSQ: 18,99\r\n\xfeOK\r\n", [Answer(CSQ, ("+CSQ: 18,99",), "OK")]),  # noise
    (CSQ, b"x" * 5000 + b"\r\n+CSQ: 1,1\r\nOK\r\n", [Answer(CSQ, ("+CSQ: 1,1",), "OK")]),  # an endless line
    (
        LIST,
        b"\r\n+CDS: 25\r\n+CMGL: 0,1,,2\r\n0006AA\r\nOK\r\n",  # the report's own line was lost
        [Unsolicited("+CDS: 25"), Answer(LIST, ("+CMGL: 0,1,,2", "0006AA"), "OK")],
    ),
    (
        LIST,
        b"\r\n+CMGL: 0,1,,2\r\n+CDS: 25\r\n0006AA\r\nOK\r\n",  # so it was, and the next is a listed message's
        [Unsolicited("+CDS: 25"), Answer(LIST, ("+CMGL: 0,1,,2", "0006AA"), "OK")],
    ),
    (
        CSQ,
        b'\r\n+CMT: "+62812","","26/11/22,10:00:00+28"\r\nOK\r\n+CSQ: 1,1\r\nOK\r\n',  # a text, still in text mode
        [Unsolicited('+CMT: "+62812","","26/11/22,10:00:00+28"'), Answer(CSQ, ("+CSQ: 1,1",), "OK")],
    ),
    (None, b"\r\n+CBM: 3\r\n0006AA\r\n", [Unsolicited("+CBM: 3", "0006AA")]),  # a page has no service centre
    (
        LIST,
        b"\r\n+CMGL: 0,1,,2\r\nNO CARRIER\r\n0006AA\r\nOK\r\n",  # a caller hung up
        [Unsolicited("NO CARRIER"), Answer(LIST, ("+CMGL: 0,1,,2", "0006AA"), "OK")],
    ),
    (
        None,
        b'\r\n+CUSD: 1,"Sisa pulsa Rp 5.000\r\n1. YA\r\n2. > Info Kartu",15\r\n',
        [Unsolicited('+CUSD: 1,"Sisa pulsa Rp 5.000\n1. YA\n2. > Info Kartu",15')],
    ),
    (
        CSQ,
        b'\r\n+CUSD: 0,"Pulsa\r\nhabis",15\r\n+CSQ: 1,1\r\nOK\r\n',
        [Unsolicited('+CUSD: 0,"Pulsa\nhabis",15'), Answer(CSQ, ("+CSQ: 1,1",), "OK")],
    ),
    (
        Command("AT", 5),
        b'\r\n+CUSD: 0,"Pulsa\r\nOK\r\n',  # the closing mark was lost
        [Unsolicited('+CUSD: 0,"Pulsa'), Answer(Command("AT", 5), (), "OK")],
    ),
    (
        Command("AT+CMGF=0", 5),
        b'AT+CM\r\n+CMTI: "SM",4\r\nGF=0\r\r\nOK\r\n',  # in the middle of the echo
        [Unsolicited('+CMTI: "SM",4'), Answer(Command("AT+CMGF=0", 5), (), "OK")],
    ),
    (CSQ, b"AT+COPS?\r\n+CSQ: 1,1\r\nOK\r\n", [Answer(CSQ, ("+CSQ: 1,1",), "OK")]),  # a late echo
    (None, b"AT+COPS?\r\n", []),
    (
        SEND,
        b'\r\n+CMTI: "SM",1> \r\n+CMGS: 7\r\nOK\r\n',  # the line's end was lost
        [Unsolicited('+CMTI: "SM",1'), Answer(SEND, ("+CMGS: 7",), "OK", True)],
    ),
    (SEND, b'\r\n+CUSD: 0,"a > b",15\r\nERROR\r\n', [Unsolicited('+CUSD: 0,"a > b",15'), Answer(SEND, (), "ERROR")]),
    (
        SEND,
        b"\r\n> 00AA\r\n^RSSI:9\r\n+CMGS: 7\r\nOK\r\n",
        [Unsolicited("^RSSI:9"), Answer(SEND, ("+CMGS: 7",), "OK", True)],
    ),
    (LIST, b"\r\nRDY\r\n", [Answer(LIST, (), RESTARTED), Unsolicited("RDY")]),
    (
        SEND,
        b"\r\n> \r\nUNDER-VOLTAGE POWER DOWN\r\n",
        [Answer(SEND, (), RESTARTED, True), Unsolicited("UNDER-VOLTAGE POWER DOWN")],
    ),
]
