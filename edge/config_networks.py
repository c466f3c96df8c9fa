"""Pure: the addresses and networks of a configuration: whether they parse, lie apart, and keep guests from the box."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from edge.config_problem import Findings
from edge.config_shape import Table, classes, items, once, shown, tunnels, uplinks

Network = ipaddress.IPv4Network
Place = tuple[str, str, Network]


def check_networks(config: Table, findings: Findings) -> None:
    """Note every address that is none, and every two networks that may not overlap."""
    for path, uplink in uplinks(config):
        if uplink.get("gateway") != "auto":
            _address(uplink.get("gateway"), f"{path}.gateway", findings, ' or "auto"')
        if uplink.get("gateway6"):
            _address6(uplink["gateway6"], f"{path}.gateway6", findings)
        for number, text in enumerate(items(uplink, "resolvers"), 1):
            _address(text, f"{path}.resolvers[{number}]", findings)
    inside = list(_inside(config, findings))
    _check_inside(inside, findings)
    _check_gateways(config, inside, findings)
    _check_pinned(config, inside, findings)
    _check_listen(config, findings)


def _inside(config: Table, findings: Findings) -> Iterator[Place]:
    lists = [(name, f"{path}.networks", items(table, "networks")) for name, path, table in classes(config)]
    lists.append(("management", "policy.management", items(config.get("policy", {}), "management")))
    for name, path, texts in lists:
        yield from ((name, where, network) for where, network in _parsed(texts, path, findings))


def _parsed(texts: list[Any], path: str, findings: Findings) -> Iterator[tuple[str, Network]]:
    for number, text in enumerate(texts, 1):
        network = _network(text, f"{path}[{number}]", findings)
        if network is not None:
            yield f"{path}[{number}]", network


def _check_inside(inside: list[Place], findings: Findings) -> None:
    for number, (name, path, network) in enumerate(inside):
        for other_name, other_path, other in inside[:number]:
            if network.overlaps(other) and (name != "management" or other_name == "wifi"):
                _overlap(path, network, other_path, other, findings)


def _check_gateways(config: Table, inside: list[Place], findings: Findings) -> None:
    for path, uplink in uplinks(config):
        gateway = _parse(ipaddress.IPv4Address, uplink.get("gateway"))
        for name, other_path, other in inside:
            if gateway and name != "management" and gateway in other:
                message = f"{gateway} lies in {other_path}, {other}"
                findings.error(f"{path}.gateway", message, "Give the class other addresses.")


def _check_pinned(config: Table, inside: list[Place], findings: Findings) -> None:
    earlier: list[Place] = []
    taken = [place for place in inside if place[0] != "management"]
    for path, uplink in uplinks(config):
        for where, prefix in _parsed(items(uplink, "pinned"), f"{path}.pinned", findings):
            others = taken + [place for place in earlier if place[0] != path or place[2] == prefix]
            for _, other_path, other in others:
                if prefix.overlaps(other):
                    _overlap(where, prefix, other_path, other, findings)
            earlier.append((path, where, prefix))
    for path, tunnel in tunnels(config):  # what it carries may be an uplink's too: that is what it is there for
        own: list[Place] = []
        for where, prefix in _parsed(items(tunnel, "pinned"), f"{path}.pinned", findings):
            for _, other_path, other in taken + own:
                if prefix.overlaps(other) and (prefix == other or (path, other_path, other) not in own):
                    _overlap(where, prefix, other_path, other, findings)
            own.append((path, where, prefix))


def _overlap(path: str, network: Network, other_path: str, other: Network, findings: Findings) -> None:
    findings.error(path, f"{network} overlaps {other_path}, {other}", "Give each its own addresses.")


def _check_listen(config: Table, findings: Findings) -> None:
    wifi = config.get("classes", {}).get("wifi", {})
    guests = [network for text in items(wifi, "networks") if (network := _parse(ipaddress.IPv4Network, text))]
    entries = [(f"web.listen[{number}]", text) for number, text in enumerate(items(config.get("web", {}), "listen"), 1)]
    once([entry for entry in entries if entry[1]], "stands in the list twice", "Remove one.", findings)
    for path, text in entries:
        address = listen_address(text or "")
        if text is None:
            continue
        if address is None or not address[1]:
            findings.error(path, f"{shown(text)} is not ADDRESS:PORT", "Write such as 127.0.0.1:8480 or [::1]:8480.")
        elif address[0].is_unspecified:
            findings.error(path, f"{shown(text)} listens everywhere, also where guests are", _ONE_ADDRESS)
        elif any(address[0] in network for network in guests):
            findings.error(path, f"{shown(text)} lies in the guests' network", _ONE_ADDRESS)


_ONE_ADDRESS = "Write the box's own address in the office network, or 127.0.0.1."


def listen_address(text: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int] | None:
    """``ADDRESS:PORT`` as its two parts, IPv6 in brackets (RFC 3986, 3.2.2), port 0 to 65535; None where it is none."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        return None
    good = colon and port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 65_536
    return (address, int(port)) if good and bracketed == (address.version == 6) else None


def _address(text: str | None, path: str, findings: Findings, others: str = "") -> None:
    address = _parse(ipaddress.IPv4Address, text)
    remedy = f"Write such as 192.168.1.1{others}."
    if text is not None and address is None:
        findings.error(path, f"{shown(text)} is no IPv4 address", remedy)
    elif address is not None and (address.is_unspecified or address.is_loopback or address.is_multicast):
        findings.error(path, f"{shown(text)} is no host on a network", remedy)


def _address6(text: str, path: str, findings: Findings) -> None:
    if _parse(ipaddress.IPv6Address, text) is None:
        findings.error(path, f"{shown(text)} is no IPv6 address", "Write such as fe80::1.")


def _network(text: str | None, path: str, findings: Findings) -> Network | None:
    if text is None:
        return None
    network: Network | None = _parse(Network, text)
    if network is None:
        try:
            wider = ipaddress.IPv4Network(text, strict=False)
        except ValueError:
            findings.error(path, f"{shown(text)} is no IPv4 network", "Write such as 10.20.0.0/16.")
        else:
            findings.error(path, f"{shown(text)} is a host in a network", f"Write {wider}.")
    return network


def _parse(kind: Any, text: str | None) -> Any:
    try:
        return kind(text) if isinstance(text, str) else None
    except ValueError:
        return None
