"""Pure: the messages on the SIM: which are told but not read, read but not believed, announced, to be deleted.

A message is announced once (`Arrived`) and stays on the SIM until the shell has made it durable and says so. A deletion
that fails is tried again after a growing pause, and only after a new listing shows the same message at the same place:
another one may have come there. How many readings a message needs is told in `trust`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from edge.modem import pdu as tpdu
from edge.modem.conversation.messages import APART, Listed
from edge.modem.outcomes import Arrived

FEW = 3
LIST_AGAIN_S, LONGEST_LIST_AGAIN_S = 2.0, 60.0
DELETE_AGAIN_S, LONGEST_DELETE_AGAIN_S = 3.0, 300.0
_MOST_READINGS = 16
_TRIES = 16


@dataclass(slots=True)
class _Held:
    """An announced message, or a stored draft; `committed` once it is durable."""

    pdu: str
    draft: bool = False
    committed: bool = False
    failures: int = 0
    delete_at: float = 0.0


@dataclass(slots=True)
class _Readings:
    """What was read at one place and not yet believed: those that decode, and the last that does not."""

    good: deque[str] = field(default_factory=lambda: deque(maxlen=_MOST_READINGS))
    bad: str = ""
    tries: int = 0


class Inbox:
    """What is known of the SIM's places. Times are seconds in `now`'s scale."""

    def __init__(self, *, list_every: float, now: float) -> None:
        self._every = list_every
        self.list_at = now
        self.deletes: deque[int] = deque()
        self._told: deque[int] = deque(maxlen=FEW + 1)
        self._doubted: deque[int] = deque()
        self._held: dict[int, _Held] = {}
        self._readings: dict[int, _Readings] = {}
        self._rounds = 0
        self._full = False

    # --- what is to be read

    def told(self, index: int) -> None:
        """The modem says that a message came to `index`."""
        self._told.append(index)

    def told_somewhere(self, now: float) -> None:
        """The modem says that something came, not where we read it."""
        self.list_at = now

    def list_due(self, now: float) -> bool:
        """Whether a listing is better than reading one by one."""
        return now >= self.list_at or len(self._told) > FEW

    def next_read(self, *, urgent: bool = False) -> int | None:
        """The place to read next; `urgent` leaves out what was read before and is not believed yet."""
        if self._told:
            return self._told.popleft()
        return self._doubted.popleft() if self._doubted and not urgent else None

    # --- what was read

    def listed(self, entries: list[Listed], *, whole: bool, trusted: bool, capacity: int, now: float) -> list[Arrived]:
        """A listing came: what is announced of it. With `trusted` a burst is believed at once."""
        places = {entry.index for entry in entries}
        burst = whole and trusted and FEW < len(places) == len(entries) and all(map(_reads_well, entries))
        self._told.clear()
        self._doubted.clear()
        if now >= self.list_at:
            self._give_new_tries()
        self.list_at = now + self._every
        found = [arrived for entry in entries if (arrived := self.found(entry, sure=burst, now=now)) is not None]
        self._readings = {index: readings for index, readings in self._readings.items() if index in places}
        self._full = whole and 0 < capacity <= sum(index < APART for index in places)
        if whole:
            self._note_places(places, now)
        else:
            self._again_soon(now)
        return found

    def _give_new_tries(self) -> None:
        if all(readings.tries < _TRIES for readings in self._readings.values()):
            self._rounds = 0
        for readings in self._readings.values():
            readings.tries = 0

    def _note_places(self, places: set[int], now: float) -> None:
        for index in [index for index in self._held if index not in places]:
            del self._held[index]
        for held in self._held.values():
            if held.committed and held.failures:
                self.list_at = min(self.list_at, max(held.delete_at, now + DELETE_AGAIN_S))

    def missed(self, now: float) -> None:
        """Nothing could be read where a message was told or doubted: it is listed again."""
        self._again_soon(now)

    def _again_soon(self, now: float) -> None:
        pause = min(LIST_AGAIN_S * 2 ** min(self._rounds // 4, 8), LONGEST_LIST_AGAIN_S)
        self._rounds += 1
        self.list_at = min(self.list_at, now + pause)

    def found(self, entry: Listed, *, sure: bool, now: float) -> Arrived | None:
        """A message was read; the event when it is announced now. `sure` needs no second reading."""
        held = self._held.get(entry.index)
        if held is not None and held.pdu == entry.pdu:
            if held.committed and now >= held.delete_at and entry.index not in self.deletes:
                self.deletes.append(entry.index)
            return None
        message = _decode(entry)
        readings = self._readings.setdefault(entry.index, _Readings())
        believed = entry.pdu in readings.good or (message is None and entry.pdu == readings.bad)
        if believed and message is None:  # the PDU is proven: what does not fit may be its announced length alone
            message = _decode(replace(entry, length=None))
        if believed or (sure and held is None and message is not None):
            return self._announce(entry, message)
        self._doubt(entry, message, readings, now)
        return None

    def differs(self, entry: Listed) -> bool:
        """Whether `entry` contradicts what was read at its place before: a sign of noise."""
        readings, held = self._readings.get(entry.index), self._held.get(entry.index)
        if held is not None:
            return held.pdu != entry.pdu and not held.committed
        before = (*readings.good, readings.bad) if readings is not None else ()
        return any(before) and entry.pdu not in before

    def _announce(
        self, entry: Listed, message: tpdu.Deliver | tpdu.StatusReport | tpdu.Submit | None
    ) -> Arrived | None:
        del self._readings[entry.index]
        if isinstance(message, tpdu.Submit):
            self._held[entry.index] = _Held(entry.pdu, draft=True)
            return None
        self._held[entry.index] = _Held(entry.pdu)
        return Arrived(entry.index, entry.pdu, message)

    def _doubt(
        self,
        entry: Listed,
        message: tpdu.Deliver | tpdu.StatusReport | tpdu.Submit | None,
        readings: _Readings,
        now: float,
    ) -> None:
        if message is None:
            readings.bad = entry.pdu
        else:
            readings.good.append(entry.pdu)
        readings.tries += 1
        if readings.tries < _TRIES:
            self._doubted.append(entry.index)
        else:
            self._again_soon(now)

    @property
    def undecided(self) -> bool:
        """Something on the SIM is told or being read, or is not durable yet."""
        return bool(self._told or self._doubted) or any(
            not held.committed and not held.draft for held in self._held.values()
        )

    @property
    def doubts(self) -> int:
        """Places that were read and must be read again."""
        return len(self._doubted)

    # --- what the shell says, and what became of deletions

    def commit(self, index: int) -> None:
        """The message at `index` is durable: take it off."""
        held = self._held.get(index)
        if held is not None and not held.committed:
            held.committed = True
            self.deletes.append(index)

    def release(self, index: int, now: float) -> None:
        """The message at `index` could not be made durable: announce it again."""
        self._held.pop(index, None)
        self._readings.pop(index, None)
        self.list_at = min(self.list_at, now + LIST_AGAIN_S)

    def holds(self, index: int) -> bool:
        """Whether the message that is to be deleted is still the one known there."""
        return index in self._held

    def deleted(self, index: int, now: float) -> None:
        """Nothing is at `index` any more; a SIM that was full may have let others in without a word."""
        self._held.pop(index, None)
        if self._full and not self.deletes:
            self._full = False
            self.list_at = now

    def not_deleted(self, index: int, now: float) -> None:
        """The modem refused."""
        held = self._held.get(index)
        if held is None:
            return
        held.failures += 1
        held.delete_at = now + min(DELETE_AGAIN_S * 2 ** min(held.failures - 1, 10), LONGEST_DELETE_AGAIN_S)
        self.list_at = min(self.list_at, held.delete_at)

    def start_over(self, now: float) -> None:
        """The modem was set up anew; another SIM may be in it: nothing is deleted before it is seen again."""
        self.deletes.clear()
        self._told.clear()
        self._doubted.clear()
        self.list_at = now


def _decode(entry: Listed) -> tpdu.Deliver | tpdu.StatusReport | tpdu.Submit | None:
    try:
        return tpdu.decode(entry.pdu, length=entry.length)
    except tpdu.PduError:
        return None


def _reads_well(entry: Listed) -> bool:
    return entry.length is not None and _decode(entry) is not None
