"""Which connections are left behind: steps of what changed and what must be forgotten then."""

from __future__ import annotations

from edge import config
from edge.kernel.state import Facts, Route, Stale
from edge.marks import MASK, UPLINK_MASK
from edge.traffic.leftovers import Leftovers
from edge.traffic.plan import PINNED_TABLE
from edge.traffic.policy import Assignment, Choice
from tests.unit.traffic.village import settings

PREFIX = "10.51.0.0/16"
TUNNELLED = settings(tunnel=(config.Tunnel(name="dinas", device="wg0", pinned=(PREFIX,)),))
ON_PDE = Assignment(Choice("pde", "x"), Choice("telkom", "x"), Choice("pde", "x"))
ON_TELKOM = Assignment(Choice("telkom", "x"), Choice("telkom", "x"), Choice("telkom", "x"))
SERVICE_BY_PDE = Stale(0x110000, MASK)


def way(device: str) -> dict[str, list[Route]]:
    return {PREFIX: [Route(4, PINNED_TABLE, PREFIX, 11, "", device)] if device else []}


def seen(left: Leftovers, device: str, **addresses: tuple[str, ...]) -> None:
    left.seen(way(device), Facts(addresses=addresses))


def test_a_moved_class_is_forgotten_but_for_what_is_pinned_there() -> None:
    """The office's work with the government stays on PDE while its internet moves; the guests have no part in it."""
    left = Leftovers(TUNNELLED)
    seen(left, "pde0")
    left.moved("service", "pde")
    assert left.stale(ON_TELKOM) == [Stale(0x110000, MASK, sparing=(PREFIX,))]
    left.moved("wifi", "pde")
    assert Stale(0x120000, MASK) in left.stale(ON_TELKOM)
    left.done()
    assert not left
    assert left.stale(ON_TELKOM) == []


def test_a_moved_class_is_forgotten_wholly_where_nothing_is_pinned() -> None:
    """With the pinned network on the tunnel, nothing of the service is left on PDE."""
    left = Leftovers(TUNNELLED)
    seen(left, "wg0")
    left.moved("service", "pde")
    assert left.stale(ON_TELKOM) == [SERVICE_BY_PDE]


def test_a_class_that_came_back_keeps_its_connections() -> None:
    """A deletion that failed and is tried again later must not hit the connections that are right by then."""
    left = Leftovers(settings())
    left.moved("service", "pde")
    assert left.stale(ON_PDE) == []
    assert not left


def test_a_pinned_prefix_leaves_its_old_way_and_no_other() -> None:
    """Steps: by PDE, by the tunnel, back; with no way at all nothing is forgotten, for nothing is better."""
    left = Leftovers(TUNNELLED)
    steps = [
        ("pde0", []),
        ("wg0", [Stale(0x100000, UPLINK_MASK, within=(PREFIX,))]),
        ("pde0", [Stale(0x900000, UPLINK_MASK, within=(PREFIX,))]),
        ("", []),
        ("pde0", []),
        ("", []),
        ("wg0", [Stale(0x100000, UPLINK_MASK, within=(PREFIX,))]),
    ]
    for device, wanted in steps:
        seen(left, device)
        assert left.stale(ON_PDE) == wanted, device
        left.done()


def test_a_prefix_that_returned_before_it_was_forgotten_keeps_its_connections() -> None:
    """A flap between two tries must not end in a deletion of what is right."""
    left = Leftovers(TUNNELLED)
    for device in ("pde0", "wg0", "pde0"):
        seen(left, device)
    assert left.stale(ON_PDE) == [Stale(0x900000, UPLINK_MASK, within=(PREFIX,))]


def test_a_lost_address_is_forgotten_until_it_is_there_again() -> None:
    """Steps: one address, a second beside it, the first goes, it returns; other devices' addresses are not ours."""
    left = Leftovers(settings())
    steps: list[tuple[dict[str, tuple[str, ...]], list[Stale]]] = [
        ({"tel0": ("100.64.7.2",), "office0": ("192.168.10.1",)}, []),
        ({"tel0": ("100.64.7.2", "100.64.8.2")}, []),
        ({"tel0": ("100.64.8.2",)}, [Stale(0x200000, UPLINK_MASK, address="100.64.7.2")]),
        ({"tel0": ("100.64.8.2",)}, [Stale(0x200000, UPLINK_MASK, address="100.64.7.2")]),
        ({"tel0": ("100.64.7.2", "100.64.8.2")}, []),
        ({}, [Stale(0x200000, UPLINK_MASK, address=address) for address in ("100.64.7.2", "100.64.8.2")]),
    ]
    for addresses, wanted in steps:
        seen(left, "pde0", **addresses)
        assert left.stale(ON_PDE) == wanted, addresses
