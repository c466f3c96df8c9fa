"""Secrets come from files, and a wrong one is explained."""

import base64
from pathlib import Path

import pytest

from edge.credentials import CredentialError, read


def test_all_four_are_read_and_none_is_shown(tmp_path: Path) -> None:
    """A secret in a log by way of repr would be public for good."""
    key = bytes(range(32))
    (tmp_path / "store-key").write_text(base64.b64encode(key).decode() + "\n")
    (tmp_path / "desk-key").write_text("desk\n")
    secrets = read(tmp_path)
    assert (secrets.store_key, secrets.desk_key, secrets.portal_key, secrets.sim_pin) == (key, "desk", "", "")
    assert "desk" not in repr(secrets).removeprefix("Credentials")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "missing; make it with `kampung-edge keys"),
        (b"!!", "not 32 bytes in base64"),
        (base64.b64encode(b"short"), "not 32 bytes in base64"),
        (b"\xff\xfe", "cannot be read as text"),
    ],
)
def test_a_wrong_store_key_names_the_file_and_the_remedy(tmp_path: Path, content: bytes | None, says: str) -> None:
    """Starting with another key would make every stored name unreadable."""
    if content is not None:
        (tmp_path / "store-key").write_bytes(content)
    with pytest.raises(CredentialError, match="store-key") as caught:
        read(tmp_path)
    assert says in str(caught.value)


def test_the_secrets_of_devices_are_read_by_their_names(tmp_path: Path) -> None:
    """A device's pass phrases would be given to another one, or to the log."""
    (tmp_path / "store-key").write_text(base64.b64encode(bytes(32)).decode())
    (tmp_path / "snmp-ont").write_text("user=edge\nauth=pintu air\n")
    (tmp_path / "snmp-switch").write_text("desa\n")
    (tmp_path / "snmp-folder").mkdir()
    secrets = read(tmp_path)
    assert secrets.snmp == {"ont": "user=edge\nauth=pintu air", "switch": "desa"}
    assert "pintu" not in repr(secrets)


def test_the_private_key_of_the_certificate_stays_a_file(tmp_path: Path) -> None:
    """TLS reads a private key from a file only; an empty one, as systemd leaves it, was not given."""
    (tmp_path / "store-key").write_text(base64.b64encode(bytes(32)).decode())
    key = tmp_path / "portal-client-key"
    key.write_text("\n")
    assert read(tmp_path).portal_client_key == ""
    key.write_text("-----BEGIN PRIVATE KEY-----\n")
    assert read(tmp_path).portal_client_key == str(key)


def test_a_file_that_is_no_secret_is_refused(tmp_path: Path) -> None:
    """A huge file put in the wrong place would be read into memory whole."""
    (tmp_path / "store-key").write_text(base64.b64encode(bytes(32)).decode())
    (tmp_path / "snmp-ont").write_text("x" * 1_000_000)
    with pytest.raises(CredentialError, match="snmp-ont: over 4096 characters"):
        read(tmp_path)


def test_no_directory_says_how_to_make_one() -> None:
    """The first start by hand must not end in a traceback."""
    with pytest.raises(CredentialError, match="CREDENTIALS_DIRECTORY=DIRECTORY"):
        read(Path("relative"))
