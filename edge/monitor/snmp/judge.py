"""Pure: what is wrong with a device that answers: too little light, a port without its link.

Receive power warns under -25 dBm and is critical under -28 (the sensitivity of a class B+ module, ITU-T G.984.2);
both hold on until it is a decibel better. A module that sees no light at all is judged only when its port is listed:
an unused one is no fault.
"""

from __future__ import annotations

from collections.abc import Collection

from edge.monitor.snmp.figures import Optic, Port, Reading

LOW_DBM = -25.0
CRITICAL_DBM = -28.0
MARGIN_DB = 1.0
DARK_DBM = -35.0
_MOST_NAMES = 8

Finding = tuple[str, str]  # a condition's code and the part of the device, "" for its only module


def judge(reading: Reading, watched: tuple[str, ...], held: Collection[Finding]) -> dict[Finding, str]:
    """What holds now, with a detail each; `watched` are the ports that must be up, `held` what held before."""
    found: dict[Finding, str] = {}
    for optic in reading.optics:
        code = _light(optic, watched, held)
        if code:
            found[code, optic.name] = f"receives {optic.receive_dbm:.1f} dBm"
    ports = {port.name: port for port in reading.ports}
    for name in watched:
        detail = _link(name, ports)
        if detail:
            found["device-port-down", name] = detail
    return found


def _light(optic: Optic, watched: tuple[str, ...], held: Collection[Finding]) -> str:
    power = optic.receive_dbm
    if power is None or (power < DARK_DBM and optic.name and optic.name not in watched):
        return ""
    critical = CRITICAL_DBM + MARGIN_DB * (("optical-critical", optic.name) in held)
    low = LOW_DBM + MARGIN_DB * any((code, optic.name) in held for code in ("optical-low", "optical-critical"))
    return "optical-critical" if power < critical else "optical-low" if power < low else ""


def _link(name: str, ports: dict[str, Port]) -> str:
    if name not in ports:
        known = ", ".join(list(ports)[:_MOST_NAMES]) or "none"
        return f"the device has no port of this name; it has {known}"
    return "its link is down" if ports[name].up is False else ""
