"""Agents that lie, stammer, flood or speak no SNMP, played by a responder that knows no pysnmp."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import random
import time
import tracemalloc
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from edge import config
from edge.clock import SystemClock
from edge.health import Health
from edge.monitor.snmp.agent import Agent
from edge.monitor.snmp.device import Device
from edge.monitor.snmp.figures import Reading
from edge.monitor.snmp.secret import Community, Secret, parse
from tests.contract.snmp_responder import (
    END_OF_MIB,
    GET,
    Oid,
    Reply,
    Request,
    dotted,
    honest,
    integer,
    interfaces,
    mikrotik,
    name,
    read,
    responder,
    response,
    serving,
    text,
    tlv,
)
from tests.contract.snmp_responder import (
    parse as asked,
)
from tests.contract.snmpd_rig import secret

COMMUNITY = Community("desa")
USER = parse(secret(), "3")
QUICK_S = 0.3  # long enough on loopback
IF_NAME = dotted("1.3.6.1.2.1.31.1.1.1.1")


def _device(port: int, given: Secret = COMMUNITY, **more: Any) -> tuple[Device, Health]:
    keys: dict[str, Any] = {"name": "alat", "host": "127.0.0.1", "port": port, "role": "mikrotik", **more}
    keys["version"] = "2c" if isinstance(given, Community) else "3"
    settings = config.Snmp(**keys)
    health = Health(time.time)
    return Device(settings, Agent(settings, given, answer_s=QUICK_S), clock=SystemClock(), health=health), health


def _state(device: Device) -> str:
    return device.figures.state


async def _reading(reply: Reply, **more: Any) -> Reading:
    async with responder(reply) as agent:
        device, _ = _device(agent.port, **more)
        await device.poll()
        assert device.figures.state == "well", device.figures.detail
        assert device.figures.reading is not None
        return device.figures.reading


async def test_an_honest_mikrotik_is_read_whole(caplog: pytest.LogCaptureFixture) -> None:
    """A figure of the MikroTik would be missing, in another unit, or taken for a lie."""
    reading = await _reading(serving(mikrotik()))
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
        device, _ = _device(agent.port)
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
    reading = await _reading(serving(tree), role="generic")
    assert [(port.name, port.speed_mbit) for port in reading.ports] == [("lan1", 100), ("lan2", 100), ("lan3", 100)]


@pytest.mark.parametrize(("value", "per_dbm"), [(integer(-2_350), 100), (text(b"-23.5"), 1), (text(b"-23.50 dBm"), 1)])
async def test_an_onts_power_is_read_from_the_vendors_oid(value: bytes, per_dbm: float) -> None:
    """The optical power of an ONT without a sensor table would stay unknown."""
    oid = "1.3.6.1.4.1.2011.6.145.1.1.4.0"
    tree = interfaces(1) | {dotted(oid): value}
    reading = await _reading(serving(tree), role="ont", optical_oid=oid, optical_per_dbm=per_dbm)
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
    reading = await _reading(serving(tree), role="switch")
    (optic,) = reading.optics
    assert (optic.name, optic.receive_dbm) == ("sfp1", -21.5)
    assert optic.transmit_dbm == pytest.approx(0.0, abs=1e-9)
    assert reading.temperature_c == 46


@pytest.mark.parametrize(("receive", "code"), [(-24_900, ""), (-25_100, "optical-low"), (-28_100, "optical-critical")])
async def test_dim_light_is_told(receive: int, code: str) -> None:
    """A fibre about to fail would be noticed when it has failed."""
    async with responder(serving(mikrotik(receive))) as agent:
        device, health = _device(agent.port)
        await device.poll()
    assert [raised.condition.code for raised in health.current()] == ([code] if code else [])
    assert all(raised.subject == "alat ether2" for raised in health.current())


# ---- agents that misbehave: whatever they do, a poll ends in time and the next device is not harmed ----


def _going_back(request: Request) -> list[tuple[Oid, bytes]]:
    return [(oid[:-1] if len(oid) > 12 else (*oid, 1), integer(1)) for oid in request.oids] * request.repetitions


def _same(request: Request) -> list[tuple[Oid, bytes]]:
    return [(oid, integer(1)) for oid in request.oids] * request.repetitions


def _endless(request: Request) -> list[tuple[Oid, bytes]]:
    return [((*oid[:12], *oid[12:-1], oid[-1] + 1), text(b"x")) for oid in request.oids] * request.repetitions


def _deeper(request: Request) -> list[tuple[Oid, bytes]]:
    return [((*oid, 1), integer(1)) for oid in request.oids] * request.repetitions


def _foreign(request: Request) -> list[tuple[Oid, bytes]]:
    return [(dotted("1.3.6.1.4.1.99999.1"), integer(1))] * len(request.oids) * request.repetitions


def _empty(_: Request) -> list[tuple[Oid, bytes]]:
    return []


def _too_many(request: Request) -> list[tuple[Oid, bytes]]:
    return [((*oid, row), integer(row)) for row in range(1, 60) for oid in request.oids]


def _exceptions(request: Request) -> list[tuple[Oid, bytes]]:
    return [(oid, kind) for oid, kind in zip(request.oids, itertools.cycle((b"\x80\x00", b"\x81\x00", END_OF_MIB)))]


LIARS = {
    "going back": _going_back,
    "same": _same,
    "endless": _endless,
    "deeper": _deeper,
    "foreign": _foreign,
    "empty": _empty,
    "too many": _too_many,
    "exceptions": _exceptions,
}


NO_TABLE = ("empty", "too many")  # no interfaces at all, and more than fits a datagram that is let in


@pytest.mark.parametrize("liar", LIARS)
async def test_a_table_that_lies_ends(liar: str, caplog: pytest.LogCaptureFixture) -> None:
    """A loop in an agent's table would hold the poll for ever, or fill the memory."""

    def reply(data: bytes) -> list[bytes]:
        request = asked(data)
        return [response(request, honest(mikrotik(), request) if request.kind == GET else LIARS[liar](request))]

    caplog.set_level(logging.WARNING)
    async with responder(reply) as agent:
        device, _ = _device(agent.port)
        for _ in range(2):
            await device.poll()
        questions = len(agent.asked)
    reading = device.figures.reading
    assert _state(device) == ("silent" if liar in NO_TABLE else "well"), device.figures.detail
    assert (reading.dhcp_leases if reading else None) == (None if liar in NO_TABLE else 37)
    assert len(reading.ports if reading else ()) <= 64
    assert questions < 1_500
    said = [record.message for record in caplog.records]
    assert len(said) == len(set(said)), "each flaw is told once"


