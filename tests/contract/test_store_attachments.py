"""Scans on real files and the real store: what was acknowledged is there, whatever happened in between."""

from __future__ import annotations

import asyncio
import hashlib
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge.queue.attachments import Attachment, AttachmentDamaged, Attachments, NewAttachment, Refused, Taken
from edge.queue.desk import Desk, NewRequest
from edge.queue.request import Request
from edge.queue.sink import Blob, Delivered
from edge.queue.store import outbox
from edge.queue.store.database import Store, StoreError, StoreFull
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
from edge.queue.store.sealed_file import PIECE
from tests.contract.office import StandingClock

NEW = NewRequest(letter="SKTM", nik="3510152306089909", name="SITI AMINAH")
NAME = "ktp siti aminah.pdf"


def scan(size: int, seed: int = 0) -> bytes:
    return (b"%PDF-1.7\n" + random.Random(seed).randbytes(size))[:size]


def announced(plain: bytes, **given: Any) -> NewAttachment:
    facts = {"sha256": hashlib.sha256(plain).hexdigest(), "size": len(plain), "media_type": "application/pdf"}
    return NewAttachment(**{**facts, "name": NAME, **given})


async def flow(plain: bytes, chunk: int = 10_000, fail: Exception | None = None) -> AsyncIterator[bytes]:
    for start in range(0, len(plain), chunk):
        yield plain[start : start + chunk]
    if fail is not None:
        raise fail


@dataclass
class Box:
    """A desk, its store and its scans; `room` is what the disk has left."""

    folder: Path
    store: Store
    requests: Requests
    desk: Desk
    scans: Attachments
    clock: StandingClock
    room: int = 1_000_000_000

    async def file(self) -> Request:
        accepted = await self.desk.submit(NEW, idempotency_key=str(random.random()))
        return accepted.request

    async def whole(self, plain: bytes) -> Taken:
        request = await self.file()
        begun = await self.scans.begin(request.id, announced(plain))
        return await self.scans.receive(request.id, begun.attachment.id, 0, flow(plain))

    async def one(self, sql: str) -> Any:
        return await self.store.read(lambda conn: tuple(conn.execute(sql).fetchone()))

    async def known(self, request: str) -> list[Attachment]:
        found = await self.scans.of_request(request)
        assert found is not None
        return found

    async def files(self) -> set[str]:
        return await asyncio.to_thread(lambda: {path.name for path in self.folder.iterdir()})


@asynccontextmanager
async def opened(directory: Path, *, max_mbyte: int = 64) -> AsyncIterator[Box]:
    store = await Store.open(directory / "box.db", max_mbyte=16, group_commit_ms=2)
    requests = Requests(Seal(bytes(range(32))))
    clock = StandingClock()
    desk = Desk(store, requests, missing=lambda *_: (), clock=clock, announce=lambda _: None)
    box: Box

    def room() -> int:
        return box.room

    folder = directory / "attachments"
    scans = Attachments(store, requests.seal, folder, max_mbyte=max_mbyte, clock=clock, room=room)
    box = Box(folder, store, requests, desk, scans, clock)
    try:
        yield box
    finally:
        await store.close()


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    async with opened(tmp_path) as box:
        yield box


