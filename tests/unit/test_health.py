"""Health conditions: raised and cleared once, sorted for people, and each explained."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from edge.health import CONDITIONS, Health

DOCS = Path(__file__).parents[2] / "docs" / "health.md"


class Wall:
    """A wall clock that moves when it is told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_condition_holds_from_raise_to_clear() -> None:
    """The page would miss a fault or keep one that is over."""
    health = Health(Wall())
    health.raise_("modem-missing", "no such file")
    (held,) = health.current()
    assert (held.condition.code, held.detail, held.since, held.subject) == ("modem-missing", "no such file", 100.0, "")
    health.clear("modem-missing")
    assert health.current() == ()


def test_raising_again_keeps_its_beginning_and_takes_the_new_detail() -> None:
    """A fault of hours would seem to have begun a second ago."""
    wall = Wall()
    health = Health(wall)
    health.raise_("uplink-down", "first", subject="pde")
    wall.now = 200.0
    health.raise_("uplink-down", "second", subject="pde")
    (held,) = health.current()
    assert (held.since, held.detail) == (100.0, "second")


def test_subjects_are_apart() -> None:
    """One uplink's recovery would hide the other's fault."""
    health = Health(Wall())
    health.raise_("uplink-down", subject="pde")
    health.raise_("uplink-down", subject="telkom")
    health.clear("uplink-down", subject="pde")
    assert [held.subject for held in health.current()] == ["telkom"]


def test_errors_come_first_then_the_oldest() -> None:
    """The office would read about a slow link before the cut one."""
    wall = Wall()
    health = Health(wall)
    for code in ("clock-untrusted", "modem-missing", "uplink-degraded", "store-full"):
        health.raise_(code)
        wall.now += 1
    assert [held.condition.code for held in health.current()] == [
        "modem-missing",
        "store-full",
        "clock-untrusted",
        "uplink-degraded",
    ]


def test_it_is_logged_once_each_way(caplog: pytest.LogCaptureFixture) -> None:
    """A fault that is found again every second would fill the journal."""
    caplog.set_level(logging.INFO, "edge.health")
    health = Health(Wall())
    for _ in range(3):
        health.raise_("uplink-down", "no-reply", subject="pde")
    for _ in range(3):
        health.clear("uplink-down", subject="pde")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", f"uplink-down (pde): {CONDITIONS['uplink-down'].meaning} [no-reply]"),
        ("INFO", "uplink-down (pde): cleared"),
    ]


@pytest.mark.parametrize("code", ["", "uplink_down", "meteor"])
def test_an_undeclared_code_is_a_bug(code: str) -> None:
    """A misspelt condition would never be shown, or never end."""
    health = Health(Wall())
    with pytest.raises(KeyError):
        health.raise_(code)
    with pytest.raises(KeyError):
        health.clear(code)
    assert health.current() == ()


@pytest.mark.parametrize("code", sorted(CONDITIONS))
def test_every_condition_is_fit_for_people_and_machines(code: str) -> None:
    """A condition would reach the page without a word or with a code that no label may hold."""
    condition = CONDITIONS[code]
    assert condition.code == code
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)
    assert all((condition.title, condition.remedy, condition.meaning))
    assert condition.remedy.endswith(".")
    assert condition.severity in ("warning", "error")


@pytest.mark.parametrize("code", sorted(CONDITIONS))
def test_every_condition_is_documented(code: str) -> None:
    """An engineer would meet a code that docs/health.md does not explain as the program does."""
    condition = CONDITIONS[code]
    line = f"| `{code}` | {condition.severity} | {condition.meaning} | {condition.title} | {condition.remedy} |"
    assert line in DOCS.read_text().splitlines()


def test_nothing_else_is_documented() -> None:
    """The page would explain a condition that no longer exists."""
    assert set(re.findall(r"^\| `([a-z-]+)` \| (?:error|warning) \|", DOCS.read_text(), re.MULTILINE)) == set(
        CONDITIONS
    )


def test_whoever_asks_hears_of_every_change_once() -> None:
    """The regency sees a box as well until its next heartbeat."""
    health, heard = Health(lambda: 0.0), []
    health.on_change(lambda: heard.append(len(health.current())))
    health.raise_("store-full")
    health.raise_("store-full", "still")
    health.clear("store-full")
    health.clear("store-full")
    assert heard == [1, 0]
