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
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.simulator import gsm_codec
from edge.simulator.gsm_commands import CommandError, Commands, Faults
from edge.simulator.gsm_line import SerialLine

__all__ = ["Faults", "GsmModem", "SentSms"]

_LONGEST_COMMAND = 2048
_SUB, _ESC = "\x1a", "\x1b"


@dataclass(frozen=True, slots=True)
class SentSms:
    """A whole message that the network took: `time` in Unix seconds, `raw` the SUBMITs as they came."""

    number: str
    text: str
    time: float
    raw: tuple[str, ...]


@dataclass(slots=True)
class _LongMessage:
    total: int
    texts: dict[int, str] = field(default_factory=dict)
    raw: list[str] = field(default_factory=list)


class GsmModem:
    """One modem in the caller's event loop. Times in seconds: `network_s` a send takes, `command_s` any command."""

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
    ) -> None:
        self.number, self.faults, self.sent = number, Faults(), list[SentSms]()
        self._network_s, self._command_s = network_s, command_s
        self._random = random.Random(seed)  # noqa: S311 - rubbish on a wire, no secret
        self._line = SerialLine(link, baud, self._hear)
        self._unit = Commands(capacity, pin, self.faults)
        self._network: deque[tuple[str, int]] = deque()
        self._long: dict[tuple[str, int, int], _LongMessage] = {}
        self._reference = self._deliver_reference = 0
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

    async def replug(self) -> None:
        """Put the cable back: a new pty under the same link, a modem fresh from power-on."""
        if self._line.plugged:
            return
        self._unit.power_on()
        self._heard, self._commands, self._prompting = "", asyncio.Queue(), None
        self._line.plug()
        self._serving = asyncio.get_running_loop().create_task(self._serve())
        self._settle_network()

    # --- the village's phones

    def deliver(self, sender: str, text: str) -> None:
        """A phone's SMS arrives: on the SIM when there is room, else it waits in the network."""
        self._deliver_reference = (self._deliver_reference + 1) % 256
        self.deliver_pdus(gsm_codec.deliveries(sender, text, self._deliver_reference, now=time.time()))

    def deliver_pdus(self, pdus: list[tuple[str, int]]) -> None:
        """DELIVERs as they are (hexadecimal line, octets of the TPDU), for what `deliver` would never make."""
        self._network += pdus
        self._settle_network()

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
        return len(self._network)

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
        self._unit.registered = registered
        if self._unit.settings.registration_codes:
            self._say(f"+CREG: {1 if registered else 2}")
        self._settle_network()

    # --- the line

    def _hear(self, data: bytes) -> None:
        if self.faults.silent:
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
        if self.faults.silent:
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
        """Bring what waits to the SIM while there is room, and say so."""
        unit = self._unit
        able = self._line.plugged and unit.settings.unlocked and unit.registered and not self.faults.silent
        while able and self._network and (index := unit.put(*self._network[0])) is not None:
            self._network.popleft()
            if self._unit.settings.indications == 1:
                self._say(f'+CMTI: "SM",{index}')

    async def _send(self, argument: str) -> None:
        if not self._unit.settings.pdu_mode or not argument.isdigit():
            raise CommandError("+CMS ERROR: 305")
        self._prompting = asyncio.get_running_loop().create_future()
        try:
            if self.faults.lose_prompt:
                self.faults.lose_prompt -= 1
            else:
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
        failures, code = self.faults.cms_error
        if failures:
            self.faults.cms_error = (failures - 1, code)
            raise CommandError(f"+CMS ERROR: {code}")
        if not self._unit.registered:
            raise CommandError("+CMS ERROR: 331")
        try:
            submitted = gsm_codec.read_submit(line, length)
        except gsm_codec.BadSubmit:
            raise CommandError("+CMS ERROR: 304") from None
        self._reference = (self._reference + 1) % 256
        self._collect(submitted, line)
        if submitted.wants_report and self._unit.settings.reports == 1:
            self._later(self._report(submitted.number, self._reference))
        if self.faults.lose_ok:
            self.faults.lose_ok -= 1
            return
        self._say(f"+CMGS: {self._reference}")
        self._say("OK")

    def _collect(self, submitted: gsm_codec.Submitted, line: str) -> None:
        reference, total, sequence = submitted.place or (0, 1, 1)
        key = (submitted.number, reference, total)
        message = self._long.setdefault(key, _LongMessage(total))
        message.texts[sequence] = submitted.text
        message.raw.append(line)
        if len(message.texts) == total:
            del self._long[key]
            text = "".join(message.texts[place] for place in sorted(message.texts))
            self.sent.append(SentSms(submitted.number, text, time.time(), tuple(message.raw)))
            self._sent_more.set()

    async def _report(self, number: str, reference: int) -> None:
        await asyncio.sleep(self._network_s)
        pdu, length = gsm_codec.status_report(number, reference, now=time.time())
        self._say(f"+CDS: {length}", pdu)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


if __name__ == "__main__":
    from edge.simulator.gsm_control import main

    sys.exit(main())
