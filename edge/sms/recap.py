"""Pure: how many requests stand where, for the operator's REKAP."""

from __future__ import annotations

from collections.abc import Sequence

from edge.queue.lifecycle import CLOSED
from edge.queue.request import Request

OVERDUE_S = 30 * 86_400.0
_NEW = frozenset({"received", "forwarded"})


def count(requests: Sequence[Request], *, now: float) -> dict[str, object]:
    """New, in work, done, and more than 30 days without a change (Unix seconds), as the template names them."""
    waiting = [request for request in requests if request.state not in CLOSED]
    return {
        "a": sum(request.state in _NEW for request in waiting),
        "b": sum(request.state not in _NEW for request in waiting),
        "c": sum(request.state in ("completed", "collected") for request in requests),
        "d": sum(now - request.updated_at > OVERDUE_S for request in waiting),
    }
