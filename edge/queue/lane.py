"""The outbox's lanes: what goes first when not everything can go. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType


class Lane(IntEnum):
    """In the order of going: a new request before anything, a scan after everything."""

    REQUEST = 0
    EVENT = 1
    SMS = 2
    DIGEST = 3
    ATTACHMENT = 4


_OF_KIND: Mapping[str, Lane] = MappingProxyType(
    {
        "request": Lane.REQUEST,
        "sms_failed": Lane.SMS,
        "uplink_hour": Lane.DIGEST,
        "blob": Lane.ATTACHMENT,
    }
)


def of_kind(kind: str) -> Lane:
    """The lane of a kind of row; whatever has none of its own is an event about a request."""
    return _OF_KIND.get(kind, Lane.EVENT)
