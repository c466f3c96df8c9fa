"""What has arrived is made durable in batches, and only then deleted from the SIM."""

from __future__ import annotations

import asyncio

from edge import step
from edge.events import Announce, SmsReceived
from edge.modem.link import Link
from edge.modem.mailbox import Mailbox, NotStored, Part, Report
from edge.modem.outcomes import Arrived
from edge.modem.pdu import Deliver, StatusReport

STORE_AGAIN_S = 5.0
MOST_WAITING = 256
MOST_AT_ONCE = 64
_SILENT, _FOR_THE_SIM = 0x40, 0x7F  # TP-PID: short message type 0, (U)SIM data download (TS 23.040 clause 9.2.3.9)


class Receiving:
    """The arrivals of one modem, from any of its links in turn."""

    def __init__(
        self, name: str, mailbox: Mailbox, announce: Announce, *, store_again_s: float = STORE_AGAIN_S
    ) -> None:
        self._name, self._mailbox, self._announce = name, mailbox, announce
        self._store_again_s = store_again_s
        self._arrived: asyncio.Queue[tuple[Link, Arrived]] = asyncio.Queue()

    @property
    def idle(self) -> bool:
        """Nothing waits to be stored."""
        return self._arrived.empty()

    def happened(self, link: Link, arrived: Arrived) -> None:
        """Let an arrival wait to be stored; beyond `MOST_WAITING` the SIM keeps it; a report is dropped."""
        if self._arrived.qsize() < MOST_WAITING:
            self._arrived.put_nowait((link, arrived))
        elif arrived.index is not None:
            asyncio.get_running_loop().call_soon(link.release, arrived.index)

    async def run(self) -> None:
        """Store all that waits in one transaction, delete it, and so on until cancelled."""
        kept: list[tuple[Link, Arrived]] = []
        while True:
            batch = kept or [await self._arrived.get()]
            while len(batch) < MOST_AT_ONCE and not self._arrived.empty():
                batch.append(self._arrived.get_nowait())
            try:
                new = await self._mailbox.store([read(self._name, arrived) for _, arrived in batch])
            except NotStored:
                kept = _release(batch)
                await asyncio.sleep(self._store_again_s)
                continue
            kept = []
            step.passed("sms.part.committed")
            for _ in range(new):
                self._announce(SmsReceived(self._name))
            for link, arrived in batch:
                if arrived.index is not None:
                    link.delete(arrived.index)


def _release(batch: list[tuple[Link, Arrived]]) -> list[tuple[Link, Arrived]]:
    """Leave on the SIM what could not be stored; what lies on none is returned, to be tried again."""
    for link, arrived in batch:
        if arrived.index is not None:
            link.release(arrived.index)
    return [(link, arrived) for link, arrived in batch if arrived.index is None]


def read(modem: str, arrived: Arrived) -> Part | Report:
    """What the mailbox is given of an arrival on `modem`."""
    message = arrived.message
    if isinstance(message, StatusReport):
        return Report(message.recipient.text, message.reference, message.delivered)
    return _part(modem, arrived.pdu, message)


def _personal(message: Deliver) -> bool:
    """Whether a person wrote it: no data for an application or the SIM, no silent test, no sign of voicemail."""
    waiting = message.coding.waiting
    signal = message.protocol in (_SILENT, _FOR_THE_SIM) or (waiting is not None and not waiting.store)
    return message.port is None and message.coding.alphabet != "8bit" and not signal


def _part(modem: str, pdu: str, message: Deliver | None) -> Part:
    """What is stored of a received PDU; one that nobody can read is kept as its own text."""
    if message is None:
        return Part(modem, "unreadable", True, pdu, "", None, 1, 1, pdu)
    if not _personal(message):
        kept = pdu if message.coding.alphabet == "8bit" and message.port is None else ""
        return Part(modem, "binary", True, kept, message.timestamp, None, 1, 1, pdu)
    place, sender = message.concat, message.sender
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
        wide=place.wide if place else False,
    )
