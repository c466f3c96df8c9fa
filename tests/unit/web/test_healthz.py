"""/healthz as a pure function of what holds."""

from __future__ import annotations

import msgspec
import pytest

from edge.health import CONDITIONS
from edge.web import healthz
from tests.unit.web.serving import raised


def test_nothing_wrong_is_ok() -> None:
    """A healthy box would look sick to a watcher."""
    status, body = healthz.report((), version="1.2.3")
    assert (status, msgspec.json.decode(body)) == (200, {"status": "ok", "version": "1.2.3", "conditions": []})


@pytest.mark.parametrize("code", sorted(set(CONDITIONS) - healthz.REFUSES_WORK))
def test_every_other_condition_is_listed_with_200(code: str) -> None:
    """A cut cable would make a watcher restart a daemon that works."""
    status, body = healthz.report((raised(code, "pde", since=0.9),), version="1")
    answer = msgspec.json.decode(body)
    assert (status, answer["status"]) == (200, "attention")
    assert answer["conditions"] == [
        {
            "code": code,
            "severity": CONDITIONS[code].severity,
            "subject": "pde",
            "meaning": CONDITIONS[code].meaning,
            "detail": "",
            "remedy": CONDITIONS[code].remedy,
            "since": "1970-01-01T00:00:00Z",
        }
    ]


@pytest.mark.parametrize("code", ["store-full", "store-readonly", "store-failing"])
def test_a_store_that_takes_nothing_answers_503_and_still_lists_the_rest(code: str) -> None:
    """A desk would go on sending to a box that cannot take requests."""
    status, body = healthz.report((raised("uplink-down", "pde"), raised(code)), version="1")
    answer = msgspec.json.decode(body)
    assert (status, answer["status"]) == (503, "refusing")
    assert [held["code"] for held in answer["conditions"]] == ["uplink-down", code]
