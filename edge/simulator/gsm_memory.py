"""Where the simulated modem keeps messages: the SIM, the modem itself, and the place for status reports."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.simulator.gsm_faults import cms

_EVERY_STATE = 4


@dataclass(slots=True)
class Stored:
    """A message in its place; `state` is 0 unread, 1 read (TS 27.005, clause 3.1, <stat>)."""

    pdu: str
    length: int
    state: int = 0


@dataclass(slots=True)
class Memory:
    """One storage of `capacity` places, the lowest free one being taken first."""

    capacity: int
    first: int = 0
    places: dict[int, Stored] = field(default_factory=dict)

    def put(self, pdu: str, length: int) -> int | None:
        """Store a message; its place, or None when there is no room."""
        every = range(self.first, self.first + self.capacity)
        index = next((place for place in every if place not in self.places), None)
        if index is not None:
            self.places[index] = Stored(pdu, length)
        return index

    def at(self, index: str) -> Stored:
        """The message at `index`, as the command wrote it; +CMS ERROR 321 where there is none."""
        if not index.isdecimal() or int(index) not in self.places:
            raise cms(321)
        return self.places[int(index)]

    def of_state(self, state: int) -> list[tuple[int, Stored]]:
        """The messages with <stat> `state`, 4 being all, by their place."""
        return [(index, sms) for index, sms in sorted(self.places.items()) if state in (_EVERY_STATE, sms.state)]
