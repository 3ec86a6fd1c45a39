"""Which configuration a terminal starts with. Never a boot loop: each start of a trial is counted before it is made.

1. What is on trial, if its start could be counted, it was started fewer than ``MAX_STARTS`` times, and it is valid for
   this software. What is not is withdrawn first.
2. Else the platform's configuration that proved itself last.
3. Else, or where that cannot be used, the terminal's own file, with which it was installed.

The terminal's id, site and state directory stay its own. A disk that takes nothing tries nothing: without its count a
trial is not begun.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from agent.config import ConfigError, Resolved, parse
from agent.config_model import TerminalConfig
from agent.configuration.shelf import Shelf, TextDamaged
from agent.configuration.standing import MAX_STARTS, Standing, Trial, Why
from agent.logs import log
from agent.problems import Problem
from agent.words import say, why_en, why_zh


def read_issue(text: str, version: int, terminal: TerminalConfig, overrides: Iterable[str] = ()) -> Resolved:
    """The platform's configuration as this terminal would run it. Raises :class:`ConfigError`."""
    source = say(f"平台下发的配置 {version}", f"configuration {version} of the platform")
    placed = f"terminal.state_dir={json.dumps(str(terminal.state_dir))}"
    resolved = parse(text, source, Path(terminal.state_dir), (placed, *overrides))
    problems = []
    for key, said, right in (
        ("terminal.id", resolved.config.terminal.id, terminal.id),
        ("terminal.site", resolved.config.terminal.site, terminal.site),
    ):
        if said != right:
            problems.append(Problem(key, f"应为 {right}，现为 {said}", f"should be {right}, and is {said}"))
    if resolved.config.platform is None:
        said_zh, said_en = (
            "平台下发的配置必须写明平台的位置",
            "a configuration of the platform must say where the platform is",
        )
        problems.append(Problem("platform", said_zh, said_en))
    if problems:
        raise ConfigError(source, problems)
    return replace(resolved, issue=version)


def begin(own: Resolved, overrides: tuple[str, ...] = ()) -> Resolved:
    """What this start goes by; called once a start, before anything else is built."""
    terminal = own.config.terminal
    shelf = Shelf(terminal.state_dir)
    standing = shelf.read()
    if standing.trial is not None:
        standing, tried = _try(shelf, standing, standing.trial, terminal, overrides)
        if tried is not None:
            return tried
    return _kept(shelf, standing, own, overrides)


def as_it_runs(own: Resolved, overrides: tuple[str, ...] = ()) -> Resolved:
    """What the terminal goes by, for whoever stands beside it; nothing is counted or changed."""
    shelf = Shelf(own.config.terminal.state_dir)
    standing = shelf.read()
    trial = standing.trial
    if trial is not None and trial.starts:
        try:
            resolved = read_issue(shelf.text(trial.issue), trial.issue.version, own.config.terminal, overrides)
            return replace(resolved, trial=trial)
        except (ConfigError, TextDamaged):
            pass  # the terminal withdraws it at its next start
    return _kept(shelf, standing, own, overrides)


def _try(
    shelf: Shelf, standing: Standing, trial: Trial, terminal: TerminalConfig, overrides: tuple[str, ...]
) -> tuple[Standing, Resolved | None]:
    version = trial.issue.version
    try:
        if trial.starts >= MAX_STARTS:
            return _withdraw(shelf, standing.without(version, Why.RESTARTS)), None
        shelf.write(standing.counted(trial))
        try:
            resolved = read_issue(shelf.text(trial.issue), version, terminal, overrides)
        except TextDamaged:
            return _withdraw(shelf, standing.without(version, Why.DAMAGED)), None
        except ConfigError as error:
            return _withdraw(shelf, standing.without(version, Why.INVALID, error.problems[0].path)), None
    except OSError as error:
        log().error("configuration cannot be tried", version=version, detail=say(why_zh(error), why_en(error)))
        return standing, None
    return standing, replace(resolved, trial=trial)


def _withdraw(shelf: Shelf, standing: Standing) -> Standing:
    shelf.write(standing)
    return standing


def _kept(shelf: Shelf, standing: Standing, own: Resolved, overrides: tuple[str, ...]) -> Resolved:
    kept = standing.kept
    if kept is None:
        return own
    try:
        return read_issue(shelf.text(kept), kept.version, own.config.terminal, overrides)
    except TextDamaged:
        detail = say(Why.DAMAGED.sentence.zh, Why.DAMAGED.sentence.en)
    except ConfigError as error:
        detail = str(error.problems[0])
    log().error("configuration in force cannot be used", version=kept.version, detail=detail)
    return own
