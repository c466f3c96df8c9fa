"""Pure: a modem's session: initialise, list, read, send, recover.

Bytes and moments go in, bytes and events come out, as with the channel below it. One procedure runs at a time; the
session chooses the next by need: reading, then deleting what the shell has made durable, then sending, then surveying.
A message is announced once (`Arrived`) and stays on the SIM until `delete`; a deletion that fails is tried again, but
only after a new listing shows the same message at the same place. A silent modem is greeted anew and initialised
again; when that fails the session is `Lost` and the shell reopens the port.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from edge.modem import pdu as tpdu
from edge.modem import procedures
from edge.modem.at import Answer, Channel, Command, Unsolicited
from edge.modem.ladder import Rung
from edge.modem.outcomes import (
    Arrived,
    Deleted,
    DeleteFailed,
    Event,
    Lost,
    PartTaken,
    Queried,
    Ready,
    SimFaulted,
    Surveyed,
)
from edge.modem.procedures import Escape, Listed, PartSent, Pause, Pin, Procedure, Refused, Silent, SimFault, Step
from edge.modem.sends import MOST_GARBLED, Sending, Sends

SURVEY_S = 15.0
SURVEY_UNREGISTERED_S = 3.0
SIM_RETRY_S = 15.0
LIST_AGAIN_S = 2.0
DELETE_AGAIN_S = 3.0
_ATTEMPTS = 3
_STORED = re.compile(r'\+CMTI: ?"(\w+)", ?(\d{1,5})$')
_REGISTRATION = re.compile(r"\+CREG: ?(\d)")


_PAUSED = Answer(Command("", 0), (), "OK")


@dataclass(slots=True)
class _Held:
    pdu: str
    committed: bool = False


class Session:
    """One opening of one modem's port. Times are seconds, in `now`'s scale."""

    def __init__(
        self,
        *,
        pin: Pin,
        command_timeout: float = 10.0,
        send_timeout: float = 60.0,
        list_every: float = 60.0,
        smsc: str = "",
        reports: bool = True,
        balance_ussd: str = "",
        reject_calls: bool = True,
        reset: Rung = "",
        patience: float = 3.0,
        now: float,
    ) -> None:
        self._pin = pin
        self._timeout, self._send_timeout, self._list_every = command_timeout, send_timeout, list_every
        self._smsc, self._reports, self._balance_ussd = smsc, reports, balance_ussd
        self._reject_calls, self._reset, self._patience = reject_calls, reset, patience
        self._channel = Channel()
        self._events: deque[Event] = deque()
        self._procedure: Procedure[None] | None = None
        self._pause_until: float | None = None
        self._ready = self._lost = False
        self._attempts = 0
        self._begin_at = now
        self._list_at = self._survey_at = now
        self._storage, self._indications = "SM", "2,1,0,1,0"
        self._reads: deque[int] = deque()
        self._deletes: deque[int] = deque()
        self._sends = Sends()
        self._given: Sending | None = None
        self._queries: deque[tuple[int, Command]] = deque()
        self._held: dict[int, _Held] = {}
        self._suspect: dict[int, str] = {}
        self._now = now
        self._choose()

    # --- what the shell feeds and drains

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the line."""
        self._now = now
        self._channel.receive(data, now)
        self._turn()

    def handle_timer(self, now: float) -> None:
        """Do what is due at `now`; harmless when nothing is."""
        self._now = now
        self._channel.handle_timer(now)
        if self._pause_until is not None and now >= self._pause_until:
            self._pause_until = None
            self._advance(_PAUSED)
        self._turn()

    def get_timer(self) -> float | None:
        """When `handle_timer` is due next, None once lost."""
        if self._lost:
            return None
        if self._procedure is not None:
            return self._pause_until if self._pause_until is not None else self._channel.get_timer()
        return min(self._list_at, self._survey_at) if self._ready else self._begin_at

    def to_send(self) -> bytes:
        """Bytes for the line, each given out once."""
        return self._channel.to_send()

    def next_event(self) -> Event | None:
        """The oldest event not yet taken."""
        return self._events.popleft() if self._events else None

    # --- what the shell asks for

    def send(
        self,
        message_id: int,
        parts: Sequence[tuple[str, int]],
        now: float,
        *,
        held: bool = False,
        keep_link: bool = False,
    ) -> None:
        """Send the SUBMITs `parts` (line, octets) in order; a `PartTaken` for each, then one `SendEnded`.

        With `held` the modem is asked for its prompt, but the payload of part n leaves only after `proceed` of n.
        `keep_link` tells that another message follows at once. Raises ValueError for a message without parts and for
        an id that is being sent already.
        """
        self._now = now
        sending = self._sends.add(message_id, parts, held=held, keep_link=keep_link)
        if self._lost:
            self._sends.drop(sending)
            self._events.append(sending.ended(error="the modem was lost before the message was given"))
        else:
            self._choose()

    def proceed(self, message_id: int, sequence: int, now: float) -> None:
        """The journal knows part `sequence` durably: its payload may leave. Before or after the prompt; once is enough.

        Without effect on a message that has ended.
        """
        self._now = now
        sending = self._sends.find(message_id)
        if sending is None:
            return
        sending.released = max(sending.released, sequence)
        if self._given is sending and sending.may_leave:
            self._channel.proceed(now)
        sending.stalled = sending.stalled and not sending.may_leave
        self._choose()

    def cancel(self, message_id: int, now: float) -> None:
        """Send no further part: ends with `SendEnded(sent=False, certain=True)`.

        A part whose payload has left is waited for, and the message ends after it.
        """
        self._now = now
        sending = self._sends.find(message_id)
        if sending is None:
            return
        sending.cancelled = True
        if self._given is sending:
            self._channel.cancel(now)
        else:
            self._end_send(sending, error="cancelled")
        self._turn()

    def query(self, token: int, line: str, now: float, *, timeout: float = 30.0) -> None:
        """A person's own AT line, after everything else; ends with `Queried` of the same `token`."""
        self._now = now
        if self._lost:
            self._events.append(Queried(token, (), "LOST"))
            return
        self._queries.append((token, Command(line, timeout)))
        self._choose()

    def ussd(self, now: float) -> None:
        """Ask the operator for the balance now; ends with `BalanceTold` where the operator answers."""
        self._now = now

    def delete(self, index: int, now: float) -> None:
        """The message at `index` is durable: take it off the SIM."""
        self._now = now
        held = self._held.get(index)
        if held is not None and not held.committed:
            held.committed = True
            self._deletes.append(index)
            self._choose()

    def release(self, index: int) -> None:
        """The message at `index` could not be made durable: leave it, and announce it again at the next listing."""
        self._held.pop(index, None)
        self._list_at = min(self._list_at, self._now + LIST_AGAIN_S)

    def close(self) -> None:
        """The port is gone: settle every send that has not ended."""
        if self._procedure is not None:
            self._procedure.close()
            self._procedure = None
        for sending in self._sends.clear():
            given = self._given is sending and self._channel.payload_given
            self._events.append(sending.ended(certain=not given, error="the modem was lost while sending"))
        self._given = None
        self._events.extend(Queried(token, (), "LOST") for token, _ in self._queries)
        self._queries.clear()
        self._lost = True

    # --- choosing and performing

    def _turn(self) -> None:
        while (event := self._channel.next_event()) is not None:
            if isinstance(event, Answer):
                self._advance(event)
            else:
                self._notice(event)
        self._choose()

    def _choose(self) -> None:
        while self._procedure is None and not self._lost:
            procedure = self._next()
            if procedure is None:
                return
            self._procedure = procedure
            self._advance(None)

    def _next(self) -> Procedure[None] | None:
        if not self._ready:
            return self._initialise() if self._now >= self._begin_at else None
        if self._now >= self._list_at or len(self._reads) > 1:
            return self._list()
        if self._reads:
            return self._read(self._reads.popleft())
        if self._deletes:
            return self._delete(self._deletes.popleft())
        if (sending := self._sends.first()) is not None:
            return self._send(sending)
        if self._now >= self._survey_at:
            return self._survey()
        return self._query(*self._queries.popleft()) if self._queries else None

    def _advance(self, answer: Answer | None) -> None:
        if self._procedure is None:
            return
        try:
            step = next(self._procedure) if answer is None else self._procedure.send(answer)
        except StopIteration:
            self._procedure = None
        except (Silent, Refused) as trouble:
            self._begin_again(f"{type(trouble).__name__.lower()} at {trouble}")
        except SimFault as fault:
            self._stop_for(str(fault))
        else:
            self._perform(step)

    def _perform(self, step: Step) -> None:
        if isinstance(step, Command):
            self._channel.issue(step, self._now)
        elif isinstance(step, Pause):
            self._pause_until = self._now + step.seconds
        elif isinstance(step, Escape):
            self._channel.escape()
            self._advance(_PAUSED)

    def _begin_again(self, reason: str) -> None:
        self._procedure = None
        self._ready = False
        self._attempts += 1
        self._begin_at = self._now
        if self._attempts >= _ATTEMPTS or reason == "silent at AT":
            self._lost = True
            self._events.append(Lost(reason))

    def _stop_for(self, fault: str) -> None:
        self._procedure = None
        self._ready = False
        self._begin_at = self._now + SIM_RETRY_S
        self._events.append(SimFaulted(fault))

    def _notice(self, event: Unsolicited) -> None:
        stored = _STORED.match(event.line)
        if stored and stored[1] == self._storage:
            self._reads.append(int(stored[2]))
        elif event.line.startswith(("+CMTI", "+CDSI")):
            self._list_at = self._now
        elif event.pdu:
            self._found_directly(event.pdu)
        elif _REGISTRATION.match(event.line):
            self._survey_at = self._now
        elif event.line.startswith("+CPIN:") and event.line.partition(":")[2].strip() != "READY":
            self._ready, self._begin_at = False, self._now

    # --- the procedures, with what their results change here

    def _initialise(self) -> Procedure[None]:
        yield from procedures.greet()
        yield from procedures.ask("ATE0", self._timeout)
        yield from procedures.ask("AT+CMEE=1", self._timeout)
        yield from procedures.unlock(self._pin, self._timeout)
        self._storage = yield from procedures.choose_storage(self._timeout)
        self._indications = yield from procedures.choose_indications(self._timeout)
        yield from procedures.assert_mode(self._indications, self._timeout)
        # Keeps the radio link between the parts of a long message; many modems lack it.
        yield from procedures.ask("AT+CMMS=2", self._timeout)
        self._ready = True
        self._list_at = self._survey_at = self._now
        self._events.append(Ready())

    def _survey(self) -> Procedure[None]:
        yield from procedures.assert_mode(self._indications, self._timeout)
        network = yield from procedures.survey(self._timeout)
        self._survey_at = self._now + (SURVEY_S if network.registered else SURVEY_UNREGISTERED_S)
        self._attempts = 0
        self._events.append(Surveyed(network))

    def _list(self) -> Procedure[None]:
        self._reads.clear()
        self._list_at = self._now + self._list_every
        listed, whole = yield from procedures.list_all(self._timeout)
        for entry in listed:
            self._found(entry)
        places = {entry.index for entry in listed}
        self._suspect = {index: pdu for index, pdu in self._suspect.items() if index in places}
        if not whole:
            self._list_at = min(self._list_at, self._now + LIST_AGAIN_S)
            return
        for index in [index for index in self._held if index not in places]:
            del self._held[index]

    def _read(self, index: int) -> Procedure[None]:
        entry = yield from procedures.read(index, self._timeout)
        if entry is None:
            self._list_at = min(self._list_at, self._now + LIST_AGAIN_S)
        else:
            self._found(entry)

    def _delete(self, index: int) -> Procedure[None]:
        if index not in self._held:
            return
        if (yield from procedures.delete(index, self._timeout)):
            self._held.pop(index, None)
            self._events.append(Deleted(index))
        else:
            self._list_at = min(self._list_at, self._now + DELETE_AGAIN_S)
            self._events.append(DeleteFailed(index))

    def _send(self, sending: Sending) -> Procedure[None]:
        pdu, length = sending.parts[sending.taken]
        self._given = sending
        part = yield from procedures.send_part(
            pdu, length, self._timeout, self._send_timeout, held=not sending.may_leave
        )
        self._given = None
        self._note_part(sending, part)
        if part.silent:
            raise Silent("AT+CMGS")

    def _note_part(self, sending: Sending, part: PartSent) -> None:
        if part.withheld and not sending.cancelled:
            sending.stalled = not sending.may_leave
            sending.garbled += sending.may_leave
            if sending.garbled > MOST_GARBLED:
                self._end_send(sending, error="the line spoils every message")
        elif not part.sent:
            self._end_send(sending, certain=part.certain, error=part.error, permanent=part.permanent, code=part.code)
        else:
            sending.taken += 1
            if part.reference is not None:
                sending.references.append(part.reference)
            self._events.append(PartTaken(sending.id, sending.taken, part.reference))
            if sending.taken == len(sending.parts):
                self._end_send(sending, sent=True)
            elif sending.cancelled:
                self._end_send(sending, error="cancelled")

    def _end_send(
        self,
        sending: Sending,
        *,
        sent: bool = False,
        certain: bool = True,
        error: str = "",
        permanent: bool = False,
        code: int | None = None,
    ) -> None:
        self._sends.drop(sending)
        self._events.append(sending.ended(sent=sent, certain=certain, error=error, permanent=permanent, code=code))

    def _query(self, token: int, command: Command) -> Procedure[None]:
        answer = yield command
        self._events.append(Queried(token, answer.lines, answer.final))
        self._survey_at = self._now
        if answer.timed_out:
            raise Silent("a person's command")

    def _found(self, entry: Listed) -> None:
        held = self._held.get(entry.index)
        if held is not None and held.pdu == entry.pdu:
            if held.committed and entry.index not in self._deletes:
                self._deletes.append(entry.index)
            return
        try:
            message = tpdu.decode(entry.pdu, length=entry.length)
        except tpdu.PduError:
            self._doubt(entry)
            return
        self._suspect.pop(entry.index, None)
        if not isinstance(message, tpdu.Submit):
            self._arrived(entry, message)

    def _doubt(self, entry: Listed) -> None:
        """Noise on the line looks like an unreadable PDU: only what reads the same twice really is one."""
        before = self._suspect.get(entry.index)
        if before == entry.pdu:
            del self._suspect[entry.index]
            self._arrived(entry, None)
            return
        self._suspect[entry.index] = entry.pdu
        if before is None:
            self._reads.append(entry.index)
        else:
            self._list_at = min(self._list_at, self._now + LIST_AGAIN_S)

    def _arrived(self, entry: Listed, message: tpdu.Deliver | tpdu.StatusReport | None) -> None:
        self._held[entry.index] = _Held(entry.pdu)
        self._events.append(Arrived(entry.index, entry.pdu, message))

    def _found_directly(self, pdu: str) -> None:
        try:
            message = tpdu.decode(pdu)
        except tpdu.PduError:
            self._list_at = self._now
            return
        if not isinstance(message, tpdu.Submit):
            self._events.append(Arrived(None, pdu, message))
