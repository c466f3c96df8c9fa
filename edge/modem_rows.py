"""Pure: what a scrape shows of the modems, as rows; the labels are bounded by the configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import get_args

from edge.device_rows import Family, Values
from edge.modem.conversation.ladder import Rung
from edge.sms.standing import Standing

ANY = "any"
"""The label of messages that no modem has taken yet, where there are several modems."""
_RUNGS = get_args(Rung)

_Read = Callable[[Standing, float], float | None]
_GAUGES: tuple[tuple[str, str, _Read], ...] = (
    ("modem_ready", "1 when the modem can send and receive now.", lambda m, _: m.able),
    ("modem_registered", "1 when the modem is registered with its network.", lambda m, _: m.status.registered),
    ("modem_signal_ratio", "Signal strength, 0 to 1.", lambda m, _: _ratio(m.status.signal)),
    ("modem_rung", "Rung of the reset ladder being tried, 0 when none.", lambda m, _: _rung(m.status.rung)),
    ("modem_sim_messages", "Messages on the SIM.", lambda m, _: m.status.sim_used),
    ("modem_sim_capacity", "Messages that the SIM holds.", lambda m, _: m.status.sim_capacity),
    ("modem_balance_rupiah", "Balance of the SIM as last told.", lambda m, _: m.status.balance_rp),
    ("modem_calls_rejected", "Calls rejected since the daemon started.", lambda m, _: m.status.calls_rejected),
    ("sms_uncertain", "SMS of which nobody knows whether they left.", lambda m, _: m.figures.uncertain),
    ("sms_failed", "SMS that were given up and wait for a person.", lambda m, _: m.figures.failed),
    ("sms_sent_age_seconds", "Time since the last SMS left.", lambda m, now: _age(m.figures.last_sent, now)),
    ("sms_received_age_seconds", "Time since the last SMS came.", lambda m, now: _age(m.figures.last_received, now)),
)


def families(modems: tuple[Standing, ...], unassigned: Mapping[str, int], *, now: float) -> tuple[Family, ...]:
    """Every metric of `modems` at Unix time `now`; `unassigned` counts by kind what waits for any of them."""
    found = [_gauge(name, text, read, modems, now) for name, text, read in _GAUGES]
    waiting: Values = {(m.name, kind): count for m in modems for kind, count in m.figures.waiting.items()}
    waiting |= {(ANY, kind): count for kind, count in unassigned.items()}
    found.append(Family("sms_waiting", "gauge", "SMS that wait to be sent.", ("modem", "kind"), waiting))
    return tuple(family for family in found if family.values)


def _gauge(name: str, text: str, read: _Read, modems: tuple[Standing, ...], now: float) -> Family:
    values = {(modem.name,): read(modem, now) for modem in modems}
    return Family(name, "gauge", text, ("modem",), {key: float(v) for key, v in values.items() if v is not None})


def _rung(rung: str) -> float:
    """The rung's place on the ladder; one that is not known here counts as the last."""
    return _RUNGS.index(rung) if rung in _RUNGS else len(_RUNGS) - 1


def _ratio(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _age(moment: float | None, now: float) -> float | None:
    return None if moment is None else max(0.0, now - moment)
