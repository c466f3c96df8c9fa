"""What the simulated modem answers to AT commands (3GPP TS 27.007, ITU-T V.250).

`Commands` holds no clock: what takes time (a restart, a USSD answer, a call's end) is left in `effects` for the modem.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from edge.simulator.gsm_faults import CommandError, cme, cms
from edge.simulator.gsm_messages import MESSAGE_COMMANDS
from edge.simulator.gsm_unit import PIN_ATTEMPTS, REGISTRATIONS, Lines, Unit

_OPEN_WHILE_LOCKED = re.compile(r"([EVQXZI&].*|\+CMEE.*|\+CPIN.*|\+CSQ|\+G[MS].*|\+CG[MS].*|\+CFUN.*|\^.*)?", re.DOTALL)
_MESSAGES = re.compile(r"\+C(MG|PMS|NMI|SCA|NMA|MMS|SMS)")
_COMMAND = re.compile(r'([+^*$][A-Z]+)((?:[^;"]|"[^"]*"?)*);?|(&?[A-Z])(\d*);?', re.IGNORECASE)
_IMSI, _ICCID = "510101234567890", "8962100000000000001"
_LTE = 7


class Commands(Unit):
    """The modem's memory and its answers; everything but sending, which takes the network's time."""

    def split(self, line: str) -> Iterator[tuple[str, str]]:
        """The commands of one line after its AT, as (name, argument); `AT+CREG?` is the name +CREG? (V.250, 5.2)."""
        end = 0
        while end < len(line):
            found = _COMMAND.match(line, end)
            if found is None:
                raise CommandError
            end = found.end()
            if found[1] is None:
                yield found[3].upper() + found[4], ""
            elif found[2].strip() == "?":
                yield found[1].upper() + "?", ""
            else:
                yield found[1].upper(), found[2].strip().removeprefix("=")

    def answer(self, name: str, argument: str) -> Lines:
        """The lines before OK, in groups that nothing interrupts; raises `CommandError`."""
        self._check_sim(name)
        if name in self.model.vendor:
            self.settings.muted |= f"{name}={argument}" == self.model.mute
            return [(line,) for line in self.model.vendor[name]]
        command = MESSAGE_COMMANDS.get(name) or _GENERAL.get(name)
        if command is None:
            raise CommandError
        return command(self, argument)

    def _check_sim(self, name: str) -> None:
        if not self.faults.sim_removed and self.settings.unlocked:
            return
        if name.startswith("+CPIN") and self.faults.sim_removed:
            raise cme(10)
        if not _OPEN_WHILE_LOCKED.fullmatch(name):
            place = 0 if self.faults.sim_removed else 1 if self.pin_left else 2
            raise cms((310, 311, 316)[place]) if _MESSAGES.match(name) else cme((10, 11, 12)[place])

    def unlock(self, argument: str) -> Lines:
        """AT+CPIN: three wrong ones lock the SIM for good."""
        code = argument.strip('"')
        self.pin_attempts.append(code)
        if self.settings.unlocked:
            raise cme(3)
        if not self.pin_left:
            raise cme(12)
        if code != self._pin:
            self.pin_left -= 1
            raise cme(16 if self.pin_left else 12)
        self.pin_left, self.settings.unlocked = PIN_ATTEMPTS, True
        return ()

    def attempts_left(self, _argument: str) -> Lines:
        """AT+CPINR (TS 27.007, clause 8.65)."""
        return ((f"+CPINR: SIM PIN,{self.pin_left},{PIN_ATTEMPTS}",),)

    def radio(self, argument: str) -> Lines:
        """AT+CFUN: 0 and 4 switch the radio off, 1,1 restarts the modem."""
        if argument == "?":
            return (("+CFUN: (0,1,4),(0,1)",),)
        if not re.fullmatch(r"[014](,[01])?", argument):
            raise cme(50)
        if argument.endswith(",1"):
            self.effects.append(("restart", ""))
        else:
            self.settings.radio = self.network.radio = argument[0] == "1"
            self.effects.append(("registration", ""))
        return ()

    def operator(self, argument: str) -> Lines:
        """AT+COPS: the name in the chosen format, while registered."""
        if argument == "?":
            return (('+COPS: (2,"Telkomsel","TSEL","51010",7),(3,"INDOSAT","ISAT","51001",7),,(0-4),(0-2)',),)
        if argument:
            found = re.fullmatch(r"3,([012])|0|1,.*|2", argument)
            if found is None:
                raise cme(50)
            self.settings.operator_format = int(found[1] or self.settings.operator_format)
            return ()
        if self.network.registration("+CREG") != 1 and self.network.registration("+CEREG") != 1:
            return (("+COPS: 0",),)
        shape = self.settings.operator_format
        name = ("Telkomsel", "TSEL", "51010")[shape]
        return ((f'+COPS: 0,{shape},"{self.text(name)}",{self.model.access}',),)

    def signal(self, _argument: str) -> Lines:
        """AT+CSQ."""
        heard = 1 in (self.network.registration("+CREG"), self.network.registration("+CEREG"))
        return ((f"+CSQ: {self.network.signal if heard else 99},99",),)

    def charset(self, argument: str) -> Lines:
        """AT+CSCS."""
        if argument == "?":
            return (('+CSCS: ("IRA","GSM","UCS2")',),)
        if argument.strip('"') not in ("IRA", "GSM", "UCS2"):
            raise cme(50)
        self.settings.charset = argument.strip('"')
        return ()

    def ussd(self, argument: str) -> Lines:
        """AT+CUSD: 1 asks or answers, 2 ends what is open (TS 27.007, clause 7.15)."""
        if argument == "?":
            return (("+CUSD: (0-2)",),)
        found = re.fullmatch(r'([012])(?:,"([^"]*)"(?:,\d+)?)?', argument)
        if found is None:
            raise cme(50)
        if found[1] == "2":
            self.effects.append(("ussd ended", ""))
        elif found[2]:
            self.effects.append(("ussd", found[2]))
        return ()

    def registration(self, name: str, argument: str) -> Lines:
        """AT+CREG, AT+CGREG, AT+CEREG: 1 tells changes, 2 the cell as well."""
        place = REGISTRATIONS.index(name)
        if name == "+CEREG" and self.model.access != _LTE:
            raise CommandError
        if argument == "?":
            return ((f"{name}: (0-2)",),)
        if argument not in ("0", "1", "2"):
            raise cme(50)
        levels = list(self.settings.registration)
        levels[place] = int(argument)
        self.settings.registration = (levels[0], levels[1], levels[2])
        return ()

    def registration_now(self, name: str) -> Lines:
        """AT+CREG? and its like."""
        if name == "+CEREG" and self.model.access != _LTE:
            raise CommandError
        level = self.settings.registration[REGISTRATIONS.index(name)]
        return ((f"{name}: {level},{self.registered(name)}",),)


def _set(field: str, value: Callable[[str], object]) -> Callable[[Commands, str], Lines]:
    def command(unit: Commands, argument: str) -> Lines:
        setattr(unit.settings, field, value(argument))
        return ()

    return command


def _fixed(line: str = "") -> Callable[[Commands, str], Lines]:
    return lambda _unit, _argument: ((line,),) if line else ()


def _level(argument: str) -> int:
    if argument not in ("0", "1", "2"):
        raise cme(50)
    return int(argument)


def _reset(unit: Commands, _argument: str) -> Lines:
    unit.settings.echo = True
    return ()


def _hang_up(unit: Commands, _argument: str) -> Lines:
    unit.effects.append(("hang up", ""))
    return ()


_GENERAL: Mapping[str, Callable[[Commands, str], Lines]] = MappingProxyType(
    {
        "": _fixed(),
        "E": _set("echo", lambda _: False),
        "E0": _set("echo", lambda _: False),
        "E1": _set("echo", lambda _: True),
        **dict.fromkeys(("V1", "Q0", "X4", "X0", "S0", "&C1", "&D2", "&D0", "&W", "&K0", "&K3"), _fixed()),
        **dict.fromkeys(("Z", "Z0", "&F", "&F0"), _reset),
        **dict.fromkeys(("H", "H0", "+CHUP"), _hang_up),
        "I": lambda unit, _: ((unit.model.manufacturer, unit.model.model, unit.model.revision),),
        **dict.fromkeys(("+CGMI", "+GMI"), lambda unit, _: ((unit.model.manufacturer,),)),
        **dict.fromkeys(("+CGMM", "+GMM"), lambda unit, _: ((unit.model.model,),)),
        **dict.fromkeys(("+CGMR", "+GMR"), lambda unit, _: ((unit.model.revision,),)),
        **dict.fromkeys(("+CGSN", "+GSN"), lambda unit, _: ((unit.network.imei,),)),
        "+CIMI": _fixed(_IMSI),
        "+CCID": _fixed(f'+CCID: "{_ICCID}"'),
        "+GCAP": _fixed("+GCAP: +CGSM"),
        "+CPAS": _fixed("+CPAS: 0"),
        "+CMEE": lambda unit, argument: (
            (("+CMEE: (0-2)",),) if argument == "?" else _set("errors", _level)(unit, argument)
        ),
        "+CMEE?": lambda unit, _: ((f"+CMEE: {unit.settings.errors}",),),
        "+CPIN?": lambda unit, _: ((f"+CPIN: {unit.sim_state}",),),
        "+CPIN": Commands.unlock,
        "+CPINR": Commands.attempts_left,
        "+CFUN": Commands.radio,
        "+CFUN?": lambda unit, _: ((f"+CFUN: {int(unit.settings.radio)}",),),
        "+CREG": lambda unit, argument: unit.registration("+CREG", argument),
        "+CGREG": lambda unit, argument: unit.registration("+CGREG", argument),
        "+CEREG": lambda unit, argument: unit.registration("+CEREG", argument),
        "+CREG?": lambda unit, _: unit.registration_now("+CREG"),
        "+CGREG?": lambda unit, _: unit.registration_now("+CGREG"),
        "+CEREG?": lambda unit, _: unit.registration_now("+CEREG"),
        "+CGATT?": _fixed("+CGATT: 1"),
        "+COPS": Commands.operator,
        "+COPS?": lambda unit, _: unit.operator(""),
        "+CSQ": Commands.signal,
        "+CSCS": Commands.charset,
        "+CSCS?": lambda unit, _: ((f'+CSCS: "{unit.settings.charset}"',),),
        "+CUSD": Commands.ussd,
        "+CCLK?": lambda unit, _: ((f'+CCLK: "{unit.clock()}"',),),
        "+CTZR": lambda unit, argument: (
            (("+CTZR: (0-2)",),) if argument == "?" else _set("time_codes", _level)(unit, argument)
        ),
        "+CTZU": _fixed(),
        "+CLIP": _set("caller", lambda argument: argument == "1"),
        "+CRC": _set("call_kind", lambda argument: argument == "1"),
    }
)
