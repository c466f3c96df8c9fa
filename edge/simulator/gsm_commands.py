"""What the simulated modem answers to AT commands (3GPP TS 27.005, TS 27.007), and the SIM it answers from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from edge.simulator.gsm_faults import CommandError, Faults
from edge.simulator.gsm_network import Network

_PIN_ATTEMPTS = 3
_OPEN_WHILE_LOCKED = re.compile(r"(E\d|\+CMEE.*|\+CPIN.*|\+CSQ|\+CGM.*|I)?")
Lines = Sequence[Sequence[str]]


@dataclass(slots=True)
class Settings:
    """What the modem forgets when it loses power."""

    echo: bool = True
    verbose_errors: bool = False
    pdu_mode: bool = False
    indications: int = 0
    reports: int = 0
    registration_codes: bool = False
    unlocked: bool = False


@dataclass(slots=True)
class Stored:
    """A message on the SIM."""

    pdu: str
    length: int
    read: bool = False


class Commands:
    """The modem's memory and its answers; everything but sending, which takes the network's time."""

    def __init__(self, capacity: int, pin: str | None, faults: Faults, network: Network) -> None:
        self.capacity, self.faults, self.network = capacity, faults, network
        self.sim: dict[int, Stored] = {}
        self.pin_attempts: list[str] = []
        self._pin, self._pin_left = pin, _PIN_ATTEMPTS
        self.settings = Settings()
        self.power_on()

    def power_on(self) -> None:
        """Forget all settings; a SIM with a PIN is locked again."""
        self.settings = Settings(unlocked=self._pin is None)

    def check_unlocked(self, body: str) -> None:
        """`CommandError` when the SIM's lock, or its absence, forbids the command `body`."""
        if self.faults.sim_removed and (body.startswith("+CPIN") or not _OPEN_WHILE_LOCKED.fullmatch(body)):
            raise self._cme(10)
        if not self.settings.unlocked and not _OPEN_WHILE_LOCKED.fullmatch(body):
            raise self._cme(11 if self._pin_left else 12)

    def answer(self, name: str, argument: str) -> Lines:
        """The lines before OK, in groups that nothing interrupts; raises `CommandError`."""
        command = _ANSWERS.get(name)
        if command is None:
            raise CommandError("ERROR")
        return command(self, argument)

    def put(self, pdu: str, length: int) -> int | None:
        """Store a message at the lowest free place; None when the SIM is full."""
        index = next((place for place in range(self.capacity) if place not in self.sim), None)
        if index is not None:
            self.sim[index] = Stored(pdu, length)
        return index

    def _cme(self, code: int) -> CommandError:
        return CommandError(f"+CME ERROR: {code}" if self.settings.verbose_errors else "ERROR")

    def set_echo(self, on: bool) -> Lines:
        """ATE0 and ATE1."""
        self.settings.echo = on
        return ()

    def set_errors(self, argument: str) -> Lines:
        """AT+CMEE."""
        self.settings.verbose_errors = argument in ("1", "2")
        return ()

    def set_mode(self, argument: str) -> Lines:
        """AT+CMGF: 0 is PDU mode."""
        self.settings.pdu_mode = argument == "0"
        return ()

    def set_registration_codes(self, argument: str) -> Lines:
        """AT+CREG."""
        self.settings.registration_codes = argument in ("1", "2")
        return ()

    def sim_state(self, _argument: str) -> Lines:
        """AT+CPIN?."""
        if self.settings.unlocked:
            return (("+CPIN: READY",),)
        return (("+CPIN: SIM PIN" if self._pin_left else "+CPIN: SIM PUK",),)

    def unlock(self, argument: str) -> Lines:
        """AT+CPIN: three wrong ones lock the SIM for good."""
        code = argument.strip('"')
        self.pin_attempts.append(code)
        if self.settings.unlocked:
            raise self._cme(3)
        if not self._pin_left:
            raise self._cme(12)
        if code != self._pin:
            self._pin_left -= 1
            raise self._cme(16 if self._pin_left else 12)
        self._pin_left, self.settings.unlocked = _PIN_ATTEMPTS, True
        return ()

    def attempts_left(self, _argument: str) -> Lines:
        """AT+CPINR."""
        return ((f"+CPINR: SIM PIN,{self._pin_left},{_PIN_ATTEMPTS}",),)

    def storages(self, argument: str) -> Lines:
        """AT+CPMS; only the SIM's storage can be chosen."""
        if argument == "?":
            return (('+CPMS: ("ME","MT","SM","SR"),("ME","MT","SM"),("ME","MT","SM")',),)
        if re.fullmatch(r'"SM"(,"SM"){0,2}', argument):
            return (("+CPMS: " + ",".join([f"{len(self.sim)},{self.capacity}"] * 3),),)
        raise CommandError("+CMS ERROR: 302")

    def indicate(self, argument: str) -> Lines:
        """AT+CNMI."""
        if argument == "?":
            return (("+CNMI: (0-2),(0-3),(0,2),(0-2),(0,1)",),)
        values = [int(value) for value in re.findall(r"\d", argument)] + [0] * 5
        self.settings.indications, self.settings.reports = values[1], values[3]
        return ()

    def registration(self, _argument: str) -> Lines:
        """AT+CREG?."""
        return ((f"+CREG: {int(self.settings.registration_codes)},{self.network.registration}",),)

    def operator(self, _argument: str) -> Lines:
        """AT+COPS?."""
        return (('+COPS: 0,0,"Telkomsel",7' if self.network.registration == 1 else "+COPS: 0",),)

    def signal(self, _argument: str) -> Lines:
        """AT+CSQ."""
        return (("+CSQ: 18,99" if self.network.registration == 1 else "+CSQ: 99,99",),)

    def list(self, argument: str) -> Lines:
        """AT+CMGL=4."""
        if not self.settings.pdu_mode or argument != "4":
            raise CommandError("+CMS ERROR: 305")
        lines = []
        for index, message in sorted(self.sim.items()):
            lines.append((f"+CMGL: {index},{int(message.read)},,{message.length}", message.pdu))
            message.read = True
        return lines

    def read(self, argument: str) -> Lines:
        """AT+CMGR."""
        message = self._at(argument)
        state, message.read = int(message.read), True
        return ((f"+CMGR: {state},,{message.length}", message.pdu),)

    def delete(self, argument: str) -> Lines:
        """AT+CMGD."""
        self._at(argument)
        if self.faults.befalls("delete_fails"):
            raise CommandError("+CMS ERROR: 320")
        del self.sim[int(argument)]
        return ()

    def _at(self, argument: str) -> Stored:
        if not self.settings.pdu_mode:
            raise CommandError("+CMS ERROR: 305")
        if not argument.isdigit() or int(argument) not in self.sim:
            raise CommandError("+CMS ERROR: 321")
        return self.sim[int(argument)]


_ANSWERS: Mapping[str, Callable[[Commands, str], Lines]] = MappingProxyType(
    {
        "": lambda _commands, _argument: (),
        "E0": lambda commands, _argument: commands.set_echo(False),
        "E1": lambda commands, _argument: commands.set_echo(True),
        "I": lambda _commands, _argument: (("kampung", "simulated modem", "revision 1"),),
        "+CMEE": Commands.set_errors,
        "+CPIN?": Commands.sim_state,
        "+CPIN": Commands.unlock,
        "+CPINR": Commands.attempts_left,
        "+CMGF": Commands.set_mode,
        "+CPMS": Commands.storages,
        "+CNMI": Commands.indicate,
        "+CREG": Commands.set_registration_codes,
        "+CREG?": Commands.registration,
        "+COPS?": Commands.operator,
        "+CSQ": Commands.signal,
        "+CMGL": Commands.list,
        "+CMGR": Commands.read,
        "+CMGD": Commands.delete,
    }
)
