"""The sender in virtual time, against a far end that is away, slow, mad or has something against one row."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.queue.forwarder import Way
from edge.queue.sink import Beat, Replaced, Retry, Unauthorised
from tests.unit.queue.box import Box, box
from tests.unit.queue.far_end import FarEnd
from tests.unit.queue.virtual import BEGIN, ram, run, until


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with ram() as path:
        yield path


def now() -> float:
    return asyncio.get_running_loop().time()


async def _away(here: Box, count: int) -> list[str]:
    """Rows that were written while the far end was away, long enough for the breaker to open."""
    reachable, here.far.reachable = here.far.reachable, lambda: False
    filed = [await here.file() for _ in range(count)]
    await until(lambda: here.forwarder.status.breaker == "open", "an open breaker")
    here.far.reachable = reachable
    return filed


def test_requests_go_together_and_first(tmp_path: Path) -> None:
    """Rows would go one by one, or a digest before a request."""

    async def main() -> None:
        async with box(tmp_path, FarEnd(beats_answer=Retry("not yet"))) as here:
            for kind in ("uplink_hour", "sms_failed"):
                for _ in range(30):
                    await here.put(kind)
            filed = [await here.file() for _ in range(60)]
            for request in filed[:10]:
                await here.put("rt_answered", request)
            assert not here.far.calls, "nothing may leave before the first heartbeat was answered"
            here.far.beats_answer = Beat(3)
            await here.drained()
            kinds = [parcel.kind for parcel in here.far.order]
            assert kinds == ["request"] * 60 + ["rt_answered"] * 10 + ["sms_failed"] * 30 + ["uplink_hour"] * 30
            assert len(here.far.calls) <= 5
            assert {parcel.epoch for parcel in here.far.order} == {3}

    run(main)


def test_a_new_request_does_not_stand_behind_a_long_batch(tmp_path: Path) -> None:
    """A villager at the desk would wait for a day's digests to go up a thin line."""

    async def main() -> None:
        far = FarEnd(holds=asyncio.Event())
        async with box(tmp_path, far) as here:
            await here.put("uplink_hour")
            await until(lambda: len(far.calls) == 1, "a batch that takes long")
            began = now()
            request = await here.file()
            await until(lambda: any(parcel.request == request for parcel in far.order), "the request", 5)
            assert now() - began < 1
            assert far.holds is not None
            far.holds.set()
            await here.drained()

    run(main)


def test_while_the_far_end_is_away_one_row_at_a_time_is_tried(tmp_path: Path) -> None:
    """A dead link would be hammered, or a week without it fill the log and the flash."""

    async def main() -> None:
        async with box(tmp_path) as here:
            await until(lambda: here.forwarder.enrolled, "the enrolment")
            here.far.reachable = lambda: False
            for _ in range(200):
                await here.file()
            began = now()
            await asyncio.sleep(14_400)
            tries = [rows for at, rows in here.far.calls if at > began + 60]
            assert {len(rows) for rows in tries} == {1}
            assert 14_400 / 300 / 2 < len(tries) < 14_400 / 60
            assert here.forwarder.status.breaker in ("open", "half-open")
            assert "upstream-unreachable" in here.codes()
            here.far.reachable = lambda: True
            began = now()
            await here.drained()
            assert now() - began < 330
            assert set(here.far.times.values()) == {1}
            assert len(here.far.calls) < len(tries) + 40, "what waits goes in batches again"
            await until(lambda: here.codes() == set(), "health")

    run(main)


def test_a_new_request_is_tried_soon_though_the_breaker_is_open(tmp_path: Path) -> None:
    """Who comes to the desk after a long outage would wait five more minutes."""

    async def main() -> None:
        async with box(tmp_path) as here:
            await until(lambda: here.forwarder.enrolled, "the enrolment")
            here.far.reachable = lambda: False
            await here.file()
            await asyncio.sleep(7_200)
            here.far.reachable = lambda: True
            began = now()
            await here.file()
            await here.drained()
            assert now() - began < 10

    run(main)


