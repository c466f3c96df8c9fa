"""What is wrong with a device that answers: dim light with hysteresis, ports without a link."""

from __future__ import annotations

import pytest

from edge.monitor.snmp.figures import Optic, Port, Reading
from edge.monitor.snmp.judge import judge


def test_light_step_by_step() -> None:
    """A fibre at the threshold would raise and clear an alarm at every poll."""
    steps = [
        (-20.0, ""),
        (-25.0, ""),
        (-25.1, "optical-low"),
        (-24.5, "optical-low"),
        (-24.0, ""),
        (-24.9, ""),
        (-28.1, "optical-critical"),
        (-27.5, "optical-critical"),
        (-27.0, "optical-low"),
        (-28.0, "optical-low"),
        (-24.1, "optical-low"),
        (-23.9, ""),
        (-40.0, "optical-critical"),
    ]
    held: set[tuple[str, str]] = set()
    for power, wanted in steps:
        found = judge(Reading(optics=(Optic("", power),)), (), held)
        assert [code for code, _ in found] == ([wanted] if wanted else []), power
        held = set(found)


@pytest.mark.parametrize(("watched", "codes"), [((), []), (("sfp1",), ["optical-critical"])])
def test_darkness_counts_only_where_light_is_expected(watched: tuple[str, ...], codes: list[str]) -> None:
    """Every unused module would be an error; a listed one that is dark would not."""
    reading = Reading(ports=(Port("sfp1", True, 1_000),), optics=(Optic("sfp1", -40.0),))
    assert [code for code, _ in judge(reading, watched, ())] == codes


def test_each_module_is_judged_by_itself() -> None:
    """One bright module would hide a dim one."""
    optics = (Optic("sfp1", -8.0), Optic("sfp2", -26.0), Optic("sfp3", -29.0), Optic("sfp4", None))
    assert judge(Reading(optics=optics), (), ()) == {
        ("optical-low", "sfp2"): "receives -26.0 dBm",
        ("optical-critical", "sfp3"): "receives -29.0 dBm",
    }


def test_only_listed_ports_are_judged() -> None:
    """Every free port of a switch would be a warning."""
    ports = (Port("lan1", True, 100), Port("lan2", False, 100), Port("lan3", False, 100), Port("lan4", None, 100))
    found = judge(Reading(ports=ports), ("lan1", "lan2", "lan4", "uplink"), ())
    assert found == {
        ("device-port-down", "lan2"): "its link is down",
        ("device-port-down", "uplink"): "the device has no port of this name; it has lan1, lan2, lan3, lan4",
    }
