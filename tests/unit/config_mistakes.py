"""How the tests read tests/data/config: one invalid-NAME.toml a mistake, one warning-NAME.toml a warning."""

from pathlib import Path

import pytest

from edge.config_check import check
from edge.config_problem import Problem

DATA = Path(__file__).parent.parent / "data" / "config"
EXPLAINED = "Correct it; docs/configuration.md explains every key."
Said = tuple[str, str, str]
Mistakes = dict[str, list[Said]]


def said(path: Path, severity: str) -> list[Said]:
    """What the check says of a file: place in it, message, remedy."""
    found = [problem for problem in check(path) if problem.severity == severity]
    return [(_place(problem, path), problem.message, problem.remedy) for problem in found]


def _place(problem: Problem, path: Path) -> str:
    assert problem.where.startswith(f"{path}: ")
    return problem.where.removeprefix(f"{path}: ")


def each_of(mistakes: Mistakes) -> pytest.MarkDecorator:
    """Parametrises a test by every mistake of a table."""
    return pytest.mark.parametrize("name", mistakes)
