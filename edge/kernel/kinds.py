"""Which qdiscs the kernel has, asked without changing anything."""

from __future__ import annotations

import errno
import socket
import struct

from edge.kernel.errors import PrivilegeMissing, Unreadable

_RTM_NEWQDISC, _NLMSG_ERROR = 36, 2
_FLAGS = 0x1 | 0x4 | 0x400 | 0x200  # NLM_F_REQUEST, ACK, CREATE, EXCL
_LOOPBACK, _ROOT, _HANDLE = 1, 0xFFFFFFFF, 0x7FFF0000
_TCA_KIND, _TCA_OPTIONS = 1, 2
_TIMEOUT_S = 2.0


def knows(kind: str) -> bool:
    """Whether the kernel has qdisc `kind` (cake, fq_codel, htb, ...), loading its module if it must.

    The request is malformed on purpose: an unknown kind is refused as unknown (ENOENT) before its options are read, a
    known one for its options, of which attribute 2 is one byte where four or more must be (linux/pkt_sched.h).
    PrivilegeMissing without CAP_NET_ADMIN.
    """
    malformed = _attribute(_TCA_OPTIONS, _attribute(2, b"\0"))
    body = struct.pack("=BBHiIII", 0, 0, 0, _LOOPBACK, _HANDLE, _ROOT, 0)
    body += _attribute(_TCA_KIND, kind.encode() + b"\0") + malformed
    message = struct.pack("=IHHII", 16 + len(body), _RTM_NEWQDISC, _FLAGS, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(_TIMEOUT_S)
        kernel.send(message)
        answer = kernel.recv(4096)
    _, answered, _, _, _, code = struct.unpack_from("=IHHIIi", answer)
    if answered != _NLMSG_ERROR or code == 0:
        raise Unreadable(f"the kernel accepted a malformed {kind}")
    if -code in (errno.EPERM, errno.EACCES):
        raise PrivilegeMissing("netlink: Operation not permitted")
    return bool(-code != errno.ENOENT)


def _attribute(kind: int, value: bytes) -> bytes:
    """A netlink attribute, padded to four bytes."""
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)
