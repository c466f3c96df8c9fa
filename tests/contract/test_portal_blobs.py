"""Scans to the reference portal over TLS: in ranges, from where they were, whole in the end or refused for good."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge.queue.sink import Blob, Dead, Delivered, Outcome, Partly, Replaced, Retry, Unauthorised
from edge.simulator.portal import Mode
from edge.simulator.portal_chaos import Chaos
from tests.contract.portal_pair import CODE, Pair, pair
from tests.contract.test_portal_sink import JSON, answering, http

KIB = 1024


@dataclass
class Scan:
    """A scan on the box, and which ranges of it were read."""

    content: bytes
    reads: list[tuple[int, int]] = field(default_factory=list)

    @property
    def sha(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    async def read(self, start: int, length: int) -> bytes:
        self.reads.append((start, length))
        return self.content[start : start + length]

    def blob(self, sent: int = 0, sha: str = "") -> Blob:
        return Blob(sha or self.sha, len(self.content), "application/pdf", sent, self.read)


async def carry(box: Pair, scan: Scan, calls: int = 100, sha: str = "") -> object:
    """Carry on until it is no longer under way; a passing trouble is tried again."""
    outcome: object = None
    for _ in range(calls):
        outcome = await box.sink.carry(scan.blob(sha=sha))
        if not isinstance(outcome, Partly | Retry):
            return outcome
    raise AssertionError(f"still {outcome} after {calls} calls")


async def test_carried_in_growing_pieces(tmp_path: Path) -> None:
    """A scan arrives broken, or a good link carries it in crumbs."""
    scan = Scan(os.urandom(3_000_000))
    async with pair(tmp_path) as box:
        assert await carry(box, scan) == Delivered()
        assert box.portal.blobs.content(CODE, scan.sha) == scan.content
    lengths = [length for _, length in scan.reads]
    assert lengths[0] == 64 * KIB
    assert max(lengths) == 1024 * KIB
    assert sum(lengths) == len(scan.content), "no byte is sent twice"


async def test_what_the_portal_has_is_not_sent_again(tmp_path: Path) -> None:
    """The same scan, or one that was finished before a restart, goes over a thin link again."""
    scan = Scan(os.urandom(100_000))
    async with pair(tmp_path) as box:
        await carry(box, scan)
        scan.reads.clear()
        await box.sink.refresh()
        assert await box.sink.carry(scan.blob()) == Delivered()
        assert scan.reads == []


async def test_a_restarted_box_asks_and_goes_on(tmp_path: Path) -> None:
    """After a power cut a scan begins anew, or goes on where the box thinks, not where the portal is."""
    scan = Scan(os.urandom(400_000))
    async with pair(tmp_path) as box:
        first = await box.sink.carry(scan.blob())
        assert first == Partly(64 * KIB)
        await box.sink.refresh()
        scan.reads.clear()
        await box.sink.carry(scan.blob(sent=7))
        assert scan.reads[0][0] == 64 * KIB


async def test_a_lost_answer_costs_one_question(tmp_path: Path) -> None:
    """An answer is lost and its range is sent again, or the range after it is taken for the next one."""
    scan = Scan(os.urandom(200_000))
    async with pair(tmp_path) as box:
        await box.sink.carry(scan.blob())
        box.portal.mode = "lose_answer"
        assert isinstance(await box.sink.carry(scan.blob()), Retry)
        box.portal.mode = "ok"
        scan.reads.clear()
        assert await carry(box, scan) == Delivered()
        assert scan.reads[0][0] > 64 * KIB, "the range whose answer was lost had arrived"
        assert box.portal.blobs.content(CODE, scan.sha) == scan.content


async def test_a_portal_that_forgets_gets_it_all_again(tmp_path: Path) -> None:
    """A portal that lost what it held makes the box send into nothing for ever."""
    scan = Scan(os.urandom(200_000))
    async with pair(tmp_path) as box:
        await box.sink.carry(scan.blob())
        box.portal.blobs.forget(CODE, scan.sha)
        assert isinstance(await box.sink.carry(scan.blob()), Retry)
        assert await carry(box, scan) == Delivered()
        assert box.portal.blobs.content(CODE, scan.sha) == scan.content


async def test_a_wrong_hash_is_tried_thrice_then_dead(tmp_path: Path) -> None:
    """Bytes that never fit their hash travel for ever, or one mishap on the way kills a scan."""
    scan = Scan(os.urandom(100_000))
    async with pair(tmp_path) as box:
        outcome = await carry(box, scan, sha="0" * 64)
        assert outcome == Dead("422 the bytes do not have this SHA-256")
        assert [start for start, _ in scan.reads].count(0) == 3
        assert box.portal.blobs.held(CODE, "0" * 64) is None


@pytest.mark.parametrize(
    ("mode", "wanted"), [("401", Unauthorised), ("403", Dead), ("429", Retry), ("500", Retry), ("html200", Retry)]
)
async def test_refusals(tmp_path: Path, mode: Mode, wanted: type[Outcome]) -> None:
    """A refused scan is tried for ever, or a busy portal kills one."""
    scan = Scan(b"x" * 1000)
    async with pair(tmp_path) as box:
        box.portal.mode = mode
        assert isinstance(await box.sink.carry(scan.blob()), wanted)


async def test_a_scan_too_large_for_the_portal_is_dead(tmp_path: Path) -> None:
    """A scan that can never be taken is asked about for ever."""
    async with pair(tmp_path) as box:
        scan = Scan(b"")
        blob = Blob("0" * 64, 11_000_000, "application/pdf", 0, scan.read)
        assert await box.sink.carry(blob) == Dead("413 a blob holds from 1 to … bytes")


async def test_a_scan_of_a_replaced_box_is_refused(tmp_path: Path) -> None:
    """A replaced box sends scans next to its successor; one that is not enrolled yet is only told to wait."""
    scan = Scan(b"x" * 1000)
    async with pair(tmp_path) as box:
        box.portal.ledger.enrol(CODE, "0f8fad5b-d9cb-469f-a165-70867728950f", 0)
        assert isinstance(await box.sink.carry(scan.blob()), Retry)
        await box.sink.beat(b'{"installation":"0f8fad5b-d9cb-469f-a165-708677289510","epoch":0}')
        assert await carry(box, scan) == Delivered()
        box.portal.ledger.enrol(CODE, "0f8fad5b-d9cb-469f-a165-708677289511", 0)
        assert isinstance(await box.sink.carry(Scan(b"y").blob()), Replaced)


async def test_a_portal_that_keeps_a_byte_of_each_piece_is_not_sent_larger_ones(tmp_path: Path) -> None:
    """A mad portal draws a megabyte out of the village's quota for each byte that it keeps."""
    scan = Scan(os.urandom(3_000_000))
    async with answering(tmp_path, *(http("202 Accepted", JSON, b'{"received":%d}' % n) for n in range(12))) as sink:
        for _ in range(11):
            assert isinstance(await sink.carry(scan.blob()), Partly)
    assert {length for _, length in scan.reads} == {64 * KIB}


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_arrives_whole_whatever_the_portal_lies(tmp_path: Path, seed: int) -> None:
    """A lie about what is held leaves a hole in a scan, or an endless exchange."""
    scan = Scan(os.urandom(3_000_000))
    async with pair(tmp_path, chaos=Chaos(seed, 0.5, hang_s=0.01)) as box:
        assert await carry(box, scan, calls=400) == Delivered()
        assert box.portal.blobs.content(CODE, scan.sha) == scan.content
        assert box.portal.chaos.told
