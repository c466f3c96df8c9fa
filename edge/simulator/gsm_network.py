"""The simulated mobile network with its service centre (TS 23.040), as one SIM meets it.

Everything that was ever taken is kept in order, so that a test can count by content what was lost or sent twice.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from edge.simulator import gsm_codec
from edge.simulator.gsm_codec import Submitted
from edge.simulator.gsm_faults import CommandError, Faults, cms

_NO_SERVICE, _NO_SUBMIT, _TWIN = 331, 304, 197  # 197: TP-FCS 0xC5, "SM Rejected - Duplicate SM"
_IMEI = "861234567890123"


@dataclass(frozen=True, slots=True)
class SentSms:
    """A whole message that the network took: `time` in Unix seconds, `raw` the SUBMITs as they came."""

    number: str
    text: str
    time: float
    raw: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """One SUBMIT that the network took: `reference` is the TP-MR on the air, which the modem told as well."""

    submitted: Submitted
    reference: int
    time: float
    raw: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A TPDU for the phone, as the hexadecimal line of a listing, and its octets without the service centre."""

    pdu: str
    length: int
    report: bool = False


@dataclass(slots=True)
class _LongMessage:
    total: int
    texts: dict[int, str] = field(default_factory=dict)
    raw: list[str] = field(default_factory=list)


class Network:
    """What the village's phones and the service centre see of one SIM."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.found, self.radio, self.signal, self.imei = True, True, 18, _IMEI
        self.sent = list[SentSms]()
        self.taken = list[Taken]()
        self.refused = list[tuple[str, int]]()
        self.waiting = deque[Waiting]()
        self._long: dict[tuple[str, int, int], _LongMessage] = {}
        self._held = set[tuple[str, int]]()
        self._reference = 0
        self._delivered = 0

    def registration(self, name: str = "+CREG") -> int:
        """The <stat> that +CREG, +CGREG or +CEREG tells (TS 27.007, clause 7.2)."""
        if self._faults.sim_removed or not self.radio:
            return 0
        if self._faults.barred:
            return 3
        if self._faults.packet_only and name == "+CREG":
            return 0
        return 1 if self.found else 2

    @property
    def reachable(self) -> bool:
        """Whether messages go to and fro."""
        return self.registration("+CEREG") == 1

    def deliver(self, sender: str, text: str, *, now: float) -> None:
        """A phone sends `text`: its parts wait here for the SIM."""
        self._delivered = (self._delivered + 1) % 256
        for pdu, length in gsm_codec.deliveries(sender, text, self._delivered, now=now):
            self.waiting.append(Waiting(pdu, length))

    def take(self, line: str, length: int, *, now: float) -> Taken:
        """Take a SUBMIT; `CommandError` with the +CMS code of who refuses it."""
        try:
            submitted = self._admit(line, length)
        except CommandError as refusal:
            self.refused.append((line, refusal.code))
            raise
        if not self._faults.keep_reference:
            self._reference = (self._reference + 1) % 256
        reference = submitted.reference if self._faults.keep_reference else self._reference
        twin = (submitted.number, reference)
        if submitted.rejects_twins and twin in self._held and not self._faults.accept_twins:
            self.refused.append((line, _TWIN))
            raise cms(_TWIN)
        self._held.add(twin)
        taken = Taken(submitted, reference, now, line)
        self.taken.append(taken)
        self._collect(taken)
        return taken

    def forget_held(self) -> None:
        """The service centre has delivered all it held: from now on it knows no twin of them."""
        self._held.clear()

    def report(self, taken: Taken, *, now: float) -> None:
        """Let the STATUS-REPORT about `taken` wait for the phone."""
        status = self._faults.report_status
        if status is not None:
            line = gsm_codec.status_report(taken.submitted.number, taken.reference, now=now, status=status)
            self.waiting.append(Waiting(*line, report=True))

    def _admit(self, line: str, length: int) -> Submitted:
        faults = self._faults
        failures, code = faults.cms_error
        if failures:
            faults.cms_error = (failures - (failures > 0), code)
            raise cms(code)
        if faults.barred:
            raise cms(faults.barred)
        if not self.reachable:
            raise cms(_NO_SERVICE)
        try:
            submitted = gsm_codec.read_submit(line, length)
        except gsm_codec.BadSubmit:
            raise cms(_NO_SUBMIT) from None
        code = faults.bad_numbers.get(submitted.number, 0) or faults.no_credit
        if code:
            raise cms(code)
        return submitted

    def _collect(self, taken: Taken) -> None:
        submitted = taken.submitted
        reference, total, sequence = submitted.place or (0, 1, 1)
        key = (submitted.number, reference, total)
        message = self._long.setdefault(key, _LongMessage(total))
        message.texts[sequence] = submitted.text
        message.raw.append(taken.raw)
        if len(message.texts) == total:
            del self._long[key]
            text = "".join(message.texts[place] for place in sorted(message.texts))
            self.sent.append(SentSms(submitted.number, text, taken.time, tuple(message.raw)))
