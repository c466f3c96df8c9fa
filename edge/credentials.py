"""Secrets come as files from the service manager (systemd LoadCredential), never from the configuration."""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass, field
from pathlib import Path

KEY_BYTES = 32


class CredentialError(Exception):
    """A secret that must be there is missing or malformed; the text says which and the remedy."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The box's secrets. An empty one was not given; its part says so by itself."""

    store_key: bytes = field(repr=False)
    desk_key: str = field(default="", repr=False)
    portal_key: str = field(default="", repr=False)
    sim_pin: str = field(default="", repr=False)


def read(directory: Path | None = None) -> Credentials:
    """Read the credentials from `directory`, by default $CREDENTIALS_DIRECTORY.

    Raises `CredentialError` when the directory or ``store-key`` (32 bytes in base64) is missing or wrong.
    """
    given = directory or Path(os.environ.get("CREDENTIALS_DIRECTORY", ""))
    if not given.is_absolute():
        raise CredentialError(
            "no credentials: start by systemd, or make them with `kampung-edge keys DIRECTORY` "
            "and set CREDENTIALS_DIRECTORY=DIRECTORY"
        )
    return Credentials(_store_key(given), *(_text(given / name) for name in ("desk-key", "portal-key", "sim-pin")))


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialError(f"{path}: cannot be read as text ({error})") from error


def _store_key(directory: Path) -> bytes:
    path = directory / "store-key"
    text = _text(path)
    if not text:
        raise CredentialError(f"{path}: missing; make it with `kampung-edge keys {directory}`")
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise CredentialError(f"{path}: not {KEY_BYTES} bytes in base64; restore the right key from the backup")
    return key
