"""The store-key sealed to the regency: only its holder opens it, only as what it was sealed."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from edge.queue.store import sealing
from edge.queue.store.sealing import BadKey

SECRET = bytes(range(32))


def private_pem(key: X25519PrivateKey | Ed25519PrivateKey, passphrase: bytes = b"") -> bytes:
    how = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


def public_pem(key: X25519PrivateKey | Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_the_holder_opens_it(tmp_path: Path) -> None:
    """A backup that the regency cannot open is none."""
    key = X25519PrivateKey.generate()
    (tmp_path / "private.pem").write_bytes(private_pem(key))
    (tmp_path / "public.pem").write_bytes(public_pem(key))
    sealed = sealing.seal(SECRET, sealing.public_key(tmp_path / "public.pem"), about="3510052001 box")
    assert SECRET not in sealed
    assert sealing.unseal(sealed, sealing.private_key(tmp_path / "private.pem"), about="3510052001 box") == SECRET


def test_nobody_else_and_nothing_else_opens_it() -> None:
    """A key opens in another village's name, after somebody changed it, or with any private key."""
    key = X25519PrivateKey.generate()
    sealed = sealing.seal(SECRET, key.public_key(), about="3510052001 box")
    flipped = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for wrong, by, about in (
        (sealed, X25519PrivateKey.generate(), "3510052001 box"),
        (sealed, key, "3510052002 box"),
        (flipped, key, "3510052001 box"),
        (sealed[:20], key, "3510052001 box"),
        (b"", key, "3510052001 box"),
    ):
        with pytest.raises(BadKey, match="does not open the backup"):
            sealing.unseal(wrong, by, about=about)


@pytest.mark.parametrize(
    "content",
    [b"", b"no key", b"\xff" * 50, private_pem(X25519PrivateKey.generate()), public_pem(Ed25519PrivateKey.generate())],
    ids=["empty", "text", "bytes", "the private one", "another kind"],
)
def test_what_is_no_public_key_is_said(tmp_path: Path, content: bytes) -> None:
    """The wrong file is found out on the day when the backup is needed."""
    (tmp_path / "key.pem").write_bytes(content)
    with pytest.raises(BadKey, match=f"{tmp_path / 'key.pem'} is no public X25519 key in PEM: openssl"):
        sealing.public_key(tmp_path / "key.pem")


@pytest.mark.parametrize(
    "content",
    [
        b"no key",
        private_pem(X25519PrivateKey.generate(), b"secret"),
        public_pem(X25519PrivateKey.generate()),
        private_pem(Ed25519PrivateKey.generate()),
    ],
    ids=["text", "with a passphrase", "the public one", "another kind"],
)
def test_what_is_no_private_key_is_said(tmp_path: Path, content: bytes) -> None:
    """The regency's officer sees a trace of calls, and not that the key needs its passphrase taken off."""
    (tmp_path / "key.pem").write_bytes(content)
    with pytest.raises(BadKey, match="is no private X25519 key in PEM without a passphrase"):
        sealing.private_key(tmp_path / "key.pem")
