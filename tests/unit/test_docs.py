"""The documentation says what the program does: every command, option and setting has its line, every example loads."""

import itertools
import re
import tomllib
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from edge.cli import main
from edge.config_check import load, read
from edge.config_shape import allowed
from tests.unit.documented import EXAMPLE, ROOT, documented, fields

COMMANDS = ROOT / "docs" / "commands.md"
CONFIGURATION = ROOT / "docs" / "configuration.md"
FREE = ("text", "a list", "a table")  # what the checks of meaning want stands in words of its own
PAGES = sorted(ROOT.glob("docs/**/*.md")) + [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
EXAMPLES = [EXAMPLE, *sorted((ROOT / "config" / "examples").glob("*.toml"))]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_loads(path: Path) -> None:
    """A village that starts from an example would start with mistakes that are not its own."""
    config, problems = read(path)
    assert config is not None
    assert all("does not exist here" in problem.message for problem in problems)


def test_every_key_stands_in_the_example() -> None:
    """A setting that is not in the example is known to nobody."""
    assert set(fields()) == set(documented())
    assert load(EXAMPLE).sms.heads, "the example should show an enrolled head"


@pytest.mark.parametrize("path", fields())
def test_the_example_states_the_default(path: str) -> None:
    """Whoever trusts a stated default and leaves the key out would get another value."""
    field, said = fields()[path], documented()[path].default
    if field.required:
        assert said == "required"
        return
    default = field.default if field.default is not msgspec.NODEFAULT else {}
    stated: Any = tomllib.loads(f"x = {said}")["x"]
    assert (tuple(stated) if isinstance(stated, list) else stated) == default


@pytest.mark.parametrize("path", fields())
def test_the_example_states_the_range(path: str) -> None:
    """Whoever stays within a stated range would be refused."""
    wanted = allowed(fields()[path].type)
    if not any(wanted == free or wanted.startswith(free + ",") for free in FREE):
        assert documented()[path].allowed == wanted


@pytest.mark.parametrize("path", fields())
def test_every_setting_has_its_line(path: str) -> None:
    """docs/configuration.md would leave out a key, or say something else than the example."""
    row = documented()[path].row()
    assert row in CONFIGURATION.read_text().splitlines(), f"docs/configuration.md lacks: {row}"


def test_no_line_is_of_a_key_that_is_gone() -> None:
    """A village would write a key that is refused."""
    written = re.findall(r"^\| `([a-z0-9_.*]+)` \|", CONFIGURATION.read_text(), re.M)
    assert sorted(written) == sorted(fields())


def _commands(group: click.Group, path: str = "") -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        bare = not isinstance(command, click.Group) or command.invoke_without_command
        found |= {f"{path}{name}": command} if bare else {}
        found |= _commands(command, f"{path}{name} ") if isinstance(command, click.Group) else {}
    return found


def _section(title: str) -> str:
    """The command a heading of docs/commands.md is about: its words up to the first option or argument."""
    words = title.removeprefix("kampung-edge ").split()
    return " ".join(itertools.takewhile(lambda word: re.fullmatch(r"[a-z][a-z-]*", word), words))


@pytest.mark.parametrize("name", _commands(main))
def test_every_command_and_option_has_its_line(name: str) -> None:
    """Somebody in the field could not find out what an option does."""
    parts = [part for part in COMMANDS.read_text().split("\n## `") if part.startswith("kampung-edge ")]
    sections = {_section(part.split("`", 1)[0]): part for part in parts}
    assert name in sections, f"docs/commands.md lacks: ## `kampung-edge {name}`"
    for option in _commands(main)[name].params:
        written = option.opts[-1] if isinstance(option, click.Option) else str(option.metavar)
        assert re.search(rf"^\| `{re.escape(written)}[ `]", sections[name], re.M), f"docs/commands.md lacks {written}"


def test_no_section_is_of_a_command_that_is_gone() -> None:
    """Somebody would call a command that is not there."""
    written = re.findall(r"^## `(kampung-edge [^`]+)`", COMMANDS.read_text(), re.M)
    assert sorted(map(_section, written)) == sorted(_commands(main))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A reader would end at a page that is not there."""
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_scripts_of_the_readme_are_there() -> None:
    """The first thing a newcomer types would fail."""
    for page in PAGES:
        for script in re.findall(r"\b(script/[a-z-]+)\b", page.read_text()):
            assert (ROOT / script).stat().st_mode & 0o100, f"{page.name}: {script}"


def test_the_commands_of_the_readme_are_there() -> None:
    """As above, for the command line."""
    for page in PAGES:
        for command in re.findall(r"(?:bin/|`|^)kampung-edge ([a-z][a-z-]+)", page.read_text(), re.M):
            assert command in main.commands, f"{page.name}: {command}"


def test_every_decision_is_listed() -> None:
    """A decision that is not listed is made again, otherwise."""
    listed = (ROOT / "docs" / "adr" / "README.md").read_text()
    for page in (ROOT / "docs" / "adr").glob("0*.md"):
        assert page.name in listed
        assert all(f"**{part}" in page.read_text() for part in ("Status:", "Context.", "Decision.", "Consequences."))


@pytest.mark.parametrize("path", sorted((ROOT / "edge" / "modem").rglob("[a-z]*.py")), ids=lambda path: path.stem)
def test_every_module_of_the_modem_has_its_place(path: Path) -> None:
    """Whoever looks for a behaviour of the modem would not know where it lives."""
    assert re.search(rf"[|,] {path.stem}[ ,]", (ROOT / "docs" / "architecture.md").read_text())


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_page_is_reached_from_the_readme(page: Path) -> None:
    """A page that nothing leads to is not read by those it is written for."""
    assert f"](docs/{page.name})" in (ROOT / "README.md").read_text()
