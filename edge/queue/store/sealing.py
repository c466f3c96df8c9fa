"""Sealing the store's key to the regency: HPKE, base mode (RFC 9180), X25519, HKDF-SHA256, AES-256-GCM.

The box holds the public key only, so it can seal and never open. The regency keeps the private one off the boxes::

    openssl genpkey -algorithm x25519 -out regency.pem
    openssl pkey -in regency.pem -pubout -out regency-public.pem
"""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

PublicKey = X25519PublicKey
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_INFO = "kampung-edge store-key 1 "
_MOST_BYTES = 10_000


class BadKey(Exception):
    """A key file that cannot be used, or a seal that it does not open; the message names the file and the remedy."""


def public_key(file: Path) -> X25519PublicKey:
    """The regency's public key from a PEM file. Raises `BadKey` and OSError."""
    try:
        key = load_pem_public_key(_read(file))
    except ValueError:
        key = None
    if not isinstance(key, X25519PublicKey):
        raise BadKey(f"{file} is no public X25519 key in PEM: openssl pkey -in regency.pem -pubout -out {file.name}")
    return key


def private_key(file: Path) -> X25519PrivateKey:
    """The regency's private key from a PEM file without a passphrase. Raises `BadKey` and OSError."""
    try:
        key = load_pem_private_key(_read(file), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, X25519PrivateKey):
        raise BadKey(f"{file} is no private X25519 key in PEM without a passphrase: give the regency's own")
    return key


def seal(secret: bytes, to: X25519PublicKey, *, about: str) -> bytes:
    """`secret` for the holder of the private key; `about` is authenticated with it."""
    return _SUITE.encrypt(secret, to, (_INFO + about).encode())


def unseal(sealed: bytes, key: X25519PrivateKey, *, about: str) -> bytes:
    """What was sealed. Raises `BadKey` when it was sealed to another key or about something else."""
    try:
        return _SUITE.decrypt(sealed, key, (_INFO + about).encode())
    except (InvalidTag, ValueError):
        raise BadKey("this private key does not open the backup: it was sealed to another one, or is damaged") from None


def _read(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(_MOST_BYTES)
