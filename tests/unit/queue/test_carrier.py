"""Scans up, in virtual time: last, piece by piece, never in a brownout, and going on where they were."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.queue.attachments import AttachmentDamaged
from edge.queue.forwarder import Way
from edge.queue.sink import Blob, Partly
from tests.unit.queue.box import box
from tests.unit.queue.far_end import PIECE, FarEnd
from tests.unit.queue.virtual import ram, run, until

SCAN = random.Random(7).randbytes(3_000_000)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with ram() as path:
        yield path


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_scan_arrives_whole_and_costs_the_flash_little(tmp_path: Path) -> None:
    """A scan would be lost or broken, or its progress be written down at every piece."""

    async def main() -> None:
        async with box(tmp_path) as here:
            scan = await here.scan(await here.file(), SCAN)
            await here.drained()
            assert list(here.far.blobs.values()) == [SCAN]
            assert here.scans.done == {scan}
            assert len(here.scans.noted) <= len(SCAN) >> 20
            assert [parcel.kind for parcel in here.far.order] == ["request", "attachment"]
            assert await here.rows("kind, state", "kind = 'blob'") == [("blob", "delivered")]

    run(main)


def test_a_newer_request_goes_before_the_next_piece(tmp_path: Path) -> None:
    """Somebody at the desk would wait for ten megabytes on a thin line."""

    async def main() -> None:
        async with box(tmp_path, FarEnd(piece_s=5.0)) as here:
            await here.scan(await here.file(), SCAN)
            await until(lambda: len(here.far.pieces) == 3, "some pieces")
            request, began = await here.file(), now()
            await here.put("rt_answered", request)
            await until(lambda: len(here.far.order) == 4, "the newer ones", 10)
            assert now() - began < 1
            assert len(here.far.pieces) <= 4
            await here.drained()

    run(main)


def test_a_brownout_pauses_scans_alone(tmp_path: Path) -> None:
    """Scans would fill what little is left for requests."""

    async def main() -> None:
        async with box(tmp_path) as here:
            await here.scan(await here.file(), SCAN)
            await until(lambda: len(here.far.pieces) == 5, "some pieces")
            for way in (Way("telkom", well=False), Way(None, well=False)):
                here.ways.append(way)
                await asyncio.sleep(1)
                pieces = len(here.far.pieces)
                await here.file()
                await asyncio.sleep(3_600)
                assert len(here.far.pieces) == pieces
            assert len(here.far.order) == 4, "requests go on"
            here.ways.append(Way("pde"))
            here.forwarder.changed()
            began = now()
            await here.drained()
            assert now() - began < 60
            assert [start for _, start in here.far.pieces] == list(range(0, len(SCAN), PIECE))

    run(main)


def test_a_scan_goes_on_after_lost_answers_and_an_outage(tmp_path: Path) -> None:
    """A scan would begin anew at each fault, and never end on a line that breaks every minute."""

    async def main() -> None:
        chance, away = random.Random(3), [False]
        far = FarEnd(loses=lambda: chance.random() < 0.1, reachable=lambda: not away[0])
        async with box(tmp_path, far) as here:
            await here.scan(await here.file(), SCAN)
            await until(lambda: len(far.pieces) > 10, "some pieces")
            away[0] = True
            await asyncio.sleep(7_200)
            away[0] = False
            here.forwarder.retry_now()
            await here.drained()
            assert list(far.blobs.values()) == [SCAN]
            assert len(far.pieces) == len(range(0, len(SCAN), PIECE)), "no piece twice"

    run(main)


def test_a_damaged_scan_is_a_dead_letter_and_holds_no_other(tmp_path: Path) -> None:
    """A spoiled file would be tried for ever, or crash the carrier."""

    async def main() -> None:
        async with box(tmp_path) as here:
            request = await here.file()
            here.scans.damaged["scan-0"] = AttachmentDamaged("attachment scan-0 is damaged on this box")
            await here.scan(request, SCAN)
            await here.scan(request, SCAN[:100_000])
            await here.drained()
            rows = await here.rows("state, error", "kind = 'blob'")
            assert rows == [("dead", "damaged: attachment scan-0 is damaged on this box"), ("delivered", "")]

    run(main)


@pytest.mark.parametrize(("gone", "state"), [(False, "delivered"), (True, "discarded")])
def test_a_scan_that_was_sent_or_is_gone_ends_its_row(tmp_path: Path, gone: bool, state: str) -> None:
    """After a power cut between the last piece and its note the row is carried for ever, or called given up."""

    async def main() -> None:
        async with box(tmp_path) as here:
            (here.scans.gone if gone else here.scans.done).add("scan-0")
            await here.scan(await here.file(), SCAN)
            await here.drained()
            assert not here.far.blobs
            assert await here.rows("state", "kind = 'blob'") == [(state,)]

    run(main)


def test_a_line_so_thin_that_a_lease_is_too_short(tmp_path: Path) -> None:
    """A scan that takes hours is taken for lost half-way: its row is called given up, or goes twice."""

    async def main() -> None:
        async with box(tmp_path, FarEnd(piece_s=290.0)) as here:
            await here.scan(await here.file(), SCAN)
            for _ in range(20):
                await asyncio.sleep(600)
                await here.file()
            await here.drained(20_000)
            assert len(here.far.pieces) == len(range(0, len(SCAN), PIECE))
            assert await here.rows("state, attempts", "kind = 'blob'") == [("delivered", 1)]

    run(main)


def test_a_scan_that_waits_for_hours_is_given_back(tmp_path: Path) -> None:
    """In a brownout of hours a scan's lease ends beneath it."""

    async def main() -> None:
        async with box(tmp_path) as here:
            await here.scan(await here.file(), SCAN)
            await until(lambda: len(here.far.pieces) == 5, "some pieces")
            here.ways.append(Way("telkom", well=False))
            await asyncio.sleep(300)
            assert await here.rows("state", "kind = 'blob'") == [("pending",)]
            await asyncio.sleep(7_200)
            here.ways.append(Way("telkom"))
            await here.drained()
            assert await here.rows("state, attempts", "kind = 'blob'") == [("delivered", 1)]
            assert len(here.far.pieces) == len(range(0, len(SCAN), PIECE))

    run(main)


