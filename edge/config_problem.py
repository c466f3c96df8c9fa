"""What is wrong with a configuration file: one mistake as a value, and the error that carries them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: `where` is ``FILE: uplink[1].gateway`` (lists count from 1), `remedy` what the operator does."""

    severity: Literal["error", "warning"]
    where: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.message}. {self.remedy}"


class ConfigError(Exception):
    """The file cannot be used; `problems` holds every mistake in it, warnings too."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


class Findings:
    """Collects the mistakes of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def error(self, path: str, message: str, remedy: str) -> None:
        """Note something that must be corrected before the daemon starts."""
        self.problems.append(Problem("error", f"{self.file}: {path}", message, remedy))

    def warning(self, path: str, message: str, remedy: str) -> None:
        """Note something that may be intended, or that may heal by itself."""
        self.problems.append(Problem("warning", f"{self.file}: {path}", message, remedy))

    @property
    def broken(self) -> bool:
        """Whether anything here keeps the file from being used."""
        return any(problem.severity == "error" for problem in self.problems)
