"""SQLite's write-ahead log, read without SQLite (https://sqlite.org/fileformat2.html, section 4).

SQLite silently ignores all that follows the first frame whose check sum is wrong: right after a power cut, where that
is the torn tail of one commit nobody was told of, and a silent loss of told commits when the frame was damaged later.
The two are told apart here. A frame's sum goes on from the one stored before it, so each frame can be judged alone; a
single flipped bit shows in the difference of the sums and is put right.

Pure. Sums are over 32-bit words: s0 += x0 + s1, s1 += x1 + s0 for each pair of words.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

HEADER, FRAME_HEADER = 32, 24
_MAGIC, _VERSION = 0x377F0682, 3_007_000
_MASK = 0xFFFFFFFF
_FLIPS_MOST = 8
_PAGE_MOST = 65536
Sums = tuple[int, int]
Log = bytes | bytearray | mmap


@dataclass(frozen=True, slots=True)
class Frame:
    """One page image in the log. `number` counts from 1, `size` is the database's in pages at a commit, else 0.

    `ours` when it belongs to the log's present turn; `right` when its sum goes on from the frame before it.
    """

    number: int
    page: int
    size: int
    ours: bool
    right: bool
    at: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What a log holds: the frames of the present turn; how many SQLite would take; whether more were committed.

    `taken` ends with the last commit before anything wrong, `committed` is the last frame that a commit ended; `blank`
    when the log's header is nothing but zeros, as of a log in which nothing was ever committed.
    """

    page_size: int
    header_right: bool
    frames: tuple[Frame, ...]
    taken: int
    committed: int
    blank: bool = False

    @property
    def damaged(self) -> bool:
        """Whether a commit that SQLite would not take stands in the log and is no mere torn tail."""
        if not self.header_right:
            return bool(self.frames) or not self.blank
        lost = self.frames[self.taken : self.committed]
        commits = sum(frame.size > 0 for frame in lost)
        # What a power cut tears is whole blocks of the last commit: some frame of it is still an older turn's or empty.
        return commits > 1 or (commits == 1 and all(frame.ours for frame in lost))


def words(data: Log, big: bool) -> tuple[int, ...]:
    """`data` as unsigned 32-bit words."""
    return struct.unpack(f"{'>' if big else '<'}{len(data) // 4}I", data)


def sums(numbers: tuple[int, ...], before: Sums) -> Sums:
    """The check sum that goes on from `before`."""
    s0, s1 = before
    for place in range(0, len(numbers), 2):
        s0 = (s0 + numbers[place] + s1) & _MASK
        s1 = (s1 + numbers[place + 1] + s0) & _MASK
    return s0, s1


def scan(log: Log, *, page_size: int = 4096) -> Scan:
    """Judge a whole log; `page_size` is believed only when the log's own header cannot be."""
    if len(log) < HEADER + FRAME_HEADER:
        return Scan(page_size, True, (), 0, 0)
    head = _Head.read(log, page_size)
    frames = tuple(_present(log, head))
    taken = committed = 0
    intact = head.right
    for frame in frames:
        intact = intact and frame.ours and frame.right
        if frame.size and frame.ours:
            committed = frame.number
            taken = frame.number if intact else taken
    blank = not any(log[:HEADER])
    return Scan(head.page_size, head.right, frames[: max(committed, taken)], taken, committed, blank)


@dataclass(frozen=True, slots=True)
class _Head:
    big: bool
    page_size: int
    salts: bytes
    sums: Sums
    right: bool

    @classmethod
    def read(cls, log: Log, page_size: int) -> _Head:
        magic, version, size = struct.unpack(">3I", log[:12])
        big = bool(magic & 1)
        stored = struct.unpack(">2I", log[24:32])
        right = magic & ~1 == _MAGIC and version == _VERSION and sums(words(log[:24], big), (0, 0)) == stored
        if right or len(log) < HEADER + FRAME_HEADER + page_size:
            return cls(big, size, bytes(log[16:24]), stored, right)
        # A turn begins with the first frame, so that its salts are the turn's. Which order of bytes: the sums tell.
        salts = bytes(log[HEADER + 8 : HEADER + 16])
        for order in (False, True):
            if _chained(log, HEADER, page_size, order, stored):
                return cls(order, page_size, salts, stored, False)
        return cls(False, page_size, salts, stored, False)


def _chained(log: Log, at: int, page_size: int, big: bool, before: Sums) -> bool:
    return _sums_of(log, at, page_size, big, before) == struct.unpack(">2I", log[at + 16 : at + 24])


def _sums_of(log: Log, at: int, page_size: int, big: bool, before: Sums) -> Sums:
    half = sums(words(log[at : at + 8], big), before)
    return sums(words(log[at + FRAME_HEADER : at + FRAME_HEADER + page_size], big), half)


