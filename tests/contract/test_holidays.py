"""The table of holidays, by the real child process and by children that fail in every way."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from edge.health import Health
from edge.monitor.holidays import CHILD, FILE, Holidays

IN_2026 = datetime(2026, 11, 22, 5, tzinfo=UTC).timestamp()
NATAL = date(2026, 12, 25)
JOINT_LEAVE = date(2026, 12, 24)
NEXT_YEAR = date(2027, 8, 17)
GONE = ("/no/such/program",)


@dataclass
class SetClock:
    """A clock that stands at a day."""

    now: float = IN_2026
    sure: bool = True

    def monotonic(self) -> float:
        return 0.0

    def wall(self) -> float:
        return self.now

    def trusted(self) -> bool:
        return self.sure


def printing(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"print({text!r})")


@pytest.fixture
def health() -> Health:
    return Health(lambda: 0.0)


def complaints(health: Health) -> list[str]:
    return [raised.detail for raised in health.current()]


async def test_the_real_table(tmp_path: Path, health: Health) -> None:
    """The office would count as open at Christmas, or every start would spend 20 MB and half a second."""
    holidays = Holidays(tmp_path, SetClock(), health)
    table = holidays.table()
    assert not table
    assert await holidays.renew()
    assert {NATAL, JOINT_LEAVE, NEXT_YEAR} <= set(table), "the table given out before must fill"
    assert "Natal" in table[NATAL]
    again = Holidays(tmp_path, SetClock(), health, child=GONE)
    assert await again.renew(), "the file is good for this year: no child is needed"
    assert again.table() == table
    assert not health.current()


async def test_a_new_year_is_computed_once(tmp_path: Path, health: Health) -> None:
    """From the second of January on the table would be a year old."""
    await Holidays(tmp_path, SetClock(), health).renew()
    clock = SetClock(datetime(2027, 1, 1, tzinfo=UTC).timestamp())
    later = Holidays(tmp_path, clock, health)
    assert await later.renew()
    assert date(2028, 8, 17) in later.table()


async def test_another_version_computes_anew(tmp_path: Path, health: Health) -> None:
    """An update that knows the year's decree would not be used until January."""
    await Holidays(tmp_path, SetClock(), health).renew()
    kept = json.loads(read(tmp_path)) | {"made_by": "0.0.1"}
    write(tmp_path, json.dumps(kept))
    old = Holidays(tmp_path, SetClock(), health, child=printing('{"2026-07-01": "Baru"}'))
    assert NATAL in old.table(), "until then the old table counts"
    assert await old.renew()
    assert set(old.table()) == {date(2026, 7, 1)}


async def test_without_a_trusted_clock_nothing_is_computed(tmp_path: Path, health: Health) -> None:
    """A box that wakes in 1970 would compute holidays of 1970."""
    holidays = Holidays(tmp_path, SetClock(now=0.0, sure=False), health, child=GONE)
    assert await holidays.renew()
    assert not health.current()


@pytest.mark.parametrize(
    ("child", "complaint"),
    [
        (GONE, "/no/such/program: No such file or directory"),
        ((sys.executable, "-c", "raise SystemExit('no such calendar')"), "no such calendar"),
        ((sys.executable, "-c", "raise SystemExit(5)"), "ended with 5"),
        (printing("no json"), "printed no table of days"),
        (printing("[1]"), "printed no table of days"),
        (printing('{"soon": "x"}'), "printed no table of days"),
        ((sys.executable, "-c", "import time; time.sleep(60)"), "not done within 0.5 s"),
    ],
)
async def test_a_child_that_fails(tmp_path: Path, health: Health, child: Sequence[str], complaint: str) -> None:
    """A failed child would empty the table, crash the part or hang it, or nobody would hear of it."""
    await Holidays(tmp_path, SetClock(), health).renew()
    year_later = SetClock(datetime(2028, 1, 5, tzinfo=UTC).timestamp())
    failing = Holidays(tmp_path, year_later, health, child=child, patience_s=0.5)
    before = dict(failing.table())
    assert not await failing.renew()
    assert complaint in complaints(health)[0]
    assert dict(failing.table()) == before
    assert NATAL in before
    failing = Holidays(tmp_path, year_later, health)
    assert await failing.renew()
    assert not health.current(), "healed, it must be told"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "7",
        '{"days": 5}',
        '{"days": {"x": "y"}, "years": [], "made_by": ""}',
        '{"days": {}, "years": [Infinity], "made_by": ""}',
    ],
)
async def test_a_damaged_file_is_computed_anew(tmp_path: Path, health: Health, content: str) -> None:
    """A worn card would end the daemon at every start."""
    write(tmp_path, content)
    holidays = Holidays(tmp_path, SetClock(), health)
    assert not holidays.table()
    assert await holidays.renew()
    assert NATAL in Holidays(tmp_path, SetClock(), health).table()


async def test_a_folder_that_cannot_be_written(tmp_path: Path, health: Health) -> None:
    """A read-only card would keep the office open on holidays."""
    holidays = Holidays(tmp_path / "gone", SetClock(), health)
    assert await holidays.renew()
    assert NATAL in holidays.table()


@pytest.mark.parametrize("arguments", [[], ["soon"], ["1970"], ["2026", "9999"]])
def test_the_child_refuses_other_years(arguments: list[str]) -> None:
    """A clock centuries away would have the child compute for ever."""
    done = subprocess.run([*CHILD, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "YEAR" in done.stderr


def test_the_daemon_never_imports_the_library() -> None:
    """20 MB would be spent in a daemon that has 68."""
    code = "import sys, edge.monitor.holidays, edge.monitor.calendar; print('holidays' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def read(directory: Path) -> str:
    return (directory / FILE).read_text()


def write(directory: Path, content: str) -> None:
    (directory / FILE).write_text(content)
