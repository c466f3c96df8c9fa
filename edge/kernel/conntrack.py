"""Forget connections by their mark (linux/nfnetlink_conntrack.h): after a switch the moved ones, and nobody else's.

Without this an established connection keeps the address translation of the uplink it began on, and dies with it. The
kernel deletes by mark in one request (Linux 3.19); where only some of them are meant they are listed first.
"""

from __future__ import annotations

import errno
import ipaddress
import struct
from collections.abc import Iterator

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


def forget(stale: Stale) -> None:
    """Delete the connections; finding none, and one that ended meanwhile, is no error.

    ConntrackFailed when the kernel does not, PrivilegeMissing without CAP_NET_ADMIN.
    """
    try:
        with Wire(NETFILTER) as wire:
            if stale.within or stale.sparing or stale.address:
                for family, connection in list(_some(wire, stale)):
                    _delete(wire, family, connection)
            else:
                wire.request(_DELETE, _request(stale))
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES):
            raise PrivilegeMissing("netlink: Operation not permitted") from error
        raise ConntrackFailed(f"connections with mark {stale.mark:#x} stay: {error.strerror}") from error


def _request(stale: Stale) -> bytes:
    """Everything with the mark, of both IP versions."""
    body = _GENERIC.pack(_AF_ANY, 0, 0)
    return body + attribute(_MARK, struct.pack(">I", stale.mark)) + attribute(_MASK, struct.pack(">I", stale.mask))


def _some(wire: Wire, stale: Stale) -> Iterator[tuple[int, dict[int, bytes]]]:
    """Address family and attributes of those that are meant; networks and addresses are IPv4."""
    within, sparing = ([ipaddress.IPv4Network(text) for text in texts] for texts in (stale.within, stale.sparing))
    for message in wire.dump(_GET, _request(stale)):
        connection = attributes(message, _GENERIC.size)
        to, back = (_destination(connection.get(kind, b"")) for kind in (_ORIGINAL, _REPLY))
        inside = not within or any(to in network for network in within)
        own = stale.address in ("", str(to), str(back))
        if inside and own and not any(to in network for network in sparing):
            yield message[0], connection


def _destination(tuple_: bytes) -> ipaddress.IPv4Address:
    """Where a direction of the connection leads; 0.0.0.0 where it is not told in IPv4."""
    packed = attributes(attributes(tuple_).get(_IP, b"")).get(_DESTINATION4, b"")
    return ipaddress.IPv4Address(packed if len(packed) == 4 else 0)


def _delete(wire: Wire, family: int, connection: dict[int, bytes]) -> None:
    """Delete this one connection; its number keeps a later one with the same addresses."""
    body = _GENERIC.pack(family, 0, 0) + attribute(_ORIGINAL, connection[_ORIGINAL], nested=True)
    body += b"".join(attribute(kind, connection[kind]) for kind in (_ID, _ZONE) if kind in connection)
    try:
        wire.request(_DELETE, body)
    except OSError as error:
        if not gone(error):
            raise
