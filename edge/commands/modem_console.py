"""`kampung-edge modem console` and `modem record`: a person's AT lines, and a recording of the modem's line."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import click

from edge import exits
from edge.commands.common import config_option, end, json_option, load, print_json, refusals, run_dir, unanswered
from edge.commands.durations import Duration, spoken

if TYPE_CHECKING:
    from edge.modem.device.talk import Talk

_MOST_LISTENED_S = 60.0
modem_option = click.option("--modem", "name", default="", metavar="NAME", help="Which modem, where there are several.")


@dataclass(slots=True)
class Said:
    """What came of one line."""

    final: str = ""
    lines: list[str] = field(default_factory=list)


class Line(Protocol):
    """Something that asks a modem; `give` yields what is heard, one line at a time, and fills `said`."""

    def give(self, line: str, said: Said) -> Iterator[str]:
        """Ask `line`."""


@click.command("console", short_help="Give AT lines to the modem and see what it says.")
@click.argument("commands", nargs=-1, metavar="[LINE]...")
@config_option
@modem_option
@click.option("--dangerous", is_flag=True, help="Also lines that change settings or lose messages.")
@click.option("--listen", type=Duration(0, _MOST_LISTENED_S), default="0s", help="Go on listening after each answer.")
@click.option("--timeout", type=Duration(1, 180), default="30s", help="How long an answer may take.", show_default=True)
@json_option
def console(
    commands: tuple[str, ...],
    path: Path,
    name: str,
    dangerous: bool,
    listen: float,
    timeout: float,
    as_json: bool,
) -> None:
    """Give each LINE, or else each line of standard input, to the modem; other people's numbers and words are replaced.

    Through the daemon while it runs, between its messages; else on the device itself, which it holds until the end.
    Questions are free, what changes something needs --dangerous; a PIN and messages are never given this way.
    Exit code 0: the last answer was OK.

    \b
    Example: kampung-edge modem console AT+CSQ AT+COPS?
             kampung-edge modem console --listen 15s 'AT+CUSD=1,"*888#",15'
    """
    from edge.modem.examine.permitted import refusal

    ok = True
    with _line(path, name, dangerous=dangerous, listen=listen, timeout=timeout) as modem:
        for line in commands or _typed():
            if sentence := refusal(line, dangerous=dangerous):
                ok = False
                click.echo(f"error: {sentence}", err=True)
                continue
            said = Said()
            for heard in modem.give(line, said):
                if not as_json:
                    click.echo(click.style(heard, fg="cyan" if heard.startswith(">") else None))
            ok = said.final == "OK"
            if as_json:
                print_json({"line": line, "final": said.final, "lines": said.lines})
            elif not ok:
                click.echo(f"error: {line} ended: {said.final or 'nothing came'}", err=True)
    sys.exit(0 if ok else exits.FAILED)


@click.command("record", short_help="Record the modem's line, with other people's numbers and words replaced.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), metavar="FILE")
@config_option
@modem_option
@click.option("--for", "seconds", type=Duration(1, 3600), default="10m", show_default=True, help="How long.")
def record(file: Path, path: Path, name: str, seconds: float) -> None:
    """Record into FILE what goes over the modem's line while the daemon works; Ctrl-C ends it early.

    What is recorded can be replayed: docs/modem.md tells how. Of a long recording the first 256 KiB are kept.

    \b
    Example: kampung-edge modem record /tmp/modem.txt --for 10m
    """
    where = run_dir(path)
    if str(file) == "-":
        click.echo(_recorded(where, name, seconds), nl=False)
        return
    with _made(file) as out:
        text = _recorded(where, name, seconds)
        out.write(text)
    click.echo(f"{file}: {text.count(chr(10))} lines", err=True)


@contextlib.contextmanager
def _made(file: Path) -> Iterator[TextIO]:
    """A new `file`, opened before an hour of recording could be lost to its wrong name; gone again without one."""
    with refusals():
        if file.exists():
            end(f"{file} is there already; name another file", exits.FAILED)
        with file.open("x", encoding="ascii") as out:
            try:
                yield out
            except BaseException:
                file.unlink(missing_ok=True)
                raise


def _recorded(where: Path, name: str, seconds: float) -> str:
    """Begin a recording, wait for its end or end it on Ctrl-C, and fetch it page by page."""
    question: dict[str, Any] = {"ask": "modem-record", "modem": name}
    question["token"] = _asked(where, question | {"seconds": seconds})["token"]
    until = time.monotonic() + seconds
    try:
        while not (answer := _asked(where, question))["done"]:
            if sys.stderr.isatty():
                left = spoken(until - time.monotonic())
                click.echo(f"\r{answer['bytes']} bytes, {left} left \033[K", nl=False, err=True)
    except KeyboardInterrupt:
        _asked(where, question | {"stop": True})
    if sys.stderr.isatty():
        click.echo(err=True)
    text, size = "", 1
    while len(text) < size:
        page = _asked(where, question | {"offset": len(text)})
        size = page["size"]
        text += page["text"]
    return text


def _typed() -> Iterable[str]:
    asking = sys.stdin.isatty()
    while True:
        if asking:
            click.echo("AT> ", nl=False, err=True)
        line = sys.stdin.readline(1_000)
        if not line:
            return
        if line.strip():
            yield line.strip()


def _asked(where: Path, question: dict[str, Any]) -> dict[str, Any]:
    from edge.control import NotRunning, Refused, ask

    try:
        return ask(where, question)
    except (NotRunning, Refused) as error:
        unanswered(error)


@contextlib.contextmanager
def _line(path: Path, name: str, *, dangerous: bool, listen: float, timeout: float) -> Iterator[Line]:
    """The daemon's line to the modem, or without a daemon one of our own."""
    from edge.control import NotRunning, Refused, ask

    where = run_dir(path)
    try:
        ask(where, {"ask": "modem-at", "modem": name, "token": 0})
    except Refused:
        yield _ThroughDaemon(where, {"ask": "modem-at", "modem": name}, dangerous, listen, timeout)
        return
    except NotRunning:
        click.echo("no daemon runs; asking the device itself", err=True)
    with asyncio.Runner() as runner, _opened(path, runner) as talk:
        yield _OnDevice(runner, talk, listen, timeout)


