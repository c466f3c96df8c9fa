"""What a scrape shows of devices and NICs: only what is configured, only what is known."""

from __future__ import annotations

from edge.device_rows import families
from edge.monitor.host import NicFigures
from edge.monitor.snmp.figures import DeviceFigures, Optic, Port, Reading


def _shown(devices: tuple[DeviceFigures, ...] = (), nics: tuple[NicFigures, ...] = ()) -> dict[str, object]:
    return {family.name: family.values for family in families(devices, nics)}


def test_nothing_configured_shows_nothing() -> None:
    """Every box would carry families without a sample."""
    assert _shown() == {}


def test_a_silent_device_shows_only_that_it_is() -> None:
    """The last figures of a device that is off would look like those of now."""
    assert _shown((DeviceFigures("ont", "ont", "silent", 0.0),)) == {"device_up": {("ont",): 0.0}}


def test_only_listed_ports_have_series() -> None:
    """A device that invents ports would fill the regency's Prometheus."""
    ports = tuple(Port(f"port{number}", True, 1_000, 10, 20, 3) for number in range(64))
    device = DeviceFigures("switch", "switch", "well", 0.0, watched=("port1", "gone"), reading=Reading(ports=ports))
    shown = _shown((device,))
    assert shown["device_port_up"] == {("switch", "port1"): 1.0}
    assert shown["device_port_receive_bytes"] == {("switch", "port1"): 10.0}
    assert shown["device_port_speed_bytes"] == {("switch", "port1"): 125e6}


def test_the_weakest_module_is_shown() -> None:
    """A dim fibre would hide behind a bright one."""
    optics = (Optic("sfp1", -8.0, 1.0), Optic("sfp2", -26.0, 2.0), Optic("sfp3", None, 3.0))
    shown = _shown((DeviceFigures("mikrotik", "mikrotik", "well", 0.0, reading=Reading(optics=optics)),))
    assert shown["device_optical_receive_dbm"] == {("mikrotik",): -26.0}
    assert shown["device_optical_transmit_dbm"] == {("mikrotik",): 2.0}


def test_a_missing_nic_is_down_and_counts_nothing() -> None:
    """An unplugged adapter would look like one that carries nothing."""
    shown = _shown(nics=(NicFigures("eth1", present=False), NicFigures("eth2", True, True, 100, 1, 2, 3, 4)))
    assert shown["nic_up"] == {("eth1",): 0.0, ("eth2",): 1.0}
    assert shown["nic_drops"] == {("eth2",): 4.0}
    assert shown["nic_speed_bytes"] == {("eth2",): 12.5e6}
