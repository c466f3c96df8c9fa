"""Which configuration is in force: trials, confirmations, undoing, reloads and starts, with real files."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from edge.apply import Apply
from edge.clock import SystemClock
from edge.control import Refused
from edge.health import Health
from edge.trial import RECORD, Source
from tests.unit.trying import MovedClock, write


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "village.toml"
    write(path)
    return path


def started(file: Path, clock: MovedClock | SystemClock | None = None) -> Apply:
    """What a daemon that starts now would have."""
    apply = Apply(file, Source.read(file), clock=clock or MovedClock())
    apply.start()
    return apply


async def ask(apply: Apply, name: str, **more: Any) -> dict[str, Any]:
    return await apply.handlers()[name](more)


async def try_(apply: Apply, file: Path, name: str = "Kedungrejo", confirm_s: float = 300) -> None:
    write(file, name=name)
    answer = await ask(apply, "apply", config=str(file), confirm_s=confirm_s)
    assert answer["changed"]


def spoil(file: Path) -> None:
    file.write_text("mode = 3\ncolour = 1\n")


def village(apply: Apply) -> str:
    return apply.present.config.village.name


def conditions(apply: Apply) -> dict[str, str]:
    health = Health(lambda: 0.0)
    apply.tell(health)
    return {held.condition.code: held.detail for held in health.current()}


async def test_a_trial_is_in_force_until_it_is_confirmed_and_then_for_good(file: Path) -> None:
    """A confirmed configuration would be lost, or nobody told that one is on trial."""
    clock = MovedClock()
    apply = started(file, clock)
    assert conditions(apply) == {}
    await try_(apply, file)
    assert apply.changed.is_set()
    assert village(apply) == "Kedungrejo"
    clock.now += 70
    assert conditions(apply) == {"config-trial": "undone in 3 min 50 s unless confirmed"}
    assert await ask(apply, "confirm") == {"confirmed": True}
    assert conditions(apply) == {}
    assert village(started(file)) == "Kedungrejo"


async def test_what_is_not_confirmed_in_time_is_undone(file: Path) -> None:
    """Whoever cut off the box, and himself from it, would have to drive there."""
    apply = started(file, SystemClock())
    await try_(apply, file, confirm_s=1)
    apply.changed.clear()
    await asyncio.wait_for(apply.changed.wait(), 60)
    assert village(apply) == "Sumberberas"
    assert list(conditions(apply)) == ["config-undone"]


async def test_a_trial_is_undone_when_asked(file: Path) -> None:
    """An operator who sees that it is wrong would have to wait."""
    apply = started(file)
    await try_(apply, file)
    apply.changed.clear()
    assert await ask(apply, "undo") == {"undone": True}
    assert apply.changed.is_set()
    assert village(apply) == "Sumberberas"


async def test_any_start_in_mid_trial_undoes_it(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A power cut in mid-trial would make the untried configuration the last word."""
    caplog.set_level(logging.WARNING)
    apply = started(file)
    await try_(apply, file)
    for clock in (MovedClock(now=1_100), MovedClock(now=5.0, unix=0.0, sure=False)):
        again = started(file, clock)
        assert village(again) == "Sumberberas"
        assert list(conditions(again)) == ["config-undone"]
    assert "ended with 200 s to go" in caplog.text


async def test_an_undone_file_stays_set_aside_until_it_is_changed_or_applied_again(file: Path) -> None:
    """The next restart would cut the box off after all; or the corrected file would never come into force."""
    await try_(started(file), file)
    apply = started(file)
    assert "change it, or try it again" in await apply.reload(Source.read(file))
    assert village(apply) == "Sumberberas"
    await try_(apply, file)
    assert village(apply) == "Kedungrejo"
    await ask(apply, "undo")
    write(file, name="Tembokrejo")
    assert await apply.reload(Source.read(file)) == ""
    assert village(apply) == "Tembokrejo"
    assert conditions(apply) == {}
    assert village(started(file)) == "Tembokrejo"


async def test_a_start_with_a_changed_file_takes_it(file: Path) -> None:
    """A corrected file would wait for ever behind a trial that ended."""
    await try_(started(file), file)
    write(file, name="Tembokrejo")
    apply = started(file)
    assert village(apply) == "Tembokrejo"
    assert conditions(apply) == {}
    assert not (file.parent / "state" / RECORD).exists()


async def test_a_reload_of_another_file_ends_the_trial(file: Path) -> None:
    """A plain reload would be undone by the trial before it."""
    apply = started(file)
    await try_(apply, file, confirm_s=1)
    write(file, name="Tembokrejo")
    assert await apply.reload(Source.read(file)) == ""
    apply.changed.clear()
    with pytest.raises(TimeoutError):  # past the end of the trial, which must not come
        await asyncio.wait_for(apply.changed.wait(), 1.2)
    assert village(apply) == "Tembokrejo"


async def test_a_reload_of_the_file_on_trial_changes_nothing(file: Path) -> None:
    """Habit would confirm what nobody has looked at."""
    apply = started(file)
    await try_(apply, file)
    assert "on trial" in await apply.reload(Source.read(file))
    assert list(conditions(apply)) == ["config-trial"]


async def test_nothing_to_try_is_said(file: Path) -> None:
    """A trial of the same file would be undone to itself, and look like a failure."""
    apply = started(file)
    assert await ask(apply, "apply", config=str(file), confirm_s=60) == {"changed": False}
    assert not apply.changed.is_set()


