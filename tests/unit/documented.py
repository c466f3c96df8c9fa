"""Reads the commented example configuration: what its comments say of every key."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from edge.config import Config, TrafficClass
from edge.config_shape import _unwrap

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config" / "kampung-edge.toml"
_BRACKET = re.compile(
    r"^(?P<text>.*?)\s*\[(?P<unit>[^;]+); (?P<default>default .+?|required); (?P<allowed>.+)\]$", re.S
)


@dataclass(frozen=True)
class Setting:
    """One key as the example documents it. `default` is as TOML writes it, or "required"."""

    path: str
    text: str
    unit: str
    default: str
    allowed: str

    def row(self) -> str:
        """Its line in docs/configuration.md."""
        default = "required" if self.default == "required" else f"`{self.default}`"
        return f"| `{self.path}` | {self.text} | {self.unit} | {default} | {self.allowed} |"


def documented() -> dict[str, Setting]:
    """Every commented key of the example, by its path; the three classes are one: ``classes.*``."""
    found: dict[str, Setting] = {}
    section, comment = "", ""
    for line in EXAMPLE.read_text().splitlines():
        if line.startswith("#"):
            comment += line[1:].strip() + "\n"
            continue
        if match := re.match(r"^\[+([a-z_.]+)\]+$", line):
            section = re.sub(r"^classes\.(service|wifi|control)", "classes.*", match[1])
        elif match := re.match(r"^([a-z0-9_]+) = ", line):
            path = f"{section}.{match[1]}" if section else match[1]
            if said := _BRACKET.match(comment.strip().replace("\n", " ")):
                default = said["default"].removeprefix("default ")
                found[path] = Setting(path, said["text"], said["unit"], default, said["allowed"])
        comment = ""
    return found


def fields() -> dict[str, msgspec.structs.FieldInfo]:
    """Every key of the structs that is no table, by the same paths."""
    return dict(_fields(Config, ""))


def _fields(struct: Any, prefix: str) -> list[tuple[str, msgspec.structs.FieldInfo]]:
    found = []
    for field in msgspec.structs.fields(struct):
        kind, _ = _unwrap(field.type)
        if get_origin(kind) is tuple:
            item, _ = _unwrap(get_args(kind)[0])
            kind = item if isinstance(item, type) and issubclass(item, msgspec.Struct) else None
        is_table = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
        name = "*" if kind is TrafficClass else field.name
        if is_table:
            found += _fields(kind, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", field))
    return found
