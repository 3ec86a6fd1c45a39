"""The scene that CONTRIBUTING adds in a package of its own is added here, line by line, and its day is played."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.house import ROOT


def blocks() -> dict[str, str]:
    """The page's blocks of the example, by language; of the YAML ones the first is the preset, the second the day."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = page.partition("## Add a scene")[2].partition("\n## ")[0]
    found = re.findall(r"^   ```(\w+)\n(.*?)^   ```$", section, flags=re.MULTILINE | re.DOTALL)
    named: dict[str, str] = {}
    for language, text in found:
        named["day" if language in named else language] = textwrap.dedent(text)
    return named


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the page's own files were installed as the page says, but beside this environment."""
    source, folder, example = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed"), blocks()
    for name, text in {
        "pyproject.toml": example["toml"],
        "setup.cfg": example["ini"],
        "reading_room/__init__.py": "",
        "reading_room/room.py": example["python"],
        "reading_room/presets/reading-room.yaml": example["yaml"],
        "reading_room/days/reading-room.yaml": example["day"],
    }.items():
        file = source / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    options = ["--no-deps", "--no-build-isolation"]
    assert f"pip install {' '.join(options)} FOLDER" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-index",
            *options,
            "--target",
            str(folder),
            str(source),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def onecard(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "ONECARD_"))
    }
    return subprocess.run(
        [sys.executable, "-P", "-m", "agent", *arguments],
        cwd=package,
        env=environment | {"PYTHONPATH": str(package), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("network", [[], ["--offline"]])
def test_the_examples_day_is_as_its_script_says(package: Path, network: list[str]) -> None:
    done = onecard(package, "day", "play", "reading-room", *network)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓") == 4
    assert (
        '09:01:00 card wang                    no-reader "Please register as a reader at the desk first"' in done.stdout
    )


def test_the_examples_preset_is_known_and_a_setting_that_is_wrong_is_named(package: Path) -> None:
    made = package / "room.yaml"
    assert onecard(package, "config", "init", "--preset", "reading-room", str(made)).returncode == 0
    assert onecard(package, "config", "check", str(made)).returncode == 0
    made.write_text(made.read_text(encoding="utf-8").replace("area:", "aera:"), encoding="utf-8")
    refused = onecard(package, "config", "check", str(made))
    assert refused.returncode == 1
    assert "lanes.door.settings.aera: is not a key here; did you mean area?" in refused.stderr + refused.stdout


def test_the_example_is_as_strictly_typed_and_as_tidy_as_the_house(package: Path) -> None:
    for tool in (
        ["mypy", "--strict", "--explicit-package-bases"],
        ["ruff", "check", "--config", str(ROOT / "pyproject.toml")],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *tool, str(package / "reading_room/room.py")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
