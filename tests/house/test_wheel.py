"""The wheel holds the house and nothing else, and runs where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.house import PACKAGES, ROOT

_MADE_BY_PYTHON = shutil.ignore_patterns("__pycache__", "*.pyc")


def _run(*command: str | Path, cwd: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing stale in the checkout can slip in and nothing new is left behind."""
    source = tmp_path_factory.mktemp("source")
    for name in (*PACKAGES, "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=_MADE_BY_PYTHON)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", source / "dist", cwd=source)
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that has the wheel, and borrows this one's dependencies."""
    folder = tmp_path_factory.mktemp("elsewhere")
    _run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    _run(*pip, "install", "--quiet", "--no-index", "--no-deps", wheel, cwd=folder)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


@pytest.fixture
def decoy(tmp_path: Path) -> Path:
    """A working directory with a folder named as one of ours."""
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "__init__.py").touch()
    (tmp_path / "agent" / "__main__.py").write_text("print('decoy')\n")
    return tmp_path


def test_the_wheel_holds_every_file_of_the_house_and_no_other(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    house = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {f"{package}/py.typed" for package in PACKAGES} <= held
    assert held == house


def test_the_wheel_carries_its_licence_and_entry_points(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        (entry_points,) = (name for name in archive.namelist() if name.endswith("/entry_points.txt"))
        assert any(name.endswith("/LICENSE") for name in archive.namelist())
        text = archive.read(entry_points).decode()
    for group in ("console_scripts", "onecard.drivers", "onecard.cards", "onecard.profiles"):
        assert f"[{group}]" in text


def test_the_installed_command_is_not_shadowed_by_the_working_directory(elsewhere: Path, decoy: Path) -> None:
    assert "0.1.0" in _run(elsewhere / "onecard", "--version", cwd=decoy)


def test_the_installed_agent_is_not_shadowed_under_safe_path(elsewhere: Path, decoy: Path) -> None:
    assert "0.1.0" in _run(elsewhere / "python", "-P", "-m", "agent", "--version", cwd=decoy)
    assert "decoy" in _run(elsewhere / "python", "-m", "agent", "--version", cwd=decoy)


def test_every_entry_point_loads_from_the_wheel(elsewhere: Path, decoy: Path) -> None:
    program = (
        "from importlib.metadata import entry_points\n"
        "for group in ('onecard.drivers', 'onecard.cards', 'onecard.profiles'):\n"
        "    for point in entry_points(group=group):\n"
        "        print(point.load().__module__)\n"
    )
    modules = _run(elsewhere / "python", "-P", "-c", program, cwd=decoy).split()
    assert {module.split(".")[0] for module in modules} == {"drivers", "profiles"}
