"""The heartbeat: first of all, now and then, soon after a change, small, and never queued."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.queue.heartbeat import STATE_MOST, compact
from edge.queue.sink import Beat, Certificate, Retry
from tests.unit.queue.box import box
from tests.unit.queue.far_end import FarEnd
from tests.unit.queue.virtual import BEGIN, ram, run, until


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with ram() as path:
        yield path


def now() -> float:
    return asyncio.get_running_loop().time()


def test_it_beats_by_its_interval_with_jitter(tmp_path: Path) -> None:
    """217 boxes would beat together, or the regency take a living box for dead."""

    async def main() -> None:
        async with box(tmp_path, heartbeat_s=300) as here:
            await asyncio.sleep(7_200)
            times = [at for at, _ in here.far.beats]
            gaps = [after - before for before, after in pairwise(times)]
            assert all(235 < gap < 365 for gap in gaps)
            assert max(gaps) - min(gaps) > 10
            told = here.far.beats[-1][1]
            assert told["version"] == "1"
            assert told["epoch"] == 1
            assert told["installation"] == here.far.beats[0][1]["installation"] != ""
            assert here.far.beats[0][1]["epoch"] == 0

    run(main)


def test_a_change_is_told_soon_and_many_changes_at_once(tmp_path: Path) -> None:
    """The regency would hear of a dead uplink five minutes late, or be flooded by one that flaps."""

    async def main() -> None:
        async with box(tmp_path) as here:
            await until(lambda: len(here.far.beats) == 1, "the first beat")
            await asyncio.sleep(30)
            began = now()
            for _ in range(20):
                here.forwarder.changed()
                await asyncio.sleep(0.05)
            await until(lambda: len(here.far.beats) == 2, "a beat soon", 11)
            assert now() - began > 1.5
            await asyncio.sleep(60)
            assert len(here.far.beats) == 2
            for _ in range(600):
                here.forwarder.changed()
                await asyncio.sleep(0.5)
            assert len(here.far.beats) <= 2 + 300 / 20 + 1

    run(main)


def test_an_outage_leaves_no_beats_behind(tmp_path: Path) -> None:
    """After a week without an uplink two thousand old heartbeats would go before the requests."""

    async def main() -> None:
        away = [False]
        async with box(tmp_path, FarEnd(reachable=lambda: not away[0])) as here:
            await until(lambda: len(here.far.beats) == 1, "the first beat")
            away[0] = True
            await asyncio.sleep(7_200)
            away[0] = False
            await until(lambda: len(here.far.beats) == 2, "a beat", 400)
            await asyncio.sleep(200)
            assert len(here.far.beats) == 2
            assert await here.rows() == []

    run(main)


def test_enrolment_is_remembered_and_a_newer_epoch_taken(tmp_path: Path) -> None:
    """A restarted box would wait for a portal that has no heartbeats now, or speak with an old epoch."""

    async def main() -> None:
        async with box(tmp_path, FarEnd(beats_answer=Beat(4))) as here:
            await until(lambda: here.forwarder.status.epoch == 4, "the epoch")
            first = here.far.beats[0][1]["installation"]
        async with box(tmp_path, FarEnd(beats_answer=Retry("no heartbeats today"))) as here:
            await here.file()
            await here.drained()
            assert {parcel.epoch for parcel in here.far.order} == {4}
            here.far.beats_answer = Beat(5)
            here.forwarder.changed()
            await until(lambda: here.forwarder.status.epoch == 5, "the newer epoch", 700)
            assert here.far.beats[-1][1]["installation"] == first
            here.far.beats_answer = Beat(2)
            await asyncio.sleep(800)
            assert here.forwarder.status.epoch == 5

    run(main)


def test_a_certificate_that_ends_is_told_in_time(tmp_path: Path) -> None:
    """All boxes of a regency would fall silent on one day."""

    async def main() -> None:
        far = FarEnd(kept=(Certificate("own", BEGIN + 29 * 86_400), Certificate("portal", BEGIN + 40 * 86_400)))
        async with box(tmp_path, far) as here:
            await until(lambda: len(far.beats) == 1, "the first beat")
            raised = {(each.condition.code, each.subject) for each in here.health.current()}
            assert raised == {("upstream-certificate", "own")}
            far.kept = (Certificate("own", BEGIN + 400 * 86_400),)
            await until(lambda: here.codes() == set(), "the new certificate is seen", 400)

    run(main)


@given(
    st.dictionaries(
        st.text(max_size=20).map(lambda name: f"x{name}"),
        st.one_of(st.integers(), st.text(max_size=3_000), st.lists(st.text(max_size=40), max_size=100)),
        max_size=20,
    )
)
def test_it_is_small_whatever_the_village_says(state: dict[str, object]) -> None:
    """A heartbeat of a sick village would not fit through its line."""
    own = {"installation": "0" * 36, "epoch": 3}
    body = compact({**state, **own}, keep=own)
    told = json.loads(body)
    assert len(body) <= STATE_MOST
    assert own.items() <= told.items()
    assert set(told) - {"left_out"} | set(told.get("left_out", [])) == {*state, *own}
