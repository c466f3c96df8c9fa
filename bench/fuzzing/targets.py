"""What is fuzzed: each target takes any octets and raises only where the code under it is wrong.

An input is a script: octets from 0x80 on are orders or whole lines that a modem may say, all others are bytes on the
line. So a fuzzer finds deep conversations by changing single octets, and noise at every place of them.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from edge.modem import at, concat, pdu
from edge.modem.at import Answer, Channel, Command
from edge.modem.conversation.procedures import Pin
from edge.modem.examine.masking import Mask
from edge.modem.outcomes import Arrived, Lost, PartTaken, SendEnded
from edge.modem.session import Session

_PDU = "07911326880000F0040B911326880736F400006211220100008204CF25D3CB"  # a DELIVER of one part
_REPORT = "0006070B911326880736F4111011719551401110117195714000"
_ISSUE, _WAIT, _CANCEL, _PROCEED, _ESCAPE, _CUT, _SEND, _DELETE, _QUERY, _USSD = range(0xF0, 0xFA)
_LINES = (
    "OK", "ERROR", "> ", ">", "+CMS ERROR: 38", "+CMS ERROR: 500", "+CME ERROR: 10", "+CME ERROR: SIM busy", "RDY",
    "NORMAL POWER DOWN", "RING", "NO CARRIER", '+CLIP: "0812345678",129', '+CMTI: "SM",0', '+CMTI: "ME",7',
    "+CMTI: ,-1", '+CDSI: "SR",2', "+CDS: 25", _REPORT, "+CMGL: 0,1,,24", "+CMGL: 3,0,,19", "+CMGR: 1,,24", _PDU,
    _PDU[:30], _PDU[8:], "+CMGS: 7", "+CMGS: 255", "+CPIN: READY", "+CPIN: SIM PIN", "+CPIN: SIM PUK",
    "+CPIN: NOT INSERTED", "+CPINR: SIM PIN,3,10", '+CPMS: ("ME","SM"),("ME","SM"),("SM")', "+CPMS: 0,20,0,20,0,20",
    "+CPMS: 3,3,3,3,3,3", "+CNMI: (0-2),(0-3),(0,2),(0-2),(0,1)", "+CNMI: (0,1,2),(1),(0),(2),(1)", "+CREG: 1,1",
    '+CREG: 2,5,"00C3","01A2",7', "+CREG: 3", "+CREG: 0,2", "+CGREG: 1,1", "+CEREG: 2,1", '+COPS: 0,0,"Telkomsel",7',
    "+COPS: 0", "+CSQ: 18,99", "+CSQ: 99,99", '+CSCA: "+6281100000",145', '+CSCA: ""',
    '+CUSD: 0,"Pulsa Rp 5.000 aktif s.d. 31/12/26",15', '+CUSD: 1,"1. YA', '2. Info",15',
    '+CUSD: 0,"00500075006C00730061",72', "+CUSD: 2", '+CTZV: "26/11/22,10:00:00+28"',
    '+CCLK: "26/11/22,10:00:00+28"', "+CMGF: 0", "+CFUN: 1", "^RSSI:18", "^BOOT:1,0,0,0,6", "^SIMST:0", "Huawei",
    "E173", "SIMCOM_SIM7600E", "Quectel", "867962041234567", "+CGMM: EC25", "AT+CMGL=4", "ATE0", "+CBM: 3",
    "\0\xff\xfe", "x" * 1100, "SMS Ready", "+CMMS: (0-2)", "+CSMP: 49,167,0,0", "+CNMA", '+CMGL: 5,1,"",24',
    "*PSUTTZ: 26", "$X", "+CPMS: 10,10",
)  # fmt: skip
_MOST_SAID = 4000
_COMMANDS = (
    Command("AT", 1),
    Command("AT+CSQ", 5, "+CSQ:", needed=True),
    Command("AT+CMGL=4", 5, "+CMGL:"),
    Command("AT+CMGS=20", 5, "+CMGS:", payload="00AABB"),
    Command("AT+CMGS=21", 5, "+CMGS:", payload="00AABBCC", held=True),
    Command("AT+CREG?", 5, "+CREG:", needed=True),
    at.question("AT+CPIN?", 5),
)


class Broken(Exception):
    """What the code under test promises does not hold."""


def fuzz_pdu(octets: bytes) -> None:
    """`pdu.decode` of octets, and of text, raises `PduError` or tells something that can be masked and shown."""
    if not octets:
        return
    how, line = octets[0], octets[1:].hex()
    if how >= 0xF0:
        line = octets[1:].decode("latin-1")
    length = None if how < 0x80 else how - 0x80
    try:
        message = pdu.decode(line, length=length)
    except pdu.PduError:
        return
    if not isinstance(message, pdu.StatusReport):
        if len(concat.assemble([message.text])) > 160:
            raise Broken("a text longer than any part")
        Mask(b"key").text(message.text)
    try:
        masked = Mask(b"key").pdu(line)
    except pdu.PduError:
        raise
    except ValueError:
        return
    if len(masked) != len(line):
        raise Broken("a mask of another length")


def fuzz_at(octets: bytes) -> None:
    """Whatever a modem says, each command ends once, and alike however the bytes are cut."""
    whole, single = Channel(), Channel()
    issued, answers, now = 0, 0, 0.0
    said = bytearray()

    def flush() -> None:
        nonlocal answers
        if said:
            whole.receive(bytes(said), now)
            for octet in said:
                single.receive(bytes((octet,)), now)
            said.clear()
        answers += _compare(whole, single)

    room = _MOST_SAID
    for octet in octets:
        if room <= 0:
            break
        if octet < 0x80:
            said.append(octet)
        elif octet < _ISSUE:
            line = _LINES[(octet - 0x80) % len(_LINES)].encode("latin-1")
            room -= len(line)
            said += b"\r\n" + line + b"\r\n"
        else:
            flush()
            now += 2.0 if octet == _WAIT else 0.0
            busy = whole.busy
            for channel in (whole, single):
                _order(channel, octet, issued, now)
            issued += whole.busy and not busy
            flush()
    flush()
    for _ in range(200):
        if not whole.busy:
            break
        now += 2.0
        whole.handle_timer(now)
        single.handle_timer(now)
        flush()
    if answers != issued:
        raise Broken(f"{issued} commands came to {answers} ends")


def _order(channel: Channel, octet: int, issued: int, now: float) -> None:
    if octet == _ISSUE and not channel.busy:
        channel.issue(_COMMANDS[issued % len(_COMMANDS)], now)
    elif octet == _WAIT:
        channel.handle_timer(now)
    elif octet == _CANCEL:
        channel.cancel(now)
    elif octet == _PROCEED:
        channel.proceed(now)
    elif octet == _ESCAPE:
        channel.escape()


def _compare(whole: Channel, single: Channel) -> int:
    """How many commands have ended."""
    if whole.to_send() != single.to_send() or whole.busy != single.busy or whole.get_timer() != single.get_timer():
        raise Broken("the cut of the bytes changes what is sent")
    ended = 0
    while True:
        event, other = whole.next_event(), single.next_event()
        if event != other:
            raise Broken(f"the cut of the bytes changes {event} to {other}")
        if event is None:
            return ended
        ended += isinstance(event, Answer)
        lines = event.lines if isinstance(event, Answer) else (event.line, event.pdu)
        if any(len(line) > at.LONGEST_LINE for line in lines):
            raise Broken("a line longer than the longest")


def fuzz_session(octets: bytes) -> None:
    """Whatever a modem says, the session neither raises nor ends a message twice, and a closed one owes nothing."""
    session = Session(pin=Pin("1234"), command_timeout=5, send_timeout=20, list_every=60, balance_ussd="*888#", now=0)
    now, sent, open_sends = 0.0, 0, set[int]()
    for octet in octets[:1500]:
        if octet < 0x80:
            session.receive(bytes((octet,)), now)
        elif octet < _ISSUE:
            line = _LINES[(octet - 0x80) % len(_LINES)]
            session.receive(b"\r\n" + line.encode("latin-1") + b"\r\n", now)
        elif octet == _WAIT:
            now = max(now, session.get_timer() or now)
            session.handle_timer(now)
        elif octet == _SEND and len(open_sends) < 20:
            sent += 1
            open_sends.add(sent)
            session.send(sent, [("00AABB", 2)] * (1 + sent % 2), now, held=sent % 3 == 0)
        else:
            _demand(session, octet, sent, now)
        _settle(session, open_sends)
    session.close()
    _settle(session, open_sends)
    if open_sends:
        raise Broken(f"messages {sorted(open_sends)} never ended")


def _demand(session: Session, octet: int, sent: int, now: float) -> None:
    if octet == _PROCEED:
        for sequence in (1, 2):
            session.proceed(sent, sequence, now)
    elif octet == _CANCEL:
        session.cancel(sent, now)
    elif octet == _DELETE:
        session.delete(0, now)
    elif octet == _QUERY:
        session.query(1, "AT+CSQ", now)
    elif octet == _USSD:
        session.ussd(now)


def _settle(session: Session, open_sends: set[int]) -> None:
    if not session.to_send().isascii():
        raise Broken("what goes to the modem is ASCII")
    while (event := session.next_event()) is not None:
        if isinstance(event, SendEnded):
            if event.id not in open_sends:
                raise Broken(f"message {event.id} ended twice")
            open_sends.discard(event.id)
        elif isinstance(event, PartTaken) and event.id not in open_sends:
            raise Broken(f"a part of the ended message {event.id}")
        elif isinstance(event, Arrived) and event.index is not None and event.index < 0:
            raise Broken("a place that no modem has")
        elif isinstance(event, Lost) and not event.reason:
            raise Broken("a loss without a reason")


TARGETS: MappingProxyType[str, Callable[[bytes], None]] = MappingProxyType(
    {"pdu": fuzz_pdu, "at": fuzz_at, "session": fuzz_session}
)
LONGEST = MappingProxyType({"pdu": 260, "at": 600, "session": 400})
