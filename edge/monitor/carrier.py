"""Is the device there, and does it have a carrier: asked of the kernel by ioctl, with netlink to say when to ask.

Link news by netlink comes within a millisecond, but the kernel holds back a second change within one second
(Documentation/networking/operstates.rst), so the state is read as well. ETHTOOL_GLINK is used, not /sys: it answers
for the network namespace of its socket, and a /sys that was mounted elsewhere does not.
"""

from __future__ import annotations

import array
import asyncio
import errno
import fcntl
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

LinkState = Literal["carrier", "no-carrier", "absent"]

_SIOCGIFFLAGS, _SIOCGIFINDEX, _SIOCETHTOOL = 0x8913, 0x8933, 0x8946
_ETHTOOL_GLINK = 0x0000000A
_IFF_UP, _IFF_RUNNING = 0x1, 0x40
_RTMGRP_LINK = 1
_MOST_PER_WAKE = 64


@dataclass(frozen=True, slots=True)
class Link:
    """A device's state; `index` is its ifindex (0 when absent): another one means another device of that name."""

    state: LinkState
    index: int


class LinkReader:
    """Reads devices of the network namespace in which it was built."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def read(self, device: str) -> Link:
        """The state now. A device that is administratively down has no carrier."""
        try:
            (index,) = struct.unpack_from("i", self._ask(_SIOCGIFINDEX, device), 16)
            (flags,) = struct.unpack_from("H", self._ask(_SIOCGIFFLAGS, device), 16)
            lit = bool(flags & _IFF_UP) and self._detects_link(device, flags)
        except OSError as error:
            if error.errno in (errno.ENODEV, errno.ENXIO):
                return Link("absent", 0)
            raise
        return Link("carrier" if lit else "no-carrier", index)

    def _ask(self, request: int, device: str, argument: bytes = b"") -> bytes:
        return fcntl.ioctl(self._socket, request, struct.pack("16s24s", device.encode(), argument))

    def _detects_link(self, device: str, flags: int) -> bool:
        value = array.array("I", (_ETHTOOL_GLINK, 0))
        try:
            self._ask(_SIOCETHTOOL, device, struct.pack("P", value.buffer_info()[0]))
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:
                return bool(flags & _IFF_RUNNING)
            raise
        return value[1] != 0


class LinkNews:
    """Calls `changed` when the kernel says that some link changed (rtnetlink(7), RTMGRP_LINK)."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Listen on the running loop."""
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        sock.bind((0, _RTMGRP_LINK))
        self._socket = sock
        asyncio.get_running_loop().add_reader(sock, self._readable, sock)

    def close(self) -> None:
        """Stop listening."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def check(self) -> None:
        """Listen anew when the socket has died meanwhile, so that no news are missed for good."""
        try:
            alive = self._socket is not None and self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN)
        except OSError:
            alive = 0
        if self._socket is not None and alive != socket.AF_NETLINK:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.detach()  # its number may be another socket's by now
            self.open()
            self._changed()

    def _readable(self, sock: socket.socket) -> None:
        for _ in range(_MOST_PER_WAKE):
            try:
                sock.recv(8_192)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                # more news than the buffer holds: what changed is read anyway
        self._changed()
