"""A modem, its SIM and its network in virtual time, with everything that goes wrong in years; no clock, no line."""

from __future__ import annotations

import heapq
import re
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime

from edge.modem.codec.fields import Address
from edge.modem.concat import Piece
from edge.modem.conversation.ladder import Rung
from edge.modem.pdu import encode_deliver

COMMAND_S, NETWORK_S = 0.01, 2.0
_FIXED = {
    "AT+COPS?": '+COPS: 0,0,"Telkomsel",0',
    "AT+CSQ": "+CSQ: 18,99",
    "AT+CEREG?": "+CEREG: 0,0",
    "AT+CGREG?": "+CGREG: 0,0",
    "AT+CGMI": "+CGMI: SIMCOM_Ltd",
    "AT+CGMM": "SIMCOM_SIM800L",
    "AT+CGMR": "1",
    "AT+CGSN": "350000000000006",
    "AT+CPMS=?": '+CPMS: ("SM","ME"),("SM","ME"),("SM","ME")',
    "AT+CNMI=?": "+CNMI: (0-2),(0-3),(0,2),(0-2),(0,1)",
    "AT+CMMS=?": "+CMMS: (0-2)",
    "AT+CFUN?": "+CFUN: 1",
    "AT+CCLK?": '+CCLK: "26/11/22,14:00:00+28"',
    "AT+CSCA?": '+CSCA: "+6281100000",145',
}


@dataclass
class VirtualModem:
    """`hears` and `says` are bytes with their moments. Every `..._until` is the moment when that fault ends by itself.

    `cure` is the rung that alone ends a hang ("" for none needed); a `wedged` modem answers, but refuses to work.
    """

    capacity: int = 10
    sim: dict[int, str] = field(default_factory=dict)
    waiting: deque[str] = field(default_factory=deque)
    taken: list[str] = field(default_factory=list)
    silent_until: float = 0.0
    gone_until: float = 0.0
    unregistered_until: float = 0.0
    sim_gone_until: float = 0.0
    undeletable_until: float = 0.0
    cure: Rung = ""
    wedged: bool = False
    lose_ok: bool = False
    errors: int = 0
    echo: bool = True
    pdu_mode: bool = False
    announces: bool = False
    said: list[tuple[float, int, bytes]] = field(default_factory=list)
    _heard: str = ""
    _prompting: bool = False
    _count: int = 0

    def deliver(self, text: str, now: float) -> None:
        pdu, _ = encode_deliver(Address("+628123456001"), Piece(text, False, None), datetime(2026, 11, 22, tzinfo=UTC))
        self.waiting.append(pdu)
        self._fill(now)

    def hear(self, data: bytes, now: float) -> None:
        for character in data.decode("latin-1"):
            if character in "\r\x1a\x1b":
                line, self._heard = self._heard.strip(), ""
                self._obey(line, character, now)
            else:
                self._heard += character

    def restart(self, now: float, *, word: str = "") -> None:
        """All settings are lost; some say so."""
        self.echo, self.pdu_mode, self.announces, self._prompting = True, False, False, False
        self.said.clear()
        if word:
            self._say(now, 0.0, word)

    def treat(self, rung: Rung, now: float) -> None:
        """A remedy is applied from outside, or by AT+CFUN."""
        if rung == self.cure or rung == "power":
            self.cure, self.wedged = "", False
        if rung in ("usb-reset", "power"):
            self.gone_until = max(self.gone_until, now + 5.0)
            self.silent_until = min(self.silent_until, now)
            self.restart(now)

    def works(self, now: float) -> bool:
        faults = (self.silent_until, self.gone_until, self.unregistered_until, self.sim_gone_until)
        return not self.cure and not self.wedged and all(now >= fault for fault in faults)

    # --- inside

    def _mute(self, now: float) -> bool:
        return now < self.silent_until or (bool(self.cure) and not self.wedged)

    def _say(self, now: float, delay: float, *lines: str) -> None:
        if not self._mute(now):
            self._count += 1
            data = "".join(f"\r\n{line}\r\n" for line in lines).encode()
            heapq.heappush(self.said, (now + delay, self._count, data))

    def _fill(self, now: float) -> None:
        able = self.announces and self.pdu_mode and self.works(now)
        while able and self.waiting and len(self.sim) < self.capacity:
            place = next(place for place in range(self.capacity) if place not in self.sim)
            self.sim[place] = self.waiting.popleft()
            self._say(now, COMMAND_S, f'+CMTI: "SM",{place}')

    def _obey(self, line: str, end: str, now: float) -> None:
        if self._mute(now):
            return
        if self._prompting:
            self._prompting = False
            if end == "\x1a":
                self._transmit(line, now)
            else:
                self._say(now, COMMAND_S, "OK")
        elif line and end == "\r":
            echo = [line] if self.echo else []
            if line.startswith("AT+CMGS="):
                self._prompting = True
                self._count += 1
                heapq.heappush(self.said, (now + COMMAND_S, self._count, b"\r\n> "))
            else:
                self._say(now, COMMAND_S, *echo, *self._answer(line, now))
        self._fill(now)

    def _transmit(self, pdu: str, now: float) -> None:
        if self.errors or now < self.unregistered_until or now < self.sim_gone_until:
            self.errors = max(0, self.errors - 1)
            self._say(now, NETWORK_S, "+CMS ERROR: 500")
            return
        self.taken.append(pdu)
        if not self.lose_ok:
            self._say(now, NETWORK_S, f"+CMGS: {len(self.taken) % 256}", "OK")
        self.lose_ok = False

    def _answer(self, line: str, now: float) -> list[str]:
        if line in _FIXED:
            return [_FIXED[line], "OK"]
        if self.wedged and line.startswith(("AT+CM", "AT+CNMI")):
            return ["ERROR"]
        if line in ("ATE0", "ATE1"):
            self.echo = line == "ATE1"
        elif line.startswith("AT+CFUN="):
            self.treat("model-reset" if line.endswith(",1") else "cfun", now)
        elif line == "AT+CPIN?":
            return ["+CME ERROR: 10"] if now < self.sim_gone_until else ["+CPIN: READY", "OK"]
        elif line == "AT+CREG?":
            return [f"+CREG: 1,{2 if now < max(self.unregistered_until, self.sim_gone_until) else 1}", "OK"]
        elif line == "AT+CMGF=0":
            self.pdu_mode = True
        elif line.startswith("AT+CNMI="):
            self.announces = True
        elif line.startswith('AT+CPMS="SM"'):
            return [f"+CPMS: {len(self.sim)},{self.capacity},0,{self.capacity},0,{self.capacity}", "OK"]
        elif re.match(r"AT\+CMG[LRD]=", line):
            return self._store(line, now)
        return ["OK"]

    def _store(self, line: str, now: float) -> list[str]:
        if now < self.sim_gone_until:
            return ["+CMS ERROR: 310"]
        if not self.pdu_mode:
            return ["+CMS ERROR: 305"]
        if line == "AT+CMGL=4":
            lines = [(f"+CMGL: {place},1,,{len(pdu) // 2 - 1}", pdu) for place, pdu in sorted(self.sim.items())]
            return [part for pair in lines for part in pair] + ["OK"]
        place = int(line[8:])
        if place not in self.sim:
            return ["+CMS ERROR: 321"]
        if line.startswith("AT+CMGR"):
            return [f"+CMGR: 1,,{len(self.sim[place]) // 2 - 1}", self.sim[place], "OK"]
        if now < self.undeletable_until:
            return ["+CMS ERROR: 320"]
        del self.sim[place]
        return ["OK"]
