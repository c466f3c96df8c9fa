"""A GSM modem with its SIM and its network, on a pty: what the appliance's modem room plays against.

    modem = GsmModem(Path("/tmp/village/modem"), network_s=0.3)
    await modem.start()
    modem.deliver("+628123", "SKTM ...")
    reply = await modem.wait_sent(lambda sms: sms.number == "+628123", timeout=3)

The SIM, the messages still waiting in the network and those sent outlive any program that uses the line. Run as
``python -m edge.simulator.gsm --link PATH --control SOCKET`` it is a process of its own (see `gsm_control`).

`gsm_line` is the wire, `gsm_firmware` the modem, `gsm_commands` and `gsm_messages` its answers, `gsm_memory` its SIM,
`gsm_network` the network and its service centre, `gsm_models` the kinds of modems, `gsm_faults` what may go wrong.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

from edge.simulator import gsm_codec
from edge.simulator.gsm_commands import Commands
from edge.simulator.gsm_faults import Faults
from edge.simulator.gsm_firmware import Firmware
from edge.simulator.gsm_line import LINES, SerialLine
from edge.simulator.gsm_models import MODELS, Model
from edge.simulator.gsm_network import Network, SentSms, Taken, Waiting
from edge.simulator.gsm_ussd import Ussd

__all__ = ["Faults", "GsmModem", "SentSms", "Taken"]

_WAP_PUSH = 2948
_RING_S = 3.0
# An m-notification-ind (OMA MMS encapsulation): what a phone gets of a picture message, and nobody can read.
_MMS_NOTICE = bytes.fromhex(
    "0106226170706c69636174696f6e2f766e642e7761702e6d6d732d6d65737361676500af848c8298313233008d90"
)


class GsmModem:
    """One modem in the caller's event loop.

    Times in seconds: `network_s` a send takes, `link_s` more where no radio link was kept, `command_s` any command.
    `line` is a row of `gsm_line.LINES`: whole, bytes (one a write), slow (1200 baud), delayed or noisy; `model` a row
    of `gsm_models.MODELS`, or one of your own; `capacity` the places of the SIM, and as many in the modem.
    """

    def __init__(
        self,
        link: Path,
        *,
        baud: int = 115_200,
        network_s: float = 0.3,
        link_s: float = 0.0,
        capacity: int = 20,
        command_s: float = 0.01,
        number: str = "+6281100000001",
        imei: str = "861234567890123",
        pin: str | None = None,
        seed: int = 0,
        line: str = "whole",
        model: str | Model = "generic",
    ) -> None:
        self.number, self.faults = number, Faults()
        self.network = Network(self.faults)
        self.network.imei = imei
        self._line = SerialLine(link, baud, self._hear, kind=line, seed=seed)
        kind = MODELS[model] if isinstance(model, str) else model
        self._unit = Commands(capacity, pin, self.faults, self.network, kind)
        self._firmware = Firmware(
            self._line, self._unit, network_s=network_s, link_s=link_s, command_s=command_s, seed=seed
        )

    # --- power and plug

    async def start(self) -> None:
        """Plug the modem in."""
        await self.replug()

    async def stop(self) -> None:
        """Unplug it for good."""
        await self.unplug()
        await self._firmware.stop()

    async def unplug(self) -> None:
        """Pull the cable: the line hangs up, the link goes, the modem loses power. SIM and network keep theirs."""
        await self._firmware.power_off()
        await self._line.unplug()

    async def replug(self, link: Path | None = None) -> None:
        """Put the cable back: a new pty under the same link, or under `link`; a modem fresh from power-on."""
        if self._line.plugged:
            return
        self._line.link = link or self._line.link
        self._line.plug()
        self._firmware.power_on()

    def restart(self) -> None:
        """Let the modem reset itself: it forgets its settings, and says what its model says at power-on."""
        self._firmware.restart()

    def hang(self, seconds: float) -> None:
        """Let it hear and say nothing for `seconds`; what it had to say is lost, what the network holds comes after."""
        self._firmware.hang(seconds)

    def become(self, line: str) -> None:
        """Change what the line is like, a row of `gsm_line.LINES`; ValueError for any other."""
        if line not in LINES:
            raise ValueError(f"a line is one of {', '.join(LINES)}")
        self._line.kind = LINES[line]

    def pace(self, network_s: float) -> None:
        """Let a send take `network_s` from now on."""
        self._firmware.network_s = network_s

    # --- the village's phones

    def deliver(self, sender: str, text: str) -> None:
        """A phone's SMS arrives: on the SIM when there is room, else it waits in the network."""
        self.network.deliver(sender, text, now=time.time())
        self._firmware.settle()

    def deliver_pdus(self, pdus: list[tuple[str, int]]) -> None:
        """DELIVERs as they are (hexadecimal line, octets of the TPDU), for what `deliver` would never make."""
        self.network.waiting += [Waiting(pdu, length) for pdu, length in pdus]
        self._firmware.settle()

    def deliver_mms(self, sender: str) -> None:
        """The notice of a picture message arrives."""
        self.deliver_pdus([gsm_codec.push(sender, _WAP_PUSH, _MMS_NOTICE, now=time.time())])

    async def ring(self, number: str, rings: int = 5) -> bool:
        """A phone calls and rings every three seconds; True when the call is rejected, False when nobody does."""
        return await self._firmware.ring(number, rings, _RING_S)

    # --- the network and the SIM

    def register(self, registered: bool) -> None:
        """Find the network, or lose it."""
        self.network.found = registered
        self._firmware.say_registration()
        self._firmware.settle()

    def remove_sim(self) -> None:
        """Take the SIM out while the modem runs."""
        self.faults.sim_removed = True
        self._firmware.say_sim()

    def insert_sim(self) -> None:
        """Put it back."""
        self.faults.sim_removed = False
        self._firmware.say_sim()
        self._firmware.settle()

    def tell_time(self, offset_s: float = 0.0) -> None:
        """Let the network tell its time, wrong by `offset_s`, which AT+CCLK? then tells too."""
        self._firmware.clock_offset_s = offset_s
        self._firmware.say_time()

    def say(self, *lines: str) -> None:
        """Let the modem say lines of its own accord, whatever they are."""
        self._firmware.say(*lines)

    async def drained(self) -> None:
        """Wait until all that was said has been on the wire."""
        await self._line.drained()

    # --- what can be seen

    @property
    def ussd(self) -> Ussd:
        """The operator's answers to USSD codes, and what was asked."""
        return self._firmware.ussd

    @property
    def sending(self) -> bool:
        """Whether a message is in the network just now."""
        return self._firmware.sending

    @property
    def sent(self) -> list[SentSms]:
        """The whole messages that the network took, in order."""
        return self.network.sent

    @property
    def taken(self) -> list[Taken]:
        """Every SUBMIT that the network took, in order: parts, and what was sent twice, each by itself."""
        return self.network.taken

    @property
    def stored(self) -> int:
        """Messages on the SIM and in the modem, without reports."""
        return sum(len(memory.places) for name, memory in self._unit.memory.items() if name != "SR")

    @property
    def deleted(self) -> list[str]:
        """The PDUs that were deleted, in order."""
        return self._unit.deleted

    @property
    def pin_attempts(self) -> list[str]:
        """The PINs that were tried."""
        return self._unit.pin_attempts

    @property
    def centre(self) -> str:
        """The service centre's number on the SIM (+CSCA); to be set where it shall be lost or wrong."""
        return self._unit.centre

    @centre.setter
    def centre(self, number: str) -> None:
        self._unit.centre = number

    @property
    def waiting(self) -> int:
        """Messages in the network for which the SIM has no room or the modem no ear."""
        return len(self.network.waiting)

    async def wait_sent(self, match: Callable[[SentSms], bool], timeout: float) -> SentSms:  # noqa: ASYNC109 - it bounds a condition, not a call
        """The first sent message that matches, also an earlier one; TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while True:
                for sms in self.sent:
                    if match(sms):
                        return sms
                self._firmware.sent_more.clear()
                await self._firmware.sent_more.wait()

    def _hear(self, data: bytes) -> None:
        self._firmware.hear(data)


if __name__ == "__main__":
    from edge.simulator.gsm_control import main

    sys.exit(main())
