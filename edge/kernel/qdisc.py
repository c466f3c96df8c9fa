"""The ifb, HTB trees, their leaves and the redirects by rtnetlink (tc(8)); ours is what hangs under our handle."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from typing import Any

from edge.kernel.netlink import IPRoute, NetlinkError
from edge.kernel.state import FILTER_PRIORITY, HANDLE, IFB, Change, HtbClass, Ifb, Qdisc, Redirect
from edge.kernel.wire import Wire

_ROOT = 0xFFFFFFFF
_EGRESS = 0xFFFFFFF3  # TC_H_CLSACT with the egress minor
_INGRESS = 0xFFFFFFF2
_ALL_PROTOCOLS = 3  # ETH_P_ALL
_GETTCLASS = 42  # RTM_GETTCLASS
_TCMSG = struct.Struct("=BxxxiIII")  # struct tcmsg: family, device, handle, parent, info
_IFB_QUEUE = 1000  # packets; HTB's direct queue takes its length from it

Shaping = Ifb | Qdisc | HtbClass | Redirect


def observe(ip: IPRoute, names: dict[int, str]) -> Iterator[Shaping]:
    """Our shaping items as they stand; `names` maps device indexes to names."""
    messages = list(ip.get_qdiscs())
    if IFB in names.values():
        yield Ifb(IFB)
    for message in messages:
        device = names.get(message["index"], "")
        parent = 0 if message["parent"] == _ROOT else message["parent"]
        if parent & 0xFFFF0000 == HANDLE or (message["handle"] == HANDLE and parent == 0):
            yield _qdisc(device, message, parent)
        if message["handle"] == HANDLE:
            yield from (_htb(device, entry) for entry in ip.get_classes(index=message["index"]) if _is_htb(entry))
        if message.get_attr("TCA_KIND") == "clsact":
            yield from _redirects(ip, message["index"], device, names)


def has_class(wire: Wire, index: int, classid: int) -> bool:
    """Whether the device with this index has our class: a question of microseconds, before a switch."""
    body = _TCMSG.pack(0, index, 0, 0, 0)
    return any(_TCMSG.unpack_from(message)[2] == classid for message in wire.dump(_GETTCLASS, body))


def foreign_roots(ip: IPRoute, names: dict[int, str]) -> dict[str, str]:
    """Devices whose root qdisc somebody else set, with its kind; the kernel's own default has no handle."""
    return {
        names.get(message["index"], ""): message.get_attr("TCA_KIND")
        for message in ip.get_qdiscs()
        if message["parent"] == _ROOT and message["handle"] not in (0, HANDLE)
    }


def _qdisc(device: str, message: Any, parent: int) -> Qdisc:
    kind = message.get_attr("TCA_KIND")
    options = message.get_attr("TCA_OPTIONS")
    limit = options.get("limit", 0) if kind == "pfifo" and isinstance(options, dict) else 0
    init = options.get_attr("TCA_HTB_INIT") if kind == "htb" else None
    return Qdisc(device, kind, message["handle"], parent, limit, init["defcls"] if init else 0)


def _is_htb(message: Any) -> bool:
    return bool(message.get_attr("TCA_KIND") == "htb")


def _htb(device: str, message: Any) -> HtbClass:
    options = message.get_attr("TCA_OPTIONS").get_attr("TCA_HTB_PARMS")
    parent = HANDLE if message["parent"] == _ROOT else message["parent"]
    return HtbClass(
        device, message["handle"], parent, options["rate"], options["ceil"], options["prio"], options["quantum"]
    )


def _redirects(ip: IPRoute, index: int, device: str, names: dict[int, str]) -> Iterator[Redirect]:
    for message in ip.get_filters(index=index, parent=_EGRESS):
        options = message.get_attr("TCA_OPTIONS")
        if message["info"] >> 16 != FILTER_PRIORITY or options is None or not options.get_attr("TCA_U32_SEL"):
            continue
        yield Redirect(device, names.get(_target(options), "a device that is gone"))


