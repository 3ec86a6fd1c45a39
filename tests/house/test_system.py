"""packaging/system.sh brings what the other steps count on, on a Debian that has nothing yet."""

from __future__ import annotations

import re

from tests.house import ROOT


def _brought() -> set[str]:
    """The names in the two lists of packages."""
    script = (ROOT / "packaging" / "system.sh").read_text(encoding="utf-8")
    lists = re.findall(r"packages\+?=\(\n(.*?)\n *\)", script, flags=re.DOTALL)
    assert len(lists) == 2
    return {name for text in lists for line in text.splitlines() for name in line.partition("#")[0].split()}


def test_what_the_debian_package_is_built_with_is_brought() -> None:
    control = (ROOT / "packaging" / "debian" / "control").read_text(encoding="utf-8")
    (said,) = re.findall(r"^Build-Depends: (.+)$", control, flags=re.MULTILINE)
    wanted = {re.split(r"[ -]compat|[ (]", name.strip())[0] for name in said.split(",")}
    # dpkg-checkbuilddeps asks for build-essential without being told (Debian policy 4.2).
    assert wanted | {"build-essential"} <= _brought()
