"""Pure: what is asked of a modem, each as a generator of steps (3GPP TS 27.005 and TS 27.007).

A procedure yields a `Command` and is sent its `Answer`, or yields a `Pause` or `ESCAPE`; the session performs them.
So a procedure reads from top to bottom like the script of a conversation, and knows no clock and no line.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

from edge.modem import errors
from edge.modem.at import Answer, Command
from edge.modem.outcomes import DENIED, REGISTERED, SEARCHING, Network

__all__ = ["DENIED", "REGISTERED", "SEARCHING", "Network", "Pin"]

_T = TypeVar("_T")
_ATTEMPTS_BY_SPEC = 3
_SIM_WAITS = 20
_GREETINGS = 3
_QUICK_S = 3.0
_STORAGES = ("SM", "ME", "MT")
_HEADER = re.compile(r"\+CMG[LR]: ?")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")


@dataclass(frozen=True, slots=True)
class Pause:
    """Let `seconds` pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Escape:
    """Leave a prompt that may be open."""


Step = Command | Pause | Escape
Procedure = Generator[Step, Answer, _T]


class Silent(Exception):
    """The modem did not answer in time."""


class Refused(Exception):
    """The modem answered an essential command with an error."""


class SimFault(Exception):
    """The SIM needs a person; the text says what for."""


class Pin:
    """The SIM's PIN, given to a SIM once: after an attempt that did not succeed it is `spent` for this process."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.spent = False


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
    """

    sent: bool
    certain: bool
    reference: int | None = None
    error: str = ""
    permanent: bool = False
    silent: bool = False
    code: int | None = None
    withheld: bool = False


def ask(line: str, timeout: float, prefix: str = "", *, needed: bool = False) -> Procedure[Answer]:
    """One command and its answer, whatever it says; `Silent` on time-out."""
    answer = yield Command(line, timeout, prefix, needed)
    if answer.timed_out:
        raise Silent(line.partition("=")[0])
    return answer


def must(line: str, timeout: float, prefix: str = "", *, needed: bool = False) -> Procedure[Answer]:
    """As `ask`, but an error is `Refused`."""
    answer = yield from ask(line, timeout, prefix, needed=needed)
    if not answer.ok:
        raise Refused(f"{line.partition('=')[0]}: {answer.final}")
    return answer


def greet() -> Procedure[None]:
    """Find a modem at the other end, whatever state it was left in; `Silent` when there is none."""
    for _ in range(_GREETINGS):
        yield Escape()
        answer = yield Command("AT", 1.0)
        if not answer.timed_out:
            return
    raise Silent("AT")


def unlock(pin: Pin, timeout: float) -> Procedure[None]:
    """Wait for the SIM and unlock it; `SimFault` where a person must act. A PIN is never tried twice."""
    if (yield from _sim_state(timeout)) == "READY":
        return
    yield from _check_attempts(pin, timeout)
    pin.spent = True
    answer = yield from ask(f'AT+CPIN="{pin.code}"', timeout)
    if not answer.ok:
        raise SimFault("the SIM refused the PIN of credential sim-pin; it is not tried again")
    if (yield from _sim_state(timeout)) != "READY":
        raise SimFault("the SIM still asks for a PIN")
    pin.spent = False


def _sim_state(timeout: float) -> Procedure[str]:
    for _ in range(_SIM_WAITS):
        answer = yield from ask("AT+CPIN?", timeout, "+CPIN:", needed=True)
        code = answer.code("CME")
        if code is not None and code in errors.SIM_FAULTS and code != errors.SIM_PIN_REQUIRED:
            raise SimFault(errors.SIM_FAULTS[code])
        state = "SIM PIN" if code == errors.SIM_PIN_REQUIRED else answer.fields()
        if state in ("READY", "SIM PIN"):
            return state
        if answer.ok:
            raise SimFault(f"the SIM asks for {state[:20]}")
        yield Pause(1.0)
    raise SimFault("the SIM does not become ready")


def _check_attempts(pin: Pin, timeout: float) -> Procedure[None]:
    """A process started anew does not know that the PIN was refused before; the SIM does (+CPINR, clause 8.65)."""
    if not pin.code:
        raise SimFault("the SIM asks for a PIN and credential sim-pin is missing")
    if not re.fullmatch("[0-9]{4,8}", pin.code):
        raise SimFault("credential sim-pin is not 4 to 8 digits")
    if pin.spent:
        raise SimFault("the PIN of credential sim-pin was refused; it is not tried again")
    answer = yield from ask('AT+CPINR="SIM PIN"', timeout, "+CPINR:")
    left = re.search(r",(\d+)", answer.fields())
    if left and int(left[1]) < _ATTEMPTS_BY_SPEC:
        raise SimFault(f"only {left[1]} PIN attempts are left: correct credential sim-pin, unlock the SIM in a phone")


