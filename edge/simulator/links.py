"""A provider's line: a veth whose two directions are rate-limited behind a provider's queue, and what goes wrong on it.

The village's end is the box's device. The provider's end is a gateway namespace with the device ``line`` towards the
village and one or more onward devices. Downloads queue at ``line``, uploads at the onward devices, so the box's own
shaper is never the one that limits (tc-tbf(8)).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

from edge.simulator import netns

LINE = "line"
QUEUE_BYTES = 256 * 1024
LOGIN_PORT = 8081
_BURST_BYTES = 8 * 1024
_DATAGRAM = bytes(1400)
_NEIGHBOUR_MAC = "02:00:00:00:00:99"


def veth(near: str, near_device: str, far: str, far_device: str, mtu: int = 1500) -> None:
    """Join two namespaces by a pair of devices that pass single packets, never 64 kB super-packets."""
    near_end = f"{near_device} netns {near} mtu {mtu}"
    far_end = f"{far_device} netns {far} mtu {mtu}"
    netns.run(*f"ip link add {near_end} type veth peer name {far_end}".split())
    for namespace, device in ((near, near_device), (far, far_device)):
        netns.ip(namespace, f"link set dev {device} gso_max_segs 1 up")


@dataclass(frozen=True, slots=True)
class Line:
    """One provider's line. Rates in Mbit/s, `mtu` in bytes; `neighbour` is an unused address, for cross traffic."""

    name: str
    device: str
    gateway: str
    onward: tuple[str, ...]
    download_mbit: float
    upload_mbit: float
    neighbour: str
    mtu: int = 1500

    def open(self) -> None:
        """Put the provider's queues and an empty fault table in place, and the neighbour on the line."""
        self.set_rate(self.download_mbit, self.upload_mbit)
        netns.ip(self.gateway, f"neigh replace {self.neighbour} lladdr {_NEIGHBOUR_MAC} dev {LINE} nud permanent")
        self.heal()

    def set_rate(self, download_mbit: float, upload_mbit: float) -> None:
        """Set what the line carries from now on."""
        rates = {LINE: download_mbit, **dict.fromkeys(self.onward, upload_mbit)}
        for device, mbit in rates.items():
            shape = f"rate {round(mbit * 1000)}kbit burst {_BURST_BYTES} limit {QUEUE_BYTES}"
            netns.run(*f"tc -n {self.gateway} qdisc replace dev {device} root tbf {shape}".split())

    def blackhole(self) -> None:
        """Lose every packet silently beyond the gateway, which itself still answers: carrier and gateway look well."""
        self._fault(_chain("forward", "drop"))

    def silence(self) -> None:
        """Swallow every packet, the gateway's own and its ARP too: nothing but the carrier looks well."""
        self._fault(_chain("prerouting", "drop"), arp=_chain("input", "drop"))

    def mute(self) -> None:
        """Let the gateway itself answer nobody any more, while it still passes everything on."""
        self._fault(_chain("input", f'iifname "{LINE}" drop'))

    def lose(self, percent: int) -> None:
        """Lose `percent` of the packets, by chance, in both directions."""
        self._fault(_chain("forward", f"numgen random mod 100 < {percent} drop"))

    def lose_names(self) -> None:
        """Lose what goes to name servers, by UDP and by TCP, and nothing else."""
        self._fault(_chain("forward", "meta l4proto { tcp, udp } th dport 53 drop"))

    def intercept(self) -> None:
        """Answer every web page beyond the gateway with the provider's own: a captive portal."""
        redirect = f'iifname "{LINE}" tcp dport 80 redirect to :{LOGIN_PORT}'
        self._fault(_chain("prerouting", redirect, kind="nat"))

    def collapse(self, share: float) -> None:
        """Carry only `share` (0 to 1) of the rates from now on: idle, nothing shows it."""
        self.set_rate(share * self.download_mbit, share * self.upload_mbit)

    def narrow(self, mtu: int) -> None:
        """Pass no packet wider than `mtu` bytes from now on, and filter the ICMP that would say so."""
        self._fault(_chain("output", "icmp type destination-unreachable drop"))  # first: one that slips by is believed
        netns.ip(self.gateway, f"link set {LINE} mtu {mtu}")

    def heal(self) -> None:
        """Take every fault away and give the line its rates and its width back."""
        netns.ip(self.gateway, f"link set {LINE} mtu {self.mtu}")
        self._fault()
        self.set_rate(self.download_mbit, self.upload_mbit)

    def _fault(self, *chains: str, arp: str = "") -> None:
        """Let these chains alone, of the families ip and arp, be what is wrong with the line."""
        netns.nft(self.gateway, *_table("ip", *chains), *_table("arp", arp))


def _table(family: str, *chains: str) -> tuple[str, ...]:
    return f"table {family} fault", f"delete table {family} fault", f"table {family} fault {{", *chains, "}"


def _chain(hook: str, rule: str, kind: str = "filter") -> str:
    return f"  chain {hook} {{ type {kind} hook {hook} priority 0; {rule}; }}"


@contextlib.asynccontextmanager
async def crowd(line: Line, source: str, mbit: float) -> AsyncIterator[None]:
    """Let a neighbour on the same line download `mbit` Mbit/s from namespace `source`, by UDP, for the body."""
    task = asyncio.create_task(_pour(line, source, mbit))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _pour(line: Line, source: str, mbit: float) -> None:
    loop = asyncio.get_running_loop()
    with netns.open_socket(source, kind=socket.SOCK_DGRAM) as sock:
        sock.connect((line.neighbour, 9))
        begun = loop.time()
        for sent in itertools.count(1):
            with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
                sock.send(_DATAGRAM)
            due = begun + sent * len(_DATAGRAM) * 8 / (mbit * 1e6)
            await asyncio.sleep(max(0.0, due - loop.time()))
