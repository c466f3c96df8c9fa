"""Attachments: scans of papers that belong to a request, received piece by piece and kept until the upstream has them.

Theory of operation. `begin` promises room. `receive` takes the bytes from where the last try ended: whole pieces are
sealed, written and made durable before anybody is told of them. The last one makes the file whole: it is read back, its
SHA-256 compared, and one transaction marks it and writes the two outbox rows, what it is (in the order of its request)
and its bytes (in a stream of their own, in the last lane). `sweep` makes folder and rows agree after a power cut.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from edge import step
from edge.clock import Clock
from edge.queue import lifecycle
from edge.queue.request import uuid7
from edge.queue.sink import Blob, Delivered
from edge.queue.store import attachments as rows
from edge.queue.store import audit
from edge.queue.store.attachments import Attachment
from edge.queue.store.database import Store, StoreError, StoreFull
from edge.queue.store.seal import Seal, SealBroken
from edge.queue.store.sealed_file import PIECE, SealedFile
from edge.queue.trouble import REFUSALS, Trouble

__all__ = ["MOST_BYTES", "Attachment", "AttachmentDamaged", "Attachments", "NewAttachment", "Refused"]

log = logging.getLogger("edge.queue.attachments")

MOST_BYTES = 10_000_000
MOST_EACH = 10
MAGIC = {"application/pdf": b"%PDF-", "image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n"}
_AT_ONCE = 4
_NOTE_EACH = 16 * PIECE
_SPARE_BYTES = 64_000_000  # what a scan leaves free on the disk, so that requests still find room
_ARRIVAL_MOST_S = 86_400.0
_SWEEP_S = 3_600.0

T = TypeVar("T")
Code = Literal[
    "no-such-request",
    "request-closed",
    "no-such-attachment",
    "attachment-differs",
    "too-many-attachments",
    "attachment-busy",
    "wrong-offset",
    "wrong-content",
    "hash-differs",
]


class NewAttachment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is announced before the bytes come; `sha256` is that of the whole file, in hexadecimal."""

    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    size: Annotated[int, Meta(ge=1, le=MOST_BYTES)]
    media_type: Literal["application/pdf", "image/jpeg", "image/png"]
    name: Annotated[str, Meta(min_length=1, max_length=100)]


class Refused(Exception):
    """It cannot be taken; `code` says why, `received` how many bytes are held."""

    def __init__(self, code: Code, *, received: int | None = None) -> None:
        super().__init__(code)
        self.code: Code = code
        self.received = received


class AttachmentDamaged(Exception):
    """The sealed file of an attachment does not open any more: its bytes are lost on this box."""


@dataclass(frozen=True, slots=True)
class Taken:
    """An attachment as it stands; `news` when this call began it or made it whole."""

    attachment: Attachment
    news: bool


