"""The lab's town with everything that decides in it: a real watcher an uplink and the real controller."""

from __future__ import annotations

import asyncio
import select
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from edge import config
from edge.clock import SystemClock
from edge.events import ClassMoved, Event, HostReconciled, ProbeAnswered, UplinkJudged
from edge.health import Health
from edge.monitor.watcher import Watcher
from edge.traffic.controller import Controller
from tests.lab.namespaces import batch, inside, sh
from tests.lab.town import GATEWAY, INTERNET, OFFICE, PDE, PORT, TELKOM, settings, uplinks

TARGETS = ("203.0.113.1", "198.51.100.1", "192.0.2.1", "198.18.0.1")
MONITOR = config.Monitor(outage_s=1.5, rise_s=0.5)
POLICY = config.Policy(
    failback_hold_s=1,
    failback_most_s=2,
    reconcile_s=0.2,
    failback_in_service_hours="allowed",
    brownout_moves="always",
)


@dataclass
class Pains:
    """What runs, and everything that was told."""

    watchers: dict[str, Watcher] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    service: str | None = None

    def tell(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, ClassMoved) and event.traffic_class == "service":
            self.service = event.to_uplink

    def moves(self, name: str = "service") -> list[tuple[str | None, str | None]]:
        return [
            (e.from_uplink, e.to_uplink) for e in self.events if isinstance(e, ClassMoved) if e.traffic_class == name
        ]

    def verdicts(self, uplink: str) -> list[tuple[str, str]]:
        told = (event for event in self.events if isinstance(event, UplinkJudged))
        return [(event.verdict, event.cause) for event in told if event.uplink == uplink]

    def answered(self, uplink: str, target: str) -> int:
        probes = (event for event in self.events if isinstance(event, ProbeAnswered) and event.rtt_ms is not None)
        return sum((event.uplink, event.target) == (uplink, target) for event in probes)

    def changes(self) -> int:
        return sum(event.changes for event in self.events if isinstance(event, HostReconciled))

    async def until(self, holds: Callable[[], object], within_s: float = 30.0) -> float:
        """Seconds until `holds`; TimeoutError with what was told when it does not in time."""
        begun = time.monotonic()
        while not holds():
            if time.monotonic() - begun > within_s:
                told = [event for event in self.events if isinstance(event, ClassMoved | UplinkJudged)]
                raise TimeoutError(f"told {told}")
            await asyncio.sleep(0.005)
        return time.monotonic() - begun

    async def level(self, uplink: str, level: str, within_s: float = 30.0) -> float:
        return await self.until(lambda: self.watchers[uplink].verdict.level == level, within_s)

    async def service_on(self, uplink: str, within_s: float = 30.0) -> float:
        """Seconds until the switch to `uplink` is done and told."""
        return await self.until(lambda: self.service == uplink, within_s)


@asynccontextmanager
async def at_work(classes: config.Classes | None = None, policy: config.Policy = POLICY) -> AsyncIterator[Pains]:
    """Watchers and controller wired as the daemon does, once all uplinks are up and the host is in its state."""
    for name in (PDE, TELKOM):
        batch(name, "".join(f"address add {target}/32 dev lo\n" for target in TARGETS))
    known = tuple(_with_targets(uplink) for uplink in uplinks())
    changed: dict[str, Any] = {"classes": classes} if classes else {}
    whole = settings(uplink=known, monitor=MONITOR, policy=policy, **changed)
    clock, scene = SystemClock(), Pains()
    health = Health(clock.wall)
    controller = Controller(whole, clock=clock, announce=scene.tell, health=health)
    for number, uplink in enumerate(known, 1):
        scene.watchers[uplink.name] = Watcher(
            uplink, number, MONITOR, clock=clock, announce=scene.tell, health=health, judged=controller.judged
        )
    tasks = [asyncio.create_task(controller.run())]
    tasks += [asyncio.create_task(watcher.run()) for watcher in scene.watchers.values()]
    try:
        await scene.until(lambda: controller.settled.is_set() or any(task.done() for task in tasks))
        for uplink_name in scene.watchers:
            await scene.level(uplink_name, "up")
        await scene.service_on(PDE)
        yield scene
        assert [task for task in tasks if task.done()] == [], "a part ended by itself"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _with_targets(uplink: config.Uplink) -> config.Uplink:
    return config.Uplink(**{name: getattr(uplink, name) for name in uplink.__struct_fields__} | {"targets": TARGETS})


