"""`kampung-edge sms decode` and `encode`: what they print and how they end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import IO, Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.commands.sms_codec import decode, encode

HOW = "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07"
REPORT = "0006070B911326880736F4111011719551401110117195714030"
EVERY = {"type", "number", "text", "encoding", "timestamp", "smsc", "concat", "status"}


def read(*lines: str, given: bytes | str | None = None) -> tuple[list[dict[str, Any]], int]:
    result = CliRunner().invoke(decode, lines, input=given)
    return [json.loads(line) for line in result.stdout.splitlines()], result.exit_code


def write(*arguments: str, given: bytes | None = None) -> Result:
    return CliRunner().invoke(encode, arguments, input=given)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (
            HOW,
            {
                "type": "deliver",
                "number": "+31641600986",
                "text": "How are you?",
                "encoding": "gsm7",
                "timestamp": "2002-08-26T19:37:41+00:00",
                "smsc": "+31624000000",
                "concat": None,
                "status": None,
            },
        ),
        (
            REPORT,
            {
                "type": "status_report",
                "number": "+31628870634",
                "text": "",
                "encoding": None,
                "timestamp": "2011-01-11T17:59:15+01:00",
                "discharged": "2011-01-11T17:59:17+01:00",
                "smsc": None,
                "concat": None,
                "status": 0x30,
                "delivered": None,
            },
        ),
        (
            "07912618010000F0FDFF0B912618214365F7001862112221034582" + "09060804BEEF0201" + "0041",
            {
                "type": "submit",
                "number": "+62811234567",
                "text": "A",
                "encoding": "ucs2",
                "timestamp": None,
                "smsc": "+62811000000",
                "concat": {"ref": 0xBEEF, "total": 2, "seq": 1},
                "wide": True,
                "status": None,
                "class": 0,
                "reference": 255,
                "valid_until": "2026-11-22T12:30:54+07:00",
                "reject_duplicates": True,
            },
        ),
        (
            "00040ED04927F1390D52010004" + "00" * 7 + "0400FF41" + "0A",
            {
                "type": "deliver",
                "number": "INDOSAT",
                "text": "\x00\xffA\n",
                "encoding": "8bit",
                "timestamp": None,
                "smsc": None,
            },
        ),
    ],
)
def test_what_is_told_of_a_pdu(line: str, wanted: dict[str, object]) -> None:
    """A program that reads the lines would find other names or values than documented."""
    ((said,), code) = read(line)
    assert code == 0
    assert said.keys() >= EVERY
    assert {key: said[key] for key in wanted} == wanted


def test_a_bad_pdu_keeps_its_place() -> None:
    """The lines after it would be taken for another's, or the caller not learn that one was bad."""
    said, code = read(HOW, "zz", REPORT, HOW[:-2])
    assert [row.get("type", "error") for row in said] == ["deliver", "error", "status_report", "error"]
    assert said[1] == {"error": "not hexadecimal"}
    assert code == 2


def test_standard_input_is_read_as_people_and_programs_write_it() -> None:
    """Small letters, spaces, blank lines, Windows' line ends and a byte order mark would be errors."""
    said, code = read("-", given=f"\ufeff{HOW.lower()}\r\n\r\n  {REPORT}\t\n\n{HOW}".encode())
    assert [row["type"] for row in said] == ["deliver", "status_report", "deliver"]
    assert code == 0


@pytest.mark.parametrize("rubbish", [b"\xff\xfe", b"\x00", b"\x00" * 4000, b"ab" * 3000, "é🎉".encode(), b"\x1b[0m"])
def test_rubbish_on_standard_input_is_an_error_in_its_place(rubbish: bytes) -> None:
    """A capture of a modem's line with noise in it would crash the command or shift the lines."""
    said, code = read("-", given=HOW.encode() + b"\n" + rubbish + b"\n" + HOW.encode())
    assert [row.get("type", "error") for row in said] == ["deliver", "error", "deliver"]
    assert code == 2


def test_nothing_given_is_nothing_said() -> None:
    """An empty capture would be called a failure."""
    assert read("-", given=b"") == ([], 0)
    assert read("", " ") == ([], 0)


@given(st.binary(max_size=300))
@settings(max_examples=50, deadline=None)
def test_any_input_is_answered(rubbish: bytes) -> None:
    """Some line would end the command with a traceback."""
    said, code = read("-", given=rubbish)
    assert code == (2 if any("error" in row for row in said) else 0)
    lines = rubbish.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    assert len(said) == len([line for line in lines if line.strip()])


