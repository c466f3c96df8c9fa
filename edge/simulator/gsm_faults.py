"""What goes wrong with the simulated modem, its SIM and its network; changed at any time."""

from __future__ import annotations

from dataclasses import dataclass, field


class CommandError(Exception):
    """Ends a command with this final result code."""


@dataclass(slots=True)
class Faults:
    """What goes wrong from now on. A count of -1 means: until told otherwise.

    The line: `garbage`: share (0 to 1) of lines with rubbish bytes before them. `silent`: hangs, hears nothing.
    `hang_s`: hangs for so long, from the next thing it hears or says. `lose_prompt`: prompts that do not come.
    `lose_ok`: sends that the network takes but the modem never confirms. `delete_fails`: deletions refused.

    The SIM: `sim_removed`: there is none.

    The network: `cms_error`: (sends, code) that fail. `bad_numbers`: number -> +CMS code, for ever.
    `no_credit`, `barred`: the +CMS code of every send, 0 for none; a barred SIM is also denied registration.
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
    delete_fails: int = 0
    sim_removed: bool = False
    cms_error: tuple[int, int] = (0, 0)
    bad_numbers: dict[str, int] = field(default_factory=dict)
    no_credit: int = 0
    barred: int = 0
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
