"""A recorded modem: it answers a session as it answered when it was recorded, in virtual time.

A command gets the next answer that was recorded to it, after as long a wait; asked more often than it was, it answers
as the last time, and ERROR to what it was never asked. What it said unasked comes at its moment. So a recording stays
good when the session asks more, or in another order. A remark ``# balance *888#`` makes the session ask the balance.

    python -m tests.unit.modem.replay FILE...    writes what comes of a recording into it
"""

from __future__ import annotations

import heapq
import re
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from edge.modem import outcomes
from edge.modem.conversation.procedures import Pin
from edge.modem.examine import transcript
from edge.modem.examine.transcript import Chunk, Transcript
from edge.modem.outcomes import Event
from edge.modem.pdu import Deliver
from edge.modem.session import Session

_GIVEN = re.compile(rb"([^\r\n\x1a\x1b]*)([\r\x1a\x1b])")
_FINAL = re.compile(rb"(?:^|[\r\n])(?:OK|ERROR|COMMAND NOT SUPPORT|\+CM[ES] ERROR:[^\r\n]*|> ?)[\r\n]*$")
_BALANCE = re.compile(r"^# balance (\S+)$", re.MULTILINE)
_AFTER_S, _AFTER_OPEN_S = 5.0, 65.0  # a send that was given may yet time out


@dataclass
class _Exchange:
    """A command, or a payload after its prompt, and what was said to it: (seconds later, bytes)."""

    given: str
    at: float
    said: list[tuple[float, bytes]] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        said = b"".join(data for _, data in self.said)
        late = self.given == "AT+CSQ" and b"+CSQ:" not in said and b"ERROR" not in said  # an OK for something earlier
        return bool(_FINAL.search(said)) and not late


def _exchanges(chunks: list[Chunk]) -> tuple[list[_Exchange], list[tuple[float, bytes]]]:
    """The exchanges in order, and what was said outside of any."""
    exchanges: list[_Exchange] = []
    unasked: list[tuple[float, bytes]] = []
    for chunk in chunks:
        if chunk.direction == ">":
            given = ((found[1].decode(), found[2]) for found in _GIVEN.finditer(chunk.data))
            exchanges += [_Exchange(line, chunk.at) for line, end in given if line and end != b"\x1b"]
        elif exchanges and not exchanges[-1].ended:
            exchanges[-1].said.append((chunk.at - exchanges[-1].at, chunk.data))
        else:
            unasked.append((chunk.at, chunk.data))
    return exchanges, unasked


def _name(given: str) -> str:
    """Payloads are alike, and so are the lengths announced for them."""
    if re.fullmatch(r"[0-9A-F]+", given):
        return "payload"
    return "AT+CMGS" if given.startswith("AT+CMGS=") else given


