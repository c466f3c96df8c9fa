"""A rehearsal from conditions to switches, with the real detector and the real policy."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import msgspec

from edge.config_check import load as load_config
from edge.rehearsal import scene
from edge.rehearsal.conditions import Condition
from edge.rehearsal.run import Moved, rehearse
from tests.unit.documented import EXAMPLE

MONDAY_NINE = datetime.fromisoformat("2026-10-05T09:00+07:00").timestamp()
SUNDAY = datetime.fromisoformat("2026-10-04T09:00+07:00").timestamp()
ALL = Condition(0.0, "pde", "*")


def run(
    *rows: Condition, until: float = 1_500, begins: float = MONDAY_NINE, seed: int = 1, of: scene.Scene | None = None
) -> list[str]:
    found = []
    for change in rehearse(of or scene.default(), rows, seed=seed, begins=begins, until=until):
        if isinstance(change, Moved):
            found.append(f"{change.at:.0f} {change.traffic_class} {change.from_uplink} {change.to_uplink}")
        else:
            verdict = change.verdict
            found.append(f"{change.at:.0f} {verdict.uplink} {verdict.level} {verdict.cause}".strip())
    return found


def test_a_healthy_line_says_up_once() -> None:
    """Nothing happens, and something would be told."""
    assert run(ALL) == ["0 telkom up", "0 pde up"]


def test_an_outage_moves_service_and_control_and_not_the_guests() -> None:
    """A dead line would keep the desk, or drag the guests along."""
    assert run(replace(ALL, start_s=1_000.4, loss=1.0))[2:] == [
        "1003 pde down gateway",
        "1003 service pde telkom",
        "1003 control pde telkom",
    ]


def test_a_brownout_moves_in_service_hours_only() -> None:
    """The calendar would not be asked."""
    rows = replace(ALL, start_s=1_000, rtt_ms=320.0)
    assert any("service pde telkom" in said for said in run(rows))
    assert not any("service" in said for said in run(rows, begins=SUNDAY))


def test_service_returns_at_the_end_of_the_hold() -> None:
    """Nothing would happen when only time passes."""
    said = run(replace(ALL, start_s=1_000, loss=1.0), replace(ALL, start_s=1_100), until=40_000, begins=SUNDAY)
    assert said[-1].endswith("control telkom pde")
    assert said[-2].endswith("service telkom pde")


def test_a_line_that_is_always_a_little_lossy_takes_the_desk_with_it_but_a_few_times() -> None:
    """A line at the edge of its threshold would break the desk's connections every ten minutes, all day."""
    said = run(replace(ALL, start_s=600, loss=0.07), until=3 * 3_600, seed=101)
    left = [one for one in said if one.endswith("service pde telkom")]
    assert 1 <= len(left) <= 4, said


def test_the_same_seed_gives_the_same_and_another_uplinks_rows_change_nothing() -> None:
    """A finding could not be shown twice."""
    rows = (replace(ALL, loss=0.1, burst_s=0.3), replace(ALL, uplink="telkom", loss=0.02))
    assert run(*rows) == run(*rows)
    alone = [said for said in run(rows[0]) if " pde " in said and "service" not in said and "control" not in said]
    both = [said for said in run(*rows) if " pde " in said and "service" not in said and "control" not in said]
    assert alone == both


def test_processes_do_not_change_what_is_found() -> None:
    """Two cores would find something else than one."""
    rows = [replace(ALL, loss=0.02), replace(ALL, start_s=20_000, loss=1.0)]
    setting = scene.default()
    one, two = (
        list(rehearse(setting, rows, seed=1, begins=MONDAY_NINE, until=22_000, processes=processes))
        for processes in (1, 2)
    )
    assert one == two
    assert any(isinstance(change, Moved) for change in one)


def test_the_example_configuration_can_be_rehearsed() -> None:
    """`--config` would fail for the configuration that everybody starts from."""
    setting = scene.of(load_config(EXAMPLE))
    said = run(replace(ALL, start_s=900, loss=1.0), of=setting)
    assert "pde down gateway" in " ".join(said)


def test_a_gateway_that_is_followed_can_be_rehearsed() -> None:
    """`gateway = "auto"` has no address in a rehearsal: the command would crash."""
    config = load_config(EXAMPLE)
    uplinks = tuple(msgspec.structs.replace(uplink, gateway="auto") for uplink in config.uplink)
    setting = scene.of(msgspec.structs.replace(config, uplink=uplinks))
    assert "pde down gateway" in " ".join(run(replace(ALL, start_s=900, loss=1.0), of=setting))


def test_the_default_scene_is_what_the_help_says() -> None:
    """Whoever writes conditions would name targets that do not exist."""
    pde, telkom = scene.default().lines
    for line in (pde, telkom):
        roles = [source.role for source in line.sources]
        assert sorted(roles) == ["anchor", "anchor", "dns", "gateway", "http", "public", "public"]
    assert (pde.contract_mbit[0], telkom.contract_mbit[0]) == (10, 20)
    assert scene.default().classes.wifi.uplinks == ("telkom",)
