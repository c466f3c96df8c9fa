"""The exit codes: told to people and heeded by systemd."""

from __future__ import annotations

import re
from pathlib import Path

from edge import exits

ROOT = Path(__file__).parents[2]
CODES = {name: code for name, code in vars(exits).items() if name.isupper()}


def test_every_code_has_its_own_line() -> None:
    """A script in the field could not tell a wrong file from a missing privilege."""
    table = (ROOT / "docs" / "commands.md").read_text()
    assert len(set(CODES.values())) == len(CODES)
    for code in CODES.values():
        assert re.search(rf"^\| {code} \|", table, re.M), f"docs/commands.md lacks the exit code {code}"


def test_systemd_does_not_try_again_what_only_a_person_can_mend() -> None:
    """A wrong file would be refused every two seconds for ever, or a crashed daemon stay down."""
    unit = (ROOT / "systemd" / "kampung-edge.service").read_text()
    kept_down = re.findall(r"^RestartPreventExitStatus=(.*)$", unit, re.M)
    assert kept_down == [f"{exits.CONFIGURATION} {exits.ALREADY_RUNNING}"]
