"""Which qdiscs the kernel has, asked without changing anything."""

from __future__ import annotations

import errno
import struct

from edge.kernel.errors import PrivilegeMissing, Unreadable
from edge.kernel.wire import CREATE, EXCLUSIVE, Wire, attribute

_NEWQDISC = 36
_LOOPBACK, _ROOT, _HANDLE = 1, 0xFFFFFFFF, 0x7FFF0000
_TCA_KIND, _TCA_OPTIONS = 1, 2


def knows(kind: str) -> bool:
    """Whether the kernel has qdisc `kind` (cake, fq_codel, htb, ...), loading its module if it must.

    The request is malformed on purpose: an unknown kind is refused as unknown (ENOENT) before its options are read, a
    known one for its options, of which attribute 2 is one byte where four or more must be (linux/pkt_sched.h).
    PrivilegeMissing without CAP_NET_ADMIN, Unreadable where the kernel did not refuse.
    """
    malformed = attribute(_TCA_OPTIONS, attribute(2, b"\0"))
    body = struct.pack("=BBHiIII", 0, 0, 0, _LOOPBACK, _HANDLE, _ROOT, 0)
    body += attribute(_TCA_KIND, kind.encode() + b"\0") + malformed
    try:
        with Wire() as wire:
            wire.request(_NEWQDISC, body, CREATE | EXCLUSIVE)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES):
            raise PrivilegeMissing("netlink: Operation not permitted") from error
        return error.errno != errno.ENOENT
    raise Unreadable(f"the kernel accepted a malformed {kind}")
