"""What honest agents tell is read whole: routers, switches, ONTs, old and new, played by a responder."""

from __future__ import annotations

import gc
import time

import pytest

from edge import config
from edge.clock import SystemClock
from edge.health import Health
from edge.monitor.snmp.agent import Agent
from edge.monitor.snmp.device import Device
from tests.contract.snmp_device import COMMUNITY, IF_NAME, device_at, reading_of
from tests.contract.snmp_responder import (
    GET,
    Request,
    dotted,
    integer,
    interfaces,
    mikrotik,
    name,
    read,
    responder,
    serving,
    text,
    tlv,
)
from tests.contract.snmp_responder import (
    parse as asked,
)


async def test_an_honest_mikrotik_is_read_whole(caplog: pytest.LogCaptureFixture) -> None:
    """A figure of the MikroTik would be missing, in another unit, or taken for a lie."""
    reading = await reading_of(serving(mikrotik()))
    assert caplog.records == []
    assert (reading.uptime_s, reading.cpu_percent) == (1234.0, 20.0)
    assert reading.voltage_v == pytest.approx(24.1)
    assert reading.temperature_c == pytest.approx(52.0)
    assert (reading.dhcp_leases, reading.hotspot_users, reading.wifi_clients) == (37, 3, 5)
    (optic,) = reading.optics
    assert (optic.name, optic.temperature_c) == ("ether2", 44.0)
    assert optic.receive_dbm == pytest.approx(-18.4)
    assert optic.transmit_dbm == pytest.approx(2.1)
    assert [(port.name, port.up, port.speed_mbit) for port in reading.ports] == [
        ("ether1", True, 1_000),
        ("ether2", True, 1_000),
    ]


async def test_names_of_hotspot_users_are_never_asked_for() -> None:
    """Who uses the hotspot would cross the network, and lie in the daemon's memory."""
    async with responder(serving(mikrotik())) as agent:
        device, _ = device_at(agent.port)
        await device.poll()
        people = dotted("1.3.6.1.4.1.14988.1.1.5.1.1")
        columns = {oid[: len(people) + 1] for data in agent.asked for oid in asked(data).oids if oid[:12] == people}
    assert columns == {(*people, 2)}


async def test_an_old_agent_without_64_bit_counters_is_read_too() -> None:
    """A cheap ONT would seem to have no ports."""
    tree = {oid: value for oid, value in interfaces(3).items() if oid[:8] != dotted("1.3.6.1.2.1.31.1")}
    entry = dotted("1.3.6.1.2.1.2.2.1")
    for index in (1, 2, 3):
        tree |= {(*entry, 2, index): text(b"lan%d\0" % index), (*entry, 5, index): integer(100_000_000, 0x42)}
        tree |= {(*entry, 10, index): integer(7, 0x41), (*entry, 16, index): integer(8, 0x41)}
    reading = await reading_of(serving(tree), role="generic")
    assert [(port.name, port.speed_mbit) for port in reading.ports] == [("lan1", 100), ("lan2", 100), ("lan3", 100)]


@pytest.mark.parametrize(("value", "per_dbm"), [(integer(-2_350), 100), (text(b"-23.5"), 1), (text(b"-23.50 dBm"), 1)])
async def test_an_onts_power_is_read_from_the_vendors_oid(value: bytes, per_dbm: float) -> None:
    """The optical power of an ONT without a sensor table would stay unknown."""
    oid = "1.3.6.1.4.1.2011.6.145.1.1.4.0"
    tree = interfaces(1) | {dotted(oid): value}
    reading = await reading_of(serving(tree), role="ont", optical_oid=oid, optical_per_dbm=per_dbm)
    assert [optic.receive_dbm for optic in reading.optics] == [-23.5]


