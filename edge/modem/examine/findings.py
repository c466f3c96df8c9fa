"""Pure: what each step of an examination of the modem means, in one sentence, and what would help.

The sentences are for the engineer. They hold no phone number but the service centre's, and no serial number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.modem import errors
from edge.modem.at import Answer

PIN_ATTEMPTS = 3
_WEAK = 5  # of 31, -103 dBm: below it 2G loses messages
_NO_SIGNAL = 99
_POINTER = re.compile("[:;] kampung-edge modem doctor tells more")  # needless where the doctor itself speaks
_REFUSES = "the network refuses this SIM"
_REGISTERED, _DENIED, _SEARCHING = frozenset({1, 5}), 3, 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One step: `ok` is None where it could not be examined; `remedy` is "" where nothing need be done."""

    step: str
    ok: bool | None
    sentence: str
    remedy: str = ""


def verdict(findings: Sequence[Finding]) -> str:
    """The one sentence at the end: the first thing that is wrong, and what helps."""
    # A network that refuses the SIM is heard, whatever the modem says of the signal: no antenna would help.
    refused = any(_REFUSES in finding.sentence for finding in findings)
    wrong = next((found for found in findings if found.ok is False and not (refused and found.step == "signal")), None)
    if wrong is not None:
        return f"{wrong.sentence}: {wrong.remedy}" if wrong.remedy else wrong.sentence
    open_ = [finding.step for finding in findings if finding.ok is None]
    if open_:
        return f"nothing wrong was found; not examined: {', '.join(open_)}"
    return "the modem is well: it can send and receive SMS"


def sim(state: Answer, attempts: Answer | None, *, pin_given: bool) -> Finding:
    """What AT+CPIN? and AT+CPINR say (3GPP TS 27.007, clauses 8.3 and 8.65); no PIN is ever tried."""
    code = state.code("CME")
    told = "SIM PIN" if code == errors.SIM_PIN_REQUIRED else state.fields()
    if told == "READY":
        return Finding("sim", True, "the SIM is ready")
    if told == "SIM PIN":
        return _locked(attempts, pin_given=pin_given)
    if told in ("SIM PUK", "SIM PUK2"):
        return Finding("sim", False, "the SIM is blocked and asks for its PUK", "unlock it in a phone with the PUK")
    if code is not None and code in errors.SIM_FAULTS:
        return Finding("sim", False, errors.SIM_FAULTS[code], "take the SIM out, clean it and put it back")
    if told:
        return Finding("sim", False, f"the SIM asks for {told[:20]}", "use it in a phone first")
    return Finding("sim", False, f"the modem does not tell how the SIM is ({state.final[:40]})", "try another SIM")


def _locked(attempts: Answer | None, *, pin_given: bool) -> Finding:
    found = re.search(r",\s*(\d+)", attempts.fields()) if attempts is not None else None
    left = int(found[1]) if found else None
    if left is not None and left < PIN_ATTEMPTS:
        sentence = f"the SIM asks for its PIN and only {left} attempts are left; none is made by itself"
        return Finding("sim", False, sentence, "correct /etc/kampung-edge/keys/sim-pin and unlock the SIM in a phone")
    if not pin_given:
        remedy = "write the PIN to /etc/kampung-edge/keys/sim-pin, or switch the PIN off in a phone"
        return Finding("sim", False, "the SIM asks for its PIN and the credential sim-pin is missing", remedy)
    return Finding(
        "sim", None, "the SIM asks for its PIN; the daemon gives it the one of sim-pin, once; nothing is tried"
    )


def signal(answer: Answer, *, registered: bool = False) -> Finding:
    """What AT+CSQ says (clause 8.5): 0 to 31 in steps of 2 dB from -113 dBm, 99 unknown.

    On LTE some modems never know it: a SIM that is `registered` is heard all the same.
    """
    found = re.match(r"(\d+)", answer.fields())
    strength = int(found[1]) if found else _NO_SIGNAL
    remedy = "move the antenna or the modem to a window, or use an operator with a nearer mast"
    if strength > 31 and registered:
        return Finding("signal", None, "the modem does not tell the signal")
    if strength > 31:
        return Finding("signal", False, "the modem hears no network", remedy)
    heard = f"the signal is {round(strength * 100 / 31)}% ({2 * strength - 113} dBm)"
    if strength < _WEAK:
        return Finding("signal", False, f"{heard}, too weak to rely on", remedy)
    return Finding("signal", True, heard)


def network(answers: Iterable[Answer], operator: Answer) -> Finding:
    """The best of what +CREG, +CGREG and +CEREG say (clauses 7.2, 10.1.20 and 10.1.22), and the operator (+COPS)."""
    found = (re.match(r"\d+\s*,\s*(\d+)", answer.fields()) for answer in answers)
    states = {int(state[1]) for state in found if state}
    name = re.search(r'"([^"]{1,32})"', operator.fields())
    by = f" with {name[1]}" if name else ""
    if states & _REGISTERED:
        return Finding("network", True, f"the SIM is registered{by}")
    if _DENIED in states:
        remedy = "ask the operator: the SIM may be blocked or expired, or not registered to a person"
        return Finding("network", False, f"{_REFUSES}{by}", remedy)
    if _SEARCHING in states:
        return Finding("network", False, "the modem searches a network and finds none yet", "look at the antenna")
    remedy = "wait a minute, then look at the SIM and the antenna"
    return Finding("network", False, "the modem is not registered and does not search", remedy)


