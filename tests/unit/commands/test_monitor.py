"""kampung-edge monitor simulate, as another program would run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge.commands.monitor import monitor
from tests.unit.documented import EXAMPLE

HEADER = "start_s,uplink,target,loss,burst_s,rtt_ms,jitter_ms,rate_mbit,offered_mbit"


def simulate(tmp_path: Path, rows: str, *options: str) -> tuple[int, str, str]:
    path = tmp_path / "c.csv"
    path.write_text(f"{HEADER}\n{rows}")
    done = CliRunner().invoke(monitor, ["simulate", "--conditions", str(path), *options])
    return done.exit_code, done.stdout, done.stderr


def test_json_lines(tmp_path: Path) -> None:
    """A program that reads standard output would stumble."""
    code, out, _ = simulate(tmp_path, "36000,pde,*,1,,,,,\n", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert found[2] == {"t": found[2]["t"], "event": "verdict", "uplink": "pde", "verdict": "down", "cause": "gateway"}
    assert found[3] == {
        "t": found[2]["t"],
        "event": "switch",
        "class": "service",
        "from": "pde",
        "to": "telkom",
        "because": found[3]["because"],
    }
    assert 36_000 < found[2]["t"] <= 36_003
    assert [line["t"] for line in found] == sorted(line["t"] for line in found)


def test_for_people(tmp_path: Path) -> None:
    """Without --json nobody could read it."""
    _, out, _ = simulate(tmp_path, "900,pde,*,1,,,,,\n")
    assert "pde is down gateway  " in out
    assert "4 of 4" in out
    assert "service: pde -> telkom" in out


def test_days_may_be_a_fraction_and_the_start_is_asked(tmp_path: Path) -> None:
    """A short rehearsal would run a whole day, or at another hour."""
    rows = "900,pde,*,,,320,,,\n"
    _, out, _ = simulate(tmp_path, rows, "--json", "--days", "0.0101")
    assert len(out.splitlines()) == 2
    _, night, _ = simulate(tmp_path, rows, "--json", "--days", "0.02")
    _, day, _ = simulate(tmp_path, rows, "--json", "--days", "0.02", "--start", "2026-10-05T09:00+07:00")
    assert "switch" not in night
    assert "switch" in day


def test_another_configuration(tmp_path: Path) -> None:
    """A village could not rehearse its own thresholds."""
    code, out, _ = simulate(tmp_path, "900,telkom,8.8.4.4,1,,,,,\n", "--json", "--config", str(EXAMPLE))
    assert (code, "down" in out) == (0, False)


def test_no_rows_at_all(tmp_path: Path) -> None:
    """A file with its header only is a healthy hour."""
    code, out, _ = simulate(tmp_path, "", "--json")
    assert (code, len(out.splitlines())) == (0, 2)


REFUSED = {
    "a bad row": ("0,pde,9.9.9.8,,,,,,\n", (), "line 2: target is '9.9.9.8'. Known of pde: *, gateway"),
    "a bad day": ("", ("--days", "-1"), "--days -1 is not above 0"),
    "not a number of days": ("", ("--days", "nan"), "--days nan is not above 0"),
    "a bad moment": ("", ("--start", "yesterday"), "--start 'yesterday' is no moment"),
    "a moment that no calendar reaches": (
        "",
        ("--start", "9999-12-31T23:59+00:00"),
        "is not in the years 1970 to 2999",
    ),
    "a moment without a zone": ("", ("--start", "2026-10-05T00:00"), "has no zone"),
    "a bad seed": ("", ("--seed", "-1"), "--seed"),
}


@pytest.mark.parametrize(("rows", "options", "said"), REFUSED.values(), ids=REFUSED)
def test_refusals(tmp_path: Path, rows: str, options: tuple[str, ...], said: str) -> None:
    """A mistake would give figures all the same."""
    code, out, err = simulate(tmp_path, rows, "--json", *options)
    assert (code, out) == (2, "")
    assert said in err


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    """A typing error would be answered by a traceback."""
    done = CliRunner().invoke(monitor, ["simulate", "--conditions", str(tmp_path / "none.csv")])
    assert done.exit_code != 0
    assert "none.csv" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_closed_pipe_is_no_crash(tmp_path: Path) -> None:
    """`| head` would end in a traceback."""
    path = tmp_path / "c.csv"
    path.write_text(HEADER + "\n" + "".join(f"{n * 100},pde,*,{n % 2},,,,,\n" for n in range(300)))
    code = "from edge.commands.monitor import monitor; monitor()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "simulate", "--conditions", str(path), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
