"""A sealed file gives back what was written, and nothing of what somebody made of it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.queue.store.seal import OVERHEAD, Seal, SealBroken
from edge.queue.store.sealed_file import PIECE, SealedFile

SEAL = Seal(bytes(range(32)))
SEALED = PIECE + OVERHEAD


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def written(path: Path, plain: bytes, *, name: str = "scan") -> SealedFile:
    file = SealedFile(path, SEAL, name, len(plain))
    held = 0
    while held < len(plain):
        held = file.append(held, plain[held : held + PIECE])
    file.sync()
    return file


@settings(max_examples=25, deadline=None)
@given(size=st.integers(1, 3 * PIECE), start=st.integers(0, 3 * PIECE), length=st.integers(0, 2 * PIECE))
def test_any_part_reads_back(tmp_path_factory: pytest.TempPathFactory, size: int, start: int, length: int) -> None:
    """A sink that goes on in the middle would carry other bytes than were scanned."""
    plain = content(size)
    file = written(tmp_path_factory.mktemp("sealed") / "file", plain)
    assert file.read(start, length) == plain[start : start + length]
    assert file.sha256() == hashlib.sha256(plain).hexdigest()


def test_nothing_of_it_is_readable_on_the_disk(tmp_path: Path) -> None:
    """A stolen card would show the villagers' papers."""
    file = written(tmp_path / "file", b"%PDF-" + b"KARTU KELUARGA " * 9_000)
    raw = file.path.read_bytes()
    assert b"KARTU" not in raw
    assert file.path.stat().st_mode & 0o777 == 0o600


def swap(raw: bytes) -> bytes:
    return raw[SEALED : 2 * SEALED] + raw[:SEALED] + raw[2 * SEALED :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "a flipped bit": lambda raw: raw[:70_000] + bytes([raw[70_000] ^ 1]) + raw[70_001:],
    "two pieces changed places": swap,
    "the last piece is gone": lambda raw: raw[: 2 * SEALED],
    "the last piece is cut": lambda raw: raw[:-1],
    "a piece stands twice": lambda raw: raw[:SEALED] * 2 + raw[2 * SEALED :],
    "empty": lambda _: b"",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_is_seen(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """A damaged scan would go to the portal as if it were whole."""
    file = written(tmp_path / "file", content(2 * PIECE + 100))
    file.path.write_bytes(damage(file.path.read_bytes()))
    with pytest.raises(SealBroken):
        file.sha256()


def test_a_file_of_another_name_does_not_open(tmp_path: Path) -> None:
    """One villager's scan could be put in the place of another's."""
    written(tmp_path / "file", content(100), name="scan")
    with pytest.raises(SealBroken):
        SealedFile(tmp_path / "file", SEAL, "other", 100).read(0, 100)


def test_what_nobody_was_told_of_is_written_over(tmp_path: Path) -> None:
    """After a power cut in the middle of a piece the file could not grow any more."""
    plain = content(PIECE + 10)
    file = SealedFile(tmp_path / "file", SEAL, "scan", len(plain))
    file.append(0, plain[:PIECE])
    with file.path.open("ab") as torn:
        torn.write(b"torn")
    assert file.append(PIECE, plain[PIECE:]) == len(plain)
    assert file.read(0, len(plain)) == plain


@pytest.mark.parametrize(("held", "length"), [(1, PIECE), (0, PIECE - 1), (PIECE, 11), (PIECE, 0), (PIECE + 10, 1)])
def test_only_whole_pieces_are_taken(tmp_path: Path, held: int, length: int) -> None:
    """A piece in the wrong place would make the rest unreadable."""
    file = SealedFile(tmp_path / "file", SEAL, "scan", PIECE + 10)
    with pytest.raises(ValueError, match="no piece"):
        file.append(held, bytes(length))


def test_it_knows_whether_it_can_hold_so_much(tmp_path: Path) -> None:
    """A file that lost its end would only be noticed when it is sent."""
    file = SealedFile(tmp_path / "file", SEAL, "scan", PIECE + 10)
    assert (file.holds(0), file.holds(PIECE)) == (True, False)
    file.append(0, content(PIECE))
    assert (file.holds(PIECE), file.holds(PIECE + 10)) == (True, False)
    file.append(PIECE, content(10))
    assert file.holds(PIECE + 10)
    file.remove()
    assert not file.holds(1)
