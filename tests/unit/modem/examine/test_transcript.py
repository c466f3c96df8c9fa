from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem.examine import transcript
from edge.modem.examine.transcript import Chunk, Direction, Recorder, Transcript, TranscriptError

KEY = b"a key"
WAYS: list[Direction] = ["<", ">"]
CHUNKS = st.lists(
    st.tuples(st.floats(0, 100), st.sampled_from(WAYS), st.binary(min_size=1, max_size=50)), max_size=20
).map(lambda rows: [Chunk(round(at, 3), way, data) for at, way, data in sorted(rows, key=lambda row: row[0])])


@given(CHUNKS)
def test_what_is_written_is_read_back(chunks: list[Chunk]) -> None:
    """A recording would replay as something else."""
    written = transcript.write(Transcript(chunks, ["Ready", "Lost silent"]))
    assert all(line == line.rstrip() and line.isascii() for line in written.splitlines())
    assert transcript.read(written) == Transcript(chunks, ["Ready", "Lost silent"])


@given(CHUNKS)
def test_masking_keeps_moments_directions_and_lengths(chunks: list[Chunk]) -> None:
    """A masked recording would not be what happened."""
    masked = transcript.mask(chunks, KEY)
    assert [(chunk.at, chunk.direction, len(chunk.data)) for chunk in masked] == [
        (chunk.at, chunk.direction, len(chunk.data)) for chunk in chunks
    ]


def test_a_number_cut_in_two_is_masked() -> None:
    """Where the kernel cuts the bytes, a number would be shown."""
    chunks = [Chunk(0, "<", b'\r\n+CLIP: "0812345'), Chunk(1, ">", b"ATH\r"), Chunk(2, "<", b'67890",129\r\nOK\r\n')]
    masked = b"".join(chunk.data for chunk in transcript.mask(chunks, KEY) if chunk.direction == "<")
    assert b"0812345" not in masked
    assert masked.startswith(b'\r\n+CLIP: "08')
    assert masked.endswith(b'",129\r\nOK\r\n')


def test_a_payload_behind_its_prompt_is_masked() -> None:
    """The text of a message would be shown where the modem echoes it."""
    pdu = b"0011000B912618325476980000A70441F45B0D"
    masked = transcript.mask([Chunk(0, "<", b"\r\n> " + pdu + b"\x1a"), Chunk(1, ">", pdu + b"\x1a")], KEY)
    assert masked[0].data[4:] == masked[1].data != pdu + b"\x1a"


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("hello", "line 2: not seconds"),
        ("1.0 ? OK", "line 2: not seconds"),
        ("1.0 < \\q", "line 2: a backslash"),
        ("1.0 < \\", "line 2: a backslash"),
        ("1.0 < ä€", "line 2: only ASCII"),
        ("2.0 < a\n1.0 < b", "line 3: earlier"),
    ],
)
def test_what_is_no_recording_is_told(line: str, wrong: str) -> None:
    """A file changed by hand would be replayed as something else, without a word."""
    with pytest.raises(TranscriptError, match=wrong):
        transcript.read(f"{transcript.HEADING}\n{line}\n")


def test_a_recorder_ends_in_time_and_in_size() -> None:
    """A recording that nobody stops would fill the memory."""
    recorder = Recorder(now=100, seconds=10, most_bytes=10)
    recorder.tap(100.5, "<", b"12345678")
    assert not recorder.done(101)
    assert recorder.done(110)
    recorder.tap(101, "<", b"abcdef")
    assert recorder.done(101)
    recorder.tap(102, ">", b"AT\r")
    chunks = transcript.read(recorder.masked(KEY)).chunks
    assert [(chunk.at, chunk.direction, len(chunk.data)) for chunk in chunks] == [(0.5, "<", 8), (1.0, "<", 2)]
