"""The keys of the office's programs: who holds one, and what it allows. The file holds hashes, never a key.

A key is 32 random bytes, so a plain SHA-256 of it is enough: there is nothing to guess by trying words.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

Scope = Literal["read", "search", "file", "close"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
MOST = 16
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1)]


@dataclass(frozen=True, slots=True)
class DeskKey:
    """A key by its hash; `scopes` is what its holder may do."""

    name: str
    digest: bytes
    scopes: frozenset[Scope]


class KeyRing:
    """The keys that are valid; the single `desk_key` ("": none) may do everything."""

    def __init__(self, desk_key: str, others: tuple[DeskKey, ...] = ()) -> None:
        single = (DeskKey("desk-key", digest(desk_key), frozenset(SCOPES)),) if desk_key else ()
        self._keys = (*single, *others)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def find(self, token: str) -> DeskKey | None:
        """The key that `token` is; every key is compared in constant time, whichever fits."""
        given = digest(token)
        found = None
        for key in self._keys:
            if hmac.compare_digest(given, key.digest):
                found = key
        return found


def digest(token: str) -> bytes:
    """The hash of a key."""
    return sha256(token.encode("utf-8", "surrogateescape")).digest()


def entry(name: str, token: str, scopes: tuple[Scope, ...]) -> str:
    """The lines of the file for a new key. ValueError for a name or scopes that cannot stand there."""
    if not _NAME.fullmatch(name) or not scopes or set(scopes) - set(SCOPES):
        raise ValueError(f"{name!r}: a key has a name of small letters, digits and hyphens, and scopes {_choice()}")
    written = ", ".join(f'"{scope}"' for scope in SCOPES if scope in scopes)
    return f'[{name}]\nsha256 = "{digest(token).hex()}"\nscopes = [{written}]\n'


def parse(text: str) -> tuple[DeskKey, ...]:
    """The keys of a file. ValueError names what is wrong, never a value of it."""
    try:
        tables = msgspec.toml.decode(text, type=dict[str, dict[str, Any]])
    except msgspec.ValidationError:
        raise ValueError("every line must stand under the [NAME] of a key") from None
    except msgspec.DecodeError as error:
        raise ValueError(f"is not TOML: {error}") from None
    if len(tables) > MOST:
        raise ValueError(f"at most {MOST} keys can stand here")
    return tuple(_read(name, table) for name, table in tables.items())


def _read(name: str, table: dict[str, Any]) -> DeskKey:
    if not _NAME.fullmatch(name):
        raise ValueError("the name of a key is made of small letters, digits and hyphens")
    try:
        of = msgspec.convert(table, _Entry)
    except msgspec.ValidationError:
        raise ValueError(f"[{name}] must hold sha256, 64 hexadecimal digits, and scopes {_choice()}") from None
    return DeskKey(name, bytes.fromhex(of.sha256), frozenset(of.scopes))


def _choice() -> str:
    return "of " + ", ".join(SCOPES)
