"""/healthz for machines: what is wrong now, and whether this box can take new requests.

A cut uplink or a missing modem is listed but answers 200: the box works on and restarting it would help no one. Only a
store that takes nothing new (``REFUSES_WORK``) answers 503, so that a caller goes to another desk or waits.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from edge.health import Raised

REFUSES_WORK = frozenset({"store-full", "store-readonly", "store-failing"})


class _Holds(msgspec.Struct, frozen=True):
    code: str
    severity: str
    subject: str
    meaning: str
    detail: str
    remedy: str
    since: datetime


class _Report(msgspec.Struct, frozen=True):
    status: str
    version: str
    conditions: list[_Holds]


def report(current: tuple[Raised, ...], *, version: str) -> tuple[int, bytes]:
    """The HTTP status and the JSON body: ``ok``, ``attention`` (something is listed) or ``refusing`` (503)."""
    refusing = any(raised.condition.code in REFUSES_WORK for raised in current)
    status = "refusing" if refusing else "attention" if current else "ok"
    body = _Report(status, version, [_holds(raised) for raised in current])
    return (503 if refusing else 200), msgspec.json.encode(body)


def _holds(raised: Raised) -> _Holds:
    condition = raised.condition
    return _Holds(
        condition.code,
        condition.severity,
        raised.subject,
        condition.meaning,
        raised.detail,
        condition.remedy,
        datetime.fromtimestamp(int(raised.since), UTC),
    )
