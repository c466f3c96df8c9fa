from __future__ import annotations

from edge.modem.conversation.trust import OWED_B, PROOF_B, Trust


def test_a_line_is_proven_by_what_came_without_a_sign() -> None:
    """A burst would be believed on a line of which nothing is known."""
    trust = Trust()
    trust.heard(PROOF_B - 1)
    assert (trust.proven, trust.noisy) == (False, False)
    trust.heard(1)
    assert (trust.proven, trust.noisy) == (True, False)


def test_one_sign_costs_the_trust_for_long() -> None:
    """A line that spoils a byte now and then would be believed again between two of them."""
    trust = Trust()
    trust.heard(10 * PROOF_B)
    trust.disturbed()
    trust.heard(OWED_B - 1)
    assert (trust.proven, trust.noisy) == (False, True)
    trust.heard(1)
    assert (trust.proven, trust.noisy) == (True, False)
