"""Pure: which connections to forget because their way has changed under them.

A connection keeps the address translation of the way on which it began, so it dies with that way and would hang until
its time-out. Three things leave such connections behind: a class has moved, a pinned prefix goes another way, an
uplink has lost an address. What could not be forgotten is tried again, unless its way is the right one once more.
"""

from __future__ import annotations

from edge.config import Config
from edge.kernel.state import Facts, Route, Stale
from edge.marks import MASK, UPLINK_MASK, class_mark, tunnel_number, uplink_mark
from edge.traffic.policy import Assignment


class Leftovers:
    """Collects what is to be forgotten; what is `done` is taken off."""

    def __init__(self, config: Config) -> None:
        self._devices = {uplink.name: uplink.device for uplink in config.uplink}
        self._marks = {uplink.device: uplink_mark(number) for number, uplink in enumerate(config.uplink, 1)}
        self._marks |= {tunnel.device: uplink_mark(tunnel_number(n)) for n, tunnel in enumerate(config.tunnel, 1)}
        self._classes: set[tuple[str, str]] = set()
        self._prefixes: set[tuple[str, str]] = set()
        self._lost: set[tuple[str, str]] = set()
        self._ways: dict[str, str] = {}
        self._addresses: dict[str, tuple[str, ...]] = {}

    def moved(self, name: str, uplink: str) -> None:
        """Class `name` has left `uplink`."""
        self._classes.add((name, self._devices[uplink]))

    def seen(self, ways: dict[str, list[Route]], facts: Facts) -> None:
        """Take the ways of the pinned prefixes, and the addresses, as they are from now on."""
        now = {prefix: routes[0].device for prefix, routes in ways.items() if routes}
        self._prefixes |= {(prefix, self._ways[prefix]) for prefix in now if prefix in self._ways}
        self._prefixes -= set(now.items())
        self._ways |= now  # a prefix without any way keeps what it had: nothing is gained by forgetting
        for device in self._devices.values():
            before, after = self._addresses.get(device, ()), facts.addresses.get(device, ())
            self._lost |= {(device, address) for address in before if address not in after}
            self._lost -= {(device, address) for address in after}
            self._addresses[device] = after

    def stale(self, assignment: Assignment) -> list[Stale]:
        """What is to be forgotten now."""
        used = {(name, self._devices[uplink]) for name, uplink, _ in assignment.rows() if uplink in self._devices}
        self._classes -= used
        return [
            *(self._of_class(name, device) for name, device in sorted(self._classes)),
            *(Stale(self._marks[device], UPLINK_MASK, within=(prefix,)) for prefix, device in sorted(self._prefixes)),
            *(Stale(self._marks[device], UPLINK_MASK, address=address) for device, address in sorted(self._lost)),
        ]

    def _of_class(self, name: str, device: str) -> Stale:
        """What a class left behind, but for the pinned prefixes, which stay on their own way."""
        sparing = tuple(sorted(prefix for prefix, way in self._ways.items() if way == device and name != "wifi"))
        return Stale(self._marks[device] | class_mark(name), MASK, sparing=sparing)

    def done(self) -> None:
        """All of it was forgotten."""
        for pending in (self._classes, self._prefixes, self._lost):
            pending.clear()

    def __bool__(self) -> bool:
        return any((self._classes, self._prefixes, self._lost))
