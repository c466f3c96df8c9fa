"""Our nftables table through nft(8): loaded whole in one transaction, and recognised again when it is read.

What nft prints differs from what it was given, and by version. So after loading, the table is read once and both
digests, of the text given and of the table as read, are left in it as the comment of a rule in a chain of its own: the
seal. Any later reader, also another process, sees from one listing whether the table is the wanted one and untouched.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from typing import Any

from edge.kernel.errors import PrivilegeMissing, Unreadable
from edge.kernel.state import TABLE, Ruleset

_SEAL = "seal"
_TIMEOUT_S = 10
ALTERED = "altered"


class NftRefused(Exception):
    """nft did not accept a ruleset; the message is its first complaint."""


def observe() -> Ruleset | None:
    """Our table as it stands: its text's digest if it is untouched, `ALTERED` if not, None if it is not there."""
    listing = _list()
    if listing is None:
        return None
    text, listed = _seal(listing)
    return Ruleset(text if text and listed == _digest(listing) else ALTERED)


def load(ruleset: Ruleset) -> None:
    """Replace the table by `ruleset` in one transaction and seal it. Raises NftRefused, PrivilegeMissing."""
    _nft("-f", "-", text=ruleset.text)
    listing = _list()
    if listing is None:
        raise NftRefused("the table is gone right after it was loaded")
    comment = f"{ruleset.digest} {_digest(listing)}"
    seal = f'add chain inet {TABLE} {_SEAL}\nadd rule inet {TABLE} {_SEAL} return comment "{comment}"\n'
    _nft("-f", "-", text=seal)


def remove() -> None:
    """Delete the table; no error if it is not there."""
    _nft("-f", "-", text=f"table inet {TABLE}\ndelete table inet {TABLE}\n")


def hashes() -> bool:
    """Whether the kernel can spread packets over leaves by jhash."""
    return _accepts("meta priority set jhash ct original ip saddr mod 16 offset 65536")


def counts() -> bool:
    """Whether the kernel can count the connections of each element of a set."""
    return _accepts("add @some { ip saddr ct count over 9 } drop")


def _accepts(rule: str) -> bool:
    """Whether the kernel knows all of `rule`, asked by a transaction that is only checked."""
    table = "table inet {0} {{\n set some {{ type ipv4_addr; size 16; flags dynamic; }}\n chain probe {{ {1}\n }}\n}}\n"
    try:
        _nft("-c", "-f", "-", text=table.format(f"{TABLE}_probe", rule))
    except NftRefused:
        return False
    return True


def _list() -> list[dict[str, Any]] | None:
    try:
        output = _nft("-j", "list", "table", "inet", TABLE)
    except NftRefused as refused:
        if "No such file or directory" in str(refused):
            return None
        raise Unreadable(f"nft: {refused}") from refused
    entries: list[dict[str, Any]] = json.loads(output)["nftables"]
    for entry in entries:
        entry.get("set", {}).pop("elem", None)  # packets fill the named sets
    return [_plain(entry) for entry in entries if "metainfo" not in entry]


def _plain(value: Any) -> Any:
    """The listing without what changes by itself: handles."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items() if name != "handle"}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _seal(listing: list[dict[str, Any]]) -> tuple[str, str]:
    comments = [entry["rule"].get("comment", "") for entry in listing if _of_seal(entry) and "rule" in entry]
    words = comments[0].split() if len(comments) == 1 else []
    return (words[0], words[1]) if len(words) == 2 else ("", "")


def _of_seal(entry: dict[str, Any]) -> bool:
    chain, rule = entry.get("chain", {}), entry.get("rule", {})
    return _SEAL in (chain.get("name"), rule.get("chain"))


def _digest(listing: list[dict[str, Any]]) -> str:
    kept = [entry for entry in listing if not _of_seal(entry)]
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:24]


def _nft(*arguments: str, text: str | None = None) -> str:
    """Run nft. Its own words become the error; it is called without a shell and without our locale."""
    try:
        done = subprocess.run(
            ["nft", *arguments], input=text, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise NftRefused("the command nft is missing: install the package nftables") from None
    except subprocess.TimeoutExpired:
        raise NftRefused(f"nft did not answer within {_TIMEOUT_S} s") from None
    if done.returncode == 0:
        return done.stdout
    complaint = done.stderr.strip() or f"nft ended with {done.returncode}"
    if "Operation not permitted" in complaint:
        raise PrivilegeMissing("nft: Operation not permitted")
    raise NftRefused(" ".join(complaint.splitlines()[:2]))
