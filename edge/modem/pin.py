"""What became of the SIM's PIN outlives the process: a PIN that was refused once is never given again.

It is known by a keyed fingerprint, so that another credential is tried and the PIN itself stands nowhere.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from edge.modem.conversation.procedures import Pin, PinNews
from edge.modem.mailbox import Mailbox, NotStored

log = logging.getLogger("edge.modem")

T = TypeVar("T")

STORE_AGAIN_S = 5.0
_KEPT = "sim_pin"


class PinMemory:
    """Keeps `pin`, made of the credential `code`, true to what the mailbox remembers; `modem` is for the log."""

    def __init__(self, code: str, mailbox: Mailbox, *, modem: str, store_again_s: float = STORE_AGAIN_S) -> None:
        self._mailbox, self._modem, self._store_again_s = mailbox, modem, store_again_s
        self._told: asyncio.Queue[PinNews] = asyncio.Queue()
        self._mark = mailbox.fingerprint(code) if code else ""
        self.pin = Pin(code, self._told.put_nowait)

    async def run(self) -> None:
        """Write down what is told until cancelled. Without a credential what was known is forgotten."""
        if not self._mark:
            await self._forget()
        while True:
            news = await self._told.get()
            if news == "wanted":
                await self._spend()
            elif news == "refused":
                await self._keep(f"refused {self._mark}")
            else:
                await self._forget()

    async def _spend(self) -> None:
        """Recall what was known of this PIN, and note that it is given; wanted twice, it is this process's own note."""
        if self.pin.noted:
            return
        became, _, mark = (await self._known()).partition(" ")
        if mark == self._mark:
            self.pin.spent, self.pin.refused = True, became == "refused"
        if not self.pin.refused:
            await self._keep(f"spent {self._mark}")
        self.pin.noted = True

    async def _forget(self) -> None:
        if await self._known():
            await self._keep("")

    async def _known(self) -> str:
        """What is remembered: never taken for nothing because the store cannot be read now."""
        return await self._until_done(lambda: self._mailbox.recall(_KEPT, surely=True))

    async def _keep(self, value: str) -> None:
        await self._until_done(lambda: self._mailbox.remember(_KEPT, value))

    async def _until_done(self, work: Callable[[], Awaitable[T]]) -> T:
        told = False
        while True:
            try:
                return await work()
            except NotStored as refused:
                if not told:
                    log.warning("%s: what became of the PIN is not remembered yet: %s", self._modem, refused)
                told = True
                await asyncio.sleep(self._store_again_s)
