"""Pure: a device's raw answers as figures. A value of the wrong type or beyond what is possible counts as not measured.

Sensors of ENTITY-SENSOR-MIB are read by type: degrees Celsius, and dBm or watts of modules whose name says that they
receive or transmit. MikroTik's own tables come in thousandths of a dBm and tenths of a volt or degree.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from edge.monitor.snmp.counters import RawPort
from edge.monitor.snmp.figures import Optic, Reading
from edge.monitor.snmp.oids import MOST_PORTS, Oid, Value
from edge.monitor.snmp.walk import Row

Rows = Mapping[Oid, Row]
MOST_NAME = 32
_DBM, _CELSIUS, _PERCENT, _VOLT = (-60.0, 20.0), (-40.0, 150.0), (0.0, 100.0), (1.0, 100.0)
_SENSOR_WATT, _SENSOR_CELSIUS, _SENSOR_DBM, _SENSOR_WORKS = 6, 8, 14, 1  # RFC 3433; dBm: IANA's later registration
_GAUGE_CELSIUS, _GAUGE_DECIVOLT = 1, 3
_STATUS_UP, _STATUS_DOWN = 1, (2, 3, 5, 6, 7)  # RFC 2863: down, testing, dormant, notPresent, lowerLayerDown


class Decoder:
    """Reads one poll; `flaws` says what was put aside and never quotes the device."""

    def __init__(self) -> None:
        self.flaws: set[str] = set()

    def reading(self, scalars: Mapping[str, Value], tables: Mapping[str, Rows], optic: Optic | None) -> Reading:
        """Everything but the ports; `optic` is what a configured OID says of the optical module."""
        loads = [self.number("load", row.get("load"), *_PERCENT) for row in tables.get("processors", {}).values()]
        known = [load for load in loads if load is not None]
        uptime = self.count("uptime", scalars.get("uptime"), 2**32)
        optics = (*self._modules(tables.get("optics", {})), *self._sensed_optics(tables.get("sensors", {})))
        clients = [
            self.count("clients", row.get("clients"), 10_000) for row in tables.get("access_points", {}).values()
        ]
        return Reading(
            uptime_s=None if uptime is None else uptime / 100,
            cpu_percent=sum(known) / len(known) if known else None,
            temperature_c=max(self._temperatures(scalars, tables), default=None),
            voltage_v=max(self._voltages(scalars, tables), default=None),
            dhcp_leases=self.count("leases", scalars.get("leases"), 100_000),
            hotspot_users=len(tables["hotspot"]) if "hotspot" in tables else None,
            wifi_clients=sum(filter(None, clients)) if clients else None,
            optics=optics if optic is None else (optic, *optics),
        )

    def ports(self, tables: Mapping[str, Rows]) -> tuple[RawPort, ...]:
        """The interfaces, by the 64-bit table where there is one; one without a name, or named twice, is left out."""
        old = tables.get("old_ports", {})
        ports: dict[str, RawPort] = {}
        for index, row in list(tables.get("ports", {}).items())[:MOST_PORTS]:
            before = old.get(index, {})
            name = text(row.get("name")) or text(before.get("name"))
            if not name or name in ports:
                self.flaws.add("ports: one has no name, or another's")
                continue
            ports[name] = self._port(name, row, before)
        return tuple(ports.values())

    def _port(self, name: str, row: Row, old: Row) -> RawPort:
        wide = "received" in row
        speed = self.count("speed_mbit", row.get("speed_mbit"), 10**6)
        if speed is None and (bits := self.count("speed_bit", old.get("speed_bit"), 2**32 - 1)) is not None:
            speed = bits // 10**6
        errors = [self.count("errors", row.get(key), 2**32 - 1) for key in ("received_errors", "sent_errors")]
        most = 2 ** (64 if wide else 32) - 1
        status = self.count("status", row.get("status"), 7)
        return RawPort(
            name=name,
            up=True if status == _STATUS_UP else False if status in _STATUS_DOWN else None,
            speed_mbit=speed,
            received=self.count("received", row["received"] if wide else old.get("received32"), most),
            sent=self.count("sent", row.get("sent") if wide else old.get("sent32"), most),
            errors=None if errors == [None, None] else sum(filter(None, errors)),
            wide=wide,
        )

    def optic(self, value: Value, per_dbm: float) -> Optic | None:
        """The module whose receive power a configured OID gives, as a number or as text, `per_dbm` units to a dBm."""
        if isinstance(value, bytes):
            word = value[:MOST_NAME].decode("ascii", "replace").split()
            try:
                measured = float(word[0]) / per_dbm if word else None
            except ValueError:
                measured = None
        else:
            measured = None if value is None else value / per_dbm
        if measured is not None and _DBM[0] <= measured <= _DBM[1]:
            return Optic("", measured)
        if value is not None:
            self.flaws.add("optical_oid: no power in dBm")
        return None

    def _modules(self, rows: Rows) -> Iterator[Optic]:
        for row in rows.values():
            if not any(row.get(key) for key in ("temperature", "transmit", "receive")):
                continue  # a cage without a module says 0 to everything
            receive = self.number("receive", row.get("receive"), *_DBM, unit=0.001)
            transmit = self.number("transmit", row.get("transmit"), *_DBM, unit=0.001)
            warmth = self.number("temperature", row.get("temperature"), *_CELSIUS)
            yield Optic(text(row.get("name")), receive, transmit, warmth or None)

    def _temperatures(self, scalars: Mapping[str, Value], tables: Mapping[str, Rows]) -> Iterator[float]:
        raw = [(scalars.get(key), 0.1) for key in ("temperature", "cpu_temperature")]
        raw += [(row.get("value"), 1.0) for row in _gauges(tables, _GAUGE_CELSIUS)]
        warm = [self.number("temperature", value, *_CELSIUS, unit=unit) for value, unit in raw]
        warm += [self._sensed(row, *_CELSIUS) for row in _sensors(tables.get("sensors", {}), _SENSOR_CELSIUS)]
        yield from (value for value in warm if value)  # 0 is how devices without a sensor answer

    def _voltages(self, scalars: Mapping[str, Value], tables: Mapping[str, Rows]) -> Iterator[float]:
        raw = [scalars.get("voltage"), *(row.get("value") for row in _gauges(tables, _GAUGE_DECIVOLT))]
        volts = (self.number("voltage", value, *_VOLT, unit=0.1) for value in raw if value != 0)
        yield from (value for value in volts if value is not None)

    def _sensed_optics(self, rows: Rows) -> Iterator[Optic]:
        found: dict[str, dict[str, float]] = {}
        for kind in (_SENSOR_DBM, _SENSOR_WATT):
            for row in _sensors(rows, kind):
                label = text(row.get("name"))
                said = label.lower()
                way = "receive" if "rx" in said or "receive" in said else "transmit" if _sends(said) else ""
                power = self._power(row, kind) if way else None
                if power is not None:
                    module = label.split()[0]
                    found.setdefault(module, {}).setdefault(way, power)
        for module, powers in found.items():
            yield Optic(module, powers.get("receive"), powers.get("transmit"))

    def _power(self, row: Row, kind: int) -> float | None:
        if kind == _SENSOR_DBM:
            return self._sensed(row, *_DBM)
        watts = self._sensed(row, 0.0, 1.0)
        return 10 * math.log10(watts * 1000) if watts and watts > 1e-9 else None

    def _sensed(self, row: Row, low: float, high: float) -> float | None:
        """A sensor's value: value × 10^(3 × (scale - units)) / 10^precision (RFC 3433, section 3)."""
        scale, precision = self.number("scale", row.get("scale"), 1, 17), row.get("precision", 0)
        if scale is None or not isinstance(precision, int) or not -8 <= precision <= 9:
            return None
        return self.number("sensor", row.get("value"), low, high, unit=10.0 ** (3 * (scale - 9) - precision))

    def count(self, what: str, value: Value, most: int) -> int | None:
        """A whole number from 0 to `most`."""
        if isinstance(value, int) and 0 <= value <= most:
            return value
        if value is not None:
            self.flaws.add(f"{what}: no count")
        return None

    def number(self, what: str, value: Value, low: float, high: float, *, unit: float = 1.0) -> float | None:
        """A measure from `low` to `high`, given in `unit`."""
        if isinstance(value, int) and low <= value * unit <= high:
            return value * unit
        if value is not None:
            self.flaws.add(f"{what}: beyond what is possible")
        return None


def text(value: Value) -> str:
    """A device's name for something, printable and of at most 32 characters; empty where there is none."""
    said = value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
    return "".join(char for char in said if char.isprintable())[:MOST_NAME].strip()


def _gauges(tables: Mapping[str, Rows], unit: int) -> Iterator[Row]:
    return (row for row in tables.get("gauges", {}).values() if row.get("unit") == unit)


def _sensors(rows: Rows, kind: int) -> Iterator[Row]:
    works = (row for row in rows.values() if row.get("type") == kind)
    return (row for row in works if row.get("status") == _SENSOR_WORKS and row.get("value") is not None)


def _sends(said: str) -> bool:
    return "tx" in said or "transmit" in said
