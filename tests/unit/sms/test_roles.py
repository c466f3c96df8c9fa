from __future__ import annotations

import pytest

from edge import config
from edge.queue.request import Request
from edge.sms import roles

HEAD, OPERATOR, STAFF, CITIZEN = "+6281234567301", "+6281234567501", "+6281234567601", "+6281234567001"
SETTINGS = config.Sms(heads=(config.Head(rt=2, rw=1, phone=HEAD),), operators=(OPERATOR,), staff=(STAFF,))
REQUEST = Request("id", "K47-M2", "SKTM", "sms", "received", 1, phone=CITIZEN, rt=2, rw=1)


@pytest.mark.parametrize(
    ("sender", "answered"),
    [("+6281234567001", True), ("3636", False), ("TELKOMSEL", False), ("+60123456789", False), ("081234567001", False)],
)
def test_only_mobile_numbers_of_the_country_are_answered(sender: str, answered: bool) -> None:
    """Machines would be answered, or an SMS abroad be paid."""
    assert roles.answerable(sender) is answered


def test_a_national_number_is_the_same_sender() -> None:
    """A citizen would be a stranger when the network leaves out +62."""
    assert roles.number("081234567001") == CITIZEN
    assert roles.number("TELKOMSEL") == "TELKOMSEL"


@pytest.mark.parametrize(
    ("sender", "sees"), [(CITIZEN, True), (HEAD, True), (OPERATOR, True), (STAFF, True), ("+6281234567002", False)]
)
def test_who_may_see_a_request(sender: str, sees: bool) -> None:
    """A neighbour could follow somebody's request."""
    assert roles.may_see(sender, REQUEST, SETTINGS) is sees


def test_a_head_is_one_of_the_requests_own_rt() -> None:
    """Another RT's head would be told."""
    other = Request("id", "K47-M2", "SKTM", "sms", "received", 1, rt=3, rw=1)
    nowhere = Request("id", "K47-M2", "SKTM", "sms", "received", 1)
    assert [head.phone for head in roles.heads_of(REQUEST, SETTINGS)] == [HEAD]
    assert roles.heads_of(other, SETTINGS) == roles.heads_of(nowhere, SETTINGS) == ()
    assert roles.head(HEAD, SETTINGS) == SETTINGS.heads[0]
    assert roles.head(CITIZEN, SETTINGS) is None
