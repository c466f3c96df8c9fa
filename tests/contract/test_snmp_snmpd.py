"""The pollers against Debian's snmpd: both versions, restarts, swapped devices, wrong secrets, silence."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Iterator

import pytest

from edge import config
from edge.clock import SystemClock
from edge.health import Health
from edge.monitor.snmp.agent import POLLS_AN_ENGINE, Agent
from edge.monitor.snmp.device import Device
from edge.monitor.snmp.devices import Devices
from edge.monitor.snmp.secret import parse
from tests.contract.modem_rig import until
from tests.contract.snmpd_rig import COMMUNITY, Snmpd, secret, snmpd

PROTOCOLS = [("SHA", "AES"), ("SHA-256", "AES"), ("SHA-512", "AES-256")]


@pytest.fixture
def agent() -> Iterator[Snmpd]:
    with snmpd() as started:
        yield started


def _device(agent: Snmpd, version: str, text: str, **more: object) -> tuple[Device, Health]:
    settings = config.Snmp(
        name="sw",
        host="127.0.0.1",
        port=agent.port,
        version="3" if version == "3" else "2c",
        role="switch",
        **more,  # type: ignore[arg-type]  # keys of the test's own
    )
    health = Health(time.time)
    return Device(settings, Agent(settings, parse(text, version)), clock=SystemClock(), health=health), health


def _codes(health: Health) -> list[str]:
    return [raised.condition.code for raised in health.current()]


async def test_version_2c_reads_the_interfaces(agent: Snmpd) -> None:
    """A switch of version 2c would show nothing, or other ports than it has."""
    agent.start()
    await agent.listening()
    device, health = _device(agent, "2c", COMMUNITY, ports=("lo",))
    await device.poll()
    await device.poll()
    reading = device.figures.reading
    assert device.figures.state == "well"
    assert reading is not None
    assert reading.uptime_s is not None
    assert reading.uptime_s < 60
    (loopback,) = (port for port in reading.ports if port.name == "lo")
    assert loopback.up is True
    assert loopback.received_mbit is not None
    assert _codes(health) == []


@pytest.mark.parametrize(("auth", "priv"), PROTOCOLS)
async def test_version_3_with_authentication_and_privacy(agent: Snmpd, auth: str, priv: str) -> None:
    """A device that speaks only encrypted SNMP could not be read."""
    agent.start(auth=auth, priv=priv)
    await agent.listening()
    device, health = _device(agent, "3", secret(extra=f"auth_protocol={auth}\npriv_protocol={priv}\n"))
    await device.poll()
    assert device.figures.state == "well", device.figures.detail
    assert device.figures.reading is not None
    assert device.figures.reading.ports
    assert _codes(health) == []


@pytest.mark.parametrize("version", ["2c", "3"])
async def test_a_restarted_device_is_read_again_at_once(agent: Snmpd, version: str) -> None:
    """A device that lost its power for a minute would stay unknown, or raise an alarm after it is back."""
    agent.start()
    await agent.listening()
    device, health = _device(agent, version, COMMUNITY if version == "2c" else secret())
    await device.poll()
    agent.stop()
    agent.start()
    await agent.listening()
    for _ in range(2):
        await device.poll()
    assert device.figures.state == "well", device.figures.detail
    assert _codes(health) == []


async def test_a_swapped_device_recovers_by_itself_within_two_polls(agent: Snmpd) -> None:
    """A device replaced by another of the same configuration (new engine ID) would stay silent for ever."""
    agent.start()
    await agent.listening()
    device, health = _device(agent, "3", secret())
    await device.poll()
    assert device.figures.state == "well"
    agent.stop()
    agent.start(fresh=True)
    await agent.listening()
    for _ in range(2):
        await device.poll()
    assert device.figures.state == "well", device.figures.detail
    assert _codes(health) == []


async def test_a_swapped_device_recovers_after_a_long_silence(agent: Snmpd) -> None:
    """A device that took days to be replaced would stay silent after all."""
    agent.start()
    await agent.listening()
    device, health = _device(agent, "3", secret())
    await device.poll()
    agent.stop()
    for _ in range(3):
        await device.poll()
    assert _codes(health) == ["device-silent"]
    assert device.figures.reading is None
    agent.start(fresh=True)
    await agent.listening()
    for _ in range(2):
        await device.poll()
    assert device.figures.state == "well", device.figures.detail
    assert _codes(health) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (secret(auth="salah salah"), "not with this auth pass phrase"),
        (secret(user="orang"), "does not know the user"),
        (secret(priv="salah salah"), "the priv pass phrase or protocol is wrong"),
        (secret(extra="auth_protocol=SHA-256"), "not with this auth pass phrase or protocol"),
    ],
)
async def test_version_3_tells_a_wrong_secret_from_silence(agent: Snmpd, text: str, says: str) -> None:
    """A technician would look for a cable where a pass phrase is wrong."""
    agent.start()
    await agent.listening()
    device, health = _device(agent, "3", text)
    await device.poll()
    assert _codes(health) == []
    await device.poll()
    assert _codes(health) == ["device-secret"]
    assert says in device.figures.detail
    assert all(word not in device.figures.detail for word in ("salah", "orang"))


async def test_version_2c_says_that_silence_may_be_the_community(agent: Snmpd) -> None:
    """A wrong community is silence by the protocol: whoever reads of it must learn that it may be the reason."""
    agent.start()
    await agent.listening()
    device, health = _device(agent, "2c", "salah")
    await device.poll()
    await device.poll()
    (raised,) = health.current()
    assert raised.condition.code == "device-silent"
    assert "wrong community (credential snmp-sw)" in raised.detail
    assert "salah" not in raised.detail


async def test_a_device_without_snmp_is_named_so(agent: Snmpd) -> None:
    """A closed port says at once that SNMP is off; nobody should wait for a time-out to learn less."""
    device, health = _device(agent, "3", secret())
    async with asyncio.timeout(50):  # thirty time-outs take 90 s
        for _ in range(30):
            await device.poll()
    assert _codes(health) == ["device-silent"]
    assert "SNMP is off or on another port" in device.figures.detail


async def test_many_polls_of_version_3_keep_no_memory(agent: Snmpd) -> None:
    """What pysnmp keeps of every encrypted poll would fill the memory of a daemon that runs for months."""
    agent.start()
    await agent.listening()
    device, _ = _device(agent, "3", secret())
    kept = []
    for number in range(2 * POLLS_AN_ENGINE + 1):
        await device.poll()
        if number % POLLS_AN_ENGINE == 1:
            gc.collect()
            kept.append(len(gc.get_objects()))
    assert device.figures.state == "well"
    assert abs(kept[1] - kept[0]) < POLLS_AN_ENGINE, "less than one object a poll"


async def test_a_port_that_is_down_or_misnamed_is_told(agent: Snmpd) -> None:
    """A pulled cable on a listed port would go unseen; a misspelt port would be watched for ever in vain."""
    agent.start()
    await agent.listening()
    device, health = _device(agent, "2c", COMMUNITY, ports=("lo", "ether77"))
    await device.poll()
    (raised,) = health.current()
    assert (raised.condition.code, raised.subject) == ("device-port-down", "sw ether77")
    assert "no port of this name; it has lo" in raised.detail


async def test_silence_is_logged_once_and_its_end_once(agent: Snmpd, caplog: pytest.LogCaptureFixture) -> None:
    """A device that is off for a week would fill the log."""
    caplog.set_level(logging.INFO)
    device, _ = _device(agent, "2c", COMMUNITY)
    for _ in range(5):
        await device.poll()
    agent.start()
    await agent.listening()
    for _ in range(3):
        await device.poll()
    said = [record.message for record in caplog.records if "device-silent" in record.message]
    assert len(said) == 2
    assert said[1] == "device-silent (sw): cleared"


async def test_all_devices_run_beside_each_other(agent: Snmpd) -> None:
    """One device that is silent or has no secret would keep the others from being read."""
    agent.start()
    await agent.listening()
    settings = tuple(
        config.Snmp(name=name, host="127.0.0.1", port=port, version="3", poll_s=0.2)
        for name, port in (("ont", agent.port), ("switch", 9), ("router", agent.port))
    )
    health = Health(time.time)
    secrets = {"ont": secret(), "switch": secret()}
    devices = Devices(settings, secrets, clock=SystemClock(), announce=print, health=health)
    running = asyncio.create_task(devices.run())
    try:
        await until(lambda: [each.state for each in devices.figures()] == ["well", "silent", "secret"])
    finally:
        running.cancel()
    answer = await devices.answer({"ask": "devices"})
    assert [row["name"] for row in answer["devices"]] == ["ont", "switch", "router"]
    assert "credential snmp-router is missing or empty" in answer["devices"][2]["detail"]
    assert sorted(_codes(health)) == ["device-secret", "device-silent"]
