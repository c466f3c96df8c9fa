"""What the kernel tells without being asked: that links, rules, routes, qdiscs or our table changed (netlink(7)).

Reading the whole state costs milliseconds, listening costs nothing, so the state is read only after a notice, and now
and then in case one was lost. Notices say which part to look at, never what it is: only a reading tells that.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Self

from edge.kernel.state import SCOPES, TABLE, Scope
from edge.kernel.wire import messages

log = logging.getLogger("edge.kernel")

_ROUTE, _NETFILTER = 0, 12  # NETLINK_ROUTE, NETLINK_NETFILTER
_LINK, _TC, _ROUTE4, _RULE4, _ROUTE6, _RULE6 = 1, 4, 7, 8, 11, 19  # RTNLGRP_*
_NFTABLES = 7  # NFNLGRP_NFTABLES
_GROUPS = {_ROUTE: (_LINK, _TC, _ROUTE4, _RULE4, _ROUTE6, _RULE6), _NETFILTER: (_NFTABLES,)}
_RECEIVE_BYTES = 1 << 20
_BUFFER_BYTES = 1 << 16
_AT_ONCE = 64
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_OF_LINK: frozenset[Scope] = frozenset(("routing", "shaping", "table"))  # devices: also their MTU, for the clamping
_OF_ROUTING: frozenset[Scope] = frozenset(("routing",))
_OF_SHAPING: frozenset[Scope] = frozenset(("shaping",))
_OF_TABLE: frozenset[Scope] = frozenset(("table",))


class Notices:
    """Calls `changed(scopes)` on the loop after each burst of messages; enter it inside a running loop."""

    def __init__(self, changed: Callable[[frozenset[Scope]], None]) -> None:
        self._changed = changed
        self._ears: dict[int, _Ear] = {}

    def __enter__(self) -> Self:
        for protocol in _GROUPS:
            self._ears[protocol] = _Ear(protocol, self._changed)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for ear in self._ears.values():
            ear.close()
        self._ears.clear()

    def revive(self) -> None:
        """Open again what no longer listens; anything may have changed meanwhile. Costs two system calls."""
        dead = {protocol: ear for protocol, ear in self._ears.items() if not ear.listening()}
        for ear in dead.values():  # all of them before any is opened: a new one may be given a dead one's number
            ear.close()
        for protocol in dead:
            log.warning("a netlink socket has died and is opened again")
            self._ears[protocol] = _Ear(protocol, self._changed)
            self._changed(SCOPES)


class _Ear:
    """One listening socket, read by the loop."""

    def __init__(self, protocol: int, changed: Callable[[frozenset[Scope]], None]) -> None:
        self._changed = changed
        self._protocol = protocol
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
            self._socket.bind((0, 0))
            for group in _GROUPS[protocol]:
                # without CAP_NET_ADMIN nobody is told of nftables; then there is no table of ours to watch either
                with contextlib.suppress(PermissionError):
                    self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
            self._name: tuple[int, int] = self._socket.getsockname()
            asyncio.get_running_loop().add_reader(self._socket, self._read)
        except OSError:
            self._socket.close()
            raise

    def listening(self) -> bool:
        """Whether the socket is still the one that was opened: its number may have been closed, and given to another.

        The kernel says nothing of that: a closed descriptor is silently never ready again (epoll(7)).
        """
        try:
            return bool(self._socket.getsockname() == self._name)
        except OSError:
            return False

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket)
        if self.listening():
            self._socket.close()
        else:
            self._socket.detach()  # the number may be somebody else's by now

    def _read(self) -> None:
        scopes: frozenset[Scope] = frozenset()
        for _ in range(_AT_ONCE):
            try:
                data = self._socket.recv(_BUFFER_BYTES)
            except BlockingIOError:
                break
            except OSError as error:  # ENOBUFS: messages were lost, so anything may have changed
                if error.errno != errno.ENOBUFS:  # it would be ready, and fail, for ever: revive opens another
                    asyncio.get_running_loop().remove_reader(self._socket)
                    self._name = (-1, 0)
                scopes = SCOPES
                break
            scopes |= concerned(data, netfilter=self._protocol == _NETFILTER)
        if scopes:
            self._changed(scopes)


def concerned(data: bytes, *, netfilter: bool) -> frozenset[Scope]:
    """The parts of our state that a datagram of netlink messages may concern."""
    if netfilter:
        return _OF_TABLE if TABLE.encode() + b"\0" in data else frozenset()
    scopes: frozenset[Scope] = frozenset()
    for kind, *_ in messages(data):
        if 16 <= kind <= 19:  # RTM_NEWLINK ...
            scopes |= _OF_LINK
        elif 24 <= kind <= 26 or 32 <= kind <= 34:  # RTM_NEWROUTE ..., RTM_NEWRULE ...
            scopes |= _OF_ROUTING
        elif 36 <= kind <= 46:  # RTM_NEWQDISC, RTM_NEWTCLASS, RTM_NEWTFILTER ...
            scopes |= _OF_SHAPING
    return scopes
