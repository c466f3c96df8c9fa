"""Pure: the messages that wait to be given to the network, each in its parts, and how far each has come.

A part may be held: AT+CMGS is issued and its prompt awaited, but the payload leaves only once the shell says that its
journal is durable. So the journal's write hides behind the modem's own waiting, and nothing is ever sent that no
journal knows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.modem.conversation import messages
from edge.modem.conversation.messages import PartSent
from edge.modem.conversation.performer import Performer
from edge.modem.conversation.procedures import Procedure, Silent, Ways, ask
from edge.modem.outcomes import Event, PartTaken, SendEnded

MOST_GARBLED = 400
"""A long PDU crosses a line that spoils every hundredth byte, there and back, about once in 400 attempts."""

_ECHOLESS = _SILENCES = 3


@dataclass(slots=True)
class Sending:
    """One message. `taken` counts the parts that the network has; `released` is the last part that may leave.

    `stalled` is a message whose prompt was left because the shell did not say `proceed` in time; it goes to the modem
    again when that comes. `garbled` counts the attempts that a noisy line spoilt, `silences` those in a row without any
    answer.
    """

    id: int
    parts: tuple[tuple[str, int], ...]
    released: int
    taken: int = 0
    cancelled: bool = False
    stalled: bool = False
    garbled: int = 0
    silences: int = 0
    references: list[int] = field(default_factory=list)

    @property
    def sequence(self) -> int:
        """The number of the part that is next, 1 up."""
        return self.taken + 1

    @property
    def may_leave(self) -> bool:
        """The next part's payload need not be held."""
        return self.released >= self.sequence


class Sends:
    """The queue and how its messages are given; `events` gets what becomes of them."""

    def __init__(self, ways: Ways, performer: Performer, events: deque[Event], *, send_timeout: float) -> None:
        self._ways, self._performer, self._events, self._timeout = ways, performer, events, send_timeout
        self._queue: deque[Sending] = deque()
        self._given: Sending | None = None
        self._echoless = 0

    # --- the queue

    def add(self, message_id: int, parts: Sequence[tuple[str, int]], *, held: bool) -> None:
        """Queue a message; `ValueError` when it has no part or its id is queued already: both are the caller's bugs."""
        if not parts or self._find(message_id) is not None:
            raise ValueError(f"message {message_id} has no parts or is being sent already")
        sending = Sending(message_id, tuple(parts), 0 if held else len(parts))
        self._queue.append(sending)

    def proceed(self, message_id: int, sequence: int, now: float) -> None:
        """Part `sequence` may leave."""
        sending = self._find(message_id)
        if sending is None:
            return
        sending.released = max(sending.released, sequence)
        if self._given is sending and sending.may_leave:
            self._performer.channel.proceed(now)
        sending.stalled = sending.stalled and not sending.may_leave

    def cancel(self, message_id: int, now: float) -> None:
        """No further part may leave."""
        sending = self._find(message_id)
        if sending is None:
            return
        sending.cancelled = True
        if self._given is sending:
            self._performer.channel.cancel(now)
        else:
            self._end(sending, error="cancelled")

    def first(self) -> Sending | None:
        """The message whose part goes to the modem next; one that waits for the shell lets others by."""
        return next((sending for sending in self._queue if not sending.stalled), None)

    def lose(self, error: str) -> None:
        """The modem is gone: every message ends, the one whose payload has left in uncertainty."""
        for sending in tuple(self._queue):
            given = self._given is sending and self._performer.channel.payload_given
            self._end(sending, certain=not given, error=error)
        self._given = None

    def _find(self, message_id: int) -> Sending | None:
        return next((sending for sending in self._queue if sending.id == message_id), None)

    # --- giving

    def give(self, sending: Sending) -> Procedure[int | None]:
        """Give the next part of `sending` to the network; the number of the +CMS error, if there was one."""
        proof = self._performer.trust.noisy and self._echoless < _ECHOLESS
        if proof and not self._ways.echo:
            yield from ask("ATE1", self._ways.quick)
            self._ways.echo = True
        if self._ways.keeps_link == 1 and len(sending.parts) > 1:
            yield from ask("AT+CMMS=1", self._ways.quick)
        if sending not in self._queue:
            return None  # cancelled meanwhile
        pdu, length = sending.parts[sending.taken]
        rubbish, self._given = self._performer.channel.rubbish, sending
        part = yield from messages.send_part(
            pdu, length, self._ways.timeout, self._timeout, held=not sending.may_leave, proof=proof
        )
        self._given = None
        if proof and (part.sent or part.given):
            self._echoless = 0
        elif proof and part.withheld and sending.may_leave:
            self._note_echo(differed=self._performer.channel.rubbish != rubbish)
        spoilt = proof and not part.sent and not part.given
        sending.silences = sending.silences + 1 if part.silent else 0
        if spoilt and sending.silences < _SILENCES:
            self._note_spoilt(sending)
        else:
            self._note(sending, part)
            if part.silent:
                raise Silent("AT+CMGS")
        return part.code

    def _note_echo(self, *, differed: bool) -> None:
        """A modem that never echoes a payload must do without that proof."""
        self._echoless = 0 if differed else self._echoless + 1
        self._ways.echo = self._ways.echo and differed

    def _note_spoilt(self, sending: Sending) -> None:
        """Nothing left, and the modem may have heard anything: try again."""
        sending.stalled = not sending.may_leave
        sending.garbled += sending.may_leave
        if sending.cancelled:
            self._end(sending, error="cancelled")
        elif sending.garbled > MOST_GARBLED:
            self._end(sending, error="the line spoils every message")

    def _note(self, sending: Sending, part: PartSent) -> None:
        noisy = self._performer.trust.noisy
        if part.withheld:
            self._note_spoilt(sending)
        elif part.sent:
            self._note_taken(sending, None if noisy else part.reference)
        else:
            permanent = part.permanent and not noisy
            self._end(sending, certain=part.certain, error=part.error, permanent=permanent, code=part.code)

    def _note_taken(self, sending: Sending, reference: int | None) -> None:
        sending.taken += 1
        if reference is not None:
            sending.references.append(reference)
        self._events.append(PartTaken(sending.id, sending.taken, reference))
        if sending.taken == len(sending.parts):
            self._end(sending, sent=True)
        elif sending.cancelled:
            self._end(sending, error="cancelled")

    def _end(
        self,
        sending: Sending,
        *,
        sent: bool = False,
        certain: bool = True,
        error: str = "",
        permanent: bool = False,
        code: int | None = None,
    ) -> None:
        self._queue.remove(sending)
        self._events.append(SendEnded(sending.id, sent, certain, tuple(sending.references), error, permanent, code))