def drop(provider: str, rule: str, hook: str = "prerouting") -> None:
    """Let `provider` drop what matches `rule` of nftables ("" is everything), beside what it drops already."""
    lines = f"table ip fault {{ chain {hook} {{ type filter hook {hook} priority 0; {rule} drop; }}; }}"
    sh(f"ip netns exec {provider} nft -f -", stdin=lines)


def heal(provider: str) -> None:
    sh(f"ip netns exec {provider} nft flush ruleset")


@contextmanager
def talking(name: str = OFFICE, port: int = PORT) -> Iterator[Callable[[], str]]:
    """One TCP connection from namespace `name`, with echo servers at both providers.

    What is given says something and returns the answer: "ok", or "reset" or "silence" (after ten seconds).
    """
    servers = [inside(provider, lambda: socket.create_server((INTERNET, port))) for provider in (PDE, TELKOM)]
    threads = [threading.Thread(target=_echo, args=(server,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    client = inside(name, lambda: socket.create_connection((INTERNET, port), 10))

    def say() -> str:
        try:
            client.settimeout(60)
            client.sendall(b"still there?")
            return "ok" if client.recv(100) else "reset"
        except TimeoutError:
            return "silence"
        except OSError:
            return "reset"

    try:
        yield say
    finally:
        client.close()
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            server.close()


def _echo(server: socket.socket) -> None:
    peers: list[socket.socket] = []
    while True:
        ready, _, _ = select.select([server, *peers], [], [])
        try:
            if server in ready:
                peers.append(server.accept()[0])
        except OSError:  # shut down
            break
        for peer in [each for each in ready if each is not server]:
            try:
                data = peer.recv(100)
                peer.sendall(data)
            except OSError:
                data = b""
            if not data:
                peers.remove(peer)
                peer.close()
    for peer in peers:
        peer.close()


@contextmanager
def answering_for(asked: str, answers: str) -> Iterator[Callable[[], int]]:
    """Overhear the pings that reach provider `asked`, and have provider `answers` reply to them on its own line.

    The replies are perfect but for the line they come by. What is given tells how many were sent.
    """
    heard = inside(asked, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)))
    mouth = inside(answers, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))
    neighbour = f"{GATEWAY[answers].rsplit('.', 1)[0]}.2"
    heard.settimeout(0.1)
    ending, count = threading.Event(), [0]

    def forge() -> None:
        while not ending.is_set():
            try:
                packet = heard.recv(2000)
            except TimeoutError:
                continue
            if packet[9] == 1 and packet[20] == 8:  # ICMP echo request (RFC 792)
                mouth.sendto(_reply(packet), (neighbour, 0))
                count[0] += 1

    if answers != asked:
        batch(answers, f"route replace 10.35.10.2/32 via {neighbour}\n")
    thread = threading.Thread(target=forge, daemon=True)
    thread.start()
    try:
        yield lambda: count[0]
    finally:
        ending.set()
        thread.join()
        heard.close()
        mouth.close()


def _reply(request: bytes) -> bytes:
    """The echo reply to an IPv4 packet with an echo request, source and destination exchanged."""
    echo = b"\0\0\0\0" + request[24:]
    total = sum(struct.unpack(f"!{len(echo) // 2}H", echo[: len(echo) // 2 * 2])) + (
        echo[-1] << 8 if len(echo) % 2 else 0
    )
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    body = b"\0\0" + struct.pack("!H", ~total & 0xFFFF) + echo[4:]
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, 1, 0, request[16:20], request[12:16])
    return head + body
