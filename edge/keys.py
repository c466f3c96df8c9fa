"""Makes the secrets the service manager hands to the daemon (systemd.exec(5), LoadCredential=)."""

from __future__ import annotations

import base64
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from edge import desk_keys, durable

_MOST_BYTES = 4096
_STDIN = Path("-")


class BadSecret(ValueError):
    """A given secret cannot be used; the text says why and never holds the secret."""


def make(directory: Path, given: Mapping[str, str], *, only_given: bool = False) -> dict[str, str]:
    """Write what is missing in `directory`, mode 0600; returns what became of each file: made, kept or missing.

    `only_given` makes no new secret beside the given ones. An existing file is never written over: a new store-key
    would make the store unreadable. Raises OSError.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = {
        "desk-key": secrets.token_urlsafe(32),
        "store-key": base64.b64encode(secrets.token_bytes(32)).decode(),
        "portal-key": "",
    }
    done = {}
    for name, text in {**({} if only_given else fresh), **given}.items():
        if (directory / name).exists():
            done[name] = "kept"
        else:
            done[name] = _write(directory / name, text) if text else "missing"
    return done


def grant(directory: Path, name: str, scopes: tuple[desk_keys.Scope, ...]) -> str:
    """Add a key for a program of the office to ``desk-keys``, which keeps its hash only, and return the key.

    Raises `BadSecret` for a name that is taken or unfit, too many keys, a file that cannot be read; OSError.
    """
    path = directory / "desk-keys"
    token = secrets.token_urlsafe(32)
    before = path.read_text() if path.exists() else ""
    try:
        added = before + ("" if not before or before.endswith("\n") else "\n") + desk_keys.entry(name, token, scopes)
        if any(key.name == name for key in desk_keys.parse(before)):
            raise ValueError(f"has a key {name} already: choose another name, or remove its lines")
        desk_keys.parse(added)
    except ValueError as error:
        raise BadSecret(f"{path}: {error}") from None
    durable.write_bytes(path, added.encode())
    return token


def read_given(file: Path) -> str:
    """A secret from `file`, or from standard input for ``-``. Raises OSError and `BadSecret`."""
    if file == _STDIN:
        raw = sys.stdin.buffer.read(_MOST_BYTES + 1)
    else:
        with file.open("rb") as stream:
            raw = stream.read(_MOST_BYTES + 1)
    try:
        text = clean(raw.decode("ascii"))
    except UnicodeDecodeError:
        text = ""
    if not text:
        raise BadSecret(f"{file}: holds no key; give one line of printable ASCII")
    return text


def clean(text: str) -> str:
    """The secret without its line's end. Raises `BadSecret` when it is more than one printable line."""
    text = text.strip()
    if len(text) > _MOST_BYTES or not text.isascii() or not all(char.isprintable() for char in text):
        raise BadSecret(f"this is no key; give one line of printable ASCII of at most {_MOST_BYTES} characters")
    return text


def _write(path: Path, text: str) -> str:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(file, "w") as stream:
            stream.write(text + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        path.hardlink_to(draft)  # unlike a rename, it never replaces a file that appeared meanwhile
    finally:
        draft.unlink()
    return "made"
