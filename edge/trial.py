"""A configuration on trial, as it must survive a power cut: what is tried until when, and what was in force before.

In `state_dir` stand ``confirmed.toml``, a copy of the last configuration that was in force for good, and, from the
beginning of a trial until its file is confirmed or changed, ``trial.json``. A daemon that starts while the record
speaks of the very file that it reads runs the copy: whoever tried that file has not confirmed it, and may have been cut
off by it. A restart in mid-trial therefore undoes the trial, whatever time was left.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge.clock import Clock
from edge.config import Config
from edge.config_check import ConfigError, load_raw
from edge.durable import read_json, remove, write_bytes, write_json

log = logging.getLogger("edge.trial")

KEPT = "confirmed.toml"
RECORD = "trial.json"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # random(4)


@dataclass(frozen=True, slots=True)
class Source:
    """A configuration and the bytes it was read from."""

    config: Config
    raw: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, in hexadecimal."""
        return hashlib.sha256(self.raw).hexdigest()

    @classmethod
    def read(cls, path: Path) -> Source:
        """The configuration in the file at `path`; ConfigError with every mistake."""
        return cls(*load_raw(path))


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The trial of the file with this `digest`; its end by both clocks (seconds), the monotonic one of `boot_id`."""

    digest: str
    until_wall: float
    until_monotonic: float
    boot_id: str

    def left_s(self, clock: Clock, boot_id: str) -> float | None:
        """Seconds until its end, negative when past; None where no clock can tell."""
        if boot_id == self.boot_id:
            return self.until_monotonic - clock.monotonic()
        return self.until_wall - clock.wall() if clock.trusted() else None


class Trial:
    """The record and the kept copy in `state_dir` for the file at `path`. Every method blocks on the disk."""

    def __init__(self, path: Path, state_dir: Path) -> None:
        self._path = path
        self._state_dir = state_dir

    def record(self) -> Record | None:
        """The record, None without one; one that cannot be read is told and taken as none."""
        try:
            found = read_json(self._state_dir / RECORD)
            return None if found is None else msgspec.convert(found, Record)
        except (OSError, ValueError, msgspec.ValidationError) as error:
            log.error("%s cannot be read and does not count: %s", self._state_dir / RECORD, error)
            return None

    def kept(self) -> Source | None:
        """The configuration before the trial; None, and told, where its copy cannot be read."""
        if not (self._state_dir / KEPT).is_file():  # a fifo would hold up whoever reads it
            log.error("the last confirmed configuration cannot be read: %s is no file", self._state_dir / KEPT)
            return None
        try:
            return Source.read(self._state_dir / KEPT)
        except ConfigError as error:
            log.error("the last confirmed configuration cannot be read: %s", error)
            return None

    def stands_for(self, config: Config) -> Config:
        """The configuration that a daemon started now would run; `config` is the file's."""
        record = self.record()
        try:
            if record is None or Source.read(self._path).digest != record.digest:
                return config
        except ConfigError:
            return config
        kept = self.kept()
        if kept is None or (kept.config.run_dir, kept.config.state_dir) != (config.run_dir, config.state_dir):
            return config  # no trial changes these, and root must not write where a copy in `state_dir` says
        return kept.config

    def begin(self, present: Source, tried: Source, *, confirm_s: float, clock: Clock) -> Record:
        """Keep `present` and note that `tried` runs for `confirm_s` seconds unless confirmed. OSError."""
        self._keep(present)
        until = clock.wall() + confirm_s, clock.monotonic() + confirm_s
        record = Record(tried.digest, *until, boot_id())
        write_json(self._state_dir / RECORD, msgspec.to_builtins(record))
        return record

    def confirm(self, present: Source) -> None:
        """Keep `present` as the configuration in force for good, and end any trial. OSError."""
        self._keep(present)
        remove(self._state_dir / RECORD)

    def _keep(self, source: Source) -> None:
        path = self._state_dir / KEPT
        if not path.exists() or path.read_bytes() != source.raw:
            self._state_dir.mkdir(parents=True, exist_ok=True)
            write_bytes(path, source.raw)


def boot_id() -> str:
    """What tells this run of the machine from every other."""
    return _BOOT_ID.read_text().strip()
