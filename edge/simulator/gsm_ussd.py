"""The simulated operator's answers to USSD codes (TS 22.090), with menus that stay open until ended or answered."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edge.simulator import gsm_codec

_PLAIN, _ASKS, _ENDED, _UNKNOWN = 0, 1, 2, 4
_PUZZLE = "Kode tidak dikenal"
BALANCES: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "*888#": (_ASKS, "Pulsa Rp.25.500 aktif sd 21/02/2027.\n1.YA\n2.Info Kartu"),
        "*123#": (_PLAIN, "Sisa pulsa Anda Rp 12.350. Aktif s.d 03-01-27"),
    }
)


class Ussd:
    """One SIM's dialogue. `answers`: code -> (<m>, text); `asked` all that came, `answered` what went into a menu."""

    def __init__(self) -> None:
        self.answers = dict(BALANCES)
        self.asked = list[str]()
        self.answered = list[str]()
        self.open = False

    def ask(self, code: str) -> tuple[int, str]:
        """The operator's <m> and text; anything said into an open menu is an answer, and may cost money."""
        if self.open:
            self.answered.append(code)
            self.open = False
            return _PLAIN, "Terima kasih"
        self.asked.append(code)
        kind, text = self.answers.get(code, (_PLAIN, _PUZZLE))
        self.open = kind == _ASKS
        return kind, text

    def end(self) -> bool:
        """End an open menu; whether there was one."""
        was, self.open = self.open, False
        return was


def pack(text: str) -> str:
    """`text` as packed septets in hexadecimal (TS 23.038, clause 6.1.2.3.1: seven spare bits hold a CR)."""
    return gsm_codec.packed(text + "\r" * (len(text) % 8 == 7)).hex().upper()


def unpack(line: str) -> str:
    """The text of packed septets in hexadecimal; ValueError when it is none."""
    octets = bytes.fromhex(line)
    return gsm_codec.unpacked(octets, len(octets) * 8 // 7).rstrip("\r@") if octets else ""
