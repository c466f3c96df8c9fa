"""The operator's commands on the real kernel, in the namespaces of the tests: with and without privilege."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge.control import SOCKET, Control
from tests.unit.config_mistakes import DATA

VILLAGE = (DATA / "warning-interface.toml").read_text()
STRIPPED = ("setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A village's file with its run_dir in the test's own folder."""
    path = tmp_path / "village.toml"
    path.write_text(f'run_dir = "{tmp_path}/run"\nstate_dir = "{tmp_path}/state"\n' + VILLAGE)
    return path


def call(*arguments: object, privileged: bool = True) -> subprocess.CompletedProcess[str]:
    command = [*(() if privileged else STRIPPED), sys.executable, "-m", "edge", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def tables() -> str:
    return subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout


def test_guard_then_teardown_leaves_nothing(config: Path) -> None:
    """Guests would be forwarded without rules at boot, or rules would stay when the program is gone."""
    before = tables()
    guarded = call("guard", "--config", config)
    assert (guarded.returncode, guarded.stderr) == (0, "")
    assert "kampung_edge" in tables()
    removed = call("teardown", "--config", config)
    assert removed.returncode == 0
    assert removed.stdout.startswith("removed ")
    assert tables() == before
    assert call("teardown", "--config", config).stdout == "nothing to remove\n"


@pytest.mark.parametrize("command", ["guard", "teardown"])
def test_without_privilege_one_sentence_and_3(config: Path, command: str) -> None:
    """A script could not tell a missing privilege from a broken network, nor an operator what to do."""
    done = call(command, "--config", config, privileged=False)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    assert "root" in done.stderr


@pytest.mark.parametrize(
    "command", ["uplink", "modem", "outbox status", "sms list", "sms staff", "confirm", "store seen"]
)
async def test_what_is_for_root_alone_ends_with_3(config: Path, tmp_path: Path, command: str) -> None:
    """A script, or a technician who forgot sudo, would take it for a box whose daemon is broken."""
    (tmp_path / "run").mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "kampung-edge.db").touch()
    control = Control(tmp_path / "run")
    task = asyncio.create_task(control.run())
    await control.listening.wait()
    (tmp_path / "run" / SOCKET).chmod(0)  # as both are for somebody who owns neither
    (tmp_path / "state" / "kampung-edge.db").chmod(0)
    done = await asyncio.to_thread(call, *command.split(), "--config", config, privileged=False)
    task.cancel()
    assert (done.returncode, done.stdout) == (3, "")
    assert "permission denied; run it as root" in done.stderr.lower()


def test_plan_needs_no_privilege_and_says_what_it_cannot_see(config: Path) -> None:
    """An officer's technician could not look before he asks for root."""
    done = call("plan", "--json", "--config", config, privileged=False)
    assert done.returncode == 0
    changes = json.loads(done.stdout)
    assert all(set(change) == {"action", "what", "why"} for change in changes)
    assert any("ask again as root" in change["why"] for change in changes)


def test_plan_in_words(config: Path) -> None:
    """The reason of a change would be lost to whoever reads it."""
    done = call("plan", "--config", config)
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert lines[-1] == f"{len(lines) - 1} changes"
    assert all(line.split()[0] in {"add", "remove", "replace"} and line.endswith(")") for line in lines[:-1])


def test_beside_changes_nothing(tmp_path: Path) -> None:
    """A box beside another router would cut the village off."""
    path = tmp_path / "village.toml"
    path.write_text(f'mode = "beside"\nrun_dir = "{tmp_path}/run"\n' + VILLAGE)
    before = tables()
    assert call("plan", "--config", path).stdout == "nothing to change\n"
    assert call("guard", "--config", path).returncode == 0
    assert tables() == before
