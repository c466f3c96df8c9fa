"""What is to be sent leaves the mailbox one message after the other, without a gap between two.

While message A is in the network, B is chosen. When A has ended, AT+CMGS for B is issued at once and held at its
prompt; meanwhile one transaction writes down how A ended and that B is being sent. Only then does B's payload leave. So
nothing leaves that no journal knows, and the modem's own slowness hides the disk's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from edge import step
from edge.modem import concat, errors
from edge.modem.link import Link
from edge.modem.mailbox import Choice, Ended, Given, Mailbox, NotStored, Outgoing, Started, Step, Taken
from edge.modem.outcomes import PartTaken, SendEnded
from edge.modem.pdu import Address, encode_submit

STORE_AGAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Submit:
    """One part as the modem takes it: the hexadecimal line and the octets of its TPDU."""

    sequence: int
    reference: int
    pdu: str
    length: int


@dataclass(slots=True)
class _Under:
    """The message that a link is sending, and what it has told of it."""

    id: int
    told: asyncio.Queue[PartTaken | SendEnded] = field(default_factory=asyncio.Queue)


class Sending:
    """One modem's sending; `link` gives the line now, `chosen` hears every choice. Nothing leaves unless `able` is set.

    With `reports` the network is asked to tell of each part whether it was delivered.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        *,
        link: Callable[[], Link | None],
        chosen: Callable[[Choice], None],
        reports: bool = True,
    ) -> None:
        self._mailbox, self._link, self._chosen, self._reports = mailbox, link, chosen, reports
        self.able = asyncio.Event()
        self._under: _Under | None = None
        self._peeked: Choice | None = None

    @property
    def idle(self) -> bool:
        """Nothing is being sent."""
        return self._under is None

    def happened(self, event: PartTaken | SendEnded) -> None:
        """A link told of a message; one that is not under way any more is of no interest."""
        if self._under is not None and self._under.id == event.id:
            self._under.told.put_nowait(event)

    async def run(self) -> None:
        """Send until cancelled."""
        self._under = self._peeked = None
        await self._recover()
        ended: list[Step] = []
        while True:
            outgoing = await self._next(ended)
            ended = await self._send(outgoing, ended)

    async def _next(self, ended: list[Step]) -> Outgoing:
        """The message to send now. What has `ended` is written down first where nothing follows at once."""
        while True:
            choice, self._peeked = self._peeked, None
            if self.able.is_set() and choice is None:
                choice = await self._choose()
            if self.able.is_set() and choice is not None and choice.outgoing is not None:
                return choice.outgoing
            if ended:
                await self._record(*ended)
                ended.clear()
            elif choice is not None and self.able.is_set():
                await self._mailbox.wait(choice.wait_s)
            else:
                await self.able.wait()

    async def _send(self, outgoing: Outgoing, ended: list[Step]) -> list[Step]:
        """Send it, and return how it ended, which is not written down yet."""
        link = self._link()
        try:
            submits = submits_of(outgoing, report=self._reports)
        except ValueError as error:
            await self._record(*ended, Started(outgoing, ()))
            return [Ended(outgoing.id, "failed", str(error), "recipient")]
        if not submits:
            await self._record(*ended, Started(outgoing, ()))
            return [Ended(outgoing.id, "sent")]
        if link is None:
            self.able.clear()
            return ended
        self._under = under = _Under(outgoing.id)
        try:
            link.send(outgoing.id, [(submit.pdu, submit.length) for submit in submits], held=True)
            step.passed("sms.send.held")
            started = Started(outgoing, tuple((submit.sequence, submit.reference) for submit in submits))
            if not await self._record(*ended, started):
                link.cancel(outgoing.id)
                await self._end_of(under)
                return []
            step.passed("sms.send.journaled")
            link.proceed(outgoing.id, 1)
            return await self._follow(link, under, submits)
        finally:
            self._under = None

    async def _follow(self, link: Link, under: _Under, submits: tuple[Submit, ...]) -> list[Step]:
        """Give part after part, each once its journal is durable; meanwhile the next message is chosen."""
        async with asyncio.TaskGroup() as group:
            peeking = group.create_task(self._peek())
            steps: list[Step] = []
            while isinstance(told := await under.told.get(), PartTaken):
                step.passed("sms.send.part_taken")
                steps.append(Taken(under.id, submits[told.sequence - 1].sequence, told.reference))
                if told.sequence < len(submits):
                    await self._record(*steps, Given(under.id, submits[told.sequence].sequence))
                    steps.clear()
                    link.proceed(under.id, told.sequence + 1)
            peeking.cancel()
        if told.sent:
            step.passed("sms.send.acknowledged")
        return [*steps, _ended(told)]

    async def _end_of(self, under: _Under) -> None:
        while isinstance(await under.told.get(), PartTaken):
            pass

    async def _peek(self) -> None:
        """Keep the choice of the next message fresh."""
        while True:
            self._peeked = None
            self._peeked = choice = await self._choose()
            await self._mailbox.wait(choice.wait_s if choice.outgoing is None else None)

    async def _choose(self) -> Choice:
        try:
            choice = await self._mailbox.choose()
        except NotStored:
            choice = Choice(None, STORE_AGAIN_S)
        self._chosen(choice)
        return choice

    async def _record(self, *steps: Step) -> bool:
        """Write `steps` down, however long the disk is full; what is being sent waits at its prompt."""
        while True:
            try:
                well = await self._mailbox.record(*steps)
            except NotStored:
                await asyncio.sleep(STORE_AGAIN_S)
                continue
            if any(isinstance(done, Ended) and done.result == "sent" for done in steps):
                step.passed("sms.send.recorded")
            return well

    async def _recover(self) -> None:
        while True:
            try:
                await self._mailbox.recover()
            except NotStored:
                await asyncio.sleep(STORE_AGAIN_S)
            else:
                return


def submits_of(outgoing: Outgoing, *, report: bool = True) -> tuple[Submit, ...]:
    """The parts to be sent as SUBMITs, in order; ValueError where the number or the text cannot be one.

    A part that the network may have goes under its own TP-MR with TP-RD set, so that a service centre may reject the
    twin; concatenated parts keep their reference, so that the phone joins or replaces them.
    """
    pieces = concat.split(outgoing.text, outgoing.id & 0xFF)
    same = outgoing.known == len(pieces)  # else the text was divided differently: nothing that is known holds
    taken, given = (outgoing.taken, outgoing.given) if same else (frozenset[int](), {})
    recipient, reference = Address(outgoing.number), outgoing.reference
    submits = []
    for sequence, piece in enumerate(pieces, 1):
        if sequence in taken:
            continue
        mr = given.get(sequence, reference)
        pdu, length = encode_submit(
            recipient,
            piece,
            reference=mr,
            report=report,
            reject_duplicates=sequence in given,
            validity_s=round(outgoing.validity_s),
        )
        submits.append(Submit(sequence, mr, pdu, length))
        reference = reference if sequence in given else (reference + 1) & 0xFF
    return tuple(submits)


def _ended(told: SendEnded) -> Ended:
    if told.sent:
        return Ended(told.id, "sent")
    if not told.certain:
        return Ended(told.id, "uncertain", told.error)
    lasting = told.permanent and told.code is None
    return Ended(told.id, "failed", told.error, "recipient" if lasting else errors.fault(told.code))
