"""A store damaged at random places: nothing acknowledged is lost in silence, and the store goes on."""

from __future__ import annotations

import random
import time
from contextlib import closing
from pathlib import Path

import pytest

from edge.queue.store import files, outbox
from edge.queue.store.database import Store
from edge.queue.store.mend.damage import listed
from edge.queue.store.mend.examine import examine
from tests.crash.damaged_store import NOW, SEAL, Village, build, named, read

PLACES = 200
IN_CI = 24
_village: list[Village] = []


@pytest.fixture
async def village(tmp_path_factory: pytest.TempPathFactory) -> Village:
    """Built once: whoever damages it takes a copy."""
    if not _village:
        _village.append(await build(tmp_path_factory.mktemp("village")))
    return _village[0]


def damaged(village: Village, folder: Path, number: int) -> tuple[Path, str]:
    """A copy with damage number `number`: a flipped bit or a cut, in the file or in its log."""
    chance = random.Random(number)
    path = village.copy(folder)
    kind, victim = ("flip", "flip", "flip", "cut")[number % 4], ("", "-wal")[number // 4 % 2]
    file = path.with_name(path.name + victim)
    content = bytearray(file.read_bytes())
    at = chance.randrange(1, len(content))
    if kind == "flip":
        content[at] ^= 1 << chance.randrange(8)
    else:
        del content[at:]
    file.write_bytes(content)
    return path, f"{kind} at {at} of {file.name}"


async def survives(village: Village, path: Path, what: str) -> None:
    """After opening, each row is as it was or named, none is of values it never had, and the store works."""
    started = time.monotonic()
    store = await Store.open(path, max_mbyte=64, group_commit_ms=2)
    took = time.monotonic() - started
    with closing(files.connect(path)) as conn:
        told = listed(conn)
        there = {name: read(conn, table) for name, table in village.tables.items()}
    for name, table in village.tables.items():
        keys = {row[: len(table.columns)]: place for place, row in village.last[name].items()}
        present = set(there[name].values())
        for row, place in keys.items():
            assert row in present or named(told, table, place, row), f"{what}: {name} {place} is lost in silence"
        for row in present if name != "damage" else ():
            assert row in village.ever[name], f"{what}: {name} has a row that never was: {row}"
    try:
        await store.write(lambda conn: outbox.put(conn, SEAL, None, "uplink_hour", "{}", now=NOW))
        rows = await store.write(lambda conn: outbox.claim(conn, SEAL, limit=500, now=NOW + 9e6, most_wait_s=600))
        assert rows
    finally:
        await store.close()
    found = examine(path)
    assert not found.problems, what
    assert not found.bad_rows, what
    assert took < 60, f"{what}: {took:.1f} s"


@pytest.mark.parametrize("number", range(IN_CI))
async def test_nothing_is_lost_in_silence(village: Village, tmp_path: Path, number: int) -> None:
    """A flipped bit or a cut-off file silently takes requests, or keeps the office shut."""
    await survives(village, *damaged(village, tmp_path, number))


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_nothing_is_lost_in_silence_at_200_places(village: Village, tmp_path: Path) -> None:
    """As above, at 200 places."""
    for number in range(IN_CI, PLACES):
        folder = tmp_path / str(number)
        folder.mkdir()
        await survives(village, *damaged(village, folder, number))
