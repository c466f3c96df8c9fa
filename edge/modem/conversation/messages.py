"""Pure: reading, deleting and sending messages (3GPP TS 27.005 clauses 3.4 and 3.5)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge.modem import errors
from edge.modem.at import Answer, Command
from edge.modem.conversation.initialise import point
from edge.modem.conversation.procedures import Procedure, Ways, ask, must

APART = 100_000
"""Added to the index of what lies in the storage "SR", so that an index names one message."""
_REPORTS = "SR"
_GONE = 321
_HEADER = re.compile(r"\+CMG[LR]: ?")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")


@dataclass(frozen=True, slots=True)
class Listed:
    """A message as the modem stores it; `length` is the octets it announced for the TPDU."""

    index: int
    pdu: str
    length: int | None


@dataclass(frozen=True, slots=True)
class PartSent:
    """How one part's sending ended; `certain` is False when the network may or may not have taken it.

    `withheld` is a prompt that was left by ESC: the payload was not to leave, or did not reach the modem as it was.
    `given` tells that the payload went out.
    """

    sent: bool
    certain: bool
    reference: int | None = None
    error: str = ""
    permanent: bool = False
    silent: bool = False
    code: int | None = None
    withheld: bool = False
    given: bool = False


def list_all(ways: Ways) -> Procedure[tuple[list[Listed], bool]]:
    """Every stored message, and whether each line of the answer made sense (+CMGL=4)."""
    answer = yield from must("AT+CMGL=4", ways.timeout, "+CMGL:")
    found, whole = _pair(answer, "+CMGL:")
    if ways.reports_apart:
        reports, reports_whole = yield from _list_reports(ways)
        return found + reports, whole and reports_whole
    return found, whole


def _list_reports(ways: Ways) -> Procedure[tuple[list[Listed], bool]]:
    if not (yield from ask(point(_REPORTS), ways.timeout, "+CPMS:")).ok:
        ways.reports_apart = False
        return [], True
    answer = yield from ask("AT+CMGL=4", ways.timeout, "+CMGL:")
    found, whole = _pair(answer, "+CMGL:")
    yield from must(point(ways.storage), ways.timeout, "+CPMS:")
    return [Listed(APART + entry.index, entry.pdu, entry.length) for entry in found], whole and answer.ok


def read(index: int, ways: Ways) -> Procedure[Listed | None]:
    """The message at `index`, None where there is none (+CMGR)."""
    if index >= APART:
        reports, _ = yield from _list_reports(ways)
        return next((entry for entry in reports if entry.index == index), None)
    answer = yield from ask(f"AT+CMGR={index}", ways.timeout, "+CMGR:")
    found, _ = _pair(answer, "+CMGR:", index)
    return found[0] if found else None


def _pair(answer: Answer, prefix: str, index: int | None = None) -> tuple[list[Listed], bool]:
    found: list[Listed] = []
    header: str | None = None
    whole = True
    for line in answer.lines:
        if line.startswith(prefix):
            whole = whole and header is None
            header = line
        elif header is not None and _HEX.fullmatch(line):
            numbers = re.findall(r"\d+", _HEADER.sub("", re.sub(r'"[^"]*"', "", header)))
            place = index if index is not None else int(numbers[0]) if numbers else None
            if place is not None:
                found.append(Listed(place, line.upper(), int(numbers[-1]) if len(numbers) > 1 else None))
            header = None
        else:
            whole = False
    return found, whole and header is None


def delete(index: int, ways: Ways) -> Procedure[bool]:
    """Whether nothing is at `index` any more (+CMGD); "invalid index" is as good."""
    if index < APART:
        answer = yield from ask(f"AT+CMGD={index}", ways.timeout)
        return answer.ok or answer.code("CMS") == _GONE
    if not (yield from ask(point(_REPORTS), ways.timeout, "+CPMS:")).ok:
        return False
    answer = yield from ask(f"AT+CMGD={index - APART}", ways.timeout)
    yield from must(point(ways.storage), ways.timeout, "+CPMS:")
    return answer.ok or answer.code("CMS") == _GONE


def send_part(
    pdu: str, length: int, timeout: float, network_timeout: float, *, held: bool = False, proof: bool = False
) -> Procedure[PartSent]:
    """Give one SUBMIT to the network (+CMGS); never raises, since after the payload silence is an answer too."""
    answer = yield Command(
        f"AT+CMGS={length}",
        timeout,
        prefix="+CMGS:",
        payload=pdu,
        payload_timeout=network_timeout,
        held=held,
        proof=proof,
    )
    reference = re.match(r"(\d{1,3})\b", answer.fields())
    if answer.ok or (answer.timed_out and reference):
        return PartSent(True, True, int(reference[1]) if reference else None, silent=answer.timed_out)
    if answer.timed_out:
        what = "no answer after the message was given" if answer.payload_given else "no prompt"
        return PartSent(False, not answer.payload_given, error=what, silent=True, given=answer.payload_given)
    if answer.cancelled:
        return PartSent(False, True, error="the prompt was left", withheld=True)
    code = answer.code("CMS")
    error = errors.describe(code) if code is not None else answer.final[:60]
    return PartSent(
        False, True, error=error, permanent=errors.is_permanent(code), code=code, given=answer.payload_given
    )
