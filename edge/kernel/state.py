"""Pure: value types of the host's network state, and their difference.

A state is a set of items. Every item has a key (what it is) and values (how it is set); the difference of two states
adds, replaces and removes items, in an order in which the kernel accepts them and no packet meets a gap: routes before
the rules that look them up, new rules before old ones go, classes under their parents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

PROTOCOL = 75  # rtm_protocol / FRA_PROTOCOL of everything ours; free in iproute2's rt_protos
RULES = range(20000, 21000)  # the rule priorities we may use
TABLES = range(20100, 20200)  # the routing tables we may use
TOO_SHORT = 7  # bits of prefixes no network of ours has: a default route, and the halves that stand in for one
HANDLE = 0x4B45 << 16  # "KE": major number of our HTB qdiscs
FILTER_PRIORITY = 20100  # of the redirect into the ifb
IFB = "keifb0"
TABLE = "kampung_edge"  # our nftables table, family inet

Family = Literal[4, 6]
Scope = Literal["routing", "table", "shaping"]
SCOPES: frozenset[Scope] = frozenset(("routing", "table", "shaping"))


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy rule (ip-rule(8)); `table` 0 means unreachable, `connected_only` skips routes up to `TOO_SHORT`."""

    family: Family
    priority: int
    table: int
    mark: int = 0
    mask: int = 0
    iif: str = ""
    oif: str = ""
    connected_only: bool = False
    why: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Route:
    """A route in one of our tables; without a device it is unreachable. `destination` is a prefix or "default"."""

    family: Family
    table: int
    destination: str
    metric: int
    gateway: str = ""
    device: str = ""
    why: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Ifb:
    """Our intermediate functional block: LAN devices redirect what they send into it."""

    name: str
    why: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Qdisc:
    """A queueing discipline: an HTB root of ours (parent 0) or a leaf below it.

    `limit` is in packets (pfifo only), `default` the HTB minor for unclassified packets (0: unlimited).
    """

    device: str
    kind: str
    handle: int
    parent: int = 0
    limit: int = 0
    default: int = 0
    why: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class HtbClass:
    """An HTB class (tc-htb(8)). `rate` and `ceil` in bytes per second, `quantum` in bytes."""

    device: str
    classid: int
    parent: int
    rate: int
    ceil: int
    prio: int
    quantum: int
    why: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Redirect:
    """An egress filter on a LAN device that moves every packet into the ifb."""

    device: str
    to: str
    why: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Ruleset:
    """The whole nftables table, known by its digest; the observed digest differs as soon as anyone altered it."""

    digest: str
    text: str = field(default="", compare=False)
    why: str = field(default="", compare=False)


Item = Rule | Route | Ifb | Qdisc | HtbClass | Redirect | Ruleset
HostState = frozenset[Item]


