"""Reads a configuration file and reports every mistake in it at once, each with its place and its remedy.

TOML is read first, then every key is judged by its own type and range (`edge.config_shape`), then what the keys say
together (`edge.config_meaning`, `edge.config_networks` and their like), then what this machine has
(`edge.config_host`).
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec

from edge.config import Config
from edge.config_calendar import check_calendar
from edge.config_devices import check_devices
from edge.config_host import check_host
from edge.config_meaning import check_meaning
from edge.config_networks import check_networks
from edge.config_probed import check_probed
from edge.config_problem import ConfigError, Findings, Problem
from edge.config_shape import read_table

__all__ = ["ConfigError", "Problem", "check", "load", "load_raw", "read"]

_MOST_BYTES = 1_000_000
_PLACE = re.compile(r" \(at (line \d+, column \d+|end of document)\)$")


def load(path: Path) -> Config:
    """The configuration in the file at `path`. Raises ConfigError with every mistake; warnings alone pass."""
    config, problems = read(path)
    if config is None:
        raise ConfigError(problems)
    return config


def check(path: Path) -> list[Problem]:
    """Every mistake in the file at `path`, errors first; an empty list is a clean file."""
    return read(path)[1]


def read(path: Path) -> tuple[Config | None, list[Problem]]:
    """The configuration, or None where there is an error, with everything there is to say about the file."""
    findings = Findings(str(path))
    return _judge(_bytes(path, findings), findings)


def load_raw(path: Path) -> tuple[Config, bytes]:
    """As `load`, with the very bytes that were read."""
    findings = Findings(str(path))
    raw = _bytes(path, findings)
    config, problems = _judge(raw, findings)
    if config is None or raw is None:
        raise ConfigError(problems)
    return config, raw


def _judge(raw: bytes | None, findings: Findings) -> tuple[Config | None, list[Problem]]:
    data = None if raw is None else _parse(raw, findings)
    if data is None:
        return None, findings.problems
    table = read_table(data, Config, "", findings)
    check_meaning(table, findings)
    check_networks(table, findings)
    check_probed(table, findings)
    check_devices(table, findings)
    check_calendar(table, findings)
    check_host(table, findings)
    problems = sorted(findings.problems, key=lambda problem: problem.severity)
    return (None if findings.broken else msgspec.convert(data, Config)), problems


def _bytes(path: Path, findings: Findings) -> bytes | None:
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        findings.error("file", f"cannot be read: {error.strerror}", "Name a file that this user may read.")
        return None
    if len(raw) > _MOST_BYTES:
        findings.error("file", "is over 1 MB, which no configuration is", "Name the right file.")
        return None
    return raw


def _parse(raw: bytes, findings: Findings) -> dict[str, object] | None:
    try:
        return tomllib.loads(raw.decode())
    except UnicodeDecodeError as error:
        findings.error(f"byte {error.start + 1}", "is not UTF-8 text", "Save the file as UTF-8.")
    except RecursionError:
        findings.error("file", "nests too deeply", "Write plain tables and lists.")
    except ValueError as error:
        place = _PLACE.search(str(error))
        findings.error(
            place[1] if place else "file",
            f"is not TOML: {_PLACE.sub('', str(error))}",
            "Correct the line; text stands in quotes, a decimal has a point.",
        )
    return None
