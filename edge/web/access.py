"""Who may speak to the local web server: by the address the connection comes from and by the Host it asks for.

Public WiFi never reaches these addresses (the kernel's tables see to it); this is the second wall.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from edge.config_networks import listen_address

_HOST = re.compile(r"(?:\[(?P<address>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9._-]{1,253}))(?::[0-9]{0,5})?")
Address = IPv4Address | IPv6Address

# Names that no one outside can register, so no foreign page can be made to resolve to this box under them:
# RFC 6761 (localhost), RFC 6762 (local), RFC 8375 (home.arpa), and internal, which ICANN keeps for private use.
_PRIVATE_SUFFIXES = (".localhost", ".local", ".home.arpa", ".internal", ".lan")


def parse_listen(text: str) -> tuple[str, int]:
    """``127.0.0.1:8480`` or ``[::1]:8480`` as address and port (0 takes a free one); ValueError for anything else."""
    found = listen_address(text)
    if found is None:
        raise ValueError(f"web.listen: {text!r} is not ADDRESS:PORT, such as 192.168.10.1:8480 or [::1]:8480")
    return str(found[0]), found[1]


class Access:
    """The networks that may speak to the server; loopback always may.

    `allow` holds networks in CIDR form (a single address is a network too); ValueError names one that is not.
    """

    def __init__(self, allow: tuple[str, ...]) -> None:
        self._networks = tuple(ip_network(text, strict=False) for text in allow)

    def admits(self, peer: str) -> bool:
        """Whether a connection from the address `peer` may be served."""
        try:
            address = _plain(ip_address(peer.partition("%")[0]))
        except ValueError:
            return False
        return address.is_loopback or any(address in network for network in self._networks)


def host_is_ours(header: str) -> bool:
    """Whether a Host header (RFC 9110, 7.2) may name this box: an address, a single label, or a name of a private zone.

    A page of a stranger that points its own public name at this box (DNS rebinding) fails here.
    """
    form = _HOST.fullmatch(header)
    if form is None:
        return False
    try:
        ip_address(form["address"] or form["name"])
    except ValueError:
        name = (form["name"] or "").lower().removesuffix(".")
        return bool(name) and ("." not in name or name.endswith(_PRIVATE_SUFFIXES))
    return True


def _plain(address: Address) -> Address:
    """An IPv4 address that came through an IPv6 socket, as IPv4."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
