"""Devices, addresses and gateways as a real kernel tells them."""

from __future__ import annotations

import pytest

from edge.kernel.host import Host
from tests.lab.namespaces import sh

pytestmark = pytest.mark.usefixtures("box")


def test_devices_are_told_as_they_are() -> None:
    """The plan leaves out what is down or gone and clamps to the MTU: wrong facts are wrong routes."""
    sh("ip link set tel0 down")
    found = Host().facts().links
    assert (found["tel0"].up, found["tel0"].mtu) == (False, 1492)
    assert (found["pde0"].up, found["pde0"].carrier, found["pde0"].mtu) == (True, True, 1500)
    assert "wg0" not in found


def test_addresses_are_told_by_device() -> None:
    """Whose address went away tells whose connections are lost."""
    sh("ip address add 10.35.10.3/24 dev pde0")
    found = Host().facts().addresses
    assert found["pde0"] == ("10.35.10.2", "10.35.10.3")
    assert found["tel0"] == ("100.64.7.2",)


def test_the_gateway_is_that_of_the_default_route_with_the_least_metric() -> None:
    """A DHCP client's route, not a backup of somebody else's nor a part of the internet, is the way out."""
    host = Host()
    assert host.facts().gateways == {}
    sh("ip route add default via 100.64.7.9 dev tel0 metric 900")
    sh("ip route add default via 100.64.7.1 dev tel0 metric 100")
    sh("ip route add 128.0.0.0/1 via 10.35.10.9 dev pde0")
    sh("ip route add default via 10.35.10.7 dev pde0 table 42")
    assert host.facts().gateways == {"tel0": "100.64.7.1"}


def test_a_gateway_is_remembered_until_another_comes_or_the_device_goes_down() -> None:
    """Between two leases a DHCP client has no route for a moment; that is no reason to cut anybody off."""
    host = Host()
    sh("ip route add default via 100.64.7.1 dev tel0")
    assert host.facts().gateways == {"tel0": "100.64.7.1"}
    sh("ip route del default dev tel0")
    assert host.facts().gateways == {"tel0": "100.64.7.1"}
    sh("ip route add default via 100.64.7.8 dev tel0")
    assert host.facts().gateways == {"tel0": "100.64.7.8"}
    sh("ip link set tel0 down")
    assert host.facts().gateways == {}
