"""Pure: setting a modem up: who it is, what it can, the mode we need (3GPP TS 27.005 clauses 3.1 to 3.5, TS 27.007)."""

from __future__ import annotations

import re

from edge.modem.at import Answer
from edge.modem.conversation import models, sim
from edge.modem.conversation.ladder import Rung
from edge.modem.conversation.procedures import Pause, Pin, Procedure, Ways, ask, greet, must, wish
from edge.modem.conversation.trust import Trust
from edge.modem.outcomes import Identified

_LONGEST_NAME = 40
_RADIO_S = 20.0
_REPORT_APART, _REPORT_BROUGHT = 2, 1


def recognise(ways: Ways) -> Procedure[None]:
    """Find the modem's row in the table of models."""
    maker = yield from wish(ways, "AT+CGMI")
    model = yield from wish(ways, "AT+CGMM")
    ways.model = models.find(_told(maker), _told(model))


def identify(ways: Ways) -> Procedure[Identified]:
    """Everything the modem says of itself (TS 27.007 clauses 5.1 to 5.4)."""
    maker = yield from wish(ways, "AT+CGMI")
    model = yield from wish(ways, "AT+CGMM")
    firmware = yield from wish(ways, "AT+CGMR")
    serial = yield from wish(ways, "AT+CGSN")
    imei = re.search(r"(?<!\d)\d{15}(?!\d)", _told(serial))
    return Identified(_told(maker), _told(model), _told(firmware), imei[0] if imei else "", ways.model.name)


def _told(answer: Answer) -> str:
    line = next(iter(answer.lines), "") if answer.ok else ""
    return re.sub(r"^\+CG[MS][IMRN]: ?", "", line).strip(' "')[:_LONGEST_NAME]


def reset(rung: Rung, ways: Ways) -> Procedure[None]:
    """Perform the rung "cfun" or "model-reset" of the ladder, where the model bears it; nothing for any other."""
    if rung == "cfun" and ways.model.radio_restart:
        yield from restart_radio()
    elif rung == "model-reset" and ways.model.restart:
        yield from ask(ways.model.restart, _RADIO_S)
        yield Pause(3.0)
        yield from greet(ways.model.restart_s)
        yield from ask("ATE0", ways.quick)
        yield from ask("AT+CMEE=1", ways.quick)


def restart_radio() -> Procedure[None]:
    """Off the network and back (+CFUN, TS 27.007 clause 8.2); the SIM may ask for its PIN again."""
    yield from ask("AT+CFUN=0", _RADIO_S)
    yield Pause(1.0)
    yield from ask("AT+CFUN=1", _RADIO_S)
    yield Pause(2.0)


def wake_radio(ways: Ways) -> Procedure[None]:
    """Switch the radio on where somebody left it off."""
    answer = yield from wish(ways, "AT+CFUN?", "+CFUN:")
    if re.match(r"[04]\b", answer.fields()):
        yield from ask("AT+CFUN=1", _RADIO_S)


def begin(pin: Pin, ways: Ways, *, rung: Rung, trust: Trust) -> Procedure[None]:
    """From a modem that was greeted to one whose SIM is open."""
    yield from ask("ATE0", ways.quick)
    yield from ask("AT+CMEE=1", ways.quick)
    yield from recognise(ways)
    yield from reset(rung, ways)
    yield from wake_radio(ways)
    yield from sim.unlock(pin, ways, noisy=trust.noisy)
    for line in ways.model.settings:
        yield from wish(ways, line)


def choose(ways: Ways, trust: Trust) -> Procedure[None]:
    """Ask what the modem can and choose the best: storage, indications, keeping the radio link."""
    yield from choose_storage(ways)
    yield from choose_indications(ways, noisy=trust.noisy)
    yield from choose_keeping(ways)


def choose_keeping(ways: Ways) -> Procedure[None]:
    """How the radio link can be kept between messages (+CMMS, TS 27.005 clause 3.5.6)."""
    answer = yield from wish(ways, "AT+CMMS=?", "+CMMS:")
    ways.keeps_link = max((value for value in _numbers(answer.fields()) if value <= 2), default=0)