class Attachments:
    """Keeps scans in `folder`, at most `max_mbyte` megabytes of them. `run` it beside its callers.

    `room` gives the bytes that may still be written to the disk.
    """

    def __init__(
        self,
        store: Store,
        seal: Seal,
        folder: Path,
        *,
        max_mbyte: int,
        clock: Clock,
        room: Callable[[], int] | None = None,
    ) -> None:
        self._store = store
        self._seal = seal
        self._folder = folder
        self._most_bytes = max_mbyte * 1_000_000
        self._clock = clock
        self._room = room or partial(_room, folder)
        self._receiving: set[str] = set()
        self._trouble = Trouble(log, "scans cannot be swept", "scans are swept again")

    async def run(self) -> None:
        """Sweep now and then until cancelled."""
        while True:
            try:
                await self.sweep()
            except REFUSALS as refused:
                self._trouble.tell(refused)
            else:
                self._trouble.over()
            await asyncio.sleep(_SWEEP_S)

    # ---- from the desk -----------------------------------------------------------------------------------------

    async def begin(self, request: str, new: NewAttachment) -> Taken:
        """Promise room for a scan of `request`; the same scan again is the same attachment.

        Raises `Refused`, and `StoreFull` when there is no room for it.
        """
        room = await self._disk(self._prepare)
        return await self._store.write(lambda conn: self._begin(conn, request, new, room))

    async def of_request(self, request: str) -> list[Attachment] | None:
        """The attachments of a request, the oldest first; None when there is no such request."""
        return await self._store.read(lambda conn: self._of_request(conn, request))

    def _of_request(self, conn: sqlite3.Connection, request: str) -> list[Attachment] | None:
        if conn.execute("SELECT 1 FROM request WHERE id = ?", (request,)).fetchone() is None:
            return None
        return rows.of_request(conn, self._seal, request)

    async def receive(self, request: str, identifier: str, start: int | None, source: AsyncIterator[bytes]) -> Taken:
        """Take the bytes of `source`, the first of them at `start` (None: where it stands, with nothing to give).

        Whatever ends `source` early passes through; the whole pieces that came are kept. Raises `Refused`, and
        `StoreFull` when the disk is.
        """
        if identifier in self._receiving or len(self._receiving) >= _AT_ONCE:
            raise Refused("attachment-busy")
        self._receiving.add(identifier)
        try:
            scan = await self._known(identifier)
            if scan is None or scan.request != request:
                raise Refused("no-such-attachment")
            if scan.state != "arriving":
                return Taken(scan, news=False)
            if start not in (None, scan.received):
                raise Refused("wrong-offset", received=scan.received)
            return await self._receive(scan, source)
        finally:
            self._receiving.discard(identifier)

    async def _receive(self, scan: Attachment, source: AsyncIterator[bytes]) -> Taken:
        file, held = self._file(scan), scan.received
        try:
            async for piece in _pieces(source, scan.size - held):
                if held == 0 and not piece.startswith(MAGIC[scan.media_type]):
                    await self._forget(scan)
                    raise Refused("wrong-content")
                held = await self._disk(file.append, held, piece)
                step.passed("attachment.piece")
                if held % _NOTE_EACH == 0:
                    await self._note(scan, held)
        except Exception:
            await self._note(scan, held)
            raise
        await self._note(scan, held)
        if held == scan.size:
            return await self._finish(scan)
        known = await self._known(scan.id)
        if known is None:
            raise Refused("no-such-attachment")
        return Taken(known, news=False)

    async def _note(self, scan: Attachment, held: int) -> None:
        """Make what came durable, and then say so."""
        if held > scan.received:
            await self._disk(self._file(scan).sync)
            await self._store.write(lambda conn: rows.note(conn, scan.id, received=held))
            step.passed("attachment.noted")

    async def _finish(self, scan: Attachment) -> Taken:
        """All bytes are here: look whether they are the right ones, and send them on their way."""
        try:
            found = await self._disk(self._file(scan).sha256)
        except SealBroken:
            found = ""
        if found != scan.sha256:
            await self._forget(scan)
            raise Refused("hash-differs")
        try:
            whole = await self._store.write(lambda conn: self._make_whole(conn, scan))
        except Refused:
            await self._forget(scan)
            raise
        step.passed("attachment.committed")
        return Taken(whole, news=True)

    def _begin(self, conn: sqlite3.Connection, request: str, new: NewAttachment, room: int) -> Taken:
        self._must_be_open(conn, request)
        others = rows.of_request(conn, self._seal, request)
        for known in others:
            if known.sha256 == new.sha256 and known.state != "failed":
                if (known.size, known.media_type) != (new.size, new.media_type):
                    raise Refused("attachment-differs")
                return Taken(known, news=False)
        if sum(other.state != "failed" for other in others) >= MOST_EACH:
            raise Refused("too-many-attachments")
        if rows.kept_bytes(conn) + new.size > self._most_bytes:
            raise StoreFull("the room for scans is used up: raise store.attachments_mbyte, or wait until they are sent")
        if room < new.size:
            raise StoreFull(f"the disk that holds {self._folder} has no room for this scan: free space on it")
        now = self._clock.wall()
        identifier = uuid7(int(now * 1000), secrets.randbits(74))
        facts = (request, new.sha256, new.size, new.media_type, new.name)
        scan = Attachment(identifier, *facts, "arriving", 0, 0, now)
        rows.add(conn, self._seal, scan)
        return Taken(scan, news=True)

    def _make_whole(self, conn: sqlite3.Connection, scan: Attachment) -> Attachment:
        self._must_be_open(conn, scan.request)
        rows.make_whole(conn, self._seal, scan, now=self._clock.wall())
        step.passed("attachment.before_commit")
        return replace(scan, state="whole", received=scan.size)

    def _must_be_open(self, conn: sqlite3.Connection, request: str) -> None:
        row = conn.execute("SELECT state FROM request WHERE id = ?", (request,)).fetchone()
        if row is None:
            raise Refused("no-such-request")
        if row["state"] == "draft" or row["state"] in lifecycle.CLOSED:
            raise Refused("request-closed")

    # ---- to the upstream ---------------------------------------------------------------------------------------

    async def blob(self, identifier: str) -> Blob | Delivered | None:
        """An attachment as a sink carries it; Delivered when it was sent, None when it is not here any more.

        Its `read` raises `AttachmentDamaged`.
        """
        scan = await self._known(identifier)
        if scan is not None and scan.state == "sent":
            return Delivered()
        if scan is None or scan.state != "whole":
            return None
        return Blob(scan.sha256, scan.size, scan.media_type, scan.sent, partial(self._open, scan))

    async def progress(self, identifier: str, sent: int) -> None:
        """So many bytes are at the upstream."""
        await self._store.write(lambda conn: rows.progress(conn, identifier, sent=sent), draining=True)

    async def sent(self, identifier: str) -> None:
        """The upstream has it whole: remove the file."""
        scan = await self._known(identifier)
        if scan is not None and scan.state == "whole":
            await self._settle(scan, "sent")

    async def _open(self, scan: Attachment, start: int, length: int) -> bytes:
        try:
            return await asyncio.to_thread(self._file(scan).read, start, length)
        except (SealBroken, FileNotFoundError) as error:
            await self._lost(scan)
            raise AttachmentDamaged(f"attachment {scan.id} is damaged on this box") from error
        except OSError as error:
            raise AttachmentDamaged(f"attachment {scan.id} cannot be read: {error.strerror}") from error

    # ---- keeping order -----------------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Remove files that no row knows and arrivals that were given up; name what is missing."""
        # The files first: a row is there before its file is, so a file seen now that no row knows then is nobody's.
        there = await self._disk(self._files)
        known = await self._store.read(lambda conn: rows.kept(conn, self._seal))
        nobodys = there - {scan.id for scan in known}
        await self._disk(self._remove, nobodys)
        for scan in known:
            if scan.id not in self._receiving:
                await self._sweep_one(scan)

    def _files(self) -> set[str]:
        self._prepare()
        return {path.name for path in self._folder.iterdir() if not path.is_dir()}

    def _remove(self, names: set[str]) -> None:
        for name in names:
            (self._folder / name).unlink(missing_ok=True)  # its row may have ended, and taken it away, meanwhile

    def _prepare(self) -> int:
        """Make sure of the folder; the bytes that may be written to its disk."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._room()

    async def _sweep_one(self, scan: Attachment) -> None:
        if scan.state == "arriving":
            age = self._clock.wall() - scan.created_at
            held = await self._disk(self._file(scan).holds, scan.received)
            if not held or (age > _ARRIVAL_MOST_S and self._clock.trusted()):
                await self._forget(scan)
            return
        fate = await self._store.read(lambda conn: rows.fate(conn, scan))
        if fate is not None:
            await self._settle(scan, fate)
        elif not await self._disk(self._file(scan).holds, scan.size):
            await self._lost(scan)

    async def _lost(self, scan: Attachment) -> None:
        log.error("attachment %s of request %s is damaged or gone: it must be scanned again", scan.id, scan.request)
        await self._settle(scan, "failed", lost=True)

    async def _settle(self, scan: Attachment, state: str, *, lost: bool = False) -> None:
        def work(conn: sqlite3.Connection) -> None:
            now = self._clock.wall()
            if rows.settle(conn, scan.id, state, now=now) and lost:
                audit.record(conn, "attachment-lost", scan.request, scan.id, now=now)

        await self._store.write(work, draining=True)
        await self._disk(self._file(scan).remove)

    async def _forget(self, scan: Attachment) -> None:
        if await self._store.write(lambda conn: rows.forget(conn, scan.id), draining=True):
            await self._disk(self._file(scan).remove)

    async def _known(self, identifier: str) -> Attachment | None:
        return await self._store.read(lambda conn: rows.get(conn, self._seal, identifier))

    async def _disk(self, work: Callable[..., T], *given: object) -> T:
        """Run `work` on a thread; what the disk refuses is an error of the store."""
        try:
            return await asyncio.to_thread(work, *given)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise (StoreFull if full else StoreError)(f"{self._folder}: {error.strerror}") from error

    def _file(self, scan: Attachment) -> SealedFile:
        return SealedFile(self._folder / scan.id, self._seal, f"attachment:{scan.id}", scan.size)


async def _pieces(source: AsyncIterator[bytes], left: int) -> AsyncIterator[bytes]:
    """Pieces of a file of which `left` bytes are missing; what is no whole piece at the end of `source` is dropped."""
    waiting = bytearray()
    async for chunk in source:
        waiting += chunk
        while len(waiting) >= min(PIECE, left) > 0:
            size = min(PIECE, left)
            yield bytes(waiting[:size])
            del waiting[:size]
            left -= size


def _room(folder: Path) -> int:
    """The bytes that scans may take of the disk, in the system's words: statvfs(3)."""
    free = os.statvfs(folder)
    return max(0, free.f_bavail * free.f_frsize - _SPARE_BYTES)
