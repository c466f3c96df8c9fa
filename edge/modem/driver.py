"""One modem at work: its line is kept, what arrives is stored, what is to be sent leaves, and its state is told.

Its tasks live as long as `run`: the keeper (`keeper`), arrivals (`receiving`), messages to send (`sending`), the
SIM's credit (`credit`) and what is known of its PIN (`pin`). Here their events become one status and the health's
conditions; nothing is shared between two modems but the store.
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from edge import step
from edge.clock import Clock
from edge.config import Modem
from edge.control import Answer, Handler
from edge.events import Announce
from edge.health import Health
from edge.modem import outcomes
from edge.modem.credit import Credit
from edge.modem.device.usb import Places
from edge.modem.keeper import Keeper
from edge.modem.link import Link
from edge.modem.mailbox import Choice, Mailbox, NotStored
from edge.modem.outcomes import Event, Network
from edge.modem.pin import PinMemory
from edge.modem.receiving import Receiving
from edge.modem.sending import Sending
from edge.modem.status import ModemStatus, State

if TYPE_CHECKING:
    from edge.modem.examine.inspection import Inspection

log = logging.getLogger("edge.modem")

SEARCH_GRACE_S = 30.0
SKEW_S = 300.0
_SMSC = re.compile(r"\+?\d{5,15}")
_SMSC_KEPT = "smsc"


class Driver:
    """One modem's driver; `run` may be called again after it ended in any way."""

    def __init__(
        self,
        settings: Modem,
        mailbox: Mailbox,
        *,
        pin: str,
        clock: Clock,
        announce: Announce,
        health: Health,
        places: Places | None = None,
    ) -> None:
        self._settings, self._mailbox, self._clock, self._health = settings, mailbox, clock, health
        self._status = ModemStatus()
        self._heard: State = "starting"
        self._opened_at = clock.monotonic()
        self._undeletable = self._skewed = False
        self._smsc = ""
        self._to_keep: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.receiving = Receiving(settings.name, mailbox, announce)
        self.sending = Sending(mailbox, link=lambda: self._keeper.link, chosen=self._chosen, reports=settings.reports)
        self.credit = Credit(settings, mailbox, clock, health, ask=self._ask_balance, keep=self._keep)
        self._pin = PinMemory(pin, mailbox, modem=settings.name)
        self._inspection: Inspection | None = None
        self._keeper = Keeper(
            settings,
            self._pin.pin,
            clock,
            happened=self._happened,
            health=health,
            changed=self._line_changed,
            smsc=lambda: self._smsc,
            places=places,
        )

    @property
    def name(self) -> str:
        """The modem's name in configuration, metrics and the store."""
        return self._settings.name

    @property
    def status(self) -> ModemStatus:
        """What the page and the metrics show."""
        return self._status

    def handlers(self) -> dict[str, Handler]:
        """Questions that commands ask about this modem by the control socket."""
        return {name: partial(self._inspect, name) for name in ("modem-at", "modem-record")}

    async def _inspect(self, name: str, question: dict[str, Any]) -> Answer:
        from edge.modem.examine import inspection  # loaded for the person who asks: most boxes never need it

        if self._inspection is None:
            self._inspection = inspection.Inspection(
                self.name, self._clock, link=lambda: self._keeper.link, overhear=self._keeper.overhear
            )
        return await inspection.handlers([self._inspection])[name](question)

    async def run(self) -> None:
        """Keep the modem at work until cancelled; a modem that is away is waited for."""
        self._smsc = await self._mailbox.recall(_SMSC_KEPT)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pin.run())
            group.create_task(self._keeper.run())
            group.create_task(self.receiving.run())
            group.create_task(self.sending.run())
            group.create_task(self.credit.run())
            group.create_task(self._keep_memory())

    # --- what happens

    def _happened(self, link: Link, event: Event) -> None:
        match event:
            case outcomes.Arrived():
                self.receiving.happened(link, event)
            case outcomes.PartTaken() | outcomes.SendEnded():
                self.sending.happened(event)
            case outcomes.Deleted():
                step.passed("sms.part.deleted")
                self._note_deletion(failed=False)
            case outcomes.DeleteFailed():
                self._note_deletion(failed=True)
            case outcomes.Surveyed(network):
                self._note_network(network)
            case outcomes.SimFaulted(detail):
                self._note_sim(detail)
            case outcomes.BalanceTold():
                self.credit.told(event)
                self._tell(balance_rp=self.credit.rp, expires=self.credit.expires)
            case outcomes.NetworkTime(iso):
                self._note_time(iso)
            case _:
                self._note_fact(event)

    def _note_fact(self, event: Event) -> None:
        match event:
            case outcomes.Ready():
                self._heard = "starting"
                self._health.clear("modem-sim", subject=self.name)
                self._tell()
            case outcomes.Identified(manufacturer, model, firmware, imei):
                self._tell(manufacturer=manufacturer, model=model, firmware=firmware, imei=imei)
            case outcomes.StorageSeen(used, capacity):
                self._tell(sim_used=used, sim_capacity=capacity)
            case outcomes.Queried():
                if self._inspection is not None:
                    self._inspection.happened(event)
            case outcomes.CallRejected():
                self._tell(calls_rejected=self._status.calls_rejected + 1)
                log.info("%s: an incoming call was rejected", self.name)

    def _line_changed(self) -> None:
        """The keeper opened or lost the line, or went on along its ladder."""
        if self._keeper.link is None:
            self.sending.able.clear()
            self._opened_at, self._heard = self._clock.monotonic(), "starting"
            for code in ("modem-sim", "modem-network"):  # nobody knows while the modem is away
                self._health.clear(code, subject=self.name)
            self._tell(operator="", signal=None, registered=False, technology="", sim_used=None)
        else:
            self._tell()

    def _note_sim(self, detail: str) -> None:
        self.sending.able.clear()
        self._heard = "sim"
        self._health.raise_("modem-sim", detail, subject=self.name)
        self._tell(operator="", signal=None, registered=False, technology="")

    def _note_network(self, network: Network) -> None:
        self._heard = "ready" if network.registered else "denied" if network.denied else "searching"
        if network.registered:
            self.sending.able.set()
            self.credit.able()
            self._health.clear("modem-network", subject=self.name)
        else:
            self.sending.able.clear()
            self._tell_unregistered(network)
        if _SMSC.fullmatch(network.smsc) and network.smsc != self._smsc:
            self._smsc = network.smsc
            self._keep(_SMSC_KEPT, network.smsc)
        self._tell(
            operator=network.operator,
            signal=network.signal,
            registered=network.registered,
            technology=network.technology,
            smsc=network.smsc,
        )
        self._judge_barred()

    def _tell_unregistered(self, network: Network) -> None:
        if network.denied:
            self._health.clear("modem-network", subject=self.name)
            return
        searching = network.registration == outcomes.SEARCHING
        if not searching or self._clock.monotonic() - self._opened_at > SEARCH_GRACE_S:
            self._health.raise_("modem-network", f"registration state {network.registration}", subject=self.name)

    def _note_deletion(self, *, failed: bool) -> None:
        if failed and not self._undeletable:
            log.warning("%s does not delete a stored message; it is tried again", self.name)
        elif self._undeletable and not failed:
            log.info("%s deletes messages again", self.name)
        self._undeletable = failed

    def _note_time(self, iso: str) -> None:
        """The network's clock may be forged: it is shown and, where it is far off, told once; it sets nothing."""
        skew = datetime.fromisoformat(iso).timestamp() - self._clock.wall()
        far = abs(skew) > SKEW_S
        if far != self._skewed:
            self._skewed = far
            log.warning("%s: the network's clock is %+.0f s from ours", self.name, skew) if far else log.info(
                "%s: the network's clock agrees with ours again", self.name
            )
        self._tell(clock_skew_s=round(skew, 1))

    # --- what waits, and why

    def _chosen(self, choice: Choice) -> None:
        """The mailbox said what may leave: whatever is held back is shown."""
        wall_of = self._clock.wall() - self._clock.monotonic()
        paused = None if choice.paused_until is None else round(choice.paused_until + wall_of)
        held = choice.held == "credit"
        if held:
            self.credit.want()
        self._show("modem-no-credit", held, "the network refuses messages; one is tried now and then")
        self._show("sms-paused", paused is not None, "sending failed repeatedly")
        if (choice.held, paused) != (self._status.held, self._status.paused_until):
            self._tell(held=choice.held, paused_until=paused)
            self._judge_barred()

    def _judge_barred(self) -> None:
        denied, refused = self._heard == "denied", self._status.held == "barred"
        detail = "the network denies the SIM its registration" if denied else "the operator bars messages of the SIM"
        self._show("modem-barred", denied or refused, detail)

    def _show(self, code: str, holds: bool, detail: str) -> None:
        if holds:
            self._health.raise_(code, detail, subject=self.name)
        else:
            self._health.clear(code, subject=self.name)

    def _tell(self, **facts: Any) -> None:
        """Bring the status up to date."""
        keeper = self._keeper
        state: State = self._heard if keeper.state == "open" else keeper.state
        shown: dict[str, Any] = {"state": state, "rung": keeper.rung, "reason": keeper.reason, "device": keeper.device}
        self._status = replace(self._status, **(shown | facts))

    # --- errands

    def _ask_balance(self) -> bool:
        """Ask the operator, if nothing else is to be done."""
        link = self._keeper.link
        if link is None or self._heard != "ready" or not (self.sending.idle and self.receiving.idle):
            return False
        link.ussd()
        return True

    def _keep(self, name: str, value: str) -> None:
        self._to_keep.put_nowait((name, value))

    async def _keep_memory(self) -> None:
        """Write down what is learnt; what a full store does not take is learnt again."""
        self._tell(balance_rp=self.credit.rp, expires=self.credit.expires)
        while True:
            name, value = await self._to_keep.get()
            try:
                await self._mailbox.remember(name, value)
            except NotStored as refused:
                log.debug("%s: %s is not remembered: %s", self.name, name, refused)
