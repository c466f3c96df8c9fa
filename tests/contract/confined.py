"""Runs a command as systemd would confine it: the capabilities, system calls and address families of a unit file.

    python -m tests.contract.confined systemd/kampung-edge.service COMMAND...

systemd is not process 1 where the tests run, so its seccomp filters are built here by libseccomp, which systemd uses
too, from the unit's own lines (systemd.exec(5)). Mounts and devices are not confined.
"""

import ctypes
import errno
import functools
import os
import socket
import subprocess
import sys
from pathlib import Path

ALLOW = 0x7FFF0000
DENY = 0x00050000 | errno.EPERM
_EQ, _MASKED_EQ = 4, 7  # SCMP_CMP_EQ, SCMP_CMP_MASKED_EQ
_PROT_WRITE, _PROT_EXEC, _SHM_EXEC = 2, 4, 0o100000
_NAMESPACES = 0x7E020080  # CLONE_NEW*


class _Compare(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


class Filter:
    """One seccomp filter; what no rule names gets the action `otherwise`."""

    def __init__(self, otherwise: int) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2")
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(otherwise))

    def rule(self, action: int, call: str, *compared: tuple[int, int, int, int]) -> None:
        """Give `call` the action where every comparison (argument, operator, first, second) holds."""
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        if number == -1:  # a call of another architecture
            return
        rules = (_Compare * len(compared))(*(_Compare(*each) for each in compared))
        result = self._library.seccomp_rule_add_array(self._context, action, number, len(compared), rules)
        if result not in (0, -errno.EINVAL, -errno.EDOM, -errno.EEXIST):
            raise OSError(-result, f"seccomp rule for {call}")

    def load(self) -> None:
        """Put the filter into force for this process and its children (no_new_privs is set with it)."""
        if result := self._library.seccomp_load(self._context):
            raise OSError(-result, "seccomp_load")


def settings(unit: Path, key: str) -> list[str]:
    """Every value of `key` in the unit, in order."""
    return [line.partition("=")[2] for line in unit.read_text().splitlines() if line.startswith(f"{key}=")]


def system_calls(unit: Path) -> set[str]:
    """The allowed system calls: the first SystemCallFilter= is the list, later ones add to it or take away (~)."""
    allowed: set[str] = set()
    for value in settings(unit, "SystemCallFilter"):
        named = set().union(*(_members(name) for name in value.removeprefix("~").split()))
        allowed = allowed - named if value.startswith("~") else allowed | named
    return allowed | _members("@default")


def _members(name: str) -> set[str]:
    if not name.startswith("@"):
        return {name}
    return set().union(*(_members(member) for member in _sets()[name]))


@functools.cache
def _sets() -> dict[str, list[str]]:
    said = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True, check=True
    )
    sets: dict[str, list[str]] = {}
    for line in said.stdout.splitlines():
        if line.startswith("@"):
            sets[line] = members = []
        elif line.startswith("#"):  # the kernel's own calls that no set holds follow
            break
        elif line.strip() and not line.strip().startswith("#"):
            members.append(line.strip())
    return sets


def confine(unit: Path) -> None:
    """Put the unit's filters into force. Needs no privilege and cannot be undone."""
    allowed = Filter(DENY)
    for call in system_calls(unit):
        allowed.rule(ALLOW, call)
    other = Filter(ALLOW)
    if settings(unit, "MemoryDenyWriteExecute") == ["yes"]:
        both = _PROT_WRITE | _PROT_EXEC
        other.rule(DENY, "mmap", (2, _MASKED_EQ, both, both))
        for call in ("mprotect", "pkey_mprotect"):
            other.rule(DENY, call, (2, _MASKED_EQ, _PROT_EXEC, _PROT_EXEC))
        other.rule(DENY, "shmat", (2, _MASKED_EQ, _SHM_EXEC, _SHM_EXEC))
    (families,) = settings(unit, "RestrictAddressFamilies")
    known = [int(getattr(socket, name)) for name in families.split()]
    for family in range(64):
        if family not in known:
            other.rule(DENY, "socket", (0, _EQ, family, 0))
    if settings(unit, "RestrictNamespaces") == ["yes"]:
        for bit in range(32):
            if _NAMESPACES >> bit & 1:
                for call in ("unshare", "clone"):
                    other.rule(DENY, call, (0, _MASKED_EQ, 1 << bit, 1 << bit))
        other.rule(DENY, "setns")
    if settings(unit, "ProtectClock") == ["yes"]:
        for call in _members("@clock"):
            other.rule(DENY, call)
    other.load()
    allowed.load()


def command(unit: Path, *arguments: str) -> list[str]:
    """The command line that runs `arguments` with the unit's capabilities and filters."""
    (ambient,) = settings(unit, "AmbientCapabilities")
    (bounding,) = settings(unit, "CapabilityBoundingSet")
    kept = [
        ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in names.split()) for names in (ambient, bounding)
    ]
    return [
        "setpriv",
        f"--inh-caps=-all,{kept[0]}",
        f"--ambient-caps=-all,{kept[0]}",
        f"--bounding-set=-all,{kept[1]}",
        "--no-new-privs",
        sys.executable,
        "-m",
        "tests.contract.confined",
        str(unit),
        *arguments,
    ]


if __name__ == "__main__":
    confine(Path(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
