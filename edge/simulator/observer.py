"""An independent eye in the village: plain requests from a host, timed, and told apart by the line they came through.

Which line a request took is what the web server in the internet says of its caller, never what the daemon believes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from edge.simulator import netns, village

_FLOOD_STARTS_S = 15
_FLOWING_MBYTE = 0.1
_LINE_OF = {address: line for line, address in village.BOX_ON_LINE.items()}


async def get(namespace: str, address: str, path: str, *, port: int = 80, head: str = "") -> tuple[int, bytes]:
    """One HTTP request from `namespace`: its status and body. Raises OSError or EOFError."""
    return await exchange(namespace, address, port, f"GET {path} HTTP/1.1\r\nHost: {address}\r\n{head}", b"")


async def post(namespace: str, address: str, path: str, body: bytes, *, port: int, head: str) -> tuple[int, bytes]:
    """One HTTP POST of a JSON body from `namespace`: its status and body. Raises OSError or EOFError."""
    request = f"POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n{head}"
    return await exchange(namespace, address, port, f"{request}Content-Length: {len(body)}\r\n", body)


async def exchange(namespace: str, address: str, port: int, request: str, body: bytes) -> tuple[int, bytes]:
    """Send a request's head and body on a new connection and read the answer to its end."""
    reader, writer = await netns.connect(namespace, address, port)
    try:
        writer.write(f"{request}Connection: close\r\n\r\n".encode() + body)
        await writer.drain()
        answer = await reader.read(-1)
    finally:
        writer.transport.abort()
    head, _, content = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 "):
        raise EOFError(f"{address}:{port} sent no HTTP answer")
    return int(head.split(b" ", 2)[1]), content


async def line_used(namespace: str, within_s: float = 1) -> str:
    """The line a new request from `namespace` takes now, or "" when it gets no answer within `within_s` seconds."""
    with contextlib.suppress(OSError, EOFError):
        async with asyncio.timeout(within_s):
            _, body = await get(namespace, village.WEB_HOST, "/whoami")
            seen: str = json.loads(body)["you"]
            return _LINE_OF.get(seen, seen)
    return ""


async def moved(namespace: str, line: str, *, within_s: float, every_s: float = 0.05) -> float | None:
    """Start a new request every `every_s` seconds until one is answered through `line`.

    Returns the seconds from the call to that answer, or None when none came within `within_s` seconds.
    """
    begun, asking = time.monotonic(), set[asyncio.Task[str]]()
    try:
        while (passed := time.monotonic() - begun) < within_s:
            asking.add(asyncio.create_task(line_used(namespace)))
            done, asking = await asyncio.wait(asking, timeout=every_s, return_when=asyncio.FIRST_COMPLETED)
            if any(task.result() == line for task in done):
                return time.monotonic() - begun
            # An answer (through the other line, at once) must not quicken the pace.
            await asyncio.sleep(max(0.0, begun + passed + every_s - time.monotonic()))
        return None
    finally:
        for task in asking:
            task.cancel()


@dataclass(frozen=True, slots=True)
class Use:
    """What a host got from its line: `mbit` of download in Mbit/s, and the page times in ms."""

    line: str
    mbit: float
    page_p50_ms: float
    page_p90_ms: float


async def use(namespace: str, *, seconds: float, flows: int = 4, settle_s: float = 1) -> Use:
    """Download by `flows` connections and open a small page every 100 ms, for `seconds` after `settle_s` seconds."""
    received, pages = [0], list[float]()
    tasks = [asyncio.create_task(_download(namespace, received)) for _ in range(flows)]
    try:
        await asyncio.sleep(settle_s)
        line = await line_used(namespace, within_s=3)
        start, begun = received[0], time.monotonic()
        await _pages(namespace, pages, begun + seconds)
        mbit = (received[0] - start) * 8 / 1e6 / (time.monotonic() - begun)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    p50, p90 = (statistics.quantiles(pages, n=10)[place] * 1000 for place in (4, 8))
    return Use(line, mbit, p50, p90)


async def _download(namespace: str, received: list[int]) -> None:
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await netns.connect(namespace, village.WEB_HOST, village.WEB_PORT)
            try:
                writer.write(b"GET /bytes/1000000000 HTTP/1.1\r\n\r\n")
                while block := await reader.read(1 << 16):
                    received[0] += len(block)
            finally:
                writer.transport.abort()
        await asyncio.sleep(0.1)


async def _pages(namespace: str, pages: list[float], until: float) -> None:
    """Time one page after another; one that does not come within 2 s counts as 2 s."""
    while (begun := time.monotonic()) < until:
        await line_used(namespace, within_s=2)
        pages.append(time.monotonic() - begun)
        await asyncio.sleep(0.1)
    while len(pages) < 2:
        pages.append(2.0)


class Flood:
    """Guests who download by 16 iperf3 flows at once, from entering to leaving the context."""

    def __init__(self, namespace: str = village.GUESTS[0], flows: int = 16) -> None:
        self._namespace = namespace
        self._flows = flows
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Flood:
        """Returns once it flows; a server that is not there yet, or still busy with the last flood, is asked again."""
        command = f"iperf3 --client {village.WEB_HOST} --port {village.FLOOD_PORT} --reverse --time 120"
        async with asyncio.timeout(_FLOOD_STARTS_S):
            while not self.running:
                self._process = await netns.spawn(self._namespace, *command.split(), "--parallel", str(self._flows))
                await self._flows_or_ends()
        return self

    async def _flows_or_ends(self) -> None:
        before = received_mbyte(self._namespace, "wlan0")
        flowing = False
        while self.running and not flowing:
            await asyncio.sleep(0.05)
            flowing = received_mbyte(self._namespace, "wlan0") - before >= _FLOWING_MBYTE

    @property
    def running(self) -> bool:
        """Whether the flood still flows."""
        return self._process is not None and self._process.returncode is None

    async def __aexit__(self, *_: object) -> None:
        if self._process:
            await netns.end(self._process, patience_s=2)


def received_mbyte(namespace: str, device: str) -> float:
    """What `device` of `namespace` has received so far, in MB."""
    with netns.inside(namespace):
        # /proc/thread-self/net is this thread's namespace; /sys shows the one it was mounted in.
        text = Path("/proc/thread-self/net/dev").read_text()
    for row in text.splitlines():
        name, _, figures = row.partition(":")
        if name.strip() == device:
            return int(figures.split()[0]) / 1e6
    raise KeyError(device)
