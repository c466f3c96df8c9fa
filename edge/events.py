"""Frozen facts the rooms announce, for metrics and logs: no event controls anything, none holds personal data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Level = Literal["up", "degraded", "down"]


@dataclass(frozen=True, slots=True)
class UplinkJudged:
    """An uplink's verdict changed. `loss` is a share from 0 to 1, `rtt_ms` the median round trip or None.

    `jitter_ms` is the mean deviation from that median; `evidence` are short sentences, each a measured fact.
    """

    uplink: str
    verdict: Level
    cause: str
    loss: float
    rtt_ms: float | None
    jitter_ms: float | None = None
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeAnswered:
    """One probe of an uplink ended; `rtt_ms` is None when it was lost.

    `late`: it was told as lost before, and its answer came after all.
    """

    uplink: str
    target: str
    rtt_ms: float | None
    late: bool = False


@dataclass(frozen=True, slots=True)
class ClassMoved:
    """A traffic class left one uplink for another (None: no uplink at all)."""

    traffic_class: str
    from_uplink: str | None
    to_uplink: str | None
    because: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TrafficSwitched:
    """Classes were moved: `routes_s` after the decision rules and routes stood, after `seconds` all was done."""

    traffic_classes: tuple[str, ...]
    routes_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class HostReconciled:
    """The host's network state was brought to the desired one by `changes` changes."""

    changes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class SmsReceived:
    """A part of an SMS was made durable (and not known before)."""

    modem: str


@dataclass(frozen=True, slots=True)
class SmsHandled:
    """A whole SMS was understood and answered (`outcome` is the reply's code, or ignore)."""

    outcome: str


@dataclass(frozen=True, slots=True)
class SmsSent:
    """An SMS left the modem or failed for good. `kind` is reply, notification or digest."""

    modem: str
    kind: str
    result: Literal["sent", "failed", "retry", "uncertain"]


@dataclass(frozen=True, slots=True)
class RequestAccepted:
    """A request became durable. `source` is sms or desk; `letter` its type."""

    source: str
    letter: str


@dataclass(frozen=True, slots=True)
class Forwarded:
    """An outbox row was settled upstream after `attempts` tries, `seconds` after it was written."""

    result: Literal["delivered", "dead", "retry"]
    attempts: int
    seconds: float


@dataclass(frozen=True, slots=True)
class StatusReceived:
    """A status change came down from the portal."""

    state: str


@dataclass(frozen=True, slots=True)
class PartFailed:
    """A supervised part of the daemon crashed and will be started again in `retry_s` seconds."""

    part: str
    error: str
    retry_s: float


Event = (
    UplinkJudged
    | ProbeAnswered
    | ClassMoved
    | TrafficSwitched
    | HostReconciled
    | SmsReceived
    | SmsHandled
    | SmsSent
    | RequestAccepted
    | Forwarded
    | StatusReceived
    | PartFailed
)
Announce = Callable[[Event], None]
