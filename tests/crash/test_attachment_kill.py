"""A box killed in the middle of an upload: what it said it holds is there, and the scan arrives whole."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.queue.attachments import Attachments
from edge.queue.sink import Blob
from edge.queue.store.database import Store
from edge.queue.store.seal import Seal
from edge.queue.store.sealed_file import PIECE
from edge.step import POINTS
from tests.contract.test_store_attachments import scan

OURS = [point for point in POINTS if point.startswith("attachment.")]
PLAIN = scan(40 * PIECE + 9)

# Sends the whole scan, from where the box says that it stands; says so once the box has called it whole.
BOX = """
import asyncio, sys
from pathlib import Path
from edge.clock import SystemClock
from edge.queue.attachments import Attachments
from edge.queue.desk import Desk
from edge.queue.store.database import Store
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
from tests.contract.test_store_attachments import NEW, announced, flow
from tests.crash.test_attachment_kill import PLAIN

async def main(folder):
    store = await Store.open(folder / "box.db", max_mbyte=64, group_commit_ms=2)
    requests = Requests(Seal(bytes(32)))
    desk = Desk(store, requests, missing=lambda *_: (), clock=SystemClock(), announce=lambda _: None)
    scans = Attachments(store, requests.seal, folder / "scans", max_mbyte=64, clock=SystemClock())
    await scans.sweep()
    request = (await desk.submit(NEW, idempotency_key="k")).request
    begun = (await scans.begin(request.id, announced(PLAIN))).attachment
    print("held", begun.received, flush=True)
    taken = await scans.receive(request.id, begun.id, begun.received, flow(PLAIN[begun.received:]))
    print("whole", taken.attachment.id, taken.attachment.state, flush=True)
    await store.close()

asyncio.run(main(Path(sys.argv[1])))
"""


async def box(folder: Path, kill_at: str) -> tuple[int, list[list[str]]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", BOX, str(folder)),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"KAMPUNG_EDGE_KILL_AT": kill_at},
    )
    said, _ = await process.communicate()
    return process.returncode or 0, [line.split() for line in said.decode().splitlines()]


@pytest.mark.parametrize(
    "point", [f"{point}:{time}" for point in OURS for time in ((1, 30) if "piece" in point else (1,))]
)
async def test_a_scan_survives_a_kill(tmp_path: Path, point: str) -> None:
    """A power cut would lose bytes the desk was told of, send a torn file, or send one twice."""
    ended, _ = await box(tmp_path, point)
    assert ended == -signal.SIGKILL
    ended, said = await box(tmp_path, "")
    assert ended == 0
    assert said[0][0] == "held"
    assert int(said[0][1]) in (0, 16 * PIECE, 32 * PIECE, len(PLAIN))
    assert said[1][2] == "whole"
    store = await Store.open(tmp_path / "box.db", max_mbyte=64, group_commit_ms=2)
    scans = Attachments(store, Seal(bytes(32)), tmp_path / "scans", max_mbyte=64, clock=SystemClock())
    blob = await scans.blob(said[1][1])
    assert isinstance(blob, Blob)
    assert hashlib.sha256(await blob.read(0, blob.size)).hexdigest() == hashlib.sha256(PLAIN).hexdigest()
    kinds = await store.read(lambda conn: [row[0] for row in conn.execute("SELECT kind FROM outbox ORDER BY seq")])
    assert kinds == ["request", "attachment", "blob"]
    await store.close()
