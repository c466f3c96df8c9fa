from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from edge.config import Modem
from edge.health import Health
from edge.modem.credit import LEAST_RP, Credit
from edge.modem.outcomes import BalanceTold
from tests.contract.modem_rig import MemoryMailbox

NOW = 1_795_323_600.0  # 22 November 2026


@dataclass
class Clock:
    sure: bool = True

    def monotonic(self) -> float:
        return 0.0

    def wall(self) -> float:
        return NOW

    def trusted(self) -> bool:
        return self.sure


class Purse(MemoryMailbox):
    """A mailbox that notes what it is told of credit."""

    enough: bool | None = None

    def credit(self, *, enough: bool) -> None:
        self.enough = enough


@dataclass
class Till:
    credit: Credit
    mailbox: Purse
    health: Health
    kept: dict[str, str]

    def warnings(self) -> list[str]:
        return [raised.detail for raised in self.health.current()]


def till(*, sure: bool = True) -> Till:
    mailbox, health, kept = Purse(), Health(lambda: NOW), dict[str, str]()
    settings = Modem(device="/dev/modem", balance_low_rp=10_000)
    credit = Credit(settings, mailbox, Clock(sure), health, ask=lambda: True, keep=kept.__setitem__)
    return Till(credit, mailbox, health, kept)


@pytest.mark.parametrize(
    ("rp", "expires", "sure", "warnings"),
    [
        (25_000, "2027-03-01", True, []),
        (9_999, "2027-03-01", True, ["Rp 9999 left"]),
        (25_000, "2026-12-22", True, ["the SIM expires on 2026-12-22"]),
        (25_000, "2026-12-23", True, []),
        (25_000, "2026-11-01", True, ["the SIM expired on 2026-11-01"]),
        (25_000, "2026-11-01", False, []),
        (0, "2026-11-23", True, ["Rp 0 left; the SIM expires on 2026-11-23"]),
        (None, None, True, []),
    ],
)
def test_money_and_days_are_warned_of_in_time(
    rp: int | None, expires: str | None, sure: bool, warnings: list[str]
) -> None:
    """The office's number would be lost with its SIM, or a box with a wrong clock raise an alarm."""
    box = till(sure=sure)
    box.credit.told(BalanceTold(rp, expires, 40))
    assert box.warnings() == warnings


def test_a_warning_ends_with_a_top_up() -> None:
    """An alarm would stand for ever after the credit was bought."""
    box = till()
    for rp in (100, 50_000):
        box.credit.told(BalanceTold(rp, None, 40))
    assert box.warnings() == []
    assert box.kept == {"balance": '{"rp": 50000, "expires": null}'}


def test_an_answer_without_a_balance_changes_nothing() -> None:
    """An advertisement would be taken for an empty SIM, or wipe out what was known."""
    box = till()
    box.credit.told(BalanceTold(50_000, "2027-03-01", 40))
    box.mailbox.enough = None
    box.credit.told(BalanceTold(None, None, 40))
    assert (box.credit.rp, box.credit.expires, box.mailbox.enough) == (50_000, "2027-03-01", None)


def test_an_answer_that_says_nothing_is_told_once_and_its_words_never(caplog: pytest.LogCaptureFixture) -> None:
    """A wrong code would look like a silent operator for years, or fill the log."""
    box = till()
    with caplog.at_level("INFO", "edge.modem"):
        for length in (40, 40, 0):
            box.credit.told(BalanceTold(None, None, length))
        for _ in range(2):
            box.credit.told(BalanceTold(25_000, None, 40))
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == [
        "modem: the operator's answer of 40 characters tells neither balance nor expiry",
        "modem: the operator tells the balance again",
    ]


@pytest.mark.parametrize(("rp", "enough"), [(LEAST_RP, True), (LEAST_RP - 1, False), (0, False)])
def test_the_mailbox_learns_whether_a_message_can_be_paid(rp: int, enough: bool) -> None:
    """Sending would go on without credit, or wait although there is some again."""
    box = till()
    box.credit.told(BalanceTold(rp, None, 40))
    assert box.mailbox.enough is enough


@pytest.mark.parametrize(
    ("code", "every_h", "asked_ago_h", "asks"),
    [
        ("*888#", 24, None, True),
        ("*888#", 24, 23.9, False),
        ("*888#", 24, 24.1, True),
        ("*888#", 1, 23.9, True),
        ("*888#", 1, -5, True),  # the clock jumped back
        ("", 1, None, False),
    ],
)
async def test_the_balance_is_asked_as_often_as_the_key_says(
    code: str, every_h: float, asked_ago_h: float | None, asks: bool
) -> None:
    """A question that costs money would be asked at every start, or a SIM run empty unseen."""
    mailbox, asked = Purse(), list[float]()
    if asked_ago_h is not None:
        mailbox.memory["balance_asked"] = str(NOW - 3_600 * asked_ago_h)

    def ask() -> bool:
        asked.append(NOW)
        return True

    settings = Modem(device="/dev/modem", balance_ussd=code, balance_every_h=every_h)
    credit = Credit(settings, mailbox, Clock(), Health(lambda: NOW), ask=ask, keep=mailbox.memory.__setitem__)
    task = asyncio.create_task(credit.run())
    for _ in range(20):  # as far as it comes before it must wait for time to pass
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert bool(asked) is asks
