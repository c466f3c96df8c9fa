"""The keys of the office's programs: which file is one, and who gets in with what."""

from __future__ import annotations

import pytest

from edge.desk_keys import SCOPES, KeyRing, digest, entry, parse

TOKEN = "vG0-a-token-that-was-made"


def test_a_key_that_was_written_opens_what_its_scopes_say() -> None:
    """A program could not use the key it was given, or could do more with it."""
    ring = KeyRing("", parse(entry("loket-2", TOKEN, ("file", "read"))))
    key = ring.find(TOKEN)
    assert key is not None
    assert (key.name, sorted(key.scopes)) == ("loket-2", ["file", "read"])
    assert ring.find(TOKEN + "x") is None
    assert ring.find("") is None


def test_the_single_key_may_do_everything() -> None:
    """An office with one program would have to learn about scopes."""
    key = KeyRing("secret", parse(entry("loket-2", TOKEN, ("read",)))).find("secret")
    assert key is not None
    assert (key.name, sorted(key.scopes)) == ("desk-key", sorted(SCOPES))


def test_without_keys_nobody_gets_in() -> None:
    """An empty credential would let an empty key in."""
    ring = KeyRing("", parse(""))
    assert not ring
    assert ring.find("") is None


def test_several_keys_stand_in_one_file() -> None:
    """A second program would need a second box."""
    text = "".join(entry(f"loket-{number}", f"{TOKEN}{number}", ("read",)) for number in range(16))
    assert [key.name for key in parse(text)] == [f"loket-{number}" for number in range(16)]


HASH = digest(TOKEN).hex()
MISTAKES = {
    "x": "not TOML",
    'sha256 = "x"': "under the",
    f'[loket]\nsha256 = "{HASH}"\n': "loket",
    f'[loket]\nsha256 = "{HASH[:-1]}"\nscopes = ["read"]\n': "loket",
    f'[loket]\nsha256 = "{HASH}"\nscopes = ["all"]\n': "loket",
    f'[loket]\nsha256 = "{HASH}"\nscopes = []\n': "loket",
    f'[loket]\nkey = "{TOKEN}"\nsha256 = "{HASH}"\nscopes = ["read"]\n': "loket",
    f'["Loket Satu"]\nsha256 = "{HASH}"\nscopes = ["read"]\n': "small letters",
    "".join(entry(f"loket-{number}", TOKEN, ("read",)) for number in range(17)): "at most 16",
}


@pytest.mark.parametrize(("text", "says"), MISTAKES.items())
def test_a_mistake_is_named_without_the_key(text: str, says: str) -> None:
    """The operator could not find the wrong line, or the log would hold a key."""
    with pytest.raises(ValueError, match=says) as caught:
        parse(text)
    assert TOKEN not in str(caught.value)
    assert HASH[:-1] not in str(caught.value)


@pytest.mark.parametrize("name", ["", "Loket", "a b", "-a", "x" * 33, 'a"]'])
def test_a_name_that_cannot_stand_in_the_file_is_refused(name: str) -> None:
    """The file would not be read any more, with all its keys."""
    with pytest.raises(ValueError, match="a key has a name"):
        entry(name, TOKEN, ("read",))
