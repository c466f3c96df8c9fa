"""Pure: reads the credential ``snmp-NAME``: a community (v2c), or a user with two pass phrases (v3 authPriv).

The v3 file has one setting a line, in any order::

    user=edge
    auth=a pass phrase of eight characters or more
    priv=another one
    auth_protocol=SHA-256
    priv_protocol=AES

The protocols may be left out: SHA (RFC 3414) and AES (RFC 3826) are what the most devices speak. MD5 and DES are
refused. No message here repeats a secret.
"""

from __future__ import annotations

from dataclasses import dataclass, field

AUTH_PROTOCOLS = ("SHA", "SHA-224", "SHA-256", "SHA-384", "SHA-512")
PRIV_PROTOCOLS = ("AES", "AES-192", "AES-256")
LEAST_PASSPHRASE = 8  # RFC 3414, section 11.2
MOST_CHARACTERS = 255
_KEYS = ("user", "auth", "priv", "auth_protocol", "priv_protocol")
_MOST_USER = 32  # RFC 3414, usmUserName


class BadSecret(ValueError):
    """The credential cannot be used; the text says why and the remedy."""


@dataclass(frozen=True, slots=True)
class Community:
    """A v2c community. It crosses the wire in the clear."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class User:
    """A v3 user of security level authPriv; the protocols are among AUTH_PROTOCOLS and PRIV_PROTOCOLS."""

    name: str = field(repr=False)
    auth: str = field(repr=False)
    priv: str = field(repr=False)
    auth_protocol: str = "SHA"
    priv_protocol: str = "AES"


Secret = Community | User


def parse(text: str, version: str) -> Secret:
    """The secret in a credential's text; `version` is "2c" or "3". Raises `BadSecret`."""
    text = text.strip()
    if not text:
        raise BadSecret("is missing or empty; write it (docs/devices.md)")
    if not text.isascii() or len(text) > len(_KEYS) * MOST_CHARACTERS:
        raise BadSecret(f"is not ASCII text of at most {MOST_CHARACTERS} characters a line")
    return _community(text) if version == "2c" else _user(text)


def _community(text: str) -> Community:
    if not text.isprintable() or len(text) > MOST_CHARACTERS:
        raise BadSecret("is more than one line; version 2c wants the community alone")
    return Community(text)


def _user(text: str) -> User:
    given = _settings(text)
    for key in ("user", "auth", "priv"):
        if not given.get(key):
            raise BadSecret(f"has no line {key}=; version 3 wants user=, auth= and priv=")
    for key in ("auth", "priv"):
        if len(given[key]) < LEAST_PASSPHRASE:
            raise BadSecret(f"has a pass phrase {key}= of under {LEAST_PASSPHRASE} characters; give a longer one")
    if len(given["user"]) > _MOST_USER:
        raise BadSecret(f"has a user= of over {_MOST_USER} characters; correct it")
    return User(
        given["user"],
        given["auth"],
        given["priv"],
        _choice(given, "auth_protocol", AUTH_PROTOCOLS),
        _choice(given, "priv_protocol", PRIV_PROTOCOLS),
    )


def _settings(text: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for number, line in enumerate(filter(None, map(str.strip, text.splitlines())), 1):
        key, equals, value = line.partition("=")
        if not equals or key.strip() not in _KEYS:
            raise BadSecret(f"line {number} is none of {', '.join(f'{key}=' for key in _KEYS)}; correct it")
        if key.strip() in given:
            raise BadSecret(f"has two lines {key.strip()}=; remove one")
        given[key.strip()] = value.strip()
    return given


def _choice(given: dict[str, str], key: str, known: tuple[str, ...]) -> str:
    value = given.get(key, known[0]).upper()
    if value not in known:
        raise BadSecret(f"{key}= is none of {', '.join(known)}; correct it")
    return value
