"""The desks remember exactly what they were promised, and see when it is gone or another."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from bench.power import until
from bench.power.desk import Desks


class Box:
    """A small desk API in memory that can forget."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, str] = {}
        self.answers: list[int] = []
        self.busy = 0
        self.looked_at: list[float] = []

    async def post(self, request: web.Request) -> web.Response:
        if self.answers and (status := self.answers.pop()):
            if status == 1:  # the power fails between the request and its answer
                assert request.transport is not None
                request.transport.abort()
            return web.json_response({}, status=status if status > 1 else 500)
        key = request.headers["Idempotency-Key"]
        identifier = self.keys.setdefault(key, f"id-{len(self.keys)}")
        body = await request.json()
        shown = {"id": identifier, "ticket": key, "letter": body["letter"], "source": "desk", "person": {}}
        self.kept[identifier] = shown | {"missing": [], "created_at": "now", "state": "accepted"}
        return web.json_response(self.kept[identifier], status=202)

    async def get(self, request: web.Request) -> web.Response:
        self.looked_at.append(time.monotonic())
        if self.busy:
            self.busy -= 1
            return web.json_response({}, status=429, headers={"Retry-After": "1"})
        found = self.kept.get(request.match_info["id"])
        return web.json_response(found or {}, status=200 if found else 404)


@pytest.fixture
async def box() -> AsyncIterator[tuple[Box, Desks, web.AppRunner]]:
    box = Box()
    app = web.Application()
    app.add_routes([web.post("/v1/requests", box.post), web.get("/v1/requests/{id}", box.get)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield box, Desks(f"http://127.0.0.1:{runner.addresses[0][1]}", "key"), runner
    await runner.cleanup()


async def work(desks: Desks, runner: web.AppRunner, promises: int) -> None:
    async with desks.open(3):
        await desks.until_promised(promises)
        await runner.cleanup()


async def serve_again(box: Box, desks: Desks) -> web.AppRunner:
    app = web.Application()
    app.add_routes([web.post("/v1/requests", box.post), web.get("/v1/requests/{id}", box.get)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(desks.url.rpartition(":")[2])).start()
    return runner


async def test_what_is_gone_and_what_differs_is_named(box: tuple[Box, Desks, web.AppRunner]) -> None:
    """A benchmark that cannot see a loss would prove nothing."""
    kept, desks, runner = box
    await work(desks, runner, 10)
    again = await serve_again(kept, desks)
    gone, other, *_ = list(desks.promised)
    del kept.kept[gone]
    kept.kept[other] = kept.kept[other] | {"ticket": "another"}
    broken = await desks.broken(everything=False)
    assert [len(broken["lost"]), len(broken["differ"])] == [1, 1]
    assert broken["lost"][0].startswith(gone)
    assert await desks.broken(everything=False) == {"lost": [], "differ": []}
    assert (await desks.broken(everything=True))["lost"] == broken["lost"]
    await again.cleanup()


async def test_what_was_not_answered_is_filed_again_with_its_key(box: tuple[Box, Desks, web.AppRunner]) -> None:
    """A real desk does; a box that then files it twice must be seen."""
    kept, desks, runner = box
    kept.answers = [1, 503]
    async with desks.open(2):
        await desks.until_promised(5)
        assert len(desks.doubtful) >= 1
        await runner.cleanup()
    doubtful = set(desks.doubtful)
    again = await serve_again(kept, desks)
    await desks.file_again()
    assert not desks.doubtful
    assert doubtful <= {promise.key for promise in desks.promised.values()}
    assert desks.refused == 1
    assert len(kept.keys) == len(desks.promised)
    await again.cleanup()


async def test_a_busy_box_has_lost_nothing(box: tuple[Box, Desks, web.AppRunner]) -> None:
    """An answer of 429 says nothing of the request: counted as lost, or as gone, the benchmark would accuse or lie."""
    kept, desks, runner = box
    await work(desks, runner, 3)
    again = await serve_again(kept, desks)
    kept.busy = 1
    assert await desks.broken(everything=True) == {"lost": [], "differ": []}
    assert kept.looked_at[1] - kept.looked_at[0] >= 1.0
    kept.busy = 1
    assert await desks.gone(desks.promised) == 0
    await again.cleanup()


async def test_who_is_told_to_come_later_was_promised_nothing(box: tuple[Box, Desks, web.AppRunner]) -> None:
    """A request that was answered 429 would be looked for after the cut."""
    kept, desks, runner = box
    kept.answers = [429]
    async with desks.open(1):
        await until(lambda: desks.refused == 1, within_s=30)
        assert (desks.promised, list(desks.doubtful)) == ({}, ["powercut-1"])
        await desks.until_promised(1)
        await runner.cleanup()
    assert next(iter(desks.promised.values())).key == "powercut-1"


async def test_promises_of_a_lying_drive_are_void(box: tuple[Box, Desks, web.AppRunner]) -> None:
    """The box is not to blame for what the drive threw away; what was promised before still counts."""
    _, desks, runner = box
    async with desks.open(2):
        await desks.until_promised(3)
        counted = len(desks.promised)
        desks.lied_to = True
        await until(lambda: len(desks.void) >= 3, within_s=30)
        assert len(desks.promised) == counted
        await runner.cleanup()
    assert len(desks.promised) == counted
