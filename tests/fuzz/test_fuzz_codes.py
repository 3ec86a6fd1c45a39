"""A short, seeded and bounded run of the fuzzer, so that the harness works on the day somebody lets it run for long."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from agent.credentials.ec1 import parse
from tests.agent.credentials.code_parts import SUITES, vector

RUNS = 20_000


def test_a_seeded_run_finds_nothing(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name in SUITES:
        text = vector(name)["text"]
        (corpus / f"{name}.text").write_bytes(b"\0" + text.encode())
        (corpus / f"{name}.bytes").write_bytes(b"\xff" + parse(text).encode())
    options = [f"-runs={RUNS}", "-seed=1", "-max_len=400", "-timeout=20", "-rss_limit_mb=1024", "-verbosity=0"]
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.code_harness", *options, f"-artifact_prefix={tmp_path}/", str(corpus)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2_000:]
