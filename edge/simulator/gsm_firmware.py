"""The simulated modem itself: hears command lines, says answers and unsolicited codes, gives messages to the network.

One task serves the commands, one after another as modems do: while a message is in the network nothing else is
answered. What is unsolicited may come between any two answers. At rest nothing runs, but for a model's own chatter.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from edge.simulator import gsm_ussd
from edge.simulator.gsm_codec import BadSubmit
from edge.simulator.gsm_commands import Commands
from edge.simulator.gsm_faults import CommandError, Faults, cms
from edge.simulator.gsm_line import SerialLine
from edge.simulator.gsm_models import Model
from edge.simulator.gsm_network import Network, Taken, Waiting
from edge.simulator.gsm_ussd import Ussd

_LONGEST_COMMAND = 2048
_SUB, _ESC = "\x1a", "\x1b"
_RESTART_S = 0.4
_FREEZE_S = 30.0
_ACKNOWLEDGE_S = 15.0
_LINK_KEPT_S = 5.0
_WIB = timezone(timedelta(hours=7))
_PIN_FORBIDS = ("SIM PIN", "SIM PUK")


class Firmware:
    """One modem's inside. `network_s`: what a send takes; `link_s`: more, when no radio link was kept (+CMMS)."""

    def __init__(
        self, line: SerialLine, unit: Commands, *, network_s: float, link_s: float, command_s: float, seed: int
    ) -> None:
        self._line, self._unit = line, unit
        self.faults: Faults = unit.faults
        self.network: Network = unit.network
        self.model: Model = unit.model
        self.network_s, self._link_s, self._command_s = network_s, link_s, command_s
        self.ussd, self.sending, self.clock_offset_s = Ussd(), False, 0.0
        self.hung_up, self.sent_more = asyncio.Event(), asyncio.Event()
        self._random = random.Random(seed)  # noqa: S311 - rubbish on a wire, no secret
        self._heard = ""
        self._prompting: asyncio.Future[str] | None = None
        self._lines: asyncio.Queue[str] = asyncio.Queue()
        self._off, self._deaf_until, self._booted_at, self._link_until = True, 0.0, 0.0, 0.0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._serving: asyncio.Task[None] | None = None
        unit.clock = self._clock

    # --- power

    def power_on(self) -> None:
        """Start afresh on a plugged line."""
        self._lines = asyncio.Queue()
        self._boot()
        self._serving = asyncio.get_running_loop().create_task(self._serve())

    async def power_off(self) -> None:
        """Lose power: settings are forgotten, the SIM and the network keep theirs."""
        self._off = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
            self._serving = None

    async def stop(self) -> None:
        """End what is still on its way, calls and reports."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def restart(self) -> None:
        """Reset itself, as AT+CFUN=1,1 does; what it was about to say is never said."""
        self._off = True
        self._later("boot", _RESTART_S, self._boot)

    def _boot(self) -> None:
        self._unit.power_on()
        self._heard, self._off = "", False
        while not self._lines.empty():
            self._lines.get_nowait()
        if self._prompting is not None and not self._prompting.done():
            self._prompting.set_result("")
        self._booted_at, self._deaf_until = self._now(), 0.0
        self.network.radio = True
        for line in self.model.power_on:
            self.say(line.format(pin=self._unit.sim_state))
        self._chat()
        self.settle()

    def _chat(self) -> None:
        if self.model.chatter:
            if not self._unit.settings.muted:
                self.say(self.model.chatter)
            self._later("chatter", self.model.chatter_s, self._chat)

    def hang(self, seconds: float) -> None:
        """Hear and say nothing for `seconds`; what it had to say is lost, what the network holds comes after."""
        self._deaf_until = self._now() + seconds
        self._later("hang", seconds, self.settle)

    @property
    def _deaf(self) -> bool:
        if self.faults.hang_s:
            seconds, self.faults.hang_s = self.faults.hang_s, 0.0
            self.hang(seconds)
        return self._off or self.faults.silent or self._now() < self._deaf_until

    # --- the line

    def hear(self, data: bytes) -> None:
        """Bytes from the other end of the line."""
        if self._deaf:
            return
        if self._unit.settings.echo:
            self._line.write(data)
        for character in data.decode("latin-1"):
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
            self._lines.put_nowait(heard)

    def say(self, *lines: str) -> None:
        """Lines that nothing interrupts."""
        if self._deaf:
            return
        if self.faults.garbage and self._random.random() < self.faults.garbage:
            rubbish = self._random.randbytes(self._random.randrange(1, 40))
            self._line.write(rubbish + self._random.choice((b"", b"\r\n")))
        self._line.write(("\r\n" + "\r\n".join(lines) + "\r\n").encode("latin-1"))

    async def _serve(self) -> None:
        while True:
            line = await self._lines.get()
            await asyncio.sleep(self._command_s)
            try:
                await self._obey(line)
            except CommandError as error:
                self.say(error.final(self._unit.settings.errors))
            self.settle()

    async def _obey(self, line: str) -> None:
        if line[:2].upper() != "AT":
            raise CommandError
        for name, argument in self._unit.split(line[2:]):
            if name == "+CMGS":
                await self._send(argument)
                return
            self._freeze(name)
            for lines in self._unit.answer(name, argument):
                self.say(*lines)
        self.say("OK")
        while self._unit.effects:
            self._effect(*self._unit.effects.popleft())

    def _freeze(self, name: str) -> None:
        after = self.model.freezes_after_s
        if name == "+CMGL" and after and self._now() - self._booted_at > after:
            self._booted_at = self._now()
            self.hang(_FREEZE_S)

    def _effect(self, what: str, argument: str) -> None:
        match what:
            case "restart" if self.model.restart_kills:
                self._run(self._become_a_disk())
            case "restart":
                self.restart()
            case "registration":
                self.say_registration()
            case "ussd":
                self._run(self._answer_ussd(argument))
            case "ussd ended":
                self.ussd.end()
            case "hang up":
                self.hung_up.set()
            case "acknowledged":
                self._acknowledged()

    async def _become_a_disk(self) -> None:
        await self.power_off()
        await self._line.unplug()

    # --- unsolicited

    def say_registration(self) -> None:
        """Tell that the registration has changed, where that is asked for."""
        for line in self._unit.changed_registrations():
            self.say(line)

    def say_sim(self) -> None:
        """Tell that the SIM was taken out or put in."""
        if not self.faults.sim_removed:
            self._unit.lock()
        self.say(f"+CPIN: {self._unit.sim_state}")

    def say_time(self) -> None:
        """Tell the network's time in the model's way (TS 27.007, clauses 8.41; vendors' manuals)."""
        utc, local = (datetime.fromtimestamp(time.time() + self.clock_offset_s, zone) for zone in (UTC, _WIB))
        level, code = self._unit.settings.time_codes, self.model.time_code
        if code == "^NWTIME":
            self.say(f"^NWTIME: {utc:%y/%m/%d,%H:%M:%S}+28,00")
        elif code == "*PSUTTZ":
            self.say(f'*PSUTTZ: {utc:%Y},{utc.month},{utc.day},{utc.hour},{utc.minute},{utc.second},"+28",0')
        elif level == 1:
            self.say("+CTZV: +28" if code == "+CTZE" else f"+CTZV: +28,{local:%y/%m/%d,%H:%M:%S},0")
        elif level:
            self.say(f'+CTZE: "+28",0,"{local:%Y/%m/%d,%H:%M:%S}"')

    def _clock(self) -> str:
        return f"{datetime.fromtimestamp(time.time() + self.clock_offset_s, _WIB):%y/%m/%d,%H:%M:%S}+28"

    async def ring(self, number: str, rings: int, every_s: float) -> bool:
        """Ring `rings` times, then the caller gives up; True when the call was rejected before."""
        self.hung_up.clear()
        for _ in range(rings):
            self.say("+CRING: VOICE" if self._unit.settings.call_kind else "RING")
            if self._unit.settings.caller:
                self.say(f'+CLIP: "{number}",145,,,,0')
            try:
                async with asyncio.timeout(every_s):
                    await self.hung_up.wait()
                return True
            except TimeoutError:
                continue
        self.say("NO CARRIER")
        return False

    async def _answer_ussd(self, code: str) -> None:
        await asyncio.sleep(self.network_s)
        if not self.network.reachable:
            self.say("+CUSD: 4")
            return
        try:
            asked = gsm_ussd.unpack(code) if self.model.ussd_packed else self._unit.plain(code)
        except (ValueError, BadSubmit):
            self.say("+CUSD: 4")
            return
        kind, text = self.ussd.ask(asked)
        told = gsm_ussd.pack(text) if self.model.ussd_packed else self._unit.text(text)
        self.say(f'+CUSD: {kind},"{told}",15')

    # --- messages to the phone

    def settle(self) -> None:
        """Bring what waits in the network to the phone while it can take it, and say so."""
        waiting = self.network.waiting
        while self._line.plugged and self._reachable() and waiting and self._bring(waiting[0]):
            waiting.popleft()

    def _reachable(self) -> bool:
        return self._unit.settings.unlocked and self.network.reachable and not self._deaf

    def _bring(self, sms: Waiting) -> bool:
        settings = self._unit.settings
        how = settings.reports if sms.report else settings.indications
        direct = (1,) if sms.report else (2, 3)
        if how in direct:
            return self._bring_at_once(sms)
        if sms.report and not how:
            return True  # without +CNMI the modem keeps none
        place = self._unit.put(sms.pdu, sms.length, report=sms.report)
        if place is not None and how:
            storage, index = place
            shape = '+CDSI: "{storage}",{index}' if sms.report else self.model.cmti
            self.say(shape.format(storage=storage, index=index))
        return place is not None

    def _bring_at_once(self, sms: Waiting) -> bool:
        """+CMT and +CDS; with AT+CSMS=1 one at a time, and never again unless acknowledged (TS 27.005, 3.4.4)."""
        if self._unit.unacknowledged:
            return False
        self.say(f"+CDS: {sms.length}" if sms.report else f"+CMT: ,{sms.length}", sms.pdu)
        if self._unit.settings.service:
            self._unit.unacknowledged = True
            self._later("acknowledge", _ACKNOWLEDGE_S, self._unacknowledged)
            return False
        return True

    def _acknowledged(self) -> None:
        self._unit.unacknowledged = False
        self._timers.pop("acknowledge").cancel()
        self.network.waiting.popleft()
        self.settle()

    def _unacknowledged(self) -> None:
        self._unit.unacknowledged = False
        self._unit.settings.indications = self._unit.settings.reports = 0
        self.settle()

    # --- messages to the network

    async def _send(self, argument: str) -> None:
        if self._unit.sim_state in _PIN_FORBIDS or self.faults.sim_removed:
            raise cms(310 if self.faults.sim_removed else 311)
        if not self._unit.settings.pdu_mode or not argument.isdecimal():
            raise cms(305)
        self._prompting = asyncio.get_running_loop().create_future()
        try:
            if not self.faults.befalls("lose_prompt") and not self._deaf:
                self._line.write(b"\r\n> ")
            line = await self._prompting
        finally:
            self._prompting = None
        if not line:
            self.say("OK")
            return
        await self._transmit(line, int(argument))

    async def _transmit(self, line: str, length: int) -> None:
        self.sending = True
        try:
            await asyncio.sleep(self.network_s + (self._link_s if self._now() > self._link_until else 0.0))
        except asyncio.CancelledError:
            if self.faults.sends_cut_off:
                self._take(line, length)
            raise
        finally:
            self.sending = False
        taken = self._take(line, length)
        if self._unit.settings.keep_link:
            self._link_until = self._now() + _LINK_KEPT_S
        if not self.faults.befalls("lose_ok"):
            self.say(f"+CMGS: {taken.reference}")
            self.say("OK")

    def _take(self, line: str, length: int) -> Taken:
        taken = self.network.take(line, length, now=time.time())
        self.sent_more.set()
        if taken.submitted.wants_report:
            self._run(self._report(taken))
        return taken

    async def _report(self, taken: Taken) -> None:
        delay = self.faults.report_delay_s
        await asyncio.sleep(self.network_s if delay is None else delay)
        self.network.report(taken, now=time.time())
        self.settle()

    # --- time

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _later(self, name: str, seconds: float, work: Callable[[], None]) -> None:
        """Do `work` later, instead of what was to be done later under that name."""
        if (before := self._timers.pop(name, None)) is not None:
            before.cancel()
        self._timers[name] = asyncio.get_running_loop().call_later(seconds, work)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