async def test_a_device_that_dies_on_a_table_is_read_without_it(caplog: pytest.LogCaptureFixture) -> None:
    """A cheap ONT that drops one question would count as silent, or show half a table as the whole."""

    def reply(data: bytes) -> list[bytes]:
        request = asked(data)
        hotspot = request.oids[0][:10] == dotted("1.3.6.1.4.1.14988.1.1.5")
        return [] if hotspot else [response(request, honest(mikrotik(), request))]

    reading = await _reading(reply)
    assert (reading.dhcp_leases, reading.hotspot_users, len(reading.ports), len(reading.optics)) == (37, None, 2, 1)
    assert [record.message for record in caplog.records] == [
        "device alat says what cannot be, which is ignored: tables: it falls silent when asked for all"
    ]


async def test_a_device_that_dies_on_its_ports_is_silent() -> None:
    """Half a port table would report the other half's cables as cut."""
    tree = interfaces(20)

    def reply(data: bytes) -> list[bytes]:
        request = asked(data)
        return [] if request.oids[0][-1] == 5 else [response(request, honest(tree, request))]

    async with responder(reply) as agent:
        device, health = _device(agent.port, ports=("ether20",))
        await device.poll()
        await device.poll()
    assert [raised.condition.code for raised in health.current()] == ["device-silent"]


