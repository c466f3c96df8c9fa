"""Pure: what a modem knows of its network: registration, operator, signal, service centre, time.

3GPP TS 27.007 clauses 7.2 (+CREG), 7.3 (+COPS), 8.5 (+CSQ), 8.15 (+CCLK), 10.1.20 (+CGREG), 10.1.22 (+CEREG) and
TS 27.005 clause 3.3.1 (+CSCA).
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from edge.modem.conversation.procedures import Procedure, Ways, ask, wish
from edge.modem.outcomes import DENIED, REGISTERED, SEARCHING, Network

_TECHNOLOGIES = ("2G", "2G", "3G", "2G", "3G", "3G", "3G", "4G", "2G", "4G", "4G", "5G", "5G", "5G")
_RSSI_MOST = 31
_EARLIEST, _LATEST = 24, 69
_MOST_QUARTERS = 56
_MOMENT = re.compile(r'"?(\d\d)/(\d\d)/(\d\d),(\d\d):(\d\d):(\d\d)([+-]\d{1,2})"?')
_CENTRE = re.compile(r'"(\+?\d{3,20})"')


def survey(ways: Ways, centre: str = "") -> Procedure[Network]:
    """Registration, operator, technology and signal strength; `centre` is the service centre known so far."""
    state = yield from _registration(ways)
    cops = yield from ask("AT+COPS?", ways.timeout, "+COPS:", needed=True)
    csq = yield from ask("AT+CSQ", ways.quick, "+CSQ:", needed=True)
    operator = re.search(r'"([^"]{1,32})"(?:, ?(\d{1,2}))?', cops.fields())
    strength = re.match(r"(\d+)", csq.fields())
    rssi = int(strength[1]) if strength else 99
    return Network(
        state,
        operator[1] if operator else "",
        round(rssi * 100 / _RSSI_MOST) if rssi <= _RSSI_MOST else None,
        _technology(operator[2] if operator else None),
        centre,
    )


def _technology(access: str | None) -> str:
    return _TECHNOLOGIES[int(access)] if access and int(access) < len(_TECHNOLOGIES) else ""


def _registration(ways: Ways) -> Procedure[int]:
    """The best that any domain tells: on LTE alone +CREG may say "not registered" while SMS pass."""
    answer = yield from ask("AT+CREG?", ways.quick, "+CREG:", needed=True)
    states = [_state(answer.fields())]
    if states[0] not in REGISTERED:
        for name in ("+CEREG", "+CGREG"):
            answer = yield from wish(ways, f"AT{name}?", f"{name}:")
            states.append(_state(answer.fields()))
    best = next((state for state in states if state in REGISTERED), None)
    if best is not None:
        return best
    return DENIED if DENIED in states else SEARCHING if SEARCHING in states else states[0]


def _state(fields: str) -> int:
    found = re.match(r"\d+, ?(\d{1,2})(?!\d)", fields)
    return int(found[1]) if found else 0


def centre(ways: Ways) -> Procedure[str | None]:
    """The service centre's number on the SIM, "" where it has none, None where the modem does not tell."""
    answer = yield from wish(ways, "AT+CSCA?", "+CSCA:")
    if not answer.ok or not answer.fields():
        return None
    found = _CENTRE.search(answer.fields())
    return found[1] if found else ""


def restore_centre(number: str, ways: Ways) -> Procedure[bool]:
    """Write the service centre's number to the SIM; whether it is there now."""
    kind = 145 if number.startswith("+") else 129
    yield from ask(f'AT+CSCA="{number}",{kind}', ways.timeout)
    return (yield from centre(ways)) == number


def clock(ways: Ways) -> Procedure[str]:
    """The network's time as ISO 8601 with its zone; "" where the modem has none that can be right."""
    answer = yield from wish(ways, "AT+CCLK?", "+CCLK:")
    return read_moment(answer.fields())


def read_moment(written: str) -> str:
    """A time as +CCLK writes it (quarters of an hour from UTC at the end), "" for one that no network gave."""
    found = _MOMENT.match(written)
    if found is None or not _EARLIEST <= int(found[1]) <= _LATEST:
        return ""
    year, month, day, hour, minute, second, quarters = (int(part) for part in found.groups())
    if abs(quarters) > _MOST_QUARTERS:
        return ""
    try:
        zone = timezone(timedelta(minutes=15 * quarters))
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=zone).isoformat()
    except ValueError:
        return ""
