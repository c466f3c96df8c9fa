"""A small town for the lab: a box with two uplinks, an office and guests.

::

    office ----- office0 +-----+ pde0 ----- pde     gateway, "the internet" and the government
    guest1, 2 -- wifi0   | box | tel0 ----- telkom  gateway and "the internet"
                 (ap)    +-----+

Both providers answer for the same internet address by themselves, so whoever answers tells which way was taken; both
answer for the government's addresses too, so that a leak is seen.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge import config
from edge.traffic.policy import Assignment, Policy
from tests.lab.namespaces import batch, inside, living_in, sh

BOX, OFFICE, AP, GUEST, OTHER_GUEST, PDE, TELKOM = "box", "office", "ap", "guest1", "guest2", "pde", "telkom"
NAMESPACES = (BOX, OFFICE, AP, GUEST, OTHER_GUEST, PDE, TELKOM)
INTERNET, GOVERNMENT, PRIVATE = "203.0.113.10", "10.51.0.80", "10.99.0.80"
OFFICE_HOST, BOX_IN_OFFICE, BOX_FOR_GUESTS = "192.168.10.20", "192.168.10.1", "172.20.0.1"
GUEST_ADDRESS = {GUEST: "172.20.0.11", OTHER_GUEST: "172.20.0.12"}
GATEWAY = {PDE: "10.35.10.1", TELKOM: "100.64.7.1"}
PORT = 8099
WAIT_S = 0.4  # for an answer that should not come
PATIENCE_S = 30.0  # for one that should, however busy the machine is


def uplinks() -> tuple[config.Uplink, ...]:
    """PDE with the government's prefix, and Telkom."""
    return (
        config.Uplink(
            name="pde",
            device="pde0",
            gateway=GATEWAY[PDE],
            download_mbit=10,
            upload_mbit=10,
            pinned=("10.51.0.0/16",),
        ),
        config.Uplink(name="telkom", device="tel0", gateway=GATEWAY[TELKOM], download_mbit=20, upload_mbit=20),
    )


def settings(**changed: Any) -> config.Config:
    """A configuration of the town; `changed` replaces whole sections."""
    parts: dict[str, Any] = {
        "village": config.Village(code="3510052001", name="Sumberberas", district="Muncar"),
        "uplink": uplinks(),
        "classes": classes(),
        "policy": config.Policy(failback_hold_s=0.5, reconcile_s=0.2, failback_in_service_hours="allowed"),
        "run_dir": "/tmp/kernel-lab-run",
    }
    return config.Config(**(parts | changed))


def classes(**wifi: Any) -> config.Classes:
    """The service prefers PDE, guests use Telkom; `wifi` replaces keys of the guests' class."""
    guests: dict[str, Any] = {"uplinks": ("telkom",), "guaranteed_percent": 20, "devices": ("wifi0",)}
    return config.Classes(
        service=config.TrafficClass(uplinks=("pde", "telkom"), guaranteed_percent=70, devices=("office0",)),
        wifi=config.TrafficClass(**(guests | wifi)),
        control=config.TrafficClass(uplinks=("pde", "telkom"), guaranteed_percent=10),
    )


def first(config: config.Config) -> Assignment:
    """The first choice of every class, with nothing judged yet."""
    return Policy(config.classes, config.policy).decide({}, service_hours=True, now=0.0)


@contextmanager
def town() -> Iterator[None]:
    """Build it, and live in the box's namespace meanwhile."""
    for name in NAMESPACES:
        sh(f"ip netns add {name}")
    try:
        _build()
        with living_in(BOX):
            yield
    finally:
        for name in NAMESPACES:
            sh(f"ip netns del {name}")


