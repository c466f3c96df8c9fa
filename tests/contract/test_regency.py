"""The regency's example: keys, broker, consumer and PostgreSQL, as docs/regency.md tells a regency to run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "regency"


def _accounts(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLE / "accounts.py"), str(directory), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_every_village_gets_a_key_and_its_own_rights(tmp_path: Path) -> None:
    """A village may speak for another one, or secrets lie open or in the broker's list."""
    assert _accounts(tmp_path, "--sample", "217").returncode == 0
    users = (tmp_path / "users.conf").read_text()
    lines = [line for line in users.splitlines() if "nkey:" in line]
    codes = (tmp_path / "villages.txt").read_text().split()
    assert (len(codes), len(set(codes)), len(lines)) == (217, 217, 218)
    for code, line in zip(codes, lines, strict=False):
        assert set(re.findall(r"\d{10}", line)) == {code}
    assert not re.search(r"\bSU[A-Z2-7]{56}\b", users)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()} == {0o600}


def test_a_key_is_rotated_without_a_gap(tmp_path: Path) -> None:
    """While a village changes its key the box is locked out, or the old key stays good for ever."""
    _accounts(tmp_path, "--sample", "2")
    old = (tmp_path / "keys" / "3510012001.seed").read_text()
    _accounts(tmp_path, "--rotate", "3510012001")
    assert (tmp_path / "users.conf").read_text().count("kampung.3510012001.requests") == 2
    _accounts(tmp_path, "--retire", "3510012001")
    assert (tmp_path / "users.conf").read_text().count("kampung.3510012001.requests") == 1
    assert (tmp_path / "keys" / "3510012001.seed").read_text() != old
    unknown = _accounts(tmp_path, "--rotate", "3510999999")
    assert unknown.returncode == 1
    assert "3510999999 does not stand in villages.txt" in unknown.stderr


@pytest.mark.long
def test_the_example_lands_and_confirms_what_three_boxes_send(tmp_path: Path) -> None:
    """What docs/regency.md shows does not run: rows do not land, or confirmations do not come back."""
    done = subprocess.run(
        [str(EXAMPLE / "run"), str(tmp_path / "regency")],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=115,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("20 requests accepted, sent and confirmed by the regency") == 3
    assert done.stdout.count("completed one of them, and the box knows") == 3
    assert done.stdout.rstrip().endswith("6 pieces of nonsense are kept aside")
