"""Reads the conditions of the links from CSV; every mistake is told with its line, column, value and remedy."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.rehearsal.scene import ANYONE, Line

COLUMNS = ("start_s", "uplink", "target", "loss", "burst_s", "rtt_ms", "jitter_ms", "rate_mbit", "offered_mbit")
MOST_BYTES = 256_000_000
MOST_TOLD = 20
_RANGES: dict[str, tuple[float, float, str]] = {
    "start_s": (0, 1e9, "seconds from the beginning"),
    "loss": (0, 1, "a share; 30 % is 0.3"),
    "burst_s": (0, 3_600, "seconds; 0 is loss of single probes"),
    "rtt_ms": (0, 60_000, "milliseconds"),
    "jitter_ms": (0, 60_000, "milliseconds"),
    "rate_mbit": (0, 10_000, "Mbit/s"),
    "offered_mbit": (0, 100_000, "Mbit/s"),
}
HEALTHY_RTT_MS, HEALTHY_JITTER_MS = 20.0, 2.0


@dataclass(frozen=True, slots=True)
class Condition:
    """A row: from `start_s` on, what probes of `uplink` to `target` meet; None where the field is empty."""

    start_s: float
    uplink: str
    target: str
    loss: float = 0.0
    burst_s: float = 0.0
    rtt_ms: float = HEALTHY_RTT_MS
    jitter_ms: float = HEALTHY_JITTER_MS
    rate_mbit: float | None = None
    offered_mbit: float = 0.0


class BadConditions(Exception):
    """The file cannot be used; `mistakes` are sentences."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = tuple(mistakes)


def load(path: Path, lines: Sequence[Line]) -> list[Condition]:
    """The rows of `path`. Raises OSError, and BadConditions with every mistake of the first few."""
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise BadConditions([f"larger than {MOST_BYTES // 1_000_000} MB. Split it into shorter rehearsals."])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadConditions([f"byte {error.start + 1} is not UTF-8. Save the file as plain UTF-8 text."]) from None
    return parse(text, lines)


def parse(text: str, lines: Sequence[Line]) -> list[Condition]:
    """The rows of `text`, by start; of the same start in the order of the file. Raises BadConditions."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    known = {line.name: _names(line) for line in lines}
    mistakes: list[str] = []
    found: list[Condition] = []
    try:
        _check_header(next(reader, []))
        for row in reader:
            if any(field.strip() for field in row):
                condition = _row(row, reader.line_num, known, mistakes)
                found += [] if condition is None else [condition]
            if len(mistakes) >= MOST_TOLD:
                break
    except csv.Error as error:
        mistakes.append(f"line {reader.line_num}: {error}. Correct the quotes of that line.")
    if mistakes:
        raise BadConditions(mistakes)
    return sorted(found, key=lambda condition: condition.start_s)


def _check_header(row: list[str]) -> None:
    if tuple(field.strip() for field in row) != COLUMNS:
        shown = ",".join(row)[:120] or "nothing"
        raise BadConditions([f"line 1: the header is {shown!r}. Write {','.join(COLUMNS)}."])


def _names(line: Line) -> dict[str, str]:
    """What a row may write for a target, and the source's name for it."""
    names = {target: target for target in line.targets()}
    for source in line.sources:
        if source.role in ("anchor", "public"):
            bare = source.name.removeprefix("tcp://")
            names.setdefault(bare, source.name)
            names.setdefault(
                bare.rpartition(":")[0].strip("[]") if source.kind == "tcp" else bare.strip("[]"), source.name
            )
    return names


def _row(row: list[str], line: int, known: dict[str, dict[str, str]], mistakes: list[str]) -> Condition | None:
    fields = [field.strip() for field in row]
    if len(fields) != len(COLUMNS):
        mistakes.append(
            f"line {line}: {len(fields)} fields, wanted {len(COLUMNS)}. Write {','.join(COLUMNS)}; some may be empty."
        )
        return None
    values = dict(zip(COLUMNS, fields, strict=True))
    before = len(mistakes)
    numbers = {column: _number(column, values[column], line, mistakes) for column in _RANGES}
    if values["start_s"] == "":
        mistakes.append(f"line {line}: start_s is empty. Write the seconds from the beginning.")
    target = _target(values["uplink"], values["target"], line, known, mistakes)
    if len(mistakes) > before or target is None:
        return None
    given = {column: number for column, number in numbers.items() if number is not None}
    return Condition(uplink=values["uplink"], target=target, **given)


def _number(column: str, text: str, line: int, mistakes: list[str]) -> float | None:
    if not text:
        return None
    low, high, unit = _RANGES[column]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if low <= value <= high:
        return value
    wanted = f"Write a number from {low:g} to {high:g} ({unit})"
    mistakes.append(f"line {line}: {column} is {text[:40]!r}. {wanted}{'' if column == 'start_s' else ', or nothing'}.")
    return None


def _target(uplink: str, target: str, line: int, known: dict[str, dict[str, str]], mistakes: list[str]) -> str | None:
    names = known.get(uplink)
    if names is None:
        mistakes.append(f"line {line}: uplink is {uplink[:40]!r}. Known: {_listed(known)}.")
        return None
    if target not in names:
        wanted = _listed(dict.fromkeys(names.values()))
        mistakes.append(f"line {line}: target is {target[:60]!r}. Known of {uplink}: {wanted}.")
    return names.get(target)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


__all__ = ["ANYONE", "COLUMNS", "BadConditions", "Condition", "load", "parse"]
