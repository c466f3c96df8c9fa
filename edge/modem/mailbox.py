"""What the modem's shell needs of the place where messages are kept; the SMS Center's room implements it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class NotStored(Exception):
    """The mailbox cannot make anything durable now (disk full, say); the message stays on the SIM and comes again."""


@dataclass(frozen=True, slots=True)
class Part:
    """One received SMS-DELIVER.

    `sender` is "+628..." when international, a name when `alphanumeric`, else digits. `timestamp` is ISO 8601 as the
    service centre wrote it, "" if unreadable. `reference` is None, with 1 of 1, for a message of one part. `pdu` is
    the hexadecimal line as the modem listed it: the part's identity. What no person wrote is kept by its `pdu` alone,
    with an empty text and the alphanumeric sender "unreadable" or "binary".
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


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One SMS to be sent, of any length."""

    id: int
    number: str
    text: str
    kind: str  # reply, notification or digest


class Mailbox(Protocol):
    """Every method that stores is durable on return; `NotStored` where that is impossible now."""

    async def store_part(self, part: Part) -> bool:
        """Keep a received part; False when it is known already (read again after a crash)."""
        ...

    async def next_outgoing(self) -> Outgoing | None:
        """The next SMS to send, journalled as "sending"; waits up to a few seconds, then None."""
        ...

    async def record_sent(self, message_id: int, references: tuple[int, ...], /) -> None:
        """The network took all parts; `references` are their TP-MRs as far as the modem told them."""
        ...

    async def record_failure(self, message_id: int, error: str, /, *, permanent: bool) -> None:
        """The network did not take it; if not `permanent` it is worth another try."""
        ...

    async def record_uncertain(self, message_id: int, error: str, /) -> None:
        """The network may or may not have taken it."""
        ...

    async def record_report(self, number: str, reference: int, delivered: bool) -> None:
        """A status report for TP-MR `reference` to `number`."""
        ...
