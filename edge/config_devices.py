"""Pure: the mistakes in `[[snmp]]` that no single key shows: names twice, unknown uplinks, addresses that are none."""

from __future__ import annotations

import ipaddress

from edge.config_problem import Findings
from edge.config_shape import Table, items, once, shown, uplinks


def check_devices(config: Table, findings: Findings) -> None:
    """Note every contradiction of the devices with each other and with the uplinks."""
    devices = [(f"snmp[{number}]", device) for number, device in enumerate(items(config, "snmp"), 1)]
    names = [(f"{path}.name", device["name"]) for path, device in devices if "name" in device]
    once(names, "names another device already", "Give each its own.", findings)
    known = [uplink["name"] for _, uplink in uplinks(config) if "name" in uplink]
    for path, device in devices:
        _check_host(device.get("host"), f"{path}.host", findings)
        uplink = device.get("uplink")
        if uplink and known and uplink not in known:
            message = f"{shown(uplink)} is no uplink of this file"
            findings.error(f"{path}.uplink", message, f"Known: {', '.join(sorted(known))}.")
        ports = [(f"{path}.ports[{place}]", port) for place, port in enumerate(items(device, "ports"), 1) if port]
        once(ports, "stands in the list twice", "Remove one.", findings)


def _check_host(text: str | None, path: str, findings: Findings) -> None:
    if text is None:
        return
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        findings.error(path, f"{shown(text)} is no IPv4 or IPv6 address", "Write such as 192.168.1.1; no name.")
        return
    if address.is_unspecified or address.is_multicast:
        findings.error(path, f"{shown(text)} is no host on a network", "Write such as 192.168.1.1.")
