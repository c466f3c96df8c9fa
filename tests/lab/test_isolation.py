"""Who may reach whom: really tried, from places where the way would be open without our table."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest

from edge.kernel.host import Host
from edge.traffic import operator
from edge.traffic.plan import desired
from tests.lab.namespaces import inside, sh
from tests.lab.town import (
    AP,
    BOX,
    BOX_FOR_GUESTS,
    BOX_IN_OFFICE,
    GOVERNMENT,
    GUEST,
    GUEST_ADDRESS,
    INTERNET,
    NAMESPACES,
    OFFICE,
    OFFICE_HOST,
    OTHER_GUEST,
    PDE,
    PRIVATE,
    TELKOM,
    WAIT_S,
    answering,
    ask,
    ask_all,
    classes,
    cut_off,
    first,
    settings,
)

pytestmark = pytest.mark.usefixtures("box")


@pytest.fixture
def everywhere_listening(box: None) -> Iterator[None]:
    """A server in every namespace, on the test port; guests' and the office's routers know all ways."""
    del box
    servers = [answering(name) for name in NAMESPACES if name != AP]
    for server in servers:
        server.__enter__()
    yield
    for server in servers:
        server.__exit__(None, None, None)


def establish(**changed: object) -> None:
    """Bring the box to the wanted state, everything at its first choice."""
    config = settings(**changed)
    host = Host()
    wanted = desired(config, first(config), host.facts())
    assert host.apply(wanted)[1] == []


def reached(questions: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The ways that are open."""
    return [question for question, answer in ask_all(questions, wait_s=WAIT_S).items() if answer]


@pytest.mark.usefixtures("everywhere_listening")
def test_without_the_table_every_door_is_open() -> None:
    """The lab itself: if these ways were closed anyway, the tests below would prove nothing."""
    sh("ip route add default via 10.35.10.1 dev pde0")
    questions = (
        (GUEST, OFFICE_HOST),
        (GUEST, BOX_IN_OFFICE),
        (GUEST, BOX_FOR_GUESTS),
        (GUEST, GUEST_ADDRESS[OTHER_GUEST]),
        (TELKOM, OFFICE_HOST),
        (TELKOM, GUEST_ADDRESS[GUEST]),
        (TELKOM, "100.64.7.2"),
        (PDE, "10.35.10.2"),
    )
    assert [question for question, answer in ask_all(questions).items() if not answer] == []


@pytest.mark.usefixtures("everywhere_listening")
@pytest.mark.parametrize("guest_uplinks", [("telkom",), ("pde",)])
def test_guests_reach_the_internet_and_nothing_else(guest_uplinks: tuple[str, ...]) -> None:
    """A guest on the open WiFi must reach no office host, box service, private or pinned prefix, nor another guest."""
    establish(classes=classes(uplinks=guest_uplinks, cap_mbit={"pde": 2.0} if guest_uplinks == ("pde",) else {}))
    assert ask(GUEST, INTERNET) == guest_uplinks[0]
    closed = (
        OFFICE_HOST,
        BOX_IN_OFFICE,
        BOX_FOR_GUESTS,
        "10.35.10.2",
        "100.64.7.2",
        "10.35.10.1",
        "100.64.7.1",
        GOVERNMENT,
        PRIVATE,
        GUEST_ADDRESS[OTHER_GUEST],
    )
    assert reached((GUEST, address) for address in closed) == []


@pytest.mark.usefixtures("everywhere_listening")
def test_nothing_enters_by_an_uplink() -> None:
    """Neither the internet nor the government's network may open anything in the village or on the box."""
    establish()
    inward = (OFFICE_HOST, GUEST_ADDRESS[GUEST], "10.35.10.2", "100.64.7.2", BOX_IN_OFFICE)
    assert reached((who, address) for who in (PDE, TELKOM) for address in inward) == []


@pytest.mark.usefixtures("everywhere_listening")
def test_the_office_reaches_the_box_and_both_worlds() -> None:
    """The office must not be hurt by the guests' rules: box, internet and government answer."""
    establish()
    assert ask(OFFICE, BOX_IN_OFFICE) == BOX
    assert ask(OFFICE, INTERNET) == PDE
    assert ask(OFFICE, GOVERNMENT) == PDE
    assert cut_off(OFFICE, GUEST_ADDRESS[GUEST]), "the office has no business in the guests' network"