@dataclass(frozen=True, slots=True)
class _ThroughDaemon:
    where: Path
    question: dict[str, Any]
    dangerous: bool
    listen: float
    timeout: float

    def give(self, line: str, said: Said) -> Iterator[str]:
        begin = {"line": line, "dangerous": self.dangerous, "timeout_s": self.timeout}
        go_on = self.question | _asked(self.where, self.question | begin)
        shown, until = 0, 0.0
        while not until or time.monotonic() < until:
            answer = _asked(self.where, go_on)
            yield from answer["heard"][shown:]
            shown = len(answer["heard"])
            if not answer["done"]:
                continue
            if not until:
                until = time.monotonic() + self.listen
                said.final, said.lines = answer["final"], answer["lines"]
            elif self.listen:
                time.sleep(0.5)


@dataclass(frozen=True, slots=True)
class _OnDevice:
    runner: asyncio.Runner
    talk: Talk
    listen: float
    timeout: float

    def give(self, line: str, said: Said) -> Iterator[str]:
        from edge.modem.at import question
        from edge.modem.examine.masking import Mask

        mask = Mask(secrets.token_bytes(32))
        yield f"> {mask.line(line)}"
        answer = self.runner.run(self.talk.ask(line, self.timeout, prefix=question(line, 1).prefix))
        said.final, said.lines = answer.final, [mask.line(text) for text in answer.lines]
        yield from (f"< {text}" for text in [*said.lines, answer.final])
        until = time.monotonic() + self.listen
        while (left := until - time.monotonic()) > 0 and (heard := self.runner.run(self.talk.unasked("", left))):
            yield f"< {mask.line(heard)}"


@contextlib.contextmanager
def _opened(path: Path, runner: asyncio.Runner) -> Iterator[Talk]:
    from edge.modem.device.find import Absent, Finder
    from edge.modem.device.talk import Talk
    from edge.modem.device.usb import Places
    from edge.modem.port import PortUnavailable

    config = load(path)
    if config.modem is None:
        end(f"{path} has no [modem]; see docs/modem.md", exits.FAILED)
    places = Places()
    try:
        found = runner.run(Finder(config.modem, places).find())
        opened = Talk.opened(found.device, config.modem.baud, places)
        talk = runner.run(opened.__aenter__())
    except (Absent, PortUnavailable) as error:
        unanswered(error)
    try:
        if not runner.run(talk.greet()):
            end(f"{found.device} does not answer AT; try: kampung-edge modem doctor", exits.FAILED)
        yield talk
    finally:
        runner.run(opened.__aexit__(None, None, None))
