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

import pytest

from edge.monitor.snmp.secret import Secret
from tests.contract.snmp_device import COMMUNITY, IF_NAME, USER, device_at, reading_of, state_of
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
    responder,
    response,
    serving,
    text,
    tlv,
)
from tests.contract.snmp_responder import (
    parse as asked,
)

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
        device, _ = device_at(agent.port)
        for _ in range(2):
            await device.poll()
        questions = len(agent.asked)
    reading = device.figures.reading
    assert state_of(device) == ("silent" if liar in NO_TABLE else "well"), device.figures.detail
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

    reading = await reading_of(reply)
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
        device, health = device_at(agent.port, ports=("ether20",))
        await device.poll()
        await device.poll()
    assert [raised.condition.code for raised in health.current()] == ["device-silent"]


async def test_ten_thousand_ports_cost_no_more_than_sixty_four() -> None:
    """An agent with a huge table would take the whole poll, and the memory."""
    tree = interfaces(10_000)
    async with responder(serving(tree)) as agent:
        device, _ = device_at(agent.port, role="generic")
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
    reading = await reading_of(serving(tree))
    assert reading.dhcp_leases == 37
    assert reading.ports[0].name == "ether1"
    assert reading.ports[0].up is True
    assert all(len(port.name) <= 32 and port.name.isprintable() for port in reading.ports)


@pytest.mark.parametrize("receive", [-2_000_000_000, 60_000, 999_999])
async def test_absurd_light_is_not_measured(receive: int) -> None:
    """A broken sensor would raise an alarm about the fibre."""
    async with responder(serving(mikrotik(receive))) as agent:
        device, health = device_at(agent.port)
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
        device, health = device_at(agent.port, given)
        await device.poll()
        await device.poll()
        assert state_of(device) in ("silent", "secret"), device.figures
        assert len(health.current()) == 1
        agent.reply = serving(mikrotik())
        if given is COMMUNITY:
            await device.poll()
            assert state_of(device) == "well", device.figures.detail
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
        device, _ = device_at(agent.port, given)
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
        device, _ = device_at(agent.port)
        await device.poll()
        await device.poll()
    assert agent.asked
    assert device.figures.state == "silent"


async def test_a_flood_costs_little_and_hides_nothing() -> None:
    """A device gone mad (1000 packets a second) would take the processor from the uplinks' probes, or the memory."""
    junk = [response(Request(GET, number, 0, (), b"desa"), [(IF_NAME, integer(1))] * 40) for number in range(50)]
    async with responder(serving(mikrotik())) as agent:
        device, _ = device_at(agent.port)
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
        assert state_of(device) == "silent"
        assert spent < 5.0, f"{spent:.1f} s of processor time for 6 s of flood, the flooder's own included"
        assert held < 4_000_000, "of 9 MB that came"
        agent.reply = serving(mikrotik())
        await device.poll()
        assert state_of(device) == "well"
