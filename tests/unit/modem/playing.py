"""A procedure played against a table of answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from edge.modem.at import TIMED_OUT, Answer, Command
from edge.modem.conversation.procedures import Escape, Pause, Procedure

T = TypeVar("T")


def play(procedure: Procedure[T], answers: Callable[[str], str]) -> tuple[T, list[str]]:
    """Run a procedure against `answers` (lines divided by "|", "" is silence); its result and the commands."""
    commands: list[str] = []
    answer: Answer | None = None
    while True:
        try:
            step = next(procedure) if answer is None else procedure.send(answer)
        except StopIteration as end:
            return end.value, commands
        if isinstance(step, Pause | Escape):
            answer = Answer(Command("", 0), (), "OK")
            continue
        commands.append(step.line)
        *lines, final = (answers(step.line) or TIMED_OUT).split("|")
        answer = Answer(step, tuple(lines), final)


def constantly(answer: str) -> Callable[[str], str]:
    return lambda _line: answer
