"""The villages' benchmark: whatever is missing, twice, out of order or too late is said."""

from __future__ import annotations

from typing import Any

from bench.regency.servers import Arrived
from bench.villages import Plan, judge

PLAN = Plan(villages=2, events=10, requests=3)
DONE: list[dict[str, Any]] = [
    {"took_s": [5.0], "results": {"delivered": 10, "given_up": 0}, "most_kib": 40_000},
    {"took_s": [7.0], "results": {"delivered": 10, "retry": 2, "given_up": 0}, "most_kib": 40_000},
]


def bad(done: list[dict[str, Any]] = DONE, *, events: int = 20, twice: int = 0, disorder: int = 0) -> set[str]:
    figures = judge("https", PLAN, done, Arrived(events, twice, disorder, {}), memory_mb=100.0)
    return {name for name, figure in figures.items() if not figure["ok"]}


def test_all_is_well() -> None:
    """The bench could never be green."""
    assert bad() == set()


def test_each_promise_can_be_broken() -> None:
    """A lost event would be reported as delivered."""
    assert bad(events=19) == {"https_events_arrived"}
    assert bad(twice=1) == {"https_two_effects"}
    assert bad(disorder=1) == {"https_out_of_order"}
    assert bad([DONE[0], DONE[1] | {"took_s": [601.0]}]) == {"https_last_village_s"}
    assert bad([DONE[0], DONE[1] | {"results": {"given_up": 1}}]) == {"https_given_up"}


def test_a_server_that_swells_is_seen() -> None:
    """An overloaded server would pass for a bounded one."""
    figures = judge("nats", PLAN, DONE, Arrived(20, 0, 0, {"busiest": 3}), memory_mb=300.0)
    assert not figures["nats_server_memory_mb"]["ok"]
    assert figures["nats_busiest"]["value"] == 3
