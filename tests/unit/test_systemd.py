"""The units as systemd reads them: clean in an installed root, confined, and with what the daemon expects."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.config_check import load
from edge.lan.dnsmasq import CONFIGURATION

ROOT = Path(__file__).parents[2]
UNITS = (
    *("kampung-edge.service", "kampung-edge-guard.service", "kampung-edge-dnsmasq.service"),
    *("kampung-edge-backup.service", "kampung-edge-backup.timer"),
)
MOST_EXPOSED = 2.0


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root folder as ``script/install --root`` leaves it, with systemd's own units and the console script."""
    root = tmp_path_factory.mktemp("root")
    command = [str(ROOT / "script" / "install"), "--root", str(root), "--without-program"]
    subprocess.run(command, check=True, capture_output=True)
    program = root / "opt" / "kampung-edge" / "bin" / "kampung-edge"
    program.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(sys.executable).parent / "kampung-edge", program)
    shutil.copytree("/lib/systemd/system", root / "lib" / "systemd" / "system", symlinks=True)
    dnsmasq = root / "usr" / "sbin" / "dnsmasq"
    dnsmasq.parent.mkdir(parents=True)
    shutil.copy("/usr/sbin/dnsmasq", dnsmasq)
    (root / "bin").mkdir()
    shutil.copy("/bin/kill", root / "bin" / "kill")
    return root


def verify(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "verify", f"--root={root}", *UNITS], capture_output=True, text=True, check=False
    )


def lines(unit: str, key: str) -> list[str]:
    text = (ROOT / "systemd" / unit).read_text()
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


def test_units_are_clean_in_an_installed_root(installed: Path) -> None:
    """systemd ignores a line it does not understand, and says so only in a log nobody reads."""
    done = verify(installed)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_verification_sees_a_mistake(installed: Path, tmp_path: Path) -> None:
    """The test above would pass whatever the units hold."""
    root = tmp_path / "root"
    shutil.copytree(installed, root, symlinks=True)
    unit = root / "etc/systemd/system/kampung-edge.service"
    unit.write_text(unit.read_text().replace("WatchdogSec=30", "WatchdogSec=often"))
    assert "Failed to parse sec value, ignoring: often" in verify(root).stderr


def test_installed_files_are_where_systemd_looks(installed: Path) -> None:
    """The user, the run directory or the modem's rule would be missing on a fresh box."""
    for name in (
        "etc/sysusers.d/kampung-edge.conf",
        "etc/tmpfiles.d/kampung-edge.conf",
        "etc/udev/rules.d/60-kampung-edge-modem.rules",
        "etc/systemd/networkd.conf.d/90-kampung-edge.conf",
        "etc/kampung-edge/kampung-edge.toml",
    ):
        assert (installed / name).read_text()
    assert (installed / "etc/kampung-edge/keys").stat().st_mode & 0o777 == 0o700


def test_an_existing_configuration_is_kept(tmp_path: Path) -> None:
    """An update would replace a village's settings by the example's."""
    file = tmp_path / "etc" / "kampung-edge" / "kampung-edge.toml"
    file.parent.mkdir(parents=True)
    file.write_text("# mine\n")
    command = [str(ROOT / "script" / "install"), "--root", str(tmp_path), "--without-program"]
    subprocess.run(command, check=True, capture_output=True)
    assert file.read_text() == "# mine\n"


