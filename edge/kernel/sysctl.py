"""Kernel settings under /proc/sys: set once by root before the network, remembered, and given back at teardown."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge.durable import full, read_json, write_bytes

log = logging.getLogger("edge.kernel")

_ROOT = Path("/proc/sys")
_MEMORY = "sysctl.json"
_NAME = re.compile(r"net/[\w./-]+")


@dataclass(frozen=True, slots=True)
class Setting:
    """A key below /proc/sys and its wanted whole number.

    `keep` tells which present values may stay: "equal" none but the wanted one, "higher" and "lower" those beyond it,
    "unless-strict" all but 1 (reverse path filter: 2 is loose, 0 off, ip-sysctl). A setting that is not `required` is
    left alone where the kernel has no such key or refuses it.
    """

    name: str
    value: int
    keep: str = "equal"
    required: bool = False

    @property
    def path(self) -> Path:
        """The file; a device name's own dot stays a dot because `name` uses slashes."""
        return _ROOT / self.name

    def satisfied(self, present: int) -> bool:
        """Whether `present` needs no change."""
        match self.keep:
            case "higher":
                return present >= self.value
            case "lower":
                return present <= self.value
            case "unless-strict":
                return present != 1
        return present == self.value


class Changed(msgspec.Struct, frozen=True):
    """What a setting was before, and what it was set to."""

    before: int
    after: int


def put(settings: Iterable[Setting], run_dir: Path) -> int:
    """Make the settings hold; the values before the first time are remembered in `run_dir`. Returns how many changed.

    OSError for a required one that cannot be written. Where `run_dir` is full nothing is remembered, and that is said:
    a village that cannot be given its old settings back is better off than one without a network.
    """
    memory = _recall(run_dir)
    changed = 0
    for setting in settings:
        try:
            present = int(setting.path.read_text())
            if setting.satisfied(present):
                continue
            first = memory.get(setting.name, Changed(present, setting.value)).before
            memory[setting.name] = Changed(first, setting.value)
            _remember(run_dir, memory)  # before the write: a crash between the two must not lose the old value
            setting.path.write_text(f"{setting.value}\n")
            changed += 1
        except OSError as error:
            if setting.required:
                raise
            log.info("%s stays as it is: %s", setting.name, error.strerror)
    return changed


def restore(run_dir: Path) -> int:
    """Give back what `put` changed, except where someone else has set it since. Returns how many were given back.

    What the kernel does not let go back yet (no privilege) stays remembered.
    """
    memory = _recall(run_dir)
    left: dict[str, Changed] = {}
    restored = 0
    for name, changed in memory.items():
        path = _ROOT / name
        try:
            if int(path.read_text()) == changed.after != changed.before:
                path.write_text(f"{changed.before}\n")
                restored += 1
        except FileNotFoundError:
            log.info("%s is gone", name)
        except ValueError:
            log.warning("%s is no whole number: it was never changed", name)
        except OSError as error:
            left[name] = changed
            log.info("%s stays as it is: %s", name, error.strerror)
    if not left:
        (run_dir / _MEMORY).unlink(missing_ok=True)
    elif left != memory:
        remember(run_dir, left)
    return restored


def _recall(run_dir: Path) -> dict[str, Changed]:
    """What is remembered. The daemon's own user may write the file, root obeys it: so network settings alone count."""
    try:
        memory = msgspec.convert(read_json(run_dir / _MEMORY) or {}, dict[str, Changed])
        return {name: changed for name, changed in memory.items() if _NAME.fullmatch(name) and ".." not in name}
    except (ValueError, msgspec.ValidationError) as error:
        log.warning("%s is damaged (%s): earlier kernel settings are not known", run_dir / _MEMORY, error)
        return {}


def _remember(run_dir: Path, memory: dict[str, Changed]) -> None:
    try:
        remember(run_dir, memory)
    except OSError as error:
        if not full(error):
            raise
        log.error("%s is full: teardown will not give %s back", run_dir, ", ".join(memory))


def remember(run_dir: Path, memory: dict[str, Changed]) -> None:
    """Note in `run_dir` what was changed, in place of what was noted before. OSError."""
    run_dir.mkdir(parents=True, exist_ok=True)
    path = run_dir / _MEMORY
    write_bytes(path, msgspec.json.encode(memory))
