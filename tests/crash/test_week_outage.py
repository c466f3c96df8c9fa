"""A week without the portal, in virtual time: what was accepted arrives, the important first, on a bounded disk."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from edge.monitor.history_rows import Row
from edge.monitor.rollup import Figures
from edge.queue.digests import Digests
from edge.queue.lane import Lane
from edge.queue.store import outbox, outbox_view
from tests.unit.queue.box import SEAL, Box, box
from tests.unit.queue.far_end import FarEnd
from tests.unit.queue.virtual import BEGIN, ram, run, until

DAY_S = 86_400.0
HOUR_S = 3_600
REQUESTS_AN_HOUR, EVENTS_A_REQUEST, HOURS_A_SCAN = 3, 3, 6
SCAN_BYTES = 700_000
DIGESTS = Digests(SEAL)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with ram() as path:
        yield path


async def _an_hour(here: Box, chance: random.Random, hour: int, scans: list[bytes]) -> None:
    """What an office does in an hour: about 12 rows of requests and events, two digests, now and then a scan."""
    for number in range(REQUESTS_AN_HOUR):
        request = await here.file()
        for kind in chance.sample(["rt_answered", "cancel_requested", "sms_failed"], EVENTS_A_REQUEST):
            await here.put(kind, request)
        if number == 0 and hour % HOURS_A_SCAN == 0:
            scans.append(chance.randbytes(SCAN_BYTES))
            await here.scan(request, scans[-1])
    start = int(BEGIN) // HOUR_S * HOUR_S + hour * HOUR_S
    now = here.clock.wall()
    rows = [Row(start, uplink, Figures(up_ms=3_600_000, latency={40: 900})) for uplink in ("pde", "telkom")]
    await here.store.write(lambda conn: DIGESTS.write(conn, rows, now))
    await asyncio.sleep(HOUR_S)


@pytest.mark.parametrize("days", [pytest.param(1, id="a day"), pytest.param(7, id="a week", marks=pytest.mark.long)])
def test_after_an_outage_everything_arrives_in_its_order(tmp_path: Path, days: int) -> None:
    """A week without an uplink would lose requests, mix up their events, or fill the disk."""

    async def main() -> None:
        chance, away, scans = random.Random(11), [False], list[bytes]()
        far = FarEnd(reachable=lambda: not away[0], loses=lambda: not away[0] and chance.random() < 0.05)
        async with box(tmp_path, far, retry_most_s=300) as here:
            await until(lambda: here.forwarder.enrolled, "the enrolment")
            away[0] = True
            for hour in range(24 * days):
                await _an_hour(here, chance, hour, scans)
            written = await here.rows("seq, event, request, kind")
            assert len(written) >= 300 * days
            tries = len(far.calls)
            assert tries < days * DAY_S / 60, "the dead portal was hammered"
            size = await asyncio.to_thread(_size, tmp_path)
            assert here.forwarder.status.dead == 0
            assert not far.taken

            away[0], back = False, asyncio.get_running_loop().time()
            here.forwarder.retry_now()
            await here.drained(DAY_S)
            seconds = asyncio.get_running_loop().time() - back

            _check_effects(far, written, scans)
            _check_order(far)
            assert len(far.calls) - tries < len(written) / 2, "rows went one by one"
            left = await here.store.read(outbox_view.backlog)
            assert left.bytes == 0, "delivered rows keep contents"
            megabytes = size / 1e6
            print(
                f"{days} days: {len(written)} rows, {len(scans)} scans in {seconds:.0f} s, {megabytes:.1f} MB on disk"
            )
            assert size < 2_000_000 + days * 1_000_000

    run(main)


def _size(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.glob("box.db*") if "ballast" not in each.name)


def _check_effects(far: FarEnd, written: list[tuple[int, str, str, str]], scans: list[bytes]) -> None:
    events = {event for _, event, _, kind in written if kind != "blob"}
    assert set(far.taken) == events
    assert far.blobs == {sha256(scan).hexdigest(): scan for scan in scans}


def _check_order(far: FarEnd) -> None:
    """By lanes, and within a request as it was written. A lost answer lets a row come in again after later ones."""
    of_request: dict[str, list[int]] = {}
    for parcel in far.order:
        of_request.setdefault(parcel.request or parcel.event, []).append(parcel.seq)
    assert all(seqs == sorted(seqs) for seqs in of_request.values()), "a request's events were mixed up"
    times = {lane: [at for at, parcel in far.taken.values() if parcel.lane == lane] for lane in Lane}
    pieces = [at for at, _ in far.pieces]
    # What goes next may go at the moment at which the last of the lane before it is on its way.
    assert max(times[Lane.REQUEST]) <= min(times[Lane.DIGEST])
    assert _median(times[Lane.REQUEST]) < _median(times[Lane.EVENT]) < _median(times[Lane.DIGEST])
    assert max(max(of) for lane, of in times.items() if of) <= min(pieces), "a scan went before something smaller"


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def test_two_months_without_a_portal_let_go_of_the_oldest_digests_alone(tmp_path: Path) -> None:
    """A village whose portal is gone for good would fill its disk with hours, or lose a request for them."""

    async def main() -> None:
        async with box(tmp_path, FarEnd(reachable=lambda: False)) as here:
            request = await here.file()
            for day in range(60):
                rows = [Row(int(BEGIN + day * DAY_S) + HOUR_S * hour, "pde", Figures()) for hour in range(24)]
                now = BEGIN + day * DAY_S
                await here.store.write(lambda conn, rows=rows, now=now: DIGESTS.write(conn, rows, now))  # type: ignore[misc]  # bound now
            now = BEGIN + 60 * DAY_S
            while await here.store.write(lambda conn: outbox.expire(conn, now=now)):
                pass
            depths = await here.store.read(outbox_view.depths)
            waiting = {lane: depth.rows for (lane, state), depth in depths.items() if state in outbox.OPEN}
            assert waiting[Lane.REQUEST] == 1
            assert 34 * 24 <= waiting[Lane.DIGEST] <= 36 * 24
            assert await here.rows("request", "kind = 'request'") == [(request,)]

    run(main)
