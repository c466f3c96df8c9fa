"""Pure: what a session tells its shell."""

from __future__ import annotations

from dataclasses import dataclass

from edge.modem.pdu import Deliver, StatusReport
from edge.modem.procedures import Network


@dataclass(frozen=True, slots=True)
class Ready:
    """The modem is initialised; messages can be read, and sent once it is registered."""


@dataclass(frozen=True, slots=True)
class Surveyed:
    """The network as the modem sees it now."""

    network: Network


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message was read: make it durable, then `delete(index)`.

    `index` is None where the modem keeps no copy; `message` is None when two readings agreed on an unreadable PDU.
    """

    index: int | None
    pdu: str
    message: Deliver | StatusReport | None


@dataclass(frozen=True, slots=True)
class Deleted:
    """The message at `index` is no longer on the SIM."""

    index: int


@dataclass(frozen=True, slots=True)
class DeleteFailed:
    """The modem would not delete `index`; it is tried again by itself."""

    index: int


@dataclass(frozen=True, slots=True)
class SendEnded:
    """How a `send` ended. With `certain` false the network may have it; `references` are those of the parts sent."""

    id: int
    sent: bool
    certain: bool
    references: tuple[int, ...] = ()
    error: str = ""
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class SimFaulted:
    """The SIM needs a person; it is looked at again by itself, a refused PIN is not tried again."""

    detail: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The modem cannot be talked to: close the port, open it again, begin a new session."""

    reason: str


Event = Ready | Surveyed | Arrived | Deleted | DeleteFailed | SendEnded | SimFaulted | Lost
