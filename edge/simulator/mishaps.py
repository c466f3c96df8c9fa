"""What befalls the box's ends of its lines: a pulled cable, an adapter that returns as another, a new address."""

from __future__ import annotations

from edge.simulator import netns
from edge.simulator.links import LINE, Line
from edge.simulator.village import BOX, BOX_ON_LINE, join, route_as_debian, route_inwards


def unplug(line: Line) -> None:
    """Pull the cable at the provider's end: the box's device stays and has no carrier."""
    netns.ip(line.gateway, f"link set {LINE} down")


def plug(line: Line) -> None:
    """Put the cable back, and what the kernel forgot of the provider's side with it."""
    netns.ip(line.gateway, f"link set {LINE} up")
    route_inwards(line)
    line.open()


def remove(line: Line) -> None:
    """Take the box's device away, as a USB adapter that is pulled."""
    netns.ip(BOX, f"link del {line.device}")


def replace(line: Line) -> None:
    """Put a device of the same name back after `remove`: with another ifindex, and the address it had."""
    join(line)
    line.open()


def renumber(line: Line, before: str, after: str) -> None:
    """Give the box another address on `line`, as a DHCP client does at a renewal: the old one goes first.

    With its last address the device loses every route in every table, whoever set it (kernel: fib_disable_ip).
    """
    netns.ip(BOX, f"address del {before}/24 dev {line.device}", f"address add {after}/24 dev {line.device}")
    route_as_debian(line)


def own_address(line: Line) -> str:
    """The address that the village gives the box on `line`."""
    return BOX_ON_LINE[line.name]