@pytest.mark.parametrize("confirm_s", [None, "300", True, 0, -1, 86_401, float("nan"), float("inf"), [300]])
async def test_a_trial_has_an_end(file: Path, confirm_s: object) -> None:
    """A trial without an end would undo nothing."""
    apply = started(file)
    with pytest.raises(Refused, match="lasts from"):
        await ask(apply, "apply", config=str(file), confirm_s=confirm_s)


async def test_only_the_daemon_s_own_file_is_tried(file: Path) -> None:
    """The command would speak of one file and the daemon run another."""
    apply = started(file)
    for other in (str(file.parent / "other.toml"), None, 7):
        with pytest.raises(Refused, match=str(file)):
            await ask(apply, "apply", config=other, confirm_s=60)
    write(file, name="Kedungrejo")
    roundabout = f"{file.parent}/../{file.parent.name}/{file.name}"
    assert (await ask(apply, "apply", config=roundabout, confirm_s=60))["changed"]


async def test_a_file_with_mistakes_is_not_tried(file: Path) -> None:
    """Half a configuration would come into force."""
    apply = started(file)
    spoil(file)
    with pytest.raises(Refused, match=r"mode[\s\S]*colour|colour[\s\S]*mode"):
        await ask(apply, "apply", config=str(file), confirm_s=60)
    assert village(apply) == "Sumberberas"


@pytest.mark.parametrize("key", ["state_dir", "run_dir"])
async def test_the_folders_do_not_change_on_trial(file: Path, key: str) -> None:
    """After a restart the record of the trial would lie in a folder that nobody looks into."""
    apply = started(file)
    folders = {name: f"{file.parent}/{name.removesuffix('_dir')}" for name in ("state_dir", "run_dir")}
    folders[key] += "-other"
    write(file, name="Kedungrejo", more="".join(f'{name} = "{folder}"\n' for name, folder in folders.items()))
    with pytest.raises(Refused, match=f"{key} cannot change on trial"):
        await ask(apply, "apply", config=str(file), confirm_s=60)


async def test_one_trial_at_a_time(file: Path) -> None:
    """The second trial would be gone back from to the first, which nobody has confirmed."""
    apply = started(file)
    await try_(apply, file)
    write(file, name="Tembokrejo")
    with pytest.raises(Refused, match=r"a trial runs for 300 s more.*kampung-edge confirm"):
        await ask(apply, "apply", config=str(file), confirm_s=60)
    assert village(apply) == "Kedungrejo"


@pytest.mark.parametrize("name", ["confirm", "undo"])
async def test_without_a_trial_there_is_nothing_to_end(file: Path, name: str) -> None:
    """Whoever comes too late would believe that he has confirmed."""
    apply = started(file)
    with pytest.raises(Refused, match="nothing is on trial: the file is in force for good"):
        await ask(apply, name)
    await try_(apply, file)
    await ask(apply, "undo")
    with pytest.raises(Refused, match="nothing is on trial: the last one was undone"):
        await ask(apply, name)


async def test_without_a_place_for_the_copy_there_is_no_trial(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With a card that went read-only there would be nothing to go back to after a power cut."""
    (file.parent / "state").write_text("a file where the folder should be")
    apply = started(file)
    assert "no copy of the configuration can be kept" in caplog.text
    write(file, name="Kedungrejo")
    with pytest.raises(Refused, match="nothing was changed"):
        await ask(apply, "apply", config=str(file), confirm_s=60)
    assert village(apply) == "Sumberberas"
    assert await apply.reload(Source.read(file)) == ""


async def test_a_confirmation_that_cannot_be_written_does_not_count(file: Path) -> None:
    """The operator would leave, and the next power cut would undo what he believes confirmed."""
    apply = started(file)
    await try_(apply, file, confirm_s=60)
    state = file.parent / "state"
    state.rename(file.parent / "elsewhere")
    state.write_text("a file where the folder should be")
    with pytest.raises(Refused, match="the trial goes on"):
        await ask(apply, "confirm")
    assert list(conditions(apply)) == ["config-trial"]


async def test_a_power_cut_while_it_is_confirmed_undoes_nothing(file: Path) -> None:
    """The copy is the confirmed file already: the box would run it, yet say that it was undone and refuse reloads."""
    apply = started(file)
    await try_(apply, file)
    record = (file.parent / "state" / RECORD).read_bytes()
    await ask(apply, "confirm")
    (file.parent / "state" / RECORD).write_bytes(record)  # its removal had not reached the card
    again = started(file)
    assert village(again) == "Kedungrejo"
    assert conditions(again) == {}
    assert not (file.parent / "state" / RECORD).exists()


async def test_a_file_put_back_after_its_trial_was_undone_ends_the_warning(file: Path) -> None:
    """The office would be told to call the regency for a file that is in force."""
    apply = started(file)
    await try_(apply, file)
    await ask(apply, "undo")
    health = Health(lambda: 0.0)
    apply.tell(health)
    assert [held.condition.code for held in health.current()] == ["config-undone"]
    write(file)
    assert await ask(apply, "apply", config=str(file), confirm_s=60) == {"changed": False}
    assert health.current() == ()
    assert not (file.parent / "state" / RECORD).exists()