def test_guests_get_dns_and_dhcp_from_the_box() -> None:
    """A guest without DNS or DHCP has no internet at all."""
    establish()
    for port in (53, 67):
        server = inside(BOX, partial(socket.socket, socket.AF_INET, socket.SOCK_DGRAM))
        client = inside(GUEST, partial(socket.socket, socket.AF_INET, socket.SOCK_DGRAM))
        with server, client:
            server.bind(("", port))
            server.settimeout(60)
            client.bind(("", 68 if port == 67 else 0))
            client.settimeout(60)
            client.sendto(b"?", (BOX_FOR_GUESTS, port))
            _, asker = server.recvfrom(10)
            server.sendto(b"!", asker)
            assert client.recv(10) == b"!"
    with answering(BOX, port=53):
        assert ask(GUEST, BOX_FOR_GUESTS, 53) == BOX


def test_management_is_only_from_its_networks() -> None:
    """ssh opens for the configured networks alone, and is answered by the uplink that asked."""
    establish(policy=settings().policy.__class__(management=("100.64.7.0/24",)))
    with answering(BOX, port=22):
        assert ask(TELKOM, "100.64.7.2", 22) == BOX
        assert cut_off(PDE, "10.35.10.2", 22)


def test_management_from_afar_is_answered_by_the_uplink_that_asked() -> None:
    """An answer that leaves by the control class's own uplink would be lost: the asker's network differs."""
    establish(policy=settings().policy.__class__(management=(f"{INTERNET}/32",)))
    with answering(BOX, port=22):

        def call() -> str:
            with socket.create_connection(("100.64.7.2", 22), 10, source_address=(INTERNET, 0)) as client:
                return client.recv(10).decode()

        assert inside(TELKOM, call) == BOX


def test_ipv6_is_neither_forwarded_nor_answered_to_guests() -> None:
    """IPv6 without an uplink for it would go round every IPv4 rule."""
    sh("sysctl -qw net.ipv6.conf.all.forwarding=1")
    with answering(OFFICE, "fd10::20"), answering(BOX, "::", 8100):
        assert ask(GUEST, "fd10::20") == OFFICE
        assert ask(GUEST, "fd20::1", 8100) == BOX
        establish()
        assert cut_off(GUEST, "fd10::20")
        assert cut_off(OFFICE, "fd20::11")
        assert cut_off(GUEST, "fd20::1", 8100)
        assert ask(OFFICE, "fd10::1", 8100) == BOX


def test_mss_is_clamped_both_ways() -> None:
    """Behind a 1492-byte uplink whose provider filters ICMP, a page never loads unless both SYNs are lowered."""
    establish(classes=classes())
    sh("ip rule add priority 20099 fwmark 0x10000/0xf0000 lookup 20102")
    seen_inside = inside(OFFICE, lambda: _listener("lan0"))
    seen_outside = inside(TELKOM, lambda: _listener("line"))
    with seen_inside, seen_outside, answering(TELKOM):
        assert ask(OFFICE, INTERNET) == TELKOM
        outward, inward = _segment_size(seen_outside, syn=0x02), _segment_size(seen_inside, syn=0x12)
    assert (outward, inward) == (1452, 1452)


def _listener(device: str) -> socket.socket:
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    listener.bind((device, 0))
    return listener


def _segment_size(listener: socket.socket, *, syn: int) -> int:
    """The MSS option of the first TCP packet whose flags are `syn` (RFC 9293, 3.7.1)."""
    deadline = time.monotonic() + 60
    while select.select([listener], [], [], max(0, deadline - time.monotonic()))[0]:
        packet = listener.recv(2048)[14:]
        start = (packet[0] & 15) * 4
        if packet[9] != socket.IPPROTO_TCP or packet[start + 13] & 0x3F != syn:
            continue
        options = packet[start + 20 : start + (packet[start + 12] >> 4) * 4]
        assert options[0] == 2, "Linux writes the MSS first"
        return int.from_bytes(options[2:4], "big")
    raise AssertionError("no such packet was seen")


@pytest.mark.usefixtures("everywhere_listening")
def test_pinned_prefixes_fail_closed_before_the_daemon_and_beside_other_routes(tmp_path: Path) -> None:
    """The government's packets would go to the internet by whatever route a DHCP client has made."""
    sh("ip route add default via 100.64.7.1 dev tel0")
    assert ask(OFFICE, GOVERNMENT) == TELKOM, "the lab: without our table the way is open"
    operator.guard(settings(run_dir=str(tmp_path)))
    assert cut_off(OFFICE, GOVERNMENT)
    establish()
    assert ask(OFFICE, GOVERNMENT) == PDE
    sh("ip route add 10.0.0.0/8 via 100.64.7.1 dev tel0")
    assert ask(OFFICE, GOVERNMENT) == PDE


