from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from bench.sms import judge_bursts
from bench.sms_peers.contenders import Bare, Gammu, Smstools
from bench.sms_peers.emulator import Emulator
from bench.sms_peers.measure import Bench, Sent
from bench.sms_peers.worker import LIMITS, raised
from edge.config import Sms


def test_what_was_raised_is_told() -> None:
    """The figures would be reached with settings that nobody is shown."""
    told = tomllib.loads(raised())["sms"]
    assert told["send_gap_s"] == 0
    assert set(told) == {name for name in Sms.__struct_fields__ if getattr(LIMITS, name) != getattr(Sms(), name)}


@pytest.mark.parametrize("peer", [Gammu, Smstools])
async def test_a_peer_s_queue_is_its_outbox(tmp_path: Path, peer: type[Gammu | Smstools]) -> None:
    """A peer would be handed half a file, or none."""
    contender = peer(tmp_path, tmp_path / "modem")
    config = contender.prepare()
    assert str(tmp_path / "modem") in config.read_text()
    await contender.queue(["INFO", "HELP"])
    assert len(list((tmp_path / contender.outbox).iterdir())) == 2
    assert contender.stored() == 0


async def test_the_limit_is_measured_at_a_real_modem(tmp_path: Path) -> None:
    """The share of the limit would be a share of nothing."""
    emulator = Emulator(tmp_path)
    bare = Bare(tmp_path, emulator.device)
    await emulator.start()
    try:
        await bare.start()
        bench = Bench(bare, emulator)
        sent = await bench.send(4, 0.05)
        assert sent.first_s > 0
        assert 0 < sent.per_minute < 60 / 0.06
        assert await bench.arrive(5) > 0
        assert bare.stored() == 5
    finally:
        await bare.stop()
        await emulator.stop()


def test_the_burst_is_judged() -> None:
    """A daemon that falls behind the limit, or behind a peer, would pass."""

    def figures(rate: float, arrived: float) -> dict[str, bool]:
        sent = {"limit": [Sent(0.02, 800)], "edge": [Sent(0.1, rate)], "gammu": [Sent(1, 80)]}
        judged = judge_bursts(sent, {"limit": [0.5], "edge": [arrived], "gammu": [4.0]})
        return {name: figure["ok"] for name, figure in judged.items()}

    assert all(figures(790, 0.6).values())
    assert {name for name, good in figures(700, 0.6).items() if not good} == {"50_sent_of_limit"}
    assert {name for name, good in figures(70, 5).items() if not good} == {
        "50_sent_of_limit",
        "50_sent_over_gammu",
        "50_arrived_edge_s",
        "50_arrived_over_gammu",
    }
