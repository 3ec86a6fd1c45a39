"""The lock in requirements/ agrees with the ranges in setup.cfg, and is complete."""

from __future__ import annotations

import re
import tomllib
from configparser import ConfigParser
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house import ROOT

_LOCKS = ("build", "runtime", "dev", "lock", "cwt")


def _pinned(lock: str) -> list[Requirement]:
    """Each line that begins a pin, without its hashes."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    return [Requirement(line) for line in re.findall(r"^[A-Za-z0-9].*==.*(?= \\$)", text, flags=re.MULTILINE)]


def _pins(lock: str) -> dict[str, Requirement]:
    """One pin a package: where versions of Python need different ones, that of this Python."""
    for_here_last = sorted(_pinned(lock), key=lambda pin: pin.marker is None or pin.marker.evaluate())
    return {canonicalize_name(pin.name): pin for pin in for_here_last}


def _ranges(*sections: tuple[str, str]) -> list[Requirement]:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    return [Requirement(line) for section, key in sections for line in config[section][key].strip().splitlines()]


def _assert_each_is_pinned_in_range(ranges: list[Requirement], pins: dict[str, Requirement]) -> None:
    for wanted in ranges:
        pin = pins.get(canonicalize_name(wanted.name))
        assert pin is not None, f"{wanted.name} is not locked: run make lock"
        (version,) = pin.specifier
        assert version.operator == "=="
        assert wanted.specifier.contains(version.version), f"{pin} is outside {wanted}: run make lock"


def test_every_runtime_dependency_is_pinned_inside_its_range() -> None:
    _assert_each_is_pinned_in_range(_ranges(("options", "install_requires")), _pins("runtime"))


def test_every_dev_dependency_is_pinned_inside_its_range() -> None:
    ranges = _ranges(("options", "install_requires"), ("options.extras_require", "dev"))
    _assert_each_is_pinned_in_range(ranges, _pins("dev"))


def test_the_build_system_is_pinned_inside_its_range() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    _assert_each_is_pinned_in_range([Requirement(line) for line in project["build-system"]["requires"]], _pins("build"))


@pytest.mark.parametrize("lock", ["cwt", "lock"])
def test_the_tools_of_their_own_environments_are_pinned_inside_their_ranges(lock: str) -> None:
    lines = (ROOT / "requirements" / f"{lock}.in").read_text().splitlines()
    ranges = [Requirement(line) for line in lines if not line.startswith("#")]
    _assert_each_is_pinned_in_range(ranges, _pins(lock))


def test_the_locks_agree_with_each_other() -> None:
    runtime, dev, build = _pins("runtime"), _pins("dev"), _pins("build")
    assert runtime.items() <= dev.items()
    for name in build.keys() & dev.keys():
        assert build[name].specifier == dev[name].specifier, name


def test_the_lock_is_closed_because_it_is_installed_without_resolving() -> None:
    pins = _pins("dev") | _pins("build")
    here = {"extra": ""}
    for pin in pins.values():
        try:
            wanted = [Requirement(line) for line in requires(pin.name) or []]
        except PackageNotFoundError:
            assert pin.marker is not None, f"{pin} is for every platform, but is not installed"
            assert not pin.marker.evaluate(), f"{pin} is for this platform, but is not installed"
            continue
        for need in wanted:
            if need.marker is None or need.marker.evaluate(here):
                assert canonicalize_name(need.name) in pins, f"{pin.name} needs {need}"


@pytest.mark.parametrize("lock", _LOCKS)
def test_every_pin_has_hashes_and_no_address(lock: str) -> None:
    path: Path = ROOT / "requirements" / f"{lock}.txt"
    text = path.read_text()
    assert "://" not in text
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text)
    assert len(blocks) == len(_pinned(lock)) > 0
    for block in blocks:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block.splitlines()[0]
