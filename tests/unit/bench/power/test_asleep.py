"""A saved machine wakes as it was, however often."""

from pathlib import Path

from bench.power.asleep import Asleep


def test_a_run_writes_to_copies(tmp_path: Path) -> None:
    """The next run would wake a machine whose disks are not those that its memory knows."""
    saved, here = Asleep(tmp_path / "saved"), tmp_path / "run"
    for directory in (saved.directory, here):
        directory.mkdir()
    for name in ("root.qcow2", "project.img", "state.img"):
        (saved.directory / name).write_bytes(name.encode())
    disks = saved.disks(here)
    assert [path.read_bytes() for path in (disks.root, disks.project, disks.state)] == [
        *(b"root.qcow2", b"project.img", b"state.img")
    ]
    disks.state.write_bytes(b"written to")
    assert (saved.directory / "state.img").read_bytes() == b"state.img"
