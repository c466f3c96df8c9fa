"""The modems that can be played: what each says of itself, and its ways. Data; `gsm_commands` and `gsm` act on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Model:
    """A kind of modem. Times in seconds.

    `power_on`: what it says when it has started, `{pin}` being the SIM's state. `storages`: where messages may lie.
    `cmti`: how it announces one. `ussd_packed`: USSD strings are packed septets in hexadecimal, both ways.
    `chatter`: said every `chatter_s` until the command `mute`. `vendor`: its own commands and their answers.
    `restart_kills`: AT+CFUN=1,1 turns it into a disk. `freezes_after_s`: AT+CMGL hangs it so long after its start.
    `time_code`: how it tells the network's time. `access`: <AcT> of +COPS (0 GSM, 2 UMTS, 7 LTE).
    """

    manufacturer: str
    model: str
    revision: str
    power_on: tuple[str, ...] = ()
    storages: tuple[str, ...] = ("SM", "ME")
    first_index: int = 0
    cmti: str = '+CMTI: "{storage}",{index}'
    ussd_packed: bool = False
    chatter: str = ""
    chatter_s: float = 5.0
    mute: str = ""
    vendor: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    restart_kills: bool = False
    freezes_after_s: float = 0.0
    time_code: str = "+CTZE"
    access: int = 7


MODELS: Mapping[str, Model] = MappingProxyType(
    {
        "generic": Model("kampung", "simulated modem", "revision 1"),
        "huawei": Model(
            "huawei",
            "E173",
            "11.126.16.04.418",
            first_index=0,
            ussd_packed=True,
            chatter="^RSSI:18",
            mute="^CURC=0",
            vendor=MappingProxyType({"^CURC": (), "^ICCID?": ("^ICCID: 8962100000000000001F",), "^SYSINFO": ()}),
            restart_kills=True,
            freezes_after_s=1200.0,
            time_code="^NWTIME",
            access=2,
        ),
        "sim800": Model(
            "SIMCOM_Ltd",
            "SIMCOM_SIM800L",
            "Revision:1418B05SIM800L24",
            power_on=("RDY", "+CFUN: 1", "+CPIN: {pin}", "Call Ready", "SMS Ready"),
            storages=("SM", "ME"),
            first_index=1,
            time_code="*PSUTTZ",
            access=0,
        ),
        "sim7600": Model(
            "SIMCOM INCORPORATED",
            "SIMCOM_SIM7600E-H",
            "LE20B04SIM7600M22",
            power_on=("RDY", "+CPIN: {pin}", "SMS DONE", "PB DONE"),
            cmti="+CMTI: ,-1",
            time_code="+CTZV",
        ),
    }
)
