"""What becomes of rows that an upstream declines, hands on, lets expire or cannot read, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.events import Forwarded
from edge.queue.sink import Beat, Changes, Dead, Declined, Retry
from edge.queue.store import outbox
from tests.unit.queue.box import SEAL, box
from tests.unit.queue.far_end import FarEnd
from tests.unit.queue.virtual import ram, run, until


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with ram() as path:
        yield path


def test_what_has_no_place_upstream_is_let_go(tmp_path: Path) -> None:
    """An upstream without digests would make dead letters of them every hour."""

    async def main() -> None:
        far = FarEnd(verdicts={"uplink_hour": Declined("no place for digests"), "rt_answered": Dead("422")})
        async with box(tmp_path, far) as here:
            await here.put("uplink_hour")
            await here.put("rt_answered", await here.file())
            await here.drained()
            assert await here.rows("kind, state") == [
                ("uplink_hour", "discarded"),
                ("request", "delivered"),
                ("rt_answered", "dead"),
            ]
            assert here.forwarder.status.dead == 1

    run(main)


def test_what_is_declined_is_counted_as_what_becomes_of_it(tmp_path: Path) -> None:
    """A request that an upstream has no place for is counted as delivered, while it waits for a person."""

    async def main() -> None:
        far = FarEnd(verdicts={"uplink_hour": Declined("no place"), "request": Declined("no place")})
        async with box(tmp_path, far) as here:
            await here.put("uplink_hour")
            await here.file()
            await here.drained()
            assert await here.rows("kind, state") == [("uplink_hour", "discarded"), ("request", "dead")]
            counted = sorted(event.result for event in here.events if isinstance(event, Forwarded))
            assert counted == ["dead", "delivered"]

    run(main)


def test_a_broker_keeps_the_row_until_the_far_end_has_it(tmp_path: Path) -> None:
    """A broker that loses its disk loses a request, or one that is confirmed is sent for ever."""

    async def main() -> None:
        far = FarEnd(broker=True)
        done = []

        async def acknowledge() -> None:
            done.append(await here.rows())

        async with box(tmp_path, far, confirm_s=600) as here:
            first, second = await here.file(), await here.file()
            await until(lambda: len(far.order) == 2, "both at the broker")
            await asyncio.sleep(700)
            assert set(far.times.values()) == {2}, "what is not confirmed is sent again"
            assert await here.rows() == [("confirming",)] * 2
            event = next(parcel.event for parcel in far.order if parcel.request == first)
            far.pages.append(Changes((), "c1", confirmed=(event, "unknown"), done=acknowledge))
            await until(lambda: bool(done), "the broker is told")
            assert done == [[("delivered",), ("confirming",)]]
            states = {}
            for request in (first, second):
                found = await here.store.read(lambda conn, request=request: here.requests.get(conn, request))  # type: ignore[misc]  # bound now
                states[request] = found.state if found else None
            assert states == {first: "forwarded", second: "received"}

    run(main)


def test_nothing_expires_by_a_clock_that_nobody_set(tmp_path: Path) -> None:
    """A clock that stands ten years ahead lets every hour of the week go."""

    async def main() -> None:
        far = FarEnd()
        async with box(tmp_path, far) as here:
            await until(lambda: bool(far.beats), "the box is known")
            far.reachable = lambda: False
            here.clock.sure, now = False, here.clock.wall()
            await here.store.write(
                lambda conn: outbox.put(conn, SEAL, None, "uplink_hour", "{}", now=now, expires_at=now + 60)
            )
            await asyncio.sleep(3_600)
            assert await here.rows() != [("expired",)]
            here.clock.sure = True
            await asyncio.sleep(3_600)
            assert await here.rows() == [("expired",)]

    run(main)


def test_a_damaged_payload_is_named_and_holds_nobody(tmp_path: Path) -> None:
    """A flipped byte would crash the sender at every start."""

    async def main() -> None:
        async with box(tmp_path, FarEnd(beats_answer=Retry("not yet"))) as here:
            await here.file()
            await here.store.write(lambda conn: conn.execute("UPDATE outbox SET payload = x'0102'").rowcount)
            good = await here.file()
            here.far.beats_answer = Beat()
            await until(lambda: [parcel.request for parcel in here.far.order] == [good], "the good one")
            assert (await here.rows("state, error"))[0][0] == "dead"
            assert (await here.rows("error"))[0][0].startswith(outbox.DAMAGED)

    run(main)
