"""Keeps one modem's line open: finds the device, opens it, and climbs the ladder of remedies while it fails.

Of every failure it is asked first whether the device is there at all. One that is away is looked for until it is back,
under whatever name; one that is there but silent is greeted every second, whichever rung is due, so that it is at work
again as soon as it answers. Only what was reached by a survey, or stopped at a SIM that needs a person, counts as well.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from edge.clock import Clock
from edge.config import Modem
from edge.health import Health
from edge.modem.conversation import models
from edge.modem.conversation.ladder import Climb, Ladder, Rung
from edge.modem.conversation.procedures import Pin
from edge.modem.device import power, usb
from edge.modem.device.find import Absent, Finder, Found
from edge.modem.device.power import PowerRefused
from edge.modem.device.usb import Places, UsbRefused
from edge.modem.link import PATIENCE_S, Link, Tap
from edge.modem.outcomes import Event, Identified, Lost, SimFaulted, Surveyed
from edge.modem.port import PortUnavailable

log = logging.getLogger("edge.modem")

PAUSE_S = 0.5
LOOK_AGAIN_S = 3.0
SETTLED_S = 10.0
LONGEST_PATIENCE_S = 15.0
RESET_S = 20.0
CLOSE_S = 1.0
_VANISHING: frozenset[Rung] = frozenset({"cfun", "model-reset", "usb-reset", "power"})
_BY_SESSION: frozenset[Rung] = frozenset({"cfun", "model-reset"})
MUTE = "silent at AT"  # as a session says that it has greeted in vain
_CODES = ("modem-missing", "modem-silent", "modem-hilink")
_WORDS: dict[Rung, str] = {
    "resync": "it is greeted anew",
    "reopen": "its port is closed and opened",
    "cfun": "its radio is switched off and on",
    "model-reset": "it is told to restart",
    "usb-reset": "its USB port is reset",
    "power": "its power is switched",
}

State = Literal["missing", "silent", "open"]


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why the modem does not work: `absent`, it has no line that can be opened; `mute`, not even AT is answered."""

    reason: str
    absent: bool = False
    hilink: bool = False
    mute: bool = False


