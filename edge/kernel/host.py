"""The host's network state, read and changed with blocking calls; `edge.kernel.door` keeps them off the loop.

Not thread-safe: one thread opens it and uses it.
"""

from __future__ import annotations

import errno
import gc
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from edge.kernel import nftables, qdisc, routes
from edge.kernel.errors import PrivilegeMissing, Refused
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

_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_GONE = (errno.ENOENT, errno.ESRCH, errno.ENODEV)
_ROUNDS = 3  # a replaced root takes its whole tree with it, which the next round builds again


class Host:
    """This network namespace's links, rules, routes, qdiscs and our nftables table."""

    def __init__(self) -> None:
        self._ip = IPRoute()
        self._leaf: str | None = None
        self._counts: bool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the netlink socket back; the host's state stays."""
        self._ip.close()

    def facts(self) -> Facts:
        """Devices, the best leaf qdisc, whether IPv4 is forwarded, whether connections can be counted."""
        return Facts(routes.links(self._ip), self._best_leaf(), _forwards(), self._can_count())

    def observe(self, scopes: Iterable[Scope] = SCOPES) -> HostState:
        """What stands of ours in `scopes`. PrivilegeMissing or Unreadable when it cannot be told."""
        wanted = frozenset(scopes)
        names = self._names()
        found: list[Item] = []
        if "routing" in wanted:
            found += routes.observe(self._ip, names)
        if "table" in wanted and (table := nftables.observe()) is not None:
            found.append(table)
        if "shaping" in wanted:
            found += qdisc.observe(self._ip, names)
            gc.collect()  # a hundred decoded messages hold each other in cycles; left to pile up they cost 2 MB
        return frozenset(found)

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
        """Make the changes one by one; what hangs below another program's root qdisc is not even tried."""
        done: list[Change] = []
        refused: list[Refused] = []
        shaped = any(isinstance(change.item, Qdisc | HtbClass) for change in changes)
        names = self._names() if changes else {}
        index = {name: number for number, name in names.items()}
        foreign = qdisc.foreign_roots(self._ip, names) if shaped else {}
        for change in changes:
            item = change.item
            if isinstance(item, Qdisc | HtbClass) and item.device in foreign and change.action != "remove":
                if not item.parent:
                    reason = f"{item.device} already has a root qdisc of another program ({foreign[item.device]})"
                    refused.append(Refused(change, f"{reason}; remove it"))
                continue
            reason = self._try(change, index)
            if reason:
                refused.append(Refused(change, reason))
            else:
                done.append(change)
        return done, refused

    def _try(self, change: Change, index: dict[str, int]) -> str:
        """Make one change; the kernel's words if it refuses. What is gone already need not be removed."""
        try:
            self._one(change, index)
        except NetlinkError as error:
            if error.code in (errno.EPERM, errno.EACCES):
                raise PrivilegeMissing("netlink: Operation not permitted") from error
            return "" if change.action == "remove" and error.code in _GONE else str(error)
        except (OSError, nftables.NftRefused) as error:
            code = error.errno if isinstance(error, OSError) else None
            return "" if change.action == "remove" and code in _GONE else str(error)
        return ""

    def _one(self, change: Change, index: dict[str, int]) -> None:
        match scope(change.item):
            case "routing":
                routes.change(self._ip, change, index)
            case "shaping":
                qdisc.change(self._ip, change, index)
            case "table":
                if change.action == "remove":
                    nftables.remove()
                elif isinstance(change.item, Ruleset):
                    nftables.load(change.item)

    def _names(self) -> dict[int, str]:
        """Device indexes to names."""
        return {link.index: link.name for link in routes.links(self._ip).values()}

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


def _forwards() -> bool:
    try:
        return _FORWARD.read_text().strip() == "1"
    except OSError:
        return False
