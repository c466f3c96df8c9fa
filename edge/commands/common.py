"""What every command shares: reading the configuration, printing, and one sentence and an exit code for refusals."""

from __future__ import annotations

import contextlib
import errno
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from edge import exits

if TYPE_CHECKING:
    from edge.config import Config
    from edge.config_problem import Problem

CONFIG = Path("/etc/kampung-edge/kampung-edge.toml")
_FILE = click.Path(path_type=Path, dir_okay=True)
config_option = click.option(
    "--config",
    "path",
    type=_FILE,
    default=CONFIG,
    show_default=True,
    envvar="KAMPUNG_EDGE_CONFIG",
    metavar="FILE",
    help="The configuration file.",
)
_MOST_BYTES = 1_000_000
_RUN_DIR = re.compile(r"""^[ \t]*run_dir[ \t]*=[ \t]*["'](/[^"'\n]*)["']""", re.MULTILINE)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, for programs.")


def load(path: Path) -> Config:
    """The configuration at `path`; on a mistake every one is shown and the command ends with 2."""
    from edge.config_check import read

    config, problems = read(path)
    if config is None:
        show([problem for problem in problems if problem.severity == "error"])
        sys.exit(exits.CONFIGURATION)
    return config


def run_dir(path: Path) -> Path:
    """Where the daemon that runs with `path` is asked. A file with mistakes does not keep anybody from asking it: it
    runs on with what it read before, and who has just broken the file needs it most."""
    from msgspec.structs import fields

    from edge.config import Config
    from edge.config_check import read

    config, problems = read(path)
    if config is not None:
        return Path(config.run_dir)
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode(errors="replace")
    except OSError:
        show(problems)
        sys.exit(exits.CONFIGURATION)
    written = _RUN_DIR.search(text)
    here = Path(written[1] if written else next(field.default for field in fields(Config) if field.name == "run_dir"))
    click.echo(
        f"warning: {path} has mistakes (kampung-edge check-config {path}); asking the daemon in {here}", err=True
    )
    return here


def in_force(path: Path, config: Config) -> Config:
    """What a daemon started now would run instead of `config`, read from `path`: the one before an ended trial."""
    from edge.trial import Trial

    return Trial(path, Path(config.state_dir)).stands_for(config)


def show(problems: list[Problem]) -> None:
    """Print problems of a configuration on standard error."""
    for problem in problems:
        severity = click.style(problem.severity, fg="red" if problem.severity == "error" else "yellow", bold=True)
        click.echo(f"{severity}: {problem.where}: {problem.message}. {problem.remedy}", err=True)


def action(name: str) -> str:
    """A change's action in its colour."""
    return click.style(f"{name:7}", fg={"add": "green", "remove": "red"}.get(name, "yellow"))


def print_json(value: object) -> None:
    """Print one line of JSON."""
    click.echo(json.dumps(value, ensure_ascii=False))


@contextlib.contextmanager
def alone(config: Config) -> Iterator[None]:
    """Keep the daemon out while the body takes away what it would put back."""
    from edge.instance import AlreadyRunning, Instance

    run_dir = Path(config.run_dir)
    if not run_dir.is_dir():
        yield
        return
    try:
        instance = Instance(run_dir)
    except AlreadyRunning as error:
        end(f"{error}; stop it first (systemctl stop kampung-edge)", exits.ALREADY_RUNNING)
    yield
    instance.close()


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turn what the machine refuses into one sentence and an exit code."""
    try:
        yield
    except (OSError, ValueError) as error:
        refused = isinstance(error, OSError) and error.errno in (errno.EPERM, errno.EACCES)
        sentence = str(error)
        if isinstance(error, OSError) and error.filename is not None:
            sentence = f"{error.filename}: {error.strerror}"
        end(f"{sentence}{'; run it as root' if refused else ''}", exits.PRIVILEGE if refused else exits.FAILED)


@contextlib.contextmanager
def network_refusals() -> Iterator[None]:
    """The same, with what the kernel room says it cannot do."""
    from edge.kernel.errors import HostError, PrivilegeMissing
    from edge.traffic.operator import CommandFailed

    try:
        with refusals():
            yield
    except (HostError, CommandFailed) as error:
        causes = (error, error.__cause__)
        refused = any(isinstance(cause, (PrivilegeMissing, PermissionError)) for cause in causes)
        end(str(error), exits.PRIVILEGE if refused else exits.FAILED)


def must_exist(store: Path) -> None:
    """Raise ValueError, with the remedy, where no store stands."""
    if not store.exists():
        raise ValueError(f"there is no store at {store}: is this the right configuration?")


def unanswered(error: Exception, before: str = "") -> NoReturn:
    """End the command because the daemon was not there, or refused; `before` goes before its sentence."""
    from edge.control import Forbidden

    end(f"{before}{error}", exits.PRIVILEGE if isinstance(error, Forbidden) else exits.FAILED)


def end(sentence: str, code: int) -> NoReturn:
    """Say what is wrong and end the command with `code`."""
    click.echo(f"error: {sentence}", err=True)
    sys.exit(code)