def test_lines_are_answered_as_they_come_and_not_kept() -> None:
    """A long capture would fill the memory, and one who types would wait for the end."""
    command = [sys.executable, "-m", "edge", "sms", "decode", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        into, out = _pipes(process)
        for line in (HOW, REPORT):
            into.write(line.encode() + b"\n")
            into.flush()
            assert json.loads(out.readline())["type"] in ("deliver", "status_report")
        into.close()
        assert process.wait(timeout=30) == 0


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def test_a_line_without_an_end_takes_no_memory(tmp_path: Any) -> None:
    """A file that is no capture at all would fill the memory."""
    file = tmp_path / "zeros"
    with file.open("wb") as zeros:
        os.truncate(zeros.fileno(), 50_000_000)
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED], stdin=file.open("rb"), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {"error": "longer than any PDU"}
    assert int(done.stderr) < 1_000_000


_MEASURED = """
import sys, tracemalloc
from edge.commands.sms_codec import decode
import edge.modem.pdu, edge.modem.codec.describe
tracemalloc.start()
try:
    decode(["-"])
finally:
    print(tracemalloc.get_traced_memory()[1], file=sys.stderr)
    sys.stdout.flush()
    import os; os._exit(0)
"""


def test_what_is_encoded_can_be_decoded() -> None:
    """The two commands would disagree."""
    text = "Surat Keterangan sudah selesai, silakan diambil. " * 7
    result = write("--to", "+6281234567890", "--reference", "4660", "--wide", "--smsc", "+62811000000", text)
    assert result.exit_code == 0
    parts = [json.loads(line) for line in result.stdout.splitlines()]
    said, code = read("-", given="\n".join(part.pop("pdu") for part in parts).encode())
    assert [part.pop("length") for part in parts] == [155, 155, 57]
    assert (said, code) == (parts, 0)
    assert [row["concat"] for row in said] == [{"ref": 4660, "total": 3, "seq": seq} for seq in (1, 2, 3)]
    assert "".join(row["text"] for row in said) == text
    # One TP-MR for all would have a centre that rejects twins (TP-RD) reject all parts but the first.
    assert [row["reference"] for row in said] == [(4660 + place) & 0xFF for place in range(len(said))]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (
            ["Halo “Pak”"],
            {"encoding": "ucs2", "text": "Halo “Pak”", "report": True, "validity_s": 259_200, "reference": 0},
        ),
        (["Halo “Pak”", "--transliterate"], {"encoding": "gsm7", "text": 'Halo "Pak"'}),
        (["Halo", "--flash", "--no-report"], {"class": 0, "report": False}),
        (["Halo", "--reject-duplicates", "--validity", "90m"], {"reject_duplicates": True, "validity_s": 5400}),
        (["--", "-5 derajat"], {"text": "-5 derajat"}),
        ([""], {"text": "", "encoding": "gsm7"}),
    ],
)
def test_options_of_encode(arguments: list[str], wanted: dict[str, object]) -> None:
    """An option would do nothing, or something else than documented."""
    result = write("--to", "1818", *arguments)
    assert result.exit_code == 0
    (said,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert {key: said[key] for key in wanted} == wanted


def test_a_text_that_looks_like_more_lines_is_one_line() -> None:
    """A program would read half an object, or a terminal obey a stranger's SMS."""
    text = "a\u2028b\u2029c\x85d\x9be\x7ff\r\ng\x1b[2J\x0b\x1c🎉"
    result = write("--to", "1818", text)
    assert len(result.stdout.splitlines()) == 1
    assert all(character.isprintable() for character in result.stdout.rstrip("\n"))
    assert json.loads(result.stdout)["text"] == text


def test_a_text_from_standard_input() -> None:
    """Text with quotes and line ends would have to be quoted for a shell."""
    result = write("--to", "1818", "-", given="dua\nbaris €\n".encode())
    assert json.loads(result.stdout)["text"] == "dua\nbaris €"


@pytest.mark.parametrize(
    ("arguments", "given", "why"),
    [
        (["--to", "Telkomsel", "a"], None, "Invalid value for '--to': 'Telkomsel': a number consists of"),
        (["--to", "1" * 21, "a"], None, "at most 20 digits"),
        (["--to", "", "a"], None, "a number consists of"),
        (["--to", "1818", "--smsc", "x", "a"], None, "Invalid value for '--smsc'"),
        (["--to", "1818", "a" * 40_000], None, "error: the text needs 262 parts, more than 255"),
        (["--to", "1818", "-"], b"\xff\xfe", "error: the text is not in UTF-8"),
        (["--to", "1818", "-"], b"a" * 200_001, "more parts than a message can have"),
        (["--to", "1818", "--reference", "65536", "a"], None, "65535"),
        (["--to", "1818", "--validity", "0s", "a"], None, "is not from"),
        (["a"], None, "Missing option '--to'"),
    ],
)
def test_what_cannot_be_encoded_is_refused(arguments: list[str], given: bytes | None, why: str) -> None:
    """A mistake would end in a traceback, or in a PDU to somebody else."""
    result = write(*arguments, given=given)
    assert result.exit_code == 2
    assert why in result.stderr
    assert result.stdout == ""
