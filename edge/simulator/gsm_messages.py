"""The simulated modem's commands for messages (3GPP TS 27.005), but for +CMGS, which takes the network's time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from edge.simulator.gsm_faults import cms
from edge.simulator.gsm_memory import Memory
from edge.simulator.gsm_unit import Lines, Unit

_DELETED_STATES: Mapping[str, tuple[int, ...]] = MappingProxyType({"1": (1,), "2": (1,), "3": (1,), "4": (0, 1)})


def _service(unit: Unit, argument: str) -> Lines:
    """AT+CSMS: 1 means that what is brought at once must be acknowledged by AT+CNMA (clause 3.2.1)."""
    if argument == "?":
        return (("+CSMS: (0,1)",),)
    if argument not in ("0", "1"):
        raise cms(302)
    unit.settings.service = int(argument)
    return (("+CSMS: 1,1,1",),)


def _mode(unit: Unit, argument: str) -> Lines:
    if argument == "?":
        return (("+CMGF: (0,1)",),)
    if argument not in ("0", "1"):
        raise cms(302)
    unit.settings.pdu_mode = argument == "0"
    return ()


def _centre(unit: Unit, argument: str) -> Lines:
    """AT+CSCA: the number is kept on the SIM."""
    number = re.match(r'"([^"]{0,20})"', argument)
    if number is None:
        raise cms(302)
    unit.centre = number[1]
    return ()


def _centre_now(unit: Unit, _argument: str) -> Lines:
    return ((f'+CSCA: "{unit.text(unit.centre)}",{145 if unit.centre.startswith("+") else 129}',),)


def _storages(unit: Unit, argument: str) -> Lines:
    """AT+CPMS: reading and deleting, writing and sending, receiving (clause 3.2.2)."""
    kept = unit.model.storages
    if argument == "?":
        groups = ((*kept, "SR"), kept, kept)
        return (("+CPMS: " + ",".join("(" + ",".join(f'"{name}"' for name in group) + ")" for group in groups),),)
    chosen = re.findall(r'"(\w*)"', argument)
    if not 1 <= len(chosen) <= 3 or chosen[0] not in (*kept, "SR") or not set(chosen[1:]) <= set(kept):
        raise cms(302)
    unit.settings.storages = (*chosen, *unit.settings.storages[len(chosen) :])
    return (("+CPMS: " + ",".join(_used(unit.memory[name]) for name in unit.settings.storages),),)


def _storages_now(unit: Unit, _argument: str) -> Lines:
    return (("+CPMS: " + ",".join(f'"{name}",{_used(unit.memory[name])}' for name in unit.settings.storages),),)


def _used(memory: Memory) -> str:
    return f"{len(memory.places)},{memory.capacity}"


def _indicate(unit: Unit, argument: str) -> Lines:
    """AT+CNMI: <mt> 1 announces, 2 brings; <ds> 1 brings reports, 2 announces them (clause 3.4.1)."""
    if argument == "?":
        return (("+CNMI: (0-2),(0-3),(0,2),(0-2),(0,1)",),)
    values = [int(value) for value in re.findall(r"\d", argument)] + [0] * 5
    unit.settings.indications, unit.settings.reports = values[1], values[3]
    return ()


def _indicate_now(unit: Unit, _argument: str) -> Lines:
    return ((f"+CNMI: 2,{unit.settings.indications},0,{unit.settings.reports},0",),)


def _list(unit: Unit, argument: str) -> Lines:
    if argument == "?":
        return (("+CMGL: (0-4)",),)
    if argument not in ("0", "1", "2", "3", "4", "") or not unit.settings.pdu_mode:
        raise cms(305)
    lines = []
    for index, sms in _read_memory(unit).of_state(int(argument or 0)):
        lines.append((f"+CMGL: {index},{sms.state},,{sms.length}", sms.pdu))
        sms.state = 1
    return lines


def _read(unit: Unit, argument: str) -> Lines:
    sms = _read_memory(unit).at(argument)
    state, sms.state = sms.state, 1
    return ((f"+CMGR: {state},,{sms.length}", sms.pdu),)


def _delete(unit: Unit, argument: str) -> Lines:
    """AT+CMGD=index[,delflag]: 1 to 3 delete what was read, 4 everything (clause 3.5.4)."""
    memory = _read_memory(unit)
    if argument == "?":
        return ((f"+CMGD: ({','.join(map(str, memory.places))}),(0-4)",),)
    index, _, flag = argument.partition(",")
    doomed = memory.of_state(4)
    if flag in _DELETED_STATES:
        doomed = [(place, sms) for place, sms in doomed if sms.state in _DELETED_STATES[flag]]
    else:
        sms = memory.at(index)
        doomed = [(int(index), sms)]
    if unit.faults.befalls("delete_fails"):
        raise cms(320)
    for place, sms in doomed:
        del memory.places[place]
        unit.deleted.append(sms.pdu)
    return ()


def _read_memory(unit: Unit) -> Memory:
    if not unit.settings.pdu_mode:
        raise cms(305)
    return unit.memory[unit.settings.storages[0]]


def _keep_link(unit: Unit, argument: str) -> Lines:
    """AT+CMMS: 1 keeps the radio link until a pause, 2 always (clause 3.5.6)."""
    if argument == "?":
        return (("+CMMS: (0-2)",),)
    if argument not in ("0", "1", "2"):
        raise cms(302)
    unit.settings.keep_link = int(argument)
    return ()


def _acknowledge(unit: Unit, _argument: str) -> Lines:
    if not unit.unacknowledged:
        raise cms(340)
    unit.effects.append(("acknowledged", ""))
    return ()


MESSAGE_COMMANDS: Mapping[str, Callable[[Unit, str], Lines]] = MappingProxyType(
    {
        "+CSMS": _service,
        "+CSMS?": lambda unit, _: ((f"+CSMS: {unit.settings.service},1,1,1",),),
        "+CMGF": _mode,
        "+CMGF?": lambda unit, _: ((f"+CMGF: {int(not unit.settings.pdu_mode)}",),),
        "+CSCA": _centre,
        "+CSCA?": _centre_now,
        "+CSDH": lambda _unit, _: (),
        "+CSMP": lambda _unit, _: (),
        "+CPMS": _storages,
        "+CPMS?": _storages_now,
        "+CNMI": _indicate,
        "+CNMI?": _indicate_now,
        "+CMGL": _list,
        "+CMGR": _read,
        "+CMGD": _delete,
        "+CMMS": _keep_link,
        "+CMMS?": lambda unit, _: ((f"+CMMS: {unit.settings.keep_link}",),),
        "+CNMA": _acknowledge,
    }
)