def _present(log: Log, head: _Head) -> Iterator[Frame]:
    """The frames up to the last of the present turn: by their salts, or by sums that go on from one that is."""
    step = FRAME_HEADER + head.page_size
    before, last_there = head.sums, True
    waiting: list[Frame] = []
    for number, at in enumerate(range(HEADER, len(log) - step + 1, step), 1):
        page, size = struct.unpack(">2I", log[at : at + 8])
        ours = bytes(log[at + 8 : at + 16]) == head.salts
        # Old turns' frames are not worth the arithmetic, unless they may be ours with a damaged salt.
        right = (ours or last_there) and _chained(log, at, head.page_size, head.big, before)
        last_there = ours or (right and last_there)
        before = struct.unpack(">2I", log[at + 16 : at + 24])
        waiting.append(Frame(number, page, size, last_there, right and ours, at))
        if last_there:
            yield from waiting
            waiting = []


@dataclass(frozen=True, slots=True)
class Flip:
    """A bit of the log that is wrong: xor the byte at `at` with `mask`."""

    at: int
    mask: int


def mend(log: bytes, *, page_size: int = 4096) -> list[Flip] | None:
    """The flipped bits (at most eight) after whose correction nothing is lost, or None when it is more than that."""
    flips: list[Flip] = []
    whole = bytearray(log)
    while (found := scan(whole, page_size=page_size)).damaged:
        flip = _header_flip(whole) if not found.header_right else _frame_flip(whole, found)
        if flip is None or len(flips) == _FLIPS_MOST:
            return None
        whole[flip.at] ^= flip.mask
        flips.append(flip)
    return flips


def _header_flip(log: bytearray) -> Flip | None:
    """What makes the header right and the first frame follow it."""
    for place in range(HEADER * 8):
        trial = bytearray(log[: HEADER + FRAME_HEADER + _PAGE_MOST])
        trial[place // 8] ^= 1 << place % 8
        head = _Head.read(trial, 0)
        follows = head.right and head.salts == trial[HEADER + 8 : HEADER + 16]
        if follows and _chained(trial, HEADER, head.page_size, head.big, head.sums):
            return Flip(place // 8, 1 << place % 8)
    return None


def _frame_flip(log: bytearray, found: Scan) -> Flip | None:
    """What is wrong in the first frame that SQLite would not take."""
    wrong = next(frame for frame in found.frames[found.taken :] if not (frame.ours and frame.right))
    head = _Head.read(log, found.page_size)
    at, earlier = wrong.at, wrong.at - FRAME_HEADER - found.page_size
    before = head.sums if wrong.number == 1 else struct.unpack(">2I", log[earlier + 16 : earlier + 24])
    salt = _one_bit(bytes(log[at + 8 : at + 16]), head.salts)
    if salt is not None:
        return Flip(at + 8 + salt.at, salt.mask)
    there = struct.unpack(">2I", log[at + 16 : at + 24])
    counted = _sums_of(log, at, found.page_size, head.big, before)
    following = found.frames[wrong.number : wrong.number + 1]
    stored = _one_bit(bytes(log[at + 16 : at + 24]), struct.pack(">2I", *counted))
    if stored is not None and following and not following[0].right:
        return Flip(at + 16 + stored.at, stored.mask)  # the next frame's sum did not go on from it either
    difference = ((there[0] - counted[0]) & _MASK, (there[1] - counted[1]) & _MASK)
    covered = bytes(log[at : at + 8]) + bytes(log[at + FRAME_HEADER : at + FRAME_HEADER + found.page_size])
    place = _bit_of(covered, head.big, difference)
    if place is None or stored is not None:
        return None
    return Flip(at + place.at if place.at < 8 else at + FRAME_HEADER + place.at - 8, place.mask)


def _one_bit(there: bytes, wanted: bytes) -> Flip | None:
    """The single bit in which two byte strings of one length differ."""
    wrong = [(at, a ^ b) for at, (a, b) in enumerate(zip(there, wanted, strict=True)) if a != b]
    return Flip(*wrong[0]) if len(wrong) == 1 and wrong[0][1].bit_count() == 1 else None


def _bit_of(covered: bytes, big: bool, difference: Sums) -> Flip | None:
    """The only bit of `covered` whose flip changes its sum by `difference`; None also when it may be one of several.

    Each pair of words multiplies what came before it by Fibonacci's numbers, whose lowest bits repeat soon: the highest
    bits of different words have effects alike.
    """
    found = list(_bits_of(words(covered, big), difference))
    if len(found) != 1:
        return None
    word, bit = found[0]
    return Flip(word * 4 + (3 - bit // 8 if big else bit // 8), 1 << bit % 8)


def _bits_of(numbers: tuple[int, ...], difference: Sums) -> Iterator[tuple[int, int]]:
    effects = {1: (0, 1), 0: (1, 1)}  # of adding one to the second or first word of the last pair, on (s0, s1)
    for place in range(len(numbers) - 2, -1, -2):
        for which, (on_s0, on_s1) in effects.items():
            for bit in range(32):
                step = -(1 << bit) if numbers[place + which] >> bit & 1 else 1 << bit
                if (step * on_s0) & _MASK == difference[0] and (step * on_s1) & _MASK == difference[1]:
                    yield place + which, bit
        # One more pair follows: s0 += s1, then s1 += s0.
        effects = {which: ((a + b) & _MASK, (a + 2 * b) & _MASK) for which, (a, b) in effects.items()}