def test_an_uplink_that_recovers_ends_the_waits_spread_by_jitter(tmp_path: Path) -> None:
    """Requests would wait out minutes of backoff, or 217 boxes come back in the same millisecond."""

    async def main() -> None:
        async with box(tmp_path) as here:
            await until(lambda: here.forwarder.enrolled, "the enrolment")
            waits = []
            for count in (1, 400):
                await _away(here, count)
                began, before = now(), len(here.far.calls)
                here.forwarder.retry_now()
                await until(lambda before=before: len(here.far.calls) > before, "a try", 6)  # type: ignore[misc]  # bound now
                waits.append(here.far.calls[before][0] - began)
                await here.drained()
            assert waits[0] <= 0.1
            assert waits[1] <= 5
            assert here.far.refreshed == 2

    run(main)


def test_another_uplink_has_its_own_breaker(tmp_path: Path) -> None:
    """Traffic that moved to a good uplink would wait for what the dead one lost."""

    async def main() -> None:
        async with box(tmp_path) as here:
            await until(lambda: here.forwarder.enrolled, "the enrolment")
            here.far.reachable = lambda: here.ways[-1].uplink == "pde"
            await here.file()
            await until(lambda: here.forwarder.status.breaker == "open", "an open breaker")
            here.ways.append(Way("pde"))
            states = [here.forwarder.status.breaker]
            here.forwarder.retry_now()
            began = now()
            await here.drained()
            assert now() - began < 1
            here.ways.append(Way("telkom"))
            states.append(here.forwarder.status.breaker)
            assert states == ["closed", "open"]

    run(main)


@pytest.mark.parametrize("own", [True, False], ids=["the sink knows", "found by narrowing"])
def test_one_bad_row_is_isolated_and_dies_with_its_reason(tmp_path: Path, own: bool) -> None:
    """One request that the portal cannot digest holds all later ones, or is tried for ever."""

    async def main() -> None:
        async with box(tmp_path, poison_attempts=8) as here:
            await until(lambda: here.forwarder.enrolled, "the enrolment")
            bad = await here.file()
            if own:
                here.far.verdicts[bad] = Retry("500", own=True)
            else:
                here.far.poison.add(bad)
            began = now()
            good = [await here.file() for _ in range(100)]
            await until(lambda: len(here.far.order) == 100, "all the others", 60)
            assert now() - began < 30
            while here.forwarder.status.dead == 0:
                good.append(await here.file())
                await asyncio.sleep(20)
                assert now() - began < 7_200, "never dead"
            assert now() - began > 30, "tried too often in a row"
            assert {parcel.request for parcel in here.far.order} == set(good)
            late = max(at - 1_000.0 - (parcel.created_at - BEGIN) for at, parcel in here.far.taken.values())
            assert late < 30, "a bad row held a good one"
            ((state, error, payload),) = await here.rows("state, error, payload", f"request = '{bad}'")
            assert state == "dead"
            assert "8 tries failed" in error
            assert "500" in error
            assert payload is not None
            assert "upstream-dead-letter" in here.codes()

    run(main)


def test_an_outage_is_nobodys_fault(tmp_path: Path) -> None:
    """After a week without a portal every row that was tried would be a dead letter."""

    async def main() -> None:
        async with box(tmp_path, poison_attempts=3) as here:
            await until(lambda: here.forwarder.enrolled, "the enrolment")
            here.far.reachable = lambda: False
            for _ in range(5):
                await here.file()
            await asyncio.sleep(10_800)
            assert here.forwarder.status.dead == 0
            here.far.reachable = lambda: True
            await here.drained()
            assert here.forwarder.status.dead == 0
            assert len(here.far.order) == 5

    run(main)


@pytest.mark.parametrize(
    ("refusal", "code"),
    [(Unauthorised("401"), "upstream-unauthorised"), (Replaced("newer"), "installation-replaced")],
)
def test_a_refusal_of_the_box_pauses_everything(tmp_path: Path, refusal: Unauthorised | Replaced, code: str) -> None:
    """A refused key or a replaced box hammers the portal, or its rows die of it."""

    async def main() -> None:
        async with box(tmp_path, poison_attempts=3) as here:
            await until(lambda: here.forwarder.enrolled, "the enrolment")
            here.far.refuses = refusal
            for _ in range(100):
                await here.file()
            await asyncio.sleep(10)
            began, calls, polls = now(), len(here.far.calls), len(here.far.polls)
            await asyncio.sleep(14_400)
            tries = here.far.calls[calls:]
            assert {len(rows) for _, rows in tries} <= {1}
            assert len(tries) <= 14_400 / 150 * 1.1
            assert len(here.far.polls) - polls <= 14_400 / 150 * 1.1
            assert code in here.codes()
            assert here.forwarder.status.dead == 0
            assert now() > began
            here.far.refuses = None
            await here.drained()
            assert here.codes() == set()

    run(main)


