"""The inside of ``kampung-edge demo``: process 1 of the village's own namespaces."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path

from edge.simulator import menu, netns
from edge.simulator.home import is_held
from edge.simulator.scene import Scene, opened
from edge.simulator.settings import LONG, SHORT
from edge.simulator.smoke import Smoke, say

_SMOKE_S = 112  # what was measured by then is still told within the smoke's 120 s


def main(home: Path, page: str) -> int:
    """Build the village and run the smoke (`page` is ``smoke``) or the menu, which shows `page` as the address."""
    seclude()
    try:
        return asyncio.run(_smoke(home) if page == "smoke" else _demo(home, page))
    except netns.VillageError as error:
        say(str(error))
        return 1


def seclude() -> None:
    """Give this process's private mount namespace a /run and a /sys of its own: no name of the host's shows there.

    The village's clock is right, and says so as systemd-timesyncd.service(8) would.
    """
    netns.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    Path("/run/netns").mkdir()
    Path("/run/systemd/timesync").mkdir(parents=True)
    Path("/run/systemd/timesync/synchronized").touch()
    netns.run("mount", "-t", "sysfs", "sysfs", "/sys")
    netns.run("ip", "link", "set", "lo", "up")


async def _smoke(home: Path) -> int:
    async with opened(home, SHORT) as scene:
        smoke = Smoke(scene)
        try:
            async with asyncio.timeout(_SMOKE_S):
                await smoke.run()
        except (OSError, EOFError, netns.VillageError) as error:
            smoke.facts["ok"] = False
            say(f"broken off: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
        if not smoke.facts["ok"]:
            say(f"the daemon said last:\n{scene.appliance.last_words()}")
        # Whole or not at all: the process that reads it may end this one at any moment.
        draft = home / "facts.json.new"
        draft.write_text(json.dumps(smoke.facts))
        draft.rename(home / "facts.json")
        return 0 if smoke.facts["ok"] else 1


async def _demo(home: Path, page: str) -> int:
    async with opened(home, LONG) as scene:
        await begin(scene)
        await menu.run(scene, page)
    return 0


async def begin(scene: Scene) -> float:
    """Boot the box: guard, the daemon, dnsmasq; returns the daemon's seconds to READY=1."""
    await scene.appliance.guard()
    ready_s = await scene.appliance.start()
    await scene.appliance.serve_names()
    return ready_s


if __name__ == "__main__":
    os.umask(0o077)
    if not is_held(Path(sys.argv[1])):
        sys.exit("its demo was killed before this process could be bound to it")
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
