"""A GSM modem with its SIM and its network, on a pty: what the appliance's modem room plays against.

    modem = GsmModem(Path("/tmp/village/modem"), network_s=0.3)
    await modem.start()
    modem.deliver("+628123", "SKTM ...")
    reply = await modem.wait_sent(lambda sms: sms.number == "+628123", timeout=3)

The SIM, the messages still waiting in the network and those sent outlive any program that uses the line. Run as
``python -m edge.simulator.gsm --link PATH --control SOCKET`` it is a process of its own (see `gsm_control`).
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from edge.simulator.gsm_commands import Commands
from edge.simulator.gsm_faults import CommandError, Faults
from edge.simulator.gsm_line import LINES, SerialLine
from edge.simulator.gsm_network import Network, SentSms, Taken, Waiting

__all__ = ["Faults", "GsmModem", "SentSms", "Taken"]

_LONGEST_COMMAND = 2048
_SUB, _ESC = "\x1a", "\x1b"


class GsmModem:
    """One modem in the caller's event loop. Times in seconds: `network_s` a send takes, `command_s` any command.

    `line` is a row of `gsm_line.LINES`: whole, bytes (one a write), slow (1200 baud), delayed or noisy.
    """

    def __init__(
        self,
        link: Path,
        *,
        baud: int = 115_200,
        network_s: float = 0.3,
        capacity: int = 20,
        command_s: float = 0.01,
        number: str = "+6281100000001",
        pin: str | None = None,
        seed: int = 0,
        line: str = "whole",
    ) -> None:
        self.number, self.faults = number, Faults()
        self.network = Network(self.faults)
        self._network_s, self._command_s = network_s, command_s
        self._random = random.Random(seed)  # noqa: S311 - rubbish on a wire, no secret
        self._line = SerialLine(link, baud, self._hear, kind=line, seed=seed)
        self._unit = Commands(capacity, pin, self.faults, self.network)
        self._deaf_until = 0.0
        self._heard = ""
        self._commands: asyncio.Queue[str] = asyncio.Queue()
        self._prompting: asyncio.Future[str] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._serving: asyncio.Task[None] | None = None
        self._sent_more = asyncio.Event()
        self.sending = False

    # --- power and plug

    async def start(self) -> None:
        """Plug the modem in."""
        await self.replug()

    async def stop(self) -> None:
        """Unplug it for good."""
        await self.unplug()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def unplug(self) -> None:
        """Pull the cable: the line hangs up, the link goes, the modem loses power. SIM and network keep theirs."""
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
            self._serving = None
        await self._line.unplug()

    async def replug(self, link: Path | None = None) -> None:
        """Put the cable back: a new pty under the same link, or under `link`; a modem fresh from power-on."""
        if self._line.plugged:
            return
        self._line.link = link or self._line.link
        self._unit.power_on()
        self._heard, self._commands, self._prompting = "", asyncio.Queue(), None
        self._line.plug()
        self._serving = asyncio.get_running_loop().create_task(self._serve())
        self._settle_network()

    # --- the village's phones

    def deliver(self, sender: str, text: str) -> None:
        """A phone's SMS arrives: on the SIM when there is room, else it waits in the network."""
        self.network.deliver(sender, text, now=time.time())
        self._settle_network()

    def deliver_pdus(self, pdus: list[tuple[str, int]]) -> None:
        """DELIVERs as they are (hexadecimal line, octets of the TPDU), for what `deliver` would never make."""
        self.network.waiting += [Waiting(pdu, length) for pdu, length in pdus]
        self._settle_network()

    @property
    def sent(self) -> list[SentSms]:
        """The whole messages that the network took, in order."""
        return self.network.sent

    @property
    def taken(self) -> list[Taken]:
        """Every SUBMIT that the network took, in order: parts, and what was sent twice, each by itself."""
        return self.network.taken

    @property
    def stored(self) -> int:
        """Messages on the SIM."""
        return len(self._unit.sim)

    @property
    def pin_attempts(self) -> list[str]:
        """The PINs that were tried."""
        return self._unit.pin_attempts

    @property
    def waiting(self) -> int:
        """Messages in the network for which the SIM has no room or the modem no ear."""
        return len(self.network.waiting)

    async def wait_sent(self, match: Callable[[SentSms], bool], timeout: float) -> SentSms:  # noqa: ASYNC109 - it bounds a condition, not a call
        """The first sent message that matches, also an earlier one; TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while True:
                for sms in self.sent:
                    if match(sms):
                        return sms
                self._sent_more.clear()
                await self._sent_more.wait()

    def register(self, registered: bool) -> None:
        """Find the network, or lose it."""
        self.network.found = registered
        if self._unit.settings.registration_codes:
            self._say(f"+CREG: {self.network.registration}")
        self._settle_network()

    def become(self, line: str) -> None:
        """Change what the line is like, a row of `gsm_line.LINES`."""
        self._line.kind = LINES[line]

    def hang(self, seconds: float) -> None:
        """Hear and say nothing for `seconds`; what it had to say is lost, what the network holds comes after."""
        loop = asyncio.get_running_loop()
        self._deaf_until = loop.time() + seconds
        loop.call_later(seconds, self._settle_network)

    # --- the line

    def _deaf(self) -> bool:
        if self.faults.hang_s:
            self.hang(self.faults.hang_s)
            self.faults.hang_s = 0.0
        return self.faults.silent or asyncio.get_running_loop().time() < self._deaf_until

    def _hear(self, data: bytes) -> None:
        if self._deaf():
            return
        for character in data.decode("latin-1"):
            if self._unit.settings.echo:
                self._line.write(character.encode("latin-1"))
            self._hear_one(character)

    def _hear_one(self, character: str) -> None:
        ends = (_SUB, _ESC) if self._prompting else ("\r", _ESC)
        if character not in ends:
            if character != "\n" and len(self._heard) < _LONGEST_COMMAND:
                self._heard += character
            return
        heard, self._heard = self._heard.strip(), ""
        if self._prompting:
            if not self._prompting.done():
                self._prompting.set_result(heard if character == _SUB else "")
        elif character == "\r" and heard:
            self._commands.put_nowait(heard)

    def _say(self, *lines: str) -> None:
        if self._deaf():
            return
        if self.faults.garbage and self._random.random() < self.faults.garbage:
            rubbish = self._random.randbytes(self._random.randrange(1, 40))
            self._line.write(rubbish + self._random.choice((b"", b"\r\n")))
        self._line.write(("\r\n" + "\r\n".join(lines) + "\r\n").encode("latin-1"))

    async def _serve(self) -> None:
        while True:
            command = await self._commands.get()
            await asyncio.sleep(self._command_s)
            try:
                await self._obey(command)
            except CommandError as error:
                self._say(str(error))
            self._settle_network()

    async def _obey(self, command: str) -> None:
        if not command.upper().startswith("AT"):
            raise CommandError("ERROR")
        body = command[2:]
        self._unit.check_unlocked(body)
        name, _, argument = body.partition("=")
        if name == "+CMGS":
            await self._send(argument)
            return
        for lines in self._unit.answer(name, argument):
            self._say(*lines)
        self._say("OK")

    # --- the network

    def _settle_network(self) -> None:
        """Bring what waits to the phone while it can take it, and say so."""
        waiting = self.network.waiting
        while self._line.plugged and self._reachable() and waiting and self._bring(waiting[0]):
            waiting.popleft()

    def _reachable(self) -> bool:
        return self._unit.settings.unlocked and self.network.registration == 1 and not self._deaf()

    def _bring(self, sms: Waiting) -> bool:
        settings = self._unit.settings
        if sms.report:
            if settings.reports == 1:
                self._say(f"+CDS: {sms.length}", sms.pdu)
            return True  # without +CNMI the modem keeps none
        index = self._unit.put(sms.pdu, sms.length)
        if index is not None and settings.indications == 1:
            self._say(f'+CMTI: "SM",{index}')
        return index is not None

    async def _send(self, argument: str) -> None:
        if not self._unit.settings.pdu_mode or not argument.isdigit():
            raise CommandError("+CMS ERROR: 305")
        self._prompting = asyncio.get_running_loop().create_future()
        try:
            if not self.faults.befalls("lose_prompt") and not self._deaf():
                self._line.write(b"\r\n> ")
            line = await self._prompting
        finally:
            self._prompting = None
        if not line:
            self._say("OK")
            return
        self.sending = True
        try:
            await asyncio.sleep(self._network_s)
            self._take(line, int(argument))
        finally:
            self.sending = False

    def _take(self, line: str, length: int) -> None:
        before = len(self.network.sent)
        taken = self.network.take(line, length, now=time.time())
        if len(self.network.sent) > before:
            self._sent_more.set()
        if taken.submitted.wants_report:
            self._later(self._report(taken))
        if not self.faults.befalls("lose_ok"):
            self._say(f"+CMGS: {taken.reference}")
            self._say("OK")

    async def _report(self, taken: Taken) -> None:
        delay = self.faults.report_delay_s
        await asyncio.sleep(self._network_s if delay is None else delay)
        self.network.report(taken, now=time.time())
        self._settle_network()

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


if __name__ == "__main__":
    from edge.simulator.gsm_control import main

    sys.exit(main())
