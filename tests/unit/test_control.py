"""The control socket: who may ask, what is answered, and that rubbish costs nothing."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.control import MOST_BYTES, SOCKET, Control, NotRunning, Refused, ask


@asynccontextmanager
async def answering(run_dir: Path, **settings: Any) -> AsyncIterator[Control]:
    control = Control(run_dir, **settings)
    task = asyncio.create_task(control.run())
    await control.listening.wait()
    try:
        yield control
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def asked(run_dir: Path, **question: Any) -> dict[str, Any]:
    return await asyncio.to_thread(ask, run_dir, question)


async def echo(question: dict[str, Any]) -> dict[str, Any]:
    return {"heard": question["word"]}


async def refuse(question: dict[str, Any]) -> dict[str, Any]:
    raise Refused(f"no such uplink: {question['uplink']}")


async def raw(run_dir: Path, data: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(run_dir / SOCKET)
    writer.write(data)
    writer.write_eof()
    answer = await reader.read(10_000)
    writer.close()
    return answer


async def test_a_question_is_answered(tmp_path: Path) -> None:
    """The commands would show nothing."""
    async with answering(tmp_path) as control:
        control.offer({"echo": echo})
        assert await asked(tmp_path, ask="echo", word="halo") == {"heard": "halo"}


async def test_a_refusal_reaches_the_asker(tmp_path: Path) -> None:
    """Whoever asks for the impossible would not be told why."""
    async with answering(tmp_path) as control:
        control.offer({"refuse": refuse})
        with pytest.raises(Refused, match="no such uplink: indihome"):
            await asked(tmp_path, ask="refuse", uplink="indihome")


async def test_a_handlers_bug_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The asker would read that no daemon runs, and ask for ten seconds more."""
    async with answering(tmp_path) as control:
        control.offer({"echo": echo})
        with pytest.raises(Refused, match="failed to answer"):
            await asked(tmp_path, ask="echo")
    assert "could not be answered" in caplog.text


async def test_what_took_too_long_may_be_done_all_the_same(tmp_path: Path) -> None:
    """Whoever sends an SMS while the card is slow would read that no daemon runs, and send it twice."""

    async def hang(_question: dict[str, Any]) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async with answering(tmp_path, patience_s=0.05) as control:
        control.offer({"hang": hang})
        with pytest.raises(Refused, match="may do it all the same"):
            await asked(tmp_path, ask="hang")


async def test_a_withdrawn_question_is_refused(tmp_path: Path) -> None:
    """After a reload the parts of the old configuration would answer."""
    async with answering(tmp_path) as control:
        control.offer({"echo": echo})
        control.withdraw(["echo", "never-there"])
        with pytest.raises(Refused, match="does not answer 'echo'"):
            await asked(tmp_path, ask="echo", word="halo")


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"rubbish\n", b"[]\n", b"{}\n", b'{"ask": []}\n', b"\xff\n", b"[" * 9_999 + b"\n"]
)
async def test_rubbish_gets_a_sentence(tmp_path: Path, line: bytes) -> None:
    """A malformed question would end the door for everybody."""
    async with answering(tmp_path) as control:
        control.offer({"echo": echo})
        assert "error" in json.loads(await raw(tmp_path, line))
        assert await asked(tmp_path, ask="echo", word="still") == {"heard": "still"}


async def test_a_line_without_end_is_bounded(tmp_path: Path) -> None:
    """An endless line would fill the memory."""
    async with answering(tmp_path) as control:
        control.offer({"echo": echo})
        with contextlib.suppress(ConnectionError):  # the door may close before all of it is sent
            assert await raw(tmp_path, b"x" * (3 * MOST_BYTES)) == b""
        assert await asked(tmp_path, ask="echo", word="still") == {"heard": "still"}


async def test_others_may_not_open_it(tmp_path: Path) -> None:
    """Any program of the box could steer its uplinks."""
    async with answering(tmp_path):
        assert (tmp_path / SOCKET).stat().st_mode & 0o777 == 0o600


def test_without_a_daemon_a_sentence_says_so(tmp_path: Path) -> None:
    """A stopped daemon would look like a broken command."""
    with pytest.raises(NotRunning, match="systemctl start"):
        ask(tmp_path, {"ask": "uplink"})


def test_a_socket_that_nobody_serves_is_no_daemon(tmp_path: Path) -> None:
    """What a crash left behind would hang the command."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / SOCKET))
    with pytest.raises(NotRunning, match="systemctl start"):
        ask(tmp_path, {"ask": "uplink"})
