"""Pure: other people's numbers and words in place of the real ones, in what goes over a modem's line.

Everything keeps its length and its shape, so that a masked recording can be replayed: a PDU stays a PDU with the same
headers, coding and time stamps (3GPP TS 23.040), a number has as many digits and the same number is replaced alike
everywhere, national or international; letters become letters, digits digits. What looks like a PDU and is none (noise,
a cut line) keeps only that it is hexadecimal. Left as they are: service centres, numbers of up to five digits, senders
with names, and the words of USSD answers, in which only long numbers are replaced.
"""

from __future__ import annotations

import re
from hashlib import blake2b

from edge.modem import gsm7
from edge.modem.codec.coding import read_coding
from edge.modem.codec.fields import PduError, Reader

SHORT_NUMBER = 5
_IDENTITY_DIGITS, _KEPT_DIGITS = 14, 5
_LONG_NUMBER = re.compile(r"(?<!\d)\d{8,}")
_WRITTEN_APART = re.compile(r"(?<!\d)(?:\+?62|0)[ .-]?8\d(?:[ .-]?\d){6,12}(?!\d)")
_MONEY = re.compile(r"Rp\.?\s*$", re.IGNORECASE)
_HEX_RUN = re.compile(r"[0-9A-Fa-f]{16,}")
_MOST_IDENTITY_DIGITS = 22
_MOSTLY_HEX = 0.8
_SECRET = re.compile(r"(?:C?PIN2?|CLCK|C?PWD) *=", re.IGNORECASE)
_CENTRE = re.compile(r"(?:AT)?\+CSCA[:=]", re.IGNORECASE)
_NAMED = re.compile(r"\+(?:CLIP|CCWA|CRING|CPBR|CPBF|CMGL|CMGR|CMT|CDS|CNUM):")
_STATUS = re.compile(r"REC (?:UN)?READ|STO (?:UN)?SENT|ALL")
_TEXT_MODE = re.compile(r"\+(?:CMGL|CMGR|CMT|CDS):.*\".*\".*\"")
_HEADER = re.compile(r"[+^*%$#_][A-Z][A-Z0-9]+(?:[:=?]|$)|\+CM[ES] ERROR|OK$|ERROR$|AT(?:[+^*%$#&]|[EIQVZ]?\d*$)")
_USSD = re.compile(r"(\+CUSD: ?\d,\"|AT\+CUSD=\d,\"?)([^\"]*)(.*)", re.DOTALL)
_HEX_DIGITS = frozenset("0123456789ABCDEFabcdef")
_UCS2_DCS = 0x48
_VALIDITY_OCTETS = (0, 7, 1, 7)


