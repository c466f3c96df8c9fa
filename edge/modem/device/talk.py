"""A short conversation with what may be a modem: open a port, ask a few AT commands, give it back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from edge.modem.at import TIMED_OUT, Answer, Channel, Command
from edge.modem.device.usb import Places
from edge.modem.port import Port

_GREETINGS_S = (0.4, 0.8)  # most modems answer in 10 ms; a mute line must not cost a stick with five of them much
_ANSWER_S = 1.0
_TICK_S = 0.1
_MOST_UNASKED = 64
_IMEI = re.compile(r"(?<!\d)\d{14,17}(?!\d)")
_IMEI_DIGITS = 14  # the last of fifteen is a check digit, and an IMEISV has another two instead


class Talk:
    """An open line; one command at a time. A line that breaks off answers `TIMED_OUT` at once."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._channel = Channel()
        self._port: Port | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._unasked: asyncio.Queue[str] = asyncio.Queue(_MOST_UNASKED)
        self.lost = ""

    async def ask(self, line: str, timeout_s: float = 5.0, *, prefix: str = "") -> Answer:
        """The answer to one command line; `timed_out` where none came in `timeout_s` seconds."""
        if self.lost or self._port is None:
            return Answer(Command(line, timeout_s, prefix), (), TIMED_OUT)
        self._answer = self._loop.create_future()
        self._channel.issue(Command(line, timeout_s, prefix), self._loop.time())
        self._settle()
        while not self._answer.done():
            due = self._channel.get_timer() or self._loop.time()
            # What is heard may bring the moment forward.
            await asyncio.wait([self._answer], timeout=min(_TICK_S, max(0.0, due - self._loop.time())))
            self._channel.handle_timer(self._loop.time())
            self._settle()
        return self._answer.result()

    async def greet(self) -> bool:
        """Whether a modem answers, whatever state it was left in."""
        for patience in _GREETINGS_S:
            self._channel.escape()
            if (await self.ask("AT", patience)).ok:
                return True
        return False

    async def imei(self) -> str:
        """The modem's IMEI (AT+CGSN, 3GPP TS 27.007 clause 5.4), "" where it tells none."""
        for line in ("AT+CGSN", "AT+GSN"):
            answer = await self.ask(line, _ANSWER_S)
            found = _IMEI.search(" ".join(answer.lines))
            if found:
                return found[0]
        return ""

    async def unasked(self, prefix: str, within_s: float) -> str:
        """The next unsolicited line with `prefix`, also one that came already; "" where none comes in time."""
        try:
            async with asyncio.timeout(within_s):
                while not (line := await self._unasked.get()).startswith(prefix):
                    pass
        except TimeoutError:
            return ""
        return line

    def _received(self, data: bytes) -> None:
        self._channel.receive(data, self._loop.time())
        self._settle()

    def _ended(self, reason: str) -> None:
        self.lost = reason
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(Command("", 0), (), TIMED_OUT))

    def _settle(self) -> None:
        if self._port is not None:
            self._port.write(self._channel.to_send())
        while (event := self._channel.next_event()) is not None:
            if isinstance(event, Answer):
                if self._answer is not None and not self._answer.done():
                    self._answer.set_result(event)
            elif not self._unasked.full():
                self._unasked.put_nowait(event.line)

    @classmethod
    @asynccontextmanager
    async def opened(cls, device: str, baud: int, places: Places) -> AsyncIterator[Talk]:
        """A talk on `device`, held exclusively until the end; raises `PortUnavailable`."""
        talk = cls()
        talk._port = await Port.open(device, baud, talk._received, talk._ended, places=places)
        try:
            yield talk
        finally:
            talk._port.close()
            await talk._port.closed()


def same_imei(told: str, wanted: str) -> bool:
    """Whether both name the same device, whatever check digit or software version follows."""
    return len(told) >= _IMEI_DIGITS and told[:_IMEI_DIGITS] == wanted[:_IMEI_DIGITS]
