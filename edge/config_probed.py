"""Pure: whom the monitor asks: anchors, targets, a name, pages; each must be something that a probe can be sent to."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from edge.config_networks import listen_address
from edge.config_problem import Findings
from edge.config_shape import Table, items, once, shown, uplinks

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_REMEDY = "Write such as 9.9.9.9, 2620:fe::fe or tcp://9.9.9.9:443; no name."
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


def check_probed(config: Table, findings: Findings) -> None:
    """Note every host and page that no probe can be sent to."""
    monitor = config.get("monitor") or {}
    name = monitor.get("dns_name")
    if name and not _is_name(name):
        findings.error("monitor.dns_name", f"{shown(name)} is no domain name", "Write such as go.id.")
    names_host = _check_url(monitor, "check_url", findings)
    _check_url(monitor, "fetch_url", findings)
    for path, uplink in uplinks(config):
        hosts = [(f"{path}.{key}[{n}]", text) for key in ("anchors", "targets") for n, text in _numbered(uplink, key)]
        once(hosts, "stands in the list twice", "Remove one.", findings)
        for where, text in hosts:
            _check_host(text, where, bool(uplink.get("gateway6")), findings)
        if names_host and not items(uplink, "resolvers"):
            message = "is empty, so monitor.check_url cannot be looked up by this uplink"
            findings.warning(f"{path}.resolvers", message, "Write the provider's name servers.")


def _numbered(uplink: Table, key: str) -> list[tuple[int, str]]:
    return [(number, text) for number, text in enumerate(items(uplink, key), 1) if text is not None]


def _check_host(text: str, path: str, reaches6: bool, findings: Findings) -> None:
    address = host_address(text)
    if address is None:
        findings.error(path, f"{shown(text)} is no address and no tcp://ADDRESS:PORT", _REMEDY)
    elif address.is_unspecified or address.is_loopback or address.is_multicast:
        findings.error(path, f"{shown(text)} is no host on a network", _REMEDY)
    elif address.version == 6 and not reaches6:
        message = f"{shown(text)} is an IPv6 address, and the uplink has no gateway6"
        findings.error(path, message, "Write the provider's IPv6 router as gateway6, or remove it.")


def host_address(text: str) -> Address | None:
    """The address in ADDRESS, [ADDRESS6] or tcp://ADDRESS:PORT (1 to 65535); None where it is none of these."""
    if text.startswith("tcp://"):
        address = listen_address(text.removeprefix("tcp://"))
        return address[0] if address is not None and address[1] else None
    try:
        address6 = ipaddress.IPv6Address(text[1:-1]) if text.startswith("[") and text.endswith("]") else None
        return None if "%" in text else address6 or ipaddress.ip_address(text)
    except ValueError:
        return None


def _check_url(monitor: Table, key: str, findings: Findings) -> bool:
    """Note what is wrong with a URL; True where its host is a name that must be looked up."""
    url, path = monitor.get(key), f"monitor.{key}"
    if not url:
        return False
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or port == 0 or not url.isascii():
        findings.error(path, f"{shown(url)} is no address", "Write http://HOST/PATH or https://HOST/PATH.")
        return False
    if "@" in parts.netloc:
        findings.error(path, "holds a user or a password", "Remove it: the page must be open to all.")
        return False
    if _is_address(host):
        return False
    if not _is_name(host):
        findings.error(path, f"{shown(host)} is no domain name", "Write http://HOST/PATH or https://HOST/PATH.")
    return True


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_name(text: str) -> bool:
    return len(text) <= 253 and all(_LABEL.fullmatch(label) for label in text.split("."))
