"""A canteen's till as its users have it: a subsidised meal, a power cut, a cashier who takes it back."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from agent.credentials.register import SITE
from drivers.virtual.bench import Press
from tests.scenarios.site import started
from tests.scenarios.test_till import ended
from tests.scenarios.tills import CARD, TillSite, city, connected, till
from tools.platform.funds import fund_owner
from tools.platform.intents import State

CASHIER = "gen2-wang"
ALL_DAY = {"periods": [{"name": "meal", "from": "00:00", "to": "00:00", "price_fen": 1500}]}
SUBSIDY = [{"for": "staff", "meal_fen": 1000}]


def test_a_subsidised_meal_is_paid_survives_a_power_cut_and_is_taken_back_by_a_cashier(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"ask_deadline_ms": 20_000, "meals": ALL_DAY, "subsidies": SUBSIDY}
    with (
        city(tmp_path) as running,
        till(tmp_path, running.authority, running.endpoint, preset="canteen", **settings) as site,
        ExitStack() as lives,
    ):
        staff, cashier = medium(site, CARD, "pn532"), medium(site, CASHIER, "pcsc-0")
        owner = (SITE, staff)
        subsidy = fund_owner("subsidy", owner, "canteen-1")
        running.pay_in(owner, 600)
        again(site, lives, {staff: "staff", cashier: "cashier"})

        site.insert(CARD)
        site.expect("show", en="Paid: 15.00 yuan (subsidy 10.00, account 5.00); no. 1")
        site.expect("payment", reason="paid")
        ended(running, site, State.RELEASED, State.RELEASED, State.CAPTURED)
        assert (running.balance(owner), running.balance(subsidy)) == (100, -1000)
        site.remove()

        again(site, lives, {staff: "staff", cashier: "cashier"}, power_cut=True)
        site.expect("show", en="The last payment was made: 15.00 yuan")
        press(site, "o")
        site.expect("show", en="Cashier, please present your card")
        site.insert(CASHIER, "pcsc-0")
        site.expect("counter", reason="signed-in")
        press(site, "1v")
        site.expect("show", en="No. 1: 15.00 yuan were given back (subsidy 10.00, account 5.00)")
        press(site, "s")
        site.expect("counter", reason="shift-closed")
        ended(running, site, State.RELEASED, State.RELEASED, State.REVERSED)
        assert (running.balance(owner), running.balance(subsidy)) == (600, 0)
        assert running.alarms() == {}
        report = next(record.entry.public for record in site.records() if record.entry.reason == "shift-closed")
        assert (report["sold_fen"], report["returned_fen"], report["net_fen"]) == (1500, 1500, 0)


def medium(site: TillSite, card: str, reader: str) -> bytes:
    """What the terminal calls a card: it is presented, and nobody has an account for it."""
    site.insert(card, reader)
    site.expect("reversal", reason="no-account")
    site.remove(reader)
    found = site.money()[-1].entry.medium
    assert found is not None
    return found


def again(site: TillSite, lives: ExitStack, holders: dict[bytes, str], *, power_cut: bool = False) -> None:
    """Start anew, with a register of the site's own."""
    if power_cut:
        os.kill(site.terminal.pid, signal.SIGKILL)
    site.terminal.stop()
    document = yaml.safe_load(site.config.read_text(encoding="utf-8"))
    document["holders"] = [{"medium": each.hex(), "entitlements": [word]} for each, word in holders.items()]
    site.config.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    site.terminal = lives.enter_context(started(site.config, site.devices))
    connected(site)
    site.seen = 0  # what it said while it started counts too


def press(site: TillSite, keys: str) -> None:
    site.devices.ask(Press(amount=keys))
