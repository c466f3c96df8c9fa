"""The outbox against a model of a dozen lines: whatever is done in whatever order, the same rows are due."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge.queue.lane import of_kind
from edge.queue.store import outbox, outbox_view
from edge.queue.store.seal import Seal
from tests.unit.queue.store.rows import database

NOW, MOST_S, LEASE_S, POISON = 1_795_323_600.0, 7_200.0, 300.0, 3
SEAL = Seal(bytes(32))
UNSETTLED = ("open", "leased", "dead")
pick = st.integers(0, 10)


@dataclass
class Modelled:
    """A row as the model has it: "open" until it is leased, dead or over; due from `due_at` on."""

    seq: int
    event: str
    stream: str | None
    lane: int
    state: str
    due_at: float
    expires_at: float | None
    attempts: int = 0
    faults: int = 0


class Outbox(RuleBasedStateMachine):
    """Every operation, on the real table and on the model."""

    @initialize()
    def begin(self) -> None:
        self.conn = database()
        self.now = NOW
        self.rows: list[Modelled] = []
        self.leased: dict[int, outbox.Row] = {}

    @rule(
        kind=st.sampled_from(["rt_answered", "sms_failed", "uplink_hour", "blob"]),
        stream=st.sampled_from([None, "a", "b"]),
        wait_s=st.sampled_from([0.0, 100.0]),
        life_s=st.sampled_from([None, 250.0]),
    )
    def put(self, kind: str, stream: str | None, wait_s: float, life_s: float | None) -> None:
        due, ends = self.now + wait_s if wait_s else 0.0, None if life_s is None else self.now + life_s
        event = outbox.put(
            self.conn, SEAL, None, kind, "{}", now=self.now, stream=stream, not_before=due, expires_at=ends
        )
        self.rows.append(Modelled(len(self.rows) + 1, event, stream, int(of_kind(kind)), "open", due, ends))

    @rule(seconds=st.sampled_from([1.0, 60.0, 350.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(limit=st.integers(1, 4))
    def claim(self, limit: int) -> None:
        for row in self.rows:
            if row.state == "leased" and row.due_at <= self.now:
                row.state = "open"
        due = [row for row in self.rows if row.state == "open" and row.due_at <= self.now and self._first(row)]
        wanted = sorted(due, key=lambda row: (row.lane, row.seq))[:limit]
        claimed = outbox.claim(self.conn, SEAL, limit=limit, now=self.now, most_wait_s=MOST_S, lease_s=LEASE_S)
        assert [row.seq for row in claimed] == [row.seq for row in wanted]
        for row, real in zip(wanted, claimed, strict=True):
            row.state, row.due_at = "leased", self.now + LEASE_S
            row.attempts += 1
            assert (real.attempts, real.faults) == (row.attempts, row.faults)
            self.leased[row.seq] = real

    @precondition(lambda self: self._of("leased"))
    @rule(number=pick, state=st.sampled_from(["delivered", "dead", "discarded"]))
    def settle(self, number: int, state: str) -> None:
        row = self._pick("leased", number)
        assert outbox.settle(self.conn, self.leased[row.seq], state, now=self.now)
        row.state = "dead" if state == "dead" else "over"

    @precondition(lambda self: self._of("leased"))
    @rule(number=pick, wait_s=st.sampled_from([0.0, 30.0]), how=st.sampled_from(["postpone", "fault", "hand over"]))
    def give_back(self, number: int, wait_s: float, how: str) -> None:
        row = self._pick("leased", number)
        real = self.leased[row.seq]
        if how == "hand over":
            outbox.hand_over(self.conn, real, until=self.now + wait_s)
        else:
            outbox.postpone(self.conn, real, not_before=self.now + wait_s, error="", fault=how == "fault")
            row.faults += how == "fault"
        row.state, row.due_at = "open", self.now + wait_s

    @precondition(lambda self: self._of("leased"))
    @rule(number=pick)
    def release(self, number: int) -> None:
        row = self._pick("leased", number)
        outbox.release(self.conn, self.leased[row.seq])
        row.state, row.due_at, row.attempts = "open", 0.0, row.attempts - 1

    @precondition(lambda self: self._tried())
    @rule(number=pick)
    def confirm(self, number: int) -> None:
        tried = self._tried()
        row = tried[number % len(tried)]
        assert outbox.confirm(self.conn, row.event, now=self.now) is not None
        row.state = "over"

    @precondition(lambda self: self._tried())
    @rule(number=pick)
    def blame(self, number: int) -> None:
        tried = self._tried()
        row = tried[number % len(tried)]
        died = outbox.blame(self.conn, [row.seq], most=POISON, now=self.now)
        row.faults += row.state != "dead"
        assert bool(died) == (row.state != "dead" and row.faults >= POISON)
        row.state = "dead" if died else row.state

    @precondition(lambda self: self._of("dead"))
    @rule(number=pick, again=st.booleans())
    def decide(self, number: int, again: bool) -> None:
        row = self._pick("dead", number)
        if again:
            assert outbox.revive(self.conn, row.seq, now=self.now)
            row.state, row.due_at, row.faults = "open", 0.0, 0
            row.expires_at = row.expires_at if row.expires_at and row.expires_at > self.now else None
        else:
            assert outbox.discard(self.conn, row.seq, now=self.now, reason="tested")
            row.state = "over"

    @rule()
    def expire(self) -> None:
        broker = {seq for (seq,) in self.conn.execute("SELECT seq FROM outbox WHERE state = 'confirming'")}
        stale = [
            row
            for row in self.rows
            if row.state in ("open", "dead")
            and row.seq not in broker
            and row.expires_at is not None
            and row.expires_at <= self.now
        ]
        assert outbox.expire(self.conn, now=self.now) == len(stale)
        for row in stale:
            row.state = "over"

    @invariant()
    def depths_are_right(self) -> None:
        if not hasattr(self, "conn"):
            return
        counted = self.conn.execute(
            "SELECT lane, state, count(*), ifnull(sum(length(payload)), 0) FROM outbox GROUP BY lane, state"
        )
        kept = {
            (int(lane), state, depth.rows, depth.bytes)
            for (lane, state), depth in outbox_view.depths(self.conn).items()
        }
        assert kept == {tuple(row) for row in counted}

    @invariant()
    def what_is_open_is_told(self) -> None:
        if not hasattr(self, "conn"):
            return
        unsettled = {row.seq for row in self.rows if row.state in ("open", "leased")}
        assert {look.seq for look in outbox_view.unsettled(self.conn, limit=100)} == unsettled
        assert {look.seq for look in outbox_view.dead(self.conn, limit=100)} == {row.seq for row in self._of("dead")}

    def _first(self, row: Modelled) -> bool:
        earlier = (each for each in self.rows if each.seq < row.seq and each.stream == row.stream)
        return row.stream is None or not any(each.state in UNSETTLED for each in earlier)

    def _of(self, state: str) -> list[Modelled]:
        return [row for row in self.rows if row.state == state]

    def _tried(self) -> list[Modelled]:
        return [row for row in self.rows if row.state in UNSETTLED and row.attempts > 0]

    def _pick(self, state: str, number: int) -> Modelled:
        of = self._of(state)
        return of[number % len(of)]


TestOutbox = Outbox.TestCase
TestOutbox.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
