"""The host's network state, read and changed with blocking calls; `edge.kernel.door` keeps them off the loop.

Not thread-safe: one thread opens it and uses it.
"""

from __future__ import annotations

import errno
import gc
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from edge.kernel import links, nftables, qdisc, routes
from edge.kernel.errors import PrivilegeMissing, Refused, Unreadable
from edge.kernel.kinds import knows
from edge.kernel.netlink import IPRoute, NetlinkError
from edge.kernel.state import (
    HANDLE,
    SCOPES,
    Change,
    Facts,
    HostState,
    HtbClass,
    Item,
    Qdisc,
    Ruleset,
    Scope,
    diff,
    only,
    scope,
)
from edge.kernel.wire import Wire

_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_GONE = (errno.ENOENT, errno.ESRCH, errno.ENODEV)
_ROUNDS = 3  # a replaced root takes its whole tree with it, which the next round builds again


class Host:
    """This network namespace's links, rules, routes, qdiscs and our nftables table.

    Nothing is kept open between two calls. A default route that a DHCP client takes away while it renews its lease is
    remembered until another takes its place or the device goes.
    """

    def __init__(self) -> None:
        self._leaf: str | None = None
        self._counts: bool | None = None
        self._gateways: dict[str, str] = {}

    def facts(self) -> Facts:
        """What the plan must know of this host. Unreadable when it cannot be told."""
        try:
            with Wire() as wire:
                devices = links.links(wire)
                names = {link.index: link.name for link in devices.values()}
                addresses = links.addresses(wire, names)
            self._gateways = {
                device: gateway
                for device, gateway in (self._gateways | links.gateways(devices)).items()
                if device in devices and devices[device].up
            }
        except OSError as error:
            raise Unreadable(f"network devices: {error}") from error
        return Facts(
            devices, self._best_leaf(), _forwards(), self._can_count(), gateways=self._gateways, addresses=addresses
        )

    def observe(self, scopes: Iterable[Scope] = SCOPES) -> HostState:
        """What stands of ours in `scopes`. PrivilegeMissing or Unreadable when it cannot be told."""
        wanted = frozenset(scopes)
        found: list[Item] = []
        if "table" in wanted and (table := nftables.observe()) is not None:
            found.append(table)
        try:
            if "routing" in wanted:
                with Wire() as wire:
                    found += routes.observe(wire, _names(wire))
            if "shaping" in wanted:
                with Wire() as wire, IPRoute() as ip:
                    found += qdisc.observe(ip, _names(wire))
                gc.collect()  # a hundred decoded messages hold each other in cycles; left to pile up they cost 2 MB
        except (OSError, NetlinkError) as error:
            raise Unreadable(f"netlink: {error}") from error
        return frozenset(found)

    def shaped(self, wanted: Iterable[tuple[str, int]]) -> bool:
        """Whether there is an HTB class on every (device, class id); a device that is not there needs none."""
        try:
            with Wire() as wire:
                index = {name: number for number, name in _names(wire).items()}
                return all(qdisc.has_class(wire, index[device], id_) for device, id_ in wanted if device in index)
        except OSError as error:
            raise Unreadable(f"netlink: {error}") from error

    def apply(self, desired: HostState, scopes: Iterable[Scope] = SCOPES) -> tuple[list[Change], list[Refused]]:
        """Bring `scopes` to `desired`; returns the changes made and those the kernel refused.

        Afterwards the state is read back; what is still different is tried again, at most `_ROUNDS` times in all.
        PrivilegeMissing when not even one change is permitted.
        """
        wanted = frozenset(scopes)
        made: list[Change] = []
        for _ in range(_ROUNDS):
            done, refused = self._change(diff(only(desired, wanted), self.observe(wanted)))
            made += done
            if not done:
                break
        return made, refused

    def _change(self, changes: list[Change]) -> tuple[list[Change], list[Refused]]:
        """Make the changes one by one."""
        if not changes:
            return [], []
        try:
            with ExitStack() as stack:
                wire = stack.enter_context(Wire())
                shaping = any(scope(change.item) == "shaping" for change in changes)
                ip = stack.enter_context(IPRoute()) if shaping else None
                return _Work(wire, ip).make(changes)
        except OSError as error:
            raise Unreadable(f"netlink: {error}") from error

    def _best_leaf(self) -> str:
        """The best leaf qdisc there is: CAKE, then FQ-CoDel, then hashed HTB leaves, then a plain fifo.

        Without the privilege to ask, it is the one in use.
        """
        if self._leaf is None:
            try:
                kinds = [kind for kind in ("cake", "fq_codel") if knows(kind)]
                self._leaf = kinds[0] if kinds else "hash" if nftables.hashes() else "pfifo"
            except PrivilegeMissing:
                return self._leaf_in_use()
        return self._leaf

    def _can_count(self) -> bool:
        """Without the privilege to ask, the table cannot be read either, so the answer does not matter."""
        if self._counts is None:
            try:
                self._counts = nftables.counts()
            except PrivilegeMissing:
                return False
        return self._counts

    def _leaf_in_use(self) -> str:
        leaves = [item for item in self.observe(("shaping",)) if isinstance(item, Qdisc) and item.parent]
        kinds = {item.kind for item in leaves} - {"pfifo"}
        hashed = any((item.parent & ~HANDLE) > 0xFF for item in leaves)
        return next(iter(kinds), "hash" if hashed or not leaves else "pfifo")


class _Work:
    """Makes changes with the sockets at hand."""

    def __init__(self, wire: Wire, ip: IPRoute | None) -> None:
        self._wire = wire
        self._ip = ip
        names = _names(wire)
        self._index = {name: number for number, name in names.items()}
        self._foreign = qdisc.foreign_roots(ip, names) if ip is not None else {}

    def make(self, changes: list[Change]) -> tuple[list[Change], list[Refused]]:
        """What was done and what was refused; below another program's root qdisc nothing is even tried."""
        done: list[Change] = []
        refused: list[Refused] = []
        for change in changes:
            item = change.item
            if isinstance(item, Qdisc | HtbClass) and item.device in self._foreign and change.action != "remove":
                if not item.parent:
                    reason = f"{item.device} already has a root qdisc of another program ({self._foreign[item.device]})"
                    refused.append(Refused(change, f"{reason}; remove it"))
                continue
            reason = self._try(change)
            if reason:
                refused.append(Refused(change, reason))
            else:
                done.append(change)
        return done, refused

    def _try(self, change: Change) -> str:
        """Make one change; the kernel's words if it refuses. What is gone already need not be removed."""
        try:
            self._one(change)
        except (OSError, NetlinkError, nftables.NftRefused) as error:
            code = error.code if isinstance(error, NetlinkError) else getattr(error, "errno", None)
            if code in (errno.EPERM, errno.EACCES):
                raise PrivilegeMissing("netlink: Operation not permitted") from error
            if change.action == "remove" and code in _GONE:
                return ""
            return error.strerror or str(error) if isinstance(error, OSError) else str(error)
        return ""

    def _one(self, change: Change) -> None:
        match scope(change.item):
            case "routing":
                routes.change(self._wire, change, self._index)
            case "shaping" if self._ip is not None:
                qdisc.change(self._ip, change, self._index)
            case "table":
                if change.action == "remove":
                    nftables.remove()
                elif isinstance(change.item, Ruleset):
                    nftables.load(change.item)


def _names(wire: Wire) -> dict[int, str]:
    """Device indexes to names."""
    return {link.index: link.name for link in links.links(wire).values()}


def _forwards() -> bool:
    try:
        return _FORWARD.read_text().strip() == "1"
    except OSError:
        return False
