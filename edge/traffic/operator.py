"""What an operator asks of the traffic room by command: plan, teardown, guard. Blocking; no daemon needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from edge.config import Config
from edge.kernel import nftables, sysctl
from edge.kernel.errors import HostError, PrivilegeMissing
from edge.kernel.host import Host
from edge.kernel.state import SCOPES, TABLE, Action, Facts, HostState, Ruleset, Scope, diff
from edge.traffic import firewall
from edge.traffic.plan import assigned_uplinks, desired
from edge.traffic.policy import Policy

_UNPRIVILEGED: tuple[Scope, ...] = ("routing", "shaping")


@dataclass(frozen=True, slots=True)
class Change:
    """One step the daemon would take, in words."""

    action: Action
    what: str
    why: str


class CommandFailed(Exception):
    """The command could not do its work; the message says why and what helps."""


def plan(config: Config) -> list[Change]:
    """What `run` would change on this host now and why; empty when nothing. Changes nothing, needs no privilege.

    The assignment is the one that the kernel's rules show, or the first choice of each class.
    """
    if config.mode == "beside":
        return []
    host = Host()
    facts = host.facts()
    observed, unread = _observe(host)
    assignment = Policy(config.classes, config.policy, adopted=assigned_uplinks(config, observed)).decide(
        {}, service_hours=True, now=0.0
    )
    # Whether the service is active, and which uplinks are down, only the daemon knows: either is as wanted.
    wanted = (
        desired(
            config,
            assignment,
            facts,
            service_active=active,
            down=down,
            scopes=_UNPRIVILEGED if unread else SCOPES,
        )
        for active in (False, True)
        for down in _perhaps_down(config)
    )
    changes = min((diff(state, observed) for state in wanted), key=len)
    return [Change(change.action, change.what, change.why) for change in changes] + unread


def _perhaps_down(config: Config) -> Iterator[tuple[str, ...]]:
    """The sets of uplinks that may be down as far as pinned prefixes go by tunnels then."""
    names = [uplink.name for uplink in config.uplink if uplink.pinned] if config.tunnel else []
    for count in range(len(names) + 1):
        yield from combinations(names, count)


def _observe(host: Host) -> tuple[HostState, list[Change]]:
    try:
        return host.observe(), []
    except PrivilegeMissing:
        why = "not known whether it is as wanted: reading nftables needs CAP_NET_ADMIN, so ask again as root"
        return host.observe(_UNPRIVILEGED), [Change("replace", f"nft table inet {TABLE}", why)]


def teardown(config: Config) -> int:
    """Take every trace of ours away and nothing else; returns how many things that were. CommandFailed if some stay.

    Forwarding ends before the table that guards it.
    """
    restored = sysctl.restore(Path(config.run_dir))
    try:
        made, refused = Host().apply(frozenset())
    except HostError as error:
        raise CommandFailed(f"{error}: run teardown as root") from error
    if refused:
        raise CommandFailed("these stay: " + "; ".join(str(no) for no in refused))
    return len(made) + restored


def guard(config: Config) -> None:
    """Deny the guests everything but DHCP and DNS, and only then let the kernel forward (root, before the network).

    Devices need not exist yet. A table that `run` has put there already denies at least as well as it should and is
    replaced too. Old settings are remembered in `run_dir`. In mode beside nothing is done. CommandFailed if refused.
    """
    if config.mode == "beside":
        return
    try:
        facts = Facts(counts=nftables.counts())
        text = firewall.ruleset(config, facts, guests_denied=True, shaped=False)
        nftables.load(Ruleset(firewall.digest(text), text))
    except (nftables.NftRefused, HostError) as error:
        raise CommandFailed(f"{error}: forwarding stays as it was; run guard as root") from error
    try:
        sysctl.put(_settings(config), Path(config.run_dir))
    except OSError as error:
        raise CommandFailed(f"{error}: run guard as root") from error


def _settings(config: Config) -> list[sysctl.Setting]:
    """Kernel settings of a router (kernel: networking/ip-sysctl, nf_conntrack-sysctl).

    `all` covers devices that come later; `default` gives them the loose filter. Forwarding comes last.
    """
    six = any(uplink.gateway6 for uplink in config.uplink)
    loose = ["all", "default", *(uplink.device for uplink in config.uplink)]
    settings = [sysctl.Setting(f"net/ipv4/conf/{name}/rp_filter", 2, keep="unless-strict") for name in loose]
    settings += [
        sysctl.Setting("net/ipv4/conf/all/ignore_routes_with_linkdown", 1),
        sysctl.Setting("net/netfilter/nf_conntrack_max", 65_536, keep="higher"),
        sysctl.Setting("net/netfilter/nf_conntrack_tcp_timeout_established", 7_200, keep="lower"),
        sysctl.Setting("net/ipv4/ip_forward", 1, required=True),
    ]
    if six:
        settings += [
            sysctl.Setting("net/ipv6/conf/all/ignore_routes_with_linkdown", 1),
            sysctl.Setting("net/ipv6/conf/all/forwarding", 1, required=True),
        ]
    return settings
