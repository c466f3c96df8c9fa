"""The virtual village: who is where, and how they are joined.

::

    office ---+                    +-- pde ----+-- gov       (government network; 10.51.0.0/16 is pinned)
              +-- box (daemon) ----+           |
    guests - ap                    +-- telkom -+-- internet  (web, names, portal, ping targets)

Every host is a network namespace of its own; the box's addresses are set here, as an operating system would, and
everything else in it is the daemon's. The village is nasty where the field is: the Telkom line is 1492 bytes wide and
its provider filters the ICMP that would say so; the internet answers for the government's private addresses too, so
one packet that leaves by the wrong line is seen; the providers route the village's private networks inwards.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator

from edge.simulator import hosts, netns
from edge.simulator.links import LINE, LOGIN_PORT, Line, veth

BOX, OFFICE, AP, GOV, INTERNET = "box", "office", "ap", "gov", "internet"
GUESTS = ("guest1", "guest2", "guest3")

PDE = Line("pde", "pde0", "pde", ("backbone", "gov"), 10, 10, "10.35.10.9")
TELKOM = Line("telkom", "telkom0", "telkom", ("backbone",), 20, 20, "100.64.7.9", mtu=1492)
LINES = {line.name: line for line in (PDE, TELKOM)}
BOX_ON_LINE = {"pde": "10.35.10.2", "telkom": "100.64.7.2"}
GATEWAY = {"pde": "10.35.10.1", "telkom": "100.64.7.1"}

OFFICE_NETWORK, BOX_IN_OFFICE, OFFICE_HOST = "192.168.10.0/24", "192.168.10.1", "192.168.10.20"
GUEST_NETWORK, BOX_FOR_GUESTS = "172.20.0.0/22", "172.20.0.1"
GUEST_HOSTS = {name: f"172.20.0.{11 + place}" for place, name in enumerate(GUESTS)}
OFFICE_HOST6, BOX_FOR_GUESTS6 = "fd10::20", "fd20::1"

GOV_PREFIX, GOV_HOST = "10.51.0.0/16", "10.51.0.80"
PRIVATE_HOST = "10.99.0.80"
WEB_HOST, NAME_HOST, PORTAL_HOST = "203.0.113.10", "203.0.113.53", "203.0.113.80"
TARGETS = ("203.0.113.1", "198.51.100.1", "192.0.2.1", "198.18.0.1")
NAMES = {"portal.kabupaten.example": PORTAL_HOST, "web.example": WEB_HOST, "*.web.example": WEB_HOST}
CHECK_PATH = "/generate_204"
PAGE_PORT, DOOR_PORT, WEB_PORT, FLOOD_PORT = 8480, 22, 80, 5201

NAMESPACES = (BOX, OFFICE, AP, *GUESTS, PDE.gateway, TELKOM.gateway, GOV, INTERNET)


def build() -> None:
    """Create the namespaces, the links and the addresses of the village in this process's private namespaces."""
    netns.add(NAMESPACES)
    _box_and_office()
    _access_point()
    _providers()
    for line in LINES.values():
        line.open()


def _box_and_office() -> None:
    veth(BOX, "office0", OFFICE, "lan0")
    netns.ip(
        BOX,
        f"address add {BOX_IN_OFFICE}/24 dev office0",
        "address add fd10::1/64 dev office0 nodad",
    )
    netns.ip(
        OFFICE,
        f"address add {OFFICE_HOST}/24 dev lan0",
        f"address add {OFFICE_HOST6}/64 dev lan0 nodad",
        f"route add default via {BOX_IN_OFFICE}",
        "route add default via fd10::1",
    )


def _access_point() -> None:
    """An access point that keeps its own stations apart, as the village's does: bridge(8), isolated on."""
    netns.ip(AP, "link add air type bridge", "link set air up")
    veth(BOX, "wifi0", AP, "wire")
    netns.ip(AP, "link set wire master air")
    netns.ip(BOX, f"address add {BOX_FOR_GUESTS}/22 dev wifi0", f"address add {BOX_FOR_GUESTS6}/64 dev wifi0 nodad")
    for place, (guest, address) in enumerate(GUEST_HOSTS.items()):
        veth(guest, "wlan0", AP, guest)
        netns.ip(AP, f"link set {guest} master air", f"link set {guest} type bridge_slave isolated on")
        netns.ip(
            guest,
            f"address add {address}/22 dev wlan0",
            f"address add fd20::{11 + place}/64 dev wlan0 nodad",
            f"route add default via {BOX_FOR_GUESTS}",
            f"route add default via {BOX_FOR_GUESTS6}",
        )
    # Two guests conspire: each reaches the other by way of the box, where the access point keeps nobody apart.
    for guest, other in (GUESTS[:2], GUESTS[1::-1]):
        netns.ip(guest, f"route add {GUEST_HOSTS[other]}/32 via {BOX_FOR_GUESTS}")


