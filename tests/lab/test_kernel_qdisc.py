"""Shaping trees and redirects in a real kernel: what is ours is seen, what is others' is left."""

from __future__ import annotations

import pytest

from edge.kernel import qdisc
from edge.kernel.host import Host
from edge.kernel.netlink import IPRoute
from edge.kernel.state import HANDLE, IFB, Change, HostState, HtbClass, Ifb, Item, Qdisc, Redirect, diff, key, only
from edge.kernel.wire import Wire
from tests.lab.namespaces import sh

pytestmark = pytest.mark.usefixtures("box")
_TREE: HostState = frozenset(
    (
        Qdisc("pde0", "htb", HANDLE, default=0x13),
        HtbClass("pde0", HANDLE | 1, HANDLE, 125_000, 125_000, 0, 1514),
        HtbClass("pde0", HANDLE | 0x13, HANDLE | 1, 12_500, 125_000, 0, 1514),
        Qdisc("pde0", "pfifo", 0x6013 << 16, HANDLE | 0x13, limit=50),
        Ifb(IFB),
        Redirect("office0", IFB),
    )
)


def test_a_tree_is_read_back_as_it_was_written() -> None:
    """What is read back otherwise than it was written would be built again for ever."""
    host = Host()
    assert host.apply(_TREE, ("shaping",))[1] == []
    assert host.observe(("shaping",)) == _TREE
    assert "limit 50p" in sh("tc qdisc show dev pde0")
    host.apply(frozenset(), ("shaping",))
    assert host.observe(("shaping",)) == frozenset()


def test_a_class_is_asked_for_by_device_and_number() -> None:
    """A switch to a link whose shaper is gone would fill the provider's queue."""
    host = Host()
    host.apply(_TREE, ("shaping",))
    assert host.shaped([("pde0", HANDLE | 0x13), ("pde0", HANDLE | 1)])
    assert not host.shaped([("pde0", HANDLE | 0x13), ("pde0", HANDLE | 0x23)])
    assert not host.shaped([("tel0", HANDLE | 0x13)])
    assert host.shaped([("a device that is gone", HANDLE | 1)]), "nothing can be shaped there, so nothing is waited for"


def test_a_changed_limit_rate_or_kind_is_replaced() -> None:
    """A new contract in the configuration must reach the kernel without a restart."""
    host = Host()
    host.apply(_TREE, ("shaping",))
    changed: list[Item] = [
        Qdisc("pde0", "pfifo", 0x6013 << 16, HANDLE | 0x13, limit=9),
        HtbClass("pde0", HANDLE | 1, HANDLE, 250_000, 250_000, 0, 1514),
    ]
    wanted = frozenset({key(item): item for item in (*_TREE, *changed)}.values())
    assert len(diff(wanted, only(host.observe(), ("shaping",)))) == 2
    assert host.apply(wanted, ("shaping",))[1] == []
    assert host.observe(("shaping",)) == wanted


def test_others_filters_survive_our_redirect() -> None:
    """Taking the redirect away must not take a clsact qdisc that somebody else's filters use."""
    sh("tc qdisc add dev office0 clsact")
    sh("tc filter add dev office0 egress protocol all prio 5 u32 match u32 1 1 at 96 classid 1:1")
    before = sh("tc filter show dev office0 egress")
    host = Host()
    host.apply(_TREE, ("shaping",))
    assert "mirred" in sh("tc filter show dev office0 egress")
    host.apply(frozenset(), ("shaping",))
    assert sh("tc filter show dev office0 egress") == before


def test_a_foreign_root_is_named() -> None:
    """Somebody else's shaper is told by its kind, the kernel's own default is nobody's."""
    sh("tc qdisc add dev tel0 root handle 1: tbf rate 1mbit burst 10k latency 10ms")
    Host().apply(_TREE, ("shaping",))
    with Wire() as wire, IPRoute() as ip:
        names = {message["index"]: message.get_attr("IFLA_IFNAME") for message in ip.get_links()}
        assert qdisc.foreign_roots(ip, names) == {"tel0": "tbf"}
        assert not qdisc.has_class(wire, next(n for n, name in names.items() if name == "tel0"), HANDLE | 1)


def test_a_device_that_is_gone_is_an_error_of_its_own_change() -> None:
    """A cable pulled between look and change must not crash the daemon, and the rest must be done."""
    gone = HtbClass("gone0", HANDLE | 1, HANDLE, 1, 1, 0, 1514)
    _, refused = Host().apply(_TREE | {gone}, ("shaping",))
    assert [no.change for no in refused] == [Change("add", gone)]
    assert "gone0 is gone" in str(refused[0])
    assert "htb 4b45: root" in sh("tc qdisc show dev pde0")
