"""Netlink by hand (netlink(7), RFC 3549): a few requests on a socket of their own, and attributes packed and unpacked.

A socket is opened for the requests at hand and closed after them, which costs 20 microseconds. So none can grow old,
lose messages or be closed under our feet, and a request takes what the kernel takes, not half a millisecond.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

ROUTE, NETFILTER = 0, 12  # NETLINK_ROUTE, NETLINK_NETFILTER
CREATE, EXCLUSIVE, REPLACE = 0x400, 0x200, 0x100  # NLM_F_*
_REQUEST, _ACK, _INTERRUPTED, _DUMP = 0x1, 0x4, 0x10, 0x300
_ERROR, _DONE = 2, 3  # NLMSG_*
_CAPPED, _ACK_TLVS = 0x100, 0x200  # NLM_F_CAPPED, NLM_F_ACK_TLVS
_SOL_NETLINK, _CAP_ACK, _EXT_ACK = 270, 10, 11
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_CODE = struct.Struct("=i")
_NESTED, _KIND = 0x8000, 0x3FFF
_BUFFER_BYTES = 1 << 17
_TIMEOUT_S = 2.0
_TRIES = 5


class Wire:
    """One netlink socket of `protocol` in this thread's network namespace; a context. OSError where it cannot be had.

    Every request raises OSError with the kernel's errno and, where it gives one, its own words.
    """

    def __init__(self, protocol: int = ROUTE) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.settimeout(_TIMEOUT_S)
        for option in (_CAP_ACK, _EXT_ACK):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)
        self._serial = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def request(self, kind: int, body: bytes, flags: int = 0) -> None:
        """Have one thing done and wait for the kernel's acknowledgement."""
        self._send(kind, body, _REQUEST | _ACK | flags)
        for _ in self._answers():
            pass

    def dump(self, kind: int, body: bytes, meant: Callable[[bytes], bool] = lambda _: True) -> list[bytes]:
        """Everything of a kind that is `meant`, each without its header; asked again when it changed meanwhile."""
        for _ in range(_TRIES):
            self._send(kind, body, _REQUEST | _DUMP)
            found, interrupted = [], False
            for flags, answer in self._answers():
                interrupted = interrupted or bool(flags & _INTERRUPTED)
                if meant(answer):
                    found.append(answer)
            if not interrupted:
                break
        return found

    def _send(self, kind: int, body: bytes, flags: int) -> None:
        self._serial += 1
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, self._serial, 0) + body)

    def _answers(self) -> Iterator[tuple[int, bytes]]:
        """Flags and body of each message until the last; what belongs to an earlier request is passed over."""
        while True:
            data = self._socket.recv(_BUFFER_BYTES)
            for kind, flags, serial, body in messages(data):
                if serial != self._serial:
                    continue
                if kind in (_ERROR, _DONE):
                    _judge(flags, body)
                    return
                yield flags, body


def messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Type, flags, serial and body of every message in a datagram; a malformed rest is left alone."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, flags, serial, _ = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size or offset + length > len(data):
            return
        yield kind, flags, serial, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def _judge(flags: int, body: bytes) -> None:
    """OSError when an acknowledgement or the end of a dump carries an error (linux/netlink.h, nlmsgerr)."""
    code = -_CODE.unpack_from(body)[0] if len(body) >= _CODE.size else 0
    if code <= 0:
        return
    words = b""
    if flags & _ACK_TLVS and flags & _CAPPED:
        words = attributes(body, _CODE.size + _HEADER.size).get(1, b"").rstrip(b"\0")
    raise OSError(code, f"{os.strerror(code)}: {words.decode(errors='replace')}" if words else os.strerror(code))


def attribute(kind: int, payload: bytes, *, nested: bool = False) -> bytes:
    """One attribute, padded to four bytes."""
    head = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(payload), kind | (_NESTED if nested else 0))
    return head + payload + b"\0" * (-len(payload) % 4)


def attributes(data: bytes, offset: int = 0) -> dict[int, bytes]:
    """The attributes from `offset` on, by kind without its flags; a malformed rest is left alone."""
    found: dict[int, bytes] = {}
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size or offset + length > len(data):
            break
        found[kind & _KIND] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    return found


def u32(value: int) -> bytes:
    """A number in the machine's own order, as rtnetlink has it."""
    return struct.pack("=I", value)


def number(data: bytes | None) -> int:
    """A number of an attribute in the machine's own order; 0 where it is absent or has another length."""
    return int(struct.unpack("=I", data)[0]) if data is not None and len(data) == 4 else 0


def text(data: bytes | None) -> str:
    """A name of an attribute; "" where it is absent."""
    return (data or b"").rstrip(b"\0").decode(errors="replace")


def gone(error: OSError) -> bool:
    """Whether the kernel says that what should be removed is not there."""
    return error.errno in (errno.ENOENT, errno.ESRCH, errno.ENODEV)