async def test_sensors_of_a_switch_are_read_by_type_and_scale() -> None:
    """Optical power in nanowatts or tenths of a dBm would be shown a thousandfold off."""
    sensor, label = dotted("1.3.6.1.2.1.99.1.1.1"), dotted("1.3.6.1.2.1.47.1.1.1.1.7")
    tree = interfaces(1)
    rows = {
        # index: type, scale, precision, value, name
        1: (14, 9, 1, -215, b"sfp1 Rx Power"),
        2: (6, 7, 0, 1_000, b"sfp1 Tx Power"),  # 1000 microwatts are 0 dBm
        3: (8, 9, 0, 46, b"Chassis temperature"),
        4: (14, 9, 0, 0, b"sfp9 Rx Power"),  # not operational
    }
    for index, (kind, scale, precision, value, said) in rows.items():
        for column, number in enumerate((kind, scale, precision, value, 1 if index < 4 else 3), 1):
            tree[(*sensor, column, index)] = integer(number)
        tree[(*label, index)] = text(said)
    tree |= {(*label, 50 + index): text(b"Port %d" % index) for index in range(30)}
    reading = await reading_of(serving(tree), role="switch")
    (optic,) = reading.optics
    assert (optic.name, optic.receive_dbm) == ("sfp1", -21.5)
    assert optic.transmit_dbm == pytest.approx(0.0, abs=1e-9)
    assert reading.temperature_c == 46


@pytest.mark.parametrize(("receive", "code"), [(-24_900, ""), (-25_100, "optical-low"), (-28_100, "optical-critical")])
async def test_dim_light_is_told(receive: int, code: str) -> None:
    """A fibre about to fail would be noticed when it has failed."""
    async with responder(serving(mikrotik(receive))) as agent:
        device, health = device_at(agent.port)
        await device.poll()
    assert [raised.condition.code for raised in health.current()] == ([code] if code else [])
    assert all(raised.subject == "alat ether2" for raised in health.current())


async def test_many_polls_keep_no_memory() -> None:
    """A daemon that runs for months would grow with every poll."""
    async with responder(serving(mikrotik())) as agent:
        device, _ = device_at(agent.port)
        kept = []
        for number in range(120):
            await device.poll()
            agent.asked.clear()
            if number % 40 == 39:
                gc.collect()
                kept.append(len(gc.get_objects()))
    assert kept[2] - kept[1] < 40, "less than one object a poll"


async def test_a_device_behind_ipv6_is_read() -> None:
    """An ONT that has only an IPv6 address could not be read."""
    async with responder(serving(mikrotik()), "::1") as agent:
        device, _ = device_at(agent.port, host="::1")
        await device.poll()
    assert device.figures.state == "well", device.figures.detail


async def test_no_way_there_is_data() -> None:
    """An address without a route, as when an uplink's network device is gone, would crash the part."""
    settings = config.Snmp(name="ont", host="192.0.2.1")
    health = Health(time.time)
    agent = Agent(settings, COMMUNITY, device="edge-gone0", mark=0x130000)
    device = Device(settings, agent, clock=SystemClock(), health=health)
    await device.poll()
    await device.poll()
    assert device.figures.state == "silent"
    assert "no way there" in health.current()[0].detail


def test_the_responder_reads_what_it_writes() -> None:
    """The agent played here would prove nothing if it could not count."""
    for oid in (IF_NAME, dotted("1.3.6.1.4.1.14988.1.1.19.1.1.10"), dotted("1.3.4294967295")):
        tag, content, rest = read(name(oid) + b"rest")
        assert (tag, rest) == (0x06, b"rest")
        assert content
    request = Request(GET, 123_456, 3, (IF_NAME, (*IF_NAME, 300)), b"desa")
    listed = b"".join(tlv(0x30, name(oid) + tlv(0x05, b"")) for oid in request.oids)
    pdu = tlv(GET, integer(request.request_id) + integer(0) + integer(3) + tlv(0x30, listed))
    assert asked(tlv(0x30, integer(1) + text(b"desa") + pdu)) == request
