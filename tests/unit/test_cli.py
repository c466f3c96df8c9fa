"""The command line: what each command prints, where, and how it ends."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from edge import __version__, credentials
from edge.cli import main
from edge.commands.common import refusals
from edge.desk_keys import SCOPES, KeyRing
from edge.instance import Instance
from tests.unit.config_mistakes import DATA

GOOD = DATA / "warning-kind.toml"
BAD = DATA / "invalid-many.toml"


def call(*arguments: object, given: str | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=given)


def test_check_config_tells_every_mistake_and_ends_with_2() -> None:
    """A set-up script could not tell a bad file from a good one."""
    result = call("check-config", BAD)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert f"error: {BAD}: uplink[1].download_mbit: 0 is not a number from 0.1 to 10000." in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("error: ")]) == 5


def test_check_config_passes_warnings() -> None:
    """A village whose modem is unplugged could not be set up."""
    result = call("check-config", GOOD)
    assert result.exit_code == 0
    assert result.stdout == f"{GOOD}: good\n"
    assert result.stderr.startswith("warning: ")


def test_check_config_as_json() -> None:
    """A program could not read the mistakes."""
    result = call("check-config", BAD, "--json")
    said = json.loads(result.stdout)
    assert result.exit_code == 2
    assert result.stderr == ""
    assert said["file"] == str(BAD)
    assert not said["ok"]
    assert said["problems"][0] == {
        "severity": "error",
        "where": f"{BAD}: uplink[1].download_mbit",
        "message": "0 is not a number from 0.1 to 10000",
        "remedy": "Correct it; docs/configuration.md explains every key.",
    }


@pytest.mark.parametrize("command", ["plan", "teardown", "guard", "dnsmasq", "apply"])
def test_operator_commands_refuse_a_bad_file(command: str) -> None:
    """A command that alters the network would start from half a configuration."""
    result = call(command, "--config", BAD)
    assert result.exit_code == 2
    assert "uplink[1].download_mbit" in result.stderr


def test_run_refuses_a_bad_file_without_a_traceback() -> None:
    """The journal would show Python instead of the mistake."""
    done = subprocess.run(
        [sys.executable, "-m", "edge", "run", "--config", BAD], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "uplink[1].download_mbit: 0 is not a number" in done.stderr
    assert "Traceback" not in done.stderr


def test_teardown_beside_a_running_daemon_is_refused(tmp_path: Path) -> None:
    """The daemon would put back at once what teardown takes away."""
    run_dir = tmp_path / "run"
    file = tmp_path / "village.toml"
    file.write_text(f'run_dir = "{run_dir}"\n' + GOOD.read_text())
    instance = Instance(run_dir)
    result = call("teardown", "--config", file)
    instance.close()
    assert result.exit_code == 4
    assert "stop it first" in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (
            PermissionError(1, "Operation not permitted"),
            3,
            "error: [Errno 1] Operation not permitted; run it as root\n",
        ),
        (OSError(28, "No space left on device"), 1, "error: [Errno 28] No space left on device\n"),
        (FileNotFoundError(2, "No such file", "/keys"), 1, "error: /keys: No such file\n"),
    ],
)
def test_what_the_machine_refuses_is_one_sentence(error: OSError, code: int, text: str) -> None:
    """An ordinary user would see a traceback instead of what to do."""

    @click.command()
    def refused() -> None:
        with refusals():
            raise error

    result = CliRunner().invoke(refused)
    assert (result.exit_code, result.stderr) == (code, text)


def test_dnsmasq_prints_its_file_alone() -> None:
    """A warning among the lines would keep dnsmasq from starting."""
    result = call("dnsmasq", "--config", GOOD)
    assert result.exit_code == 0
    assert "dhcp-range=set:wifi,192.168.20." in result.stdout
    assert "warning" not in result.stdout


def test_usage_errors_end_with_2() -> None:
    """A typing error would look like a failure of the network."""
    assert call("plan").exit_code == 2
    assert call("no-such-command").exit_code == 2


def test_version() -> None:
    """A report of a fault could not name the version."""
    assert call("version").stdout == f"kampung-edge {__version__}\n"


def test_keys_are_made_once_with_mode_0600(tmp_path: Path) -> None:
    """A second call would make the store unreadable, or others could read the keys."""
    given = tmp_path / "given"
    given.write_text("portal-secret\n")
    directory = tmp_path / "keys"
    first = call("keys", directory, "--portal-key-file", given, "--json")
    assert json.loads(first.stdout)["files"] == {"desk-key": "made", "store-key": "made", "portal-key": "made"}
    before = {path.name: path.read_text() for path in directory.iterdir()}
    second = call("keys", directory, "--portal-key-file", given)
    assert second.stdout.count(": kept\n") == 3
    assert {path.name: path.read_text() for path in directory.iterdir()} == before
    assert before["portal-key"] == "portal-secret\n"
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    assert directory.stat().st_mode & 0o777 == 0o700


def test_a_program_of_the_office_gets_a_key_of_its_own(tmp_path: Path) -> None:
    """The key that is shown would not open the desk, or a second program would take the first one's place."""
    first = json.loads(call("keys", tmp_path, "--desk", "loket-1", "--scope", "read", "--json").stdout)
    second = call("keys", tmp_path, "--desk", "loket-2").stdout.rsplit(" ", 1)[1].strip()
    ring = KeyRing("", credentials.read(tmp_path).desk_keys)
    found = [ring.find(token) for token in (first["key"], second)]
    assert [(key.name, sorted(key.scopes)) for key in found if key] == [
        ("loket-1", ["read"]),
        ("loket-2", ["file", "read"]),
    ]
    assert second not in (tmp_path / "desk-keys").read_text()
    assert (tmp_path / "desk-keys").stat().st_mode & 0o777 == 0o600
    for name in ("loket-2", "Loket"):
        refused = call("keys", tmp_path, "--desk", name)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert "desk-keys" in refused.stderr