async def test_ten_thousand_ports_cost_no_more_than_sixty_four() -> None:
    """An agent with a huge table would take the whole poll, and the memory."""
    tree = interfaces(10_000)
    async with responder(serving(tree)) as agent:
        device, _ = _device(agent.port, role="generic")
        await device.poll()
        questions = len(agent.asked)
    assert device.figures.reading is not None
    assert len(device.figures.reading.ports) == 64
    assert questions < 30


@pytest.mark.parametrize(
    "columns",
    [
        {"ifx1": text(b"A" * 1_000), "ifx6": text(b"12"), "if8": integer(99)},
        {"ifx1": integer(5), "if8": text(b"")},
        {"ifx1": text(bytes(range(256))), "ifx6": integer(2**63 - 1, 0x46), "ifx15": integer(2**32 - 1, 0x42)},
        {"ifx1": text(b""), "ifx6": integer(-5), "ifx15": integer(-1), "if14": integer(-7)},
        {"ifx1": text(b"same"), "if8": name(dotted("1.3.6.1"))},
        {"ifx6": tlv(0x44, b"\x9f\x78\x04" + b"\x42\xf6\x00\x00"), "if8": tlv(0x40, b"\x0a\x00\x00\x01")},
    ],
)
async def test_values_of_the_wrong_type_are_ignored(columns: dict[str, bytes]) -> None:
    """A text where a number should be would crash the reading of everything else."""
    tree = mikrotik() | {oid: value for oid, value in interfaces(2, **columns).items() if oid[-1] == 2}
    reading = await _reading(serving(tree))
    assert reading.dhcp_leases == 37
    assert reading.ports[0].name == "ether1"
    assert reading.ports[0].up is True
    assert all(len(port.name) <= 32 and port.name.isprintable() for port in reading.ports)


@pytest.mark.parametrize("receive", [-2_000_000_000, 60_000, 999_999])
async def test_absurd_light_is_not_measured(receive: int) -> None:
    """A broken sensor would raise an alarm about the fibre."""
    async with responder(serving(mikrotik(receive))) as agent:
        device, health = _device(agent.port)
        await device.poll()
    assert device.figures.reading is not None
    assert [optic.receive_dbm for optic in device.figures.reading.optics] == [None]
    assert health.current() == ()


def _wrong_id(data: bytes) -> list[bytes]:
    request = asked(data)
    return [response(replace(request, request_id=request.request_id ^ 1), honest(mikrotik(), request))]


def _version_1(data: bytes) -> list[bytes]:
    request = asked(data)
    return [response(request, honest(mikrotik(), request), version=0)]


def _version_9(data: bytes) -> list[bytes]:
    request = asked(data)
    return [response(request, honest(mikrotik(), request), version=9)]


