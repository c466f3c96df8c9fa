"""Raw answers as figures, and answers that cannot be."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.monitor.snmp.decode import MOST_NAME, Decoder, Rows, text
from edge.monitor.snmp.figures import Optic, Reading
from edge.monitor.snmp.oids import OLD_PORTS, PORTS, ROLES, Value

VALUES: st.SearchStrategy[Value] = st.one_of(
    st.none(), st.integers(-(2**65), 2**65), st.integers(-5, 40), st.binary(max_size=40)
)


def _reading(tables: dict[str, Any], scalars: dict[str, Value] | None = None) -> tuple[Reading, set[str]]:
    decoder = Decoder()
    return decoder.reading(scalars or {}, tables, None), decoder.flaws


def test_a_device_that_says_nothing_has_no_figures_and_no_flaws() -> None:
    """A plain switch would look broken for not being a MikroTik."""
    assert _reading({}, {"uptime": None, "voltage": None}) == (Reading(), set())


@pytest.mark.parametrize(
    ("scalars", "figure", "wanted"),
    [
        ({"voltage": 241}, "voltage_v", 24.1),
        ({"voltage": 0}, "voltage_v", None),
        ({"voltage": -3}, "voltage_v", None),
        ({"temperature": 415, "cpu_temperature": 520}, "temperature_c", 52.0),
        ({"temperature": 0, "cpu_temperature": 415}, "temperature_c", 41.5),
        ({"temperature": 65_535}, "temperature_c", None),
        ({"uptime": 2**32 - 1}, "uptime_s", 42_949_672.95),
        ({"uptime": -1}, "uptime_s", None),
        ({"leases": 37}, "dhcp_leases", 37),
        ({"leases": b"37"}, "dhcp_leases", None),
    ],
)
def test_scalars(scalars: dict[str, Value], figure: str, wanted: float | None) -> None:
    """A unit would be a tenth of what it is, or a device without a sensor would freeze."""
    found = getattr(_reading({}, scalars)[0], figure)
    assert found == (None if wanted is None else pytest.approx(wanted))


def test_loads_are_averaged_and_absurd_ones_left_out() -> None:
    """One core's nonsense would be the device's load."""
    loads = {(1,): {"load": 10}, (2,): {"load": 30}, (3,): {"load": 900}, (4,): {"load": b"x"}}
    reading, flaws = _reading({"processors": loads})
    assert reading.cpu_percent == 20
    assert flaws == {"load: beyond what is possible"}


def test_gauges_of_newer_routeros_are_read_by_unit() -> None:
    """RouterOS 7 tells its health in a table: its temperature would be missing, or a fan's speed taken for it."""
    gauges = {(1,): {"value": 48, "unit": 1}, (2,): {"value": 4_200, "unit": 2}, (3,): {"value": 239, "unit": 3}}
    reading, flaws = _reading({"gauges": gauges})
    assert reading.temperature_c == 48
    assert reading.voltage_v == pytest.approx(23.9)
    assert flaws == set()


def test_an_empty_cage_is_no_module() -> None:
    """A router without a module would show 0 dBm, the best light there is."""
    cage = {"name": b"sfp1", "temperature": 0, "transmit": 0, "receive": 0}
    assert _reading({"optics": {(1,): cage}})[0].optics == ()


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (-2_350, Optic("", -23.5)),
        (b"-2350.0", Optic("", -23.5)),
        (b"-2350 x", Optic("", -23.5)),
        (b"no light", None),
        (b"", None),
        (b"nan", None),
        (b"inf", None),
        (10**9, None),
        (None, None),
    ],
)
def test_a_vendors_power(value: Value, wanted: Optic | None) -> None:
    """An ONT's text or number would be read as light that cannot be."""
    decoder = Decoder()
    assert decoder.optic(value, 100) == wanted
    assert bool(decoder.flaws) == (wanted is None and value is not None)


def test_a_name_is_printable_and_short() -> None:
    """A device could write control characters into the log, or a megabyte."""
    assert text(b"ether\x1b[31m1\x00\n") == "ether[31m1"
    assert text(b"\xff\xfe" + b"x" * 1_000).endswith("x")
    assert len(text(b"x" * 1_000)) == MOST_NAME
    assert text(7) == text(None) == ""


def test_ports_without_a_name_of_their_own_are_left_out() -> None:
    """Two ports of one name would make one series of two."""
    decoder = Decoder()
    rows: Rows = {(1,): {"name": b"lan1", "status": 1}, (2,): {"name": b"lan1", "status": 2}, (3,): {"status": 1}}
    (port,) = decoder.ports({"ports": rows})
    assert (port.name, port.up) == ("lan1", True)
    assert decoder.flaws == {"ports: one has no name, or another's"}


@pytest.mark.parametrize(("status", "up"), [(1, True), (2, False), (7, False), (4, None), (0, None), (99, None)])
def test_a_ports_state(status: int, up: bool | None) -> None:
    """A port of unknown state would be reported as cut."""
    (port,) = Decoder().ports({"ports": {(1,): {"name": b"lan1", "status": status}}})
    assert port.up is up


def _tables(data: st.DataObject) -> dict[str, Any]:
    known = {table.name: table for role in ROLES.values() for table in (*role.tables, PORTS, OLD_PORTS)}
    rows = st.dictionaries(st.integers(0, 4).map(lambda index: (index,)), st.none(), max_size=4)
    return {
        name: {
            index: data.draw(st.dictionaries(st.sampled_from(sorted(table.columns)), VALUES))
            for index in data.draw(rows)
        }
        for name, table in known.items()
    }


@given(st.data())
def test_any_answers_give_possible_figures(data: st.DataObject) -> None:
    """Some answer would crash the reading, or show a figure that cannot be."""
    decoder, tables = Decoder(), _tables(data)
    scalars = {name: data.draw(VALUES) for name in ROLES["mikrotik"].scalars}
    reading = decoder.reading(scalars, tables, decoder.optic(data.draw(VALUES), 10))
    ports = decoder.ports(tables)
    assert reading.cpu_percent is None or 0 <= reading.cpu_percent <= 100
    assert reading.temperature_c is None or -40 <= reading.temperature_c <= 150
    assert reading.uptime_s is None or reading.uptime_s >= 0
    for optic in reading.optics:
        for power in (optic.receive_dbm, optic.transmit_dbm):
            assert power is None or (math.isfinite(power) and -60 <= power <= 30)
        assert len(optic.name) <= MOST_NAME
    names = [port.name for port in ports]
    assert len(names) == len(set(names))
    assert all(count is None or count >= 0 for port in ports for count in (port.received, port.sent, port.errors))
