"""Pure: the transfer protocol data units as values (3GPP TS 23.040 clause 9.2.2).

Time stamps are ISO 8601, "" where they name no moment. `text` is as decoded: what a phone divided over two parts is
mended by `concat.assemble`, in single parts as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.modem.codec.coding import FLASH, PLAIN, Coding
from edge.modem.codec.fields import Address
from edge.modem.codec.stamps import UNLIMITED, Validity
from edge.modem.concat import Concat


@dataclass(frozen=True, slots=True)
class Deliver:
    """A received message or part. `port` is set for applications' data, which no person wrote.

    `more`: the network has more messages waiting (TP-MMS); `report`: the sender asked for one (TP-SRI);
    `reply_path`: a reply may go by the same service centre (TP-RP); `flawed`: see `userdata.UserData`.
    """

    sender: Address
    text: str
    timestamp: str
    concat: Concat | None
    port: int | None
    smsc: str = ""
    protocol: int = 0
    coding: Coding = PLAIN
    source_port: int | None = None
    more: bool = False
    report: bool = False
    reply_path: bool = False
    flawed: bool = False

    @property
    def flash(self) -> bool:
        """Whether it is to be shown at once and not kept."""
        return self.coding.message_class == FLASH


@dataclass(frozen=True, slots=True)
class Submit:
    """A message to be sent; `reference` is its TP-MR, `report` asks for a status report (TP-SRR).

    `reject_duplicates` (TP-RD): the centre refuses it while it still holds one of the same TP-MR to the same number.
    """

    recipient: Address
    text: str
    reference: int
    concat: Concat | None
    report: bool
    port: int | None = None
    smsc: str = ""
    protocol: int = 0
    coding: Coding = PLAIN
    source_port: int | None = None
    validity: Validity = UNLIMITED
    reject_duplicates: bool = False
    reply_path: bool = False
    flawed: bool = False

    @property
    def flash(self) -> bool:
        """Whether the phone that gets it shows it at once and does not keep it."""
        return self.coding.message_class == FLASH


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What became of the message with TP-MR `reference`: `delivered`, failed (False), or still being tried (None).

    `status` is the TP-ST; `timestamp` is when the centre took the message, `discharged` when it was delivered or
    tried last. `of_command`: it answers a command, not a message (TP-SRQ). `text` is what the centre adds, mostly "".
    """

    recipient: Address
    reference: int
    delivered: bool | None
    status: int
    timestamp: str = ""
    discharged: str = ""
    smsc: str = ""
    more: bool = False
    of_command: bool = False
    text: str = ""
    protocol: int = 0
    coding: Coding | None = None


@dataclass(frozen=True, slots=True)
class DeliverReport:
    """The phone's answer to a DELIVER; `failure` is the TP-FCS, None when it took the message."""

    failure: int | None = None
    text: str = ""
    concat: Concat | None = None
    protocol: int | None = None
    coding: Coding | None = None


@dataclass(frozen=True, slots=True)
class SubmitReport:
    """The centre's answer to a SUBMIT, taken at `timestamp`; `failure` is the TP-FCS, None when it took the message."""

    timestamp: str
    failure: int | None = None
    text: str = ""
    concat: Concat | None = None
    protocol: int | None = None
    coding: Coding | None = None


def delivered(status: int) -> bool | None:
    """Whether TP-ST `status` (clause 9.2.3.15) says done, given up (False) or tried further (None).

    A reserved value means "service rejected", as the clause demands; from 0x60 on the centre tries no more.
    """
    if status < 0x20:
        return status < 0x03 or status >= 0x10
    tried_further = 0x20 <= status < 0x26 or 0x30 <= status < 0x40
    return None if tried_further else False
