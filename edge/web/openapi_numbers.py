"""NIK and KK number as regular expressions (ECMA-262), for those who check a form before they send it. Pure.

They say exactly what `edge.sms.identity` accepts: 6 digits of region, DDMMYY with a real date (the day 40 higher on a
woman's NIK), 4 of serial; 29 February only where some century has it.
"""

from __future__ import annotations

_LEAP = "([02468][048]|[13579][26])"
_SERIAL = "([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_REGION = "[1-9][0-9]{5}"


def _dates(tens: str) -> str:
    """Real dates whose day's tens are the four digits `tens` in place of 0, 1, 2 and 3."""
    none, ten, twenty, thirty = tuple(tens)
    to_28 = f"({none}[1-9]|{ten}[0-9]|{twenty}[0-8])(0[1-9]|1[0-2])[0-9]{{2}}"
    to_30 = f"({twenty}9|{thirty}0)(0[13-9]|1[0-2])[0-9]{{2}}"
    to_31 = f"{thirty}1(0[13578]|1[02])[0-9]{{2}}"
    return f"{to_28}|{to_30}|{to_31}|{twenty}902{_LEAP}"


KK = f"{_REGION}({_dates('0123')}){_SERIAL}"
NIK = f"0[1-9][0-9]{{14}}|{_REGION}({_dates('0123')}|{_dates('4567')}){_SERIAL}"
