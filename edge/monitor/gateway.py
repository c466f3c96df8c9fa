"""The gateway of an uplink that gets it from its provider (DHCP, PPPoE): read from the kernel as it is now.

The gateway is that of the main table's default route on the device (proc_net_route(5)), or the other end of a
point-to-point device (netdevice(7), SIOCGIFDSTADDR).
"""

from __future__ import annotations

import fcntl
import socket
import struct
from pathlib import Path

AUTO = "auto"

_FILE = Path("/proc/thread-self/net/route")
_SIOCGIFFLAGS, _SIOCGIFDSTADDR = 0x8913, 0x8917
_IFF_POINTOPOINT = 0x10
_RTF_UP, _RTF_GATEWAY = 0x1, 0x2


def default_gateway(table: str, device: str) -> str | None:
    """The gateway of the best default route by `device` in the text of /proc/net/route."""
    best: tuple[int, str] | None = None
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8 or fields[0] != device or fields[1] != "00000000" or fields[7] != "00000000":
            continue
        flags, metric = int(fields[3], 16), int(fields[6])
        if flags & _RTF_UP and flags & _RTF_GATEWAY and (best is None or metric < best[0]):
            best = (metric, socket.inet_ntoa(struct.pack("=I", int(fields[2], 16))))
    return best[1] if best else None


class GatewayReader:
    """Reads gateways of the network namespace in which it was built."""

    def __init__(self, file: Path = _FILE) -> None:
        self._file = file
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def read(self, device: str) -> str | None:
        """The gateway now, None while there is none."""
        return default_gateway(self._file.read_text(), device) or self._peer(device)

    def _peer(self, device: str) -> str | None:
        try:
            (flags,) = struct.unpack_from("H", self._ask(_SIOCGIFFLAGS, device), 16)
            if not flags & _IFF_POINTOPOINT:
                return None
            return socket.inet_ntoa(self._ask(_SIOCGIFDSTADDR, device)[20:24])
        except OSError:
            return None  # the device is gone, or has no address yet

    def _ask(self, request: int, device: str) -> bytes:
        return fcntl.ioctl(self._socket, request, struct.pack("16s24s", device.encode(), b""))
