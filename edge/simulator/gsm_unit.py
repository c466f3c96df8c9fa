"""What the simulated modem remembers: its settings, its SIM's lock, and where messages lie."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.simulator.gsm_faults import Faults
from edge.simulator.gsm_memory import Memory
from edge.simulator.gsm_models import Model
from edge.simulator.gsm_network import Network

Lines = Sequence[Sequence[str]]
PIN_ATTEMPTS = 3
REGISTRATIONS = ("+CREG", "+CGREG", "+CEREG")


@dataclass(slots=True)
class Settings:
    """What the modem forgets when it loses power."""

    echo: bool = True
    errors: int = 0
    pdu_mode: bool = False
    service: int = 0
    indications: int = 0
    reports: int = 0
    keep_link: int = 0
    storages: tuple[str, ...] = ("SM", "SM", "SM")
    registration: tuple[int, int, int] = (0, 0, 0)  # +CREG, +CGREG, +CEREG
    operator_format: int = 0
    time_codes: int = 0
    caller: bool = False
    call_kind: bool = False
    charset: str = "IRA"
    muted: bool = False
    radio: bool = True
    unlocked: bool = False


class Unit:
    """One modem's state; its commands work on it."""

    def __init__(self, capacity: int, pin: str | None, faults: Faults, network: Network, model: Model) -> None:
        self.faults, self.network, self.model = faults, network, model
        self.memory = {name: Memory(capacity, model.first_index) for name in (*model.storages, "SR")}
        self.centre = "+6281100000"
        self.deleted = list[str]()
        self.effects = deque[tuple[str, str]]()
        self.unacknowledged = False
        self.clock: Callable[[], str] = lambda: "80/01/06,00:00:00+00"
        self.pin_attempts: list[str] = []
        self._pin, self.pin_left = pin, PIN_ATTEMPTS
        self.settings = Settings()
        self.power_on()

    def power_on(self) -> None:
        """Forget all settings; a SIM with a PIN is locked again."""
        self.settings = Settings(unlocked=self._pin is None)
        self.unacknowledged = False

    def put(self, pdu: str, length: int, *, report: bool = False) -> tuple[str, int] | None:
        """Store a message where the modem receives; its storage and place, or None when there is no room."""
        name = "SR" if report else self.settings.storages[2]
        index = self.memory[name].put(pdu, length)
        return None if index is None else (name, index)

    @property
    def sim_state(self) -> str:
        """What +CPIN tells."""
        if self.faults.sim_removed:
            return "NOT INSERTED"
        if self.settings.unlocked:
            return "READY"
        return "SIM PIN" if self.pin_left else "SIM PUK"

    def text(self, text: str) -> str:
        """A string as AT+CSCS wants it written."""
        return text.encode("utf-16-be").hex().upper() if self.settings.charset == "UCS2" else text

    def plain(self, text: str) -> str:
        """What a string written as AT+CSCS wants means; ValueError when it is not written so."""
        return bytes.fromhex(text).decode("utf-16-be") if self.settings.charset == "UCS2" else text

    def lock(self) -> None:
        """A SIM was put in: it is locked when it has a PIN."""
        self.settings.unlocked = self._pin is None

    def registered(self, name: str) -> str:
        """<stat> and, where the cell is asked for, where and how (TS 27.007, clause 7.2)."""
        state = self.network.registration(name)
        if self.settings.registration[REGISTRATIONS.index(name)] == 2 and state == 1:
            return f'{state},"1A2B","01C3D4E5",{self.model.access}'
        return str(state)

    def changed_registrations(self) -> list[str]:
        """What the modem says by itself when its registration has changed."""
        levels = zip(REGISTRATIONS, self.settings.registration, strict=True)
        return [f"{name}: {self.registered(name)}" for name, level in levels if level]
