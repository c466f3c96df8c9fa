"""What a configuration names that the machine lacks."""

import socket
import subprocess
import sys
from pathlib import Path

from tests.unit.config_mistakes import DATA, Mistakes, each_of, said

MISTAKES: Mistakes = {
    "ca-file-relative": [
        ("upstream.ca_file", '"portal.pem" is no absolute path', "Write it from / on."),
    ],
    "timezone": [
        (
            "village.timezone",
            '"Asia/Banyuwangi" is no time zone',
            "Write Asia/Jakarta, Asia/Makassar, Asia/Jayapura or another name of the tz database.",
        ),
    ],
}


@each_of(MISTAKES)
def test_mistake_is_named_with_place_value_and_remedy(name: str) -> None:
    """Otherwise an operator would search a village's file for a mistake the program has already found."""
    assert said(DATA / f"invalid-{name}.toml", "error") == MISTAKES[name]


def test_absent_devices_and_files_only_warn() -> None:
    """A box whose modem or cable comes later would not start."""
    missing = [
        (DATA / "warning-interface.toml", "uplink[1].device", 'network device "nodev1" does not exist here'),
        (DATA / "warning-interface.toml", "classes.wifi.devices[1]", 'network device "nodev2" does not exist here'),
        (DATA / "warning-modem.toml", "modem.device", '"/dev/serial/by-id/absent" does not exist here'),
        (DATA / "warning-ca-file.toml", "upstream.ca_file", '"/nonexistent/portal.pem" does not exist here'),
    ]
    for path, place, message in missing:
        assert not said(path, "error")
        assert (place, message) in [found[:2] for found in said(path, "warning")]


def test_what_exists_is_not_warned_of(tmp_path: Path) -> None:
    """A warning that is always there is read by nobody."""
    device = socket.if_nameindex()[0][1]
    file = tmp_path / "village.toml"
    text = (DATA / "warning-interface.toml").read_text().replace("nodev1", device)
    file.write_text(text + '\n[modem]\ndevice = "/dev/null"\n')
    places = [found[0] for found in said(file, "warning")]
    assert "uplink[1].device" not in places
    assert "modem.device" not in places


def test_a_sink_whose_library_is_absent_is_named_with_its_remedy(tmp_path: Path) -> None:
    """A box that was told to use a broker would end in a traceback."""
    path = tmp_path / "broker.toml"
    text = (DATA / "invalid-url-broker.toml").read_text()
    path.write_text(text.replace("https://portal.example", "tls://portal.example"))
    program = (
        "import sys; sys.modules['nats'] = None\n"
        "from pathlib import Path; from edge.config_check import check\n"
        "print(*(p for p in check(Path(sys.argv[1])) if p.severity == 'error'), sep='\\n')"
    )
    for absent in (True, False):
        command = [sys.executable, "-c", program if absent else program.replace("= None", "= sys"), str(path)]
        found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        assert ("needs nats-py, which is not installed here" in found) is absent, found
        assert ("pip install 'kampung-edge[nats]'" in found) is absent
