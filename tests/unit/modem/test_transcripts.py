from __future__ import annotations

from pathlib import Path

import pytest

from edge.modem.examine import transcript
from tests.unit.modem import replay

RECORDINGS = sorted((Path(__file__).parents[2] / "data" / "transcripts").glob("*.txt"))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_recorded_modem_comes_to_the_same(path: Path) -> None:
    """What was understood of a real modem would be understood otherwise (see CONTRIBUTING.md, Recordings)."""
    text = path.read_text(encoding="ascii")
    wanted = transcript.read(text).outcomes
    assert wanted, f"write what comes of it: .venv/bin/python -m tests.unit.modem.replay {path}"
    assert replay.of(text) == wanted


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_masked_recording_comes_to_the_same_kinds(path: Path) -> None:
    """What leaves a village could not be replayed elsewhere."""
    text = path.read_text(encoding="ascii")
    recording = transcript.read(text)
    masked = transcript.write(transcript.Transcript(transcript.mask(recording.chunks, b"another key")))
    remarks = "".join(f"{line}\n" for line in text.splitlines() if line.startswith("# balance"))
    kinds = [line.split()[0] for line in replay.of(remarks + masked)]
    assert kinds == [line.split()[0] for line in recording.outcomes]
