"""The command as it is typed, ``main`` and all, in the process of the test: a hundred take hardly longer than one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from tools.cli.main import main


@dataclass
class Done:
    """What a command said."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, object]:
        answer: dict[str, object] = json.loads(self.out)
        return answer


def onecard(home: Path, *arguments: str, stdin: str = "", environment: Mapping[str, str]) -> Done:
    """Typed in ``home``. What is chosen when a module is imported, as the words of help, stays as it is."""
    with chdir(home), CliRunner().isolation(input=stdin, env=environment) as (out, err, _):
        code: object = 0
        try:
            main(list(arguments))
        except SystemExit as ended:
            code = ended.code
    return Done(code if isinstance(code, int) else 0, out.getvalue().decode(), err.getvalue().decode())
