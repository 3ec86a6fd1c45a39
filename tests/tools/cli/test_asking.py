"""What is asked before something is done: a yes, a no, and where nobody is there to say either."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path

import click
import pytest

from tests.tools.cli.in_process import onecard
from tools.cli.asking import agreed
from tools.platform.ca import Authority
from tools.platform.service import Layout

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(("lang", "said"), [("en", "if you are sure, say --yes"), ("zh", "确定要做，请加 --yes")])
def test_where_nobody_can_answer_nothing_is_done_and_the_option_is_named(tmp_path: Path, lang: str, said: str) -> None:
    layout = Layout(tmp_path / "city")
    Authority.init(layout.keys)
    command = ("platform", "rotate", "bundle", "--dir", str(layout.directory))
    nobody = onecard(tmp_path, *command, environment={"ONECARD_LANG": lang})
    assert (nobody.exit_code, said in nobody.err) == (1, True), nobody.err
    assert "Aborted" not in nobody.err
    assert nobody.err.splitlines()[-2].endswith("[y/N]: "), "the sentence has a line of its own"
    assert not layout.bundles.joinpath("keys").exists()


@pytest.mark.parametrize(("piped", "is_agreed"), [("y\n", True), ("n\n", False), ("perhaps\ny\n", True)])
def test_an_answer_that_is_piped_in_counts(
    piped: str, is_agreed: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(piped))
    assert agreed("Sure?", err=True) is is_agreed
    assert capsys.readouterr().err.endswith("[y/N]: \n"), "what is said next stands on a line of its own"


def test_ctrl_d_at_a_terminal_is_a_no_of_somebody_who_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = os.openpty()
    with os.fdopen(slave) as typed:
        monkeypatch.setattr(sys, "stdin", typed)
        os.write(master, b"\x04")
        with pytest.raises(click.Abort):
            agreed("Sure?", err=True)
    os.close(master)


def test_no_command_asks_in_a_way_of_its_own() -> None:
    asking = re.compile(r"click\.(confirm|prompt)\(")
    own = {path.name for path in (ROOT / "tools").rglob("*.py") if asking.search(path.read_text())}
    assert own == {"asking.py", "provision.py"}, "provision asks at a terminal alone, and says so before it begins"
