"""Moments as the commands read them."""

from __future__ import annotations

from datetime import datetime, timedelta

import click
import pytest

from edge.commands.sms_queue import Moment, _ended


def read(text: str) -> float:
    return Moment().convert(text, None, None)


def test_a_span_is_seconds_from_now() -> None:
    """An SMS would leave at another time than was asked for."""
    assert read("1h30m") == 5_400


def test_a_time_of_day_is_the_next_one() -> None:
    """`07:30` said in the evening would be refused as past."""
    now = datetime.now().astimezone()
    for ahead in (timedelta(minutes=5), timedelta(hours=23)):
        then = now + ahead
        seconds = read(f"{then:%H:%M}")
        assert seconds == pytest.approx(ahead.total_seconds(), abs=61)


def test_iso_8601_with_and_without_a_zone() -> None:
    """A zone would be ignored, and the SMS leave seven hours off."""
    then = (datetime.now().astimezone() + timedelta(hours=2)).replace(microsecond=0)
    for written in (then.isoformat(), then.replace(tzinfo=None).isoformat()):
        assert read(written) == pytest.approx(7_200, abs=61)


@pytest.mark.parametrize(
    "text", ["", "soon", "24:00", "7h30", "2001-01-01", "2999-01-01T00:00", "31d", "-5m", ":", "9" * 9]
)
def test_what_is_no_moment_to_come_is_refused(text: str) -> None:
    """An SMS would wait for ever, or leave at once."""
    with pytest.raises(click.UsageError):
        read(text)


def test_what_was_sent_in_the_end_is_told_without_its_earlier_error() -> None:
    """`sent: no answer after the message was given` would be read as a doubt, and the SMS be sent again."""
    assert _ended({"id": 9, "state": "sent", "why": "no answer"}) == "9: \x1b[32msent\x1b[0m"
    assert _ended({"id": 9, "state": "failed", "why": "no answer"}).endswith(": no answer")
