"""A process that holds keys."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_CHILD = """
import ctypes, os, resource
from agent.process_guard import keep_secrets_in
keep_secrets_in()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE), flush=True)
os.abort()
"""


def test_it_cannot_be_dumped_and_leaves_no_core_file(tmp_path: Path) -> None:
    house = Path(__file__).parents[2]
    child = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(house)!r}){_CHILD}"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        check=False,
    )
    assert child.stdout.split() == [b"0", b"0", b"0"]
    assert child.returncode == -6
    assert list(tmp_path.iterdir()) == []
