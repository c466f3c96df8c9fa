"""`kampung-edge report` on real stores: beside a running writer, damaged, absent, read-only."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edge.cli import main
from edge.queue.store import rowsum
from edge.queue.store.database import Store
from tests.unit.report.month import build, settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def box(tmp_path: Path) -> Path:
    settings(tmp_path)
    build(tmp_path)
    return tmp_path


def call(box: Path, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["report", "--config", str(box / "box.toml"), *map(str, arguments)])


def test_each_form_goes_to_standard_output(box: Path) -> None:
    """The report could not be piped or attached."""
    page = call(box, "--month", "2026-10")
    assert page.exit_code == 0, page.stderr
    assert page.stdout.startswith("<!doctype html>")
    said = json.loads(call(box, "--month", "2026-10", "--format", "json").stdout)
    assert [line["name"] for line in said["uplinks"]] == ["pde", "telkom"]
    assert call(box, "--month", "2026-10", "--format", "csv").stdout.startswith("date,uplink,measured_s")


def test_one_uplink_into_a_file(box: Path) -> None:
    """The complaint to one provider would show the other's figures."""
    file = box / "telkom.html"
    result = call(box, "--month", "2026-10", "--uplink", "telkom", "--output", file)
    assert (result.exit_code, result.stdout) == (0, "")
    assert file.read_text().count('<section class="sheet">') == 1


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--month", "2026-13"), 2, "error: --month: '2026-13' is not a month; write it as 2026-10"),
        (("--month", "2025-01"), 1, "error: nothing was measured in 2025-01; the history goes from 2026-08 to 2026-11"),
        (
            ("--month", "2026-10", "--uplink", "x"),
            2,
            "error: --uplink: nothing was measured of 'x' in 2026-10; there is pde",
        ),
        (("--month", "2026-10", "--output", "/nowhere/x.html"), 1, "error: /nowhere/x.html: No such file or directory"),
        (("--format", "pdf"), 2, "'pdf' is not one of"),
    ],
)
def test_refusals_are_one_sentence(box: Path, arguments: tuple[str, ...], code: int, sentence: str) -> None:
    """Somebody in the field would see Python."""
    result = call(box, *arguments)
    assert result.exit_code == code
    assert sentence in result.stderr
    assert "Traceback" not in result.output


def test_without_a_store(box: Path) -> None:
    """A box that never ran would show Python."""
    (box / "kampung-edge.db").unlink()
    result = call(box)
    assert result.exit_code == 1
    assert "does not exist; has the daemon run here" in result.stderr
    assert not (box / "kampung-edge.db").exists()


def test_a_store_of_before_the_history(box: Path) -> None:
    """After an update the first report would show Python."""
    conn = sqlite3.connect(box / "kampung-edge.db")
    rowsum.register(conn)
    conn.execute("DROP TABLE rollup")
    conn.close()
    result = call(box, "--month", "2026-10")
    assert result.exit_code == 1
    assert "holds no history yet; start the daemon of this version once" in result.stderr


def test_an_empty_history(box: Path) -> None:
    """A new box would show an empty page."""
    conn = sqlite3.connect(box / "kampung-edge.db", isolation_level=None)
    rowsum.register(conn)
    conn.execute("DELETE FROM rollup")
    conn.close()
    result = call(box)
    assert result.exit_code == 1
    assert "nothing has been measured yet" in result.stderr


@pytest.mark.parametrize("keep", [0, 100, 4_096, 60_000], ids=["empty", "cut head", "one page", "cut"])
def test_a_damaged_store(box: Path, keep: int) -> None:
    """A failing card would show Python, or a report of half the truth."""
    file = box / "kampung-edge.db"
    file.write_bytes(file.read_bytes()[:keep])
    result = call(box, "--month", "2026-10")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {file} ")
    assert result.stdout == ""


def test_rubbish_in_place_of_the_store(box: Path) -> None:
    """As above."""
    (box / "kampung-edge.db").write_bytes(os.urandom(20_000))
    result = call(box)
    assert result.exit_code == 1
    assert "file is not a database" in result.stderr


def test_a_bad_configuration(tmp_path: Path) -> None:
    """The report would be of another village's store."""
    (tmp_path / "box.toml").write_text("[village]\n")
    assert call(tmp_path).exit_code == 2


async def test_beside_a_running_writer(box: Path) -> None:
    """The report would wait for the daemon, or hold it up."""
    store = await Store.open(box / "kampung-edge.db", max_mbyte=64, group_commit_ms=2)
    stop = False

    async def write() -> int:
        count = 0
        while not stop:
            await store.write(
                lambda conn: conn.execute("UPDATE rollup SET lost = lost + 1 WHERE grain = 'day'").rowcount
            )
            count += 1
        return count

    writing = asyncio.create_task(write())
    reported = await asyncio.to_thread(call, box, "--month", "2026-10", "--format", "json")
    stop = True
    assert await writing > 0
    await store.close()
    assert reported.exit_code == 0, reported.stderr
    lost = {day["loss"] is not None for line in json.loads(reported.stdout)["uplinks"] for day in line["days"]}
    assert True in lost


def test_a_file_system_that_cannot_be_written(box: Path) -> None:
    """A card that went read-only, or a copy on a DVD, could not be reported."""
    script = (
        'set -e; mount -t tmpfs tmpfs /mnt; cp -a "$1"/. /mnt/; '
        'sed -i "s|^state_dir.*|state_dir = \\"/mnt\\"|" /mnt/box.toml; '
        'mount -o remount,ro /mnt; exec "$2" -m edge report --config /mnt/box.toml --month 2026-10 --format json'
    )
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "bash", "-c", script, "bash", str(box), sys.executable],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["uplinks"]) == 2


def test_the_store_is_left_as_it_is(box: Path) -> None:
    """Looking would wear the flash, or leave files of root's beside it that the daemon cannot open."""
    file = box / "kampung-edge.db"
    with contextlib.suppress(OSError):  # an ordinary user in a namespace of his own has nobody else to give it to
        os.chown(file, 65_534, 65_534)
    before = file.read_bytes()
    assert call(box, "--month", "2026-10").exit_code == 0
    assert file.read_bytes() == before
    owner = file.stat().st_uid
    assert {beside.stat().st_uid for beside in box.glob("kampung-edge.db*")} == {owner}
