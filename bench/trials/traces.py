"""What a daemon leaves behind: the box's network state in words, and the log's account of every switch."""

from __future__ import annotations

import re
from collections.abc import Iterable

from edge.simulator import netns
from edge.simulator.village import BOX

_COMMANDS = (
    "ip rule",
    "ip -6 rule",
    "ip route show table all",
    "ip -6 route show table all",
    "nft --stateless list ruleset",
    "tc qdisc show",
    "sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding",
)
_JUDGED = re.compile(r" uplink (\w+) is (up|degraded|down)(?: \((\S+)\))?: ")
_MOVED = re.compile(r" (service|wifi|control): (no uplink|\w+) -> (no uplink|\w+): (.*)$")
_LEFT = re.compile(r"(\w+) is (down|degraded) \((\S+)\); (\w+) is (up|degraded|not judged yet)")
_BACK = re.compile(r"back to (\w+): well for [\d.]+ s$")


def state() -> list[str]:
    """Rules, routes, nftables, qdiscs, classes and filters of the box, without what counts or is numbered by chance.

    Link-local routes follow a device's address, which a new one has by chance; set elements are learned from traffic.
    """
    links = sorted(line.split(":")[1].split("@")[0].strip() for line in _lines("ip -o link"))
    commands = (*_COMMANDS, *(f"tc {what} show dev {link}" for link in links for what in ("class", "filter")))
    found = [f"device: {link}" for link in links]
    for command in commands:
        text = netns.run(*command.split(), namespace=BOX)
        text = re.sub(r"\n\t*elements = \{[^}]*\}", "", text)
        lines = (_settled(line) for line in text.splitlines() if "fe80::" not in line)
        # Only chains are read in their order. Routes, qdiscs, and rules of one priority, with which a rule's line
        # begins, are told in the order of their making.
        found += [f"{command}: {line}" for line in (lines if command.startswith("nft") else sorted(lines))]
    return found


def _settled(line: str) -> str:
    """A line without handles that the kernel gives by itself (8000: and up, tc(8)) and without statistics."""
    line = re.sub(r"\b8[0-9a-f]{3}:", "auto:", line)
    return re.sub(r" (direct_packets_stat|refcnt) \d+| (linkdown|dead)\b", "", line).strip()


def _lines(command: str) -> list[str]:
    return netns.run(*command.split(), namespace=BOX).splitlines()


def switches(log: Iterable[str]) -> tuple[int, list[str]]:
    """How many switches the daemon's log tells, and those of them that it does not explain.

    A switch is explained when its line names the verdict on the uplink that was left, or how long the one that is
    returned to was well, and the log told exactly that verdict before.
    """
    verdicts = dict[str, tuple[str, str]]()
    count, unexplained = 0, list[str]()
    for line in log:
        if found := _JUDGED.search(line):
            verdicts[found[1]] = (found[2], found[3] or "")
        elif (found := _MOVED.search(line)) and found[2] != "no uplink":
            count += 1
            if not _explained(found[2], found[3], found[4], verdicts):
                unexplained.append(line.strip())
    return count, unexplained


def _explained(left: str, taken: str, because: str, verdicts: dict[str, tuple[str, str]]) -> bool:
    if found := _LEFT.match(because):
        return (found[1], found[4]) == (left, taken) and verdicts.get(left) == (found[2], found[3])
    if found := _BACK.match(because):
        return found[1] == taken and verdicts.get(taken, ("", ""))[0] == "up"
    return False
