"""The daemon's own door for the commands of the person at the box: one JSON line asked, one JSON line answered.

It is a Unix socket in `run_dir` that only root and the daemon's own user may open (unix(7), SO_PEERCRED); no network
reaches it. It opens before the store and works without it. A question is ``{"ask": NAME, ...}``, an answer is the
handler's object, or ``{"error": SENTENCE}``.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

log = logging.getLogger("edge.control")

Answer = dict[str, Any]
Handler = Callable[[dict[str, Any]], Awaitable[Answer]]

SOCKET = "control.sock"
MOST_BYTES = 1 << 20
PATIENCE_S = 10.0
ROOM_EVERY_S = 2.0
_LONGER_S = 2.0  # so much longer the asker waits, to hear that it took too long
_LATE = "the daemon did not answer within %g s and may do it all the same: look before you ask again"
_MOST_ASKING = 8
_UCRED = struct.Struct("3i")


class Refused(Exception):
    """The question cannot be answered; the message says why and what helps."""


class Forbidden(Refused):
    """The daemon's socket is not for this user."""


class NotRunning(Exception):
    """No daemon answers in this `run_dir`."""


class Control:
    """Answers the commands, each in `patience_s`. Handlers come and go with the parts that know the answers."""

    def __init__(self, run_dir: Path, *, patience_s: float = PATIENCE_S) -> None:
        self.listening = asyncio.Event()
        self._patience_s = patience_s
        self._run_dir = run_dir
        self._handlers: dict[str, Handler] = {}
        self._asking = asyncio.Semaphore(_MOST_ASKING)

    def offer(self, handlers: dict[str, Handler]) -> None:
        """Answer these questions from now on; an earlier handler of the same name is replaced."""
        self._handlers |= handlers

    def withdraw(self, names: list[str]) -> None:
        """Answer these questions no longer."""
        for name in names:
            self._handlers.pop(name, None)

    async def run(self) -> None:
        """Listen until cancelled; may be run again."""
        with contextlib.closing(await self._listener()) as sock:
            server = await asyncio.start_unix_server(self._serve, sock=sock, limit=MOST_BYTES)
            self.listening.set()
            async with server:
                await server.serve_forever()

    async def _listener(self) -> socket.socket:
        """The socket, as soon as there is room for it: the network does not wait for those who ask about it."""
        told = False
        while True:
            try:
                return _listener(self._run_dir)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                if not told:
                    log.error("%s is full: no command reaches the daemon until there is room", self._run_dir)
                told = True
                await asyncio.sleep(ROOM_EVERY_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(self._patience_s), self._asking:
                if _allowed(writer.get_extra_info("socket")):
                    answer = await self._answer(await reader.readline())
                else:
                    answer = {"error": "only root and the daemon's own user may ask; run it as root"}
                writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
                await writer.drain()
        except TimeoutError:  # before OSError, which is its base
            log.info("control: a question was not asked, answered or read within %g s", self._patience_s)
            writer.write(json.dumps({"error": _LATE % self._patience_s}).encode() + b"\n")
        except (OSError, ValueError) as error:  # the asker went away, or sent a line without an end
            log.debug("control: %s", error)
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> Answer:
        try:
            question = json.loads(line)
            handler = self._handlers.get(question["ask"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return {"error": 'a question is one JSON object on one line, such as {"ask": "uplink"}'}
        if handler is None:
            return {"error": f"the daemon does not answer {str(question['ask'])[:40]!r} now; it may still be starting"}
        try:
            return await handler(question)
        except Refused as error:
            return {"error": str(error)}
        except Exception:  # a bug: nobody else waits for this task, and the asker must not believe that no daemon runs
            log.exception("control: the question %s could not be answered", question["ask"])
            return {"error": "the daemon failed to answer; its log tells why"}


@contextlib.contextmanager
def _reachable(run_dir: Path) -> Iterator[str]:
    """The socket's name, short enough for a sockaddr_un (108 bytes) however long `run_dir` is."""
    folder = os.open(run_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET}"
    finally:
        os.close(folder)


def _listener(run_dir: Path) -> socket.socket:
    (run_dir / SOCKET).unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)  # the socket must not be open to others for even a moment
    try:
        with _reachable(run_dir) as name:
            sock.bind(name)
    except BaseException:
        sock.close()
        raise
    finally:
        os.umask(mask)
    return sock


def _allowed(sock: socket.socket) -> bool:
    _, user, _ = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return user in (0, os.geteuid())


def ask(run_dir: Path, question: dict[str, Any], *, patience_s: float = PATIENCE_S + _LONGER_S) -> Answer:
    """The running daemon's answer, blocking. NotRunning without a daemon, Refused with its reason."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as sock:
        sock.settimeout(patience_s)
        try:
            with _reachable(run_dir) as name:
                sock.connect(name)
            sock.sendall(json.dumps(question).encode() + b"\n")
            with sock.makefile("rb") as file:
                line = file.readline(MOST_BYTES + 1)
            answer: Answer = json.loads(line)
        except PermissionError as error:
            raise Forbidden(f"{run_dir / SOCKET}: permission denied; run it as root") from error
        except TimeoutError as error:
            raise Refused(_LATE % patience_s) from error
        except (FileNotFoundError, ConnectionRefusedError) as error:  # a socket that a killed daemon left refuses
            raise NotRunning(f"no daemon runs in {run_dir}; start it: systemctl start kampung-edge") from error
        except (ConnectionError, ValueError) as error:
            look = "look at its log: journalctl -u kampung-edge"
            raise NotRunning(f"the daemon in {run_dir} broke off its answer ({error}); {look}") from error
    if "error" in answer:
        raise Refused(str(answer["error"]))
    return answer