@dataclass(frozen=True, slots=True)
class Link:
    """A network device as the kernel shows it. `up` is the administrative state, `mtu` in bytes."""

    name: str
    index: int
    mtu: int
    up: bool
    carrier: bool
    point_to_point: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What the plan must know of the host: its devices, the best leaf qdisc, whether it forwards IPv4.

    `counts` says that nftables can count connections by source. `gateways` says where the main table's default route
    by each device leads ("": to the other end of a point-to-point device), `addresses` which IPv4 addresses it has.
    """

    links: Mapping[str, Link] = field(default_factory=dict)
    leaf: str = "pfifo"
    forwarding: bool = True
    counts: bool = False
    gateways: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stale:
    """Connections to forget: those whose mark is `mark` under `mask`, or of these only some.

    `within` are IPv4 networks their destination must lie in, `sparing` such it must not; `address` is one of the box's
    own, to which they lead or their answers come.
    """

    mark: int
    mask: int
    within: tuple[str, ...] = ()
    sparing: tuple[str, ...] = ()
    address: str = ""


Action = Literal["add", "replace", "remove"]


@dataclass(frozen=True, slots=True)
class Change:
    """One step from the observed state to the desired one."""

    action: Action
    item: Item

    @property
    def what(self) -> str:
        """The item in the words of ip, tc and nft."""
        return describe(self.item)

    @property
    def why(self) -> str:
        """The reason, for the operator."""
        if self.action == "remove":
            return "nothing wants it any more"
        return self.item.why if self.action == "add" else f"it was altered or its settings changed; {self.item.why}"


def scope(item: Item) -> Scope:
    """The part of the host an item belongs to: each part is read and changed by itself."""
    if isinstance(item, Rule | Route):
        return "routing"
    return "table" if isinstance(item, Ruleset) else "shaping"


def only(state: HostState, scopes: Iterable[Scope]) -> HostState:
    """The items of `state` that belong to `scopes`."""
    wanted = frozenset(scopes)
    return frozenset(item for item in state if scope(item) in wanted)


def key(item: Item) -> tuple[object, ...]:
    """What the item is; two items with one key cannot both be there."""
    match item:
        case Rule():
            return ("rule", item)
        case Route():
            return ("route", item.family, item.table, item.destination, item.metric)
        case Qdisc():
            return ("qdisc", item.device, item.parent)
        case HtbClass():
            return ("class", item.device, item.classid)
        case Redirect():
            return ("redirect", item.device)
        case Ifb():
            return ("ifb", item.name)
        case Ruleset():
            return ("ruleset",)


def diff(desired: HostState, observed: HostState) -> list[Change]:
    """The changes that lead from `observed` to `desired`, in a safe order; empty when they are equal."""
    before = {key(item): item for item in observed}
    after = {key(item): item for item in desired}
    changes = [
        Change("replace" if name in before else "add", item) for name, item in after.items() if before.get(name) != item
    ]
    changes += [Change("remove", item) for name, item in before.items() if name not in after]
    return sorted(changes, key=_order)


def applied(observed: HostState, changes: Iterable[Change]) -> HostState:
    """The state after `changes`, if the kernel accepts all of them."""
    items = {key(item): item for item in observed}
    for change in changes:
        if change.action == "remove":
            items.pop(key(change.item), None)
        else:
            items[key(change.item)] = change.item
    return frozenset(items.values())


_BUILD: tuple[type, ...] = (Route, Rule, Ruleset, Ifb, Qdisc, HtbClass, Redirect)


def _order(change: Change) -> tuple[object, ...]:
    """Routing first, then the table and shaping: roots before classes before leaves, removals the other way round.

    Rules: the desired ones are added before the old ones go, so that at no moment a class has no rule.
    """
    item = change.item
    removal = change.action == "remove"
    group = 0 if isinstance(item, Rule | Route) else 1
    depth = _depth(item)
    step = -_BUILD.index(type(item)) if removal else _BUILD.index(type(item))
    return (group, removal, -depth if removal else depth, step, _place(item))


def _depth(item: Item) -> int:
    """How far below the root of its tree an item hangs: ifb 0, HTB root 1, class 2 to 4, leaf 5, redirect 6."""
    match item:
        case Ifb() | Rule() | Route() | Ruleset():
            return 0
        case Qdisc():
            return 5 if item.parent else 1
        case HtbClass():
            return 1 + len(f"{item.classid & 0xFFFF:x}")
        case Redirect():
            return 6


def _place(item: Item) -> str:
    return f"{item.priority:05}" if isinstance(item, Rule) else describe(item)


def describe(item: Item) -> str:
    """The item in the words of ip, tc and nft."""
    match item:
        case Rule():
            return _describe_rule(item)
        case Route():
            via = f"via {item.gateway} " if item.gateway else ""
            kind = f"{via}dev {item.device}" if item.device else "unreachable"
            return f"ip -{item.family} route {item.destination} {kind} table {item.table} metric {item.metric}"
        case Ifb():
            return f"ip link {item.name} type ifb"
        case Qdisc():
            return f"tc qdisc {item.kind} {_tc(item.handle)} dev {item.device} parent {_tc(item.parent)}"
        case HtbClass():
            rates = f"rate {item.rate * 8 // 1000}kbit ceil {item.ceil * 8 // 1000}kbit"
            return f"tc class htb {_tc(item.classid)} dev {item.device} {rates} prio {item.prio}"
        case Redirect():
            return f"tc filter u32 dev {item.device} egress redirect to {item.to}"
        case Ruleset():
            return f"nft table inet {TABLE}"


def _describe_rule(rule: Rule) -> str:
    words = [f"ip -{rule.family} rule {rule.priority}:"]
    words += [f"{name} {value}" for name, value in (("iif", rule.iif), ("oif", rule.oif)) if value]
    words += [f"fwmark {rule.mark:#x}/{rule.mask:#x}"] if rule.mask else []
    words.append(f"lookup {rule.table}" if rule.table else "unreachable")
    words += [f"suppress_prefixlength {TOO_SHORT}"] if rule.connected_only else []
    return " ".join(words)


def _tc(handle: int) -> str:
    return f"{handle >> 16:x}:{handle & 0xFFFF:x}" if handle else "root"
