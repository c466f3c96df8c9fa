"""The account of probes: silence, runs, corrections, bounds."""

from __future__ import annotations

import math

import pytest

from edge.monitor.ledger import KEPT_S, MOST_PROBES, Ledger
from edge.monitor.sources import sources
from edge.monitor.track import Track
from tests.unit.monitor.line import ANCHORS, GATEWAY, PUBLIC, RESOLVER, SETTINGS, uplink

A, B = ANCHORS
DNS = f"dns:{RESOLVER}"


class Book:
    """A ledger whose probes are named by (moment, source); answers come 20 ms later."""

    def __init__(self) -> None:
        self.tracks = {s.name: Track(s, span_s=40) for s in sources(uplink(), SETTINGS, GATEWAY)}
        self.ledger = Ledger(tuple(self.tracks.values()), timeout_s=1.0, now=0.0)
        self.serial = 0

    def ask(self, at: float, name: str, *, answers: bool) -> int:
        self.serial += 1
        self.ledger.sent(self.serial, self.tracks[name], now=at)
        if answers:
            self.ledger.answered(self.serial, 20.0, now=at + 0.02)
        self.ledger.settle(now=at + 0.02)
        return self.serial

    def round(self, begin: float, end: float, names: tuple[str, ...], *, answers: bool, every: float = 0.05) -> None:
        for number in range(round((end - begin) / every)):
            self.ask(begin + number * every, names[number % len(names)], answers=answers)


def test_silence_is_measured_between_probes_that_were_lost() -> None:
    """A short break would look as long as the patience makes it."""
    book = Book()
    book.round(0, 1, (A, B, "gateway"), answers=True)
    book.round(1, 3, (A, B, "gateway", DNS), answers=False)
    book.ledger.settle(now=3.5)
    assert book.ledger.silence_s() == pytest.approx(1.95, abs=0.01)
    assert book.ledger.enough_tried()
    book.ask(3.5, A, answers=True)
    assert book.ledger.silence_s() == 0


def test_an_answer_to_a_probe_of_before_does_not_end_a_silence() -> None:
    """What still drains from a queue would prove that a dead line lives."""
    book = Book()
    book.round(0, 1, (A, B), answers=True)
    late = book.ask(1.0, A, answers=False)
    book.round(1.05, 3, (A, B, DNS), answers=False)
    book.ledger.settle(now=3.2)
    assert book.ledger.answered(late, 2_200.0, now=3.2) is not None
    assert book.ledger.silence_s() > 1.5


def test_gateway_and_resolver_do_not_end_a_silence_beyond_them() -> None:
    """Providers answer port 53 themselves: a dead line would be up."""
    book = Book()
    book.round(0, 1, (A, B, "gateway", DNS), answers=True)
    for number in range(60):
        book.ask(1 + number * 0.05, (A, B, "gateway", DNS, PUBLIC[0])[number % 5], answers=number % 5 in (2, 3))
    book.ledger.settle(now=4.3)
    assert book.ledger.silence_s() > 2.5
    assert book.ledger.enough_tried()
    assert book.ledger.gateway_answers is True


def test_few_losses_between_a_resolvers_answers_are_no_silence() -> None:
    """Where targets are asked seldom, two lost probes would be an outage."""
    book = Book()
    book.round(0, 1, (A, DNS), answers=True)
    for at in (2.0, 4.0, 6.0):
        book.ask(at, A, answers=False)
        book.ask(at + 0.5, DNS, answers=True)
    book.ledger.settle(now=7)
    assert book.ledger.silence_s() == 0


def test_one_silent_source_is_not_enough() -> None:
    """One target's fault would be an outage."""
    book = Book()
    book.round(0, 1, (A, B), answers=True)
    book.round(1, 4, (A,), answers=False)
    book.ledger.settle(now=4.5)
    assert not book.ledger.enough_tried()


def test_losses_in_a_row_are_one_event() -> None:
    """A burst of half a second would count as ten independent losses."""
    book = Book()
    book.round(0, 0.2, (A, B), answers=True)
    book.round(0.2, 0.8, (A, B), answers=False)
    book.round(0.8, 1.0, (A, B), answers=True)
    book.ledger.settle(now=1.5)
    assert sum(track.losses for track in book.tracks.values()) == 12
    assert sum(track.runs for track in book.tracks.values()) == 1
    assert book.ledger.blackout_s == pytest.approx(0.55)


def test_single_losses_are_events_of_their_own() -> None:
    """Loss of every third packet would count once."""
    book = Book()
    for number in range(30):
        book.ask(number * 0.05, (A, B)[number % 2], answers=number % 3 != 1)
    book.ledger.settle(now=3)
    assert sum(track.runs for track in book.tracks.values()) == 10
    assert book.ledger.blackout_s == 0


def test_a_late_answer_takes_its_loss_back() -> None:
    """A slow line would be called lossy."""
    book = Book()
    book.ask(-0.05, A, answers=True)
    book.tracks[A].turn()
    serial = book.ask(0.0, A, answers=False)
    book.ledger.settle(now=0.5)
    assert (book.tracks[A].losses, book.tracks[A].runs) == (1, 1)
    book.ledger.answered(serial, 900.0, now=0.9)
    assert (book.tracks[A].losses, book.tracks[A].runs, book.tracks[A].answers) == (0, 0, 1)


@pytest.mark.parametrize("rtt_ms", [-5.0, math.nan])
def test_a_round_trip_that_cannot_be_is_measured_by_the_ledger(rtt_ms: float) -> None:
    """A clock that jumped years would teach a round trip of years."""
    book = Book()
    serial = book.ask(1.0, A, answers=False)
    book.ledger.answered(serial, rtt_ms, now=1.05)
    assert book.tracks[A].srtt_ms == pytest.approx(50.0)


def test_memory_is_bounded() -> None:
    """A month of silence would fill the memory."""
    book = Book()
    for number in range(3 * MOST_PROBES):
        book.ask(number * 0.001, A, answers=False)
    book.ledger.turn(now=3 * MOST_PROBES * 0.001)
    assert len(book.ledger._open) <= MOST_PROBES
    book.ledger.turn(now=1e6)
    assert not book.ledger._open
    assert book.ledger.answered(1, 1.0, now=KEPT_S + 1) is None
