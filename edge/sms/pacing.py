"""Pure: when the next SMS may leave, and of which kind.

An ordinary SIM that sends like a machine is blocked by its network, so messages keep a gap and stay within an hour's
and a day's budget. Notifications and digests wait out the night; direct replies do not.
"""

from __future__ import annotations

from datetime import time, timedelta

from edge import config


def quiet(now: time, settings: config.Sms) -> bool:
    """Whether notifications wait at the local time `now`; equal bounds mean never."""
    start, end = time.fromisoformat(settings.quiet_from), time.fromisoformat(settings.quiet_until)
    return start <= now < end if start <= end else now >= start or now < end


def within_budget(hour: int, day: int, settings: config.Sms) -> bool:
    """Whether one more SMS fits, after so many in the last hour and day."""
    return hour < settings.sends_per_hour and day < settings.sends_per_day


def gap(now: float, last: float | None, settings: config.Sms) -> timedelta:
    """How long to wait at monotonic `now` when the last message left at `last`; nothing before the first."""
    return timedelta(seconds=max(0.0, last + settings.send_gap_s - now) if last is not None else 0.0)


def lives_s(settings: config.Sms) -> dict[str, float]:
    """How long a message of each kind is tried, in seconds."""
    hours = {
        "reply": settings.expire_reply_h,
        "notification": settings.expire_notification_h,
        "digest": settings.expire_digest_h,
    }
    return {kind: 3_600 * life for kind, life in hours.items()}
