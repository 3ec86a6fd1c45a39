"""A payment from the keypad to the city's ledger, with every part real, and with a network that betrays it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose
from agent.keys import FileKeyStore, Role
from agent.signatures import Algorithm
from agent.sync.contract import Address, Authorise, Authorised, Channel, decode_question, open_reply, sign_reply
from drivers.virtual.bench import Press
from profiles.purpose import Purpose
from tests.scenarios.site import DEADLINE_S, started
from tests.scenarios.tills import City, TillSite, city, connected, till, with_account
from tests.tools.platform.test_evidence import row_file
from tools.bundles import signer_of
from tools.city import Issuer, Phone, deny_list, trust_list
from tools.cli import code_files
from tools.platform import issuers
from tools.platform.evidence import Verdict
from tools.platform.intents import State
from tools.platform.service import _now_ms

ASKED = ("asked", "asked")


def until(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.02)


def ended(running: City, site: TillSite, *states: State) -> None:
    """Wait until the platform has the journal's end of every intent, and they are these, in the till's order."""
    ids = list(dict.fromkeys(record.entry.money.intent_id for record in site.money() if record.entry.money))
    until(
        lambda: [running.intents()[each].state for each in ids if each in running.intents()] == list(states),
        f"the intents never became {states}",
    )


def test_a_payment_is_authorised_online_and_captured_by_its_record(tmp_path: Path) -> None:
    with city(tmp_path) as running, till(tmp_path, running.authority, running.endpoint, ask_deadline_ms=20_000) as site:
        owner = with_account(site, running, 5000)
        site.present("12.50")
        site.expect("show", en="Paid: 12.50 yuan")
        site.expect("payment", reason="paid")
        site.remove()
        site.expect("removed")
        site.present("99.00")
        site.expect("reversal", reason="insufficient-funds")
        ended(running, site, State.CAPTURED, State.RELEASED)
        assert running.balance(owner) == 3750
        assert site.kinds() == [ASKED, ("payment", "paid"), ASKED, ("reversal", "insufficient-funds")]
        # A card that was merely read proves nothing beyond the till's word.
        assert sorted(intent.flags for intent in running.intents().values()) == ["", "unproven"]
        assert running.alarms() == {}


def test_a_slow_platform_is_not_waited_for_and_its_late_yes_is_released(tmp_path: Path) -> None:
    with city(tmp_path) as running, till(tmp_path, running.authority, running.endpoint, ask_deadline_ms=1_500) as site:
        owner = with_account(site, running, 5000)
        running.valve.shut = True
        site.present("10.00")
        running.valve.wait_for_questions(1)
        site.expect("payment", reason="paid-offline")
        reply = running.valve.kept[0]
        running.publish(reply.topic, reply.payload, reply.payload)
        site.expect("release", reason="answered-late")
        ended(running, site, State.CAPTURED)
        assert running.balance(owner) == 4000
        assert site.kinds() == [ASKED, ("payment", "paid-offline"), ("release", "answered-late")]


def test_a_network_cut_between_question_and_answer_decides_offline_and_holds_nothing(tmp_path: Path) -> None:
    with city(tmp_path) as running, till(tmp_path, running.authority, running.endpoint, ask_deadline_ms=30_000) as site:
        owner = with_account(site, running, 5000)
        running.valve.shut = True
        site.present("12.50")
        running.valve.wait_for_questions(1)
        assert State.HELD in {intent.state for intent in running.intents().values()}
        running.broker.kill()
        site.expect("reversal", reason="offline-ceiling")
        running.broker.start()
        ended(running, site, State.RELEASED)
        assert running.balance(owner) == 5000


def test_a_till_killed_between_question_and_decision_reverses_when_it_is_back(tmp_path: Path) -> None:
    with city(tmp_path) as running, till(tmp_path, running.authority, running.endpoint, ask_deadline_ms=30_000) as site:
        with_account(site, running, 5000)
        running.valve.shut = True
        site.present("5.00")
        running.valve.wait_for_questions(1)
        os.kill(site.terminal.pid, signal.SIGKILL)
        site.terminal.stop()
        site.remove()
        with started(site.config, site.devices) as again:
            site.terminal = again
            connected(site)
            site.seen = 0
            site.expect("reversal", reason="outcome-unknown")
            ended(running, site, State.RELEASED)
            reply = running.valve.kept[-1]
            running.publish(reply.topic, reply.payload)
            until(lambda: running.alarms().get("answer-refused") == "stale", "the old answer was not refused")
            assert site.kinds() == [ASKED, ("reversal", "outcome-unknown")]
            again.stop()


def test_no_answer_but_the_platforms_own_to_this_very_question_pays(tmp_path: Path) -> None:
    with city(tmp_path) as running, till(tmp_path, running.authority, running.endpoint, ask_deadline_ms=6_000) as site:
        owner = with_account(site, running, 5000)
        site.present("1.00")
        site.expect("payment")
        running.valve.wait_for_questions(1)
        site.remove()
        site.expect("removed")
        running.valve.shut = True
        site.present("20.00")
        running.valve.wait_for_questions(2)
        genuine = running.valve.kept[-1]
        running.publish(genuine.topic, *hostile(running, site.terminal_id))
        site.expect("reversal", reason="offline-ceiling")
        running.publish(genuine.topic, genuine.payload, genuine.payload)
        site.expect("release", reason="answered-late")
        ended(running, site, State.CAPTURED, State.RELEASED)
        assert running.balance(owner) == 4900
        assert site.kinds()[2:] == [ASKED, ("reversal", "offline-ceiling"), ("release", "answered-late")]
        assert "answer-refused" in running.alarms()


def test_a_code_that_was_shown_to_pay_pays_once_and_the_platform_proves_it(
    tmp_path: Path,
) -> None:
    settings: dict[str, Any] = {
        "ask_deadline_ms": 20_000,
        "codes": {"purposes": ["any", "pay"], "untrusted_clock": "judge"},
    }
    with city(tmp_path) as running, till(tmp_path, running.authority, running.endpoint, **settings) as site:
        issuer = Issuer.found(1, Algorithm.ES256, _now_ms())
        phone = Phone(issuer, issuer.grant(5, (), _now_ms() // 1000))
        believe(site, running, issuer)
        owner = (issuer.row.namespace, phone.grant.token)
        running.pay_in(owner, 5000)
        site.devices.ask(Press(amount="12.50"))
        site.expect("show", en="Please pay 12.50 yuan")
        site.show_code(phone.code(_now_ms() // 1000, Purpose.PASS))
        site.expect("decision", reason="code-wrong-purpose")
        code = phone.code(_now_ms() // 1000, Purpose.PAY)
        site.show_code(code)
        site.expect("payment", reason="paid")
        site.show_code(code)
        site.expect("decision", reason="code-replayed")
        ended(running, site, State.CAPTURED)
        assert running.balance(owner) == 3750
        assert {running.verdict(record.entry.id) for record in site.money()} == {Verdict.PROVEN}
        assert [intent.flags for intent in running.intents().values()] == [""]
        assert all(code.encode() not in record.to_bytes() for record in site.records())


def believe(site: TillSite, running: City, issuer: Issuer) -> None:
    """The till and the platform learn of an issuer, each in its way."""
    signers = {role: signer_of(running.authority.role_keys[role][0]) for role in (Role.ROOT, Role.BUNDLE)}
    sealing = FileKeyStore(site.state_dir / "keys").sealing_public()
    site.install("trust", trust_list([issuer], [sealing], signers[Role.ROOT], _now_ms()))
    site.install("deny-1", deny_list(issuer, 1, (), signers[Role.BUNDLE], _now_ms()))
    row = site.config.with_name("row.json")
    code_files.write(row, row_file(issuer))
    issuers.add(running.authority.issuers, row)


def hostile(running: City, terminal: str) -> list[bytes]:
    """What somebody who owns the broker can say in place of the answer."""
    topic = Address(terminal).topic(Channel.ANSWER)
    keys = {running.signer.kid: cose.VerifyKey.of(running.signer.key.public_key())}
    genuine = open_reply(running.valve.kept[-1].payload, keys, terminal)
    question = decode_question(running.valve.questions[-1])
    assert isinstance(genuine, Authorised)
    assert isinstance(question, Authorise)
    stranger = cose.Es256Signer(ec.generate_private_key(ec.SECP256R1()))
    cheaper = question.model_copy(update={"amount_fen": 1, "intent_id": b"j" * 16}).encode()
    altered = running.valve.handle(Address(terminal).topic(Channel.ASK), cheaper)
    assert altered is None
    return [
        b"",
        genuine.encode(),
        sign_reply(genuine, stranger),
        running.valve.kept[0].payload,
        running.valve.kept[-1].payload,
        cose.sign1(genuine.model_copy(update={"terminal": "till-2"}).encode(), running.signer, topic.encode()),
        sign_reply(genuine.model_copy(update={"terminal": "till-2"}), running.signer),
        sign_reply(genuine.model_copy(update={"amount_fen": 1}), running.signer),
        sign_reply(genuine.model_copy(update={"issued_ms": _now_ms() + 60_000}), running.signer),
        cose.sign1(genuine.encode(), running.signer, Address(terminal).topic(Channel.ACK).encode()),
    ]