class Mask:
    """Replaces by a secret `key`, another for each recording; lines are given in the order in which they came."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._text_follows = self._ussd_open = False

    def line(self, line: str) -> str:
        """`line` without its end, either way of the wire, and as long as before."""
        self._ussd_open = self._ussd_open and not (_HEADER.match(line) or _is_hexadecimal(line))
        if self._ussd_open:
            self._ussd_open = '"' not in line
            return self.numbers(line)
        if self._text_follows and not _HEADER.match(line):
            return self.text(line)
        self._text_follows = bool(_TEXT_MODE.match(line))
        if _SECRET.search(line):
            return re.sub(r"\d", "0", line)
        if _CENTRE.match(line):
            return line
        if found := _USSD.match(line):
            self._ussd_open = line.startswith("+") and line.count('"') == 1
            return found[1] + self._ussd(found[2], found[3]) + found[3]
        if _is_hexadecimal(line):
            return self._digits_or_pdu(line)
        if _NAMED.match(line):
            line = re.sub(r'"([^"]*)"', lambda quoted: f'"{self._named(quoted[1])}"', line)
        return self.numbers(_HEX_RUN.sub(lambda run: self._digits_or_pdu(run[0]), line))

    def number(self, digits: str) -> str:
        """Another number. The country code and the first national digit stay, so that 08… and 628… still agree; of
        what is longer than any phone's number (IMEI, IMSI, ICCID) the maker's or the operator's part does."""
        prefix = next((code for code in ("62", "0") if digits.startswith(code)), "")
        kept = len(prefix) + 1 if len(digits) < _IDENTITY_DIGITS else _KEPT_DIGITS
        fresh = self._stream(b"number" + digits[len(prefix) :].encode(), len(digits))
        return digits[:kept] + "".join(str(octet % 10) for octet in fresh[: len(digits) - kept])

    def numbers(self, text: str) -> str:
        """`text` with every number of eight digits or more replaced, but for sums of money; a phone's also where it is
        written in groups."""

        def apart(found: re.Match[str]) -> str:
            fresh = iter(self.number(re.sub(r"\D", "", found[0])))
            return re.sub(r"\d", lambda _digit: next(fresh), found[0])

        def other(found: re.Match[str]) -> str:
            return found[0] if _MONEY.search(text[: found.start()]) else self.number(found[0])

        return _WRITTEN_APART.sub(apart, _LONG_NUMBER.sub(other, text))

    def text(self, text: str) -> str:
        """Other words: letters for letters and digits for digits, the same text always alike."""
        fresh = self._stream(b"text" + text.encode("utf-8", "surrogatepass"), len(text))
        return "".join(_other(character, octet) for character, octet in zip(text, fresh, strict=True))

    def pdu(self, line: str) -> str:
        """A PDU with another number and another text; ValueError where it is none."""
        octets = bytearray(bytes.fromhex(line))
        try:
            self._mask_tpdu(octets)
        except (PduError, IndexError) as error:
            raise ValueError(str(error)) from error
        return octets.hex().upper() if line.upper() == line else octets.hex()

    # --- lines

    def _named(self, quoted: str) -> str:
        return quoted if re.search(r"\d{3}|[/:]", quoted) or _STATUS.fullmatch(quoted) else self.text(quoted)

    def _digits_or_pdu(self, line: str) -> str:
        if line.isdigit() and len(line) <= _MOST_IDENTITY_DIGITS and not line.startswith("0"):
            return self.number(line)
        try:
            return self.pdu(line)
        except ValueError:
            fresh = zip(line, self._stream(b"rubbish" + line.encode(), len(line)), strict=True)
            return "".join(f"{octet & 15:X}" if character in _HEX_DIGITS else character for character, octet in fresh)

    def _ussd(self, content: str, rest: str) -> str:
        if len(content) < 16 or len(content) % 2 or not _HEX_RUN.fullmatch(content):
            return self.numbers(content)
        octets = bytes.fromhex(content)
        coding = re.search(r"(\d{1,3})\s*$", rest)
        if coding and int(coding[1]) == _UCS2_DCS and len(octets) % 2 == 0:
            text = octets.decode("utf-16-be", "surrogatepass")
            return self.numbers(text).encode("utf-16-be", "surrogatepass").hex().upper()
        septets = gsm7.unpack(octets, len(octets) * 8 // 7)
        masked = self.numbers(septets.decode("ascii")).encode("ascii")
        return gsm7.pack(masked).ljust(len(octets), b"\0")[: len(octets)].hex().upper()

    # --- PDUs

    def _mask_tpdu(self, octets: bytearray) -> None:
        reader = Reader(bytes(octets))
        reader.take(reader.octet("service centre"), "service centre")
        first = reader.octet("first octet")
        kind = first & 3
        if kind:
            reader.octet("reference")
        self._mask_address(octets, reader)
        if kind == 2:
            reader.take(15, "time stamps and status")
            if reader.left and any(octet != 0xFF for octet in reader.rest()[:1]):
                raise PduError("a report with a text")
            return
        reader.octet("protocol")
        alphabet = read_coding(reader.octet("data coding")).alphabet
        reader.take(7 if kind == 0 else _VALIDITY_OCTETS[(first >> 3) & 3], "time")
        length = reader.octet("user data length")
        start = len(octets) - reader.left
        if reader.left != ((length * 7 + 7) // 8 if alphabet == "gsm7" else length):
            raise PduError("user data of another length")
        header = octets[start] + 1 if first & 0x40 else 0
        octets[start + header :] = self._user_data(bytes(octets[start + header :]), alphabet, length, header)

    def _mask_address(self, octets: bytearray, reader: Reader) -> None:
        count, kind = reader.octet("address"), reader.octet("address")
        start = len(octets) - reader.left
        field = reader.take((count + 1) // 2, "address")
        if kind & 0x70 == 0x50:
            return
        halves = [half for octet in field for half in (octet & 15, octet >> 4)]
        # Beside digits there may be * and #, and a filler that some modems count: they stay where they are.
        digits = "".join(str(half) for half in halves[:count] if half < 10)
        if len(digits) <= SHORT_NUMBER:
            return
        other = iter(self.number(digits))
        fresh = [int(next(other)) if half < 10 else half for half in halves[:count]] + halves[count:]
        octets[start : start + len(field)] = bytes(
            low | high << 4 for low, high in zip(fresh[::2], fresh[1::2], strict=True)
        )

    def _user_data(self, octets: bytes, alphabet: str, length: int, header: int) -> bytes:
        if alphabet == "ucs2" and len(octets) % 2 == 0:
            units = "".join(chr(high << 8 | low) for high, low in zip(octets[::2], octets[1::2], strict=True))
            return b"".join(ord(unit).to_bytes(2, "big") for unit in self.text(units))
        if alphabet != "gsm7":
            return self._stream(b"data" + octets, len(octets))
        skipped = (header * 8 + 6) // 7
        fill = skipped * 7 - header * 8
        septets = gsm7.unpack(octets, length - skipped, fill=fill)
        fresh = self._stream(b"text" + septets, len(septets))
        escaped = b"\0" + septets
        other = bytes(
            septet if escaped[place] == gsm7.ESCAPE else _other_septet(septet, octet)
            for place, (septet, octet) in enumerate(zip(septets, fresh, strict=True))
        )
        return gsm7.pack(other, fill=fill).ljust(len(octets), b"\0")

    def _stream(self, seed: bytes, count: int) -> bytes:
        """`count` octets that depend on the key and on `seed` alone."""
        blocks = (
            blake2b(block.to_bytes(4, "big") + seed, key=self._key, digest_size=64).digest()
            for block in range(-(-count // 64))
        )
        return b"".join(blocks)[:count]


def _is_hexadecimal(line: str) -> bool:
    digits = sum(character in _HEX_DIGITS for character in line)
    return len(line) >= 16 and digits >= _MOSTLY_HEX * len(line) and not line.startswith(("+", "^", "AT"))


def _other(character: str, octet: int) -> str:
    if character.isdigit():
        return str(octet % 10)
    if not character.isalpha():
        return character
    return chr((65 if character.isupper() else 97) + octet % 26)


def _other_septet(septet: int, octet: int) -> int:
    character = gsm7.DEFAULT[septet]
    if character.isdigit():
        return 0x30 + octet % 10
    if not character.isalpha():
        return septet
    return (0x41 if character.isupper() else 0x61) + octet % 26
