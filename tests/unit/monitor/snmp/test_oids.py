"""What is asked of devices, as data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from edge import config
from edge.monitor.snmp.oids import MOST_ROWS, OLD_PORTS, PORTS, ROLES, oid

PERSONAL = (  # hotspot user names, addresses and MACs; wireless clients; the ARP table; DHCP leases
    "1.3.6.1.4.1.14988.1.1.5.1.1.3",
    "1.3.6.1.4.1.14988.1.1.5.1.1.4",
    "1.3.6.1.4.1.14988.1.1.5.1.1.5",
    "1.3.6.1.4.1.14988.1.1.5.1.1.6",
    "1.3.6.1.4.1.14988.1.1.1.2",
    "1.3.6.1.2.1.4.22",
    "1.3.6.1.2.1.17.4.3",
)


def test_every_configurable_role_is_known() -> None:
    """A role that the configuration allows would crash the part."""
    assert set(ROLES) == set(get_args(get_type_hints(config.Snmp)["role"]))


@pytest.mark.parametrize("role", ROLES)
def test_no_column_names_people_and_every_table_is_bounded(role: str) -> None:
    """Names of guests would cross the network; a table without a bound would take the memory."""
    tables = (PORTS, OLD_PORTS, *ROLES[role].tables)
    asked = [*ROLES[role].scalars.values(), *(each for table in tables for each in table.columns.values())]
    for personal in map(oid, PERSONAL):
        assert not [each for each in asked if each[: len(personal)] == personal]
    assert all(0 < table.rows <= MOST_ROWS for table in tables)


@pytest.mark.parametrize("role", ROLES)
def test_every_role_stands_in_the_documentation(role: str) -> None:
    """A technician would not know what a role reads."""
    page = (Path(__file__).parents[4] / "docs" / "devices.md").read_text()
    assert re.search(rf"^\| `{role}` \|", page, re.M)


def test_an_oid_is_numbers() -> None:
    """A configured OID would be asked for as something else."""
    assert oid("1.3.6.1.4.1.2011.0") == (1, 3, 6, 1, 4, 1, 2011, 0)
    with pytest.raises(ValueError, match="enterprises"):
        oid("enterprises.2011")
