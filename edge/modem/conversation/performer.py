"""Pure: one procedure at a time, performed over the AT channel."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from edge.modem.at import TIMED_OUT, Answer, Channel, Command, Unsolicited
from edge.modem.conversation.procedures import Escape, Pause, Procedure, Refused, Silent, SimFault, Step
from edge.modem.conversation.trust import Trust

Trouble = Silent | Refused | SimFault
_PAUSED = Answer(Command("", 0), (), "OK")
_REPEATS = 3
_NOISY_S = 3.0
# A second AT+CMGD could meet another message, which came to the place that the first had emptied unheard.
_ONCE = ("AT+CPIN=", "AT+CFUN=", "AT+CMGD=")


class Performer:
    """The conversation: bytes and moments go in; what the modem says unasked and what fails comes out of `next`.

    A procedure that fails ends, and its trouble is returned in its place among the unasked lines. While `greeting`,
    rubbish is no sign of noise: a modem that starts, or was left in another mode, says what it likes. On a noisy line a
    command that meets a plain ERROR or silence was probably spoilt, or its answer was: it is repeated a few times.
    """

    def __init__(self) -> None:
        self.channel = Channel()
        self.trust = Trust()
        self._procedure: Procedure[None] | None = None
        self._pause_until: float | None = None
        self._troubles: deque[Trouble] = deque()
        self._rubbish = 0
        self._repeats = 0
        self.greeting = False

    @property
    def busy(self) -> bool:
        """A procedure is under way."""
        return self._procedure is not None

    def start(self, procedure: Procedure[None], now: float) -> None:
        """Perform `procedure`; only while none is under way."""
        self._procedure = procedure
        self._advance(None, now)

    def stop(self) -> None:
        """Give up the procedure under way; what the modem still says to it is late."""
        if self._procedure is not None:
            self._procedure.close()
            self.channel.abandon()
        self._procedure, self._pause_until = None, None

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the line."""
        self.channel.receive(data, now)
        odd, self._rubbish = self.channel.rubbish != self._rubbish, self.channel.rubbish
        if odd and not self.greeting:
            self.trust.disturbed()
        elif not odd:
            self.trust.heard(len(data))

    def handle_timer(self, now: float) -> None:
        """Do what is due at `now`."""
        self.channel.handle_timer(now)
        if self._pause_until is not None and now >= self._pause_until:
            self._pause_until = None
            self._advance(_PAUSED, now)

    def get_timer(self) -> float | None:
        """When the procedure under way must go on, None where it waits for the modem alone or there is none."""
        return self._pause_until if self._pause_until is not None else self.channel.get_timer()

    def next(self, now: float) -> Unsolicited | Trouble | None:
        """The next thing to heed."""
        while not self._troubles and (event := self.channel.next_event()) is not None:
            if isinstance(event, Unsolicited):
                return event
            if self._was_spoilt(event):
                self._repeats += 1
                self._issue(event.command, now)
            else:
                self._advance(event, now)
        return self._troubles.popleft() if self._troubles else None

    def _was_spoilt(self, answer: Answer) -> bool:
        command = answer.command
        dangerous = command.payload or command.line.startswith(_ONCE)
        if not self.busy or not self.trust.noisy or self.greeting or dangerous or self._repeats >= _REPEATS:
            return False
        return answer.final in ("ERROR", TIMED_OUT)

    def _issue(self, command: Command, now: float) -> None:
        if self.trust.noisy:
            command = replace(command, timeout=min(command.timeout, _NOISY_S))
        self.channel.issue(command, now)

    def _advance(self, answer: Answer | None, now: float) -> None:
        while self._procedure is not None:
            try:
                step = next(self._procedure) if answer is None else self._procedure.send(answer)
            except StopIteration:
                self._procedure = None
            except (Silent, Refused, SimFault) as trouble:
                self._procedure = None
                self._troubles.append(trouble)
            else:
                if not self._perform(step, now):
                    return
                answer = _PAUSED

    def _perform(self, step: Step, now: float) -> bool:
        """Begin a step; whether it is over already."""
        if isinstance(step, Command):
            self._repeats = 0
            self._issue(step, now)
        elif isinstance(step, Pause):
            self._pause_until = now + step.seconds
        else:
            self.channel.escape()
        return isinstance(step, Escape)
