"""What persons chose by hand in a month: who, which uplink for which classes, from when until when. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Choice:
    """The account `by` had `classes` use `uplink` from `began` to `ended` (Unix seconds; in the future while it holds).

    It ends when its time is over, another one takes its place, or it is taken back.
    """

    classes: tuple[str, ...]
    uplink: str
    began: float
    ended: float
    by: str


def between(found: Iterable[Mapping[str, Any]], since: float, until: float) -> tuple[Choice, ...]:
    """The choices that held between two moments, cut at neither; `found` is as the history gives it, by time."""
    holding: dict[str, Choice] = {}
    over: list[Choice] = []
    for row in found:
        at = float(row["at"])
        for name in row["classes"]:
            before = holding.pop(name, None)
            if before is not None:
                over.append(_ended(before, at))
            if row["uplink"] is not None:
                holding[name] = Choice((name,), row["uplink"], at, at + float(row["for_s"]), row["by"])
    return _together(each for each in [*over, *holding.values()] if max(each.began, since) < min(each.ended, until))


def _ended(choice: Choice, at: float) -> Choice:
    ended = max(choice.began, min(choice.ended, at))  # a clock that was set back ends nothing before its begin
    return Choice(choice.classes, choice.uplink, choice.began, ended, choice.by)


def _together(choices: Iterable[Choice]) -> tuple[Choice, ...]:
    """Choices of several classes that began and ended together are one."""
    classes: dict[tuple[float, float, str, str], tuple[str, ...]] = {}
    for each in choices:
        key = (each.began, each.ended, each.uplink, each.by)
        classes[key] = (*classes.get(key, ()), *each.classes)
    return tuple(
        Choice(names, uplink, began, ended, by) for (began, ended, uplink, by), names in sorted(classes.items())
    )
