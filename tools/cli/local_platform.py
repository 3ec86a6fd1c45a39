"""A preset and the reference platform of the same user on one machine: keys are handed over without enrolment."""

from __future__ import annotations

from agent.config import TerminalConfig
from tools.cli.place import state_home
from tools.platform.broker import DEFAULT_PORT
from tools.platform.ca import Authority
from tools.platform.service import Layout


def link_overrides() -> tuple[str, ...]:
    """The configuration's link to the platform's broker, as `onecard platform run` starts it by default."""
    return ("platform.host=localhost", f"platform.port={DEFAULT_PORT}")


def enrol(terminal: TerminalConfig) -> None:
    """Give the terminal keys of the local platform, once."""
    keys = terminal.state_dir / "keys"
    if not (keys / "tls.pem").exists():
        Authority.init(Layout(state_home() / "platform").keys).provision(terminal.id, keys)