def _build() -> None:
    for name in NAMESPACES:
        with living_in(name):  # addresses count at once: nobody else can have them here
            Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0")
    batch(
        BOX,
        f"""link set lo up
link add office0 type veth peer name lan0 netns {OFFICE}
link add wifi0 type veth peer name wire netns {AP}
link add pde0 type veth peer name line netns {PDE}
link add tel0 type veth peer name line netns {TELKOM}
link set dev office0 gso_max_segs 1 up
link set dev wifi0 gso_max_segs 1 up
link set dev pde0 gso_max_segs 1 up
link set dev tel0 gso_max_segs 1 mtu 1492 up
address add {BOX_IN_OFFICE}/24 dev office0
address add fd10::1/64 dev office0 nodad
address add {BOX_FOR_GUESTS}/24 dev wifi0
address add fd20::1/64 dev wifi0 nodad
address add 10.35.10.2/24 dev pde0
address add 100.64.7.2/24 dev tel0
""",
    )
    batch(
        OFFICE,
        f"""link set lo up
link set dev lan0 gso_max_segs 1 up
address add {OFFICE_HOST}/24 dev lan0
address add fd10::20/64 dev lan0 nodad
route add default via {BOX_IN_OFFICE}
route add default via fd10::1
""",
    )
    stations = "".join(
        f"link add {name} type veth peer name wlan0 netns {name}\nlink set {name} master air up\n"
        for name in GUEST_ADDRESS
    )
    batch(AP, f"link add air type bridge\nlink set air up\nlink set wire master air up\n{stations}")
    for name, address in GUEST_ADDRESS.items():
        other = next(value for key, value in GUEST_ADDRESS.items() if key != name)
        batch(
            name,
            f"""link set lo up
link set dev wlan0 gso_max_segs 1 up
address add {address}/24 dev wlan0
address add fd20::{address.rsplit(".", 1)[1]}/64 dev wlan0 nodad
route add default via {BOX_FOR_GUESTS}
route add default via fd20::1
route add {other}/32 via {BOX_FOR_GUESTS}
""",
        )
    for name, gateway in GATEWAY.items():
        batch(
            name,
            f"""link set lo up
link set dev line gso_max_segs 1 up
address add {gateway}/24 dev line
address add {INTERNET}/32 dev lo
address add {GOVERNMENT}/32 dev lo
address add {PRIVATE}/32 dev lo
route add 192.168.10.0/24 via {gateway.rsplit(".", 1)[0]}.2
route add 172.20.0.0/24 via {gateway.rsplit(".", 1)[0]}.2
""",
        )
    with living_in(BOX):
        sh("sysctl -qw net.ipv4.ip_forward=1")


@contextmanager
def answering(name: str, address: str = "", port: int = PORT) -> Iterator[None]:
    """In namespace `name` a TCP server that says where it is and closes."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = inside(name, lambda: socket.create_server((address, port), family=family))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = server.accept()
                with peer:
                    peer.sendall(name.encode())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def ask(name: str, address: str, port: int = PORT, *, wait_s: float = PATIENCE_S) -> str:
    """What the server at `address` says to a client in namespace `name`; "" if there is no way to it."""

    def call() -> str:
        try:
            with socket.create_connection((address, port), timeout=wait_s) as client:
                return client.recv(100).decode()
        except OSError:
            return ""

    return inside(name, call)


def cut_off(name: str, address: str, port: int = PORT) -> bool:
    """Whether a client in namespace `name` hears nothing of `address`."""
    return ask(name, address, port, wait_s=WAIT_S) == ""


def ask_all(questions: Iterable[tuple[str, str]], *, wait_s: float = PATIENCE_S) -> dict[tuple[str, str], str]:
    """What each of the (namespace, address) pairs hears, all asked at once."""
    listed = list(questions)
    with ThreadPoolExecutor(len(listed)) as pool:
        answers = pool.map(lambda question: ask(*question, wait_s=wait_s), listed)
        return dict(zip(listed, answers, strict=True))


def kernel_state() -> dict[str, str]:
    """Everything a program could have left in the box: rules, routes, qdiscs, classes, filters, links, nftables."""
    links = [link["ifname"] for link in json.loads(sh("ip -j link"))]
    return {
        "rules": sh("ip -4 rule") + sh("ip -6 rule"),
        "routes": sh("ip -4 route show table all") + sh("ip -6 route show table all proto 75"),
        "qdiscs": re.sub(r"direct_packets_stat \d+", "", sh("tc qdisc")),
        "classes": "".join(sh(f"tc class show dev {link}") for link in links),
        "filters": "".join(sh(f"tc filter show dev {link} egress", check=False) for link in links),
        "links": " ".join(links),
        "nftables": re.sub(r"\n\t*elements = \{[^}]*\}", "", sh("nft list ruleset")),
    }
