"""Pure: what is asked of a device, by its role: numeric OIDs as data, scalars and tables of columns.

Sources: SNMPv2-MIB (RFC 3418), IF-MIB (RFC 2863), HOST-RESOURCES-MIB (RFC 2790), ENTITY-MIB (RFC 6933),
ENTITY-SENSOR-MIB (RFC 3433), MIKROTIK-MIB. No column that names a person or a machine of one (hotspot user names,
addresses) is ever asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Oid = tuple[int, ...]
Value = int | bytes | None  # None: noSuchObject, noSuchInstance, endOfMibView, or a type nobody here reads
Binding = tuple[Oid, Value]

MOST_PORTS = 64
MOST_ROWS = 256


def oid(text: str) -> Oid:
    """``1.3.6.1`` as numbers. Raises ValueError when it is none."""
    return tuple(int(part) for part in text.split("."))


@dataclass(frozen=True, slots=True)
class Table:
    """Columns that share their rows' indices and are read together, at most `rows` rows."""

    name: str
    columns: Mapping[str, Oid]
    rows: int = MOST_PORTS


@dataclass(frozen=True, slots=True)
class Role:
    """What a kind of device is asked for beside its interfaces."""

    scalars: Mapping[str, Oid]
    tables: tuple[Table, ...]


def _columns(entry: str, columns: Mapping[str, int]) -> dict[str, Oid]:
    return {name: (*oid(entry), number) for name, number in columns.items()}


_IF = "1.3.6.1.2.1.2.2.1"
_IFX = "1.3.6.1.2.1.31.1.1.1"
_MIKROTIK = "1.3.6.1.4.1.14988.1.1"

PORTS = Table(
    "ports",
    _columns(_IFX, {"name": 1, "received": 6, "sent": 10, "speed_mbit": 15})
    | _columns(_IF, {"status": 8, "received_errors": 14, "sent_errors": 20}),
)
# Old agents have no ifXTable: 32-bit counters and bit/s there.
OLD_PORTS = Table("old_ports", _columns(_IF, {"name": 2, "received32": 10, "sent32": 16, "speed_bit": 5}))
PROCESSORS = Table("processors", _columns("1.3.6.1.2.1.25.3.3.1", {"load": 2}))
SENSORS = Table(
    "sensors",
    _columns("1.3.6.1.2.1.99.1.1.1", {"type": 1, "scale": 2, "precision": 3, "value": 4, "status": 5})
    | _columns("1.3.6.1.2.1.47.1.1.1.1", {"name": 7}),
    MOST_ROWS,
)
OPTICS = Table("optics", _columns(f"{_MIKROTIK}.19.1.1", {"name": 2, "temperature": 6, "transmit": 9, "receive": 10}))
GAUGES = Table("gauges", _columns(f"{_MIKROTIK}.3.100.1", {"value": 3, "unit": 4}))
HOTSPOT = Table("hotspot", _columns(f"{_MIKROTIK}.5.1.1", {"server": 2}), MOST_ROWS)
ACCESS_POINTS = Table("access_points", _columns(f"{_MIKROTIK}.1.3.1", {"clients": 6}))

_SYSTEM = {"uptime": oid("1.3.6.1.2.1.1.3.0")}
_MIKROTIK_SCALARS = {
    "voltage": oid(f"{_MIKROTIK}.3.8.0"),
    "temperature": oid(f"{_MIKROTIK}.3.10.0"),
    "cpu_temperature": oid(f"{_MIKROTIK}.3.11.0"),
    "leases": oid(f"{_MIKROTIK}.6.1.0"),
}

GENERIC = Role(_SYSTEM, (PROCESSORS,))
MEASURED = Role(_SYSTEM, (PROCESSORS, SENSORS))
ROLES: Mapping[str, Role] = {
    "generic": GENERIC,
    "switch": MEASURED,
    "ont": MEASURED,
    "mikrotik": Role(_SYSTEM | _MIKROTIK_SCALARS, (PROCESSORS, OPTICS, GAUGES, HOTSPOT, ACCESS_POINTS)),
}
