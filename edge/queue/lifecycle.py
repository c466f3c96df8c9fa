"""The legal transitions of a request, as two tables: what the box may do and what the portal may do. Pure.

One owner at a time: the box until *forwarded*, the portal after. The portal may send a request forward, back or on to
the RT as its officers do; the `version` of its changes guards the order, not this table. What is closed stays closed,
but for a request that was given up on the box (`edge.queue.giving_up`) and of which the portal speaks after all.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_CHECKS = ("village_check", "needs_data", "rt_confirmation")
_APPROVALS = ("district_check", "secretary_approval", "head_approval", "signing")
_ENDS = ("completed", "rejected", "cancelled")
_AT_THE_PORTAL = ("forwarded", *_CHECKS, *_APPROVALS, "returned")
_BY_THE_PORTAL = frozenset((*_CHECKS, *_APPROVALS, "returned", *_ENDS))

BOX: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "draft": frozenset({"received", "cancelled", "expired"}),
        "received": frozenset({*_CHECKS, "forwarded", "cancelled", "rejected"}),
        "village_check": frozenset({"needs_data", "rt_confirmation", "forwarded", "cancelled", "rejected"}),
        "needs_data": frozenset({"village_check", "rt_confirmation", "forwarded", "cancelled", "expired", "rejected"}),
        "rt_confirmation": frozenset({"village_check", "needs_data", "forwarded", "cancelled", "expired", "rejected"}),
        "completed": frozenset({"collected"}),
        "rejected": frozenset({"forwarded"}),
    }
)
PORTAL: Mapping[str, frozenset[str]] = MappingProxyType(
    {state: _BY_THE_PORTAL - {state} for state in _AT_THE_PORTAL},
)
STATES = frozenset(BOX) | frozenset(PORTAL) | {"collected", "rejected", "cancelled", "expired"}
CLOSED = frozenset({"completed", "collected", "rejected", "cancelled", "expired"})
BEFORE_HANDOVER = frozenset({"draft", "received", *_CHECKS})


class IllegalTransition(Exception):
    """A state that cannot follow the present one for this actor."""


def legal(state: str, wanted: str, *, by: str) -> bool:
    """Whether `by` ("portal", or any name of a part of the box) may move a request from `state` to `wanted`."""
    table = PORTAL if by == "portal" else BOX
    return wanted in table.get(state, frozenset())


def check(state: str, wanted: str, *, by: str) -> None:
    """Raise `IllegalTransition` unless `legal`."""
    if not legal(state, wanted, by=by):
        raise IllegalTransition(f"{by} may not move a request from {state} to {wanted}")
