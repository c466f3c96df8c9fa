"""Secrets come as files from the service manager (systemd LoadCredential), never from the configuration."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge.desk_keys import DeskKey, parse

KEY_BYTES = 32
DEVICE_PREFIX = "snmp-"
_MOST_DEVICES = 32
_MOST_BYTES = 4096


class CredentialError(Exception):
    """A secret that must be there is missing or malformed; the text says which and the remedy."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The box's secrets. An empty one was not given; its part says so by itself. `snmp` are the devices', by name.

    `portal_client_key` is the path of the PEM file: TLS libraries read a private key from a file only.
    """

    store_key: bytes = field(repr=False)
    desk_key: str = field(default="", repr=False)
    portal_key: str = field(default="", repr=False)
    portal_client_key: str = ""
    sim_pin: str = field(default="", repr=False)
    snmp: Mapping[str, str] = field(default_factory=dict, repr=False)
    desk_keys: tuple[DeskKey, ...] = field(default=(), repr=False)


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
    desk_key, portal_key, sim_pin = (_text(given / name) for name in ("desk-key", "portal-key", "sim-pin"))
    client_key = given / "portal-client-key"
    path = str(client_key) if _text(client_key) else ""
    return Credentials(_store_key(given), desk_key, portal_key, path, sim_pin, _devices(given), _desk_keys(given))


def _desk_keys(directory: Path) -> tuple[DeskKey, ...]:
    path = directory / "desk-keys"
    try:
        return parse(_text(path))
    except ValueError as error:
        raise CredentialError(f"{path}: {error}; write it with `kampung-edge keys {directory} --desk NAME`") from None


def _devices(directory: Path) -> dict[str, str]:
    files = sorted(directory.glob(f"{DEVICE_PREFIX}*"))[:_MOST_DEVICES]
    return {path.name.removeprefix(DEVICE_PREFIX): _text(path) for path in files if path.is_file()}


def _text(path: Path) -> str:
    try:
        with path.open() as file:
            text = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialError(f"{path}: cannot be read as text ({error})") from error
    if len(text) > _MOST_BYTES:
        raise CredentialError(
            f"{path}: over {_MOST_BYTES} characters, which no secret here is; put the right file there"
        )
    return text.strip()


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