def _providers() -> None:
    for line in LINES.values():
        veth(line.gateway, "backbone", INTERNET, line.name)
        netns.sysctl(line.gateway, "net.ipv4.ip_forward=1")
        join(line)
    _filter_icmp(TELKOM.gateway)
    _internet()
    _government()


def join(line: Line) -> None:
    """Plug `line` into the box: a new device with its address, and the provider's way in."""
    veth(BOX, line.device, line.gateway, LINE, line.mtu)
    netns.ip(BOX, f"address add {BOX_ON_LINE[line.name]}/24 dev {line.device}")
    netns.ip(line.gateway, f"address add {GATEWAY[line.name]}/24 dev {LINE}")
    route_inwards(line)
    route_as_debian(line)


def route_as_debian(line: Line) -> None:
    """Leave the first provider's default route in the main table, as the operating system does."""
    if line is PDE:
        netns.ip(BOX, f"route replace default via {GATEWAY['pde']} dev pde0 metric 100")


def route_inwards(line: Line) -> None:
    """Let the provider route the village's private networks to the box, as none should."""
    ways = (f"route replace {network} via {BOX_ON_LINE[line.name]}" for network in (OFFICE_NETWORK, GUEST_NETWORK))
    netns.ip(line.gateway, *ways)


def _filter_icmp(gateway: str) -> None:
    netns.nft(
        gateway,
        "table ip provider {",
        "  chain out { type filter hook output priority 0; icmp type destination-unreachable drop; }",
        "}",
    )


def _internet() -> None:
    answering = (WEB_HOST, NAME_HOST, PORTAL_HOST, *TARGETS, GOV_HOST, PRIVATE_HOST)
    netns.ip(INTERNET, *(f"address add {address}/32 dev lo" for address in answering))
    for name, near, far, home in (
        ("pde", "10.35.255.1", "10.35.255.2", "10.35.10.0/24"),
        ("telkom", "100.64.255.1", "100.64.255.2", "100.64.7.0/24"),
    ):
        netns.ip(LINES[name].gateway, f"address add {near}/30 dev backbone", f"route add default via {far}")
        netns.ip(INTERNET, f"address add {far}/30 dev {name}", f"route add {home} via {near}")
    for network in (OFFICE_NETWORK, GUEST_NETWORK):
        netns.ip(INTERNET, f"route add {network} via 100.64.255.1")


def _government() -> None:
    veth(PDE.gateway, "gov", GOV, "pde")
    netns.ip(
        PDE.gateway,
        "address add 10.35.254.1/30 dev gov",
        *(f"route add {network} via 10.35.254.2" for network in (GOV_PREFIX, "10.99.0.0/16")),
    )
    netns.ip(
        GOV,
        "address add 10.35.254.2/30 dev pde",
        f"address add {GOV_HOST}/32 dev lo",
        f"address add {PRIVATE_HOST}/32 dev lo",
        "route add default via 10.35.254.1",
    )


@contextlib.asynccontextmanager
async def inhabited() -> AsyncIterator[None]:
    """Run everything that answers in the village, the daemon, the modem and the portal excepted."""
    async with contextlib.AsyncExitStack() as stack:
        for namespace, address, port, each in (
            (INTERNET, WEB_HOST, WEB_PORT, hosts.web),
            (INTERNET, GOV_HOST, WEB_PORT, hosts.door),
            (INTERNET, PRIVATE_HOST, WEB_PORT, hosts.door),
            (GOV, GOV_HOST, WEB_PORT, hosts.web),
            (GOV, PRIVATE_HOST, WEB_PORT, hosts.door),
            (PDE.gateway, GATEWAY["pde"], DOOR_PORT, hosts.door),
            (OFFICE, OFFICE_HOST, WEB_PORT, hosts.door),
            (BOX, "0.0.0.0", DOOR_PORT, hosts.door),  # noqa: S104 - sshd listens everywhere, and that is the point
            *((guest, address, WEB_PORT, hosts.door) for guest, address in GUEST_HOSTS.items()),
            *((line.gateway, GATEWAY[line.name], LOGIN_PORT, hosts.login) for line in LINES.values()),
        ):
            await stack.enter_async_context(await hosts.serve(namespace, address, port, each))
        for namespace, address in ((OFFICE, OFFICE_HOST6), (BOX, BOX_FOR_GUESTS6)):
            server = await hosts.serve(namespace, address, DOOR_PORT, hosts.door, socket.AF_INET6)
            await stack.enter_async_context(server)
        names = await hosts.name_server(INTERNET, NAME_HOST, NAMES)
        stack.callback(names.close)
        flood = await netns.spawn(INTERNET, "iperf3", "--server", "--port", str(FLOOD_PORT))
        try:
            yield
        finally:
            await netns.end(flood)
