"""The usual round trips kept on disk: whole after a power cut, and never a reason not to start."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edge.durable import MOST_BYTES
from edge.monitor.baseline import Baseline
from edge.monitor.memory import EVERY_S, Keeper, Memory


def taught() -> Baseline:
    baseline = Baseline()
    for _ in range(200):
        baseline.learn("9.9.9.9", 20.0, 10)
    return baseline


def test_what_was_kept_is_recalled(tmp_path: Path) -> None:
    """A restart would forget for ten minutes what is usual."""
    Memory(tmp_path, "pde").keep(taught().dump())
    assert Memory(tmp_path, "pde").recall().dump() == taught().dump()
    assert Memory(tmp_path, "telkom").recall().dump() == Baseline().dump()
    assert [file.name for file in tmp_path.iterdir()] == ["baseline-pde.json"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"{}" + b" " * MOST_BYTES],
    ids=["empty", "cut", "bytes", "deep", "long"],
)
def test_rubbish_is_told_once_and_forgotten(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """A file that a failing card spoiled would keep the monitor from starting."""
    (tmp_path / "baseline-pde.json").write_bytes(content)
    assert Memory(tmp_path, "pde").recall().dump() == Baseline().dump()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
@example({"sources": {"gateway": {"floor_ms": 10**400}}})
def test_any_json_is_taken(tmp_path: Path, content: object) -> None:
    """A file of another version would keep the monitor from starting."""
    (tmp_path / "baseline-pde.json").write_text(json.dumps(content))
    Memory(tmp_path, "pde").recall()


def test_disk_that_refuses_is_told_once_and_once_when_it_heals(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A full or missing disk must neither stop the monitor nor fill the log."""
    caplog.set_level(logging.INFO)
    memory = Memory(tmp_path / "later", "pde")
    memory.keep({})
    memory.keep({})
    (tmp_path / "later").mkdir()
    memory.keep({})
    memory.keep({})
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_keeper_writes_once_an_hour_and_at_the_end(tmp_path: Path) -> None:
    """Flash would wear out, or a stop forget what was learned."""
    file = tmp_path / "baseline-pde.json"
    keeper = Keeper(tmp_path, "pde", now=0.0)
    keeper.step(taught(), now=EVERY_S - 1)
    assert keeper._writing is None
    keeper.step(taught(), now=EVERY_S)
    assert keeper._writing is not None
    await keeper._writing
    assert json.loads(file.read_text()) == taught().dump()
    keeper.step(Baseline(), now=EVERY_S + 1)
    assert json.loads(file.read_text()) == taught().dump()
    await keeper.finish(Baseline())
    assert json.loads(file.read_text()) == Baseline().dump()


async def test_keeper_without_a_directory_keeps_nothing() -> None:
    """A trial run would write somewhere."""
    keeper = Keeper(None, "pde", now=0.0)
    keeper.step(taught(), now=EVERY_S)
    await keeper.finish(taught())
    assert keeper.recall().dump() == Baseline().dump()
