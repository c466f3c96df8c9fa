"""Pure: how much one number may ask in a day, and how much of the SIM it may use.

Days and hours are the last 24 hours and the last hour, so no clock jump and no time zone can lock anybody out for long.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge import config
from edge.sms.replies import ERRORS

ERRORS_A_DAY = 3
_HEAD_MESSAGES = 3  # a head may send three times what a citizen may
_HEAD_REQUESTS = 5


@dataclass(frozen=True, slots=True)
class Counts:
    """What a number has done: messages before this one, requests filed, error replies and LIMIT and HELP it got.

    `stranger` is a number never seen before; `to_strangers` counts today's replies to such numbers.
    """

    messages_hour: int = 0
    messages_day: int = 0
    requests_day: int = 0
    errors_day: int = 0
    limits_day: int = 0
    helps_day: int = 0
    stranger: bool = False
    to_strangers: int = 0


def may_speak(counts: Counts, settings: config.Sms, *, head: bool) -> bool:
    """Whether this message is read at all; one that is not stays stored."""
    factor = _HEAD_MESSAGES if head else 1
    return (
        counts.messages_hour < settings.messages_per_hour * factor
        and counts.messages_day < settings.messages_per_day * factor
    )


def may_file(counts: Counts, settings: config.Sms, *, head: bool) -> bool:
    """Whether a new request is accepted."""
    return counts.requests_day < settings.requests_per_day * (_HEAD_REQUESTS if head else 1)


def may_cost(counts: Counts, settings: config.Sms) -> bool:
    """Whether this message may make the SIM send at all: strangers share half of its day, however many they are."""
    return not counts.stranger or counts.to_strangers < settings.sends_per_day // 2


def may_reply(code: str, counts: Counts, settings: config.Sms, *, why: str = "") -> bool:
    """Whether the reply `code` goes out. `why` says what called for help: asked, empty (once a day) or unknown."""
    if not may_cost(counts, settings):
        return False
    if code == "LIMIT" and counts.limits_day:
        return False
    if code == "HELP" and why == "empty" and counts.helps_day:
        return False
    if code not in ERRORS or (code == "HELP" and why == "asked"):
        return True
    return counts.errors_day < ERRORS_A_DAY
