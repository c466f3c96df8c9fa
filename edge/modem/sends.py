"""Pure: the messages that wait to be given to the network, each in its parts, and how far each has come.

A part may be held: AT+CMGS is issued and its prompt awaited, but the payload leaves only once the shell says that its
journal is durable. So the journal's write hides behind the modem's own waiting, and nothing is ever sent that no
journal knows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.modem.outcomes import SendEnded

MOST_GARBLED = 400
"""A long PDU crosses a line that spoils every hundredth byte, there and back, about once in 400 attempts."""


@dataclass(slots=True)
class Sending:
    """One message. `taken` counts the parts that the network has; `released` is the last part that may leave.

    `stalled` is a message whose prompt was left because the shell did not say `proceed` in time; it goes to the modem
    again when that comes. `garbled` counts the attempts in which the modem heard another payload than was given.
    """

    id: int
    parts: tuple[tuple[str, int], ...]
    keep_link: bool
    released: int
    taken: int = 0
    cancelled: bool = False
    stalled: bool = False
    garbled: int = 0
    references: list[int] = field(default_factory=list)

    @property
    def sequence(self) -> int:
        """The number of the part that is next, 1 up."""
        return self.taken + 1

    @property
    def may_leave(self) -> bool:
        """The next part's payload need not be held."""
        return self.released >= self.sequence

    def ended(
        self,
        *,
        sent: bool = False,
        certain: bool = True,
        error: str = "",
        permanent: bool = False,
        code: int | None = None,
    ) -> SendEnded:
        """The event that ends this message."""
        return SendEnded(self.id, sent, certain, tuple(self.references), error, permanent, code)


class Sends:
    """The queue; a message stays in it until it is `drop`ped with its end."""

    def __init__(self) -> None:
        self._queue: deque[Sending] = deque()

    def add(self, message_id: int, parts: Sequence[tuple[str, int]], *, held: bool, keep_link: bool) -> Sending:
        """Queue a message; `ValueError` when it has no part or its id is queued already: both are the caller's bugs."""
        if not parts or self.find(message_id) is not None:
            raise ValueError(f"message {message_id} has no parts or is being sent already")
        sending = Sending(message_id, tuple(parts), keep_link, 0 if held else len(parts))
        self._queue.append(sending)
        return sending

    def find(self, message_id: int) -> Sending | None:
        """The queued message of that id."""
        return next((sending for sending in self._queue if sending.id == message_id), None)

    def first(self) -> Sending | None:
        """The message whose part goes to the modem next; one that waits for the shell lets others by."""
        return next((sending for sending in self._queue if not sending.stalled), None)

    def drop(self, sending: Sending) -> None:
        """Its end has been told."""
        self._queue.remove(sending)

    def clear(self) -> list[Sending]:
        """Take out everything that waits."""
        rest = list(self._queue)
        self._queue.clear()
        return rest
