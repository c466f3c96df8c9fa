"""A modem made of a table, and a session driven by it in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from edge.modem.conversation.procedures import Pin
from edge.modem.outcomes import Event
from edge.modem.session import Session

ANSWERS = {
    "AT": "OK",
    "ATE0": "OK",
    "AT+CMEE=1": "OK",
    "AT+CPIN?": "+CPIN: READY|OK",
    'AT+CPINR="SIM PIN"': "+CPINR: SIM PIN,3,3|OK",
    "AT+CPMS=?": '+CPMS: ("ME","SM"),("ME","SM"),("ME","SM")|OK',
    'AT+CPMS="SM","SM","SM"': "+CPMS: 0,20,0,20,0,20|OK",
    "AT+CNMI=?": "+CNMI: (0-2),(0-3),(0,2),(0-2),(0,1)|OK",
    "AT+CNMI=2,1,0,1,0": "OK",
    "AT+CMGF=0": "OK",
    "AT+CREG=1": "OK",
    "AT+CMMS=?": "+CMMS: (0-2)|OK",
    "AT+CMMS=2": "OK",
    "AT+CGMI": "kampung|OK",
    "AT+CGMM": "table|OK",
    "AT+CGMR": "1|OK",
    "AT+CGSN": "350000000000006|OK",
    "AT+CFUN?": "+CFUN: 1|OK",
    "AT+CSMS=0": "+CSMS: 1,1,1|OK",
    'AT+CSCS="GSM"': "OK",
    "AT+COPS=3,0": "OK",
    "AT+CTZU=1": "OK",
    "AT+CTZR=1": "OK",
    "AT+CCLK?": '+CCLK: "26/11/22,14:00:00+28"|OK',
    "AT+CSCA?": '+CSCA: "+6281100000",145|OK',
    "AT+CEREG?": "ERROR",
    "AT+CGREG?": "+CGREG: 0,2|OK",
    "AT+CREG?": "+CREG: 1,1|OK",
    "AT+COPS?": '+COPS: 0,0,"Telkomsel",7|OK',
    "AT+CSQ": "+CSQ: 18,99|OK",
    "AT+CMGL=4": "OK",
}


@dataclass
class Conversation:
    """`answers` may be changed under way; a command without one, or with "", is met by silence.

    AT+CMGR of a place that AT+CMGL=4 lists is answered by the same message.

    Lines of an answer are divided by "|"; ">" is a prompt, and what is given after it is answered from `payloads`.
    """

    pin: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=lambda: dict(ANSWERS))
    payloads: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.session = Session(
            pin=Pin(self.pin), command_timeout=5, send_timeout=30, list_every=60, now=0, **self.options
        )
        self.settle()

    def settle(self) -> None:
        """Answer until nothing more is asked."""
        while data := self.session.to_send():
            for line in data.decode().replace("\x1a", "\r").split("\r"):
                if line.strip("\x1b"):
                    self._answer(line)
        while (event := self.session.next_event()) is not None:
            self.events.append(event)

    def _answer(self, line: str) -> None:
        self.commands.append(line)
        answer = self.answers.get(line) or self._listed(line)
        if line.startswith("00") and self.payloads:
            answer = self.payloads.pop(0)
        if answer == ">":
            self.session.receive(b"\r\n> ", self.now)
        elif answer:
            self.hear(*answer.split("|"))

    def _listed(self, line: str) -> str:
        place = line.removeprefix("AT+CMGR=")
        for header, pdu in pairwise(self.answers["AT+CMGL=4"].split("|")):
            if place != line and header.startswith(f"+CMGL: {place},"):
                return f"+CMGR: 1,,{header.rpartition(',')[2]}|{pdu}|OK"
        return ""

    def hear(self, *lines: str) -> None:
        """Lines from the modem."""
        for line in lines:
            self.session.receive(f"\r\n{line}\r\n".encode(), self.now)

    def say(self, *lines: str) -> None:
        """Unsolicited lines, and all that follows from them."""
        self.hear(*lines)
        self.settle()

    def wait(self, seconds: float) -> None:
        """Let time pass, timer by timer."""
        end = self.now + seconds
        while (due := self.session.get_timer()) is not None and due <= end:
            self.now = max(self.now, due)
            self.session.handle_timer(self.now)
            self.settle()
        self.now = end

    def take(self, kind: Callable[..., Event] | type) -> list[Event]:
        """The events of one kind since the last take, which are forgotten."""
        found = [event for event in self.events if isinstance(event, kind)]  # type: ignore[arg-type]
        self.events = [event for event in self.events if event not in found]
        return found
