"""Probes by DNS against name servers that answer as they please, and a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from edge.monitor.probe import Way
from edge.monitor.probes.dns import lookup
from edge.monitor.probes.dns_message import encode_query
from tests.lab.monitor_lab import DEVICE, GATEWAY, TARGETS, WAY, Line, eventually, line
from tests.lab.monitor_peers import HOST, resolver, told
from tests.lab.probing import NAME, one, probing

__all__ = ["line"]

pytestmark = pytest.mark.usefixtures("line")


async def test_resolver_that_answers_is_heard() -> None:
    """A resolver's answer must count, for the name of the configuration, asked through the device with its mark."""
    with resolver(lambda query: [told(query)]) as seen:
        result = await one("dns", GATEWAY)
    assert result.rtt_ms is not None
    assert 0 < result.rtt_ms < 1_000
    assert seen[0][2:] == encode_query(0, NAME)[2:]


async def test_name_that_does_not_exist_is_an_answer() -> None:
    """A resolver that knows that there is no such name works."""
    with resolver(lambda query: [query[:2] + b"\x81\x83" + query[4:]]):
        assert (await one("dns", GATEWAY)).rtt_ms is not None


@pytest.mark.parametrize("flags", [b"\x81\x82", b"\x81\x85"], ids=["server failure", "refused"])
async def test_resolver_that_fails_is_told(flags: bytes) -> None:
    """SERVFAIL and REFUSED come from a resolver that reaches nobody, or wants nobody: no sign of life."""
    with resolver(lambda query: [query[:2] + flags + query[4:]]):
        result = await one("dns", GATEWAY)
    assert (result.rtt_ms, result.reason) == (None, "dns-error")


async def test_resolver_without_a_port_is_told() -> None:
    """A box whose name service has died refuses the port: the failure must be told at once."""
    result = await one("dns", GATEWAY)
    assert (result.rtt_ms, result.reason) == (None, "refused")


FORGED_ANSWERS: dict[str, Callable[[bytes], bytes]] = {
    "another identifier": lambda query: bytes((query[0] ^ 1,)) + told(query)[1:],
    "another question": lambda query: told(query[:12] + encode_query(0, "check.go.ie")[12:]),
    "a query": lambda query: query,
    "cut short": lambda query: told(query)[:20],
    "nothing": lambda query: query[:0],
    "garbage": lambda query: query[:2] + b"\xff" * 200,
}


@pytest.mark.parametrize("forge", FORGED_ANSWERS.values(), ids=FORGED_ANSWERS.keys())
async def test_forged_answer_is_ignored_and_the_true_one_heard(forge: Callable[[bytes], bytes]) -> None:
    """A forged answer must neither count nor stop the wait for the true one; a duplicate must count once."""
    with resolver(lambda query: [forge(query)]), probing("dns") as (probe, results):
        probe.send(1, GATEWAY)
        await asyncio.sleep(0.2)  # nothing may come of it: there is no condition to wait for
        assert results == []
    with resolver(lambda query: [forge(query), told(query), told(query)]), probing("dns") as (probe, results):
        probe.send(1, GATEWAY)
        await eventually(lambda: bool(results))
        probe.send(2, GATEWAY)
        await eventually(lambda: len(results) == 2)
        assert [(result.serial, result.reason) for result in results] == [(1, ""), (2, "")]


async def test_answer_from_another_address_is_ignored() -> None:
    """Whoever answers in the resolver's place must not be believed."""
    with resolver(lambda query: [told(query)], source=TARGETS[1]), probing("dns") as (probe, results):
        probe.send(1, GATEWAY)
        await asyncio.sleep(0.2)  # as above
        assert results == []


async def test_names_are_asked_of_each_resolver_in_turn(line: Line) -> None:
    """One dead resolver must not leave the uplink without names; none that answers must be told as nothing."""
    line.drop(f"ip daddr {TARGETS[2]} udp dport 53")
    way = Way(DEVICE, WAY.mark, (TARGETS[2], GATEWAY))
    with resolver(lambda query: [told(query)]):
        assert await lookup(way, NAME) == (HOST,)
    assert await lookup(way, NAME) == ()


async def test_dnsmasq_is_heard() -> None:
    """A real name server must be understood: a name it has, one it has not, and addresses."""
    command = "ip netns exec pde dnsmasq --no-daemon --no-resolv --no-hosts --bind-interfaces --conf-file=/dev/null"
    server = await asyncio.create_subprocess_exec(
        *command.split(), f"--listen-address={GATEWAY}", f"--address=/{NAME}/{HOST}", "--local=/go.ie/"
    )
    try:
        with probing("dns") as (probe, results):

            def heard() -> bool:
                probe.send(len(results) + 1, GATEWAY)
                return any(result.rtt_ms is not None for result in results)

            await eventually(heard)
        assert await lookup(WAY, NAME) == (HOST,)
        assert await lookup(WAY, "check.go.ie") == ()
    finally:
        server.terminate()
        await server.wait()