def test_the_user_is_made(installed: Path) -> None:
    """The unit would fail with "Failed to determine user credentials"."""
    command = ["systemd-sysusers", f"--root={installed}", "--dry-run", "kampung-edge.conf"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Creating user 'kampung-edge'" in done.stdout + done.stderr


@pytest.mark.parametrize("unit", [UNITS[0], UNITS[2], UNITS[3]])
def test_exposure_is_low(unit: str) -> None:
    """A hole in the daemon, or in what answers the guests, would be a hole in the box."""
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true", str(ROOT / "systemd" / unit)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    overall = next(line for line in said.splitlines() if "Overall exposure level" in line)
    assert float(overall.partition(": ")[2].split()[0]) <= MOST_EXPOSED


def test_only_two_capabilities() -> None:
    """Every further one widens what a hole in the daemon gives away."""
    for key in ("AmbientCapabilities", "CapabilityBoundingSet"):
        assert lines(UNITS[0], key) == ["CAP_NET_ADMIN CAP_NET_RAW"]


def test_it_may_use_the_modem_and_reset_it() -> None:
    """The daemon would find the stick, and be refused the line or the reset that would wake it."""
    assert lines(UNITS[0], "DevicePolicy") == ["closed"]
    needed = {"char-ttyUSB rw", "char-ttyACM rw", "char-ttyS rw", "char-ttyAMA rw", "char-usb_device rw"}
    assert set(lines(UNITS[0], "DeviceAllow")) == needed
    assert "dialout" in lines(UNITS[0], "SupplementaryGroups")
    assert "-/run/lock" in lines(UNITS[0], "ReadWritePaths")
    rules = (ROOT / "systemd" / "60-kampung-edge-modem.rules").read_text()
    assert f'GROUP="{lines(UNITS[0], "Group")[0]}"' in rules


def test_absent_optional_secrets_do_not_keep_the_daemon_from_starting() -> None:
    """A village without a portal or a PIN would have no daemon: LoadCredential= of an absent file fails the start."""
    loaded = {value.partition(":")[0] for value in lines(UNITS[0], "LoadCredential")}
    fallback = {value.partition(":")[0] for value in lines(UNITS[0], "SetCredential")}
    assert loaded == {"store-key", "desk-key", "desk-keys", "portal-key", "portal-client-key", "sim-pin"}
    assert loaded - fallback == {"store-key"}
    assert "/etc/kampung-edge/keys/store-key" in lines(UNITS[0], "AssertPathExists")


def test_the_guard_comes_before_the_network_and_after_what_would_undo_it() -> None:
    """Guests would be forwarded without rules, or nftables.service would empty our table."""
    before, after = " ".join(lines(UNITS[1], "Before")).split(), " ".join(lines(UNITS[1], "After")).split()
    assert "network-pre.target" in before
    assert {"nftables.service", "systemd-sysctl.service"} <= set(after)


@pytest.mark.parametrize("unit", [UNITS[0], UNITS[2]])
def test_it_never_gives_up(unit: str) -> None:
    """After five crashes in ten seconds the village would be without a daemon until somebody drives there."""
    assert lines(unit, "StartLimitIntervalSec") == ["0"]
    assert lines(unit, "Restart") == ["always"]


@pytest.mark.parametrize("key", ["User", "StateDirectory", "StateDirectoryMode", "RuntimeDirectory", "UMask"])
def test_dnsmasq_runs_as_the_daemon_s_own_user(key: str) -> None:
    """The daemon could neither signal it nor give it name servers, being another user and not root."""
    assert lines(UNITS[2], key) == lines(UNITS[0], key)


def test_nobody_else_can_hold_the_daemon_s_lock() -> None:
    """Whoever may open the directory for reading may lock it (flock(2)): any account could keep the daemon down."""
    made = (ROOT / "systemd" / "kampung-edge.tmpfiles").read_text().splitlines()
    (folder,) = (line.split() for line in made if line.startswith("d /run/kampung-edge "))
    for mode in (folder[2], *lines(UNITS[0], "RuntimeDirectoryMode"), *lines(UNITS[2], "RuntimeDirectoryMode")):
        assert int(mode, 8) & 0o066 == 0


def test_the_daemon_sees_whom_it_signals() -> None:
    """Under hidepid a process with more capabilities is hidden (proc(5)), so names would follow no uplink."""
    assert lines(UNITS[0], "ProtectProc") == ["default"]


def test_dnsmasq_runs_with_what_the_daemon_writes() -> None:
    """The daemon would write one configuration and look for a process that reads another."""
    (line,) = lines(UNITS[2], "ExecStart")
    run_dir = load(ROOT / "config" / "kampung-edge.toml").run_dir
    assert f"--conf-file={run_dir}/{CONFIGURATION}" in line.split()


def test_a_backup_of_a_stopped_store_gives_its_log_to_the_owner() -> None:
    """A backup made while the daemon is stopped leaves a log of root's, and the daemon never opens its store again."""
    (held,) = lines("kampung-edge-backup.service", "CapabilityBoundingSet")
    assert set(held.split()) == {"CAP_DAC_OVERRIDE", "CAP_CHOWN"}


def test_a_successor_is_restored_before_its_first_start(installed: Path) -> None:
    """The command is not found on the box, or there is no folder yet that the backup could be restored into."""
    assert (installed / "usr/local/bin/kampung-edge").readlink() == Path("/opt/kampung-edge/bin/kampung-edge")
    made = (installed / "etc/tmpfiles.d/kampung-edge.conf").read_text()
    assert "d /var/lib/kampung-edge 0700 kampung-edge kampung-edge -" in made.splitlines()
