from __future__ import annotations

from edge.queue.request import Request
from edge.sms import recap


def test_each_request_is_counted_where_it_stands() -> None:
    """The operator would get figures that do not add up."""
    day = 86_400.0
    states = [
        ("received", 40),
        ("forwarded", 1),
        ("head_approval", 31),
        ("completed", 90),
        ("collected", 1),
        ("rejected", 90),
    ]
    requests = [
        Request("id", "K47-M2", "SKTM", "sms", state, 1, updated_at=100 * day - days * day) for state, days in states
    ]
    assert recap.count(requests, now=100 * day) == {"a": 2, "b": 1, "c": 2, "d": 2}