def _target(options: Any) -> int:
    actions = options.get_attr("TCA_U32_ACT")
    action = actions.get_attr("TCA_ACT_PRIO_1") if actions else None
    mirred = action.get_attr("TCA_ACT_OPTIONS") if action else None
    parameters = mirred.get_attr("TCA_MIRRED_PARMS") if mirred else None
    return int(parameters["ifindex"]) if parameters else 0


def change(ip: IPRoute, wanted: Change, index: dict[str, int]) -> None:
    """Make one change of a shaping item. NetlinkError when the kernel refuses."""
    item = wanted.item
    remove = wanted.action == "remove"
    match item:
        case Ifb():
            _change_ifb(ip, item, remove, index)
        case Qdisc():
            _change_qdisc(ip, item, wanted.action, index)
        case HtbClass():
            _change_class(ip, item, remove, index)
        case Redirect():
            _remove_redirect(ip, item, index)
            if not remove:
                _add_redirect(ip, item, index)


def _change_ifb(ip: IPRoute, item: Ifb, remove: bool, index: dict[str, int]) -> None:
    if remove:
        ip.link("del", index=_index(index, item.name))
        return
    ip.link("add", ifname=item.name, kind="ifb", txqlen=_IFB_QUEUE)
    index[item.name] = ip.link_lookup(ifname=item.name)[0]
    ip.link("set", index=index[item.name], state="up")


def _change_qdisc(ip: IPRoute, item: Qdisc, action: str, index: dict[str, int]) -> None:
    device = _index(index, item.device)
    if action != "add":  # neither HTB nor a leaf can become another kind, so an altered one goes first
        ip.tc("del", index=device, parent=item.parent or _ROOT)
    if action == "remove":
        return
    options: dict[str, object] = {}
    if item.kind == "htb":
        options = {"default": item.default}
    elif item.kind == "pfifo":
        options = {"limit": item.limit}
    ip.tc("add", item.kind, index=device, handle=item.handle, parent=item.parent or _ROOT, **options)


def _change_class(ip: IPRoute, item: HtbClass, remove: bool, index: dict[str, int]) -> None:
    device = _index(index, item.device)
    if remove:
        ip.tc("del-class", index=device, handle=item.classid, parent=item.parent)
        return
    burst = max(2 * 1514, item.rate // 250)  # four milliseconds, at least two packets
    ip.tc(
        "replace-class",
        "htb",
        index=device,
        handle=item.classid,
        parent=item.parent,
        rate=item.rate,
        ceil=item.ceil,
        prio=item.prio,
        quantum=item.quantum,
        burst=burst,
        cburst=max(2 * 1514, item.ceil // 250),
    )


def _add_redirect(ip: IPRoute, item: Redirect, index: dict[str, int]) -> None:
    device = _index(index, item.device)
    try:
        ip.tc("add", "clsact", index=device)
    except NetlinkError as error:
        if error.code != errno.EEXIST:
            raise
    ip.tc(
        "add-filter",
        "u32",
        index=device,
        parent=_EGRESS,
        prio=FILTER_PRIORITY,
        protocol=_ALL_PROTOCOLS,
        target=0,
        keys=["0x0/0x0+0"],
        action={"kind": "mirred", "direction": "egress", "action": "redirect", "ifindex": _index(index, item.to)},
    )


def _remove_redirect(ip: IPRoute, item: Redirect, index: dict[str, int]) -> None:
    """Take our filter away, and the clsact qdisc with it unless somebody else's filters use it."""
    device = index.get(item.device)
    if device is None:
        return
    for message in ip.get_filters(index=device, parent=_EGRESS):
        if message["info"] >> 16 == FILTER_PRIORITY:
            ip.tc("del-filter", index=device, parent=_EGRESS, info=message["info"])
            break
    used = any(list(ip.get_filters(index=device, parent=parent)) for parent in (_EGRESS, _INGRESS))
    if not used:
        try:
            ip.tc("del", "clsact", index=device)
        except NetlinkError as error:
            if error.code not in (errno.ENOENT, errno.EINVAL):
                raise


def _index(index: dict[str, int], device: str) -> int:
    if device not in index:
        raise OSError(errno.ENODEV, f"{device} is gone")
    return index[device]