def test_a_crash_in_a_scan_costs_no_lease(tmp_path: Path) -> None:
    """After every power cut a scan waits for a quarter of an hour until its old lease is over."""

    async def main() -> None:
        far = FarEnd(piece_s=10.0)
        async with box(tmp_path, far) as here:
            scan = await here.scan(await here.file(), SCAN)
            await until(lambda: len(far.pieces) == 5, "some pieces")
            assert await here.rows("state", "kind = 'blob'") == [("leased",)]
        async with box(tmp_path, far) as again:
            again.scans.contents[scan] = SCAN
            began, had = now(), len(far.pieces)
            await until(lambda: len(far.pieces) > had + 1, "the next pieces")
            assert now() - began < 120
            await again.drained()
            assert list(far.blobs.values()) == [SCAN]

    run(main)


class Forgetful(FarEnd):
    """Takes every piece and keeps so many bytes of it, or forgets all of it now and then."""

    keeps, forgets_at = 0, 1 << 40

    async def carry(self, blob: Blob) -> Partly:
        await asyncio.sleep(self.piece_s)
        self.pieces.append((now(), blob.sent))
        return Partly(0 if blob.sent >= self.forgets_at else blob.sent + self.keeps)


@pytest.mark.parametrize(
    ("keeps", "forgets_at"),
    [(0, 1 << 40), (1, 1 << 40), (PIECE, 4 * PIECE)],
)
def test_a_portal_that_gets_nowhere_is_not_fed_for_ever(tmp_path: Path, keeps: int, forgets_at: int) -> None:
    """A mad portal would eat the village's whole month of traffic."""

    async def main() -> None:
        far = Forgetful()
        far.keeps, far.forgets_at = keeps, forgets_at
        async with box(tmp_path, far, poison_attempts=3) as here:
            await here.scan(await here.file(), SCAN)
            await until(lambda: here.forwarder.status.dead == 1, "a dead letter")
            assert len(far.pieces) < 3 * 9 * 5

    run(main)
