from __future__ import annotations

from types import MappingProxyType

import pytest

from edge.modem.mailbox import Outgoing
from edge.modem.pdu import Submit, decode
from edge.modem.sending import submits_of

PHONE = "+6281234567001"
LONG = "x" * 400


def sent(outgoing: Outgoing, *, report: bool = True) -> list[Submit]:
    submits = [decode(submit.pdu, length=submit.length) for submit in submits_of(outgoing, report=report)]
    assert all(isinstance(submit, Submit) for submit in submits)
    return [submit for submit in submits if isinstance(submit, Submit)]


def test_parts_count_their_references_on() -> None:
    """Two parts would share a TP-MR, and a report be about either."""
    submits = submits_of(Outgoing(300, PHONE, LONG, "reply", reference=254))
    assert [(submit.sequence, submit.reference) for submit in submits] == [(1, 254), (2, 255), (3, 0)]
    assert [submit.reference for submit in sent(Outgoing(300, PHONE, LONG, "reply", reference=254))] == [254, 255, 0]


def test_a_twin_can_be_known_as_one() -> None:
    """A service centre could not reject what it has, or would reject what it never had."""
    again = Outgoing(
        300, PHONE, LONG, "reply", reference=9, taken=frozenset({1}), given=MappingProxyType({2: 41}), known=3
    )
    submits = sent(again)
    assert [(submit.reference, submit.reject_duplicates) for submit in submits] == [(41, True), (9, False)]
    first = sent(Outgoing(300, PHONE, LONG, "reply"))
    assert [submit.concat for submit in submits] == [submit.concat for submit in first[1:]]


def test_what_was_divided_otherwise_is_sent_whole() -> None:
    """After an update half of one division would be joined with half of another."""
    again = Outgoing(1, PHONE, LONG, "reply", taken=frozenset({1}), given=MappingProxyType({2: 41}), known=2)
    assert [submit.reject_duplicates for submit in sent(again)] == [False, False, False]


def test_nothing_is_left_of_a_message_that_is_there() -> None:
    """A message of which every part is with the network would be sent again."""
    assert submits_of(Outgoing(1, PHONE, LONG, "reply", taken=frozenset({1, 2, 3}), known=3)) == ()


@pytest.mark.parametrize("wanted", [True, False])
def test_reports_are_asked_for_as_configured(wanted: bool) -> None:
    """Reports would cost an operator's fee that nobody wanted, or not come at all."""
    assert [submit.report for submit in sent(Outgoing(1, PHONE, "Halo", "reply"), report=wanted)] == [wanted]


@pytest.mark.parametrize(("number", "text"), [("Telkomsel", "Halo"), (PHONE, "x" * 50_000)])
def test_what_cannot_be_sent_is_said(number: str, text: str) -> None:
    """One impossible message would crash the driver again and again."""
    with pytest.raises(ValueError, match=r".+"):
        submits_of(Outgoing(1, number, text, "reply"))