def _cut(data: bytes) -> list[bytes]:
    (whole,) = serving(mikrotik())(data)
    return [whole[: len(whole) // 2]]


def _echo(data: bytes) -> list[bytes]:
    return [data]


def _wrong_community(data: bytes) -> list[bytes]:
    request = asked(data)
    return [response(replace(request, community=b"lain"), honest(mikrotik(), request))]


def _nested(_: bytes) -> list[bytes]:
    return [b"\x30\x80" * 2_000, b"\x30\x84\xff\xff\xff\xff" * 600]


def _huge(_: bytes) -> list[bytes]:
    return [tlv(0x30, integer(1) + text(b"x" * 60_000))]


SPOILERS: dict[str, Reply] = {
    "wrong request id": _wrong_id,
    "version 1": _version_1,
    "version 9": _version_9,
    "cut": _cut,
    "echo": _echo,
    "wrong community": _wrong_community,
    "nested": _nested,
    "huge": _huge,
    "empty": lambda _: [b""],
}


@pytest.mark.parametrize("spoiler", SPOILERS)
@pytest.mark.parametrize("given", [COMMUNITY, USER], ids=["2c", "3"])
async def test_what_is_no_answer_is_silence(spoiler: str, given: Secret, caplog: pytest.LogCaptureFixture) -> None:
    """A datagram that is no answer to our question would be taken for one, or crash the part."""
    reply = SPOILERS[spoiler]
    if given is USER and spoiler not in ("echo", "nested", "huge", "empty"):
        reply = _from_v3(reply)
    async with responder(reply) as agent:
        device, health = _device(agent.port, given)
        await device.poll()
        await device.poll()
        assert _state(device) in ("silent", "secret"), device.figures
        assert len(health.current()) == 1
        agent.reply = serving(mikrotik())
        if given is COMMUNITY:
            await device.poll()
            assert _state(device) == "well", device.figures.detail
            assert health.current() == ()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR], "nothing crashed"


def _from_v3(reply: Reply) -> Reply:
    """Answer a v3 question as if it had been one of version 2c."""
    plain = response(Request(GET, 7, 1, (dotted("1.3.6.1.2.1.1.3.0"),), b"desa"), [])
    return lambda _: list(reply(plain.replace(b"\xa2", b"\xa0", 1)))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("given", [COMMUNITY, USER], ids=["2c", "3"])
async def test_random_bytes_crash_nothing(seed: int, given: Secret, caplog: pytest.LogCaptureFixture) -> None:
    """Some sequence of bytes would end the task that reads all devices."""
    chance = random.Random(seed)
    async with responder(lambda data: _mangled(chance, data)) as agent:
        device, _ = _device(agent.port, given)
        for _ in range(2):
            await device.poll()
        if given is COMMUNITY:
            agent.reply = serving(mikrotik())
            for _ in range(2):
                await device.poll()
            assert device.figures.state == "well", device.figures.detail
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def _mangled(chance: random.Random, data: bytes) -> Iterable[bytes]:
    """Noise, and honest answers or the question itself with bytes changed, dropped, doubled."""
    try:
        base = serving(mikrotik())(data)
    except (ValueError, IndexError):
        base = [data]  # a v3 question
    for _ in range(6):
        spoilt = bytearray(chance.choice([*base, data, chance.randbytes(chance.randrange(200))]))
        for _ in range(chance.randrange(1, 8)):
            if spoilt:
                place = chance.randrange(len(spoilt))
                spoilt[place : place + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
        yield bytes(spoilt)


async def test_an_answer_from_another_port_is_not_taken() -> None:
    """Any machine that guesses could tell the office that its fibre is dim."""
    async with responder(lambda _: []) as agent, responder(lambda _: []) as stranger:

        def elsewhere(data: bytes) -> list[bytes]:
            for answer in serving(mikrotik())(data):
                stranger.transport.sendto(answer, agent.peer)
            return []

        agent.reply = elsewhere
        device, _ = _device(agent.port)
        await device.poll()
        await device.poll()
    assert agent.asked
    assert device.figures.state == "silent"


async def test_a_flood_costs_little_and_hides_nothing() -> None:
    """A device gone mad (1000 packets a second) would take the processor from the uplinks' probes, or the memory."""
    junk = [response(Request(GET, number, 0, (), b"desa"), [(IF_NAME, integer(1))] * 40) for number in range(50)]
    async with responder(serving(mikrotik())) as agent:
        device, _ = _device(agent.port)
        await device.poll()

        async def flood() -> None:
            while True:
                for packet in junk[:10]:
                    if agent.peer[0]:
                        agent.transport.sendto(packet, agent.peer)
                await asyncio.sleep(0.01)

        flooding = asyncio.create_task(flood())
        agent.reply = lambda _: []
        tracemalloc.start()
        try:
            spent = time.process_time()
            for _ in range(2):
                await device.poll()
            spent = time.process_time() - spent
            gc.collect()  # what only waits for the collector is not held
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            flooding.cancel()
        assert _state(device) == "silent"
        assert spent < 3.0, f"{spent:.1f} s of processor time for 6 s of flood, the flooder's own included"
        assert held < 2_000_000
        agent.reply = serving(mikrotik())
        await device.poll()
        assert _state(device) == "well"


async def test_many_polls_keep_no_memory() -> None:
    """A daemon that runs for months would grow with every poll."""
    async with responder(serving(mikrotik())) as agent:
        device, _ = _device(agent.port)
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
        device, _ = _device(agent.port, host="::1")
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
