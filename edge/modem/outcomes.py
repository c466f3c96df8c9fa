"""Pure: what a session tells its shell."""

from __future__ import annotations

from dataclasses import dataclass

from edge.modem.pdu import Deliver, StatusReport

REGISTERED = frozenset({1, 5, 6, 7, 9, 10})
SEARCHING, DENIED = 2, 3


@dataclass(frozen=True, slots=True)
class Network:
    """What a survey found.

    `registration` is the best of +CREG, +CGREG and +CEREG (0 idle, 1 home, 2 searching, 3 denied, 4 unknown,
    5 roaming); `signal` is 0 to 100, or None when the modem does not know; `technology` is "2G", "3G", "4G", "5G" or
    ""; `smsc` the service centre's number, "" where the SIM has none.
    """

    registration: int
    operator: str
    signal: int | None
    technology: str = ""
    smsc: str = ""

    @property
    def registered(self) -> bool:
        """At home or roaming."""
        return self.registration in REGISTERED

    @property
    def denied(self) -> bool:
        """The network refuses this SIM: blocked, expired, or no roaming."""
        return self.registration == DENIED


@dataclass(frozen=True, slots=True)
class Ready:
    """The modem is initialised; messages can be read, and sent once it is registered."""


@dataclass(frozen=True, slots=True)
class Identified:
    """Who the modem says it is, "" where it does not say; `quirks` names the row of the table of models."""

    manufacturer: str
    model: str
    firmware: str
    imei: str
    quirks: str


@dataclass(frozen=True, slots=True)
class Surveyed:
    """The network as the modem sees it now."""

    network: Network


@dataclass(frozen=True, slots=True)
class StorageSeen:
    """Messages on the SIM (or in the modem, where that is the storage chosen) and how many fit."""

    used: int
    capacity: int


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
class PartTaken:
    """The network took part `sequence` (1 up); `reference` is the TP-MR that the modem told, None where it did not."""

    id: int
    sequence: int
    reference: int | None


@dataclass(frozen=True, slots=True)
class SendEnded:
    """How a `send` ended. With `certain` false the network may have the part after those that `PartTaken` told.

    `references` are those of the parts taken, as far as the modem told them; `code` is the number of a +CMS error.
    """

    id: int
    sent: bool
    certain: bool
    references: tuple[int, ...] = ()
    error: str = ""
    permanent: bool = False
    code: int | None = None


@dataclass(frozen=True, slots=True)
class SimFaulted:
    """The SIM needs a person; it is looked at again by itself, a refused PIN is not tried again."""

    detail: str


@dataclass(frozen=True, slots=True)
class BalanceTold:
    """What the operator answered; None is unknown, never 0. `text_length` 0 is no answer at all."""

    rp: int | None
    expires: str | None
    text_length: int


@dataclass(frozen=True, slots=True)
class CallRejected:
    """Somebody rang; the modem hung up."""


@dataclass(frozen=True, slots=True)
class NetworkTime:
    """The network's clock in ISO 8601 with its zone: a hint among others, since it can be forged."""

    iso: str


@dataclass(frozen=True, slots=True)
class Queried:
    """The answer to a person's AT line; `final` is the result code, or "TIMED OUT"."""

    token: int
    lines: tuple[str, ...]
    final: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The modem cannot be talked to: close the port, climb the ladder, begin a new session."""

    reason: str


Event = (
    Ready
    | Identified
    | Surveyed
    | StorageSeen
    | Arrived
    | Deleted
    | DeleteFailed
    | PartTaken
    | SendEnded
    | SimFaulted
    | BalanceTold
    | CallRejected
    | NetworkTime
    | Queried
    | Lost
)
