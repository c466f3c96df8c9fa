"""The modem's shell: opens the port, feeds the session, stores before it deletes, sends what the mailbox gives.

Three tasks live as long as `run`: one keeps the line open, one makes received messages durable in their order, one
sends. Between two messages to send, the session reads and deletes what has arrived.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from edge import step
from edge.clock import Clock
from edge.config import Modem
from edge.control import Handler
from edge.events import Announce, SmsReceived, SmsSent
from edge.health import Health
from edge.modem import concat, procedures
from edge.modem.link import Link
from edge.modem.mailbox import Mailbox, NotStored, Outgoing, Part
from edge.modem.outcomes import (
    Arrived,
    Deleted,
    DeleteFailed,
    Event,
    Lost,
    Ready,
    SendEnded,
    SimFaulted,
    Surveyed,
)
from edge.modem.pdu import Address, Deliver, StatusReport, encode_submit
from edge.modem.port import PortUnavailable
from edge.modem.procedures import Network, Pin
from edge.modem.status import ModemStatus, State

__all__ = ["Driver", "Mailbox", "ModemStatus", "NotStored", "Outgoing", "Part"]

log = logging.getLogger("edge.modem")

REOPEN_S = 1.0
STORE_AGAIN_S = 5.0
SEARCH_GRACE_S = 30.0
MOST_WAITING = 256


class Driver:
    """One modem's driver; `run` may be called again after it ended in any way."""

    def __init__(
        self, settings: Modem, mailbox: Mailbox, *, pin: str, clock: Clock, announce: Announce, health: Health
    ) -> None:
        self._settings, self._mailbox, self._clock = settings, mailbox, clock
        self._announce, self._health = announce, health
        self._pin = Pin(pin)
        self._status = ModemStatus()
        self._link: Link | None = None
        self._able = asyncio.Event()
        self._arrived: asyncio.Queue[tuple[Link, Arrived]] = asyncio.Queue()
        self._unsettled: Outgoing | None = None
        self._ending: asyncio.Future[SendEnded] | None = None
        self._opened_at = 0.0
        self._undeletable = False

    @property
    def status(self) -> ModemStatus:
        """What the page and the metrics show."""
        return self._status

    @property
    def name(self) -> str:
        """The modem's name in configuration, metrics and the store."""
        return self._settings.name

    def handlers(self) -> dict[str, Handler]:
        """Questions that commands ask about this modem by the control socket."""
        return {}

    async def run(self) -> None:
        """Keep the modem at work until cancelled; a modem that is away is waited for."""
        self._arrived = asyncio.Queue()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_open())
                group.create_task(self._store_arrivals())
                group.create_task(self._send_outgoing())
        finally:
            self._drop_link()

    # --- the line

    async def _keep_open(self) -> None:
        while True:
            try:
                self._opened_at = self._clock.monotonic()
                self._link = await Link.open(self._settings, self._pin, self._clock, self._happened)
                reason = await self._link.ended
            except PortUnavailable as unavailable:
                reason = str(unavailable)
            self._drop_link()
            self._status = ModemStatus()
            for code in ("modem-sim", "modem-network"):  # nobody knows while the modem is away
                self._health.clear(code, subject=self._settings.name)
            self._health.raise_("modem-missing", reason, subject=self._settings.name)
            await asyncio.sleep(REOPEN_S)

    def _drop_link(self) -> None:
        self._able.clear()
        if self._link is not None:
            link, self._link = self._link, None
            link.close()

    def _happened(self, link: Link, event: Event) -> None:
        match event:
            case Arrived():
                self._queue(link, event)
            case Deleted():
                step.passed("sms.part.deleted")
                self._note_deletion(failed=False)
            case DeleteFailed():
                self._note_deletion(failed=True)
            case SendEnded():
                self._end_send(event)
            case Ready():
                self._health.clear("modem-missing", subject=self._settings.name)
                self._health.clear("modem-sim", subject=self._settings.name)
                self._status = replace(self._status, state="starting")
            case Surveyed(network):
                self._note_network(network)
            case SimFaulted(detail):
                self._able.clear()
                self._status = ModemStatus("sim")
                self._health.clear("modem-missing", subject=self._settings.name)
                self._health.raise_("modem-sim", detail, subject=self._settings.name)
            case Lost():
                pass  # the link ends itself and says why

    def _queue(self, link: Link, arrived: Arrived) -> None:
        """Let an arrival wait to be stored; beyond `MOST_WAITING` the SIM keeps it; a report is dropped."""
        if self._arrived.qsize() < MOST_WAITING:
            self._arrived.put_nowait((link, arrived))
        elif arrived.index is not None:
            asyncio.get_running_loop().call_soon(link.release, arrived.index)

    def _note_network(self, network: Network) -> None:
        state: State = "ready" if network.registered else "searching"
        self._status = ModemStatus(state, network.operator, network.signal, network.registered)
        if network.registered:
            self._able.set()
            self._health.clear("modem-network", subject=self._settings.name)
            return
        self._able.clear()
        searching = network.registration == procedures.SEARCHING
        if not searching or self._clock.monotonic() - self._opened_at > SEARCH_GRACE_S:
            self._health.raise_("modem-network", f"+CREG state {network.registration}", subject=self._settings.name)

    def _note_deletion(self, *, failed: bool) -> None:
        if failed and not self._undeletable:
            log.warning("%s does not delete a stored message; it is tried again", self._settings.name)
        elif self._undeletable and not failed:
            log.info("%s deletes messages again", self._settings.name)
        self._undeletable = failed

    # --- receiving

    async def _store_arrivals(self) -> None:
        while True:
            link, arrived = await self._arrived.get()
            try:
                await self._store(arrived)
            except NotStored:
                if arrived.index is not None:
                    link.release(arrived.index)
                await asyncio.sleep(STORE_AGAIN_S)
                continue
            if arrived.index is not None:
                link.delete(arrived.index)

    async def _store(self, arrived: Arrived) -> None:
        if isinstance(arrived.message, StatusReport):
            report = arrived.message
            if report.delivered is not None:
                await self._mailbox.record_report(report.recipient.text, report.reference, report.delivered)
            return
        if await self._mailbox.store_part(_part(self._settings.name, arrived.pdu, arrived.message)):
            self._announce(SmsReceived(self._settings.name))
        step.passed("sms.part.committed")

    # --- sending

    async def _send_outgoing(self) -> None:
        if self._unsettled is not None:
            await self._mailbox.record_uncertain(self._unsettled.id, "the modem's driver was started again")
            self._unsettled = None
        while True:
            await self._able.wait()
            outgoing = await self._mailbox.next_outgoing()
            if outgoing is None:
                continue
            self._unsettled = outgoing
            step.passed("sms.send.journaled")
            await self._settle(outgoing, await self._send(outgoing))
            self._unsettled = None

    async def _send(self, outgoing: Outgoing) -> SendEnded:
        try:
            parts = _submits(outgoing)
        except ValueError as error:
            return SendEnded(outgoing.id, False, True, error=str(error), permanent=True)
        if self._link is None:
            return SendEnded(outgoing.id, False, True, error="the modem was lost before the message was given")
        self._ending = asyncio.get_running_loop().create_future()
        self._link.send(outgoing.id, parts)
        return await self._ending

    def _end_send(self, ended: SendEnded) -> None:
        if self._ending is not None and not self._ending.done():
            self._ending.set_result(ended)

    async def _settle(self, outgoing: Outgoing, ended: SendEnded) -> None:
        if ended.sent:
            step.passed("sms.send.acknowledged")
            await self._mailbox.record_sent(outgoing.id, ended.references)
            step.passed("sms.send.recorded")
        elif ended.certain:
            await self._mailbox.record_failure(outgoing.id, ended.error, permanent=ended.permanent)
        else:
            await self._mailbox.record_uncertain(outgoing.id, ended.error)
        if ended.sent:
            self._announce(SmsSent(self._settings.name, outgoing.kind, "sent"))
        elif not ended.certain:
            self._announce(SmsSent(self._settings.name, outgoing.kind, "uncertain"))
        else:
            self._announce(SmsSent(self._settings.name, outgoing.kind, "failed" if ended.permanent else "retry"))


def _part(modem: str, pdu: str, message: Deliver | None) -> Part:
    """What is stored of a received PDU; one that nobody can read is kept as its own text."""
    if message is None:
        return Part(modem, "unreadable", True, pdu, "", None, 1, 1, pdu)
    if message.port is not None:
        return Part(modem, "binary", True, "", message.timestamp, None, 1, 1, pdu)
    place = message.concat
    sender = message.sender
    return Part(
        modem,
        sender.text,
        sender.alphanumeric,
        message.text,
        message.timestamp,
        place.reference if place else None,
        place.total if place else 1,
        place.sequence if place else 1,
        pdu,
    )


def _submits(outgoing: Outgoing) -> list[tuple[str, int]]:
    """The parts as SUBMITs. A second try carries the same references, so that a phone joins or replaces the twin."""
    reference = outgoing.id & 0xFF
    recipient = Address(outgoing.number)
    return [encode_submit(recipient, piece, reference=reference) for piece in concat.split(outgoing.text, reference)]
