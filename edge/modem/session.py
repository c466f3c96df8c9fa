"""Pure: a modem's session: initialise, list, read, send, recover.

Bytes and moments go in, bytes and events come out, as with the channel below it. One procedure runs at a time
(`performer`); the session chooses the next by need: reading, then deleting what the shell has made durable, then
sending, then the errands of `errands`. What lies on the SIM is kept in `inbox`, what waits to be sent in `sends`, and
how far the line may be believed in `trust`. A silent modem is greeted anew and initialised again; when that fails the
session is `Lost` and the shell climbs its ladder.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from edge.modem import pdu as tpdu
from edge.modem.at import Unsolicited
from edge.modem.conversation import initialise, messages, notices
from edge.modem.conversation.errands import SURVEY_S, Errands
from edge.modem.conversation.inbox import Inbox
from edge.modem.conversation.ladder import Rung
from edge.modem.conversation.performer import Performer, Trouble
from edge.modem.conversation.procedures import Pin, Procedure, Silent, SimFault, Ways, greet
from edge.modem.conversation.sends import Sending, Sends
from edge.modem.outcomes import (
    Arrived,
    Deleted,
    DeleteFailed,
    Event,
    Lost,
    Queried,
    Ready,
    SimFaulted,
    StorageSeen,
)

SIM_RETRY_S = 15.0
_ATTEMPTS, _NOISY_ATTEMPTS = 3, 12
_PATIENCE_S, _NOISY_PATIENCE_S = 3.0, 12.0
_SIM_ATTEMPTS = 4
_READINGS_BETWEEN_SENDS = 4
_NO_CENTRE = 330
_SETTLED_S = 10.0


class Session:
    """One opening of one modem's port. Times are seconds, in `now`'s scale.

    `command_timeout` is for what may take long, `send_timeout` for a message in the network. `smsc` is the service
    centre that the SIM shall have; `remembered_smsc` one that it had, written back only where it has none. `reset` is
    a rung ("cfun" or "model-reset") to perform after greeting. `patience` is how long a modem that is silent at first
    is greeted, every second, before the session is `Lost`; one that falls silent later is so after 3 s.
    """

    def __init__(
        self,
        *,
        pin: Pin,
        command_timeout: float = 10.0,
        send_timeout: float = 60.0,
        list_every: float = 60.0,
        survey_every: float = SURVEY_S,
        smsc: str = "",
        remembered_smsc: str = "",
        reports: bool = True,
        balance_ussd: str = "",
        reject_calls: bool = True,
        reset: Rung = "",
        patience: float = _PATIENCE_S,
        now: float,
    ) -> None:
        self._pin = pin
        self._reset, self._patience = reset, patience
        self._now = self._begin_at = now
        self._performer = Performer()
        self._ways = Ways(timeout=command_timeout, reports=reports)
        self._events: deque[Event] = deque()
        self._inbox = Inbox(list_every=list_every, now=now)
        self._sends = Sends(self._ways, self._performer, self._events, send_timeout=send_timeout)
        self._errands = Errands(
            self._ways,
            self._performer.trust,
            self._events,
            smsc=smsc,
            remembered_smsc=remembered_smsc,
            balance_ussd=balance_ussd,
            reject_calls=reject_calls,
            survey_every=survey_every,
            now=now,
        )
        self._ready = self._lost = False
        self._sim_attempts = 0
        self._read_since_send = 0
        self._echoes: int | None = None
        self._set_up_at = now
        self._storage_seen: StorageSeen | None = None
        self._choose()

    # --- what the shell feeds and drains

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the line."""
        self._now = now
        self._performer.receive(data, now)
        self._choose()

    def handle_timer(self, now: float) -> None:
        """Do what is due at `now`; harmless when nothing is."""
        self._now = now
        self._performer.handle_timer(now)
        self._choose()

    def get_timer(self) -> float | None:
        """When `handle_timer` is due next, None once lost."""
        if self._lost:
            return None
        if self._performer.busy:
            return self._performer.get_timer()
        if not self._ready:
            return self._begin_at
        return min(self._inbox.list_at, self._errands.due())

    def to_send(self) -> bytes:
        """Bytes for the line, each given out once."""
        return self._performer.channel.to_send()

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
    ) -> None:
        """Send the SUBMITs `parts` (line, octets) in order; a `PartTaken` for each, then one `SendEnded`.

        With `held` the modem is asked for its prompt, but the payload of part n leaves only after `proceed` of n.
        Raises ValueError for a message without parts and for an id that is being sent already.
        """
        self._now = now
        self._sends.add(message_id, parts, held=held)
        if self._lost:
            self._sends.lose("the modem was lost before the message was given")
        else:
            self._choose()

    def proceed(self, message_id: int, sequence: int, now: float) -> None:
        """The journal knows part `sequence` durably: its payload may leave. Before or after the prompt; once is enough.

        Without effect on a message that has ended.
        """
        self._now = now
        self._sends.proceed(message_id, sequence, now)
        self._choose()

    def cancel(self, message_id: int, now: float) -> None:
        """Send no further part: ends with `SendEnded(sent=False, certain=True)`.

        A part whose payload has left is waited for, and the message ends after it.
        """
        self._now = now
        self._sends.cancel(message_id, now)
        self._choose()

    def delete(self, index: int, now: float) -> None:
        """The message at `index` is durable: take it off the SIM."""
        self._now = now
        self._inbox.commit(index)
        self._choose()

    def release(self, index: int) -> None:
        """The message at `index` could not be made durable: leave it, and announce it again at the next listing."""
        self._inbox.release(index, self._now)

    def query(self, token: int, line: str, now: float, *, timeout: float = 30.0) -> None:
        """A person's own AT line, after everything else; ends with `Queried` of the same `token`."""
        self._now = now
        if self._lost:
            self._events.append(Queried(token, (), "LOST"))
        else:
            self._errands.query(token, line, timeout)
            self._choose()

    def ussd(self, now: float) -> None:
        """Ask the operator for the balance, where `balance_ussd` says how; ends with `BalanceTold`."""
        self._now = now
        self._errands.want_ussd()
        self._choose()

    def close(self) -> None:
        """The port is gone: settle every send that has not ended, and every question."""
        self._lost = True
        self._sends.lose("the modem was lost while sending")
        self._performer.stop()
        self._errands.lose_queries()

    # --- choosing

    def _choose(self) -> None:
        self._heed()
        while not self._performer.busy and not self._lost:
            procedure = self._next()
            if procedure is None:
                return
            self._performer.start(procedure, self._now)
            self._heed()

    def _next(self) -> Procedure[None] | None:
        if not self._ready:
            return self._initialise() if self._now >= self._begin_at else self._errands.next_query()
        if self._forgot_its_settings():
            self._begin_again()
            return self._initialise()
        return self._next_message() or self._errands.next(self._now)

    def _next_message(self) -> Procedure[None] | None:
        inbox = self._inbox
        urgent = self._errands.urgent(self._now)
        if urgent is not None:
            return urgent
        sending = self._sends.first()
        # On a noisy line one message may need many readings: sending goes on between them.
        crowded = sending is not None and self._read_since_send >= _READINGS_BETWEEN_SENDS
        if inbox.list_due(self._now) or (inbox.doubts > _READINGS_BETWEEN_SENDS and not crowded):
            return self._list()
        index = inbox.next_read(urgent=crowded)
        if index is not None:
            return self._read(index)
        # A disturbed AT+CMGD may hit another place: not while there is something that nobody has stored.
        if inbox.deletes and not (self._performer.trust.noisy and inbox.undecided):
            return self._delete(inbox.deletes.popleft())
        return self._send(sending) if sending is not None and self._errands.surveyed else None

    def _forgot_its_settings(self) -> bool:
        """A modem that was told not to echo and echoes has restarted without a word; one that just does so has not."""
        if self._echoes is None or self._ways.echo or self._now < self._set_up_at + _SETTLED_S:
            return False
        return self._performer.channel.echoes > self._echoes

    # --- heeding

    def _heed(self) -> None:
        while (event := self._performer.next(self._now)) is not None:
            if isinstance(event, Unsolicited):
                self._notice(event)
            else:
                self._suffer(event)

    def _suffer(self, trouble: Trouble) -> None:
        if isinstance(trouble, SimFault):
            self._stop_for(trouble)
        else:
            dispensable = isinstance(trouble, Silent) and trouble.dispensable
            self._errands.failures += not dispensable
            reason = f"{type(trouble).__name__.lower()} at {trouble}"
            self._begin_again()
            attempts = _NOISY_ATTEMPTS if self._performer.trust.noisy else _ATTEMPTS
            if self._errands.failures >= attempts or reason == "silent at AT":
                self._lose(reason)

    def _begin_again(self) -> None:
        self._ready, self._begin_at = False, self._now
        self._echoes = None

    def _lose(self, reason: str) -> None:
        self._lost = True
        self._events.append(Lost(reason))

    def _stop_for(self, fault: SimFault) -> None:
        self._ready, self._begin_at = False, self._now + SIM_RETRY_S
        self._events.append(SimFaulted(str(fault)))
        self._sim_attempts = self._sim_attempts + 1 if fault.curable else 0
        if self._sim_attempts >= _SIM_ATTEMPTS:
            self._lose(str(fault))

    def _notice(self, event: Unsolicited) -> None:
        if event.restarted:
            self._performer.stop()
            self._begin_again()
            return
        notice = notices.read(event.line, event.pdu, self._ways.storage)
        match notice.kind:
            case "stored" if notice.index is not None:
                self._inbox.told(notice.index)
            case "something":
                self._inbox.told_somewhere(self._now)
            case "brought":
                self._found_directly(event.pdu)
            case "registration":
                self._errands.survey_soon(self._now)
            case "sim":
                self._ready, self._begin_at = False, self._now
            case "call":
                self._errands.ring(self._now)
            case "time":
                self._errands.want_clock(self._now)
            case "ussd":
                self._errands.ussd_answered(event.line)

    # --- the procedures, with what their results change here

    def _initialise(self) -> Procedure[None]:
        trust = self._performer.trust
        rung, self._reset = self._reset, ""
        self._ways.echo = False
        self._inbox.start_over(self._now)
        self._performer.greeting = True
        yield from greet(max(self._patience, _NOISY_PATIENCE_S) if trust.noisy else self._patience)
        self._performer.greeting, self._patience = False, _PATIENCE_S
        yield from initialise.begin(self._pin, self._ways, rung=rung, trust=trust)
        echoes = self._performer.channel.echoes
        yield from initialise.choose(self._ways, trust)
        yield from initialise.assert_mode(self._ways)
        self._echoes = echoes if self._performer.channel.echoes == echoes else None
        self._set_up_at = self._now
        self._ready, self._sim_attempts = True, 0
        self._inbox.start_over(self._now)
        self._errands.begin(self._now)
        self._events.append(Ready())

    def _list(self) -> Procedure[None]:
        self._read_since_send += 1
        listed, whole = yield from messages.list_all(self._ways)
        trust, inbox = self._performer.trust, self._inbox
        if not whole or any(map(inbox.differs, listed)):
            trust.disturbed()
        found = inbox.listed(listed, whole=whole, trusted=trust.proven, capacity=self._ways.capacity, now=self._now)
        self._events.extend(found)
        seen = StorageSeen(sum(entry.index < messages.APART for entry in listed), self._ways.capacity)
        if whole and seen != self._storage_seen:
            self._storage_seen = seen
            self._events.append(seen)

    def _read(self, index: int) -> Procedure[None]:
        self._read_since_send += 1
        entry = yield from messages.read(index, self._ways)
        if entry is None:
            self._inbox.missed(self._now)
            return
        if self._inbox.differs(entry):
            self._performer.trust.disturbed()
        arrived = self._inbox.found(entry, sure=False, now=self._now)
        if arrived is not None:
            self._events.append(arrived)

    def _delete(self, index: int) -> Procedure[None]:
        if not self._inbox.holds(index):
            return
        if (yield from messages.delete(index, self._ways)):
            self._inbox.deleted(index, self._now)
            self._events.append(Deleted(index))
        else:
            self._inbox.not_deleted(index, self._now)
            self._events.append(DeleteFailed(index))

    def _send(self, sending: Sending) -> Procedure[None]:
        self._read_since_send = 0
        code = yield from self._sends.give(sending)
        if code == _NO_CENTRE:
            self._errands.check_centre(self._now)

    def _found_directly(self, pdu: str) -> None:
        """What the modem brings instead of storing it: believed on a quiet line only, as it cannot be read again."""
        try:
            message = tpdu.decode(pdu)
        except tpdu.PduError:
            self._inbox.told_somewhere(self._now)
            return
        noisy = self._performer.trust.noisy
        if isinstance(message, tpdu.StatusReport) and not noisy:
            self._events.append(Arrived(None, pdu, message))
        elif isinstance(message, tpdu.Deliver):
            self._events.append(Arrived(None, pdu, None if noisy else message))
