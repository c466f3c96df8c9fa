"""What goes wrong with the simulated modem, its SIM and its network, and the codes by which it says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_TEXTS: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {
        "CME": MappingProxyType(
            {
                3: "operation not allowed",
                4: "operation not supported",
                10: "SIM not inserted",
                11: "SIM PIN required",
                12: "SIM PUK required",
                16: "incorrect password",
                30: "no network service",
                50: "Incorrect parameters",
            }
        ),
        "CMS": MappingProxyType(
            {
                8: "Operator determined barring",
                21: "Short message transfer rejected",
                28: "Unidentified subscriber",
                38: "Network out of order",
                302: "operation not allowed",
                304: "invalid PDU mode parameter",
                305: "invalid text mode parameter",
                310: "SIM not inserted",
                311: "SIM PIN required",
                320: "memory failure",
                321: "invalid memory index",
                331: "no network service",
                500: "unknown error",
            }
        ),
    }
)


class CommandError(Exception):
    """Ends a command: with ERROR, or with +CME ERROR or +CMS ERROR and its `code`."""

    def __init__(self, kind: str = "", code: int = 0) -> None:
        super().__init__(f"+{kind} ERROR: {code}" if kind else "ERROR")
        self.kind, self.code = kind, code

    def final(self, level: int) -> str:
        """The result code at AT+CMEE=`level` (TS 27.007, clause 9.1): a +CMS ERROR is never a plain ERROR."""
        if not self.kind or (self.kind == "CME" and level == 0):
            return "ERROR"
        told = _TEXTS[self.kind].get(self.code) if level == 2 else None
        return f"+{self.kind} ERROR: {self.code if told is None else told}"


def cme(code: int) -> CommandError:
    """An error of the modem or the SIM (TS 27.007, clause 9.2)."""
    return CommandError("CME", code)


def cms(code: int) -> CommandError:
    """An error of the message service (TS 27.005, clause 3.2.5)."""
    return CommandError("CMS", code)


@dataclass(slots=True)
class Faults:
    """What goes wrong from now on. A count of -1 means: until told otherwise.

    The line: `garbage`: share (0 to 1) of lines with rubbish bytes before them. `silent`: hangs, hears nothing.
    `hang_s`: hangs for so long, from the next thing it hears or says. `lose_prompt`: prompts that do not come.
    `lose_ok`: sends that the network takes but the modem never confirms. `delete_fails`: deletions refused.
    `sends_cut_off`: what is being sent when the cable is pulled is taken by the network all the same.

    The SIM: `sim_removed`: there is none.

    The network: `cms_error`: (sends, code) that fail. `bad_numbers`: number -> +CMS code, for ever.
    `no_credit`, `barred`: the +CMS code of every send, 0 for none; a barred SIM is also denied registration.
    `packet_only`: registered for LTE (+CEREG) and not for calls (+CREG).
    `report_status`: TP-Status of the reports (0 delivered, 32 to 63 tried again, 64 up failed), None: never one.
    `report_delay_s`: how late reports are, None: the time of a send. `accept_twins`: the service centre takes a
    message that it has, also when TP-RD asks it not to. `keep_reference`: the modem leaves TP-MR as it came, and
    does not put its own count there.
    """

    garbage: float = 0.0
    silent: bool = False
    hang_s: float = 0.0
    lose_prompt: int = 0
    lose_ok: int = 0
    sends_cut_off: bool = False
    delete_fails: int = 0
    sim_removed: bool = False
    cms_error: tuple[int, int] = (0, 0)
    bad_numbers: dict[str, int] = field(default_factory=dict)
    no_credit: int = 0
    barred: int = 0
    packet_only: bool = False
    report_status: int | None = 0
    report_delay_s: float | None = None
    accept_twins: bool = False
    keep_reference: bool = False

    def befalls(self, name: str) -> bool:
        """Whether the counted fault `name` happens now; counts it down."""
        left: int = getattr(self, name)
        if left > 0:
            setattr(self, name, left - 1)
        return left != 0