def test_a_replaced_box_leaves_the_changes_to_its_successor(tmp_path: Path) -> None:
    """A box from the drawer takes changes and texts villagers beside its successor; its condition comes and goes."""

    async def main() -> None:
        async with box(tmp_path) as here:
            await until(lambda: here.forwarder.enrolled, "the enrolment")
        far = FarEnd(beats_answer=Replaced("newer"))
        async with box(tmp_path, far) as here:
            await until(lambda: "installation-replaced" in here.codes(), "the condition")
            await here.file()
            for _ in range(100):
                await asyncio.sleep(36)
                assert "installation-replaced" in here.codes()
            assert (far.polls, far.calls) == ([], [])
            far.beats_answer = Beat(1)
            await here.drained()
            await until(lambda: len(far.polls) > 0, "a question for changes")
            assert here.codes() == set()

    run(main)


def test_retry_after_is_honoured(tmp_path: Path) -> None:
    """A portal that says when it is ready is asked before."""

    async def main() -> None:
        async with box(tmp_path) as here:
            await until(lambda: here.forwarder.enrolled, "the enrolment")
            here.far.verdicts["request"] = Retry("503", after_s=120.0)
            await here.file()
            await until(lambda: len(here.far.calls) == 1, "the first try")
            here.far.verdicts.clear()
            await here.drained()
            assert here.far.calls[1][0] - here.far.calls[0][0] >= 120

    run(main)


@pytest.mark.parametrize("jump_s", [-56 * 365.25 * 86_400, -300.0, 400.0, 10 * 365.25 * 86_400])
def test_a_clock_that_jumps_neither_starves_nor_storms(tmp_path: Path, jump_s: float) -> None:
    """A box that starts in 1970 would never send again once it knows the time, or try without rest."""

    async def main() -> None:
        async with box(tmp_path) as here:
            await until(lambda: here.forwarder.enrolled, "the enrolment")
            await _away(here, 20)
            here.far.reachable = lambda: False
            here.clock.jump_s = jump_s
            calls = len(here.far.calls)
            await asyncio.sleep(3_600)
            assert 3 <= len(here.far.calls) - calls <= 3_600 / 20
            here.far.reachable = lambda: True
            await here.drained(900)
            assert len(here.far.order) == 20

    run(main)


def test_a_call_that_hangs_ends_and_its_row_goes_again(tmp_path: Path) -> None:
    """One hanging call would stop everything until the next restart."""

    async def main() -> None:
        async with box(tmp_path) as here:
            await until(lambda: here.forwarder.enrolled, "the enrolment")
            here.far.takes_s = 100_000.0
            await here.file()
            await until(lambda: len(here.far.calls) == 1, "a call that hangs")
            here.far.takes_s = 0.05
            await here.drained(600)
            assert list(here.far.times.values()) == [1]

    run(main)


def test_lost_answers_have_one_effect_and_order_is_kept(tmp_path: Path) -> None:
    """A repeated row would be another one, or an event overtake its request."""

    async def main() -> None:
        lost = iter([True, True, False, True] * 10_000)
        async with box(tmp_path, FarEnd(loses=lambda: next(lost))) as here:
            filed = [await here.file() for _ in range(30)]
            for request in filed:
                for kind in ("rt_answered", "cancel_requested"):
                    await here.put(kind, request)
            await here.drained()
            for request in filed:
                kinds = [parcel.kind for parcel in here.far.order if parcel.request == request]
                assert kinds == ["request", "rt_answered", "cancel_requested"]
            assert len({parcel.event for parcel in here.far.order}) == 90

    run(main)