@pytest.mark.parametrize("size", [9, PIECE - 1, PIECE, PIECE + 1, 20 * PIECE + 5])
async def test_a_scan_arrives_and_goes_on_its_way(box: Box, size: int) -> None:
    """A scan would be lost, changed, or nobody would send it."""
    plain = scan(size)
    taken = await box.whole(plain)
    assert (taken.attachment.state, taken.attachment.received, taken.news) == ("whole", size, True)
    blob = await box.scans.blob(taken.attachment.id)
    assert isinstance(blob, Blob)
    assert (blob.sha256, blob.size, blob.sent) == (hashlib.sha256(plain).hexdigest(), size, 0)
    assert await blob.read(0, size) == plain
    assert await blob.read(size // 2, 100) == plain[size // 2 :][:100]
    waiting = await box.store.read(lambda conn: conn.execute("SELECT kind, stream, state FROM outbox").fetchall())
    stream = f"blob:{taken.attachment.id}"
    assert [tuple(row) for row in waiting] == [
        ("request", taken.attachment.request, "pending"),
        ("attachment", taken.attachment.request, "held"),
        ("blob", stream, "pending"),
    ]


async def test_the_events_say_what_is_sent(box: Box) -> None:
    """The portal would not know what the scan is, or the carrier which file to take."""
    taken = await box.whole(scan(100))
    seal = box.requests.seal

    def claim(conn: sqlite3.Connection) -> list[bytes]:
        first = outbox.claim(conn, seal, limit=9, now=box.clock.now, most_wait_s=60)
        for row in first:
            outbox.settle(conn, row, "delivered", now=box.clock.now)
        return [row.payload for row in [*first, *outbox.claim(conn, seal, limit=9, now=box.clock.now, most_wait_s=60)]]

    _, blob, event = await box.store.write(claim)
    assert blob.decode() == f'{{"attachment": "{taken.attachment.id}"}}'
    assert all(word in event.decode() for word in (taken.attachment.sha256, "application/pdf", NAME, "100"))


async def test_nothing_of_a_scan_or_its_name_is_readable(box: Box, tmp_path: Path) -> None:
    """A stolen card would show whose papers were scanned."""
    await box.whole(b"%PDF-" + b"KARTU KELUARGA" * 9_000)
    raw = await asyncio.to_thread(lambda: b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()))
    assert b"KELUARGA" not in raw
    assert NAME.encode() not in raw


async def test_a_broken_upload_goes_on_where_it_was(tmp_path: Path) -> None:
    """A cut line would make the desk send ten megabytes again, or mix up the bytes."""
    plain = scan(5 * PIECE + 10)
    async with opened(tmp_path) as box:
        request = await box.file()
        begun = await box.scans.begin(request.id, announced(plain))
        identifier = begun.attachment.id
        with pytest.raises(ConnectionResetError):
            await box.scans.receive(request.id, identifier, 0, flow(plain[:200_000], fail=ConnectionResetError()))
    async with opened(tmp_path) as box:
        await box.scans.sweep()
        (held,) = await box.known(request.id)
        assert held.received == 3 * PIECE
        with pytest.raises(Refused) as refused:
            await box.scans.receive(request.id, identifier, 0, flow(plain))
        assert (refused.value.code, refused.value.received) == ("wrong-offset", held.received)
        taken = await box.scans.receive(request.id, identifier, held.received, flow(plain[held.received :]))
        assert (taken.attachment.state, taken.news) == ("whole", True)
        again = await box.scans.receive(request.id, identifier, 0, flow(plain))
        assert (again.attachment.state, again.news) == ("whole", False)


async def test_the_same_scan_twice_is_one(box: Box) -> None:
    """A desk that begins again after a lost answer would fill the box with copies."""
    request = await box.file()
    begun = [await box.scans.begin(request.id, announced(scan(100))) for _ in range(2)]
    assert [taken.news for taken in begun] == [True, False]
    assert begun[0].attachment.id == begun[1].attachment.id
    with pytest.raises(Refused, match="attachment-differs"):
        await box.scans.begin(request.id, announced(scan(100), size=101))


async def test_two_uploads_of_one_scan_at_once_are_kept_apart(box: Box) -> None:
    """Two windows that send the same scan would tear the file."""
    plain = scan(3 * PIECE)
    request = await box.file()
    begun = await box.scans.begin(request.id, announced(plain))
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield plain[:100]
        await go_on.wait()
        yield plain[100:]

    first = asyncio.create_task(box.scans.receive(request.id, begun.attachment.id, 0, slow()))
    await asyncio.sleep(0)
    with pytest.raises(Refused, match="attachment-busy"):
        await box.scans.receive(request.id, begun.attachment.id, 0, flow(plain))
    go_on.set()
    assert (await first).attachment.state == "whole"


