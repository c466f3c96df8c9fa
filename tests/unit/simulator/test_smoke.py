"""The smoke's verdict: every figure must be there and as wanted."""

import pytest

from edge.simulator.smoke import WANTED, Value, judge

GOOD: dict[str, Value] = {
    "ready_s": 1.1,
    "failover_s": 2.4,
    "failback": True,
    "service_share": 0.62,
    "sms_reply_s": 1.5,
    "request_forwarded": True,
    "status_sms": True,
    "desk_request_forwarded": True,
    "isolation_leaks": 0,
    "rss_mb": 60.2,
    "cpu_percent_idle": 0.9,
    "metrics_series": 120,
    "leftovers": 0,
}
BAD: dict[str, Value] = {
    "ready_s": 2.01,
    "failover_s": 5.01,
    "failback": False,
    "service_share": 0.49,
    "sms_reply_s": 3.1,
    "request_forwarded": False,
    "status_sms": False,
    "desk_request_forwarded": False,
    "isolation_leaks": 1,
    "rss_mb": 68.1,
    "cpu_percent_idle": 2.01,
    "metrics_series": 0,
    "leftovers": 1,
}


def test_a_good_run_is_good() -> None:
    """The smoke would fail on the very figures that are wanted."""
    assert set(GOOD) == set(WANTED)
    assert judge(GOOD) == []


@pytest.mark.parametrize("name", WANTED)
def test_one_bad_figure_is_named(name: str) -> None:
    """A figure that is not as wanted would pass."""
    assert judge({**GOOD, name: BAD[name]}) == [f"{name} is {BAD[name]}"]


@pytest.mark.parametrize("name", WANTED)
def test_a_figure_that_was_not_measured_is_bad(name: str) -> None:
    """A run that broke off would pass."""
    assert judge({**GOOD, name: None}) == [f"{name} is None"]
