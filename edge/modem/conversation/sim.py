"""Pure: the SIM and its PIN (3GPP TS 27.007 clauses 8.3 and 8.65). A PIN is never tried twice."""

from __future__ import annotations

import re

from edge.modem import errors
from edge.modem.conversation.procedures import Pause, Pin, Procedure, SimFault, Ways, ask

_ATTEMPTS_BY_SPEC = 3
_WAITS = 20
_FAILURE = 13
_NOTING, _NOTING_S = 400, 0.05
_REFUSED = "the SIM refused the PIN of credential sim-pin; it is not tried again until that is another one"
_LOCKS = re.compile(r"(?:SIM|PH|CORP)[- A-Z0-9]{3,20}")


def unlock(pin: Pin, ways: Ways, *, noisy: bool = False) -> Procedure[None]:
    """Wait for the SIM and unlock it; `SimFault` where a person must act.

    A `noisy` line could spoil the PIN, and three spoilt ones lock the SIM for good: it is not given there.
    """
    if (yield from state(ways)) == "READY":
        pin.open()
        return
    left = yield from _attempts(pin, ways)
    if noisy:
        raise SimFault("the line to the modem is too disturbed to give the PIN: check its cable")
    yield from _write_down(pin)
    if pin.refused:
        raise SimFault(_REFUSED)
    if pin.spent and left is None:
        raise SimFault("nobody knows whether the SIM took the PIN of credential sim-pin; it is not tried again")
    pin.spent = True
    answer = yield from ask(f'AT+CPIN="{pin.code}"', ways.timeout)
    if not answer.ok:
        pin.refuse()
        raise SimFault(_REFUSED)
    if (yield from state(ways)) != "READY":
        pin.refuse()
        raise SimFault("the SIM still asks for a PIN")
    pin.open()


def state(ways: Ways) -> Procedure[str]:
    """READY or SIM PIN; `SimFault` for a fault that was told twice, and for a SIM that is not ready for 20 s."""
    before: SimFault | None = None
    for _ in range(_WAITS):
        answer = yield from ask("AT+CPIN?", ways.timeout, "+CPIN:", needed=True)
        code = answer.code("CME")
        told = "SIM PIN" if code == errors.SIM_PIN_REQUIRED else answer.fields()
        if told in ("READY", "SIM PIN"):
            return told
        fault = _fault(code, told)
        if fault is not None and str(fault) == str(before):
            raise fault
        if fault is None:
            yield Pause(1.0)
        before = fault
    raise SimFault("the SIM does not become ready", curable=True)


def _fault(code: int | None, told: str) -> SimFault | None:
    """What a person must do; None for a SIM that is not ready yet, and for what no modem says: noise."""
    if code is not None and code in errors.SIM_FAULTS:
        return SimFault(errors.SIM_FAULTS[code], curable=code == _FAILURE)
    if told == "NOT INSERTED":
        return SimFault("SIM not inserted")
    return SimFault(f"the SIM asks for {told}") if _LOCKS.fullmatch(told) else None


def _attempts(pin: Pin, ways: Ways) -> Procedure[int | None]:
    """How many attempts the SIM has left (+CPINR, clause 8.65), None where it does not say; `SimFault` if too few.

    Of an attempt that the cable or the power cut short nobody knows whether it reached the SIM: one that still has all
    of them left has refused none.
    """
    if not pin.code:
        raise SimFault("the SIM asks for a PIN and credential sim-pin is missing")
    if not re.fullmatch("[0-9]{4,8}", pin.code):
        raise SimFault("credential sim-pin is not 4 to 8 digits")
    if pin.refused:
        raise SimFault(_REFUSED)
    answer = yield from ask('AT+CPINR="SIM PIN"', ways.timeout, "+CPINR:")
    told = re.search(r",(\d+)", answer.fields())
    if told and int(told[1]) < _ATTEMPTS_BY_SPEC:
        raise SimFault(f"only {told[1]} PIN attempts are left: correct credential sim-pin, unlock the SIM in a phone")
    return int(told[1]) if told else None


def _write_down(pin: Pin) -> Procedure[None]:
    """Wait until it is durable that the PIN is given: a process that is killed now must not give it again."""
    pin.want()
    for _ in range(_NOTING):
        if pin.noted:
            return
        yield Pause(_NOTING_S)
    raise SimFault("the store does not take down that the PIN is given, so it is not given")
