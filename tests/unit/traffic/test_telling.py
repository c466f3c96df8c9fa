"""Conditions from what was seen on the host and what it refused."""

from __future__ import annotations

from dataclasses import replace

from edge import config
from edge.health import Health
from edge.traffic.telling import Refusals, tell
from tests.unit.traffic.village import FACTS, LINKS, settings


def raised(health: Health) -> set[tuple[str, str]]:
    return {(condition.condition.code, condition.subject) for condition in health.current()}


def test_missing_devices_and_forwarding_are_told_until_they_are_well() -> None:
    """The office would search for a fault of the internet; an uplink's own device is the monitor's to tell."""
    health = Health(lambda: 0.0)
    wanted = settings(tunnel=(config.Tunnel(name="dinas", device="wg0"),))
    tell(wanted, replace(FACTS, links={"lo": LINKS["lo"]}, forwarding=False), health)
    missing = {("device-missing", name) for name in ("office0", "wifi0", "wg0")}
    assert raised(health) == missing | {("forwarding-off", "")}
    tell(wanted, replace(FACTS, links=LINKS | {"wg0": LINKS["lo"]}), health)
    assert raised(health) == set()


def test_a_condition_goes_with_the_last_refusal() -> None:
    """It would be cleared while another part is still refused, or stay when none is."""
    health = Health(lambda: 0.0)
    refusals = Refusals(health)
    refusals.refuse("routing", "no such device")
    refusals.refuse("connections", "no memory")
    assert health.current()[0].detail == "no such device; no memory"
    refusals.accept("routing")
    assert raised(health) == {("network-apply", "")}
    assert refusals.any_of("connections")
    refusals.accept("connections")
    assert raised(health) == set()
    assert not refusals.any_of("connections")


def test_a_missing_privilege_is_another_condition() -> None:
    """Who must act differs: the operator who started it without the privilege, not the one who reads a refusal."""
    health = Health(lambda: 0.0)
    refusals = Refusals(health)
    for part in ("routing", "table"):
        refusals.forbidden(part, "Operation not permitted")
    refusals.permitted("table")
    assert raised(health) == {("network-privilege", "")}
    refusals.permitted("routing")
    assert raised(health) == set()
