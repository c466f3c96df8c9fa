"""The HTB trees: shares that add up, and ids that hang where they say."""

from __future__ import annotations

import pytest

from edge.kernel.state import HANDLE, IFB, Facts, HtbClass, Qdisc, Redirect
from edge.traffic.shaping import trees
from tests.unit.traffic.village import FACTS, LINKS, classes, settings

LEAVES = ["cake", "fq_codel", "hash", "pfifo"]


def by_id(device: str, leaf: str = "pfifo", **changed: object) -> dict[int, HtbClass]:
    items = trees(settings(**changed), Facts(LINKS, leaf))
    return {i.classid & 0xFFFF: i for i in items if isinstance(i, HtbClass) and i.device == device}


def test_rates_are_the_configured_shares_of_the_shaped_rate() -> None:
    """The shares are promises: 90% of 5 Mbit/s up on PDE, of it 70% for the service and 10% for the box."""
    pde = by_id("pde0")
    assert pde[0x1].rate == pde[0x1].ceil == 562_500
    assert (pde[0x11].rate, pde[0x11].ceil) == (393_750, 562_500)
    assert (pde[0x13].rate, pde[0x13].prio) == (56_250, 0)
    assert 0x12 not in pde, "guests have no class on an uplink they may not use"
    down = by_id(IFB)
    assert down[0x1].rate == 1_125_000
    assert down[0x2].rate == 2_250_000
    assert down[0x22].rate == 450_000


def test_a_cap_lowers_ceiling_and_guarantee() -> None:
    """Guests capped at 1 Mbit/s on PDE must never get more there, borrowed or guaranteed."""
    capped = by_id(IFB, classes=classes(uplinks=("telkom", "pde"), cap_mbit={"pde": 1.0}))
    assert capped[0x12].ceil == 125_000
    assert capped[0x12].rate <= 125_000
    assert capped[0x22].ceil == 2_250_000


@pytest.mark.parametrize("leaf", LEAVES)
@pytest.mark.parametrize("device", ["pde0", "tel0", IFB])
def test_trees_are_whole(device: str, leaf: str) -> None:
    """No class without its parent, no queue without its class, and no more promised below than above."""
    found = by_id(device, leaf)
    queues = {
        item.parent & 0xFFFF: item
        for item in trees(settings(), Facts(LINKS, leaf))
        if isinstance(item, Qdisc) and item.device == device and item.parent
    }
    children: dict[int, list[HtbClass]] = {}
    for item in found.values():
        if item.parent != HANDLE:
            assert item.parent & 0xFFFF in found
            children.setdefault(item.parent & 0xFFFF, []).append(item)
        assert 0 < item.rate <= item.ceil
    for parent, below in children.items():
        assert sum(child.rate for child in below) <= found[parent].rate
        assert all(child.ceil <= found[parent].ceil for child in below)
    assert queues.keys() == found.keys() - children.keys(), "queues hang below leaf classes and nowhere else"
    assert len({queue.handle for queue in queues.values()}) == len(queues)


def test_the_default_class_of_an_uplink_exists() -> None:
    """Unclassified packets to a class that is not there would pass unshaped."""
    roots = [item for item in trees(settings(), FACTS) if isinstance(item, Qdisc) and not item.parent]
    for root in roots:
        assert root.default == 0 or root.default in by_id(root.device)
    assert {root.device: root.default for root in roots} == {"pde0": 0x13, "tel0": 0x23, IFB: 0}


def test_absent_devices_are_left_out() -> None:
    """Nothing can be hung on a device that is not there; the rest must be."""
    items = list(trees(settings(), Facts({name: LINKS[name] for name in ("tel0", "wifi0")})))
    assert {item.device for item in items if isinstance(item, Qdisc | HtbClass)} == {"tel0", IFB}
    assert [item for item in items if isinstance(item, Redirect)] == [Redirect("wifi0", IFB)]


def test_fifos_are_short() -> None:
    """A long fifo is only delay; one of a packet or two never fills its class."""
    limits = {i.limit for i in trees(settings(), FACTS) if isinstance(i, Qdisc) and i.kind == "pfifo"}
    assert all(8 <= limit <= 100 for limit in limits)
