"""What the kernel tells without being asked: that links, rules, routes, qdiscs or our table changed (netlink(7)).

Reading the whole state costs milliseconds, listening costs nothing, so the state is read only after a notice, and now
and then in case one was lost. Notices say which part to look at, never what it is: only a reading tells that.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from edge.kernel.state import SCOPES, TABLE, Scope

_ROUTE, _NETFILTER = 0, 12  # NETLINK_ROUTE, NETLINK_NETFILTER
_LINK, _TC, _ROUTE4, _RULE4, _ROUTE6, _RULE6 = 1, 4, 7, 8, 11, 19  # RTNLGRP_*
_NFTABLES = 7  # NFNLGRP_NFTABLES
_RECEIVE_BYTES = 1 << 20
_BUFFER_BYTES = 1 << 16
_AT_ONCE = 64
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_HEADER = struct.Struct("=IHHII")
_OF_LINK: frozenset[Scope] = frozenset(("routing", "shaping", "table"))  # devices: also their MTU, for the clamping
_OF_ROUTING: frozenset[Scope] = frozenset(("routing",))
_OF_SHAPING: frozenset[Scope] = frozenset(("shaping",))
_OF_TABLE: frozenset[Scope] = frozenset(("table",))


class Notices:
    """Calls `changed(scopes)` on the loop after each burst of messages; enter it inside a running loop."""

    def __init__(self, changed: Callable[[frozenset[Scope]], None]) -> None:
        self._changed = changed
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for protocol, groups in (
            (_ROUTE, (_LINK, _TC, _ROUTE4, _RULE4, _ROUTE6, _RULE6)),
            (_NETFILTER, (_NFTABLES,)),
        ):
            listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
            self._sockets.append(listener)
            listener.setblocking(False)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
            listener.bind((0, 0))
            for group in groups:
                # without CAP_NET_ADMIN nobody is told of nftables; then there is no table of ours to watch either
                with contextlib.suppress(PermissionError):
                    listener.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
            loop.add_reader(listener, self._read, listener, protocol)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        for listener in self._sockets:
            loop.remove_reader(listener)
            listener.close()
        self._sockets.clear()

    def _read(self, listener: socket.socket, protocol: int) -> None:
        scopes: frozenset[Scope] = frozenset()
        for _ in range(_AT_ONCE):
            try:
                data = listener.recv(_BUFFER_BYTES)
            except BlockingIOError:
                break
            except OSError:  # ENOBUFS: messages were lost, so anything may have changed
                scopes = SCOPES
                break
            scopes |= concerned(data, netfilter=protocol == _NETFILTER)
        if scopes:
            self._changed(scopes)


def concerned(data: bytes, *, netfilter: bool) -> frozenset[Scope]:
    """The parts of our state that a datagram of netlink messages may concern."""
    if netfilter:
        return _OF_TABLE if TABLE.encode() + b"\0" in data else frozenset()
    scopes: frozenset[Scope] = frozenset()
    for kind in _types(data):
        if 16 <= kind <= 19:  # RTM_NEWLINK ...
            scopes |= _OF_LINK
        elif 24 <= kind <= 26 or 32 <= kind <= 34:  # RTM_NEWROUTE ..., RTM_NEWRULE ...
            scopes |= _OF_ROUTING
        elif 36 <= kind <= 46:  # RTM_NEWQDISC, RTM_NEWTCLASS, RTM_NEWTFILTER ...
            scopes |= _OF_SHAPING
    return scopes


def _types(data: bytes) -> Iterator[int]:
    """The message types of a datagram; a malformed rest is left alone."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size:
            return
        yield kind
        offset += (length + 3) & ~3
