from __future__ import annotations

import pytest

from edge import config
from edge.modem.errors import Fault
from edge.sms.restraint import BACKOFF_MOST_S, HOLD_FIRST_S, HOLD_MOST_S, Gate, Restraint, Sentence

SETTINGS = config.Sms(pause_after_failures=3, pause_s=100)
AGAIN, OVER, THE_SIMS = Sentence(False), Sentence(True), Sentence(False, counted=False)


def fail(
    restraint: Restraint, fault: Fault, message: int = 1, recipient: str = "a", attempts: int = 1, now: float = 0.0
) -> Sentence:
    return restraint.failed(fault, message, recipient, attempts=attempts, now=now, jitter=0.5)


def test_one_bad_number_concerns_nobody_else() -> None:
    """One bad number would hold up all others, or be tried again and again."""
    restraint = Restraint(SETTINGS)
    assert fail(restraint, "recipient") == OVER
    assert fail(restraint, "away", 2) == AGAIN
    assert restraint.gate(now=0) == Gate()


def test_what_noise_on_the_line_may_have_spoilt_is_tried_a_few_times() -> None:
    """One damaged byte would turn a reply into a dead letter, or a malformed message be tried for ever."""
    restraint = Restraint(SETTINGS)
    assert [fail(restraint, "format", attempts=count) for count in (1, 2, 3, 4)] == [AGAIN, AGAIN, AGAIN, OVER]


def test_a_network_that_takes_nothing_is_asked_ever_less() -> None:
    """The next message would fail in the same millisecond, or a long outage be hammered."""
    restraint, now, waits = Restraint(SETTINGS), 0.0, []
    for message in range(12):
        assert fail(restraint, "network", message, str(message), now=now) == AGAIN
        gate = restraint.gate(now=now)
        assert gate.held == "network"
        waits.append(gate.until - now)
        now = gate.until
        assert restraint.gate(now=now).held == ""
    assert waits[:4] == [1, 2, 4, 8]
    assert waits[-1] == BACKOFF_MOST_S
    restraint.sent(now=now)
    fail(restraint, "modem", now=now)
    assert restraint.gate(now=now).until == now + 1


@pytest.mark.parametrize(("jitter", "wait"), [(0.0, 0.75), (1.0, 1.25)])
def test_waits_are_spread(jitter: float, wait: float) -> None:
    """Many boxes would knock at a network that comes back in the same second."""
    restraint = Restraint(SETTINGS)
    restraint.failed("network", 1, "a", attempts=1, now=0, jitter=jitter)
    assert restraint.gate(now=0).until == wait


def test_a_refusal_is_first_taken_for_the_recipients_own() -> None:
    """One blocked number would stop the whole office."""
    restraint = Restraint(SETTINGS)
    assert fail(restraint, "refused", 1) == AGAIN
    assert restraint.gate(now=1).held == ""
    restraint.sent(now=5)
    assert fail(restraint, "refused", 1, attempts=2, now=60) == OVER


def test_a_lone_refused_message_is_given_up_in_the_end() -> None:
    """A message to a number that takes none would be tried for ever where nothing else is sent."""
    restraint = Restraint(SETTINGS)
    assert [fail(restraint, "refused", attempts=count) for count in (1, 2, 3)] == [AGAIN, AGAIN, OVER]


@pytest.mark.parametrize(("fault", "held"), [("refused", "credit"), ("barred", "barred")])
def test_two_refused_recipients_are_the_sims_own_fault(fault: Fault, held: str) -> None:
    """Without credit every waiting message would become a dead letter."""
    restraint, now = Restraint(SETTINGS), 0.0
    fail(restraint, fault, 1, "a")
    waits = []
    for message in range(2, 9):
        assert fail(restraint, fault, message, str(message), attempts=9, now=now) == THE_SIMS
        gate = restraint.gate(now=now)
        waits.append(gate.until - now)
        now = gate.until
        assert restraint.gate(now=now).held == held, "the condition must not come and go with every try"
    assert (waits[0], waits[-1]) == (HOLD_FIRST_S, HOLD_MOST_S)
    restraint.sent(now=now)
    assert restraint.gate(now=now).held == ""


def test_a_balance_that_is_used_up_explains_the_first_refusal() -> None:
    """A lone reply would become a dead letter though its sender has just been told that there is no credit."""
    restraint = Restraint(SETTINGS)
    restraint.credit(enough=False)
    assert fail(restraint, "refused") == THE_SIMS
    restraint.credit(enough=True)
    assert restraint.gate(now=0) == Gate()


def test_credit_that_came_back_does_not_lift_a_ban() -> None:
    """A SIM that the operator bars would go on sending like a machine."""
    restraint = Restraint(SETTINGS)
    for message in (1, 2):
        fail(restraint, "barred", message, str(message))
    restraint.credit(enough=True)
    assert restraint.gate(now=0).held == "barred"


def test_refusals_with_money_left_are_a_ban() -> None:
    """The office would be told to top up a SIM that has credit, again and again, while the operator blocks it."""
    restraint = Restraint(SETTINGS)
    for message in (1, 2):
        fail(restraint, "refused", message, str(message))
    restraint.credit(enough=True)
    assert restraint.gate(now=0) == Gate()
    for message in (3, 4):
        fail(restraint, "refused", message, str(message))
    assert restraint.gate(now=0).held == "barred"
    restraint.credit(enough=False)
    fail(restraint, "refused", 5, "5")
    assert restraint.gate(now=0).held == "credit"
    restraint.sent(now=1)
    for message in (6, 7):
        fail(restraint, "refused", message, str(message))
    assert restraint.gate(now=1).held == "credit"


def test_bulk_pauses_after_failures_of_several_messages() -> None:
    """One stubborn message would pause all notifications, or a SIM in trouble not pause at all."""
    restraint = Restraint(SETTINGS)
    for _ in range(5):
        fail(restraint, "away", 1)
    assert restraint.gate(now=0).bulk_until == 0
    fail(restraint, "recipient", 2)
    restraint.doubted(3, now=10)
    assert restraint.gate(now=10).bulk_until == 110
    restraint.sent(now=20)
    assert restraint.gate(now=20).bulk_until == 110
    assert restraint.gate(now=110).bulk_until == 0


def test_memory_is_bounded() -> None:
    """A year of failures would fill the memory."""
    restraint = Restraint(SETTINGS)
    for message in range(5_000):
        fail(restraint, "barred", message, "a", now=message)
        fail(restraint, "refused", message, str(message), now=message)
    assert max(len(kept) for kept in vars(restraint).values() if isinstance(kept, dict)) <= 257
