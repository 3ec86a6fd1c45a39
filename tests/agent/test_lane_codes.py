"""Codes at a lane: from the text to the gate, once, by all lanes together, through restarts and failed appends."""

from __future__ import annotations

import asyncio
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from agent.credentials.hcert_keys import SignerList, keyring, signer_key
from agent.credentials.lists import Lists
from agent.credentials.trust import Term
from agent.lane import Lane
from agent.signatures import Algorithm
from drivers.api import CodeReading, InputReading
from tests.agent.credentials import health_issuer
from tests.agent.credentials.code_parts import NOW_MS, lists, vector
from tests.agent.credentials.health_issuer import Signer
from tests.agent.simulated import SimulatedClock, run_simulated
from tests.agent.site import DISK_FULL, Site, serve
from tests.vectors.ec1.regenerate import TOKEN, issuing_key, made

TEXT = vector("sm2-es256")["text"]


def shown(text: str = TEXT) -> CodeReading:
    return CodeReading(reader="scanner", at_ns=0, text=text)


def site_at(directory: Path) -> Site:
    return Site(directory, lists=lists(), clock=SimulatedClock(NOW_MS))


def passes(lane: Lane) -> None:
    lane.offer(InputReading(reader="board", at_ns=0, input="passage", active=True))


def test_a_code_opens_the_gate_once_and_its_record_names_the_token(tmp_path: Path) -> None:
    async def main() -> None:
        site = site_at(tmp_path)
        lane = site.lane()

        async def script() -> None:
            lane.offer(shown())
            await asyncio.sleep(1)
            passes(lane)
            await asyncio.sleep(1)
            lane.offer(shown())

        await serve(lane, script)
        assert site.reasons() == ["granted", "passed", "code-replayed"]
        granted = site.records()[0].entry
        assert (granted.medium, granted.subject) == (TOKEN, ("issuer-1.example", TOKEN))
        assert len(site.outputs.pulses) == 1
        site.close()

    run_simulated(main())


def test_two_lanes_cannot_accept_one_code_at_the_same_moment(tmp_path: Path) -> None:
    async def main() -> None:
        site = site_at(tmp_path)
        north, south = site.lane("north"), site.lane("south", direction="out")

        async def both() -> None:
            north.offer(shown())
            south.offer(shown())

        async with asyncio.TaskGroup() as group:
            group.create_task(south.run())
            await serve(north, both)
            south.stop()
        assert sorted(site.reasons()) == ["code-replayed", "granted"]
        assert len(site.outputs.pulses) == 1
        site.close()

    run_simulated(main())


def test_a_code_stays_used_through_a_restart(tmp_path: Path) -> None:
    async def tap() -> list[str]:
        site = site_at(tmp_path)
        lane = site.lane()

        async def script() -> None:
            lane.offer(shown())
            await asyncio.sleep(1)
            passes(lane)

        await serve(lane, script)
        reasons = site.reasons()
        site.close()
        return reasons

    async def main() -> None:
        assert await tap() == ["granted", "passed"]
        assert (await tap())[2:3] == ["code-replayed"]

    run_simulated(main())


def test_a_code_whose_record_failed_may_be_shown_again(tmp_path: Path) -> None:
    async def main() -> None:
        site = site_at(tmp_path)
        lane = site.lane()

        async def script() -> None:
            site.writer.fails_with = DISK_FULL
            lane.offer(shown())
            await asyncio.sleep(1)
            site.writer.fails_with = None
            lane.offer(shown())

        await serve(lane, script)
        assert site.reasons() == ["granted"]
        site.close()

    run_simulated(main())


def test_a_foreign_code_leaves_nothing_of_itself_behind(tmp_path: Path) -> None:
    payment = "134680000000000001"

    async def main() -> None:
        site = site_at(tmp_path)
        lane = site.lane()

        async def script() -> None:
            lane.offer(shown(payment))
            lane.offer(shown(made(issuing_key(Algorithm.ES256), Algorithm.ES256).text[:-1]))

        await serve(lane, script)
        assert site.reasons() == ["payment-code", "code-damaged"]
        assert all(record.entry.medium is None for record in site.records())
        site.close()

    run_simulated(main())
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert payment.encode() not in kept


def test_a_green_certificate_opens_a_red_one_does_not_and_a_lane_that_takes_none_says_so(tmp_path: Path) -> None:
    signer = Signer.make(ec.generate_private_key(ec.SECP256R1()))
    listed = SignerList(Term(0, 1 << 52, 0), keyring([signer_key(signer.certificate)]))
    green = health_issuer.certificate(signer, health_issuer.vaccination())
    red = health_issuer.certificate(signer, health_issuer.tested(ci="URN:UVCI:01:XX:2", tr="260373001"))

    async def main() -> None:
        site = Site(tmp_path, lists=Lists(signers=listed), clock=SimulatedClock(health_issuer.NOW_S * 1000))
        takes = site.lane("takes", admit={"entitlements": ["health-green"]}, codes={"health": {}})
        takes_none = site.lane("takes-none")

        async def script() -> None:
            for lane, text in ((takes, red), (takes, green), (takes_none, green)):
                lane.offer(shown(text))
                await asyncio.sleep(1)

        async with asyncio.TaskGroup() as group:
            group.create_task(takes_none.run())
            await serve(takes, script)
            takes_none.stop()
        assert site.reasons() == ["not-entitled", "granted", "health-certificate"]
        assert "Musterfrau" not in str(site.records())
        site.close()

    run_simulated(main())
