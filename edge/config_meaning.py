"""Pure: the mistakes in a configuration that no single key shows: unknown names, shares, roles, thresholds.

Works on the tables of `edge.config_shape`, in which a key that could not be read is missing; every check looks only at
what is there.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from edge.config_problem import Findings
from edge.config_shape import Table, classes, items, once, shown, tunnels, uplinks

_ABOVE = (
    ("monitor", "loss_recovered_percent", "loss_degraded_percent"),
    ("monitor", "rtt_recovered_ms", "rtt_degraded_ms"),
    ("upstream", "wait_s", "read_timeout_s"),
)
_NOT_ABOVE = (
    ("monitor", "burst_interval_ms", "interval_ms"),
    ("monitor", "outage_s", "window_s"),
    ("upstream", "retry_first_s", "retry_most_s"),
    ("policy", "failback_hold_s", "failback_most_s"),
    ("sms", "messages_per_hour", "messages_per_day"),
    ("sms", "sends_per_hour", "sends_per_day"),
)

_URL_REMEDY = {
    "https": "Write https://HOST or https://HOST:PORT.",
    "tls": "Write tls://HOST or tls://HOST:PORT.",
}


def check_meaning(config: Table, findings: Findings) -> None:
    """Note every contradiction between the keys of `config` that could be read."""
    _check_village(config.get("village", {}), findings)
    _check_uplinks(config, findings)
    _check_classes(config, findings)
    _check_roles(config, findings)
    _check_thresholds(config, findings)
    _check_heads(config, findings)
    _check_upstream(config.get("upstream") or {}, findings)
    for key in ("state_dir", "run_dir"):
        if not str(config.get(key, "/")).startswith("/"):
            findings.error(key, f"{shown(config[key])} is no absolute path", "Write it from / on.")


def _check_village(village: Table, findings: Findings) -> None:
    code, kind = village.get("code"), village.get("kind")
    if code and kind and code[6] != {"desa": "2", "kelurahan": "1"}[kind]:
        findings.warning(
            "village.code",
            f"{shown(code)} is not numbered as a {kind}",
            "The seventh digit is 2 for a desa and 1 for a kelurahan; correct code or kind.",
        )


def _check_uplinks(config: Table, findings: Findings) -> None:
    for key in ("name", "device"):
        named = [(f"{path}.{key}", uplink[key]) for path, uplink in uplinks(config) if key in uplink]
        named += [(f"{path}.{key}", tunnel[key]) for path, tunnel in tunnels(config) if key in tunnel]
        once(named, "names another uplink or tunnel already", "Give each its own.", findings)
    for path, uplink in uplinks(config):
        values = [(f"{path}.resolvers[{n}]", value) for n, value in enumerate(items(uplink, "resolvers"), 1) if value]
        once(values, "stands in the list twice", "Remove one.", findings)
        _check_targets(path, uplink, findings)


def _check_targets(path: str, uplink: Table, findings: Findings) -> None:
    targets = uplink.get("targets")
    if uplink.get("anchors"):
        return
    if targets == []:
        findings.error(f"{path}.targets", "is empty, so nothing tells whether this uplink works", _FOUR_TARGETS)
    elif targets is not None and len(targets) == 1:
        findings.warning(f"{path}.targets", "is a single one, whose own silence takes the uplink down", _FOUR_TARGETS)


_FOUR_TARGETS = "Write three or four addresses in different networks that answer ping."


def _check_classes(config: Table, findings: Findings) -> None:
    names = {uplink["name"] for _, uplink in uplinks(config) if "name" in uplink}
    complete = all("name" in uplink for _, uplink in uplinks(config))
    for name, path, table in classes(config):
        listed = items(table, "uplinks")
        used = [(f"{path}.uplinks[{place}]", uplink) for place, uplink in enumerate(listed, 1) if uplink]
        once(used, "stands in the list twice", "Remove one.", findings)
        for here, uplink in used:
            if names and complete and uplink not in names:
                findings.error(
                    here, f"{shown(uplink)} is no uplink of this file", f"Known: {', '.join(sorted(names))}."
                )
        _check_caps(config, name, table, findings)
        low, high = table.get("guaranteed_percent", 0), table.get("ceiling_percent", 100)
        if low > high:
            where = f"{path}.ceiling_percent"
            findings.error(where, f"{high:g} is below guaranteed_percent, {low:g}", "Raise the ceiling to it or above.")
    total = sum(table.get("guaranteed_percent", 0) for _, _, table in classes(config))
    if total > 100:
        findings.error(
            "classes", f"guaranteed_percent adds up to {total:g}, wanted at most 100", "Lower one class's guarantee."
        )


def _check_caps(config: Table, name: str, table: Table, findings: Findings) -> None:
    caps, listed = table.get("cap_mbit", {}), items(table, "uplinks")
    path = f"classes.{name}.cap_mbit"
    for uplink in caps:
        if uplink not in listed and None not in listed and "uplinks" in table:
            findings.error(
                f"{path}.{uplink}",
                "caps an uplink that the class does not use",
                f"Add it to {name}'s uplinks or remove it.",
            )
    for _, uplink in uplinks(config):
        known = uplink.get("name")
        if known in caps and caps[known] > uplink.get("download_mbit", caps[known]):
            message = f"{caps[known]:g} is more than the uplink carries, {uplink['download_mbit']:g}"
            findings.warning(f"{path}.{known}", message, "Lower it, or remove a cap that never holds.")
        government = known == "pde" or items(uplink, "pinned")
        if name == "wifi" and government and known in listed and known not in caps and "cap_mbit" in table:
            findings.error(
                path,
                f"has no {known}, the government network, which guests use only with a cap",
                f"Write {known} = Mbit/s.",
            )


def _check_roles(config: Table, findings: Findings) -> None:
    roles: dict[str, str] = {}
    for path, uplink in (*uplinks(config), *tunnels(config)):
        if "device" in uplink:
            roles.setdefault(uplink["device"], f"{path}.device")
    for name, path, table in classes(config):
        for place, device in enumerate(items(table, "devices"), 1):
            here = f"{path}.devices[{place}]"
            if device is None:
                continue
            if device in roles:
                findings.error(here, f"{shown(device)} is {roles[device]} already", "Give each device one role.")
            roles.setdefault(device, here)
        if name == "control" and (items(table, "devices") or items(table, "networks")):
            findings.error(path, "is the box's own traffic: it has no devices and no networks", "Remove them.")
        elif (
            bool(items(table, "devices")) != bool(items(table, "networks")) and {"devices", "networks"} <= table.keys()
        ):
            lacking = "networks" if items(table, "devices") else "devices"
            findings.error(
                f"{path}.{lacking}", "is empty, so nobody belongs to the class", "Write devices and networks."
            )


def _check_thresholds(config: Table, findings: Findings) -> None:
    for section, low, high in _ABOVE:
        table = config.get(section) or {}
        if low in table and high in table and table[low] >= table[high]:
            message = f"{table[low]:g} is not below {high}, {table[high]:g}"
            findings.error(f"{section}.{low}", message, f"Lower {low} or raise {high}.")
    for section, low, high in _NOT_ABOVE:
        table = config.get(section) or {}
        if low in table and high in table and table[low] > table[high]:
            message = f"{table[low]:g} is above {high}, {table[high]:g}"
            findings.error(f"{section}.{low}", message, f"Lower {low} or raise {high}.")


def _check_heads(config: Table, findings: Findings) -> None:
    seen: list[tuple[str, Any]] = []
    for number, head in enumerate(items(config.get("sms", {}), "heads"), 1):
        if "rt" in head and "rw" in head:
            seen.append((f"sms.heads[{number}]", f"RT {head['rt']} RW {head['rw']}"))
    once(seen, "has a head already", "Keep the one in office.", findings)


def _check_upstream(upstream: Table, findings: Findings) -> None:
    url = upstream.get("url")
    if url is None:
        return
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        findings.error("upstream.url", f"{shown(url)} is no address", _URL_REMEDY[_scheme(upstream)])
        return
    if parts.username is not None:
        findings.error("upstream.url", "holds a user or a password", "Give the credential portal-key instead.")
    elif not usable or parts.query or parts.fragment:
        findings.error("upstream.url", f"{shown(url)} is no plain address", _URL_REMEDY[_scheme(upstream)])
    elif parts.scheme != _scheme(upstream) and not _inside(upstream, parts.scheme, str(parts.hostname)):
        message = f"{shown(url)} is no address for sink {shown(upstream.get('sink'))}"
        findings.error("upstream.url", message, _URL_REMEDY[_scheme(upstream)])


def _scheme(upstream: Table) -> str:
    return "tls" if upstream.get("sink") == "nats" else "https"


def _inside(upstream: Table, scheme: str, host: str) -> bool:
    """Whether a broker is spoken to in plain text within this machine, where a tunnel of its own may end."""
    return upstream.get("sink") == "nats" and scheme == "nats" and host in ("127.0.0.1", "::1", "localhost")