@pytest.mark.parametrize(
    ("sent", "given", "code"),
    [
        (scan(70_000, seed=1), {}, "hash-differs"),
        (b"PK\x03\x04" + bytes(69_996), {}, "wrong-content"),
        (scan(70_000), {"media_type": "image/png"}, "wrong-content"),
    ],
)
async def test_what_was_not_announced_is_refused(box: Box, sent: bytes, given: dict[str, str], code: str) -> None:
    """Bytes that are damaged, or no scan at all, would go to the portal."""
    request = await box.file()
    begun = await box.scans.begin(request.id, announced(scan(70_000), **given))
    with pytest.raises(Refused, match=code):
        await box.scans.receive(request.id, begun.attachment.id, 0, flow(sent))
    assert await box.known(request.id) == []
    assert await box.files() == set()
    assert await box.one("SELECT count(*) FROM outbox") == (1,)


async def test_the_room_is_bounded(tmp_path: Path) -> None:
    """Scans would fill the disk that the requests need."""
    async with opened(tmp_path, max_mbyte=1) as box:
        request = await box.file()
        await box.scans.begin(request.id, announced(scan(600_000)))
        with pytest.raises(StoreFull, match="attachments_mbyte"):
            await box.scans.begin(request.id, announced(scan(600_000, seed=1)))
        box.room = 100
        with pytest.raises(StoreFull, match="no room"):
            await box.scans.begin(request.id, announced(scan(101)))
        for size in range(10, 19):
            await box.scans.begin(request.id, announced(scan(size)))
        with pytest.raises(Refused, match="too-many"):
            await box.scans.begin(request.id, announced(scan(50)))


async def test_a_request_that_is_closed_takes_no_scans(box: Box) -> None:
    """A scan would go up for a request the portal never gets."""
    plain = scan(100)
    request = await box.file()
    begun = await box.scans.begin(request.id, announced(plain))
    await box.store.write(lambda conn: box.requests.cancel(conn, request.id, by="desk", now=box.clock.now))
    with pytest.raises(Refused, match="request-closed"):
        await box.scans.begin(request.id, announced(scan(101)))
    with pytest.raises(Refused, match="request-closed"):
        await box.scans.receive(request.id, begun.attachment.id, 0, flow(plain))
    with pytest.raises(Refused, match="no-such-request"):
        await box.scans.begin("01a1cf5e-6d80-7000-8000-000000000000", announced(plain))
    assert await box.files() == set()


async def test_a_scan_that_is_sent_leaves_the_box(box: Box) -> None:
    """The disk would fill with what the portal has long had."""
    taken = await box.whole(scan(70_000))
    await box.scans.progress(taken.attachment.id, 65_536)
    blob = await box.scans.blob(taken.attachment.id)
    assert isinstance(blob, Blob)
    assert blob.sent == 65_536
    await box.scans.sent(taken.attachment.id)
    assert await box.scans.blob(taken.attachment.id) == Delivered()
    assert await box.files() == set()
    (known,) = await box.known(taken.attachment.request)
    assert (known.state, known.sent) == ("sent", 70_000)


@pytest.mark.parametrize(("ended", "state"), [("delivered", "sent"), ("withdrawn", "failed"), ("discarded", "failed")])
async def test_a_scan_that_nobody_carries_any_more_is_swept(box: Box, ended: str, state: str) -> None:
    """A crash between the portal's answer and the removal would keep the file for ever."""
    taken = await box.whole(scan(70_000))
    await box.scans.sweep()
    assert await box.files() == {taken.attachment.id}
    await box.store.write(lambda conn: conn.execute("UPDATE outbox SET state = ? WHERE kind = 'blob'", (ended,)))
    await box.scans.sweep()
    assert await box.files() == set()
    assert [scan.state for scan in await box.known(taken.attachment.request)] == [state]


