"""Pure: what is particular about each kind of modem, as data.

A new quirk is a field here, a new modem a row. The first row whose patterns both match what AT+CGMI and AT+CGMM answer
counts; the last matches everything. Each field's default is what 3GPP TS 27.005 and TS 27.007 ask of any modem.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge.modem.conversation.ladder import Rung


@dataclass(frozen=True, slots=True)
class Model:
    """One kind of modem; `maker` and `model` are patterns, searched without regard to case.

    `radio_restart`: AT+CFUN=0, then 1, is harmless. `restart`: the command that restarts it, "" where there is none
    (AT+CFUN=1,1 turns an E173 into a disk); `restart_s`: how long it is away then. `settings`: its own commands, given
    once at start, whose refusal does not matter. `storages`: where messages shall lie, best first. `reports_apart`:
    status reports come announced into the storage "SR" even where the modem offers to bring them. `ussd_packed`: USSD
    strings are packed septets in hexadecimal. `slow_s`: the longest that one of its cheap answers takes.
    """

    name: str
    maker: str = ""
    model: str = ""
    radio_restart: bool = True
    restart: str = ""
    restart_s: float = 30.0
    settings: tuple[str, ...] = ()
    storages: tuple[str, ...] = ("SM", "ME", "MT")
    reports_apart: bool = False
    ussd_packed: bool = False
    slow_s: float = 5.0

    @property
    def abilities(self) -> frozenset[Rung]:
        """The rungs of the reset ladder that the session can perform on it."""
        found: set[Rung] = set()
        if self.radio_restart:
            found.add("cfun")
        if self.restart:
            found.add("model-reset")
        return frozenset(found)


GENERIC = Model("generic")

MODELS = (
    Model(
        "huawei-stick",  # E1xx, E3xx, K3xxx: Qualcomm sticks; ^RSSI, ^BOOT and their like come unasked
        maker="huawei",
        model=r"^(E1|E2|E3|K3|K4|MG|EM)",
        settings=("AT^CURC=0",),
        ussd_packed=True,
        slow_s=8.0,
    ),
    Model("huawei", maker="huawei", settings=("AT^CURC=0",), slow_s=8.0),
    Model(
        "sim800",  # also SIM800L, SIM808, SIM900; the network's time comes as *PSUTTZ
        maker="simcom",
        model=r"SIM_?[89]\d\d",
        restart="AT+CFUN=1,1",
        restart_s=20.0,
        settings=("AT+CLTS=1",),
    ),
    Model(
        "sim7600",  # +CMTI: ,-1; "SM" is slow and small
        maker="simcom",
        model=r"(SIM_?7|SIM_?A?76|A76)",
        restart="AT+CFUN=1,1",
        restart_s=40.0,
        storages=("ME", "SM", "MT"),
    ),
    Model(
        "quectel",
        maker="quectel",
        model=r"^(E[CGPM]\d|BG|UC|RM)",
        restart="AT+CFUN=1,1",
        restart_s=40.0,
        settings=('AT+QURCCFG="urcport","usbat"',),
        storages=("ME", "SM", "MT"),
    ),
    Model("quectel-2g", maker="quectel", restart="AT+CFUN=1,1", restart_s=20.0, settings=("AT+QNITZ=1",)),
    Model(
        "zte",  # MF sticks: AT+CFUN=0 makes some forget their way back; ^ and + chatter is muted by AT+ZURC
        maker="zte",
        radio_restart=False,
        restart="AT+ZRST",
        settings=("AT+ZOPRT=5",),
        slow_s=8.0,
    ),
    Model("wavecom", maker="wavecom|sierra", restart="AT+CFUN=1", settings=("AT+CSMS=0",)),
    Model(
        "siemens",
        maker="siemens|cinterion|telit cinterion",
        restart="AT+CFUN=1,1",
        settings=("AT+CSMS=0",),
    ),
    Model("telit", maker="telit", restart="AT#REBOOT", restart_s=40.0, settings=("AT+CSMS=0",)),
    GENERIC,
)


def find(manufacturer: str, model: str) -> Model:
    """The row for what a modem says of itself."""
    for row in MODELS:
        if re.search(row.maker, manufacturer, re.IGNORECASE) and re.search(row.model, model, re.IGNORECASE):
            return row
    return GENERIC


def named(name: str) -> Model:
    """The row of that name, as `outcomes.Identified.quirks` tells it; `GENERIC` for a name unknown."""
    return next((row for row in MODELS if row.name == name), GENERIC)
