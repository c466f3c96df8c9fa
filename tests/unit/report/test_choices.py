"""Choices by hand as spans of time: replaced, taken back, over, and those of other months."""

from __future__ import annotations

from typing import Any

import pytest

from edge.report.choices import Choice, between

HOUR = 3_600.0


def made(at: float, uplink: str | None, *classes: str, hours: float = 2, by: str = "siti") -> dict[str, Any]:
    return {"at": at * HOUR, "event": "choice", "classes": classes, "uplink": uplink, "for_s": hours * HOUR, "by": by}


def spans(*found: dict[str, Any], since: float = 0, until: float = 100) -> list[tuple[str, str, float, float, str]]:
    return [
        ("+".join(each.classes), each.uplink, each.began / HOUR, each.ended / HOUR, each.by)
        for each in between(found, since * HOUR, until * HOUR)
    ]


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ([], []),
        ([made(1, "pde", "service", "wifi")], [("service+wifi", "pde", 1, 3, "siti")]),
        ([made(1, "pde", "service"), made(2, None, "service", hours=0)], [("service", "pde", 1, 2, "siti")]),
        ([made(1, "pde", "service"), made(9, None, "service", hours=0)], [("service", "pde", 1, 3, "siti")]),
        (
            [made(1, "pde", "service", "wifi"), made(2, "telkom", "wifi", by="budi")],
            [("wifi", "pde", 1, 2, "siti"), ("service", "pde", 1, 3, "siti"), ("wifi", "telkom", 2, 4, "budi")],
        ),
        ([made(5, "pde", "service"), made(1, None, "service", hours=0)], []),
        ([made(99, "pde", "service", hours=24)], [("service", "pde", 99, 123, "siti")]),
    ],
)
def test_a_choice_holds_until_something_ends_it(found: list[dict[str, Any]], wanted: list[object]) -> None:
    """The report would name an officer for hours in which the rules decided, or none for those he chose."""
    assert spans(*found) == wanted


def test_other_months_are_left_out() -> None:
    """Every report would tell every choice there ever was."""
    found = [made(1, "pde", "service"), made(50, "pde", "service"), made(99, "pde", "service")]
    assert [began for _, _, began, _, _ in spans(*found, since=3, until=99)] == [50]
    assert [began for _, _, began, _, _ in spans(*found, since=2.5, until=99.5)] == [1, 50, 99]


def test_a_choice_of_nobody_known_is_told_too() -> None:
    """What was asked of the daemon without a name would be lost."""
    assert between([made(1, "pde", "service", by="")], 0, HOUR * 9) == (
        Choice(("service",), "pde", HOUR, 3 * HOUR, ""),
    )
