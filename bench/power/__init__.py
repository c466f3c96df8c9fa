"""What ``bench/powercut.py`` is made of: a Debian in qemu, desks that file requests, the cuts and what must stay."""

import asyncio
from collections.abc import Callable


async def until(holds: Callable[[], bool], *, within_s: float, every_s: float = 0.05) -> None:
    """Wait until it holds; TimeoutError after `within_s` seconds."""
    async with asyncio.timeout(within_s):
        while True:
            if holds():
                return
            await asyncio.sleep(every_s)
