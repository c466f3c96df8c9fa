"""Pure: what +CMS and +CME errors mean (3GPP TS 27.005 clause 3.2.5, TS 24.011 annex E, TS 27.007 clause 9.2).

Each +CMS code belongs to a `Fault`, which says whom it concerns and so what helps. No code says "no credit": networks
use several refusals for it, so `refused` and `barred` are a suspicion that the next messages confirm or take back.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

Fault = Literal["recipient", "format", "away", "refused", "barred", "duplicate", "network", "modem"]
"""recipient: this message will never pass, others may. format: the modem could not read it, which noise on its line
does too. away: this recipient cannot take it now. refused: the network takes nothing for this number, or from this SIM
(credit). barred: the operator bars the number, or the SIM. duplicate: the service centre has it already (TP-RD).
network, modem: nothing passes for the moment, whoever it is for.
"""

RECIPIENT = MappingProxyType(
    {
        1: "unassigned number",
        28: "unidentified subscriber",
        81: "invalid reference",
        95: "invalid message",
        96: "invalid mandatory information",
        97: "message type not implemented",
        99: "information element not implemented",
        128: "telematic interworking not supported",
        129: "short message type 0 not supported",
        130: "short message cannot be replaced",
        143: "protocol identifier error",
        144: "data coding not supported",
        145: "message class not supported",
        159: "data coding error",
        175: "TPDU error",
        176: "TPDU not supported",
        195: "invalid recipient address",
        198: "validity period not supported",
    }
)
FORMAT = MappingProxyType({304: "invalid PDU mode parameter", 305: "invalid text mode parameter"})
AWAY = MappingProxyType(
    {22: "recipient's memory is full", 27: "destination out of service", 208: "recipient's SIM storage full"}
)
REFUSED = MappingProxyType(
    {
        21: "short message transfer rejected",
        29: "facility rejected",
        30: "unknown subscriber",
        50: "facility not subscribed",
        69: "facility not implemented",
    }
)
BARRED = MappingProxyType({8: "barred by the operator", 10: "call barred"})
DUPLICATE = MappingProxyType({197: "the service centre has this message already"})
NETWORK = MappingProxyType(
    {
        17: "network failure",
        38: "network out of order",
        41: "temporary failure",
        42: "congestion",
        47: "resources unavailable",
        111: "protocol error",
        192: "service centre busy",
        194: "service centre system failure",
        331: "no network service",
        332: "network time-out",
        500: "unknown error",
        513: "no answer from the network, as some modems tell it",
    }
)
MODEM = MappingProxyType(
    {
        300: "modem failure",
        301: "SMS service reserved",
        302: "operation not allowed",
        303: "operation not supported",
        310: "SIM not inserted",
        311: "SIM PIN required",
        313: "SIM failure",
        314: "SIM busy",
        315: "SIM wrong",
        320: "memory failure",
        321: "invalid memory index",
        322: "memory full",
        330: "service centre address unknown",
        512: "modem's own error",
    }
)
_BY_FAULT: tuple[tuple[Fault, MappingProxyType[int, str]], ...] = (
    ("recipient", RECIPIENT),
    ("format", FORMAT),
    ("away", AWAY),
    ("refused", REFUSED),
    ("barred", BARRED),
    ("duplicate", DUPLICATE),
    ("network", NETWORK),
    ("modem", MODEM),
)
_FAULTS = MappingProxyType({code: fault for fault, codes in _BY_FAULT for code in codes})
_MEANINGS = MappingProxyType({code: meaning for _, codes in _BY_FAULT for code, meaning in codes.items()})

SIM_PIN_REQUIRED = 11
SIM_FAULTS = MappingProxyType(
    {
        10: "SIM not inserted",
        11: "SIM PIN required",
        12: "SIM PUK required",
        13: "SIM failure",
        15: "wrong SIM",
        16: "incorrect PIN",
        17: "SIM PIN2 required",
        18: "SIM PUK2 required",
    }
)


def fault(cms: int | None) -> Fault:
    """Whom an error concerns; an unknown code is the network's, an error without a code the modem's."""
    return "modem" if cms is None else _FAULTS.get(cms, "network")


def is_permanent(cms: int | None) -> bool:
    """Whether another try of the same message cannot help; None is an error without a code."""
    return cms in RECIPIENT


def describe(cms: int) -> str:
    """A sentence for logs and for the record of a failed message."""
    return f"+CMS ERROR {cms}: {_MEANINGS.get(cms, 'a code of this modem')}"