def choose_storage(ways: Ways) -> Procedure[None]:
    """Point all three storages at the same place, as reading, writing and receiving may differ (+CPMS).

    Another storage than the model's own is chosen only when it was offered twice: messages that lie in the one would
    never be seen in the other, and on a disturbed line an offer may be misheard.
    """
    groups = yield from _offered_storages(ways)
    ways.storage = _best(ways, groups)
    if ways.storage != ways.model.storages[0]:
        again = yield from _offered_storages(ways)
        ways.storage = min(ways.storage, _best(ways, again), key=ways.model.storages.index)
        groups = max(groups, again, key=len)
    answer = yield from ask(point(ways.storage, len(groups) or 3), ways.timeout, "+CPMS:")
    used = re.match(r"\d+, ?(\d{1,5})", answer.fields())
    ways.capacity = int(used[1]) if used else 0
    if answer.ok:
        return
    for count in (2, 1):
        if (yield from ask(point(ways.storage, count), ways.timeout, "+CPMS:")).ok:
            return


def _offered_storages(ways: Ways) -> Procedure[list[set[str]]]:
    answer = yield from ask("AT+CPMS=?", ways.timeout, "+CPMS:")
    return [set(re.findall(r'"(\w+)"', group)) for group in re.findall(r"\(([^)]*)\)", answer.fields())][:3]


def _best(ways: Ways, groups: list[set[str]]) -> str:
    """The model's most preferred storage that serves for all; the SIM where nothing is known."""
    common = set.intersection(*groups) if groups else {"SM"}
    return next((name for name in ways.model.storages if name in common), "SM")


def point(storage: str, count: int = 1) -> str:
    """The command that points the first `count` storages at `storage`."""
    return "AT+CPMS=" + ",".join([f'"{storage}"'] * count)


def choose_indications(ways: Ways, *, noisy: bool = False) -> Procedure[None]:
    """The best values that this modem offers for +CNMI (TS 27.005 clause 3.4.1).

    Messages are announced, not brought, so that none is lost when the line is. Reports are brought, as "SR" is small;
    on a `noisy` line they are announced where that is offered, since what is brought cannot be read again.
    """
    answer = yield from ask("AT+CNMI=?", ways.timeout, "+CNMI:")
    groups = [_numbers(group) for group in re.findall(r"\(([^)]*)\)", answer.fields())]
    apart = noisy or ways.model.reports_apart
    reports = (0, 0) if not ways.reports else (_REPORT_APART, _REPORT_BROUGHT) if apart else (1, 2)
    wanted: tuple[tuple[int, ...], ...] = ((2, 1, 3), (1,), (0,), reports, (0, 1))
    if len(groups) < len(wanted):
        ways.indications, ways.reports_apart = f"2,1,0,{reports[0]},0", reports[0] == _REPORT_APART
        return
    chosen = [next((value for value in best if value in group), 0) for best, group in zip(wanted, groups, strict=False)]
    ways.indications, ways.reports_apart = ",".join(map(str, chosen)), chosen[3] == _REPORT_APART


def _numbers(group: str) -> set[int]:
    found: set[int] = set()
    for first, last in re.findall(r"(\d{1,2})(?:-(\d{1,2}))?", group):
        found.update(range(int(first), int(last or first) + 1))
    return found


def assert_mode(ways: Ways) -> Procedure[None]:
    """The settings that a modem loses when it resets itself; asserted again from time to time."""
    yield from ask("ATE1" if ways.echo else "ATE0", ways.quick)
    yield from ask("AT+CMEE=1", ways.timeout)
    yield from must("AT+CMGF=0", ways.timeout)
    answer = yield from ask(f"AT+CNMI={ways.indications}", ways.timeout)
    if not answer.ok:
        yield from ask("AT+CNMI=1,1", ways.timeout)
    yield from ask("AT+CREG=1", ways.timeout)
    if ways.keeps_link == 2:
        yield from wish(ways, "AT+CMMS=2")


def polish(ways: Ways) -> Procedure[None]:
    """What is convenient and may be missing: names in plain letters, changes of the network's time told."""
    for line in ('AT+CSCS="GSM"', "AT+COPS=3,0", "AT+CTZU=1", "AT+CTZR=1"):
        yield from wish(ways, line)
