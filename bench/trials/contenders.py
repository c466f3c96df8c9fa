"""Who steers the box: the daemon under test, keepalived as an administrator would set it up, or the kernel alone.

Each gets the same village, two default routes, masquerading, clamped MSS and a dnsmasq for the office's names. The
peers are set up as well as their means allow: carrier loss reaches both at once, and keepalived drops connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from edge.simulator import netns, scene, settings, village
from edge.simulator.village import BOX, BOX_IN_OFFICE, GATEWAY, NAME_HOST, TARGETS

KEEPALIVED = f"""\
vrrp_script internet {{
    script "/bin/ping -n -q -c 1 -W 1 -I pde0 {TARGETS[0]}"
    interval 2
    timeout 2
    fall 3
    rise 2
}}
vrrp_instance pde {{
    state BACKUP
    interface office0
    virtual_router_id 51
    priority 250
    advert_int 1
    track_interface {{
        pde0
    }}
    track_script {{
        internet
    }}
    notify_fault "{{home}}/to-telkom" root
    notify_master "{{home}}/to-pde" root
}}
"""
NOTIFY = {
    "to-telkom": f"ip route replace default via {GATEWAY['telkom']} dev telkom0 metric 50; conntrack -F",
    "to-pde": "ip route del default metric 50; conntrack -F",
}
_DECIDED = re.compile(r" uplink pde is (?:down|degraded)\b")
_MOVED = re.compile(r" service: pde -> telkom\b")
_LOOK_S = 0.005


class Contender(Protocol):
    """Steers the box from `living` on until that is left. `calm_s`: how long it needs to know its targets."""

    name: str
    calm_s: float

    def living(self, home: Path) -> contextlib.AbstractAsyncContextManager[None]:
        """The village with this contender at work in its box; its files are below `home`."""

    async def begin(self) -> None:
        """Begin a trial: forget the one before, as after a boot, where something is remembered at all."""

    async def decision(self, *, after: float, until: float) -> float | None:
        """When it decided to leave PDE, or None: not by `until`, or it does not tell."""


class Edge:
    """The real daemon, as the demo starts it."""

    name = "edge"
    calm_s = 8.0

    @contextlib.asynccontextmanager
    async def living(self, home: Path) -> AsyncIterator[None]:
        """The whole scene, with modem and portal."""
        async with scene.opened(home, settings.SHORT) as self._scene:
            self._log = home / "daemon.log"
            yield

    async def begin(self) -> None:
        """Stop, tear down, start: what it learned of its targets and of its flaps belongs to one trial alone."""
        appliance = self._scene.appliance
        if appliance.running:
            await appliance.stop()
            await appliance.teardown()
        await appliance.guard()
        await appliance.start()
        await appliance.serve_names()

    async def decision(self, *, after: float, until: float) -> float | None:
        """The moment before its log first showed the verdict that the move rests on, to `_LOOK_S` exactly."""
        del after  # what the log held before the call does not count
        with self._log.open() as log:
            log.seek(0, 2)
            judged, text = None, ""
            while (now := time.monotonic()) < until:
                await asyncio.sleep(_LOOK_S)
                *lines, text = (text + log.read()).split("\n")
                for line in lines:
                    if _DECIDED.search(line):
                        judged = now
                    if _MOVED.search(line):
                        return judged or now
        return None


class Kernel:
    """Two default routes, one of a higher metric, and ignore_routes_with_linkdown (kernel: ip-sysctl)."""

    name = "kernel"
    calm_s = 0.0

    @contextlib.asynccontextmanager
    async def living(self, home: Path) -> AsyncIterator[None]:
        """The village with an ordinary router."""
        village.build()
        _plain_router()
        async with village.inhabited():
            names = await netns.spawn(BOX, *_NAMES.split())
            try:
                async with self._at_work(home):
                    yield
            finally:
                await netns.end(names)

    @contextlib.asynccontextmanager
    async def _at_work(self, home: Path) -> AsyncIterator[None]:
        del home
        yield

    async def begin(self) -> None:
        """Nothing here learns anything."""

    async def decision(self, *, after: float, until: float) -> float | None:
        """The kernel tells nobody."""
        del after
        await asyncio.sleep(max(0.0, until - time.monotonic()))
        return None


class Keepalived(Kernel):
    """Debian's keepalived beside that: a track_script pings beyond PDE, and its notify scripts replace the route."""

    name = "keepalived"

    @contextlib.asynccontextmanager
    async def _at_work(self, home: Path) -> AsyncIterator[None]:
        for name, line in NOTIFY.items():
            script = home / name
            script.write_text(f"#!/bin/sh\n{line}\n")
            script.chmod(0o700)
        config = home / "keepalived.conf"
        config.write_text(KEEPALIVED.replace("{home}", str(home)))
        files = f"--use-file {config} --pid {home}/keepalived.pid --vrrp_pid {home}/vrrp.pid"
        with (home / "keepalived.log").open("wb") as log:
            command = f"keepalived --vrrp --dont-fork --log-console {files}".split()
            running = await netns.spawn(BOX, *command, output=log, errors=log)
            try:
                yield
            finally:
                await netns.end(running)


_NAMES = (
    f"dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --user=root --pid-file= "
    f"--bind-interfaces --listen-address={BOX_IN_OFFICE} --server={NAME_HOST}"
)


def _plain_router() -> None:
    devices = ("all", "default", "pde0", "telkom0")
    ignoring = (f"net.ipv4.conf.{device}.ignore_routes_with_linkdown=1" for device in devices)
    netns.sysctl(BOX, "net.ipv4.ip_forward=1", *ignoring)
    netns.ip(BOX, f"route add default via {GATEWAY['telkom']} dev telkom0 metric 200")
    netns.nft(
        BOX,
        "table ip plain {",
        "  chain nat { type nat hook postrouting priority 100; oifname { pde0, telkom0 } masquerade; }",
        "  chain clamp { type filter hook forward priority 0; tcp flags syn tcp option maxseg size set rt mtu; }",
        "}",
    )


CONTENDERS: dict[str, type[Edge] | type[Kernel] | type[Keepalived]] = {
    each.name: each for each in (Edge, Keepalived, Kernel)
}
