"""One modem's mailbox, kept in the store: arrivals in batches in, one message at a time out, paced for the SIM.

What may leave is only read (`choose`); it becomes fact when its start is journalled together with the end of the one
before (`record`). Nothing is polled: the store wakes whoever waits, and where something waits for its time, a timer.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from edge import config, step
from edge.clock import Clock
from edge.events import Announce, SmsSent
from edge.modem import concat
from edge.modem.mailbox import Choice, NotStored, Outgoing, Part, Report, Started, Step
from edge.queue.store import messages as rows
from edge.queue.store import modems
from edge.queue.store.database import Store, StoreError, Work
from edge.queue.store.messages import Messages
from edge.queue.store.outgoing import Due, Scope, Sends
from edge.sms import pacing, roles
from edge.sms.journal import REFERENCE, Journal, Told
from edge.sms.reckoning import Reckoning
from edge.sms.restraint import BACKOFF_FIRST_S, Gate, Restraint

log = logging.getLogger("edge.sms")
T = TypeVar("T")

LOOK_S = 60.0
RETRY_FIRST_S = 15.0
RETRY_MOST_S = 1_800.0
_FAIR_TURN = 10


@dataclass(frozen=True, slots=True)
class _Looked:
    """What one look at the store found; `at` is the next known wall time at which more may be due."""

    due: Due | None
    waiting: bool
    at: float | None
    sends: Sends


class StoreMailbox:
    """Implements the driver's `Mailbox` for one modem by its name; the store tells the Center of whole messages."""

    def __init__(
        self,
        store: Store,
        messages: Messages,
        settings: config.Sms,
        *,
        clock: Clock,
        announce: Announce,
        modem: str = "modem",
        timezone: str = "Asia/Jakarta",
        retry_first_s: float = RETRY_FIRST_S,
        retry_most_s: float = RETRY_MOST_S,
        backoff_first_s: float = BACKOFF_FIRST_S,
    ) -> None:
        self._store, self._messages, self._settings = store, messages, settings
        self._clock, self._announce, self._modem = clock, announce, modem
        self._zone = ZoneInfo(timezone)
        self._restraint = Restraint(settings, backoff_first_s=backoff_first_s)
        self._journal = Journal(
            messages.outgoing,
            modem,
            self._restraint,
            settle_s=settings.settle_uncertain_s,
            retry_s=(retry_first_s, retry_most_s),
        )
        self._reckoning = Reckoning(store, clock)
        self._woken = asyncio.Event()
        self._last: float | None = None
        self._swept_at = clock.monotonic()
        self._turn = 0
        self._spent = False
        store.watch("outgoing", self.wake)

    def wake(self) -> None:
        """Something may have changed in the store: look again."""
        self._woken.set()

    # --- arrivals

    async def store(self, arrivals: Sequence[Part | Report], /) -> int:
        """Keep parts and reports durably; how many parts are new. `NotStored` while the store takes nothing."""
        parts = [_row(part) for part in arrivals if isinstance(part, Part)]
        reports = [report for report in arrivals if isinstance(report, Report)]
        try:
            if reports:
                await self._note(reports)
            return await self._keep(parts) if parts else 0
        except StoreError as refused:
            raise NotStored(str(refused)) from refused

    async def _keep(self, parts: Sequence[rows.Part]) -> int:
        now = self._clock.wall()

        def work(conn: sqlite3.Connection) -> int:
            new = sum(self._messages.add_part(conn, part, now=now, assemble=concat.assemble) for part in parts)
            step.passed("sms.part.before_commit")
            return new

        return await self._store.write(work)

    async def _note(self, reports: Sequence[Report]) -> None:
        """Reports settle what is there already, so they may use the store's reserve."""
        now, outgoing = self._clock.wall(), self._messages.outgoing

        def work(conn: sqlite3.Connection) -> list[str]:
            came = [
                outgoing.report(
                    conn, self._modem, roles.number(report.number), report.reference, report.delivered, now=now
                )
                for report in reports
            ]
            step.passed("sms.report.before_commit")
            return came

        if any(await self._store.write(work, draining=True)):
            self.wake()
        step.passed("sms.report.committed")

    # --- what may leave

    async def recover(self) -> None:
        """What was being sent when the last driver ended is uncertain."""
        now, outgoing = self._clock.wall(), self._messages.outgoing
        settle_at = now + self._settings.settle_uncertain_s

        def work(conn: sqlite3.Connection) -> tuple[list[str], str]:
            left = outgoing.left_sending(conn, self._modem, now=now)
            for row, _ in left:
                outgoing.doubtful(conn, row, "the daemon ended while it was sent", settle_at=settle_at, now=now)
            return [kind for _, kind in left], modems.recall(conn, self._modem, REFERENCE)

        kinds, reference = await self._write(work)
        self._journal.begin(reference)
        for kind in kinds:
            self._tell(kind, "uncertain")

    async def choose(self) -> Choice:
        """The next message that may leave now, or how long to wait for one."""
        self._woken.clear()
        now = self._clock.monotonic()
        gate = self._restraint.gate(now=now)
        paused = gate.bulk_until or None
        wait = max(gate.until - now, pacing.gap(now, self._last, self._settings).total_seconds())
        if wait > 0:
            return Choice(None, wait, gate.held, paused)
        looked = await self._look(gate)
        if looked.waiting and self._sweep_due(looked, now):
            await self._sweep(now)
            looked = await self._look(gate)
        if looked.due is None:
            return Choice(None, self._patience(looked, paused, now), gate.held, paused)
        if not self._affordable(looked.sends):
            return Choice(None, LOOK_S, gate.held or "budget", paused)
        return Choice(self._outgoing(looked.due), 0.0, gate.held, paused)

    async def wait(self, seconds: float | None, /) -> None:
        """Until woken, or for `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _look(self, gate: Gate) -> _Looked:
        try:
            recent = await self._reckoning.recent()
        except StoreError as refused:
            raise NotStored(str(refused)) from refused
        now, trusted = self._clock.wall(), self._clock.trusted()
        scope = Scope(
            modem=self._modem,
            replies_only=bool(gate.bulk_until) or (trusted and self._night(now)),
            oldest=self._turn % _FAIR_TURN == _FAIR_TURN - 1,
            freshest=gate.held in ("credit", "barred"),
            per_recipient=self._settings.sends_per_recipient_per_day,
            dated=trusted,
            recent=recent,
        )
        outgoing = self._messages.outgoing

        def work(conn: sqlite3.Connection) -> _Looked:
            due = outgoing.due(conn, scope, now=now)
            waiting, at = outgoing.next_at(conn, self._modem, now=now)
            return _Looked(due, waiting, at, outgoing.sends(conn, self._modem, now=now, recent=recent))

        try:
            return await self._store.read(work)
        except StoreError as refused:
            raise NotStored(str(refused)) from refused

    def _night(self, now: float) -> bool:
        return pacing.quiet(datetime.fromtimestamp(now, UTC).astimezone(self._zone).time(), self._settings)

    def _patience(self, looked: _Looked, paused: float | None, now: float) -> float | None:
        """Nothing is due: until the next known time; a while where the night or a limit holds things; or for ever.

        The end of a pause is told also where nothing waits for it.
        """
        if not looked.waiting:
            return None if paused is None else paused - now
        return LOOK_S if looked.at is None else min(LOOK_S, max(0.01, looked.at - self._clock.wall()))

    def _affordable(self, sends: Sends) -> bool:
        free = pacing.within_budget(sends.hour, sends.day, self._settings)
        if free == self._spent:
            self._spent = not free
            if self._spent:
                log.warning("%s: SMS wait, the SIM's budget is used up", self._modem)
            else:
                log.info("%s: SMS are sent again", self._modem)
        return free

    def _outgoing(self, due: Due) -> Outgoing:
        known, life_s = due.known, pacing.lives_s(self._settings)[due.kind]
        return Outgoing(
            id=due.id,
            number=due.number,
            text=due.text,
            kind=due.kind,
            reference=self._journal.next_reference,
            taken=known.taken,
            given=known.given,
            known=known.total,
            validity_s=life_s,
            attempts=due.attempts,
        )

    # --- what waits too long

    def _sweep_due(self, looked: _Looked, now: float) -> bool:
        return now - self._swept_at >= LOOK_S or (looked.at is not None and looked.at <= self._clock.wall())

    async def _sweep(self, now: float) -> None:
        """Settle what no report settled in time, and end what has expired."""
        self._swept_at = now
        wall, trusted, outgoing = self._clock.wall(), self._clock.trusted(), self._messages.outgoing
        lives_s = pacing.lives_s(self._settings)

        def work(conn: sqlite3.Connection) -> tuple[int, list[str]]:
            again = outgoing.settle(conn, self._modem, self._settings.resend_uncertain, now=wall)
            over = outgoing.expire(conn, lives_s, now=wall) if trusted else []
            step.passed("sms.uncertain.before_commit")
            return again, over

        _, over = await self._write(work)
        step.passed("sms.uncertain.committed")
        for kind in over:
            self._tell(kind, "failed")
        if over:
            log.warning("%s: %d SMS have expired before they could be sent", self._modem, len(over))

    # --- what was done

    async def record(self, *steps: Step) -> bool:
        """Journal `steps` in one transaction; False where what is to be started is not pending any more."""
        now = self._clock.wall()
        judged = self._journal.judge(steps, now=self._clock.monotonic())
        well = await self._write(lambda conn: self._journal.write(conn, judged, now=now))
        for kind, result in self._journal.conclude(judged, well=well):
            self._tell(kind, result)
        if well and any(isinstance(done, Started) for done in steps):
            self._last = self._clock.monotonic()
            self._turn += 1
        return well

    # --- memory and money

    async def recall(self, name: str, /, *, surely: bool = False) -> str:
        """What is remembered of this modem, "" also while the store cannot be read: then it is learnt again.

        Who must know it `surely` is told `NotStored` instead.
        """
        try:
            return await self._store.read(lambda conn: modems.recall(conn, self._modem, name))
        except StoreError as refused:
            if surely:
                raise NotStored(str(refused)) from refused
            log.warning("%s: %s is not recalled: %s", self._modem, name, refused)
            return ""

    async def remember(self, name: str, value: str, /) -> None:
        """Keep it from one start to the next."""
        now = self._clock.wall()
        await self._write(lambda conn: modems.remember(conn, self._modem, name, value, now=now))

    def fingerprint(self, secret: str, /) -> str:
        """A keyed digest of `secret`."""
        return self._messages.fingerprint(f"{self._modem}\n{secret}")

    def credit(self, *, enough: bool) -> None:
        """The operator told the balance: what was held for want of credit is tried again."""
        self._restraint.credit(enough=enough)
        self.wake()

    async def _write(self, work: Work[T]) -> T:
        try:
            return await self._store.write(work, draining=True)
        except StoreError as refused:
            raise NotStored(str(refused)) from refused

    def _tell(self, kind: str, result: Told) -> None:
        self._announce(SmsSent(self._modem, kind, result))


def _row(part: Part) -> rows.Part:
    sender = part.sender if part.alphanumeric else roles.number(part.sender)
    return rows.Part(**{**asdict(part), "sender": sender})
