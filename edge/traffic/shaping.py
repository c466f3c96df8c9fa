"""Pure: the HTB trees, one on each uplink for what leaves and one on the ifb for what arrives.

An uplink's link is shaped a little below its contracted rate, so that the queue stands here, where we choose who waits,
and not at the provider. Ids say where a class hangs: 4b45:N is uplink N, 4b45:NC its class C (service 1, wifi 2,
control 3) and 4b45:NCh that class's h-th hashed leaf, used where the kernel has neither CAKE nor FQ-CoDel.
What the box itself sends to the LAN belongs to no uplink and is not limited.
"""

from __future__ import annotations

from collections.abc import Iterator

from edge.config import Config, TrafficClass, Uplink
from edge.kernel.state import HANDLE, IFB, Facts, HtbClass, Ifb, Item, Qdisc, Redirect
from edge.marks import CLASSES
from edge.traffic.capacity import guest_ceiling

LEAVES = {"service": 8, "wifi": 16}
_PRIO = {"control": 0, "service": 1, "wifi": 2}
_QUEUE_S = {"control": 0.1, "service": 0.1, "wifi": 0.04}
_PACKET = 1514
_BYTES = 1e6 / 8  # per second, of one Mbit/s


def class_minor(number: int, name: str) -> int:
    """The minor number of class `name` on uplink `number`."""
    return number << 4 | CLASSES.index(name) + 1


def leaf_minor(number: int, name: str, leaf: int = 0) -> int:
    """The minor number of the `leaf`-th hashed leaf of class `name` on uplink `number`."""
    return class_minor(number, name) << 4 | leaf


def allowed(config: Config, name: str, uplink: Uplink) -> bool:
    """Whether packets of class `name` may pass `uplink`: the box's own always, others as configured or pinned."""
    traffic: TrafficClass = getattr(config.classes, name)
    return name == "control" or uplink.name in traffic.uplinks or (name == "service" and bool(uplink.pinned))


def classes_of(config: Config, name: str, uplink_name: str) -> list[tuple[str, int]]:
    """The HTB classes, as (device, id), that class `name` needs on an uplink, up and down."""
    for number, uplink in enumerate(config.uplink, 1):
        if uplink.name == uplink_name:
            devices = (uplink.device,) if name == "control" else (uplink.device, IFB)
            return [(device, HANDLE | class_minor(number, name)) for device in devices]
    return []


def trees(config: Config, facts: Facts, *, service_active: bool = False) -> Iterator[Item]:
    """Every shaping item for the devices that exist; guests leave room while the service is active."""
    for number, uplink in enumerate(config.uplink, 1):
        if uplink.device in facts.links:
            default = class_minor(number, "control")
            yield Qdisc(uplink.device, "htb", HANDLE, default=default, why=f"shares what leaves by {uplink.name}")
            yield from _branch(
                config, facts, uplink.device, number, uplink, uplink.upload_mbit, CLASSES, service_active
            )
    yield Ifb(IFB, why="one place through which everything to the LAN passes")
    yield Qdisc(IFB, "htb", HANDLE, why="shares what arrives by the uplinks")
    for number, uplink in enumerate(config.uplink, 1):
        yield from _branch(
            config, facts, IFB, number, uplink, uplink.download_mbit, ("service", "wifi"), service_active
        )
    for device in dict.fromkeys((*config.classes.service.devices, *config.classes.wifi.devices)):
        if device in facts.links:
            yield Redirect(device, IFB, why=f"what is sent to {device} is shaped in {IFB}")


def _branch(
    config: Config,
    facts: Facts,
    device: str,
    number: int,
    uplink: Uplink,
    mbit: float,
    names: tuple[str, ...],
    service_active: bool,
) -> Iterator[Item]:
    total = int(mbit * _BYTES * config.policy.headroom_percent / 100)
    why = f"{config.policy.headroom_percent:g}% of {uplink.name}'s {mbit:g} Mbit/s"
    yield HtbClass(device, HANDLE | number, HANDLE, total, total, 0, _quantum(total), why=why)
    for name in names:
        if allowed(config, name, uplink):
            yield from _class(config, facts, device, number, uplink, name, total, service_active)


def _class(
    config: Config,
    facts: Facts,
    device: str,
    number: int,
    uplink: Uplink,
    name: str,
    total: int,
    service_active: bool,
) -> Iterator[Item]:
    traffic: TrafficClass = getattr(config.classes, name)
    cap = traffic.cap_mbit.get(uplink.name)
    ceil = min(int(total * traffic.ceiling_percent / 100), int(cap * _BYTES) if cap else total)
    rate = max(1, min(int(total * traffic.guaranteed_percent / 100), ceil))
    minor = class_minor(number, name)
    why = f"{name}'s share of {uplink.name}"
    bound = ceil
    if name == "wifi":  # only the class's own ceiling moves: its leaves keep theirs, and with them what they hold
        percent = guest_ceiling(
            traffic.ceiling_percent, config.policy.busy_ceiling_percent, service_active=service_active
        )
        bound = max(rate, min(ceil, int(total * percent / 100)))
    yield HtbClass(device, HANDLE | minor, HANDLE | number, rate, bound, _PRIO[name], _quantum(rate), why=why)
    leaves = LEAVES.get(name, 1) if facts.leaf == "hash" else 1
    if leaves == 1:
        yield _leaf(facts, device, minor, name, ceil)
        return
    for place in range(leaves):
        child = leaf_minor(number, name, place)
        share = max(1, rate // leaves)
        why = f"one flow's place among {name}'s on {uplink.name}"
        yield HtbClass(device, HANDLE | child, HANDLE | minor, share, ceil, _PRIO[name], _PACKET, why=why)
        yield _leaf(facts, device, child, name, ceil)


def _leaf(facts: Facts, device: str, minor: int, name: str, ceil: int) -> Qdisc:
    """A leaf's queue. A fifo holds what its class can send in a fraction of a second: a longer one is only delay."""
    why = f"{name}'s queue"
    if facts.leaf in ("cake", "fq_codel") and name != "control":
        return Qdisc(device, facts.leaf, _leaf_handle(minor), HANDLE | minor, why=why)
    limit = max(8, min(100, int(ceil * _QUEUE_S[name] / _PACKET)))
    return Qdisc(device, "pfifo", _leaf_handle(minor), HANDLE | minor, limit=limit, why=why)


def _leaf_handle(minor: int) -> int:
    return (0x6000 | minor) << 16


def _quantum(rate: int) -> int:
    return max(_PACKET, min(60_000, rate // 100))