def test_a_guests_flood_leaves_places_for_other_connections() -> None:
    """One telephone would fill the table of connections, and the office's next one would be refused."""
    establish(classes=classes(networks=("172.20.0.0/24",)))
    inside(GUEST, lambda: _flood(GUEST_ADDRESS[GUEST], INTERNET, 10_000))
    inside(GUEST, lambda: _flood(GUEST_ADDRESS[GUEST], BOX_FOR_GUESTS, 10_000))
    assert int(Path("/proc/sys/net/netfilter/nf_conntrack_count").read_text()) < 3_200
    with answering(TELKOM):
        assert ask(OTHER_GUEST, INTERNET) == TELKOM
    host = Host()
    config = settings(classes=classes(networks=("172.20.0.0/24",)))
    wanted = desired(config, first(config), host.facts())
    assert host.apply(wanted) == ([], []), "what guests fill is no alteration of the table"


def test_a_guests_questions_do_not_flood_the_resolvers() -> None:
    """A telephone could have the service's resolvers shut the box out, and so move the office to another uplink."""
    establish()
    with inside(BOX, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as server:
        server.bind((BOX_FOR_GUESTS, 53))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        server.settimeout(1)
        began = time.monotonic()
        inside(GUEST, lambda: _flood(GUEST_ADDRESS[GUEST], BOX_FOR_GUESTS, 3_000))
        seconds = time.monotonic() - began
        inside(OTHER_GUEST, lambda: _flood(GUEST_ADDRESS[OTHER_GUEST], BOX_FOR_GUESTS, 20))
        heard: list[str] = []
        while len(heard) < 3_020:
            try:
                heard.append(server.recvfrom(100)[1][0])
            except TimeoutError:
                break
    assert heard.count(GUEST_ADDRESS[OTHER_GUEST]) == 20
    assert 100 <= heard.count(GUEST_ADDRESS[GUEST]) <= 250 + 20 * seconds, "200 at once and 20 a second"


def _flood(source: str, target: str, packets: int) -> None:
    """UDP packets to a DNS port, each from another port (RFC 791, RFC 768)."""
    ends = socket.inet_aton(source) + socket.inet_aton(target)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for port in range(1024, 1024 + packets):
            raw.sendto(
                struct.pack("!BBHHHBBH", 69, 0, 28, 1, 0, 64, 17, 0) + ends + struct.pack("!4H", port, 53, 8, 0),
                (target, 0),
            )


@pytest.mark.usefixtures("everywhere_listening")
def test_guard_denies_guests_before_the_daemon_runs(tmp_path: Path) -> None:
    """Between boot and daemon the box forwards nothing of the guests; and forwarding is on only after that."""
    sh("sysctl -qw net.ipv4.ip_forward=0")
    sh("ip route add default via 10.35.10.1 dev pde0")
    operator.guard(settings(run_dir=str(tmp_path)))
    assert sh("sysctl -n net.ipv4.ip_forward").strip() == "1"
    assert sh("sysctl -n net.ipv4.conf.all.ignore_routes_with_linkdown").strip() == "1"
    closed = (INTERNET, OFFICE_HOST, BOX_IN_OFFICE, BOX_FOR_GUESTS, GUEST_ADDRESS[OTHER_GUEST])
    assert reached((GUEST, address) for address in closed) == []
    assert ask(OFFICE, BOX_IN_OFFICE) == BOX
    with answering(BOX, port=53):
        assert ask(GUEST, BOX_FOR_GUESTS, 53) == BOX


def test_guard_works_before_the_devices_exist(tmp_path: Path) -> None:
    """It runs before the network: none of the devices is there yet."""
    for device in ("pde0", "tel0", "office0", "wifi0"):
        sh(f"ip link del {device}")
    operator.guard(settings(run_dir=str(tmp_path)))
    assert "from_guest" in sh("nft list table inet kampung_edge")


@pytest.mark.usefixtures("everywhere_listening")
def test_traffic_between_other_devices_is_none_of_our_business() -> None:
    """A container or a VPN of the operator must not suffer from our table."""
    sh(f"ip netns exec {BOX} ip link add other0 type veth peer name eth0 netns {AP}")
    sh("ip address add 192.168.77.1/24 dev other0")
    sh("ip link set other0 up")
    sh(f"ip -n {AP} address add 192.168.77.2/24 dev eth0")
    sh(f"ip -n {AP} link set eth0 up")
    establish()
    assert ask(AP, "192.168.77.1") == BOX
