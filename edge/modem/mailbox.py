"""What the modem's shell needs of the place where messages are kept; the SMS Center's room implements it.

One mailbox serves one modem. Arrivals are made durable in batches. Of what is to be sent, the next message is *chosen*
while another is still in the network; its start is then *recorded* in the same transaction as the other's end, and only
when that is durable does its payload leave. So each message costs one commit, which the modem's own waiting hides, and
after a crash exactly the parts in the state "given" are in doubt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

from edge.modem.errors import Fault

Held = Literal["", "credit", "barred", "network", "budget"]
Result = Literal["sent", "failed", "uncertain"]


class NotStored(Exception):
    """The mailbox cannot make anything durable now (disk full, say); the message stays on the SIM and comes again."""


@dataclass(frozen=True, slots=True)
class Part:
    """One received SMS-DELIVER.

    `sender` is "+628..." when international, a name when `alphanumeric`, else digits. `timestamp` is ISO 8601 as the
    service centre wrote it, "" if unreadable. `reference` is None, with 1 of 1, for a message of one part; `wide` says
    that it has 16 bits. `pdu` is the hexadecimal line as the modem listed it: the part's identity. What no person wrote
    is kept by its `pdu` alone, with an empty text and the alphanumeric sender "unreadable" or "binary".
    `text` is always valid UTF-8; `concat.assemble` mends what a phone cut in two, in single parts as well.
    """

    modem: str
    sender: str
    alphanumeric: bool
    text: str
    timestamp: str
    reference: int | None
    total: int
    sequence: int
    pdu: str
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """A status report on the part that carried `reference` to `number`.

    `delivered` is None while the service centre still tries; any report proves that it has the part.
    """

    number: str
    reference: int
    delivered: bool | None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One SMS to be sent, of any length.

    `reference` is the TP-MR of its first new part; the others count on. Parts in `taken` are with the network. Parts in
    `given` (sequence -> TP-MR) may be: they are sent again under the same TP-MR, with TP-RD set. `known` is how many
    parts the message had when it was tried before, 0 if never, `attempts` how often it was. `validity_s` is how long
    the network may keep it.
    """

    id: int
    number: str
    text: str
    kind: str  # reply, notification or digest
    reference: int = 0
    taken: frozenset[int] = frozenset()
    given: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    known: int = 0
    validity_s: float = 259_200.0
    attempts: int = 0

    def __repr__(self) -> str:
        return f"Outgoing({self.id}, {self.kind})"


@dataclass(frozen=True, slots=True)
class Choice:
    """What may leave now, if anything.

    Without `outgoing`, ask again after `wait_s` seconds (None: only when woken). `held` says why nothing at all may
    leave; notifications and digests wait until monotonic `paused_until` after repeated failures (None: they do not).
    """

    outgoing: Outgoing | None = None
    wait_s: float | None = None
    held: Held = ""
    paused_until: float | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """`outgoing` is being sent in `parts` (sequence, TP-MR), of which the first is given at once."""

    outgoing: Outgoing
    parts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Given:
    """The next part is about to be given to the network."""

    id: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Taken:
    """The network took a part; `reference` is the TP-MR that the modem told."""

    id: int
    sequence: int
    reference: int | None


@dataclass(frozen=True, slots=True)
class Ended:
    """How the sending of a message ended; a failure is certain and says whom it concerns."""

    id: int
    result: Result
    error: str = ""
    fault: Fault | None = None


Step = Started | Given | Taken | Ended


class Mailbox(Protocol):
    """Every method that stores is durable on return; `NotStored` where that is impossible now."""

    async def recover(self) -> None:
        """Settle what was being sent when the last driver ended: it is uncertain."""
        ...

    async def store(self, arrivals: Sequence[Part | Report], /) -> int:
        """Keep all of `arrivals` in one transaction; how many parts were not known before."""
        ...

    async def choose(self) -> Choice:
        """The next SMS that may leave now, not yet journalled."""
        ...

    async def wait(self, seconds: float | None, /) -> None:
        """Return when `choose` may have another answer: woken, or after `seconds` (None: only when woken)."""
        ...

    async def record(self, *steps: Step) -> bool:
        """Journal `steps` in one transaction; False where what a `Started` names may not be sent any more."""
        ...

    async def recall(self, name: str, /, *, surely: bool = False) -> str:
        """What is remembered of the modem under `name`, "" if nothing.

        Also "" where that cannot be read now, but `NotStored` for who must know it `surely`.
        """
        ...

    async def remember(self, name: str, value: str, /) -> None:
        """Keep `value` under `name` from one start to the next."""
        ...

    def fingerprint(self, secret: str, /) -> str:
        """What tells whether a secret is the same as before, and nothing else to whom has not the store's key."""
        ...

    def credit(self, *, enough: bool) -> None:
        """The operator told the balance: whether it lasts for a message."""
        ...
