from __future__ import annotations

import msgspec
import pytest

from edge import config
from edge.sms import limits
from edge.sms.limits import Counts

SETTINGS = config.Sms()


@pytest.mark.parametrize(
    ("counts", "head", "allowed"),
    [
        (Counts(), False, True),
        (Counts(messages_hour=9, messages_day=19), False, True),
        (Counts(messages_hour=10), False, False),
        (Counts(messages_day=20), False, False),
        (Counts(messages_hour=10, messages_day=59), True, True),
        (Counts(messages_day=60), True, False),
    ],
)
def test_messages_of_a_number_are_limited(counts: Counts, head: bool, allowed: bool) -> None:
    """One number could hold up the office, or a head could not do the work of a head."""
    assert limits.may_speak(counts, SETTINGS, head=head) is allowed


@pytest.mark.parametrize(
    ("filed", "head", "allowed"), [(2, False, True), (3, False, False), (14, True, True), (15, True, False)]
)
def test_requests_of_a_number_are_limited(filed: int, head: bool, allowed: bool) -> None:
    """One number could fill the portal."""
    assert limits.may_file(Counts(requests_day=filed), SETTINGS, head=head) is allowed


@pytest.mark.parametrize(
    ("code", "counts", "why", "allowed"),
    [
        ("RECEIVED", Counts(errors_day=9), "", True),
        ("NIK_FORM", Counts(errors_day=2), "", True),
        ("NIK_FORM", Counts(errors_day=3), "", False),
        ("HELP", Counts(errors_day=3), "unknown", False),
        ("HELP", Counts(errors_day=3), "asked", True),
        ("HELP", Counts(), "empty", True),
        ("HELP", Counts(helps_day=1), "empty", False),
        ("LIMIT", Counts(), "", True),
        ("LIMIT", Counts(limits_day=1), "", False),
        ("RECEIVED", Counts(stranger=True, to_strangers=149), "", True),
        ("RECEIVED", Counts(stranger=True, to_strangers=150), "", False),
        ("RECEIVED", Counts(to_strangers=150), "", True),
    ],
)
def test_replies_are_limited(code: str, counts: Counts, why: str, allowed: bool) -> None:
    """A flood of forged numbers could silence the office, or a citizen get no answer."""
    assert limits.may_reply(code, counts, SETTINGS, why=why) is allowed


def test_the_limits_are_the_offices_own() -> None:
    """An office could not allow its citizens more, or less, than another one."""
    settings = msgspec.structs.replace(
        SETTINGS, messages_per_hour=2, messages_per_day=4, requests_per_day=1, sends_per_day=10
    )
    assert limits.may_speak(Counts(messages_hour=1, messages_day=3), settings, head=False)
    assert not limits.may_speak(Counts(messages_hour=2), settings, head=False)
    assert not limits.may_speak(Counts(messages_day=4), settings, head=False)
    assert limits.may_file(Counts(), settings, head=False)
    assert not limits.may_file(Counts(requests_day=1), settings, head=False)
    assert not limits.may_cost(Counts(stranger=True, to_strangers=5), settings)
