"""Keep one part of the daemon running: start it again after a crash, with backoff; too often, and the process ends.

systemd then starts the whole daemon afresh; three such ends in a row start it in its safe plan.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from edge.events import Announce, PartFailed
from edge.health import Health

log = logging.getLogger("edge.supervise")


class TooManyCrashes(Exception):
    """A part crashed more often than its budget allows; the process should end."""


async def keep(
    name: str,
    part: Callable[[], Awaitable[None]],
    *,
    announce: Announce,
    health: Health,
    first_s: float = 0.5,
    most_s: float = 30.0,
    crashes: int = 10,
    within_s: float = 600.0,
) -> None:
    """Run `part` until it returns; after a crash wait `first_s`, doubled up to `most_s` seconds, and run it again.

    Raises `TooManyCrashes` at the `crashes`-th crash within `within_s` seconds. Cancellation passes through.
    """
    loop = asyncio.get_running_loop()
    recent: deque[float] = deque(maxlen=crashes)
    wait = first_s
    while True:
        started = loop.time()
        settled = loop.call_later(most_s, _settled, health, name)
        try:
            await part()
        except Exception as error:
            settled.cancel()
            log.exception("%s crashed", name)
            recent.append(loop.time())
            if len(recent) == crashes and recent[-1] - recent[0] < within_s:
                raise TooManyCrashes(f"{name} crashed {crashes} times in {within_s:.0f} s") from error
            wait = first_s if loop.time() - started > most_s else min(wait * 2, most_s)
            health.raise_("part-crashed", type(error).__name__, subject=name)
            announce(PartFailed(name, type(error).__name__, wait))
            await asyncio.sleep(wait)
        else:
            return
        finally:
            settled.cancel()


def _settled(health: Health, name: str) -> None:
    health.clear("part-crashed", subject=name)
