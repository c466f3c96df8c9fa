"""What a configuration names that this machine does not have; only warnings, since devices come and go."""

from __future__ import annotations

import importlib.util
import socket
import zoneinfo
from pathlib import Path

from edge.config_problem import Findings
from edge.config_shape import Table, classes, items, shown, tunnels, uplinks


def check_host(config: Table, findings: Findings) -> None:
    """Compare `config` with the network devices, files and time zones of this machine."""
    named = [(f"{path}.device", uplink.get("device")) for path, uplink in uplinks(config)]
    named += [(f"{path}.device", tunnel.get("device")) for path, tunnel in tunnels(config)]
    for _, path, table in classes(config):
        named += [(f"{path}.devices[{place}]", name) for place, name in enumerate(items(table, "devices"), 1)]
    for path, device in named:
        if device is not None and not _has_device(device):
            findings.warning(
                path,
                f"network device {shown(device)} does not exist here",
                "Plug it in, or correct the name (ip link).",
            )
    modem = (config.get("modem") or {}).get("device")
    named_by_path = modem if modem and modem.startswith("/") else None
    _check_file(named_by_path, "modem.device", "Plug the modem in; see ls /dev/serial/by-id/.", findings)
    upstream = config.get("upstream") or {}
    _check_file(upstream.get("ca_file"), "upstream.ca_file", "Copy the portal's certificate there.", findings)
    own = upstream.get("client_cert_file")
    _check_file(own, "upstream.client_cert_file", "Copy the certificate that the regency gave there.", findings)
    regency = (config.get("store") or {}).get("regency_key_file")
    _check_file(regency, "store.regency_key_file", "Copy the regency's public key there.", findings)
    _check_extra(upstream.get("sink"), findings)
    _check_timezone(config.get("village", {}).get("timezone"), findings)


def _check_extra(sink: str | None, findings: Findings) -> None:
    if sink == "nats" and importlib.util.find_spec("nats") is None:
        remedy = "Install it: pip install 'kampung-edge[nats]' into the program's environment."
        findings.error("upstream.sink", "needs nats-py, which is not installed here", remedy)


def _has_device(name: str) -> bool:
    try:
        return socket.if_nametoindex(name) > 0
    except OSError:
        return False


def _check_file(name: str | None, path: str, remedy: str, findings: Findings) -> None:
    if not name:
        return
    if not name.startswith("/"):
        findings.error(path, f"{shown(name)} is no absolute path", "Write it from / on.")
    elif "\0" in name or not Path(name).exists():
        findings.warning(path, f"{shown(name)} does not exist here", remedy)


def _check_timezone(name: str | None, findings: Findings) -> None:
    if name is None:
        return
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        remedy = "Write Asia/Jakarta, Asia/Makassar, Asia/Jayapura or another name of the tz database."
        findings.error("village.timezone", f"{shown(name)} is no time zone", remedy)
