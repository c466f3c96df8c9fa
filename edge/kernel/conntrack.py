"""Forget connections by their mark (linux/nfnetlink_conntrack.h): after a switch the moved ones, and nobody else's.

Without this an established connection keeps the address translation of the uplink it began on, and dies with it. The
kernel deletes by mark in one request (Linux 3.19); where only some of them are meant they are listed first.
"""

from __future__ import annotations

import errno
import ipaddress
import struct

from edge.kernel.errors import PrivilegeMissing
from edge.kernel.state import Stale
from edge.kernel.wire import NETFILTER, Wire, attribute, attributes, gone

_GET, _DELETE = 0x101, 0x102  # NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_*
_ORIGINAL, _REPLY, _MARK, _ID, _ZONE, _MASK = 1, 2, 8, 12, 18, 21  # CTA_*
_IP, _DESTINATION4 = 1, 2  # CTA_TUPLE_IP, CTA_IP_V4_DST
_AF_ANY = 0
_GENERIC = struct.Struct("=BBH")  # struct nfgenmsg: family, version, resource


class ConntrackFailed(Exception):
    """The connections could not be forgotten; they end by their own time-outs."""


def forget(*stale: Stale) -> None:
    """Delete the connections; finding none, and one that ended meanwhile, is no error.

    ConntrackFailed when the kernel does not, PrivilegeMissing without CAP_NET_ADMIN.
    """
    chosen = [_Choice(one) for one in stale if one.within or one.sparing or one.address]
    try:
        with Wire(NETFILTER) as wire:
            for one in stale:
                if not (one.within or one.sparing or one.address):
                    wire.request(_DELETE, _request(one.mark, one.mask))
            if chosen:
                for listed in _listed(wire, chosen):
                    _delete(wire, listed)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES):
            raise PrivilegeMissing("netlink: Operation not permitted") from error
        raise ConntrackFailed(f"connections stay on a way they have lost: {error.strerror}") from error


def _request(mark: int, mask: int) -> bytes:
    """Everything with the mark, of both IP versions."""
    body = _GENERIC.pack(_AF_ANY, 0, 0)
    return body + attribute(_MARK, struct.pack(">I", mark)) + attribute(_MASK, struct.pack(">I", mask))


class _Choice:
    """Whether one connection is among those that are meant; networks and addresses are IPv4."""

    def __init__(self, stale: Stale) -> None:
        self.mark, self.mask, self._address = stale.mark, stale.mask, stale.address
        self._within = [ipaddress.IPv4Network(text) for text in stale.within]
        self._sparing = [ipaddress.IPv4Network(text) for text in stale.sparing]

    def means(self, connection: dict[int, bytes]) -> bool:
        mark = int.from_bytes(connection.get(_MARK, b""), "big")
        if mark & self.mask != self.mark:
            return False
        to, back = (_destination(connection.get(kind, b"")) for kind in (_ORIGINAL, _REPLY))
        if self._within and not any(to in network for network in self._within):
            return False
        return self._address in ("", str(to), str(back)) and not any(to in network for network in self._sparing)


def _listed(wire: Wire, chosen: list[_Choice]) -> list[bytes]:
    """The messages of all that any of the choices means.

    The kernel walks its whole table for a list (some ten milliseconds on a box), so it is asked once, for what the
    choices' marks have in common. A full table is 65,536 connections: each is judged as it comes, and no other is kept.
    """
    mark, mask = chosen[0].mark, chosen[0].mask
    for choice in chosen[1:]:
        mask &= choice.mask & ~(mark ^ choice.mark)

    def meant(message: bytes) -> bool:
        connection = attributes(message, _GENERIC.size)
        return any(choice.means(connection) for choice in chosen)

    return wire.dump(_GET, _request(mark & mask, mask), meant)


def _destination(tuple_: bytes) -> ipaddress.IPv4Address:
    """Where a direction of the connection leads; 0.0.0.0 where it is not told in IPv4."""
    packed = attributes(attributes(tuple_).get(_IP, b"")).get(_DESTINATION4, b"")
    return ipaddress.IPv4Address(packed if len(packed) == 4 else 0)


def _delete(wire: Wire, listed: bytes) -> None:
    """Delete this one connection; its number keeps a later one with the same addresses."""
    connection = attributes(listed, _GENERIC.size)
    body = _GENERIC.pack(listed[0], 0, 0) + attribute(_ORIGINAL, connection[_ORIGINAL], nested=True)
    body += b"".join(attribute(kind, connection[kind]) for kind in (_ID, _ZONE) if kind in connection)
    try:
        wire.request(_DELETE, body)
    except OSError as error:
        if not gone(error):
            raise
