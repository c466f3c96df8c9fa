from __future__ import annotations

from datetime import time

import msgspec
import pytest

from edge import config
from edge.sms import pacing

SETTINGS = config.Sms()


@pytest.mark.parametrize(
    ("now", "quiet"),
    [
        (time(20, 59), False),
        (time(21, 0), True),
        (time(0, 0), True),
        (time(5, 29), True),
        (time(5, 30), False),
        (time(12, 0), False),
    ],
)
def test_the_night_crosses_midnight(now: time, quiet: bool) -> None:
    """Notifications would ring at night or wait by day."""
    assert pacing.quiet(now, SETTINGS) is quiet


def test_a_night_within_one_day_and_none_at_all() -> None:
    """An office that wants no quiet hours, or other ones, could not have them."""
    noon = msgspec.structs.replace(SETTINGS, quiet_from="12:00", quiet_until="13:00")
    never = msgspec.structs.replace(SETTINGS, quiet_from="00:00", quiet_until="00:00")
    assert pacing.quiet(time(12, 30), noon)
    assert not pacing.quiet(time(13, 0), noon)
    assert not pacing.quiet(time(0, 0), never)


@pytest.mark.parametrize(("hour", "day", "fits"), [(59, 299, True), (60, 60, False), (0, 300, False)])
def test_the_budget_of_a_sim(hour: int, day: int, fits: bool) -> None:
    """The network would block the SIM."""
    assert pacing.within_budget(hour, day, SETTINGS) is fits


@pytest.mark.parametrize(
    ("now", "last", "wait"), [(100.0, None, 0.0), (100.0, 100.0, 6.0), (104.0, 100.0, 2.0), (107.0, 100.0, 0.0)]
)
def test_a_gap_follows_every_message(now: float, last: float | None, wait: float) -> None:
    """The first message would wait, or the next would not."""
    assert pacing.gap(now, last, SETTINGS).total_seconds() == wait


def test_each_kind_is_tried_as_long_as_its_key_says() -> None:
    """An office could not have its notifications wait longer than its replies."""
    settings = msgspec.structs.replace(SETTINGS, expire_reply_h=1, expire_notification_h=0.5, expire_digest_h=2)
    assert pacing.lives_s(settings) == {"reply": 3_600, "notification": 1_800, "digest": 7_200}
    assert pacing.lives_s(SETTINGS) == {"reply": 86_400, "notification": 259_200, "digest": 86_400}


def test_the_budget_and_the_gap_are_the_offices_own() -> None:
    """A SIM with another contract could not be used as the contract allows."""
    settings = msgspec.structs.replace(SETTINGS, sends_per_hour=5, sends_per_day=7, send_gap_s=30)
    assert [pacing.within_budget(*sent, settings) for sent in ((4, 6), (5, 6), (4, 7))] == [True, False, False]
    assert pacing.gap(100.0, 90.0, settings).total_seconds() == 20
