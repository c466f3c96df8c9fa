"""Small files that survive a power cut."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest

from edge.durable import MOST_BYTES, read_json, remove, write_bytes, write_json


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """A choice or a table would be gone after a restart, or be readable by everyone."""
    path = tmp_path / "kept.json"
    assert read_json(path) is None
    write_json(path, {"uplink": "pde"})
    write_json(path, {"uplink": "télkom"})
    assert read_json(path) == {"uplink": "télkom"}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b" " * (MOST_BYTES + 1)])
def test_rubbish_is_a_value_error(tmp_path: Path, content: bytes) -> None:
    """A damaged file would crash the part that reads it at every start."""
    path = tmp_path / "kept.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        read_json(path)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """The old choice would be lost with the new one, and half a file stay behind."""
    path = tmp_path / "kept.json"
    write_json(path, {"uplink": "pde"})
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then write(2) fails with EFBIG, as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        try:
            write_json(path, {"uplink": "x" * 1000})
        except OSError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert read_json(path) == {"uplink": "pde"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept.json"]


def test_a_folder_that_is_gone_is_an_os_error(tmp_path: Path) -> None:
    """The caller could not tell the operator what to repair."""
    with pytest.raises(FileNotFoundError):
        write_json(tmp_path / "gone" / "kept.json", {})


def test_bytes_are_kept_as_they_are_and_removed_for_good(tmp_path: Path) -> None:
    """The copy of a configuration would differ from its file, or a trial that was confirmed would be undone."""
    path = tmp_path / "kept.toml"
    write_bytes(path, b"# \xc3\xa9\r\n")
    assert path.read_bytes() == b"# \xc3\xa9\r\n"
    remove(path)
    remove(path)
    assert not path.exists()


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    """Root writes in folders of the daemon's own user, who could have any file overwritten."""
    victim = tmp_path / "victim"
    victim.write_text("root's own\n")
    (tmp_path / "kept.json.new").symlink_to(victim)
    write_json(tmp_path / "kept.json", {})
    assert victim.read_text() == "root's own\n"
    assert read_json(tmp_path / "kept.json") == {}


def test_a_fifo_is_no_file(tmp_path: Path) -> None:
    """Whoever reads it, root's guard at boot for one, would wait for ever."""
    os.mkfifo(tmp_path / "kept.json")
    with pytest.raises(ValueError, match="regular"):
        read_json(tmp_path / "kept.json")
