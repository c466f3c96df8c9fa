"""Pure: the numbers behind verbose error texts, which AT+CMEE=2 and some modems by themselves send.

CME: 3GPP TS 27.007 clause 9.2. CMS: TS 27.005 clause 3.2.5 and, below 128, the causes of TS 24.011 annex E. Texts are
compared without case, punctuation and the ``(U)`` before SIM, in which releases and makers differ.
"""

from __future__ import annotations

import re
from types import MappingProxyType

_CME = {
    0: "phone failure",
    1: "no connection to phone",
    2: "phone-adaptor link reserved",
    3: "operation not allowed",
    4: "operation not supported",
    5: "PH-SIM PIN required",
    6: "PH-FSIM PIN required",
    7: "PH-FSIM PUK required",
    10: "SIM not inserted",
    11: "SIM PIN required",
    12: "SIM PUK required",
    13: "SIM failure",
    14: "SIM busy",
    15: "SIM wrong",
    16: "incorrect password",
    17: "SIM PIN2 required",
    18: "SIM PUK2 required",
    20: "memory full",
    21: "invalid index",
    22: "not found",
    23: "memory failure",
    24: "text string too long",
    25: "invalid characters in text string",
    26: "dial string too long",
    27: "invalid characters in dial string",
    30: "no network service",
    31: "network timeout",
    32: "network not allowed - emergency calls only",
    40: "network personalization PIN required",
    41: "network personalization PUK required",
    42: "network subset personalization PIN required",
    43: "network subset personalization PUK required",
    44: "service provider personalization PIN required",
    45: "service provider personalization PUK required",
    46: "corporate personalization PIN required",
    47: "corporate personalization PUK required",
    48: "hidden key required",
    49: "EAP method not supported",
    50: "incorrect parameters",
    51: "command implemented but currently disabled",
    52: "command aborted by user",
    53: "not attached to network due to MT functionality restrictions",
    54: "modem not allowed - MT restricted to emergency calls only",
    55: "operation not allowed because of MT functionality restrictions",
    100: "unknown",
}
_CMS = {
    1: "unassigned (unallocated) number",
    8: "operator determined barring",
    10: "call barred",
    21: "short message transfer rejected",
    27: "destination out of service",
    28: "unidentified subscriber",
    29: "facility rejected",
    30: "unknown subscriber",
    38: "network out of order",
    41: "temporary failure",
    42: "congestion",
    47: "resources unavailable, unspecified",
    50: "requested facility not subscribed",
    69: "requested facility not implemented",
    81: "invalid short message transfer reference value",
    95: "invalid message, unspecified",
    96: "invalid mandatory information",
    97: "message type non-existent or not implemented",
    98: "message not compatible with short message protocol state",
    99: "information element non-existent or not implemented",
    111: "protocol error, unspecified",
    127: "interworking, unspecified",
    300: "ME failure",
    301: "SMS service of ME reserved",
    302: "operation not allowed",
    303: "operation not supported",
    304: "invalid PDU mode parameter",
    305: "invalid text mode parameter",
    310: "SIM not inserted",
    311: "SIM PIN required",
    312: "PH-SIM PIN required",
    313: "SIM failure",
    314: "SIM busy",
    315: "SIM wrong",
    316: "SIM PUK required",
    317: "SIM PIN2 required",
    318: "SIM PUK2 required",
    320: "memory failure",
    321: "invalid memory index",
    322: "memory full",
    330: "SMSC address unknown",
    331: "no network service",
    332: "network timeout",
    340: "no +CNMA acknowledgement expected",
    500: "unknown error",
}
_ERROR = re.compile(r"\+CM([ES]) ERROR: *(.*)")
_NUMBER = re.compile(r"\d{1,4}")


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", text.casefold().replace("(u)sim", "sim").replace("usim", "sim"))


_NUMBERS = MappingProxyType(
    {
        "CME": {_plain(text): number for number, text in _CME.items()},
        "CMS": {_plain(text): number for number, text in _CMS.items()},
    }
)


def number_of(final: str, kind: str) -> int | None:
    """The number of the final result code `final` where it is an error of `kind` ("CME" or "CMS"), else None.

    A text that the standard does not name has no number either.
    """
    found = _ERROR.fullmatch(final)
    if found is None or f"CM{found[1]}" != kind:
        return None
    if _NUMBER.fullmatch(found[2]):
        return int(found[2])
    return _NUMBERS[kind].get(_plain(found[2]))
