"""Personal data at rest: AES-256-GCM for what must be read again, a keyed hash for what must be found again.

Both keys are derived from the credential ``store-key``; the context (which row and field) is authenticated with the
text, so that a sealed value moved to another row no longer opens.
"""

from __future__ import annotations

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = b"\x01"
_NONCE = 12
_DIGEST = 16
OVERHEAD = 1 + _NONCE + 16  # version, nonce and tag


class SealBroken(Exception):
    """A sealed value does not open: another key, another row, or damaged bytes."""


class Seal:
    """Seals with a key of 32 bytes. ValueError for another length."""

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise ValueError(f"store-key is {len(key)} bytes: 32 are needed (openssl rand -base64 32)")
        self._cipher = AESGCM(hmac.digest(key, b"kampung-edge seal 1", "sha256"))
        self._look_up = hmac.digest(key, b"kampung-edge digest 1", "sha256")

    def seal(self, text: str, context: str) -> bytes:
        """A text, sealed as `seal_bytes` does."""
        return self.seal_bytes(text.encode(), context)

    def open(self, blob: bytes, context: str) -> str:
        """The text that was sealed for `context`. Raises `SealBroken`."""
        return self.open_bytes(blob, context).decode()

    def seal_bytes(self, plain: bytes, context: str) -> bytes:
        """Version byte, random 96-bit nonce, ciphertext and tag (NIST SP 800-38D): `OVERHEAD` bytes more."""
        nonce = os.urandom(_NONCE)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, context.encode())

    def open_bytes(self, blob: bytes, context: str) -> bytes:
        """The bytes that were sealed for `context`. Raises `SealBroken`."""
        if len(blob) <= 1 + _NONCE or blob[:1] != _VERSION:
            raise SealBroken(f"no sealed value for {context}")
        try:
            return self._cipher.decrypt(blob[1 : 1 + _NONCE], blob[1 + _NONCE :], context.encode())
        except InvalidTag:
            raise SealBroken(f"the sealed value for {context} does not open: wrong store-key or damaged row") from None

    def digest(self, value: str, context: str) -> bytes:
        """16 bytes that equal values share within a context and that say nothing without the key."""
        return hmac.digest(self._look_up, context.encode() + b"\x00" + value.encode(), "sha256")[:_DIGEST]

    def phone(self, number: str) -> bytes:
        """The digest of a phone number, one for every table, since what is known of a number stands in several."""
        return self.digest(number, "phone")
