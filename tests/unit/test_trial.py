"""What a trial leaves on the disk, and what a start makes of it."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge.cli import main
from edge.trial import KEPT, RECORD, Record, Source, Trial, boot_id
from tests.unit.trying import MovedClock, write

CONFIRM_S = 300.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "village.toml"
    write(path)
    return path


def began(file: Path) -> tuple[Trial, Source, Source, Record]:
    """A trial of a file that calls the village Kedungrejo."""
    trial, present = Trial(file, file.parent / "state"), Source.read(file)
    write(file, name="Kedungrejo")
    tried = Source.read(file)
    return trial, present, tried, trial.begin(present, tried, confirm_s=CONFIRM_S, clock=MovedClock())


def named(source: Source | None) -> str:
    assert source
    return source.config.village.name


def test_a_trial_keeps_what_was_before_and_remembers_the_file(file: Path) -> None:
    """After a power cut nothing would be known of the trial, or nothing be left to go back to."""
    trial, _, tried, record = began(file)
    again = Trial(file, file.parent / "state")
    assert again.record() == record
    assert record.digest == tried.digest
    assert named(again.kept()) == "Sumberberas"
    assert {path.name: path.stat().st_mode & 0o777 for path in (file.parent / "state").iterdir()} == {
        KEPT: 0o600,
        RECORD: 0o600,
    }
    assert trial.stands_for(tried.config).village.name == "Sumberberas"


def test_a_confirmation_leaves_the_tried_one(file: Path) -> None:
    """The confirmed configuration would be undone by the next restart."""
    trial, _, tried, _ = began(file)
    trial.confirm(tried)
    assert trial.record() is None
    assert named(trial.kept()) == "Kedungrejo"
    assert trial.stands_for(tried.config).village.name == "Kedungrejo"


def test_a_file_that_was_changed_since_is_taken(file: Path) -> None:
    """Whoever corrects the file after a trial would never get it into force."""
    trial, *_ = began(file)
    write(file, name="Tembokrejo")
    assert trial.stands_for(Source.read(file).config).village.name == "Tembokrejo"


@pytest.mark.parametrize("rubbish", ["", "{", "[]", "{}", '{"digest": 3}', "\x00" * 40, "[" * 10_000])
def test_a_record_of_rubbish_is_told_and_does_not_count(
    file: Path, rubbish: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A damaged file would keep the daemon from starting."""
    trial, _, tried, _ = began(file)
    (file.parent / "state" / RECORD).write_text(rubbish)
    caplog.set_level(logging.ERROR)
    assert trial.record() is None
    assert "does not count" in caplog.text
    assert trial.stands_for(tried.config).village.name == "Kedungrejo"


def test_a_copy_that_cannot_be_read_is_told(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The daemon would not start although the file itself is good."""
    trial, _, tried, _ = began(file)
    (file.parent / "state" / KEPT).write_text("village = 3\n")
    caplog.set_level(logging.ERROR)
    assert trial.kept() is None
    assert "confirmed.toml: village" in caplog.text
    assert trial.stands_for(tried.config).village.name == "Kedungrejo"


def test_nothing_is_noted_when_the_copy_cannot_be_written(file: Path) -> None:
    """A trial would run that nothing can be gone back from."""
    present = Source.read(file)
    (file.parent / "state").write_text("a file where the folder should be")
    trial = Trial(file, file.parent / "state")
    with pytest.raises(OSError, match="state"):
        trial.begin(present, present, confirm_s=CONFIRM_S, clock=MovedClock())


@pytest.mark.parametrize(
    ("same_boot", "trusted", "passed_s", "wall_moved_s", "left_s"),
    [
        (True, False, 100, 0, 200),
        (True, True, 100, 86_400 * 365 * 3, 200),
        (True, False, 400, -86_400 * 365, -100),
        (False, True, 0, 100, 200),
        (False, False, 0, 100, None),
    ],
)
def test_the_time_left_is_told_by_the_clock_that_knows(
    file: Path, same_boot: bool, trusted: bool, passed_s: float, wall_moved_s: float, left_s: float | None
) -> None:
    """A clock that jumps by years would end a trial at once, or never."""
    *_, record = began(file)
    clock = MovedClock(sure=trusted)
    clock.now += passed_s
    clock.unix += wall_moved_s
    here = boot_id() if same_boot else "another boot"
    assert record.left_s(clock, here) == (None if left_s is None else pytest.approx(left_s))


def test_what_starts_before_the_daemon_uses_what_the_daemon_will_run(file: Path) -> None:
    """After a power cut in mid-trial dnsmasq would hand out the tried addresses, or the guard deny too little."""
    began(file)
    (file.parent / "run").mkdir()
    file.write_text(file.read_text().replace("192.168.20.", "192.168.30."))
    trial, present = Trial(file, file.parent / "state"), Trial(file, file.parent / "state").kept()
    assert present
    trial.begin(present, Source.read(file), confirm_s=CONFIRM_S, clock=MovedClock())
    done = CliRunner().invoke(main, ["dnsmasq", "--prepare", "--config", str(file)])
    assert done.exit_code == 0
    written = (file.parent / "run" / "dnsmasq.conf").read_text()
    assert "dhcp-range=set:wifi,192.168.20." in written
    assert "192.168.30." not in written


def test_root_obeys_no_copy_that_names_other_folders(file: Path) -> None:
    """The daemon's own user could have root's guard write wherever a forged copy says."""
    trial, _, tried, _ = began(file)
    write(file.parent / "state" / KEPT, more=f'state_dir = "{file.parent}/state"\nrun_dir = "/etc/elsewhere"\n')
    assert trial.stands_for(tried.config) == tried.config


def test_a_fifo_in_the_place_of_the_copy_holds_nobody_up(file: Path) -> None:
    """The guard would wait at boot for somebody to write."""
    trial, _, tried, _ = began(file)
    (file.parent / "state" / KEPT).unlink()
    os.mkfifo(file.parent / "state" / KEPT)
    assert trial.stands_for(tried.config) == tried.config
