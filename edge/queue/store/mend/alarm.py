"""What was damaged is told until a person has said that it was seen: `store-corrupt` and `store-damaged`.

Both rest on the table `damage` and on a mark beside it, not on this process: a restart neither forgets what nobody has
read, nor tells again what somebody has.
"""

from __future__ import annotations

import contextlib
from functools import partial

from edge.control import Answer, Handler, Refused
from edge.health import Health
from edge.queue.store.database import Store
from edge.queue.store.errors import StoreError
from edge.queue.store.mend import damage

_SEQ_MOST = 1 << 62


class Alarm:
    """Raises and clears the two conditions of `health` by what `store` tells of damage."""

    def __init__(self, store: Store, *, health: Health) -> None:
        self._store, self._health = store, health

    async def tell(self) -> None:
        """Look what was damaged, and say so. What cannot be read now is told by the store itself."""
        with contextlib.suppress(StoreError):
            unseen = await self._store.read(damage.unseen)
            self._say("store-corrupt", unseen.replaced)
            self._say(
                "store-damaged", f"losses: {unseen.losses}, the last: {unseen.last_lost}" if unseen.losses else ""
            )

    def handlers(self) -> dict[str, Handler]:
        """What the control socket may ask: ``store-seen`` with `upto`, the number of the last damage that was shown."""
        return {"store-seen": self._seen}

    async def _seen(self, question: Answer) -> Answer:
        upto = question.get("upto")
        if isinstance(upto, bool) or not isinstance(upto, int) or not 0 <= upto <= _SEQ_MOST:
            raise Refused("upto is the number of the last damage that was seen")
        try:
            await self._store.write(partial(damage.mark_seen, upto=upto), draining=True)
        except StoreError as error:
            raise Refused(f"nothing can be stored now: {error}") from error
        await self.tell()
        return {"upto": upto}

    def _say(self, code: str, detail: str) -> None:
        if detail:
            self._health.raise_(code, detail)
        else:
            self._health.clear(code)
