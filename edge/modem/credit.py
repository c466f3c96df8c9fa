"""The SIM's balance and expiry: asked now and then at a quiet moment, remembered, and told before they run out."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import UTC, date, datetime

from edge.clock import Clock
from edge.config import Modem
from edge.health import Health
from edge.modem.mailbox import Mailbox
from edge.modem.outcomes import BalanceTold

log = logging.getLogger("edge.modem")

LEAST_RP = 500
"""What one SMS costs at most, about."""
WARN_DAYS = 30
QUIET_AGAIN_S = 5.0
ANSWER_S = 120.0
ASK_AGAIN_S = 3_600.0
ASK_SOON_S = 600.0
_BALANCE, _ASKED = "balance", "balance_asked"


class Credit:
    """What is known of one SIM's money; `ask` puts the question if the modem has nothing else to do.

    A balance that could not be read is unknown, never 0: what was read before stays.
    """

    def __init__(
        self,
        settings: Modem,
        mailbox: Mailbox,
        clock: Clock,
        health: Health,
        *,
        ask: Callable[[], bool],
        keep: Callable[[str, str], None],
    ) -> None:
        self._settings, self._mailbox, self._clock, self._health = settings, mailbox, clock, health
        self._ask, self._keep = ask, keep
        self._wanted, self._answered = asyncio.Event(), asyncio.Event()
        self._asked = self._put_at = 0.0
        self._due = False
        self._legible = True
        self.answers = 0
        self.rp: int | None = None
        self.expires: str | None = None

    def want(self) -> None:
        """Ask soon: the network refuses messages. Not at every refusal, since a question may cost money too."""
        if self._clock.wall() - self._put_at >= ASK_SOON_S:
            self._wanted.set()

    def able(self) -> None:
        """The modem has become able to ask: what is due need not wait any longer."""
        if self._due:
            self._wanted.set()

    def told(self, event: BalanceTold) -> None:
        """The operator answered."""
        self.answers += 1
        self._answered.set()
        self._note_legible(event)
        if not self._legible:
            return
        self.rp = event.rp if event.rp is not None else self.rp
        self.expires = event.expires or self.expires
        self._keep(_BALANCE, json.dumps({"rp": self.rp, "expires": self.expires}))
        self._judge()
        if event.rp is not None:
            self._mailbox.credit(enough=event.rp >= LEAST_RP)

    def _note_legible(self, event: BalanceTold) -> None:
        """Silence and an advertisement look alike on the page; the engineer is told which it was, but not its words."""
        legible = event.rp is not None or event.expires is not None
        if legible != self._legible and legible:
            log.info("%s: the operator tells the balance again", self._settings.name)
        elif legible != self._legible:
            log.warning(
                "%s: the operator's answer of %d characters tells neither balance nor expiry; "
                "look whether modem.balance_ussd is its code",
                self._settings.name,
                event.text_length,
            )
        self._legible = legible

    async def run(self) -> None:
        """Recall what was known and ask when it is time, until cancelled."""
        known = json.loads(await self._mailbox.recall(_BALANCE) or "{}")
        self.rp, self.expires = known.get("rp"), known.get("expires")
        self._judge()
        if not self._settings.balance_ussd:
            return
        self._asked = self._put_at = float(await self._mailbox.recall(_ASKED) or 0)
        while True:
            await self._until_due()
            self._due = True
            while not self._ask():
                await self._pause(QUIET_AGAIN_S)
            self._due = False
            self._asked = self._put_at = self._clock.wall()
            self._keep(_ASKED, str(self._asked))
            if not await self._answer():
                self._asked -= self._every_s - ASK_AGAIN_S
            self._judge()

    @property
    def _every_s(self) -> float:
        return self._settings.balance_every_h * 3_600

    async def _until_due(self) -> None:
        """Until the next question is due, or wanted; looked at every hour, since wall time may jump."""
        while 0 <= (since := self._clock.wall() - self._asked) < self._every_s:
            if await self._pause(min(self._every_s - since, ASK_AGAIN_S)):
                return

    async def _pause(self, seconds: float) -> bool:
        """Let `seconds` pass; whether the question was wanted meanwhile."""
        self._wanted.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wanted.wait()
        except TimeoutError:
            return False
        return True

    async def _answer(self) -> bool:
        self._answered.clear()
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._answered.wait()
        except TimeoutError:
            return False
        return True

    def _judge(self) -> None:
        """Warn while there is time: a little credit left, or a number that is lost some weeks after its expiry."""
        reasons = []
        if self.rp is not None and self.rp < self._settings.balance_low_rp:
            reasons.append(f"Rp {self.rp} left")
        if (days := self._days_left()) is not None and days <= WARN_DAYS:
            reasons.append(f"the SIM expires on {self.expires}" if days >= 0 else f"the SIM expired on {self.expires}")
        if reasons:
            self._health.raise_("modem-credit", "; ".join(reasons), subject=self._settings.name)
        else:
            self._health.clear("modem-credit", subject=self._settings.name)

    def _days_left(self) -> int | None:
        if not self.expires or not self._clock.trusted():
            return None
        return (date.fromisoformat(self.expires) - datetime.fromtimestamp(self._clock.wall(), UTC).date()).days
