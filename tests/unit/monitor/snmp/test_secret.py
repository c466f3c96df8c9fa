"""Credentials of devices: what is read, what is refused, and that no message repeats a secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.monitor.snmp.secret import AUTH_PROTOCOLS, PRIV_PROTOCOLS, BadSecret, Community, User, parse

GOOD = "user=edge\nauth=pintu air desa\npriv=sawah=di=timur\n"


def test_a_community_is_the_whole_text() -> None:
    """A community with a space or an equals sign would be cut."""
    assert parse("desa = baca\n", "2c") == Community("desa = baca")


def test_a_user_has_the_most_spoken_protocols_unless_told() -> None:
    """Most devices speak SHA and AES alone; a pass phrase may hold an equals sign."""
    assert parse(GOOD, "3") == User("edge", "pintu air desa", "sawah=di=timur", "SHA", "AES")


@pytest.mark.parametrize("auth", AUTH_PROTOCOLS)
@pytest.mark.parametrize("priv", PRIV_PROTOCOLS)
def test_every_protocol_may_be_named(auth: str, priv: str) -> None:
    """A device that insists on a stronger protocol could not be read."""
    user = parse(f"{GOOD}\n auth_protocol = {auth.lower()} \npriv_protocol={priv}", "3")
    assert isinstance(user, User)
    assert (user.auth_protocol, user.priv_protocol) == (auth, priv)


@pytest.mark.parametrize(
    ("text", "version", "says"),
    [
        ("", "2c", "is missing or empty"),
        ("  \n", "3", "is missing or empty"),
        ("rahasia\nlain", "2c", "more than one line"),
        ("r" * 256, "2c", "more than one line"),
        ("r\u00e4hasia", "2c", "not ASCII"),
        ("rahasia", "3", "line 1 is none of user=, auth="),
        ("user=edge\nauth=rahasia desa", "3", "no line priv="),
        ("user=edge\nauth=rahasia\npriv=rahasia desa", "3", "auth= of under 8 characters"),
        ("user=edge\nuser=rahasia\n", "3", "two lines user="),
        (f"{GOOD}auth_protocol=MD5", "3", "auth_protocol= is none of SHA, "),
        (f"{GOOD}priv_protocol=DES", "3", "priv_protocol= is none of AES, "),
        (GOOD.replace("edge", "e" * 33), "3", "user= of over 32 characters"),
        ("x" * 5_000, "3", "not ASCII text of at most"),
    ],
)
def test_a_mistake_is_named_and_no_secret_repeated(text: str, version: str, says: str) -> None:
    """A technician would not know what to correct, or the log would hold the secret."""
    with pytest.raises(BadSecret) as caught:
        parse(text, version)
    assert says in str(caught.value)
    assert "rahasia" not in str(caught.value)


@given(st.text(max_size=200), st.sampled_from(["2c", "3"]))
def test_any_text_is_a_secret_or_refused(text: str, version: str) -> None:
    """A file of anything at all would crash the daemon's start; none may show in a repr."""
    try:
        secret = parse(text, version)
    except BadSecret:
        return
    assert repr(secret) in (
        "Community()",
        *(f"User(auth_protocol={a!r}, priv_protocol={p!r})" for a in AUTH_PROTOCOLS for p in PRIV_PROTOCOLS),
    )