async def test_what_belongs_to_nobody_is_swept(box: Box) -> None:
    """Files of a cut-off upload would stay on the disk, unseen."""
    request = await box.file()
    plain = scan(2 * PIECE)
    begun = await box.scans.begin(request.id, announced(plain))
    await box.scans.receive(request.id, begun.attachment.id, 0, flow(plain[:PIECE]))
    await asyncio.to_thread((box.folder / "stray").write_bytes, b"x")
    await box.scans.sweep()
    assert await box.files() == {begun.attachment.id}
    box.clock.now += 86_401
    await box.scans.sweep()
    assert await box.files() == set()
    assert await box.known(request.id) == []


async def test_a_scan_that_became_whole_while_others_are_swept_stays(box: Box) -> None:
    """A scan that comes back after a day is acknowledged, and its bytes are swept away in the same moment."""
    request = await box.file()
    plain = scan(70_000)
    begun = await box.scans.begin(request.id, announced(plain))
    box.clock.now += 86_401
    whole = await box.scans.receive(request.id, begun.attachment.id, 0, flow(plain))
    await box.scans._sweep_one(begun.attachment)  # as the sweep saw it before
    assert await box.files() == {whole.attachment.id}


async def test_a_file_that_cannot_be_removed_is_a_trouble_of_the_store(box: Box) -> None:
    """One bad sector would crash the forwarder and the sweep, and with them the daemon, again and again."""
    taken = await box.whole(scan(PIECE))
    file = box.folder / taken.attachment.id
    file.unlink()
    file.mkdir()
    with pytest.raises(StoreError):
        await box.scans.sent(taken.attachment.id)
    assert await box.scans.blob(taken.attachment.id) == Delivered()


async def test_a_folder_among_the_scans_hinders_no_sweep(box: Box) -> None:
    """On a disk of their own (lost+found) nothing would ever be swept, and the room for scans ran out."""
    taken = await box.whole(scan(70_000))
    await asyncio.to_thread((box.folder / "lost+found").mkdir)
    await box.store.write(lambda conn: conn.execute("UPDATE outbox SET state = 'delivered' WHERE kind = 'blob'"))
    await box.scans.sweep()
    assert await box.files() == {"lost+found"}
    assert [scan.state for scan in await box.known(taken.attachment.request)] == ["sent"]


async def test_a_damaged_scan_is_named_and_not_sent(box: Box) -> None:
    """Damage would be hidden, or the box would try for ever."""
    taken = await box.whole(scan(70_000))
    path = box.folder / taken.attachment.id
    blob = await box.scans.blob(taken.attachment.id)
    assert isinstance(blob, Blob)
    await asyncio.to_thread(path.write_bytes, bytes(70_100))
    with pytest.raises(AttachmentDamaged):
        await blob.read(0, 100)
    assert [scan.state for scan in await box.known(taken.attachment.request)] == ["failed"]
    assert await box.one("SELECT kind, subject FROM audit") == ("attachment-lost", taken.attachment.request)
    again = await box.scans.begin(taken.attachment.request, announced(scan(70_000)))
    assert (again.news, again.attachment.received) == (True, 0)


async def test_a_scan_that_is_gone_is_named_at_start(box: Box) -> None:
    """A lost file would be noticed when the uplink is back, a week later."""
    taken = await box.whole(scan(70_000))
    await asyncio.to_thread((box.folder / taken.attachment.id).unlink)
    await box.scans.sweep()
    assert await box.one("SELECT kind FROM audit") == ("attachment-lost",)


async def test_a_disk_that_refuses_is_an_error_of_the_store(box: Box) -> None:
    """A full card would crash the server instead of asking the desk to wait."""
    request = await box.file()
    begun = await box.scans.begin(request.id, announced(scan(100)))
    await asyncio.to_thread(box.folder.rmdir)
    with pytest.raises(StoreError, match="No such file"):
        await box.scans.receive(request.id, begun.attachment.id, 0, flow(scan(100)))
