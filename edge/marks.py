"""Packet marks: one nibble says the traffic class, one the uplink a socket insists on. All other bits belong to others.

The monitor sets a probe's mark, the kernel room builds rules that match it; both read it here.
"""

from __future__ import annotations

CLASS_MASK = 0x000F0000
UPLINK_MASK = 0x00F00000
MASK = CLASS_MASK | UPLINK_MASK
CLASSES = ("service", "wifi", "control")
TUNNELS = 8  # the number of an uplink is 1 to 8, that of a tunnel follows
_ARRIVED = 0x000F0000


def class_mark(name: str) -> int:
    """The mark of a traffic class: 1, 2 or 3 in the class nibble. ValueError for another name."""
    return (CLASSES.index(name) + 1) << 16


def uplink_mark(number: int) -> int:
    """The mark of the uplink at place `number` in the configuration, or of a tunnel: 1 to 15."""
    if not 1 <= number <= 15:
        raise ValueError(f"uplink number {number} is not in 1..15")
    return number << 20


def probe_mark(number: int) -> int:
    """The mark of the box's own traffic that must leave by uplink `number` (SO_MARK of a probe's socket)."""
    return class_mark("control") | uplink_mark(number)


def tunnel_number(place: int) -> int:
    """The number of the tunnel at `place` (1-based) among the uplinks' numbers."""
    return TUNNELS + place


def arrived_mark(number: int) -> int:
    """The connection mark of what others began by uplink `number`: no class is moved with it, answers go back by it."""
    return _ARRIVED | uplink_mark(number)
