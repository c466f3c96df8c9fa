"""Pure: what +CMS and +CME errors mean (3GPP TS 27.005 clause 3.2.5, TS 27.007 clause 9.2).

A permanent error will meet the same message again; anything else, also an unknown code, may pass and is retried.
"""

from __future__ import annotations

from types import MappingProxyType

PERMANENT = MappingProxyType(
    {
        1: "unassigned number",
        8: "barred by the operator",
        10: "call barred",
        21: "short message transfer rejected",
        28: "unidentified subscriber",
        29: "facility rejected",
        30: "unknown subscriber",
        50: "facility not subscribed",
        69: "facility not implemented",
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
        304: "invalid PDU mode parameter",
        305: "invalid text mode parameter",
    }
)
TRANSIENT = MappingProxyType(
    {
        27: "destination out of service",
        38: "network out of order",
        41: "temporary failure",
        42: "congestion",
        47: "resources unavailable",
        111: "protocol error",
        192: "service centre busy",
        194: "service centre system failure",
        208: "SIM storage full",
        300: "modem failure",
        302: "operation not allowed",
        310: "SIM not inserted",
        311: "SIM PIN required",
        313: "SIM failure",
        314: "SIM busy",
        320: "memory failure",
        322: "memory full",
        330: "service centre address unknown",
        331: "no network service",
        332: "network time-out",
        500: "unknown error",
        512: "modem's own error",
        513: "modem's own error",
    }
)
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


def is_permanent(cms: int | None) -> bool:
    """Whether trying again cannot help; None is an error without a code."""
    return cms in PERMANENT


def describe(cms: int) -> str:
    """A sentence for logs and for the record of a failed message."""
    meaning = PERMANENT.get(cms) or TRANSIENT.get(cms) or "a code of this modem"
    return f"+CMS ERROR {cms}: {meaning}"
