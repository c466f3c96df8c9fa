"""What an installation holds: every file of the package, not only its Python."""

import configparser
import subprocess
from pathlib import Path, PurePath

ROOT = Path(__file__).parents[2]


def test_every_file_of_the_package_is_installed() -> None:
    """The page would come without its style, or the store without its tables, but only on an installed box."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    patterns = [pattern.strip() for pattern in setup["options.package_data"]["*"].split(",")]
    files = [path for path in (ROOT / "edge").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    forgotten = [
        str(path.relative_to(ROOT))
        for path in files
        if path.suffix != ".py" and not any(PurePath(path.name).match(pattern) for pattern in patterns)
    ]
    assert not forgotten, f"setup.cfg [options.package_data] lacks {forgotten}"


def test_every_folder_of_the_package_is_a_package() -> None:
    """find: would leave out a folder without __init__.py, and what is in it."""
    folders = {path.parent for path in (ROOT / "edge").rglob("*.py")}
    assert all((folder / "__init__.py").exists() for folder in folders)


def test_scripts_are_sound() -> None:
    """A script would fail at the line nobody reached."""
    for script in [*(ROOT / "script").iterdir(), ROOT / ".ci" / "run"]:
        subprocess.run(["bash", "-n", str(script)], check=True)
        assert "set -euo pipefail" in script.read_text() or script.name == "setup-common"
