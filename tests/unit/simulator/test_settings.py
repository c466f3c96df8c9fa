"""The village's configuration is one that any village could have."""

import base64
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from edge import config_check, credentials
from edge.simulator import settings
from edge.simulator.settings import LONG, SHORT, Holds


@pytest.mark.parametrize("holds", [SHORT, LONG])
def test_the_daemon_takes_the_configuration(tmp_path: Path, holds: Holds) -> None:
    """The demo would end with a list of mistakes in a file that no user wrote."""
    files = settings.write(
        tmp_path, modem=tmp_path / "modem", ca_file=tmp_path / "ca.pem", portal_port=8443, holds=holds
    )
    config = config_check.load(files.config)
    assert config.mode == "router"
    assert config.classes.wifi.cap_mbit == {"pde": 2}
    assert config.uplink[0].pinned == ("10.51.0.0/16",)
    assert config.policy.failback_hold_s == holds.failback


def test_the_daemon_takes_the_keys(tmp_path: Path) -> None:
    """The daemon would not start, or the desk and the portal would hold other keys than it."""
    files = settings.write(
        tmp_path, modem=tmp_path / "modem", ca_file=tmp_path / "ca.pem", portal_port=8443, holds=SHORT
    )
    read = credentials.read(files.credentials)
    assert (read.desk_key, read.portal_key) == (files.desk_key, files.portal_key)
    assert len(base64.b64decode((files.credentials / "store-key").read_text())) == 32
    assert (files.credentials / "store-key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("hour", range(24))
def test_it_is_never_quiet_now(hour: int) -> None:
    """Whoever tries the demo at night would wait for messages until the morning."""
    now = datetime(2026, 11, 22, hour, 30)  # noqa: DTZ001 - the function looks at the hands of the clock alone
    start, end = settings._quiet_hours(now)
    assert all(f"{now + timedelta(hours=ahead):%H:%M}" not in (start, end) for ahead in range(10))