def test_the_scopes_of_a_key_are_those_there_are() -> None:
    """A scope could not be given, or one that no call asks for."""
    (scopes,) = (option.type for option in main.commands["keys"].params if option.name == "scopes")
    assert isinstance(scopes, click.Choice)
    assert tuple(scopes.choices) == SCOPES


def test_keys_take_the_portal_key_from_standard_input(tmp_path: Path) -> None:
    """The key would have to lie in a file of its own."""
    assert call("keys", tmp_path / "k", "--portal-key-file", "-", given="from-stdin\n").exit_code == 0
    assert (tmp_path / "k" / "portal-key").read_text() == "from-stdin\n"


@pytest.mark.parametrize("text", ["", "two\nlines\n", "kunci-é\n", "x" * 5000])
def test_a_bad_key_is_refused_and_never_shown(tmp_path: Path, text: str) -> None:
    """The daemon would send half a key, or the key would stand in a log."""
    given = tmp_path / "given"
    given.write_text(text)
    result = call("keys", tmp_path / "k", "--portal-key-file", given)
    assert result.exit_code == 1
    assert "line of printable ASCII" in result.stderr
    assert "two" not in result.stderr
    assert not (tmp_path / "k").exists()


def test_every_command_has_help_with_an_example() -> None:
    """Somebody in the field, without internet, could not find out how to call it."""
    for name, command in main.commands.items():
        result = call(name, "--help")
        assert result.exit_code == 0
        assert f"Example: kampung-edge {name}" in result.stdout, name
        assert all(option.help for option in command.params if isinstance(option, click.Option)), name


def test_help_imports_no_room() -> None:
    """`--help` would take a second on a village's box."""
    code = "import sys; from edge.cli import main; print(*sorted(m for m in sys.modules if m.startswith('edge.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [name for name in done.stdout.split() if not name.startswith("edge.commands")] == ["edge.cli", "edge.exits"]


def test_colour_only_on_a_terminal() -> None:
    """A log file would be full of escape codes, or a terminal without the colour that shows the errors."""
    command = [sys.executable, "-m", "edge", "check-config", str(BAD)]
    piped = subprocess.run(command, capture_output=True, check=False)
    assert b"\x1b[" not in piped.stderr
    assert b"\x1b[" in _on_a_terminal(command)


def _on_a_terminal(command: list[str]) -> bytes:
    here, there = os.openpty()
    process = subprocess.Popen(command, stdout=there, stderr=there, stdin=subprocess.DEVNULL)
    os.close(there)
    said, deadline = b"", time.monotonic() + 100
    while time.monotonic() < deadline:
        try:
            part = os.read(here, 4096)
        except OSError:  # EIO: the other side is closed
            break
        said += part
    os.close(here)
    process.wait()
    return said