class Keeper:
    """One modem's line. `link` is there while it is open; `changed` is called whenever any property has changed.

    `happened` gets every event of every link; `smsc` gives the service centre that was seen before, "" when none was.
    Between two tries lies `pause_s`; a device that is away is looked for so often, and tried every `look_again_s`.
    """

    def __init__(
        self,
        settings: Modem,
        pin: Pin,
        clock: Clock,
        *,
        happened: Callable[[Link, Event], None],
        health: Health,
        changed: Callable[[], None] = lambda: None,
        smsc: Callable[[], str] = lambda: "",
        places: Places | None = None,
        pause_s: float = PAUSE_S,
        look_again_s: float = LOOK_AGAIN_S,
    ) -> None:
        self._settings, self._pin, self._clock, self._health = settings, pin, clock, health
        self._pause_s, self._look_again_s = pause_s, look_again_s
        self._happened, self._changed, self._smsc = happened, changed, smsc
        self._places = places or Places()
        self._finder = Finder(settings, self._places)
        self._ladder = Ladder(frozenset(), now=clock.monotonic())
        self._model_abilities = models.GENERIC.abilities
        self._climb: Climb | None = None
        self._until = 0.0
        self._reset: Rung = ""
        self._vanishes = False
        self._ended_by: str | None = None
        self._worked = asyncio.Event()
        self._found: Found | None = None
        self._failure: _Failure | None = None
        self._hilink_since: float | None = None
        self._refusal = ""
        self.link: Link | None = None
        self.tap: Tap | None = None

    # --- what others may know

    @property
    def state(self) -> State:
        """Whether the line is open and the modem answers on it, as far as is known."""
        if self._failure is None or self._failure.absent:
            return "open" if self.link is not None else "missing"
        return "silent"

    @property
    def rung(self) -> Rung:
        """The remedy being tried, "" while the modem works."""
        return self._ladder.rung

    @property
    def reason(self) -> str:
        """Why the modem does not work, as a sentence; "" while it does."""
        return self._failure.reason if self._failure else ""

    @property
    def device(self) -> str:
        """The serial line that was opened last, "" before the first."""
        return self._found.device if self._found else ""

    def overhear(self, tap: Tap | None) -> None:
        """Show every chunk of this and later links to `tap`; None ends it."""
        self.tap = tap
        if self.link is not None:
            self.link.tap = tap

    # --- the loop

    async def run(self) -> None:
        """Keep the modem at work until cancelled; a modem that is away is waited for."""
        try:
            while True:
                before = await asyncio.to_thread(self._finder.sign)
                failure = await self._live()
                await self._climb_for(failure)
                await self._pause(failure, before)
        finally:
            await self._drop()

    async def _live(self) -> _Failure:
        """One opening of the modem, from finding it until it fails."""
        self._worked.clear()
        self._ended_by = None
        try:
            self._found = await self._finder.find()
            await self._open(self._found)
            reason = await self._wait()
            gone = self._ended_by is None and self.link is not None and self.link.ended.done()
            return _Failure(reason, absent=gone, mute=self._ended_by == MUTE)
        except Absent as absent:
            return _Failure(str(absent), absent=True, hilink=absent.kind == "hilink")
        except PortUnavailable as unavailable:
            return _Failure(str(unavailable), absent=True)
        finally:
            await self._drop()

    async def _open(self, found: Found) -> None:
        left = self._until - self._clock.monotonic() if self._climb else 0.0
        self.link = await Link.open(
            self._settings,
            self._pin,
            self._clock,
            self._heard,
            device=found.device,
            places=self._places,
            smsc=self._smsc(),
            reset=self._reset,
            patience_s=max(PATIENCE_S, min(left, LONGEST_PATIENCE_S)),
            hang_up=self.rung == "reopen",
            tap=self.tap,
        )
        self._reset = ""  # once in a climb: a modem that was mute heals without, one that restarts comes back
        self._changed()

    async def _wait(self) -> str:
        """Why the link ended, or that it did not begin to work within the climb's budget."""
        if self.link is None:
            return "the line was closed"
        left = max(PATIENCE_S, self._until - self._clock.monotonic()) if self._climb else None
        working = asyncio.ensure_future(self._worked.wait())
        either: tuple[asyncio.Future[Any], ...] = (self.link.ended, working)
        try:
            await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            working.cancel()
        if not self.link.ended.done() and not self._worked.is_set():
            return "the modem answers but does not become ready"
        return await asyncio.shield(self.link.ended)

    async def _drop(self) -> None:
        if self.link is not None:
            link, self.link = self.link, None
            link.close()
            self._changed()
            await link.closed(within_s=CLOSE_S)

    def _heard(self, link: Link, event: Event) -> None:
        if isinstance(event, Identified):
            self._model_abilities = models.named(event.quirks).abilities
        elif isinstance(event, Surveyed | SimFaulted):
            self._note_work()
        elif isinstance(event, Lost):
            self._ended_by = event.reason
        self._happened(link, event)

    def _note_work(self) -> None:
        """The modem answers sensibly: nothing is left to climb for."""
        if self._worked.is_set():
            return
        self._worked.set()
        self._ladder.worked(now=self._clock.monotonic())
        self._climb, self._reset, self._failure, self._hilink_since, self._refusal = None, "", None, None, ""
        if self._found is not None:
            self._finder.worked(self._found)
        for code in _CODES:
            self._health.clear(code, subject=self._settings.name)
        self._changed()

    # --- the ladder

    async def _climb_for(self, failure: _Failure) -> None:
        """Note the failure; perform the next rung where the one before has had its time."""
        now = self._clock.monotonic()
        before, self._failure = self._failure, failure
        expected = failure.absent and self._vanishes
        back = before is not None and before.absent and not failure.absent and self.rung == "resync"
        if self._climb is not None and now < self._until and not back:
            self._tell(expected=expected)
            return
        self._ladder.abilities = await asyncio.to_thread(self._abilities, failure)
        climb = self._ladder.failed(failure.reason, now=now, gone=failure.absent)
        self._climb, self._until = climb, now + climb.wait_s + climb.budget_s
        self._reset = climb.rung if climb.rung in _BY_SESSION else ""
        self._vanishes = climb.rung in _VANISHING and not failure.absent
        self._tell(expected=False)
        await asyncio.sleep(climb.wait_s)
        await self._perform(climb.rung)

    def _abilities(self, failure: _Failure) -> frozenset[Rung]:
        """What can be tried now. A mute modem hears no reset; once it does, it has come back and needs none."""
        able = set() if failure.mute else set(self._model_abilities)
        if self._settings.power_command:
            able.add("power")
        tty = self._found.tty if self._found else None
        if tty is not None and usb.may_reset(tty.usb, self._places):
            able.add("usb-reset")
        return frozenset(able)

    async def _perform(self, rung: Rung) -> None:
        """Do what the session cannot: the USB reset and the power switch."""
        try:
            if rung == "usb-reset" and self._found is not None and self._found.tty is not None:
                async with asyncio.timeout(RESET_S):
                    await asyncio.to_thread(usb.reset, self._found.tty.usb, self._places)
                log.info("%s: its USB port was reset", self._settings.name)
            elif rung == "power":
                said = await power.cycle(self._settings.power_command)
                log.info("%s: its power was switched%s", self._settings.name, f" ({said})" if said else "")
        except (UsbRefused, PowerRefused) as refused:
            self._note_refusal(str(refused))
        except TimeoutError:
            self._note_refusal(f"the USB reset did not end within {RESET_S:g} s")

    def _note_refusal(self, refusal: str) -> None:
        if refusal != self._refusal:
            log.warning("%s: %s", self._settings.name, refusal)
        self._refusal = refusal

    # --- telling, and waiting for something to change

    def _tell(self, *, expected: bool) -> None:
        """Raise the one condition that says what is wrong."""
        failure, name = self._failure, self._settings.name
        if failure is None:
            return
        if failure.absent and not expected:
            code, detail = self._absence(failure), failure.reason
        else:
            code, detail = "modem-silent", f"{failure.reason}; {_WORDS.get(self.rung, 'it is greeted anew')}"
        for other in _CODES:
            if other != code:
                self._health.clear(other, subject=name)
        self._health.raise_(code, detail, subject=name)
        self._changed()

    def _absence(self, failure: _Failure) -> str:
        """A stick changes its mode while it starts: only one that stays in HiLink mode is told as such."""
        if not failure.hilink:
            self._hilink_since = None
            return "modem-missing"
        now = self._clock.monotonic()
        self._hilink_since = now if self._hilink_since is None else self._hilink_since
        return "modem-hilink" if now - self._hilink_since >= SETTLED_S else "modem-missing"

    async def _pause(self, failure: _Failure, before: object) -> None:
        """Wait a little; where nothing can be opened, until the devices change, or a while to see locks go."""
        await asyncio.sleep(self._pause_s)
        if not failure.absent:
            return
        for _ in range(round(self._look_again_s / self._pause_s)):
            if await asyncio.to_thread(self._finder.sign) != before:
                return
            await asyncio.sleep(self._pause_s)
