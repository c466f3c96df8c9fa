"""Pure: what a scrape shows of the devices beside the box and of the box's own NICs, as rows of name, labels and value.

Labels are bounded by the configuration: devices by their names, ports those listed for them, NICs those of uplinks and
classes. Of several optical modules the one that receives least is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from edge.monitor.host import NicFigures
from edge.monitor.snmp.figures import DeviceFigures, Reading

_RATIO = 0.01
_BYTES_PER_S = 1e6 / 8  # of a Mbit/s

Values = dict[tuple[str, ...], float]


class Family(NamedTuple):
    """One metric: its values by their labels' values."""

    name: str
    kind: Literal["gauge", "counter"]
    text: str
    labels: tuple[str, ...]
    values: Values


def families(devices: Iterable[DeviceFigures], nics: Iterable[NicFigures]) -> tuple[Family, ...]:
    """Every metric of `devices` and `nics`; one without a value is left out."""
    known = tuple(devices)
    found = (*_of_devices(known), *_of_ports(known), *_of_nics(tuple(nics)))
    return tuple(family for family in found if family.values)


def _of_devices(devices: tuple[DeviceFigures, ...]) -> Iterable[Family]:
    up: Values = {(device.name,): float(device.state == "well") for device in devices}
    yield Family("device_up", "gauge", "1 when the device answers and accepts the secret.", ("device",), up)
    measures = {device.name: _measures(device.reading) for device in devices if device.reading}
    for name, text in _TEXTS.items():
        values: Values = {(device,): said[name] for device, said in measures.items() if name in said}
        yield Family(f"device_{name}", "gauge", text, ("device",), values)


_TEXTS = {
    "uptime_seconds": "Time since the device started.",
    "cpu_ratio": "Share of the device's processors in use.",
    "temperature_celsius": "The device's hottest sensor.",
    "voltage_volts": "The device's supply.",
    "optical_receive_dbm": "Power that the weakest optical module receives.",
    "optical_transmit_dbm": "Power that the same module sends.",
    "dhcp_leases": "Leases of the device's DHCP server.",
    "hotspot_users": "Users of the device's hotspot.",
    "wifi_clients": "Clients of the device's access points.",
}


def _measures(reading: Reading) -> dict[str, float]:
    weakest = reading.weakest
    measures = {
        "uptime_seconds": reading.uptime_s,
        "cpu_ratio": None if reading.cpu_percent is None else reading.cpu_percent * _RATIO,
        "temperature_celsius": reading.temperature_c,
        "voltage_volts": reading.voltage_v,
        "optical_receive_dbm": weakest.receive_dbm if weakest else None,
        "optical_transmit_dbm": weakest.transmit_dbm if weakest else None,
        "dhcp_leases": reading.dhcp_leases,
        "hotspot_users": reading.hotspot_users,
        "wifi_clients": reading.wifi_clients,
    }
    return {name: float(value) for name, value in measures.items() if value is not None}


def _of_ports(devices: tuple[DeviceFigures, ...]) -> Iterable[Family]:
    ports = {
        (device.name, port.name): port
        for device in devices
        for port in (device.reading.ports if device.reading else ())
        if port.name in device.watched
    }
    labels = ("device", "port")
    up: Values = {key: float(port.up) for key, port in ports.items() if port.up is not None}
    yield Family("device_port_up", "gauge", "1 when a listed port has a link.", labels, up)
    speed: Values = {key: port.speed_mbit * _BYTES_PER_S for key, port in ports.items() if port.speed_mbit is not None}
    yield Family("device_port_speed_bytes", "gauge", "Speed of a listed port, per second.", labels, speed)
    counts: tuple[tuple[str, str, Values], ...] = (
        ("receive_bytes", "Bytes a listed port received.", {key: port.received_bytes for key, port in ports.items()}),
        ("transmit_bytes", "Bytes a listed port sent.", {key: port.sent_bytes for key, port in ports.items()}),
        ("errors", "Errors of a listed port, both ways.", {key: port.errors for key, port in ports.items()}),
    )
    for name, text, values in counts:
        yield Family(f"device_port_{name}", "counter", text, labels, values)


def _of_nics(nics: tuple[NicFigures, ...]) -> Iterable[Family]:
    labels = ("device",)
    up: Values = {(nic.device,): float(nic.up) for nic in nics}
    yield Family("nic_up", "gauge", "1 when a network device of the box is there and has a link.", labels, up)
    speed: Values = {(nic.device,): nic.speed_mbit * _BYTES_PER_S for nic in nics if nic.speed_mbit is not None}
    yield Family("nic_speed_bytes", "gauge", "Speed of a network device of the box, per second.", labels, speed)
    here = [nic for nic in nics if nic.present]
    counts: tuple[tuple[str, str, Values], ...] = (
        ("receive_bytes", "Bytes a network device received.", {(nic.device,): nic.received_bytes for nic in here}),
        ("transmit_bytes", "Bytes a network device sent.", {(nic.device,): nic.sent_bytes for nic in here}),
        ("errors", "Errors of a network device, both ways.", {(nic.device,): nic.errors for nic in here}),
        ("drops", "Packets a network device dropped, both ways.", {(nic.device,): nic.drops for nic in here}),
    )
    for name, text, values in counts:
        yield Family(f"nic_{name}", "counter", text, labels, values)