def centre(answer: Answer, wanted: str) -> Finding:
    """What AT+CSCA? says (3GPP TS 27.005, clause 3.3.1)."""
    found = re.match(r'"([^"]*)"', answer.fields())
    number = found[1] if found else ""
    if number and (not wanted or number.lstrip("+") == wanted.lstrip("+")):
        return Finding("smsc", True, f"the service centre is {number}")
    if wanted:
        held = f"is {number}, not the one of modem.smsc" if number else "is missing"
        return Finding("smsc", None, f"the service centre {held}; the daemon puts it back")
    return Finding("smsc", False, "the SIM has no service centre, so nothing can be sent", "write it to modem.smsc")


def storage(answer: Answer) -> Finding:
    """What AT+CPMS? says (clause 3.2.2): messages and room where arriving ones are stored."""
    stores = re.findall(r'"(\w+)"\s*,\s*(\d+)\s*,\s*(\d+)', answer.fields())
    if not stores:
        return Finding("storage", None, "the modem does not tell how many messages it stores")
    name, used, room = stores[-1][0], int(stores[-1][1]), int(stores[-1][2])
    if room and used >= room:
        remedy = "start the daemon, which stores and deletes them; if it runs, look at its log"
        return Finding("storage", False, f"the storage {name} is full ({used} messages): no SMS arrives", remedy)
    return Finding("storage", True, f"the storage {name} holds {used} of {room} messages")


def credit(rp: int | None, expires: str | None, low_rp: int) -> Finding:
    """What the operator told of the balance; None is unknown."""
    if rp is None:
        return Finding("credit", None, "the operator's answer holds no balance that can be read")
    until = f", valid until {expires}" if expires else ""
    if rp < low_rp:
        return Finding("credit", False, f"the balance is Rp {rp}{until}", "top the SIM up")
    return Finding("credit", True, f"the balance is Rp {rp}{until}")


def of_daemon(row: Mapping[str, Any], *, low_rp: int) -> tuple[Finding, ...]:
    """What the running daemon knows of its modem (its answer to `kampung-edge modem --json`), step by step."""
    state = row.get("state", "missing")
    concluded = _POINTER.sub("", str(row.get("conclusion") or ""))
    reason = str(row.get("reason") or concluded)
    if state == "missing":
        return (Finding("device", False, reason or "the modem is away", ""),)
    found = [Finding("device", True, f"the daemon has {row.get('device') or 'the device'} open")]
    if state == "silent":
        return (
            *found,
            Finding("modem", False, reason, f"the daemon is at it (rung {row.get('rung')}); else replug it"),
        )
    if state == "starting":
        return (*found, Finding("modem", None, "the modem is being prepared; ask again in half a minute"))
    names = " ".join(str(row.get(key) or "") for key in ("manufacturer", "model", "firmware")).split()
    found.append(Finding("modem", True, f"the modem answers ({' '.join(names) or 'it does not say what it is'})"))
    if state == "sim":
        return (*found, Finding("sim", False, concluded or "the SIM needs a person", ""))
    found += [Finding("sim", True, "the SIM is ready"), *_radio_of(row), *_money_of(row, low_rp)]
    if not row.get("able", True):
        found.append(Finding("sending", False, concluded or "the modem does not send", ""))
    return tuple(found)


def _radio_of(row: Mapping[str, Any]) -> Iterable[Finding]:
    strength = row.get("signal")
    if strength is None:
        yield Finding("signal", None, "the modem does not tell the signal")
    else:
        weak = strength < _WEAK * 100 / 31
        yield Finding("signal", not weak, f"the signal is {strength}%", "move the antenna to a window" if weak else "")
    by = f" with {row['operator']}" if row.get("operator") else ""
    if row.get("registered"):
        yield Finding("network", True, f"the SIM is registered{by}")
    elif row.get("state") == "denied":
        yield Finding("network", False, f"{_REFUSES}{by}", "ask the operator")
    else:
        yield Finding("network", False, "the modem finds no network", "look at the antenna")
    if row.get("smsc"):
        yield Finding("smsc", True, f"the service centre is {row['smsc']}")


def _money_of(row: Mapping[str, Any], low_rp: int) -> Iterable[Finding]:
    used, room = row.get("sim_used"), row.get("sim_capacity")
    if used is not None and room:
        full = used >= room
        remedy = "look at the daemon's log: it does not store or delete" if full else ""
        yield Finding("storage", not full, f"the SIM holds {used} of {room} messages", remedy)
    if row.get("balance_rp") is not None:
        yield credit(row["balance_rp"], row.get("expires"), low_rp)
