"""Session and ladder through weeks or a year of faults, in virtual time; the shell is the smallest that can be."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from edge.modem.codec.fields import Address
from edge.modem.concat import Piece
from edge.modem.conversation import models
from edge.modem.conversation.ladder import Climb, Ladder, Rung
from edge.modem.conversation.procedures import Pin
from edge.modem.outcomes import Arrived, Event, Identified, Lost, SendEnded, SimFaulted, Surveyed
from edge.modem.pdu import encode_submit
from edge.modem.session import Session
from tests.unit.modem.virtual_modem import VirtualModem

DAY, HOUR = 86_400.0, 3_600.0
SURVEY_S, LIST_S = 240.0, 300.0
NOTICED_S = SURVEY_S + 60.0
"""The longest until a fault is noticed: a survey's pause, and the commands that meet silence."""
BACK_S = 30.0
"""The longest from the moment when a modem works by itself until it is at work, whatever rung is being tried."""


@dataclass
class Village:
    """One modem with its faults, the session, and who sends and receives."""

    seed: int
    fault_every_s: float
    now: float = 0.0
    modem: VirtualModem = field(default_factory=VirtualModem)
    ladder: Ladder = field(default_factory=lambda: Ladder(frozenset[Rung]({"usb-reset", "power"}), now=0.0))
    session: Session | None = None
    climb: Climb | None = None
    open_at: float = 0.0
    give_up_at: float | None = None
    healthy_at: float = 0.0
    ill_since: float | None = None
    working: bool = False
    announced: Counter[str] = field(default_factory=Counter)
    ends: list[SendEnded] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    longest_back_s: float = 0.0
    longest_stuck_s: float = 0.0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.schedule: list[tuple[float, str]] = []
        self.sent = self.delivered = 0

    def run(self, days: float) -> None:
        for what, every in (("fault", self.fault_every_s), ("send", HOUR), ("deliver", HOUR / 2)):
            self._plan(what, every)
        while self.now < days * DAY:
            self._step()

    def settle(self) -> None:
        """No further faults; everything that waits comes through."""
        self.schedule = []
        end = self.now + 6 * HOUR
        while self.now < end:
            self._step()

    def _plan(self, what: str, every: float) -> None:
        heapq.heappush(self.schedule, (self.now + self.random.expovariate(1 / every), what))

    def _step(self) -> None:
        moments = [self.now + HOUR, *(moment for moment, _ in self.schedule[:1])]
        if self.session is None:
            moments.append(self.open_at)
        else:
            moments += [moment for moment in (self.session.get_timer(), self.give_up_at) if moment is not None]
            moments += [moment for moment, _, _ in self.modem.said[:1]]
        faults_end = (self.modem.gone_until, self.modem.silent_until)
        moments += [moment for moment in faults_end if moment > self.now]
        self.now = max(self.now, min(moments))
        self._let_happen()
        self._keep_open()
        self._converse()
        self._watch()

    # --- the world

    def _let_happen(self) -> None:
        while self.schedule and self.schedule[0][0] <= self.now:
            _, what = heapq.heappop(self.schedule)
            if what == "fault":
                self._break_something()
                self._plan(what, self.fault_every_s)
            elif what == "send":
                self.sent += 1
                self._send(self.sent)
                self._plan(what, HOUR)
            else:
                self.delivered += 1
                self.modem.deliver(f"pesan {self.delivered}", self.now)
                self._plan(what, HOUR / 2)

    def _break_something(self) -> None:
        modem, lasts = self.modem, self.random.choice((20.0, 120.0, 900.0, 3 * HOUR))
        kind = self.random.choice(
            ("hang", "stuck", "wedged", "gone", "network", "sim", "delete", "restart", "word", "lost ok", "errors")
        )
        self.faults[kind] += 1
        if kind == "hang":
            modem.silent_until = self.now + lasts
        elif kind == "stuck":
            modem.cure = self.random.choice(("usb-reset", "power"))
        elif kind == "wedged":
            modem.cure, modem.wedged = self.random.choice(("cfun", "model-reset", "power")), True
        elif kind == "gone":
            modem.gone_until = self.now + lasts
            modem.restart(self.now)
        elif kind == "network":
            modem.unregistered_until = self.now + lasts
        elif kind == "sim":
            modem.sim_gone_until = self.now + lasts
        elif kind == "delete":
            modem.undeletable_until = self.now + lasts
        elif kind in ("restart", "word"):
            modem.restart(self.now, word="RDY" if kind == "word" else "")
        elif kind == "lost ok":
            modem.lose_ok = True
        else:
            modem.errors = 3

    # --- the shell

    def _keep_open(self) -> None:
        gone = self.now < self.modem.gone_until
        if self.session is not None and gone:
            self._close("the device vanished", gone=True)
        elif self.session is not None and self.give_up_at is not None and self.now >= self.give_up_at:
            self._close("the rung did not help", gone=False)
        elif self.session is None and self.now >= self.open_at:
            if not gone:
                self._open()
            elif self.give_up_at is not None and self.now >= self.give_up_at:
                self._fail("the device is absent", gone=True)
            else:
                self.open_at = self.now + 1.0

    def _open(self) -> None:
        rung = self.climb.rung if self.climb else ""
        self.session = Session(
            pin=Pin(""),
            list_every=LIST_S,
            survey_every=SURVEY_S,
            reset=rung if rung in ("cfun", "model-reset") else "",
            patience=self.climb.budget_s if self.climb else 3.0,
            now=self.now,
        )
        for message_id in self._unsent():
            self._send(message_id)

    def _close(self, reason: str, *, gone: bool) -> None:
        if self.session is not None:
            self.session.close()
            self._drain(self.session)
            self.session = None
        self._fail(reason, gone=gone)

    def _fail(self, reason: str, *, gone: bool) -> None:
        self.climb = self.ladder.failed(reason, now=self.now, gone=gone)
        self.open_at = self.now + self.climb.wait_s
        self.give_up_at = self.open_at + self.climb.budget_s
        if self.climb.rung in ("usb-reset", "power"):
            self.modem.treat(self.climb.rung, self.now)

    def _send(self, message_id: int) -> None:
        if self.session is not None:
            piece = Piece(f"balasan {message_id}", False, None)
            self.session.send(message_id, [encode_submit(Address("+628123"), piece)], self.now)

    def _unsent(self) -> list[int]:
        ended = {end.id for end in self.ends if end.sent or not end.certain}
        return [message_id for message_id in range(max(1, self.sent - 200), self.sent + 1) if message_id not in ended]

    def _converse(self) -> None:
        session, modem = self.session, self.modem
        if session is None:
            return
        while modem.said and modem.said[0][0] <= self.now:
            session.receive(heapq.heappop(modem.said)[2], self.now)
        due = session.get_timer()
        if due is not None and due <= self.now:
            session.handle_timer(self.now)
        self._drain(session)
        modem.hear(session.to_send(), self.now)

    def _drain(self, session: Session) -> None:
        while (event := session.next_event()) is not None:
            self._heed(session, event)

    def _heed(self, session: Session, event: Event) -> None:
        if isinstance(event, Arrived) and event.index is not None:
            self.announced[event.pdu] += 1
            session.delete(event.index, self.now)
        elif isinstance(event, SendEnded):
            self.ends.append(event)
        elif isinstance(event, Identified):
            self.ladder.abilities |= models.named(event.quirks).abilities
        elif isinstance(event, Surveyed | SimFaulted):
            self.give_up_at = self.climb = None
            self.ladder.worked(now=self.now)
            self.working = isinstance(event, Surveyed) and event.network.registered
            self.healthy_at = self.now
        elif isinstance(event, Lost) and self.session is session:
            self._close(event.reason, gone=False)

    # --- what must hold at every moment

    def _watch(self) -> None:
        works = self.modem.works(self.now)
        if self.ladder.rung or not works:
            self.working = False
        told = bool(self.ladder.rung) or self.now - self.healthy_at <= NOTICED_S
        assert told, f"at {self.now:.0f} s nothing is known of the modem and no rung is told"
        if not works:
            self.ill_since = None
        elif self.ill_since is None:
            self.ill_since = self.now
        elif self.ladder.rung:
            self.longest_back_s = max(self.longest_back_s, self.now - self.ill_since)
        if self.ladder.rung:
            self.longest_stuck_s = max(self.longest_stuck_s, self.now - self.ladder.since)


def check(village: Village) -> None:
    village.settle()
    assert len(village.faults) == 11, "every kind of fault must have happened"
    assert village.longest_back_s <= BACK_S
    # 3 h is the longest that a fault lasts by itself; what needs a reset waits for its rung.
    assert village.longest_stuck_s <= 3 * HOUR + village.ladder.round_s() + NOTICED_S
    assert not village.modem.waiting
    assert not village.modem.sim
    assert len(village.announced) == village.delivered
    uncertain = {end.id for end in village.ends if not end.certain}
    sent = {end.id for end in village.ends if end.sent}
    taken = Counter(village.modem.taken)
    assert set(taken.values()) == {1}, "a message was sent twice"
    assert len(sent) <= len(taken) <= len(sent | uncertain)
    assert village.ladder.rung == ""


@pytest.mark.parametrize("seed", [1, 2])
def test_a_month_of_faults(seed: int) -> None:
    """A modem would be stuck longer than its ladder allows, a rung not be told, or a message be lost or sent twice."""
    village = Village(seed, fault_every_s=3 * HOUR)
    village.run(15)
    check(village)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_year_of_faults() -> None:
    """As above, for a year."""
    village = Village(2026, fault_every_s=8 * HOUR)
    village.run(365)
    check(village)