def choose_storage(timeout: float) -> Procedure[str]:
    """Point all three storages at the same place, as reading, writing and receiving may differ (+CPMS)."""
    answer = yield from ask("AT+CPMS=?", timeout, "+CPMS:")
    groups = [set(re.findall(r'"(\w+)"', group)) for group in re.findall(r"\(([^)]*)\)", answer.fields())][:3]
    common = set.intersection(*groups) if groups else {"SM"}
    storage = next((name for name in _STORAGES if name in common), "SM")
    places = ",".join([f'"{storage}"'] * (len(groups) or 3))
    yield from must(f"AT+CPMS={places}", timeout, "+CPMS:")
    return storage


def choose_indications(timeout: float) -> Procedure[str]:
    """The best +CNMI this modem can: stored messages announced, status reports brought at once."""
    answer = yield from ask("AT+CNMI=?", timeout, "+CNMI:")
    groups = [_numbers(group) for group in re.findall(r"\(([^)]*)\)", answer.fields())]
    wanted: tuple[tuple[int, ...], ...] = ((2, 1, 3), (1,), (0,), (1, 2, 0), (0, 1))
    if len(groups) < len(wanted):
        return "2,1,0,1,0"
    return ",".join(
        str(next((value for value in best if value in group), 0)) for best, group in zip(wanted, groups, strict=False)
    )


def _numbers(group: str) -> set[int]:
    found: set[int] = set()
    for first, last in re.findall(r"(\d{1,2})(?:-(\d{1,2}))?", group):
        found.update(range(int(first), int(last or first) + 1))
    return found


def assert_mode(indications: str, timeout: float) -> Procedure[None]:
    """The settings a modem loses when it resets itself; asserted again at every survey."""
    yield from ask("ATE0", min(timeout, _QUICK_S))
    yield from ask("AT+CMEE=1", timeout)
    yield from must("AT+CMGF=0", timeout)
    answer = yield from ask(f"AT+CNMI={indications}", timeout)
    if not answer.ok:
        yield from ask("AT+CNMI=1,1", timeout)
    yield from ask("AT+CREG=1", timeout)


def survey(timeout: float) -> Procedure[Network]:
    """Registration (+CREG), operator (+COPS) and signal strength (+CSQ)."""
    creg = yield from ask("AT+CREG?", timeout, "+CREG:", needed=True)
    cops = yield from ask("AT+COPS?", timeout, "+COPS:", needed=True)
    csq = yield from ask("AT+CSQ", timeout, "+CSQ:", needed=True)
    state = re.match(r"\d+, ?(\d+)", creg.fields())
    operator = re.search(r'"([^"]{1,32})"', cops.fields())
    strength = re.match(r"(\d+)", csq.fields())
    rssi = int(strength[1]) if strength else 99
    return Network(
        int(state[1]) if state else 0, operator[1] if operator else "", round(rssi * 100 / 31) if rssi <= 31 else None
    )


def list_all(timeout: float) -> Procedure[tuple[list[Listed], bool]]:
    """Every stored message, and whether each line of the answer made sense (+CMGL=4)."""
    answer = yield from must("AT+CMGL=4", timeout, "+CMGL:")
    return _pair(answer, "+CMGL:")


def read(index: int, timeout: float) -> Procedure[Listed | None]:
    """The message at `index`, None where there is none (+CMGR)."""
    answer = yield from ask(f"AT+CMGR={index}", timeout, "+CMGR:")
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


def delete(index: int, timeout: float) -> Procedure[bool]:
    """Whether nothing is at `index` any more (+CMGD); "invalid index" is as good."""
    answer = yield from ask(f"AT+CMGD={index}", timeout)
    return answer.ok or answer.code("CMS") == 321


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
        return PartSent(False, not answer.payload_given, error=what, silent=True)
    if answer.cancelled:
        return PartSent(False, True, error="the prompt was left", withheld=True)
    code = answer.code("CMS")
    error = errors.describe(code) if code is not None else answer.final[:60]
    return PartSent(False, True, error=error, permanent=errors.is_permanent(code), code=code)