class Replay:
    """One recording against a session; `told` are the outcomes in order."""

    def __init__(self, recording: Transcript, *, balance: str = "") -> None:
        self.told: list[str] = []
        self._balance = balance
        self._order = count()
        self._due: list[tuple[float, int, bytes]] = []
        self._answers: dict[str, deque[_Exchange]] = {}
        self._before: dict[str, _Exchange] = {}
        self._sends: deque[tuple[float, str, int]] = deque()
        self._network: tuple[int, str] | None = None
        exchanges, unasked = _exchanges(recording.chunks)
        for at, data in unasked:
            self._plan(at, data)
        for place, exchange in enumerate(exchanges):
            self._answers.setdefault(_name(exchange.given), deque()).append(exchange)
            if exchange.given.startswith("AT+CMGS="):
                length = int(exchange.given.partition("=")[2])
                after = exchanges[place + 1].given if place + 1 < len(exchanges) else ""
                pdu = after if _name(after) == "payload" else "00" * (length + 1)
                self._sends.append((exchange.at, pdu, length))
        self._asks = deque(exchange.at for exchange in exchanges if exchange.given.startswith("AT+CUSD=1"))
        self._now = recording.chunks[0].at
        self._last = recording.chunks[-1].at
        self._open: set[int] = set()
        self._session = self._begin()

    def _begin(self) -> Session:
        return Session(pin=Pin("0000"), balance_ussd=self._balance, list_every=60, now=self._now)

    def run(self) -> list[str]:
        """All that comes of the recording."""
        self._settle()
        sent = 0
        while (moment := min(self._moments())) <= self._last + (_AFTER_OPEN_S if self._open else _AFTER_S):
            self._now = max(self._now, moment)
            if self._due and self._due[0][0] <= self._now:
                self._session.receive(heapq.heappop(self._due)[2], self._now)
            elif self._sends and self._sends[0][0] <= self._now:
                _, pdu, length = self._sends.popleft()
                sent += 1
                self._open.add(sent)
                self._session.send(sent, [(pdu, length)], self._now)
            elif self._asks and self._asks[0] <= self._now:
                self._asks.popleft()
                self._session.ussd(self._now)
            else:
                self._session.handle_timer(self._now)
            self._settle()
        return self.told

    def _moments(self) -> Iterator[float]:
        yield self._last + 2 * _AFTER_OPEN_S
        if self._due:
            yield self._due[0][0]
        if self._sends:
            yield self._sends[0][0]
        if self._asks:
            yield self._asks[0]
        due = self._session.get_timer()
        if due is not None:
            yield due

    def _plan(self, at: float, data: bytes) -> None:
        heapq.heappush(self._due, (at, next(self._order), data))

    def _settle(self) -> None:
        for found in _GIVEN.finditer(self._session.to_send()):
            if found[1] and found[2] != b"\x1b":
                self._answer(found[1].decode())
        while (event := self._session.next_event()) is not None:
            self._take(event)

    def _answer(self, given: str) -> None:
        known = self._answers.get(_name(given))
        if known is None:
            self._plan(self._now + 0.01, b"\r\nERROR\r\n")
            return
        exchange = known.popleft()
        if not known and (exchange.ended or exchange.at + _AFTER_S < self._last):
            known.append(exchange)
        elif not known:  # the recording broke off in its middle
            known.append(self._before.get(_name(given), exchange))
        self._before[_name(given)] = exchange
        for wait, data in exchange.said:
            self._plan(self._now + wait, data)

    def _take(self, event: Event) -> None:
        if (line := self._line(event)) is not None:
            self.told.append(line)
        if isinstance(event, outcomes.Arrived) and event.index is not None:
            self._session.delete(event.index, self._now)
        elif isinstance(event, outcomes.Lost):
            self._session.close()
            self._settle()
            self._session = self._begin()
            self._settle()

    def _line(self, event: Event) -> str | None:
        match event:
            case outcomes.Surveyed(network):
                before, self._network = self._network, (network.registration, network.operator)
                return None if before == self._network else f"Surveyed {network.registration} {network.operator}"
            case outcomes.Arrived(index, _, message):
                what = "unreadable" if message is None else type(message).__name__
                return f"Arrived {index} {what} {message.text if isinstance(message, Deliver) else ''}".strip()
            case outcomes.SendEnded():
                self._open.discard(event.id)
                how = "sent" if event.sent else "not sent" if event.certain else "uncertain"
                return f"SendEnded {event.id} {how}"
            case outcomes.PartTaken() | outcomes.Deleted() | outcomes.DeleteFailed():
                values = [getattr(event, name) for name in event.__slots__]
                return " ".join([type(event).__name__, *map(str, values)])
            case outcomes.BalanceTold(rp, expires):
                return f"BalanceTold {rp} {expires}"
            case outcomes.NetworkTime(iso):
                return f"NetworkTime {iso}"
            case outcomes.Ready() | outcomes.SimFaulted() | outcomes.CallRejected() | outcomes.Lost():
                return type(event).__name__
            case outcomes.Identified():
                return f"Identified {event.quirks}"
        return None


def of(text: str) -> list[str]:
    """What comes of the recording `text`."""
    balance = _BALANCE.search(text)
    return Replay(transcript.read(text), balance=balance[1] if balance else "").run()


def pin_down(path: Path) -> None:
    """Write into a recording what comes of it, in place of what stood there."""
    text = "".join(line for line in path.read_text().splitlines(keepends=True) if not re.match(r"[\d.]+ =", line))
    end = transcript.read(text).chunks[-1].at
    path.write_text(text + "".join(f"{end:.3f} = {line}\n" for line in of(text)))


if __name__ == "__main__":
    for name in sys.argv[1:]:
        pin_down(Path(name))
